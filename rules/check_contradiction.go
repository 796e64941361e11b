package rules

import (
	"slices"
	"strings"
)

// states are sets of the states that a packet can be in: the network protocol,
// which part of a datagram it is, and whether it is malformed, 24 in all, one
// bit each. A rule of which no state is left matches nothing.
type states uint32

func stateOf(n network, f fragment, invalid bool) states {
	bit := int(n)*6 + int(f)*2
	if invalid {
		bit++
	}
	return 1 << bit
}

// statesWhere are the states that can be and for which something holds.
func statesWhere(holds func(n network, f fragment, invalid bool) bool) (all states) {
	for n := networkNone; n <= networkIP6; n++ {
		for f := notFragment; f <= laterFragment; f++ {
			for _, invalid := range []bool{false, true} {
				isIP := n == networkIP || n == networkIP6
				if f != notFragment && !isIP || n == networkARP && invalid {
					continue // no packet is like that
				}
				if holds(n, f, invalid) {
					all |= stateOf(n, f, invalid)
				}
			}
		}
	}
	return all
}

var (
	anyState       = statesWhere(func(network, fragment, bool) bool { return true })
	ip4States      = statesWhere(func(n network, _ fragment, _ bool) bool { return n == networkIP })
	ip6States      = statesWhere(func(n network, _ fragment, _ bool) bool { return n == networkIP6 })
	portStates     = statesWhere(func(_ network, f fragment, _ bool) bool { return f != laterFragment })
	propertyStates = map[Subject]states{
		IP:        ip4States,
		IP6:       ip6States,
		ARP:       statesWhere(func(n network, _ fragment, _ bool) bool { return n == networkARP }),
		Frag:      statesWhere(func(_ network, f fragment, _ bool) bool { return f != notFragment }),
		FragFirst: statesWhere(func(_ network, f fragment, _ bool) bool { return f == firstFragment }),
		FragLater: statesWhere(func(_ network, f fragment, _ bool) bool { return f == laterFragment }),
		Invalid:   statesWhere(func(_ network, _ fragment, invalid bool) bool { return invalid }),
	}
	portProtocols6 = eitherAH(portProtocols)
	portProtocols  = mergeRanges([]Range{
		{number(protoTCP), number(protoTCP)}, {number(protoUDP), number(protoUDP)}, {number(protoSCTP), number(protoSCTP)},
	})
)

func hasPorts(s Subject) bool { return s == SourcePort || s == DestinationPort }

// states in which a clause alone can hold.
func (c *Clause) states() states {
	if c.Subject.IsProperty() {
		if c.Not {
			return anyState &^ propertyStates[c.Subject]
		}
		return propertyStates[c.Subject]
	}
	in := families(
		c.isEmpty() || c.Not != (len(c.Set.IP4) > 0) || c.Not && !slices.Equal(c.Set.IP4, c.Subject.domain().IP4),
		c.isEmpty() || c.Not != (len(c.Set.IP6) > 0) || c.Not && !slices.Equal(c.Set.IP6, c.Subject.domain().IP6),
	)
	if hasPorts(c.Subject) {
		in &= portStates
	}
	return in
}

// families are the states of the families in which something is possible.
func families(in4, in6 bool) (in states) {
	if in4 {
		in |= ip4States
	}
	if in6 {
		in |= ip6States
	}
	return in
}

// isEmpty: the values of an empty set. That has a warning of its own and is no
// contradiction.
func (c *Clause) isEmpty() bool { return c.Set.size() == 0 }

// statesOfPair are the states in which two clauses can hold as far as their
// values go: two about the same field, or a port and the protocol.
func (c *checker) statesOfPair(a, b *Clause) states {
	if a.Subject.IsProperty() || b.Subject.IsProperty() || a.isEmpty() || b.isEmpty() {
		return anyState
	}
	if hasPorts(a.Subject) && b.Subject == Protocol {
		a, b = b, a
	}
	switch {
	case a.Subject == b.Subject:
		all := a.Subject.domain()
		return families(
			c.canBoth(a.Set.IP4, a.Not, b.Set.IP4, b.Not, all.IP4),
			c.canBoth(a.Set.IP6, a.Not, b.Set.IP6, b.Not, all.IP6),
		)
	case a.Subject == Protocol && hasPorts(b.Subject):
		return families(
			c.canBoth(a.Set.IP4, a.Not, portProtocols, false, allProtocols),
			c.canBoth(a.Set.IP6, a.Not, portProtocols6, false, allProtocols6),
		)
	}
	return anyState
}

// A pairKey names two long lists, which never change, by their first ranges.
type pairKey struct {
	a, b       *Range
	notA, notB bool
}

