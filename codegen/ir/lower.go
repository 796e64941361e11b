package ir

import "xdpfw/rules"

// Lower is the constructor of Decisions: every clause becomes tests over
// atoms, every negation the complement of a value set, every step one term
// for each kind of network protocol that it can match in; kinds with equal
// tests share a term. The result satisfies Verify.
func Lower(rs *rules.RuleSet) *Decision {
	l := &lowerer{
		interfaces: uint64(len(rs.Interfaces)), complements: map[list][]rules.Range{}, intersections: map[[2]list][]rules.Range{},
	}
	d := &Decision{Default: rs.Default, Steps: make([]Step, 0, len(rs.Steps))}
	at := make([]int, len(rs.Steps)+1) // by index in RuleSet.Steps: where the next that can match stands
	for i := range rs.Steps {
		at[i] = len(d.Steps)
		s := &rs.Steps[i]
		rule := &rs.Rules[s.Rule]
		if terms := l.lowerStep(s.Clauses); len(terms) > 0 {
			d.Steps = append(d.Steps, Step{Rule: s.Rule, Source: i, Verdict: rule.Verdict, Interface: rule.Interface, Terms: terms, Next: s.Next})
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

	scratch [IP6Network + 1]conjunction // by Network: of the step at hand
	tests   slab[Test]
	terms   slab[Term]
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
	switch { // as of `tcp` and the protocols that have ports: then there is nothing to make
	case isWithin(a, b):
		return a
	case isWithin(b, a):
		return b
	}
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

// lowerStep is the terms of a step, in lists that no other step writes to.
func (l *lowerer) lowerStep(clauses []rules.Clause) []Term {
	var groups [IP6Network + 1]struct {
		networks uint8 // bits, by Network
		term     Term
	}
	n := 0
	for network := uint64(NoNetwork); network <= IP6Network; network++ {
		term, ok := l.scratch[network].lower(l, clauses, network)
		if !ok {
			continue
		}
		found := 0
		for found < n && !groups[found].term.equal(term) {
			found++
		}
		if found == n {
			groups[n].term = term
			n++
		}
		groups[found].networks |= 1 << network
	}
	terms := l.terms.take(n)
	for i, g := range groups[:n] {
		if g.networks == anyNetworks {
			terms[i] = l.tests.take(len(g.term))
			copy(terms[i], g.term)
			continue
		}
		terms[i] = l.tests.take(1 + len(g.term))
		terms[i][0] = Test{Atom: Network, Ranges: networkRanges[g.networks]}
		copy(terms[i][1:], g.term)
	}
	return terms
}

// anyNetworks are the bits of all values of Network.
const anyNetworks = 1<<(IP6Network+1) - 1

// networkRanges are the values of Network, by their bits.
var networkRanges = func() (all [anyNetworks + 1][]rules.Range) {
	for networks := range all {
		for n := uint64(NoNetwork); n <= IP6Network; n++ {
			if networks>>n&1 == 0 {
				continue
			}
			if last := len(all[networks]) - 1; last >= 0 && all[networks][last].Hi.Lo+1 == n {
				all[networks][last].Hi.Lo = n
			} else {
				all[networks] = append(all[networks], number(n))
			}
		}
	}
	return all
}()

// A slab hands out pieces of one array after another: of a million rules, each
// with small lists of its own, those would be most of the work.
type slab[T any] struct{ free []T }

const slabSize = 512

func (s *slab[T]) take(n int) []T {
	if n > len(s.free) {
		s.free = make([]T, max(n, slabSize))
	}
	out := s.free[:n:n]
	s.free = s.free[n:]
	return out
}
