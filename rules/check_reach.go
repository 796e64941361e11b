package rules

import (
	"fmt"
	"slices"
)

// A ReachFinder finds out which rules of a checked set packets reach.
type ReachFinder func(*RuleSet) Reachability

// A Reachability is what was found out. A rule in neither list is reached, or
// is tried nowhere: it stands in a chain that nothing jumps to.
type Reachability struct {
	Unreached []Unreached // in order of the rules
	Unknown   []int       // rules, in order: it was too much work to find out
}

// An Unreached rule decides or counts no packet.
type Unreached struct {
	Rule int // index in RuleSet.Rules

	// By are the rules, in order, that together take the packets it matches:
	// without any one of them, and of all others, some would be left. None: it
	// matches no packet.
	By []int
}

// unreachedRules warns of rules that never match.
func (c *checker) unreachedRules() {
	covered, _ := c.rs.findCovered()
	for i, by := range covered {
		if by >= 0 {
			c.unreached(Unreached{i, []int{int(by)}})
		}
	}
	if c.findReach == nil {
		return
	}
	found := c.findReach(c.rs)
	for _, u := range found.Unreached {
		if covered[u.Rule] < 0 {
			c.unreached(u)
		}
	}
	c.reachUnknown(slices.DeleteFunc(found.Unknown, func(rule int) bool { return covered[rule] >= 0 }))
}

// unreached warns of one rule.
func (c *checker) unreached(u Unreached) {
	rule := &c.rs.Rules[u.Rule]
	earlier, rules := "an earlier one matches", "rule"
	switch n := len(u.By); {
	case n > 1:
		earlier, rules = fmt.Sprintf("%d earlier rules together match", n), "rules"
	case n == 1 && c.changesVerdict(u):
		earlier = "an earlier " + quote(c.rs.Rules[u.By[0]].Verdict.String()) + " matches"
	}
	var d *Diagnostic
	switch {
	case len(u.By) == 0:
		d = c.warning("unreachable-rule", rule.Span, "this rule is never reached: no packet matches it").help("leave it out")
	case c.changesVerdict(u):
		d = c.warning("shadowed-rule", rule.Span, "this %s never happens: %s all that it matches", quote(rule.Verdict.String()), earlier).
			help("move it in front of the earlier %s, or leave it out", rules)
	default:
		d = c.warning("unreachable-rule", rule.Span, "this rule is never reached: %s all that it matches", earlier).
			help("leave it out, or move it up")
	}
	c.noteRules(d.in(rule.Span), u.By, "the earlier rule", "one of the earlier rules")
}

// changesVerdict says whether the rule, if it came first, could make a
// difference to packets, which counting does not.
func (c *checker) changesVerdict(u Unreached) bool {
	rule := &c.rs.Rules[u.Rule]
	if !rule.Verdict.Decides() || len(u.By) == 1 && len(c.rs.Rules[u.By[0]].Clauses) == 0 {
		return false
	}
	return slices.ContainsFunc(u.By, func(i int) bool {
		by := &c.rs.Rules[i]
		return by.Verdict != rule.Verdict || by.Interface != rule.Interface
	})
}

// reachUnknown warns of rules of which it was not found out whether packets
// reach them: of each, or of the first if there are many.
func (c *checker) reachUnknown(unknown []int) {
	if len(unknown) > shownRules {
		first := &c.rs.Rules[unknown[0]]
		d := c.warning("reachability-unknown", first.Span,
			"it takes too long to find out whether packets reach this rule and %d others: they may, or not", len(unknown)-1)
		c.noteRules(d.in(first.Span), unknown[1:], "", "another")
		return
	}
	for _, i := range unknown {
		rule := &c.rs.Rules[i]
		c.warning("reachability-unknown", rule.Span, "it takes too long to find out whether packets reach this rule: they may, or not").in(rule.Span)
	}
}

// shownRules are as many as a warning names of those that have to do with it.
const shownRules = 8

// noteRules points at rules: only at the one that there is, or at the first of many.
func (c *checker) noteRules(d *Diagnostic, list []int, only, each string) {
	for n, i := range list {
		span := c.rs.Rules[i].Span
		switch {
		case len(list) == 1:
			d.note(span, "%s", only)
		case n+1 < shownRules || len(list) == shownRules:
			d.note(span, "%s", each)
		default:
			d.note(span, "and %d more, this one the first", len(list)-n)
			return
		}
	}
}
