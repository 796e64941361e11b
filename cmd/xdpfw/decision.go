package main

import (
	"fmt"

	"xdpfw/codegen"
	"xdpfw/loader"
	"xdpfw/rules"
)

// A decisionResult is a decision in the terms of the rule file.
type decisionResult struct {
	Verdict   string `json:"verdict"`
	Interface string `json:"interface,omitempty"` // of redirect: where to
	Rule      string `json:"rule"`                // its label, or ""
	Source    string `json:"source"`
	Line      int    `json:"line"` // 0 for the default
	Default   bool   `json:"default"`

	unknown int // codegen.AnyRule or loader.UnknownRule: the program does not count rules; 0: the rule is known
}

func describe(set *rules.RuleSet, d rules.Decision) decisionResult {
	switch d.Rule {
	case rules.ByDefault:
		return decisionResult{Verdict: d.Verdict.String(), Source: set.File.Name, Default: true}
	case codegen.AnyRule, loader.UnknownRule:
		return decisionResult{Verdict: d.Verdict.String(), Source: set.File.Name, unknown: d.Rule}
	}
	rule := &set.Rules[d.Rule]
	at := rule.Span.Position()
	return decisionResult{
		Verdict: d.Verdict.String(), Interface: redirectTarget(set, d), Rule: rule.Name, Source: at.File, Line: at.Line,
	}
}

// redirectTarget is the interface that a decision sends the packet to, or "".
func redirectTarget(set *rules.RuleSet, d rules.Decision) string {
	if d.Verdict != rules.Redirect || d.Rule < 0 {
		return ""
	}
	return set.Interfaces[set.Rules[d.Rule].Interface]
}

func (d *decisionResult) String() string { return d.verdict() + " " + d.by() }

// differs is what the reference says where the kernel said something else.
func (d *decisionResult) differs(kernel decisionResult) string {
	if *d == kernel {
		return d.String() + ", but other rules counted the packet"
	}
	return d.String()
}

// verdict is "drop", "redirect eth1".
func (d *decisionResult) verdict() string {
	if d.Interface != "" {
		return d.Verdict + " " + d.Interface
	}
	return d.Verdict
}

// by is "by default", "by no-telnet (rules.fw:5)".
func (d *decisionResult) by() string {
	switch {
	case d.unknown == codegen.AnyRule:
		return "by some rule"
	case d.unknown == loader.UnknownRule:
		return "by some rule or by default"
	case d.Default:
		return "by default"
	case d.Rule != "":
		return fmt.Sprintf("by %s (%s:%d)", d.Rule, d.Source, d.Line)
	}
	return fmt.Sprintf("by %s:%d", d.Source, d.Line)
}

// A stepResult is a rule that was tried on the way to a decision.
type stepResult struct {
	Source  string `json:"source"`
	Line    int    `json:"line"`
	Rule    string `json:"rule"` // its label, or ""
	Text    string `json:"text"`
	Matched bool   `json:"matched"`
	Clause  string `json:"clause"`  // the first that does not hold, "" if the rule matched
	Because string `json:"because"` // what the packet has instead, or what a rule that matched did
	where   string // of the clause, if it is that of a block or a jump
}

// describeStep is a step of an explanation in the terms of the rule file.
func describeStep(set *rules.RuleSet, tried *rules.Tried) stepResult {
	rule := &set.Rules[tried.Rule]
	at := rule.Span.Position()
	step := stepResult{Source: at.File, Line: at.Line, Rule: rule.Name, Text: rule.Text(), Matched: tried.Matched()}
	if tried.Matched() {
		step.Because = matchTexts[rule.Verdict]
		return step
	}
	step.Clause, step.Because = tried.Clause.Text(), tried.Because
	switch head := tried.Clause.Span.Position(); {
	case head.File != at.File:
		step.where = fmt.Sprintf(" (%s:%d)", head.File, head.Line)
	case head.Line != at.Line:
		step.where = fmt.Sprintf(" (line %d)", head.Line)
	}
	return step
}

// matchTexts are what becomes of a packet that matches.
var matchTexts = map[rules.Verdict]string{
	rules.Pass: "it decides", rules.Drop: "it decides", rules.Abort: "it decides", rules.TX: "it decides", rules.Redirect: "it decides",
	rules.Count:  "the packet is counted, and the next rule is tried",
	rules.Return: "the rest of the chain is left out",
}

// lines of a step for people: the rule, and below it why it did not match.
func (s *stepResult) lines() [2]string {
	rule := s.Text
	if s.Rule != "" {
		rule = s.Rule + ": " + rule
	}
	rule = fmt.Sprintf("%s:%d: %s", s.Source, s.Line, rule)
	if s.Matched {
		return [2]string{rule, "    yes: " + s.Because}
	}
	return [2]string{rule, fmt.Sprintf("    no: `%s`%s: %s", s.Clause, s.where, s.Because)}
}
