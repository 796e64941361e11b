package difftest

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"xdpfw/codegen"
	"xdpfw/codegen/ir"
	"xdpfw/codegen/trace"
	"xdpfw/loader"
	"xdpfw/rules"
)

// An Answer is what an engine says of a frame: what becomes of it, and which
// rules counted it on the way, in order of their index; one that did so twice
// stands there twice.
type Answer struct {
	rules.Decision
	Counted []int
}

func (a Answer) equal(b Answer) bool {
	return a.Decision == b.Decision && slices.Equal(a.Counted, b.Counted)
}

// An Engine decides frames by one rule set. ErrNotApplicable says that it
// cannot decide this frame at all.
type Engine struct {
	Name   string
	Decide func(frame []byte) (Answer, error)
	Close  func()
}

// ErrNotApplicable: an engine has nothing to say about a frame.
var ErrNotApplicable = errors.New("the engine does not take this frame")

// packet is a frame as every engine gets it.
func packet(frame []byte) rules.Packet {
	p := rules.NewPacket(frame)
	p.Interface = arrivesOn
	return p
}

// Reference is the meaning of the language.
func Reference(rs *rules.RuleSet) Engine {
	return Engine{"reference", func(frame []byte) (Answer, error) {
		return reference(rs, frame), nil
	}, func() {}}
}

func reference(rs *rules.RuleSet, frame []byte) (a Answer) {
	a.Decision = rs.DecideCounting(packet(frame), func(rule int) { a.Counted = append(a.Counted, rule) })
	slices.Sort(a.Counted)
	return a
}

// IR evaluates the decision IR that the compiler starts from.
func IR(rs *rules.RuleSet) Engine {
	decision := ir.Lower(rs)
	received := slices.Index(rs.Interfaces, arrivesOn)
	if received < 0 {
		received = len(rs.Interfaces)
	}
	return Engine{"ir", func(frame []byte) (Answer, error) {
		var a Answer
		i := decision.Eval(ir.NewFrame(frame, uint64(received)), func(step int) {
			a.Counted = append(a.Counted, decision.Steps[step].Rule)
		})
		slices.Sort(a.Counted)
		if i < 0 {
			a.Decision = rules.Decision{Verdict: decision.Default, Rule: rules.ByDefault}
		} else {
			a.Decision = rules.Decision{Verdict: decision.Steps[i].Verdict, Rule: decision.Steps[i].Rule}
		}
		return a, nil
	}, func() {}}
}

// Kernel runs an Object in the kernel.
func Kernel(obj *codegen.Object) (Engine, error) {
	runner, err := loader.NewRunner(obj)
	if err != nil {
		return Engine{}, err
	}
	return Engine{"kernel", func(frame []byte) (Answer, error) {
		d, counted, err := runner.RunCounting(packet(frame))
		if errors.Is(err, loader.ErrCannotRun) {
			err = ErrNotApplicable
		}
		slices.Sort(counted)
		return Answer{d, counted}, err
	}, func() { runner.Close() }}, nil
}

// Traced runs an Object without a kernel, as xdpfw explain does. It must count
// rules.
func Traced(obj *codegen.Object) Engine {
	return Engine{"traced", func(frame []byte) (Answer, error) {
		p := packet(frame)
		t, err := trace.Run(obj, trace.Frame{Head: p.Head, Len: p.Len, Interface: p.Interface})
		if err != nil {
			return Answer{}, err
		}
		decided := t.Decision(obj)
		if decided == nil {
			return Answer{}, errors.New("no counter was counted up")
		}
		a := Answer{Decision: rules.Decision{Verdict: t.Verdict(), Rule: decided.Rule}}
		for _, slot := range t.Slots[:len(t.Slots)-1] {
			a.Counted = append(a.Counted, obj.Counters[slot].Rule)
		}
		slices.Sort(a.Counted)
		return a, nil
	}, func() {}}
}

// A Difference is a frame that engines do not agree on.
type Difference struct {
	Frame   []byte
	Answers []string // of each engine: its name and what it says
}

func (d *Difference) String() string {
	return fmt.Sprintf("frame of %d bytes: %x\n  %s", len(d.Frame), d.Frame, strings.Join(d.Answers, "\n  "))
}

// Compare is nil if every engine that takes the frame names the verdict, the
// deciding rule and the counting ones that the first one names.
func Compare(engines []Engine, frame []byte) *Difference {
	var first Answer
	differ := false
	diff := &Difference{Frame: frame}
	for i, e := range engines {
		a, err := e.Decide(frame)
		switch {
		case errors.Is(err, ErrNotApplicable):
			continue
		case err != nil:
			differ = true
			diff.Answers = append(diff.Answers, fmt.Sprintf("%s: error: %v", e.Name, err))
			continue
		case i == 0:
			first = a
		case !a.equal(first):
			differ = true
		}
		diff.Answers = append(diff.Answers, e.Name+": "+a.String())
	}
	if !differ {
		return nil
	}
	return diff
}

func (a Answer) String() string {
	text := a.Verdict.String() + " by default"
	if a.Rule != rules.ByDefault {
		text = fmt.Sprintf("%v by rule %d", a.Verdict, a.Rule)
	}
	if len(a.Counted) > 0 {
		text += fmt.Sprintf(", counted by %v", a.Counted)
	}
	return text
}

// CloseAll closes engines.
func CloseAll(engines []Engine) {
	for _, e := range engines {
		e.Close()
	}
}
