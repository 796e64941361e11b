package main

import (
	"errors"
	"fmt"

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
	name   string
	set    *rules.RuleSet
	runner runner // nil: the reference alone
}

// A runner is a *loader.Runner.
type runner interface {
	Run(frame []byte) (rules.Decision, error)
	Close() error
}

// A judgement is the decision on a packet.
type judgement struct {
	decision  rules.Decision
	engine    string         // what made the decision
	differs   bool           // only of both
	reference rules.Decision // only if it differs
}

// newEngine is the engine that the options ask for; Close it when done. By
// default it is the kernel, or the reference where BPF may not be used.
func newEngine(c *cli.Context, set *rules.RuleSet) (*engine, error) {
	asked := c.String("engine")
	if asked == engineReference {
		return &engine{name: engineReference, set: set}, nil
	}
	object, err := codegen.Compile(set, compileOptions(c))
	if err != nil {
		return nil, err
	}
	runner, err := loader.NewRunner(object)
	switch {
	case err == nil && asked == engineBoth:
		return &engine{engineBoth, set, runner}, nil
	case err == nil:
		return &engine{engineKernel, set, runner}, nil
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

// judge a packet. Of one that a capture cut short the kernel runs the bytes
// that are there. A frame that the kernel cannot run is the reference's.
func (e *engine) judge(p rules.Packet) (judgement, error) {
	if e.runner == nil {
		return judgement{decision: e.set.Decide(p), engine: engineReference}, nil
	}
	decision, err := e.runner.Run(p.Head)
	if errors.Is(err, loader.ErrCannotRun) {
		return judgement{decision: e.set.Decide(p), engine: engineReference}, nil
	}
	if err != nil || e.name == engineKernel {
		return judgement{decision: decision, engine: engineKernel}, err
	}
	reference := e.set.Decide(p)
	return judgement{decision, engineBoth, decision != reference, reference}, nil
}
