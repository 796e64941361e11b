package main

import (
	"errors"
	"fmt"
	"slices"

	"github.com/urfave/cli/v2"

	"xdpfw/codegen"
	"xdpfw/loader"
	"xdpfw/rules"
)

// What can judge a packet.
const (
	engineKernel    = "kernel"
	engineReference = "reference"
	engineBoth      = "both"
)

var (
	engineNames  = []string{engineKernel, engineReference, engineBoth}
	engineTitles = map[string]string{
		engineKernel: "the kernel", engineReference: "the reference", engineBoth: "kernel and reference",
	}
)

// An engine judges packets by a rule set.
type engine struct {
	name     string
	set      *rules.RuleSet
	runner   runner // nil: the reference alone
	length   bool   // a rule reads `len`
	nameless bool   // the runner's program does not count rules one by one
}

// A runner is a *loader.Runner.
type runner interface {
	RunCounting(p rules.Packet) (d rules.Decision, counted []int, err error)
	Close() error
}

// A judgement is the decision on a packet.
type judgement struct {
	decision  rules.Decision
	engine    string         // what made the decision
	why       string         // it is the reference's, though the kernel was to judge
	differs   bool           // only of both: in the decision, or in the rules that count
	reference rules.Decision // only if it differs
}

// newEngine is the engine that the options ask for; Close it when done. By
// default it is the kernel, or the reference where BPF may not be used.
func newEngine(c *cli.Context, set *rules.RuleSet) (*engine, error) {
	asked := c.String("engine")
	if asked == engineReference {
		return &engine{name: engineReference, set: set}, nil
	}
	object, err := compileRules(c, set)
	if err != nil {
		return nil, err
	}
	runner, err := loader.NewRunner(object)
	switch {
	case err == nil && asked == engineBoth:
		return &engine{engineBoth, set, runner, readsLength(set), object.Counting != codegen.CountRules}, nil
	case err == nil:
		return &engine{engineKernel, set, runner, readsLength(set), object.Counting != codegen.CountRules}, nil
	case asked == "" && outOfReach(err):
		fmt.Fprintf(c.App.ErrWriter, "note: the reference judges, not the kernel: %v\n", err)
		return &engine{name: engineReference, set: set}, nil
	}
	return nil, err
}

// Close frees what the kernel holds.
func (e *engine) Close() {
	if e.runner != nil {
		e.runner.Close()
	}
}

// readsLength says whether a rule asks for the length of the frame.
func readsLength(set *rules.RuleSet) bool {
	return slices.ContainsFunc(set.Steps, func(s rules.Step) bool {
		return slices.ContainsFunc(s.Clauses, func(c rules.Clause) bool { return c.Subject == rules.Length })
	})
}

// agree says whether the kernel's decision can be the reference's: of a program
// that counts no rules no more can be told than their verdict, and with verdicts
// counted whether it was the default's.
func agree(kernel, reference rules.Decision) bool {
	switch kernel.Rule {
	case codegen.AnyRule:
		return kernel.Verdict == reference.Verdict && reference.Rule != rules.ByDefault
	case loader.UnknownRule:
		return kernel.Verdict == reference.Verdict
	}
	return kernel == reference
}

// judge a packet. Of one that a capture cut short the kernel runs the bytes
// that are there, which have not the length that the frame had. What the
// kernel cannot run is the reference's.
func (e *engine) judge(p rules.Packet) (judgement, error) {
	if e.runner == nil {
		return judgement{decision: e.set.Decide(p), engine: engineReference}, nil
	}
	if p.Truncated && e.length {
		return e.byReference(p, "the kernel sees only the length that was captured"), nil
	}
	decision, counted, err := e.runner.RunCounting(p)
	if errors.Is(err, loader.ErrCannotRun) {
		return e.byReference(p, "the kernel does not run frames of this length"), nil
	}
	if err != nil {
		return judgement{}, err
	}
	if decision.Verdict == rules.Redirect && e.nameless { // where to is known of the rule
		if judged := e.byReference(p, "the kernel tells the interface only of a program that counts rules"); agree(decision, judged.decision) {
			return judged, nil
		}
	}
	if e.name == engineKernel {
		return judgement{decision: decision, engine: engineKernel}, nil
	}
	var expected []int
	reference := e.set.DecideCounting(p, func(rule int) { expected = append(expected, rule) })
	slices.Sort(counted)
	slices.Sort(expected)
	differs := !agree(decision, reference) || !e.nameless && !slices.Equal(counted, expected)
	return judgement{decision: decision, engine: engineBoth, differs: differs, reference: reference}, nil
}

func (e *engine) byReference(p rules.Packet, why string) judgement {
	return judgement{decision: e.set.Decide(p), engine: engineReference, why: why}
}
