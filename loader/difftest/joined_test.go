package difftest

import (
	"strings"
	"testing"

	"xdpfw/codegen"
)

// manyCompares are rules that no frame comes to the verdict of: more compares
// than the verifier can keep pending, whatever the kind of the frame.
var manyCompares = func() string {
	set := "set never = { " + strings.Join([]string{
		"0x80000000, 0x80000002, 0x80000004, 0x80000006, 0x80000008, 0x8000000a, 0x8000000c, 0x8000000e",
		"0x80000010, 0x80000012, 0x80000014, 0x80000016, 0x80000018, 0x8000001a, 0x8000001c, 0x8000001e",
	}, ", ") + " }\n"
	return set + strings.Repeat("drop len @never\n", 512)
}()

// onlyChain is the strategy that joins compares.
var onlyChain = []string{codegen.Chain}

// Any rules, with so many in front of them that the compiler joins the compares
// of each: no rule file that is made for few frames is that long by itself.
func TestEnginesAgreeOnJoinedCompares(t *testing.T) {
	requireBPF(t)
	t.Parallel()
	const frames = 100
	ruleFiles := int(fromEnvironment(t, "XDPFW_FILES", defaultFiles) / 50) // each takes a fifth of a second to load
	g := NewGenerator(seed(t), 100)
	decided := 0
	for range ruleFiles {
		j := g.job(frames)
		text := manyCompares + j.file.Text
		rs := mustRead(text)
		if obj, err := codegen.Compile(rs, codegen.Options{Strategy: codegen.Chain}); err != nil || !strings.Contains(obj.Why, "joined") {
			t.Fatalf("%v, or no compares are joined\n%s", err, text)
		}
		if d := firstDifferenceOf(rs, onlyChain, j.frames); d != nil {
			t.Errorf("%v\nwith many compares in front\n%s", d, j.file.Text)
		}
		for _, frame := range j.frames {
			if reference(rs, frame).Rule >= 0 {
				decided++
			}
		}
	}
	t.Logf("%d rule files; rules decided %d pairs", ruleFiles, decided)
	if decided < ruleFiles*frames/2 {
		t.Errorf("rules decided %d of %d pairs only", decided, ruleFiles*frames)
	}
}

// Every eight bytes pass, as long as they are there: the table of that would
// have no bounds.
func TestEightBytesOfAnyValueJoined(t *testing.T) {
	requireBPF(t)
	rs := mustRead(manyCompares + "drop not at eth+6 8 0x0/0x802000\n")
	frames := [][]byte{ // what the mask reads is 0x80 of byte 11 and 0x20 of byte 12
		{11: 0x80, 59: 0},
		{12: 0x20, 59: 0},
		{6: 1, 10: 5, 11: 0x7f, 12: 0xdf, 59: 0}, // neither of them
		{11: 0x80, 12: 0x20},                     // too short to have byte 13
	}
	if d := firstDifferenceOf(rs, onlyChain, frames); d != nil {
		t.Error(d)
	}
	for i, drops := range []bool{true, true, false, false} {
		if (reference(rs, frames[i]).Rule >= 0) != drops {
			t.Errorf("frame %d: dropped: %v, want %v", i, !drops, drops)
		}
	}
}
