package reach

import "math/rand/v2"

// A judge finds out of the items of a room whether points are left to them.
type judge struct {
	room  *room
	index *node
	quiet []quietness
	point []uint32
	whole []set // of every dimension all

	looked   []int32 // by item: the search that looked at it last
	searches int32   // so far
}

func newJudge(r *room) *judge {
	all := make([]int32, 0, len(r.items)-r.facts)
	for i := r.facts; i < len(r.items); i++ {
		if v := r.items[i].verdict; v.Decides() || r.items[i].next > r.items[i].step+1 {
			all = append(all, int32(i))
		}
	}
	j := &judge{room: r, index: newIndex(r, all), quiet: newQuietness(r), point: make([]uint32, len(r.dims)), whole: make([]set, 0, len(r.dims)), looked: make([]int32, len(r.items))}
	for dim := range r.dims {
		j.whole = append(j.whole, set{hi: r.size(int32(dim)) - 1})
	}
	return j
}

// An answer is what was found out about an item.
type answer uint8

const (
	reached answer = iota // a point is left to it
	covered               // none is
	unknown               // the work has come to its end
)

// ask whether a point is left to an item: then the judge's point is one. If not,
// by which items none is, facts among them.
func (j *judge) ask(i int32, w *work) (answer, []int32) {
	r := j.room
	region := append([]set(nil), j.whole...)
	w.left -= len(region)
	for _, c := range r.cellsOf(i) {
		region[c.dim] = r.set(c)
	}
	below := int32(r.first[r.items[i].step])
	switch by, found := j.walk(i, region, below, w); {
	case found:
		return reached, nil
	case by >= 0:
		return covered, []int32{by}
	}
	items := append(r.factItems(), j.meeting(region, below, false, w)...)
	if w.left <= 0 { // there may be more, some of which skip
		return unknown, nil
	}
	return j.prove(i, region, items, w)
}

// prove asks whether the items take all of a region that item i has; if not, the
// judge's point is one that they leave.
func (j *judge) prove(i int32, region []set, items []int32, w *work) (answer, []int32) {
	p := proof{room: j.room, steps: [2]int32{j.room.items[i].step}, second: noSecond, work: w}
	switch {
	case p.covered(region, items, 0):
		return covered, p.used
	case p.left == nil:
		return unknown, nil
	}
	for dim, s := range p.left {
		j.point[dim] = s.lo
	}
	return reached, nil
}

// manySteps are more than a walk makes.
const manySteps = 24

// walk from point to point of a region, each outside of the item that took the
// one before, until one is left over. It is given up soon; that an item takes
// the whole region is seen on the way.
func (j *judge) walk(i int32, region []set, below int32, w *work) (by int32, found bool) {
	r := j.room
	random := rand.New(rand.NewPCG(uint64(i), 0))
	for dim := range region {
		j.point[dim] = j.start(int32(dim), region[dim], random)
	}
	for range manySteps {
		taker := j.taker(i, below, w)
		if taker < 0 {
			return -1, true
		}
		if w.left <= 0 {
			return -1, false
		}
		n, dim, to := 0, int32(0), set{}
		for _, c := range r.cellsOf(taker) {
			if outside, some := region[c.dim].without(r.set(c)); some {
				if n++; random.IntN(n) == 0 {
					dim, to = c.dim, outside
				}
			}
		}
		if n > 0 {
			j.point[dim] = j.within(dim, to, random)
		} else {
			if r.returns && r.items[taker].step >= 0 { // perhaps it is skipped, for some
				return -1, false
			}
			return taker, false
		}
	}
	return -1, false
}

// start is the coordinate to begin with.
func (j *judge) start(dim int32, s set, random *rand.Rand) uint32 {
	if d := &j.room.dims[dim]; d.tends && s.has(d.usual) {
		return d.usual
	}
	return j.within(dim, s, random)
}

// within is a quiet coordinate of a set.
func (j *judge) within(dim int32, s set, random *rand.Rand) uint32 {
	if s.list == nil {
		return j.quiet[dim].in(span{s.lo, s.hi})
	}
	return j.quiet[dim].in(s.list[random.IntN(len(s.list))])
}

// taker is the item that takes the point away from item i, a fact or one
// behind which it does not come to the step; -1 if there is none.
func (j *judge) taker(i, below int32, w *work) int32 {
	r := j.room
	for fact := range int32(r.facts) {
		if w.left--; r.has(fact, j.point) {
			return fact
		}
	}
	for from := int32(r.facts); ; {
		at := r.firstAt(j.index, j.point, from, below, w)
		if at >= below {
			return -1
		}
		next := r.items[at].next
		if next == 0 || next > r.items[i].step {
			return at
		}
		from = int32(r.first[next])
	}
}
