package loader

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"golang.org/x/sys/unix"

	"xdpfw/codegen"
	"xdpfw/rules"
)

func TestVerifyReportsTheVerifiersFigures(t *testing.T) {
	requireBPF(t)
	obj := handMade("verify.fw", rules.Pass)
	stats, err := Verify(obj)
	if err != nil {
		t.Fatal(err)
	}
	// Each path is walked, so it is more than the instructions there are,
	// less the two ends that only one path reaches.
	if n := len(obj.Programs[0].Code); stats.Processed < n || stats.Processed > 4*n || stats.PeakStates < 1 {
		t.Errorf("%+v for %d instructions", stats, n)
	}
}

func TestFrozenMapsAreFrozen(t *testing.T) {
	requireBPF(t)
	obj := handMade("frozen.fw", rules.Pass)
	obj.Maps[0].Spec.Flags = 0 // the loader sees to it, whatever the object says
	img, err := loadImage("load", obj, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer img.Close()
	info, err := img.Maps["protocols"].Info()
	if err != nil {
		t.Fatal(err)
	}
	if !info.Frozen() || img.Maps["protocols"].Flags()&0x80 == 0 {
		t.Errorf("frozen %v, flags %#x; want true and BPF_F_RDONLY_PROG", info.Frozen(), img.Maps["protocols"].Flags())
	}
	if err := img.Maps["protocols"].Put(uint32(0), []byte{6, 0, 0, 0}); err == nil {
		t.Error("the frozen map could be written to")
	}
	if info, err := img.counters.Info(); err != nil || info.Frozen() {
		t.Errorf("the counters are frozen, or %v", err)
	}
}

// The rule is named by the instruction that the verifier stopped at; the
// 64-bit immediate load before it counts two.
func TestRefusalNamesTheRule(t *testing.T) {
	requireBPF(t)
	obj := handMade("bad.fw", rules.Pass)
	at := lastOf(obj, 1) + 1
	insert(obj, at, codegen.Instruction{Instruction: asm.LoadMem(asm.R1, asm.R6, 200, asm.Byte), Origin: 1})
	_, err := Verify(obj)
	var refused *Error
	if !errors.As(err, &refused) {
		t.Fatalf("%v (%T), want an *Error", err, err)
	}
	want := fmt.Sprintf("the kernel's verifier refuses instruction %d of program %s (LdXMemB dst: r1 src: r6 off: 200 imm: 0), "+
		`which serves the rule at bad.fw:3, "drop proto 17": `, at+1, handMadeName)
	if refused.Doing != "verify bad.fw" || !strings.HasPrefix(refused.Why, want) || !strings.Contains(refused.Why, "invalid access to packet") {
		t.Errorf("Doing %q\nWhy  %q\nwant %q…", refused.Doing, refused.Why, want)
	}
	if !strings.Contains(refused.Help, "report") {
		t.Errorf("Help %q", refused.Help)
	}
}

func TestLimitsOfTheVerifierAreNamed(t *testing.T) {
	requireBPF(t)
	for name, c := range map[string]struct {
		code func(obj *codegen.Object)
		want string
	}{
		"pending branches": {func(obj *codegen.Object) {
			var branches []codegen.Instruction
			for range verifierJumpLimit + 8 {
				branches = append(branches, codegen.Instruction{Instruction: asm.JEq.Reg(asm.R8, asm.R9, "count"), Origin: 1})
			}
			insert(obj, lastOf(obj, 0)+1, branches...)
		}, "more than 8192 branches pending"},
		"processed instructions": {func(obj *codegen.Object) {
			loop := asm.Add.Imm(asm.R1, 1).WithSymbol("loop")
			insert(obj, 0, codegen.Instruction{Instruction: asm.Mov.Imm(asm.R0, 0).WithSymbol(handMadeName)},
				codegen.Instruction{Instruction: asm.Mov.Reg(asm.R6, asm.R1)},
				codegen.Instruction{Instruction: asm.Mov.Imm(asm.R1, 0)},
				codegen.Instruction{Instruction: loop},
				codegen.Instruction{Instruction: asm.JLT.Imm(asm.R1, 900_000, "loop")},
				codegen.Instruction{Instruction: asm.Mov.Reg(asm.R1, asm.R6)})
			obj.Programs[0].Code[6].Instruction = obj.Programs[0].Code[6].WithSymbol("")
		}, "gave up after 1000000 instructions"},
		"program length": {func(obj *codegen.Object) {
			long := make([]codegen.Instruction, 1_000_001)
			for i := range long {
				long[i] = codegen.Instruction{Instruction: asm.Mov.Imm(asm.R0, 0), Origin: 1}
			}
			insert(obj, lastOf(obj, 0)+1, long...)
		}, "more instructions than this kernel takes"},
	} {
		obj := handMade("limits.fw", rules.Pass)
		c.code(obj)
		_, err := Verify(obj)
		var refused *Error
		if !errors.As(err, &refused) || !strings.Contains(refused.Why, c.want) || refused.Help != smallerHelp {
			t.Errorf("%s: %v\nwant %s", name, err, c.want)
		}
	}
}

// Before Linux 6.1 an element of an array has at most 4 MiB.
func TestLargeMapsAreExplained(t *testing.T) {
	var refused *Error
	large := &ebpf.MapSpec{Name: "tables", ValueSize: 5 << 20}
	if err := explainMap(large, unix.E2BIG); !errors.As(err, &refused) || !strings.Contains(refused.Help, "--table-memory 4MiB") {
		t.Errorf("a map of 5 MiB: %v", err)
	}
	large.ValueSize = 4 << 20
	if err := explainMap(large, unix.E2BIG); !errors.Is(err, unix.E2BIG) {
		t.Errorf("a map of 4 MiB: %v", err)
	} else if strings.Contains(err.Error(), "6.1") {
		t.Errorf("a map of 4 MiB is refused for another reason: %v", err)
	}
}
