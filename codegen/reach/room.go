package reach

import (
	"xdpfw/rules"
)

// A room is the packets of one kind as points: one coordinate a dimension. The
// values of a dimension are cut where some test begins or ends; what lies
// between two cuts no rule can tell apart, and is one coordinate.
//
// Every packet is a point. Not every point is a packet: what is known of that
// stands in facts. So of a box without a point that is left over no packet is
// left over, and the other way it may be that fields depend on each other in a
// way that is not known here.
type room struct {
	dims  []dimension
	items []item // facts first, then by step
	facts int    // how many of items are facts
	first []int  // by step: index of its first item; one more at the end
	cells []cell
	lists [][]span

	returns bool // there are steps that may skip others
}

type dimension struct {
	cuts  []rules.Value // where each coordinate begins; the first is 0
	usual uint32        // the coordinate of a usual value
	tends bool          // there is one
}

// An item is a box: the points for which every cell holds. It belongs to a step,
// or is a fact: no packet is in it.
type item struct {
	step     int32 // -1: a fact
	next     int32 // of a step that may skip others: where it goes on
	from, to int32 // its cells
	verdict  rules.Verdict
	dead     bool // it decides, but no packet gets to it
}

const isFact = -1

// A cell holds for the points of which the coordinate in a dimension is in a
// set: lo to hi, or a list.
type cell struct {
	dim    int32
	list   int32 // index in lists, or -1
	lo, hi uint32
}

func (r *room) set(c cell) set {
	if c.list < 0 {
		return set{lo: c.lo, hi: c.hi}
	}
	return set{c.lo, c.hi, r.lists[c.list]}
}

func (r *room) cellsOf(i int32) []cell { return r.cells[r.items[i].from:r.items[i].to] }

// of are the items of a step.
func (r *room) of(step int) (from, to int) { return r.first[step], r.first[step+1] }

// size of a dimension is how many coordinates it has.
func (r *room) size(dim int32) uint32 { return uint32(len(r.dims[dim].cuts)) }

// factItems are the items that are facts.
func (r *room) factItems() []int32 {
	items := make([]int32, r.facts)
	for i := range items {
		items[i] = int32(i)
	}
	return items
}
