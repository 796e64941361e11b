package ir

import (
	"slices"

	"xdpfw/rules"
)

// A conjunction is the tests of a term while clauses are added to it.
type conjunction struct {
	*lowerer
	network uint64 // of the frames that it is about
	simple  []Test // one an atom
	lists   []Test // with alternatives
}

// lower is what the clauses ask of a frame whose Network is known; false if
// such a frame never matches. The term is good until the next call.
func (c *conjunction) lower(l *lowerer, clauses []rules.Clause, network uint64) (Term, bool) {
	c.lowerer, c.network, c.simple, c.lists = l, network, c.simple[:0], c.lists[:0]
	for i := range clauses {
		ok := false
		if clauses[i].Subject.IsProperty() {
			ok = c.property(&clauses[i])
		} else {
			ok = c.field(&clauses[i])
		}
		if !ok {
			return nil, false
		}
	}
	c.simple = append(c.simple, c.lists...)
	slices.SortStableFunc(c.simple, func(t, u Test) int { return t.Atom.compare(u.Atom) })
	return c.simple, true
}

func (c *conjunction) property(clause *rules.Clause) bool {
	isIP := c.network == IP4Network || c.network == IP6Network
	switch clause.Subject {
	case rules.IP:
		return (c.network == IP4Network) != clause.Not
	case rules.IP6:
		return (c.network == IP6Network) != clause.Not
	case rules.ARP:
		return (c.network == ARPNetwork) != clause.Not
	case rules.Invalid:
		return c.narrow(Invalid, isOne, clause.Not, 1)
	case rules.Tagged:
		return c.narrow(Tagged, isOne, clause.Not, 1)
	case rules.Interface:
		return c.narrow(Interface, clause.Set.IP4, clause.Not, c.interfaces)
	case rules.Frag, rules.FragFirst, rules.FragLater:
		if !isIP {
			return clause.Not
		}
		return c.narrow(Fragment, fragments[clause.Subject], clause.Not, LaterFragment)
	}
	panic("ir: no lowering for property " + clause.Subject.String())
}

var (
	isOne     = []rules.Range{number(1)}
	fragments = map[rules.Subject][]rules.Range{
		rules.FragFirst: {number(FirstFragment)},
		rules.FragLater: {number(LaterFragment)},
		rules.Frag:      {{Lo: rules.Value{Lo: FirstFragment}, Hi: rules.Value{Lo: LaterFragment}}},
	}
)

// etherTypes of the network protocols, in which EtherType is known.
var etherTypes = map[uint64]uint64{ARPNetwork: 0x0806, IP4Network: 0x0800, IP6Network: 0x86dd}

func (c *conjunction) field(clause *rules.Clause) bool {
	where, ok := c.place(clause)
	if !ok {
		return false
	}
	if where.protocol != nil && !c.narrow(Protocol, where.protocol, false, 0) {
		return false
	}
	ranges, masks := clause.Set.IP4, clause.Set.Mask4
	if c.network == IP6Network {
		ranges, masks = clause.Set.IP6, clause.Set.Mask6
	}
	atom := where.atom
	switch known := etherTypes[c.network]; {
	case atom == EtherType && known != 0:
		return holds(ranges, masks, rules.Value{Lo: known}) != clause.Not
	case atom == ProtocolAH:
		atom, ranges = withoutAH(ranges)
	}
	if clause.Not {
		return c.none(atom, ranges, masks)
	}
	return c.some(atom, ranges, masks)
}

func holds(ranges []rules.Range, masks []rules.Masked, v rules.Value) bool {
	return rules.Contains(ranges, v) || slices.ContainsFunc(masks, func(m rules.Masked) bool {
		return rules.Value{Hi: v.Hi & m.Mask.Hi, Lo: v.Lo & m.Mask.Lo} == m.Value
	})
}

