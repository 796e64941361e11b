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

// dumpTranslated prints what the kernel makes of an object, beside it.
func dumpTranslated(c *cli.Context, stage string, object *codegen.Object) error {
	t, err := loader.Translate(object)
	if err != nil {
		return err
	}
	return printTranslation(c, stage, object, t)
}

// printTranslation prints a stage behind the program, beside the object if it is
// known what has become of its instructions.
func printTranslation(c *cli.Context, stage string, object *codegen.Object, t *loader.Translation) error {
	begins, lines := t.XlatedAt, xlatedLines(t.Xlated)
	if stage == stageJited {
		if len(t.Machine) == 0 {
			return &loader.Error{Doing: "list the machine code", Why: "the kernel shows none: its JIT compiler is off (net.core.bpf_jit_enable), or it is not for this user", Help: "run it as root (sudo)"}
		}
		begins, lines = t.MachineAt, machineLines(t.Machine)
	}
	out := bufio.NewWriter(c.App.Writer)
	if object == nil || begins == nil {
		for _, l := range lines {
			fmt.Fprintln(out, l.text)
		}
		return out.Flush()
	}
	sideBySide(out, object, begins, lines)
	return out.Flush()
}

// A placed line is of an instruction at an offset.
type placedLine struct {
	at   int
	text string
}

func xlatedLines(xlated asm.Instructions) (lines []placedLine) {
	at := 0
	for _, ins := range xlated {
		lines = append(lines, placedLine{at, fmt.Sprintf("%6d  %s", at, (&codegen.Instruction{Instruction: ins}).Mnemonic())})
		at += codegen.SlotsOf(ins)
	}
	return lines
}

// machineLines are offset, bytes and, on x86, mnemonics.
func machineLines(code []byte) (lines []placedLine) {
	for at := 0; at < len(code); {
		n, text := min(8, len(code)-at), ""
		if runtime.GOARCH == "amd64" {
			if ins, err := x86asm.Decode(code[at:], 64); err == nil {
				n, text = ins.Len, x86asm.GNUSyntax(ins, uint64(at), nil)
			} else {
				n, text = 1, "(unknown)"
			}
		}
		lines = append(lines, placedLine{at, strings.TrimRight(fmt.Sprintf("%6x  %-32s  %s", at, fmt.Sprintf("% x", code[at:at+n]), text), " ")})
		at += n
	}
	return lines
}

// sideBySide prints the program on the left, under the rules that it serves, and
// on the right what each instruction has become; begins says where that begins.
func sideBySide(w io.Writer, object *codegen.Object, begins []int, lines []placedLine) {
	row := func(left, right string) {
		fmt.Fprintln(w, strings.TrimRight(fmt.Sprintf("%-52s | %s", left, right), " "))
	}
	row("; compiled", "; as the kernel has it")
	code := object.Programs[0].Code
	slot, next, last := 0, 0, -1
	for i := range code {
		for ; next < len(lines) && lines[next].at < begins[i]; next++ { // what the kernel has put in front
			row("", lines[next].text)
		}
		if code[i].Origin != last {
			last = code[i].Origin
			fmt.Fprintf(w, "; %s\n", object.Origins[last])
		}
		if symbol := code[i].Symbol(); symbol != "" {
			row(symbol+":", "")
		}
		left := fmt.Sprintf("%6d  %s", slot, code[i].Mnemonic())
		slot += codegen.SlotsOf(code[i].Instruction)
		if next == len(lines) || i+1 < len(code) && begins[i+1] <= lines[next].at { // taken out
			row(left, "")
			continue
		}
		row(left, lines[next].text)
		for next++; next < len(lines) && i+1 < len(code) && lines[next].at < begins[i+1]; next++ {
			row("", lines[next].text)
		}
	}
	for ; next < len(lines); next++ {
		row("", lines[next].text)
	}
}
