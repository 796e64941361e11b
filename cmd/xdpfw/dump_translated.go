package main

import (
	"bufio"
	"fmt"
	"io"
	"runtime"
	"strings"

	"github.com/cilium/ebpf/asm"
	"github.com/urfave/cli/v2"
	"golang.org/x/arch/x86/x86asm"

	"xdpfw/codegen"
	"xdpfw/loader"
)

// dumpTranslated prints what the kernel makes of an object that it has not
// loaded so far.
func dumpTranslated(c *cli.Context, stage string, object *codegen.Object) error {
	t, err := loader.Translate(object)
	if err != nil {
		return err
	}
	return printTranslation(c, stage, object, t)
}

// printTranslation prints a stage behind the program; object is what was
// loaded, or nil.
func printTranslation(c *cli.Context, stage string, object *codegen.Object, t *loader.Translation) error {
	out := bufio.NewWriter(c.App.Writer)
	if stage == stageJited {
		if err := printMachine(out, t.Machine); err != nil {
			return err
		}
	} else {
		printXlated(out, object, t.Xlated)
	}
	return out.Flush()
}

// printXlated prints the program as the verifier has rewritten it, on the right,
// and beside it the instructions that it was, as far as they are found again.
func printXlated(w io.Writer, object *codegen.Object, xlated asm.Instructions) {
	var ours []codegen.Instruction
	if object != nil {
		ours = object.Programs[0].Code
	}
	row := func(left, right string) {
		fmt.Fprintln(w, strings.TrimRight(fmt.Sprintf("%-52s | %s", left, right), " "))
	}
	row("; compiled", "; as the kernel has it")
	left, right, i, j := 0, 0, 0, 0
	last := -1
	for j < len(xlated) || i < len(ours) {
		var was, is string
		if i < len(ours) && ours[i].Origin != last {
			last = ours[i].Origin
			fmt.Fprintf(w, "; %s\n", object.Origins[last])
		}
		if i < len(ours) && ours[i].Symbol() != "" {
			row(ours[i].Symbol()+":", "")
		}
		if i < len(ours) {
			was = fmt.Sprintf("%6d  %s", left, ours[i].Mnemonic())
			left += slotsOf(ours[i].Instruction)
			i++
		}
		for n := standsFor(ours, i, xlated, j); n > 0 && j < len(xlated); n-- {
			is = fmt.Sprintf("%6d  %s", right, (&codegen.Instruction{Instruction: xlated[j]}).Mnemonic())
			right += slotsOf(xlated[j])
			j++
			row(was, is)
			was = ""
		}
		if was != "" {
			row(was, "")
		}
	}
}

func slotsOf(ins asm.Instruction) int { return int(ins.Size()) / asm.InstructionSize }

// farthest is how many instructions one is made into at most, as far as is
// looked.
const farthest = 80

// standsFor is how many instructions from j on are what the one in front of i
// has become: up to where two that follow are found again.
func standsFor(ours []codegen.Instruction, i int, xlated asm.Instructions, j int) int {
	if i >= len(ours) {
		return len(xlated) - j
	}
	same := func(i, j int) bool {
		return i >= len(ours) || j < len(xlated) && alike(ours[i].Instruction, xlated[j])
	}
	for n := 1; n < farthest; n++ {
		if same(i, j+n) && same(i+1, j+n+1) {
			return n
		}
	}
	return 1
}

// alike says that the kernel may have left an instruction as it was: how far a
// jump goes and where a map is it fills in anew.
func alike(a, b asm.Instruction) bool {
	switch {
	case a.OpCode != b.OpCode || a.Dst != b.Dst:
		return false
	case a.OpCode.IsDWordLoad():
		return a.IsLoadFromMap() || a.Constant == b.Constant
	case a.OpCode.Class().IsJump() && a.OpCode.JumpOp() == asm.Call:
		return true
	case a.OpCode.Class().IsJump():
		return a.Src == b.Src && int32(a.Constant) == int32(b.Constant)
	}
	return a.Src == b.Src && a.Offset == b.Offset && int32(a.Constant) == int32(b.Constant)
}

// printMachine prints machine code: offset, bytes and, on x86, mnemonics.
func printMachine(w io.Writer, code []byte) error {
	if len(code) == 0 {
		return &loader.Error{Doing: "list the machine code", Why: "the kernel shows none: its JIT compiler is off (net.core.bpf_jit_enable), or it is not for this user", Help: "run it as root (sudo)"}
	}
	for at := 0; at < len(code); {
		n, text := min(8, len(code)-at), ""
		if runtime.GOARCH == "amd64" {
			if ins, err := x86asm.Decode(code[at:], 64); err == nil {
				n, text = ins.Len, x86asm.GNUSyntax(ins, uint64(at), nil)
			} else {
				n, text = 1, "(unknown)"
			}
		}
		if _, err := fmt.Fprintln(w, strings.TrimRight(fmt.Sprintf("%6x  %-32s  %s", at, fmt.Sprintf("% x", code[at:at+n]), text), " ")); err != nil {
			return err
		}
		at += n
	}
	return nil
}
