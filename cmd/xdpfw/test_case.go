package main

import (
	"bufio"
	"errors"
	"io"

	"github.com/urfave/cli/v2"

	"xdpfw/rules"
)

// A caseResult is what `test --json` prints for a line of a test block.
type caseResult struct {
	Test            string `json:"test"`
	Line            int    `json:"line"`
	Source          string `json:"source"`
	Packet          string `json:"packet"` // as written
	Expect          string `json:"expect"`
	ExpectInterface string `json:"expect_interface,omitempty"` // of redirect
	Verdict         string `json:"verdict"`                    // of a capture: of the first packet that fails, else of all; "" if there is none
	Interface       string `json:"interface,omitempty"`
	Rule            string `json:"rule"`
	RuleSource      string `json:"rule_source"`
	RuleLine        int    `json:"rule_line"` // 0 for the default
	Default         bool   `json:"default"`
	OK              bool   `json:"ok"`
	Engine          string `json:"engine"`

	Packets   int             `json:"packets,omitempty"`        // of a capture
	Failed    int             `json:"failed_packets,omitempty"` // of a capture
	Error     string          `json:"error,omitempty"`          // why a capture could not be judged to its end
	Reference *decisionResult `json:"reference,omitempty"`      // where the reference differs from the kernel
	Steps     []stepResult    `json:"steps,omitempty"`          // of a case that fails: the rules that were tried, the first of them
	MoreSteps int             `json:"more_steps,omitempty"`     // how many were left out

	failures []failure // the first, of a capture
	unknown  int       // as in decisionResult
}

// A failure is a packet whose verdict is not the one expected.
type failure struct {
	packet   int // in its capture, from 1
	decision decisionResult
}

// What is said about a case that fails is bounded: a rule file can have very
// many rules, and a capture very many packets.
const (
	maxSteps    = 50
	maxFailures = 3
)

// A caseRun runs the cases of test blocks.
type caseRun struct {
	c      *cli.Context
	set    *rules.RuleSet
	engine *engine

	cases, failed, differences int
	byEngine                   map[string]int // packets
}

// runTests runs every case of the file once it is known who judges.
func runTests(c *cli.Context, path string, set *rules.RuleSet, engine *engine, format string) error {
	run := &caseRun{c: c, set: set, engine: engine, byEngine: map[string]int{}}
	out := bufio.NewWriter(c.App.Writer)
	report := newReporter(out, format, useColor(c.String("color"), c.App.Writer))
	err := run.all(report)
	if err != nil {
		report.bailOut(err)
	}
	if flushed := out.Flush(); err == nil {
		err = flushed
	}
	if err != nil {
		return err
	}
	if !unread(c.App.Writer) { // else it would be of a part only
		run.summary(path)
	}
	if run.failed > 0 {
		return errReported
	}
	return nil
}

// all cases, in the order in which they are written.
func (r *caseRun) all(report reporter) error {
	report.start(countCases(r.set))
	for i := range r.set.Tests {
		block := &r.set.Tests[i]
		report.block(block)
		for j := range block.Cases {
			if unread(r.c.App.Writer) {
				return nil
			}
			result, err := r.run(block, &block.Cases[j])
			if err != nil {
				return err
			}
			r.cases++
			if !result.OK {
				r.failed++
			}
			if err := report.result(result); err != nil {
				return err
			}
		}
	}
	return nil
}

// run one case. An error is the engine's, and ends the run.
func (r *caseRun) run(block *rules.TestBlock, tc *rules.TestCase) (*caseResult, error) {
	at := tc.Span.Position()
	result := &caseResult{
		Test: block.Name, Line: at.Line, Source: at.File, Packet: tc.Text,
		Expect: tc.Expect.String(), ExpectInterface: tc.Interface,
	}
	if tc.Capture != "" {
		return result, r.runCapture(tc, result)
	}
	ok, err := r.judge(tc, tc.Packet, result)
	result.OK = ok
	return result, err
}

// runCapture judges every packet of the capture. One that holds none, or that
// cannot be read to its end, shows nothing and fails.
func (r *caseRun) runCapture(tc *rules.TestCase, result *caseResult) error {
	capture, err := openCapture(tc.Capture)
	if err == nil {
		defer capture.Close()
		err = r.judgeAll(tc, capture, result)
		result.Packets = capture.packets
	}
	var bad *captureError
	switch {
	case errors.As(err, &bad):
		result.Error = err.Error()
	case err != nil:
		return err
	case capture.skipped > 0:
		result.Error = tc.Capture + ": not judged: " + capture.passedOver()
	case result.Packets == 0:
		result.Error = tc.Capture + ": the capture holds no packet"
	}
	result.OK = result.Error == "" && result.Failed == 0
	return nil
}

func (r *caseRun) judgeAll(tc *rules.TestCase, capture *capture, result *caseResult) error {
	for !unread(r.c.App.Writer) {
		packet, err := capture.next()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		of := result
		if result.Failed > 0 {
			of = &caseResult{} // the first failure stays
		}
		ok, err := r.judge(tc, packet, of)
		if err != nil {
			return err
		}
		if ok {
			continue
		}
		if result.Failed++; len(result.failures) < maxFailures {
			result.failures = append(result.failures, failure{capture.packets, of.decision()})
		}
	}
	return nil
}

// judge a packet and note what became of it, and, if that was not expected, why.
func (r *caseRun) judge(tc *rules.TestCase, p rules.Packet, result *caseResult) (ok bool, err error) {
	judged, err := r.engine.judge(p)
	if err != nil {
		return false, err
	}
	r.byEngine[judged.engine]++
	result.note(describe(r.set, judged.decision), judged.engine)
	ok = judged.decision.Verdict == tc.Expect && (tc.Interface == "" || tc.Interface == result.Interface)
	if ok && !judged.differs {
		return true, nil
	}
	explained := r.set.Explain(p)
	if judged.differs || !agree(judged.decision, explained.Decision) {
		r.differences++
		reference := describe(r.set, explained.Decision)
		result.Reference = &reference
	}
	shown := explained.Tried[:min(len(explained.Tried), maxSteps)]
	for i := range shown {
		result.Steps = append(result.Steps, describeStep(r.set, &shown[i]))
	}
	result.MoreSteps = len(explained.Tried) - len(shown)
	return false, nil
}

func (r *caseResult) note(d decisionResult, engine string) {
	r.Verdict, r.Interface, r.Default, r.Engine = d.Verdict, d.Interface, d.Default, engine
	r.Rule, r.RuleSource, r.RuleLine, r.unknown = d.Rule, d.Source, d.Line, d.unknown
}

// decision is what note noted.
func (r *caseResult) decision() decisionResult {
	return decisionResult{
		Verdict: r.Verdict, Interface: r.Interface, Rule: r.Rule, Source: r.RuleSource, Line: r.RuleLine, Default: r.Default,
		unknown: r.unknown,
	}
}
