package loader

import (
	"fmt"
	"os"
	"testing"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"golang.org/x/sys/unix"

	"xdpfw/codegen"
	"xdpfw/rules"
)

// requireBPF skips a test that needs the kernel's BPF where it is not to be
// had, with the reason; with XDPFW_REQUIRE_BPF=1 that is a failure.
func requireBPF(t testing.TB) {
	t.Helper()
	img, err := loadImage("probe", handMade("probe.fw", rules.Pass), nil)
	if err == nil {
		img.Close()
		return
	}
	cannot(t, "BPF cannot be used: %v", err)
}

// cannot skips a test that this machine cannot run, with the reason; with
// XDPFW_REQUIRE_BPF=1 that is a failure.
func cannot(t testing.TB, format string, args ...any) {
	t.Helper()
	if os.Getenv("XDPFW_REQUIRE_BPF") == "1" {
		t.Fatalf(format, args...)
	}
	t.Skipf(format, args...)
}

// handMadeName is the program's name in the kernel, this process's own.
var handMadeName = fmt.Sprintf("t%d", os.Getpid())

// Slots of the counter map of handMade.
const (
	dropSlot    = 0
	defaultSlot = 1
)

// handMade is an Object written instruction by instruction, so that the
// loader's tests need no compiler: "drop proto 17" as seen in byte 23 of the
// frame, whatever that is, else the default. A frozen map holds the 17.
func handMade(source string, byDefault rules.Verdict) *codegen.Object {
	origins := []codegen.Origin{
		{Rule: codegen.CommonCode, Text: "the start of the frame"},
		{Rule: 0, Position: rules.Position{File: source, Line: 3, Col: 1}, Text: "drop proto 17"},
		{Rule: rules.ByDefault, Position: rules.Position{File: source, Line: 1, Col: 1}, Text: "default " + byDefault.String()},
	}
	const start, rule, last = 0, 1, 2
	code := []codegen.Instruction{}
	add := func(origin int, insns ...asm.Instruction) {
		for _, in := range insns {
			code = append(code, codegen.Instruction{Instruction: in, Origin: origin})
		}
	}
	add(start,
		asm.LoadMem(asm.R7, asm.R1, 4, asm.Word), // data_end
		asm.LoadMem(asm.R6, asm.R1, 0, asm.Word), // data
		asm.Mov.Reg(asm.R8, asm.R7),
		asm.Sub.Reg(asm.R8, asm.R6), // frame length
		asm.Mov.Imm(asm.R9, 2),      // XDP_PASS
		asm.StoreImm(asm.RFP, -4, defaultSlot, asm.Word),
	)
	if byDefault == rules.Drop {
		add(start, asm.Mov.Imm(asm.R9, 1))
	}
	add(rule,
		asm.Mov.Reg(asm.R1, asm.R6),
		asm.Add.Imm(asm.R1, 24),
		asm.JGT.Reg(asm.R1, asm.R7, "count"),
		asm.LoadMapValue(asm.R2, 0, 0).WithReference("protocols"),
		asm.LoadMem(asm.R2, asm.R2, 0, asm.Byte),
		asm.LoadMem(asm.R1, asm.R6, 23, asm.Byte),
		asm.JNE.Reg(asm.R1, asm.R2, "count"),
		asm.Mov.Imm(asm.R9, 1), // XDP_DROP
		asm.StoreImm(asm.RFP, -4, dropSlot, asm.Word),
	)
	add(last,
		asm.Mov.Reg(asm.R2, asm.RFP).WithSymbol("count"),
		asm.Add.Imm(asm.R2, -4),
		asm.LoadMapPtr(asm.R1, 0).WithReference(codegen.CounterMap),
		asm.FnMapLookupElem.Call(),
		asm.JEq.Imm(asm.R0, 0, "exit"),
		asm.LoadMem(asm.R1, asm.R0, 0, asm.DWord),
		asm.Add.Imm(asm.R1, 1),
		asm.StoreMem(asm.R0, 0, asm.R1, asm.DWord),
		asm.LoadMem(asm.R1, asm.R0, 8, asm.DWord),
		asm.Add.Reg(asm.R1, asm.R8),
		asm.StoreMem(asm.R0, 8, asm.R1, asm.DWord),
		asm.Mov.Reg(asm.R0, asm.R9).WithSymbol("exit"),
		asm.Return(),
	)
	code[0].Instruction = code[0].WithSymbol(handMadeName)
	return &codegen.Object{
		Source: source, Digest: "sha256:" + source, Rules: 1, Strategy: "chain", Target: codegen.Baseline,
		Programs: []codegen.Program{{Name: handMadeName, Code: code, Longest: len(code)}},
		Maps: []codegen.Map{
			{Lifetime: codegen.Frozen, Spec: &ebpf.MapSpec{
				Name: "protocols", Type: ebpf.Array, KeySize: 4, ValueSize: 4, MaxEntries: 1, Flags: unix.BPF_F_RDONLY_PROG,
				Contents: []ebpf.MapKV{{Key: uint32(0), Value: []byte{17, 0, 0, 0}}},
			}},
			{Lifetime: codegen.Count, Spec: &ebpf.MapSpec{
				Name: codegen.CounterMap, Type: ebpf.PerCPUArray, KeySize: 4, ValueSize: 16, MaxEntries: 2,
			}},
		},
		Counters: []codegen.Counter{
			{Rule: 0, Key: "drop proto 17", Source: source, Line: 3, Text: "drop proto 17", Verdict: rules.Drop},
			{Rule: rules.ByDefault, Key: "default", Source: source, Line: 1, Text: "default " + byDefault.String(), Verdict: byDefault},
		},
		Origins: origins,
	}
}

// insert puts an instruction into the entry program, for objects that are to
// be refused or to miscount.
func insert(obj *codegen.Object, at int, in ...codegen.Instruction) *codegen.Object {
	code := obj.Programs[0].Code
	obj.Programs[0].Code = append(append(append([]codegen.Instruction{}, code[:at]...), in...), code[at:]...)
	return obj
}

// lastOf is the index of the last instruction with that origin.
func lastOf(obj *codegen.Object, origin int) int {
	for i := len(obj.Programs[0].Code) - 1; ; i-- {
		if obj.Programs[0].Code[i].Origin == origin {
			return i
		}
	}
}
