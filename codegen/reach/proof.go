package reach

import (
	"math"
	"slices"
)

// A proof is the attempt to show that no point of a box is left over: that the
// items in front of a step take them all. It goes like the search for a
// solution of clauses: a point that is left over lies outside of each item in
// some dimension. An item that leaves one dimension to do so settles it; a
// coordinate that is outside of all items in a dimension settles that; else
// one item's dimensions are tried in turn.
type proof struct {
	room   *room
	steps  [2]int32 // by set, of which there may be two: what stands at it and behind takes nothing
	second int32    // the first step of the second set; noSecond if there is one set
	work   *work
	used   []int32 // items that the proof, if it succeeds, rests on
	left   []set   // points that are left over, if it fails

	// For a while: spans by dimension, and the dimensions in which there are some.
	spans [][]span
	noted []int32
}

// work that is left, in cells that are looked at: not in time, so that what is
// found does not depend on the machine.
type work struct{ left int }

// covered says that no point of the region is left over by the items, which
// are sorted. False says that one is, or that the work has come to its end.
// Both arguments are its own.
func (p *proof) covered(region []set, items []int32, depth int) bool {
	for {
		left, changed, covered := p.narrow(region, items)
		switch items = left; {
		case covered:
			return true
		case p.work.left <= 0:
			return false
		case changed:
			continue
		case !p.anyTakes(items):
			p.left = region
			return false
		case p.settle(region, items):
			continue
		case depth == maxDepth:
			p.work.left = 0
			return false
		}
		it := p.choose(region, items)
		for _, c := range p.room.cellsOf(it) {
			s := p.room.set(c)
			outside, some := region[c.dim].without(s)
			if !some {
				continue
			}
			p.work.left -= len(region) + len(items)
			part := slices.Clone(region)
			part[c.dim] = outside
			if !p.covered(part, slices.Clone(items), depth+1) {
				return false
			}
			region[c.dim], _ = region[c.dim].intersect(s)
		}
		// What is left of the region is within the item.
		if !p.skips(it) {
			p.used = append(p.used, it)
			return true
		}
	}
}

// maxDepth of choices within choices: memory is linear in it.
const maxDepth = 200

// skips says of an item that its packets come to the step all the same, by way
// of leaving out what is between.
func (p *proof) skips(i int32) bool {
	it := &p.room.items[i]
	set := 0
	if it.step >= p.second {
		set = 1
	}
	return it.next != 0 && it.next <= p.steps[set]
}

// noSecond is behind all steps.
const noSecond = math.MaxInt32

// narrow keeps the items that have some of the region, and takes out of it
// what those take that have all of it but in one dimension. Covered says that
// nothing is left.
//
// Where an item that skips has some of the region, those that it may skip say
// nothing: which of its points come to them is not known. Where it has all,
// none does.
func (p *proof) narrow(region []set, items []int32) (left []int32, changed, covered bool) {
	left = items[:0]
	var skipped, guarded int32
	for _, i := range items {
		it := &p.room.items[i]
		if it.step >= 0 && it.step < skipped {
			continue
		}
		cuts, at := p.cuts(region, i)
		switch {
		case cuts < 0:
		case p.skips(i):
			if cuts == 0 {
				skipped = max(skipped, it.next)
				continue
			}
			guarded = max(guarded, it.next)
			left = append(left, i)
		case it.step >= 0 && it.step < guarded || cuts > 1:
			left = append(left, i)
		case cuts == 0:
			p.forget()
			p.used = append(p.used, i)
			return left, true, true
		default:
			p.used = append(p.used, i)
			p.note(at)
		}
	}
	changed = len(p.noted) > 0
	return left, changed, !p.takeNoted(region)
}

// note the spans of a cell.
func (p *proof) note(c cell) {
	if p.spans == nil {
		p.spans = make([][]span, len(p.room.dims))
	}
	if len(p.spans[c.dim]) == 0 {
		p.noted = append(p.noted, c.dim)
	}
	var room [1]span
	s := p.room.set(c)
	p.work.left -= s.size()
	p.spans[c.dim] = append(p.spans[c.dim], s.spans(&room)...)
}

// forget what was noted.
func (p *proof) forget() {
	for _, dim := range p.noted {
		p.spans[dim] = p.spans[dim][:0]
	}
	p.noted = p.noted[:0]
}

// takeNoted takes what was noted out of the region, and forgets it; false if
// nothing is left.
func (p *proof) takeNoted(region []set) bool {
	defer p.forget()
	for _, dim := range p.noted {
		taken, _ := makeSet(union(p.spans[dim]))
		rest, some := region[dim].without(taken)
		if !some {
			return false
		}
		region[dim] = rest
	}
	return true
}

// cuts is in how many dimensions the region reaches beyond an item, and the
// last of them; -1 if they have nothing in common.
func (p *proof) cuts(region []set, i int32) (n int, at cell) {
	for _, c := range p.room.cellsOf(i) {
		s := p.room.set(c)
		p.work.left -= effort(region[c.dim], s)
		switch region[c.dim].to(s) {
		case apart:
			return -1, at
		case across:
			n++
			at = c
		}
	}
	p.work.left--
	return n, at
}

// effort is what it takes to compare two sets.
func effort(s, t set) int {
	if s.list == nil || t.list == nil || &s.list[0] == &t.list[0] {
		return 1
	}
	return len(s.list)
}

// anyTakes says whether some item takes packets.
func (p *proof) anyTakes(items []int32) bool {
	return slices.ContainsFunc(items, func(i int32) bool { return !p.skips(i) })
}

// settle looks for a dimension in which the region has a coordinate outside of
// all items that do not have the whole region in it: if any point is left over, then
// one with this coordinate. That is not so where items skip, which others are
// outside of to their loss.
func (p *proof) settle(region []set, items []int32) (settled bool) {
	defer p.forget()
	var kept []int32 // dimensions in which an item that skips ends
	for _, i := range items {
		for _, c := range p.room.cellsOf(i) {
			s := p.room.set(c)
			p.work.left -= effort(region[c.dim], s)
			switch {
			case region[c.dim].to(s) == within:
			case p.skips(i):
				kept = append(kept, c.dim)
			default:
				p.note(c)
			}
		}
	}
	for _, dim := range p.noted {
		if slices.Contains(kept, dim) {
			continue
		}
		taken, _ := makeSet(union(p.spans[dim]))
		if free, some := region[dim].without(taken); some {
			region[dim] = one(free.lo)
			settled = true
		}
	}
	return settled
}

// choose is an item to be outside of in one dimension or another: the one that
// leaves fewest, of those that take packets if one may be judged, else of
// those that skip.
func (p *proof) choose(region []set, items []int32) int32 {
	best, fewest := int32(-1), 0
	var guarded int32
	consider := func(i int32) {
		if cuts, _ := p.cuts(region, i); best < 0 || cuts < fewest {
			best, fewest = i, cuts
		}
	}
	for _, i := range items {
		if p.skips(i) {
			guarded = max(guarded, p.room.items[i].next)
		} else if step := p.room.items[i].step; step < 0 || step >= guarded {
			consider(i)
		}
	}
	if best >= 0 {
		return best
	}
	for _, i := range items {
		if p.skips(i) {
			consider(i)
		}
	}
	return best
}