// withoutAH reads the protocol alone if an AH in front of it makes no
// difference, as is so of all but the clause about AH itself.
func withoutAH(ranges []rules.Range) (Atom, []rules.Range) {
	const ah = 0x100
	if len(ranges) == 2 && ranges[0].Hi.Lo < ah && ranges[1] == (rules.Range{
		Lo: rules.Value{Lo: ranges[0].Lo.Lo + ah}, Hi: rules.Value{Lo: ranges[0].Hi.Lo + ah},
	}) { // as most are
		return Protocol, ranges[:1]
	}
	plain := intersect(ranges, []rules.Range{{Hi: rules.Value{Lo: ah - 1}}})
	var behind []rules.Range
	for _, r := range intersect(ranges, []rules.Range{{Lo: rules.Value{Lo: ah}, Hi: rules.Value{Lo: 2*ah - 1}}}) {
		behind = append(behind, rules.Range{Lo: rules.Value{Lo: r.Lo.Lo - ah}, Hi: rules.Value{Lo: r.Hi.Lo - ah}})
	}
	if slices.Equal(plain, behind) {
		return Protocol, plain
	}
	return ProtocolAH, ranges
}

// some adds: the atom is in a range or agrees with a mask.
func (c *conjunction) some(a Atom, ranges []rules.Range, masks []rules.Masked) bool {
	if len(masks) == 0 || (Test{Atom: a, Ranges: ranges}).Whole() { // ranges that take all leave nothing to the masks
		return c.narrow(a, ranges, false, 0)
	}
	var all []Test
	if len(ranges) > 0 {
		all = append(all, Test{Atom: a, Ranges: ranges})
	}
	for _, m := range masks {
		masked, value := a.masked(m)
		all = append(all, Test{Atom: masked, Ranges: []rules.Range{{Lo: value, Hi: value}}})
	}
	if len(all) == 1 {
		return c.narrow(all[0].Atom, all[0].Ranges, false, 0)
	}
	all[0].Or = all[1:]
	c.lists = append(c.lists, all[0])
	return true
}

// none adds: the atom is there, is in no range and agrees with no mask.
func (c *conjunction) none(a Atom, ranges []rules.Range, masks []rules.Masked) bool {
	if !c.narrow(a, c.complement(ranges, a.Max()), false, 0) {
		return false
	}
	for _, m := range masks {
		masked, value := a.masked(m)
		if !c.narrow(masked, complement([]rules.Range{{Lo: value, Hi: value}}, masked.Max()), false, 0) {
			return false
		}
	}
	return true
}

// masked is the bits of an atom that a mask reads, and the value wanted there.
func (a Atom) masked(m rules.Masked) (Atom, rules.Value) {
	mask, value := shiftLeft(m.Mask, a.Shift()), shiftLeft(m.Value, a.Shift())
	a.Mask.Hi &= mask.Hi
	a.Mask.Lo &= mask.Lo
	return a, ShiftRight(value, a.Shift())
}

// narrow adds a test, joined by and to those there are; with not, for the
// values up to max that are not wanted. False if no value is left.
func (c *conjunction) narrow(a Atom, want []rules.Range, not bool, max uint64) bool {
	if not {
		want = c.complement(want, rules.Value{Lo: max})
	}
	if len(want) == 0 || c.derived > MaxDerived { // then the rules are refused
		return false
	}
	if c.everywhere(a) && (Test{Atom: a, Ranges: want}).Whole() {
		return true
	}
	have := Term(c.simple).Find(a)
	if have == nil {
		c.simple = append(c.simple, Test{Atom: a, Ranges: want})
		return true
	}
	have.Ranges = c.intersect(have.Ranges, want)
	return len(have.Ranges) > 0
}

// everywhere says that every frame of the network protocol has the atom, so
// that there is nothing to ask if each value will do.
func (c *conjunction) everywhere(a Atom) bool {
	end := int(a.Offset) + int(a.Size)
	switch a.Layer {
	case Meta:
		return a == FrameLength || a == Interface || a == Protocol && c.network == IP4Network
	case Frame:
		return c.network != NoNetwork && end <= 14
	case ARPHeader:
		return end <= 28
	case IP4Header:
		return end <= 20
	case IP6Header:
		return end <= 40
	}
	return false
}

func (t Term) equal(u Term) bool {
	return len(t) == len(u) && (len(t) == 0 || &t[0] == &u[0] || slices.EqualFunc(t, u, Test.equal))
}

// Equal says that two tests are the same.
func (t Test) Equal(u Test) bool { return t.equal(u) }

func (t Test) equal(u Test) bool {
	same := listOf(t.Ranges, rules.Value{}) == listOf(u.Ranges, rules.Value{}) // a long list is made once, and then the same
	return t.Atom == u.Atom && (same || slices.Equal(t.Ranges, u.Ranges)) && slices.EqualFunc(t.Or, u.Or, Test.equal)
}
