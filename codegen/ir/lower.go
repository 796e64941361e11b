package ir

import (
	"slices"

	"xdpfw/rules"
)

// Lower is the constructor of Decisions: every clause becomes tests over
// atoms, every negation the complement of a value set, every step one term
// for each kind of network protocol that it can match in; kinds with equal
// tests share a term. The result satisfies Verify.
func Lower(rs *rules.RuleSet) *Decision {
	l := &lowerer{
		interfaces: uint64(len(rs.Interfaces)), complements: map[list][]rules.Range{}, intersections: map[[2]list][]rules.Range{},
	}
	d := &Decision{Default: rs.Default}
	at := make([]int, len(rs.Steps)+1) // by index in RuleSet.Steps: where the next that can match stands
	for i := range rs.Steps {
		at[i] = len(d.Steps)
		s := &rs.Steps[i]
		rule := &rs.Rules[s.Rule]
		if terms := l.lowerStep(s.Clauses); len(terms) > 0 {
			d.Steps = append(d.Steps, Step{Rule: s.Rule, Verdict: rule.Verdict, Interface: rule.Interface, Terms: terms, Next: s.Next})
		}
		if l.derived > MaxDerived {
			return &Decision{Default: rs.Default, Exceeds: s.Rule + 1}
		}
	}
	at[len(rs.Steps)] = len(d.Steps)
	for i := range d.Steps {
		d.Steps[i].goOnAt(at)
	}
	return d
}

// MaxDerived is how many ranges the lists may have together that lowering
// makes of long ones, each list once: the complements of those that rules
// negate, and what two clauses of a rule about one field have in common.
const MaxDerived = 8_000_000

// goOnAt translates Next by where the steps have gone.
func (s *Step) goOnAt(at []int) {
	if s.Verdict.Decides() {
		s.Next = 0
		return
	}
	s.Next = at[s.Next]
}

// A lowerer remembers what it made of the lists of ranges that it has seen: a
// set of 100,000 prefixes that 10,000 rules read is complemented once.
type lowerer struct {
	interfaces    uint64 // how many the rules name
	complements   map[list][]rules.Range
	intersections map[[2]list][]rules.Range
	derived       int // ranges in the lists above
}

// A list is the identity of a list of ranges.
type list struct {
	first *rules.Range
	n     int
	max   rules.Value // of the values, where that matters
}

func listOf(rs []rules.Range, max rules.Value) list {
	if len(rs) == 0 {
		return list{max: max}
	}
	return list{&rs[0], len(rs), max}
}

// shortList is below what it takes to remember a list.
const shortList = 64

func (l *lowerer) complement(rs []rules.Range, max rules.Value) []rules.Range {
	if len(rs) < shortList {
		return complement(rs, max)
	}
	key := listOf(rs, max)
	out, ok := l.complements[key]
	if !ok {
		out = complement(rs, max)
		l.complements[key] = out
		l.derived += len(out)
	}
	return out
}

func (l *lowerer) intersect(a, b []rules.Range) []rules.Range {
	if len(a)+len(b) < shortList {
		return intersect(a, b)
	}
	key := [2]list{listOf(a, rules.Value{}), listOf(b, rules.Value{})}
	out, ok := l.intersections[key]
	if !ok {
		out = intersect(a, b)
		l.intersections[key] = out
		l.derived += len(out)
	}
	return out
}

func (l *lowerer) lowerStep(clauses []rules.Clause) []Term {
	type group struct {
		networks []rules.Range
		term     Term
	}
	var groups []group
	for network := uint64(NoNetwork); network <= IP6Network; network++ {
		term, ok := l.lowerClauses(clauses, network)
		if !ok {
			continue
		}
		found := slices.IndexFunc(groups, func(g group) bool { return g.term.equal(term) })
		if found < 0 {
			groups = append(groups, group{term: term})
			found = len(groups) - 1
		}
		groups[found].networks = addNumber(groups[found].networks, network)
	}
	var terms []Term
	for _, g := range groups {
		test := Test{Atom: Network, Ranges: g.networks}
		if test.Ranges[0].Lo.Lo != NoNetwork || test.Ranges[0].Hi.Lo != IP6Network {
			g.term = append(Term{test}, g.term...)
		}
		terms = append(terms, g.term)
	}
	return terms
}

// addNumber appends n, greater than all there is, to a sorted list.
func addNumber(rs []rules.Range, n uint64) []rules.Range {
	if last := len(rs) - 1; last >= 0 && rs[last].Hi.Lo+1 == n {
		rs[last].Hi.Lo = n
		return rs
	}
	return append(rs, number(n))
}
