package ir

import (
	"slices"
	"sort"

	"xdpfw/rules"
)

// Lower is the constructor of Decisions: every clause becomes tests over
// atoms, every negation the complement of a value set, every rule one term
// for each kind of network protocol that it can match in; kinds with equal
// tests share a term. The result satisfies Verify.
func Lower(rs *rules.RuleSet) *Decision {
	l := &lowerer{complements: map[list][]rules.Range{}, intersections: map[[2]list][]rules.Range{}}
	d := &Decision{Default: rs.Default}
	for i := range rs.Rules {
		r := &rs.Rules[i]
		if terms := l.lowerRule(r.Clauses); len(terms) > 0 {
			d.Terminal = append(d.Terminal, Rule{ID: i, Verdict: r.Verdict, Terms: terms})
		}
	}
	return d
}

// A lowerer remembers what it made of the lists of ranges that it has seen: a
// set of 100,000 prefixes that 10,000 rules read is complemented once.
type lowerer struct {
	complements   map[list][]rules.Range
	intersections map[[2]list][]rules.Range
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
	}
	return out
}

func (l *lowerer) lowerRule(clauses []rules.Clause) []Term {
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
		test := Test{Network, g.networks}
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

// lowerClauses is what the clauses ask of a frame whose Network is known;
// false if such a frame never matches.
func (l *lowerer) lowerClauses(clauses []rules.Clause, network uint64) (Term, bool) {
	tests := map[Atom][]rules.Range{}
	for _, c := range clauses {
		var ok bool
		if c.Subject.IsProperty() {
			ok = l.lowerProperty(c, network, tests)
		} else {
			ok = l.lowerField(c, network, tests)
		}
		if !ok {
			return nil, false
		}
	}
	term := make(Term, 0, len(tests))
	for a, ranges := range tests {
		term = append(term, Test{a, ranges})
	}
	sort.Slice(term, func(i, j int) bool { return term[i].Atom.less(term[j].Atom) })
	return term, true
}

func (l *lowerer) lowerProperty(c rules.Clause, network uint64, tests map[Atom][]rules.Range) bool {
	isIP := network == IP4Network || network == IP6Network
	switch c.Subject {
	case rules.IP:
		return (network == IP4Network) != c.Not
	case rules.IP6:
		return (network == IP6Network) != c.Not
	case rules.ARP:
		return (network == ARPNetwork) != c.Not
	case rules.Invalid:
		return l.narrow(tests, Invalid, []rules.Range{number(1)}, c.Not, 1)
	case rules.Frag, rules.FragFirst, rules.FragLater:
		if !isIP {
			return c.Not
		}
		want := []rules.Range{number(FirstFragment)}
		if c.Subject == rules.FragLater {
			want = []rules.Range{number(LaterFragment)}
		} else if c.Subject == rules.Frag {
			want[0].Hi.Lo = LaterFragment
		}
		return l.narrow(tests, Fragment, want, c.Not, LaterFragment)
	}
	panic("ir: no lowering for property " + c.Subject.String())
}

func (l *lowerer) lowerField(c rules.Clause, network uint64, tests map[Atom][]rules.Range) bool {
	var want []rules.Range
	switch network {
	case IP4Network:
		want = c.Set.IP4
	case IP6Network:
		want = c.Set.IP6
	default:
		return false
	}
	atom := fieldAtom(c.Subject, network)
	if atom.Layer == Transport && !l.narrow(tests, Protocol, PortProtocols, false, 0xff) {
		return false
	}
	if c.Not {
		want = l.complement(want, atom.Max())
	}
	// An address is there in every packet of its family, a protocol in every
	// IPv4 packet: nothing to ask.
	everywhere := atom.Layer == IP4Header || atom.Layer == IP6Header || atom == Protocol && network == IP4Network
	if everywhere && (Test{atom, want}).Whole() {
		return true
	}
	return l.narrow(tests, atom, want, false, 0)
}

func fieldAtom(s rules.Subject, network uint64) Atom {
	switch {
	case s == rules.Protocol:
		return Protocol
	case s == rules.SourcePort:
		return SourcePort
	case s == rules.DestinationPort:
		return DestinationPort
	case s == rules.Source && network == IP4Network:
		return IP4Source
	case s == rules.Source:
		return IP6Source
	case s == rules.Destination && network == IP4Network:
		return IP4Destination
	case s == rules.Destination:
		return IP6Destination
	}
	panic("ir: no atom for field " + s.String())
}

// narrow adds a test to those of a term, joined by and; with not, for the
// values up to max that are not wanted. False if no value is left.
func (l *lowerer) narrow(tests map[Atom][]rules.Range, a Atom, want []rules.Range, not bool, max uint64) bool {
	if not {
		want = l.complement(want, rules.Value{Lo: max})
	}
	if have, ok := tests[a]; ok {
		want = l.intersect(have, want)
	}
	tests[a] = want
	return len(want) > 0
}

func (t Term) equal(u Term) bool {
	return slices.EqualFunc(t, u, func(a, b Test) bool {
		return a.Atom == b.Atom && slices.Equal(a.Ranges, b.Ranges)
	})
}
