package reach

import (
	"cmp"
	"slices"
)

// An index finds items by a point that is in them, or by a box that meets
// them. It looks at an item as if it had one span in each dimension.
//
// It is a tree: a node cuts one dimension in two, with the items that have all
// that is left of the dimension here, in a tree over other dimensions. An item
// on both sides of a cut is on both, so it may be found twice.
type index struct {
	room    *room
	entries int // that may still be made

	shares []float64 // by dimension, while the best is looked for
}

type node struct {
	first             int32 // the least item
	dim               int32
	mid               uint32 // where right begins
	here, left, right *node  // nil where there are no items
	items             []int32
}

const (
	leafItems    = 12
	entriesEach  = 16  // of an item, on average
	hardlyAtAll  = 0.7 // of a dimension's coordinates, left over by an item on average: not worth a cut
	medianSample = 64
)

func newIndex(r *room, items []int32) *node {
	x := &index{room: r, entries: entriesEach * (len(items) + 100)}
	return x.build(items, nil)
}

// build a tree over the dimensions that are not used.
func (x *index) build(items []int32, used []int32) *node {
	if len(items) == 0 {
		return nil
	}
	if len(items) > leafItems && x.entries > 0 {
		if dim, ok := x.best(items, used); ok {
			return x.split(items, dim, span{0, x.room.size(dim) - 1}, append(slices.Clip(used), dim))
		}
	}
	x.entries -= len(items)
	return &node{first: items[0], dim: -1, items: items}
}

// best is the dimension of which items have least, on average.
func (x *index) best(items []int32, used []int32) (dim int32, ok bool) {
	if x.shares == nil {
		x.shares = make([]float64, len(x.room.dims))
	}
	var found []int32
	for _, i := range items {
		for _, c := range x.room.cellsOf(i) {
			if x.shares[c.dim] == 0 {
				found = append(found, c.dim)
				x.shares[c.dim] = float64(len(items))
			}
			// In place of all of the dimension, what the item has of it.
			x.shares[c.dim] -= float64(x.room.size(c.dim)-1-(c.hi-c.lo)) / float64(x.room.size(c.dim))
		}
	}
	least := hardlyAtAll * float64(len(items))
	for _, d := range found {
		if share := x.shares[d]; !slices.Contains(used, d) && (share < least || share == least && d < dim) {
			dim, least, ok = d, share, true
		}
		x.shares[d] = 0
	}
	return dim, ok
}

// hull of an item in a dimension.
func (r *room) hull(i, dim int32) span {
	for _, c := range r.cellsOf(i) {
		if c.dim == dim {
			return span{c.lo, c.hi}
		}
	}
	return span{0, r.size(dim) - 1}
}

// split what is in a span of a dimension.
func (x *index) split(items []int32, dim int32, in span, used []int32) *node {
	if len(items) <= leafItems || x.entries <= 0 {
		return x.build(items, used)
	}
	var here, rest []int32
	for _, i := range items {
		if s := x.room.hull(i, dim); s.lo <= in.lo && in.hi <= s.hi {
			here = append(here, i)
		} else {
			rest = append(rest, i)
		}
	}
	if len(rest) == 0 {
		return x.build(here, used)
	}
	n := &node{first: items[0], dim: dim, mid: x.median(rest, dim, in)}
	var left, right []int32
	for _, i := range rest {
		s := x.room.hull(i, dim)
		if s.lo < n.mid {
			left = append(left, i)
		}
		if s.hi >= n.mid {
			right = append(right, i)
		}
	}
	n.here = x.build(here, used)
	if len(left) > 0 {
		n.left = x.split(left, dim, span{in.lo, n.mid - 1}, used)
	}
	if len(right) > 0 {
		n.right = x.split(right, dim, span{n.mid, in.hi}, used)
	}
	return n
}

// median of the ends of items within a span; none of the items has all of it.
func (x *index) median(items []int32, dim int32, in span) uint32 {
	var ends []uint32
	step := max(1, len(items)/medianSample)
	for n := 0; n < len(items); n += step {
		s := x.room.hull(items[n], dim)
		if s.lo > in.lo {
			ends = append(ends, s.lo)
		}
		if s.hi < in.hi {
			ends = append(ends, s.hi+1)
		}
	}
	slices.SortFunc(ends, cmp.Compare)
	return ends[len(ends)/2]
}

// firstAt is the first item from a number on and below another that a point is
// in, else the latter.
func (r *room) firstAt(n *node, point []uint32, from, below int32, w *work) int32 {
	for n != nil && n.first < below {
		if n.dim < 0 {
			return r.firstIn(n.items, point, from, below, w)
		}
		w.left--
		below = r.firstAt(n.here, point, from, below, w)
		if point[n.dim] < n.mid {
			n = n.left
		} else {
			n = n.right
		}
	}
	return below
}

// firstIn is firstAt for a list.
func (r *room) firstIn(items []int32, point []uint32, from, below int32, w *work) int32 {
	at, _ := slices.BinarySearch(items, from)
	for _, i := range items[at:] {
		if i >= below {
			break
		}
		w.left--
		if !r.items[i].dead && r.has(i, point) {
			return i
		}
	}
	return below
}

// has says whether a point is in an item.
func (r *room) has(i int32, point []uint32) bool {
	for _, c := range r.cellsOf(i) {
		if n := point[c.dim]; n < c.lo || n > c.hi || c.list >= 0 && !r.set(c).has(n) {
			return false
		}
	}
	return true
}

// A search collects the items below a number that meet a region.
type search struct {
	*judge
	region []set
	below  int32
	dead   bool // also those that no packet gets to
	work   *work
	found  []int32
}

// meeting is what a search finds, sorted.
func (j *judge) meeting(region []set, below int32, dead bool, w *work) []int32 {
	s := search{judge: j, region: region, below: below, dead: dead, work: w}
	j.searches++
	s.collect(j.index)
	slices.Sort(s.found)
	return s.found
}

func (s *search) collect(n *node) {
	if n == nil || n.first >= s.below || s.work.left <= 0 {
		return
	}
	s.work.left--
	if n.dim < 0 {
		s.take(n.items)
		return
	}
	s.collect(n.here)
	if s.region[n.dim].lo < n.mid {
		s.collect(n.left)
	}
	if s.region[n.dim].hi >= n.mid {
		s.collect(n.right)
	}
}

// take those of a list that were not looked at.
func (s *search) take(items []int32) {
	for _, i := range items {
		if i >= s.below {
			break
		}
		s.work.left--
		if s.looked[i] == s.searches || s.room.items[i].dead && !s.dead {
			continue
		}
		s.looked[i] = s.searches
		if s.room.meets(i, s.region, s.work) {
			s.found = append(s.found, i)
		}
	}
}

func (r *room) meets(i int32, region []set, w *work) bool {
	for _, c := range r.cellsOf(i) {
		s := r.set(c)
		w.left -= effort(region[c.dim], s)
		if region[c.dim].to(s) == apart {
			return false
		}
	}
	return true
}