// canBoth says whether some value is in (or, negated, not in) both of two lists.
// What was found out about long lists is kept: many rules may name them.
func (c *checker) canBoth(as []Range, notA bool, bs []Range, notB bool, all []Range) bool {
	const long = 32
	if len(as) < long || len(bs) < long {
		return canBoth(as, notA, bs, notB, all)
	}
	key := pairKey{&as[0], &bs[0], notA, notB}
	can, known := c.disjoint[key]
	if !known {
		can = canBoth(as, notA, bs, notB, all)
		c.disjoint[key] = can
	}
	return can
}

func canBoth(as []Range, notA bool, bs []Range, notB bool, all []Range) bool {
	switch {
	case !notA && !notB:
		return overlap(as, bs)
	case notA && notB:
		if len(as)+len(bs) > 0 && !touchesEnds(as, bs, all) {
			return true
		}
		return !covers(mergeRanges(slices.Concat(as, bs)), all)
	case notA:
		return !covers(as, bs)
	}
	return !covers(bs, as)
}

// touchesEnds: only then can two lists cover all values together.
func touchesEnds(as, bs, all []Range) bool {
	var lo, hi bool
	for _, rs := range [][]Range{as, bs} {
		if n := len(rs); n > 0 {
			lo = lo || rs[0].Lo == all[0].Lo
			hi = hi || rs[n-1].Hi == all[0].Hi
		}
	}
	return lo && hi
}

// contradictions reports clauses that can never hold together: two of them if
// two are enough, else all. Those of the blocks around, which come first, have
// been looked at among themselves.
func (c *checker) contradictions(clauses []Clause) {
	own := len(c.around)
	if own == len(clauses) || c.possible(clauses) != 0 || c.possible(clauses[:own]) == 0 {
		return
	}
	for i := own; i < len(clauses); i++ {
		if clauses[i].states() == 0 {
			c.error("never", clauses[i].Span, "%s is never true: nothing is left", quoteSpan(clauses[i].Span))
			return
		}
	}
	for i := own; i < len(clauses); i++ {
		for j := range i {
			a, b := &clauses[j], &clauses[i]
			if a.states()&b.states()&c.statesOfPair(a, b) == 0 {
				c.contradiction(a, b)
				return
			}
		}
	}
	c.error("contradiction", clauses[own].Span.to(clauses[len(clauses)-1].Span), "these clauses never hold together")
}

// possible are the states in which clauses can hold together.
func (c *checker) possible(clauses []Clause) states {
	possible := anyState
	for i := range clauses {
		possible &= clauses[i].states()
		for j := range i {
			possible &= c.statesOfPair(&clauses[j], &clauses[i])
		}
	}
	return possible
}

func quoteSpan(s Span) string { return quote(squeeze(s.Text())) }

// contradiction reports two clauses, b standing behind a, with a suggestion.
func (c *checker) contradiction(a, b *Clause) {
	d := c.error("contradiction", b.Span, "%s never holds together with %s", quoteSpan(b.Span), quoteSpan(a.Span))
	d.note(a.Span, "the other clause")
	property, field := a, b
	if b.Subject.IsProperty() {
		property, field = b, a
	}
	switch {
	case a.Subject == b.Subject && !a.Subject.IsProperty():
		d.Help = alternatives(a, b)
	case field.Subject.IsProperty():
		if !a.Not && !b.Not && a.Subject <= ARP && b.Subject <= ARP {
			d.help("a packet has one network protocol: write a rule for each")
		}
	case hasPorts(a.Subject) || hasPorts(b.Subject):
		switch {
		case property.Subject == FragLater && property != field:
			d.help("later fragments carry no ports: leave out the port, or write `frag first`")
		default:
			d.help("only TCP, UDP and SCTP over IPv4 and IPv6 have ports")
		}
	case !property.Subject.IsProperty():
		d.help("one of them is about IPv4 only, the other about IPv6 only")
	case property.Subject == ARP && !property.Not:
		d.help("ARP packets are neither IPv4 nor IPv6: they have no %s", fieldName(field.Subject))
	case property.Subject == IP && !property.Not || property.Subject == IP6 && property.Not:
		d.help("%s is about IPv6 only: did you mean `ip6`?", quoteSpan(field.Span))
	case property.Subject == IP6 && !property.Not || property.Subject == IP && property.Not:
		d.help("%s is about IPv4 only: did you mean `ip`?", quoteSpan(field.Span))
	}
}

func fieldName(s Subject) string {
	if s == Protocol {
		return "protocol of that kind"
	}
	return "such address"
}

// size is the number of ranges in both families.
func (s ValueSet) size() int { return len(s.IP4) + len(s.IP6) }

// alternatives suggests a list in place of two clauses about the same field.
func alternatives(a, b *Clause) string {
	if a.Not || b.Not {
		return ""
	}
	const short = 8
	if a.Set.size() > short || b.Set.size() > short {
		return "a packet has one of each field; alternatives stand in one list"
	}
	as, bs := a.Set.elements(a.Subject), b.Set.elements(b.Subject)
	return "did you mean " + quote(strings.TrimSpace(a.Subject.String()+" "+braced(append(as, bs...)))) + "?"
}
