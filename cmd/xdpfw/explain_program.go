package main

import (
	"fmt"
	"io"

	"github.com/cilium/ebpf/asm"
	"github.com/urfave/cli/v2"

	"xdpfw/codegen"
	"xdpfw/codegen/trace"
	"xdpfw/loader"
	"xdpfw/rules"
)

// An explainedProgram is what the compiled program makes of a packet.
type explainedProgram struct {
	decisionResult
	Strategy     string    `json:"strategy"`
	Instructions int       `json:"instructions"` // that were executed
	Kernel       string    `json:"kernel"`       // agrees, differs, or why it was not asked
	Agrees       bool      `json:"agrees"`       // with the reference
	Way          []wayStep `json:"way"`
}

// A wayStep is an instruction on the way that begins something: it has a label
// or a meaning.
type wayStep struct {
	Offset   int    `json:"offset"` // in slots of eight bytes
	Label    string `json:"label,omitempty"`
	Mnemonic string `json:"mnemonic"`
	Comment  string `json:"comment,omitempty"`
	Value    string `json:"value,omitempty"` // that was loaded or stored: where it points, or hexadecimal as the register has it
	Serves   string `json:"serves"`          // the rule, or what common code is for
}

// explainProgram runs the packet through the program, and through the kernel if
// that is permitted.
func explainProgram(c *cli.Context, set *rules.RuleSet, packet rules.Packet, reference rules.Decision) (*explainedProgram, error) {
	object, err := compileRules(c, set)
	if err != nil {
		return nil, err
	}
	decision, t, err := follow(object, packet)
	if err != nil {
		return nil, fmt.Errorf("the program cannot be followed: %w: please report this with the rules and the packet", err)
	}
	r := &explainedProgram{
		decisionResult: describe(set, decision), Strategy: object.Strategy, Instructions: len(t.Steps),
		Agrees: agree(decision, reference), Way: way(object, t),
	}
	r.Kernel = askKernel(object, packet, decision)
	r.Agrees = r.Agrees && r.Kernel != kernelDiffers
	return r, nil
}

const (
	kernelAgrees  = "agrees"
	kernelDiffers = "differs"
)

// askKernel says whether the kernel decides like the trace, or why it was not asked.
func askKernel(object *codegen.Object, packet rules.Packet, traced rules.Decision) string {
	runner, err := loader.NewRunner(object)
	if err != nil {
		return "not asked: " + err.Error()
	}
	defer runner.Close()
	decision, _, err := runner.RunCounting(packet)
	switch {
	case err != nil:
		return "not asked: " + err.Error()
	case decision != traced:
		return kernelDiffers
	}
	return kernelAgrees
}

// way is the instructions of a trace that say something.
func way(object *codegen.Object, t *trace.Trace) []wayStep {
	offsets := make([]int, len(t.Program.Code))
	at := 0
	for i := range t.Program.Code {
		offsets[i] = at
		at += codegen.SlotsOf(t.Program.Code[i].Instruction)
	}
	out := []wayStep{}
	for _, s := range t.Steps {
		ins := &t.Program.Code[s.Instruction]
		if ins.Symbol() == "" && ins.Comment == "" {
			continue
		}
		step := wayStep{Offset: offsets[s.Instruction], Label: ins.Symbol(), Mnemonic: ins.Mnemonic(), Comment: ins.Comment, Serves: object.Origins[ins.Origin].String()}
		if class := ins.OpCode.Class(); class == asm.LdXClass || class == asm.StXClass {
			step.Value = t.Text(s.Value)
		}
		out = append(out, step)
	}
	return out
}

// mostWaySteps are printed; chains of many rules have more.
const mostWaySteps = 120

func (r *explainedProgram) print(w io.Writer) {
	fmt.Fprintf(w, "\nprogram (%s): %v, after %s; the kernel %s\n", r.Strategy, &r.decisionResult, count(r.Instructions, "instruction"), r.Kernel)
	serves := ""
	for i := range r.Way {
		s := &r.Way[i]
		if i == mostWaySteps {
			fmt.Fprintf(w, "  … and %d more; --json has all\n", len(r.Way)-i)
			break
		}
		if s.Serves != serves {
			serves = s.Serves
			fmt.Fprintf(w, "  ; %s\n", serves)
		}
		if s.Label != "" {
			fmt.Fprintf(w, "  %s:\n", s.Label)
		}
		if s.Comment == "" {
			continue
		}
		line := s.Comment
		if s.Value != "" {
			line += " = " + s.Value
		}
		fmt.Fprintf(w, "  %6d  %s\n", s.Offset, line)
	}
}
