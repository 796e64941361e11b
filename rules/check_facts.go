package rules

import "slices"

// A paired is a clause that is compared with many others.
type paired struct {
	facts [2]pairedFact // the clause, and the protocol that its field implies
	n     int           // how many there are of them: a clause without values has none
}

// A pairedFact is a fact, and what tells at once that it holds together with
// others: a list of what is not wanted most often leaves the least or the
// greatest value of the field.
type pairedFact struct {
	fact
	leavesLeast, leavesGreatest bool   // in each family that has the field
	in                          states // of those families
}

func newPaired(c *Clause) (p paired) {
	if !c.hasValues() || c.isEmpty() {
		return p
	}
	for _, of := range [...]*Clause{c, c.carrier()} {
		if of != nil {
			p.facts[p.n] = newPairedFact(of)
			p.n++
		}
	}
	return p
}

func newPairedFact(c *Clause) pairedFact {
	p := pairedFact{fact: fact{c.field(), c, [2]accepted{c.accepted(ip4Family), c.accepted(ip6Family)}}}
	p.leavesLeast, p.leavesGreatest = c.Not, c.Not
	for _, f := range [...]family{ip4Family, ip6Family} {
		a := &p.accepted[f]
		if len(a.domain) == 0 {
			continue
		}
		p.in |= f.states()
		if n := len(a.ranges); n > 0 {
			p.leavesLeast = p.leavesLeast && a.ranges[0].Lo != a.domain[0].Lo
			p.leavesGreatest = p.leavesGreatest && a.ranges[n-1].Hi != a.domain[0].Hi
		}
		if len(a.masks) > 0 {
			p.leavesLeast, p.leavesGreatest = false, false
		}
	}
	return p
}

// statesOfPair are the states in which two clauses can hold as far as their
// values go: those of their fields, and the protocol that a field implies.
func (c *checker) statesOfPair(a, b *paired) states {
	in := anyState
	for i := range a.facts[:a.n] {
		for j := range b.facts[:b.n] {
			f, g := &a.facts[i], &b.facts[j]
			if f.subject == g.subject && f.clause != g.clause && f.clause.Bytes == g.clause.Bytes {
				in &= c.statesOfFacts(f, g)
			}
		}
	}
	return in
}

// statesOfFacts are the states of the families in which two facts about the
// same field accept the same value.
func (c *checker) statesOfFacts(a, b *pairedFact) states {
	if a.leavesLeast && b.leavesLeast || a.leavesGreatest && b.leavesGreatest {
		return a.in & b.in
	}
	in := states(0)
	for _, f := range [...]family{ip4Family, ip6Family} {
		if c.meets(&a.accepted[f], &b.accepted[f]) {
			in |= f.states()
		}
	}
	return in
}

// hasValues: properties have none, but for `on`.
func (c *Clause) hasValues() bool { return c.Subject == Interface || !c.Subject.IsProperty() }

// sameField says whether two clauses are about the same bytes, in packets that
// have both of their fields.
func (c *Clause) sameField(d *Clause) bool { return c.field() == d.field() && c.Bytes == d.Bytes }

func (c *Clause) field() Subject {
	if same := sameField[c.Subject]; same != noSubject {
		return same
	}
	return c.Subject
}

// A pairKey names two long lists, which never change, by their first ranges.
type pairKey struct {
	a, b       *Range
	notA, notB bool
}

// meets keeps what was found out about long lists: many rules may name them.
func (c *checker) meets(a, b *accepted) bool {
	const long = 32
	if len(a.ranges) < long || len(b.ranges) < long || len(a.masks)+len(b.masks) > 0 {
		return a.meets(b)
	}
	key := pairKey{&a.ranges[0], &b.ranges[0], a.not, b.not}
	meets, known := c.disjoint[key]
	if !known {
		meets = a.meets(b)
		c.disjoint[key] = meets
	}
	return meets
}

// meets says whether some value is accepted by both. Of lists with masks it may
// say so though there is none.
func (a *accepted) meets(b *accepted) bool {
	switch {
	case a.none() || b.none():
		return false
	case a.not == b.not && sameList(a.ranges, b.ranges) && len(a.masks)+len(b.masks) == 0 && !a.not:
		return true
	case len(a.masks)+len(b.masks) > 0:
		return a.meetsMasked(b)
	case !a.not && !b.not:
		return overlap(a.ranges, b.ranges)
	case a.not && b.not:
		if len(a.ranges)+len(b.ranges) > 0 && !touchesEnds(a.ranges, b.ranges, a.domain) {
			return true
		}
		return !covers(mergeRanges(slices.Concat(a.ranges, b.ranges)), a.domain)
	case a.not:
		return !covers(a.ranges, b.ranges)
	}
	return !covers(b.ranges, a.ranges)
}

// meetsMasked is meets for lists with masks, as far as comparing each with
// each, of lists that are not too long, shows.
func (a *accepted) meetsMasked(b *accepted) bool {
	const enough = 1 << 12
	switch {
	case a.isSmall():
		as, bs := a.bits(), b.bits()
		return as[0]&bs[0]|as[1]&bs[1]|as[2]&bs[2]|as[3]&bs[3] != 0
	case a.not && b.not, (len(a.ranges)+len(a.masks))*(len(b.ranges)+len(b.masks)) > enough:
		return true
	case a.not:
		return !b.eachIn(a)
	case b.not:
		return !a.eachIn(b)
	}
	return overlap(a.ranges, b.ranges) || a.hasOneOf(b.masks) || b.hasOneOf(a.masks)
}

// hasOneOf says whether a range or mask may have a value in common with one of
// the masks.
func (a *accepted) hasOneOf(masks []Masked) bool {
	for _, m := range masks {
		for _, r := range a.ranges {
			if r.Lo != r.Hi || m.holds(r.Lo) {
				return true
			}
		}
		for _, other := range a.masks {
			if common := m.Mask.and(other.Mask); m.Value.and(common) == other.Value.and(common) {
				return true
			}
		}
	}
	return false
}

// isLeft says whether any value is accepted.
func (a *accepted) isLeft() bool {
	all := accepted{not: true, domain: a.domain}
	switch {
	case a.none():
		return false
	case a.not && len(a.masks) == 0:
		return !slices.Equal(a.ranges, a.domain)
	}
	return !a.not || a.meets(&all)
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
