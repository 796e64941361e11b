package loader

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"

	"xdpfw/codegen"
	"xdpfw/rules"
)

func frameWithProtocol(protocol byte, length int) []byte {
	frame := make([]byte, length)
	if length > 23 {
		frame[23] = protocol
	}
	return frame
}

func TestRunnerReadsTheDecisionOffTheCounters(t *testing.T) {
	requireBPF(t)
	r, err := NewRunner(handMade("run.fw", rules.Pass))
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	for _, c := range []struct {
		protocol byte
		length   int
		want     rules.Decision
	}{
		{17, 60, rules.Decision{Verdict: rules.Drop, Rule: 0}},
		{6, 60, rules.Decision{Verdict: rules.Pass, Rule: rules.ByDefault}},
		{17, 14, rules.Decision{Verdict: rules.Pass, Rule: rules.ByDefault}},
		{17, 23, rules.Decision{Verdict: rules.Pass, Rule: rules.ByDefault}},
		{17, 24, rules.Decision{Verdict: rules.Drop, Rule: 0}},
		{17, longestFrame, rules.Decision{Verdict: rules.Drop, Rule: 0}},
	} {
		got, err := r.Run(frameWithProtocol(c.protocol, c.length))
		if err != nil || got != c.want {
			t.Errorf("protocol %d, %d bytes: %+v, %v; want %+v", c.protocol, c.length, got, err, c.want)
		}
	}
	for _, length := range []int{0, 13, longestFrame + 1, 65536} {
		if _, err := r.Run(make([]byte, length)); !errors.Is(err, ErrCannotRun) {
			t.Errorf("%d bytes: %v, want ErrCannotRun", length, err)
		}
	}
	r.loaded[""].reader.perSlot = true // as on a kernel before 5.13
	if got, err := r.Run(frameWithProtocol(17, 60)); err != nil || got.Rule != 0 {
		t.Errorf("slot by slot: %+v, %v", got, err)
	}
}

// Programs that lie: what they return, what they count, and how much.
func TestRunnerRefusesWhatDoesNotAddUp(t *testing.T) {
	requireBPF(t)
	plain := func(in asm.Instruction) codegen.Instruction { return codegen.Instruction{Instruction: in} }
	for name, c := range map[string]struct {
		obj  *codegen.Object
		want string
	}{
		"wrong verdict": {
			insert(handMade("lie.fw", rules.Pass), lastOf(handMade("lie.fw", rules.Pass), 2), plain(asm.Mov.Imm(asm.R0, 2))),
			`the program returned XDP_PASS, but counted the frame for "drop proto 17", whose verdict is drop`,
		},
		"aborted": {
			insert(handMade("lie.fw", rules.Pass), lastOf(handMade("lie.fw", rules.Pass), 2), plain(asm.Mov.Imm(asm.R0, 0))),
			`the program returned XDP_ABORTED, but counted the frame for "drop proto 17", whose verdict is drop`,
		},
		"wrong length": {
			insert(handMade("lie.fw", rules.Pass), lastOf(handMade("lie.fw", rules.Pass), 0), plain(asm.Add.Imm(asm.R8, 4))),
			`after a frame of 60 bytes (return code XDP_DROP): slot 0 ("drop proto 17") moved by 1 packets and 64 bytes`,
		},
		"not counted": {
			insert(handMade("lie.fw", rules.Pass), lastOf(handMade("lie.fw", rules.Pass), 1)+1,
				plain(asm.StoreImm(asm.RFP, -4, 7, asm.Word)), plain(asm.Mov.Reg(asm.R0, asm.R9))),
			`no counter moved`,
		},
	} {
		r, err := NewRunner(c.obj)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if d, err := r.Run(frameWithProtocol(17, 60)); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %+v, error %v\nwant %s", name, d, err, c.want)
		}
		r.Close()
	}
}

func BenchmarkRunner(b *testing.B) {
	requireBPF(b)
	r, err := NewRunner(handMade("bench.fw", rules.Pass))
	if err != nil {
		b.Fatal(err)
	}
	defer r.Close()
	frame := frameWithProtocol(17, 64)
	for b.Loop() {
		if _, err := r.Run(frame); err != nil {
			b.Fatal(err)
		}
	}
}

// Counters are what the program counted since the last look at them, and
// RunCounting finds its own packet behind others.
func TestRunnerCountersSince(t *testing.T) {
	requireBPF(t)
	r, err := NewRunner(handMade("run.fw", rules.Pass))
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	run := func(protocol byte, times uint32) {
		if _, err := r.Program().Run(&ebpf.RunOptions{Data: frameWithProtocol(protocol, 60), Repeat: times}); err != nil {
			t.Fatal(err)
		}
	}
	check := func(want ...codegen.CounterValue) {
		t.Helper()
		if got, err := r.Counters(); err != nil || !slices.Equal(got, want) {
			t.Errorf("counters %v, %v; want %v", got, err, want)
		}
	}
	run(17, 5)
	run(6, 3)
	check(codegen.CounterValue{Packets: 5, Bytes: 300}, codegen.CounterValue{Packets: 3, Bytes: 180})
	run(17, 2)
	check(codegen.CounterValue{Packets: 2, Bytes: 120}, codegen.CounterValue{})
	if d, err := r.Run(frameWithProtocol(17, 60)); err != nil || d.Rule != 0 {
		t.Errorf("decision %v, %v", d, err)
	}
	check(codegen.CounterValue{}, codegen.CounterValue{})
}

// Verdict and Counter together say what RunCounting says.
func TestRunnerVerdict(t *testing.T) {
	requireBPF(t)
	r, err := NewRunner(handMade("run.fw", rules.Pass))
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	for i := range 3 {
		if v, err := r.Verdict(frameWithProtocol(17, 60+i)); err != nil || v != rules.Drop {
			t.Errorf("%v, %v; want drop", v, err)
		}
	}
	if v, err := r.Verdict(frameWithProtocol(6, 60)); err != nil || v != rules.Pass {
		t.Errorf("%v, %v; want pass", v, err)
	}
	for slot, want := range []codegen.CounterValue{{Packets: 3, Bytes: 60 + 61 + 62}, {Packets: 1, Bytes: 60}} {
		if got, err := r.Counter(slot); err != nil || got != want {
			t.Errorf("slot %d counted %+v (%v), want %+v", slot, got, err, want)
		}
	}
	if _, err := r.Verdict(make([]byte, 13)); !errors.Is(err, ErrCannotRun) {
		t.Errorf("13 bytes: %v, want ErrCannotRun", err)
	}
}
