package difftest

import (
	"errors"
	"fmt"
	"strings"

	"xdpfw/codegen"
	"xdpfw/codegen/ir"
	"xdpfw/loader"
	"xdpfw/rules"
)

// An Engine decides frames by one rule set. ErrNotApplicable says that it
// cannot decide this frame at all.
type Engine struct {
	Name   string
	Decide func(frame []byte) (rules.Decision, error)
	Close  func()
}

// ErrNotApplicable: an engine has nothing to say about a frame.
var ErrNotApplicable = errors.New("the engine does not take this frame")

// Reference is the meaning of the language.
func Reference(rs *rules.RuleSet) Engine {
	return Engine{"reference", func(frame []byte) (rules.Decision, error) {
		return rs.Decide(rules.NewPacket(frame)), nil
	}, func() {}}
}

// IR evaluates the decision IR that the compiler starts from.
func IR(rs *rules.RuleSet) Engine {
	decision := ir.Lower(rs)
	return Engine{"ir", func(frame []byte) (rules.Decision, error) {
		i := decision.Eval(ir.NewFrame(frame, uint64(len(rs.Interfaces))), func(int) {})
		if i < 0 {
			return rules.Decision{Verdict: decision.Default, Rule: rules.ByDefault}, nil
		}
		return rules.Decision{Verdict: decision.Steps[i].Verdict, Rule: decision.Steps[i].Rule}, nil
	}, func() {}}
}

// Kernel runs an Object in the kernel.
func Kernel(obj *codegen.Object) (Engine, error) {
	runner, err := loader.NewRunner(obj)
	if err != nil {
		return Engine{}, err
	}
	return Engine{"kernel", func(frame []byte) (rules.Decision, error) {
		d, err := runner.Run(frame)
		if errors.Is(err, loader.ErrCannotRun) {
			err = ErrNotApplicable
		}
		return d, err
	}, func() { runner.Close() }}, nil
}

// A Difference is a frame that engines do not agree on.
type Difference struct {
	Frame   []byte
	Answers []string // of each engine: its name and what it says
}

func (d *Difference) String() string {
	return fmt.Sprintf("frame of %d bytes: %x\n  %s", len(d.Frame), d.Frame, strings.Join(d.Answers, "\n  "))
}

// Compare is nil if every engine that takes the frame names the verdict and
// the deciding rule that the first one names.
func Compare(engines []Engine, frame []byte) *Difference {
	var first rules.Decision
	differ := false
	diff := &Difference{Frame: frame}
	for i, e := range engines {
		d, err := e.Decide(frame)
		switch {
		case errors.Is(err, ErrNotApplicable):
			continue
		case err != nil:
			differ = true
			diff.Answers = append(diff.Answers, fmt.Sprintf("%s: error: %v", e.Name, err))
			continue
		case i == 0:
			first = d
		case d != first:
			differ = true
		}
		diff.Answers = append(diff.Answers, e.Name+": "+answer(d))
	}
	if !differ {
		return nil
	}
	return diff
}

func answer(d rules.Decision) string {
	if d.Rule == rules.ByDefault {
		return d.Verdict.String() + " by default"
	}
	return fmt.Sprintf("%v by rule %d", d.Verdict, d.Rule)
}

// CloseAll closes engines.
func CloseAll(engines []Engine) {
	for _, e := range engines {
		e.Close()
	}
}
