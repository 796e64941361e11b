package reach

import (
	"cmp"
	"slices"

	"xdpfw/codegen/ir"
	"xdpfw/rules"
)

// A builder makes a room in three passes: what the steps ask of which fields;
// which fields share bits, and so a dimension, and where each is cut; the cells.
type builder struct {
	kind   kind
	ids    map[field]int32
	fields []field
	asked  []question
	boxes  []extent // of the steps
	facts  []extent
	dimOf  []int32            // by field
	shared map[int32]*overlap // by dimension, where several fields have one
	most   []rules.Value      // by dimension: the greatest value
	known  map[listKey]set    // lists that were converted
	room   *room
	sets   []dimSet
}

// A dimSet is coordinates and their dimension.
type dimSet struct {
	dim int32
	set set
}

// A question is a condition on a field by its number.
type question struct {
	field  int32
	ranges []rules.Range
}

// An extent is the questions of a box.
type extent struct {
	step     int32
	from, to int32
}

// A listKey is the identity of a list of ranges, which many steps may read.
type listKey struct {
	dim   int32
	first *rules.Range
	n     int
}

// longList is from where on it pays to remember a list.
const longList = 16

// newRoom is how a decision sees the packets of a network protocol; nil if it
// takes more than it may to find out. Left is of the questions that there may be.
func newRoom(d *ir.Decision, network uint64, interfaces int, left *int) *room {
	b := newBuilder(network, interfaces)
	if !b.build(d, left) {
		return nil
	}
	return b.room
}

func newBuilder(network uint64, interfaces int) *builder {
	return &builder{
		kind: newKind(network, interfaces),
		ids:  map[field]int32{}, shared: map[int32]*overlap{}, known: map[listKey]set{}, room: &room{},
	}
}

// build makes the room; false if that is too much work.
func (b *builder) build(d *ir.Decision, left *int) bool {
	tests, terms := 0, 0
	for i := range d.Steps {
		terms += len(d.Steps[i].Terms)
		for _, term := range d.Steps[i].Terms {
			tests += len(term)
		}
	}
	b.asked = make([]question, 0, min(2*tests, *left)) // mostly enough: growing would leave as much behind again
	b.boxes = make([]extent, 0, terms)
	for i := range d.Steps {
		for _, term := range d.Steps[i].Terms {
			for _, conditions := range b.kind.boxes(term) {
				b.boxes = append(b.boxes, b.ask(int32(i), conditions))
			}
			if len(b.asked) > *left {
				return false
			}
		}
	}
	*left -= len(b.asked)
	for _, f := range b.kind.hidden() {
		b.number(f)
	}
	if slices.ContainsFunc(b.fields, func(f field) bool { return f.space == layers+space(ir.Frame) && int(f.offset)+int(f.size) > 12 }) {
		b.number(tagCount) // which decides what stands behind the addresses
		b.number(at(ir.Frame, 12, 2, 0xffff))
	}
	for _, conditions := range b.kind.facts() {
		if !slices.ContainsFunc(conditions, func(c condition) bool { _, is := b.ids[c.field]; return !is }) {
			b.facts = append(b.facts, b.ask(isFact, conditions))
		}
	}
	b.divide()
	if !b.combine() {
		return false
	}
	b.cut()
	b.fill(d)
	return true
}

func (b *builder) number(f field) int32 {
	n, is := b.ids[f]
	if !is {
		n = int32(len(b.fields))
		b.ids[f] = n
		b.fields = append(b.fields, f)
	}
	return n
}

func (b *builder) ask(step int32, conditions []condition) extent {
	e := extent{step: step, from: int32(len(b.asked))}
	for _, c := range conditions {
		b.asked = append(b.asked, question{b.number(c.field), c.ranges})
	}
	e.to = int32(len(b.asked))
	return e
}

// divide gives fields their dimensions: fields that share bits, directly or
// through others, have one if that has few values, else one each, as if they
// did not.
func (b *builder) divide() {
	leader := make([]int32, len(b.fields))
	var find func(int32) int32
	find = func(f int32) int32 {
		if leader[f] != f {
			leader[f] = find(leader[f])
		}
		return leader[f]
	}
	type place struct {
		space space
		bit   int
	}
	reader := map[place]int32{}
	for i, f := range b.fields {
		n := int32(i)
		leader[n] = n
		for _, bit := range f.bits() {
			p := place{f.space, bit}
			if other, is := reader[p]; is {
				leader[find(n)] = find(other)
			} else {
				reader[p] = n
			}
		}
	}
	members := map[int32][]int32{}
	for i := range b.fields {
		l := find(int32(i))
		members[l] = append(members[l], int32(i))
	}
	b.dimOf = make([]int32, len(b.fields))
	for i := range b.fields {
		switch group := members[int32(i)]; {
		case len(group) == 0: // has a leader, whose turn it is
		case len(group) == 1 && b.fields[i].dense():
			b.alone(group[0])
		default:
			b.together(group)
		}
	}
}

func (b *builder) alone(f int32) {
	b.dimOf[f] = int32(len(b.most))
	b.most = append(b.most, b.kind.most(b.fields[f]))
}

func (b *builder) together(group []int32) {
	o := newOverlap(b.fields, group)
	if o == nil {
		for _, f := range group {
			b.alone(f)
		}
		return
	}
	dim := int32(len(b.most))
	for _, f := range group {
		b.dimOf[f] = dim
	}
	b.shared[dim] = o
	b.most = append(b.most, rules.Value{Lo: uint64(o.values() - 1)})
}

// combine turns questions about fields with a common dimension into such about
// that; false if that is too much work.
func (b *builder) combine() bool {
	left := combineWork
	for i := range b.asked {
		q := &b.asked[i]
		o := b.shared[b.dimOf[q.field]]
		if o == nil {
			continue
		}
		if q.ranges = o.ranges(q.field, q.ranges, &left); left < 0 {
			return false
		}
	}
	return true
}

// cut finds the coordinates of each dimension.
func (b *builder) cut() {
	cuts := make([][]rules.Value, len(b.most))
	for dim := range cuts {
		cuts[dim] = append(cuts[dim], rules.Value{})
	}
	seen := map[listKey]bool{}
	add := func(dim int32, ranges []rules.Range) {
		if len(ranges) >= longList {
			key := listKey{dim, &ranges[0], len(ranges)}
			if seen[key] {
				return
			}
			seen[key] = true
		}
		for _, r := range ranges {
			if r.Lo.Compare(b.most[dim]) <= 0 {
				cuts[dim] = append(cuts[dim], r.Lo)
			}
			if r.Hi.Compare(b.most[dim]) < 0 {
				cuts[dim] = append(cuts[dim], next(r.Hi))
			}
		}
	}
	for _, q := range b.asked {
		add(b.dimOf[q.field], q.ranges)
	}
	b.room.dims = make([]dimension, len(cuts))
	for f, dim := range b.dimOf {
		if v, is := b.kind.usual(b.fields[f]); is && b.shared[dim] == nil {
			add(dim, []rules.Range{{Lo: v, Hi: v}})
		}
	}
	for dim, all := range cuts {
		slices.SortFunc(all, rules.Value.Compare)
		b.room.dims[dim].cuts = slices.Clip(slices.Compact(all))
	}
	for f, dim := range b.dimOf {
		if v, is := b.kind.usual(b.fields[f]); is && b.shared[dim] == nil {
			b.room.dims[dim].usual, b.room.dims[dim].tends = b.room.coordinate(dim, v), true
		}
	}
}

// coordinate of a value.
func (r *room) coordinate(dim int32, v rules.Value) uint32 {
	i, is := slices.BinarySearchFunc(r.dims[dim].cuts, v, rules.Value.Compare)
	if !is {
		i--
	}
	return uint32(i)
}

// fill makes the items.
func (b *builder) fill(d *ir.Decision) {
	r := b.room
	r.items = make([]item, 0, len(b.facts)+len(b.boxes))
	r.cells = make([]cell, 0, len(b.asked))
	for _, e := range b.facts {
		b.item(e, item{step: isFact})
	}
	r.facts = len(r.items)
	r.first = make([]int, 0, len(d.Steps)+1)
	for _, e := range b.boxes {
		for len(r.first) <= int(e.step) {
			r.first = append(r.first, len(r.items))
		}
		step := &d.Steps[e.step]
		b.item(e, item{step: e.step, next: int32(step.Next), verdict: step.Verdict})
		r.returns = r.returns || step.Verdict == rules.Return
	}
	for len(r.first) <= len(d.Steps) {
		r.first = append(r.first, len(r.items))
	}
}

// item adds one, unless no point is in it.
func (b *builder) item(e extent, it item) {
	r := b.room
	it.from = int32(len(r.cells))
	sets := b.sets[:0] // of a box there are few
	for _, q := range b.asked[e.from:e.to] {
		dim := b.dimOf[q.field]
		s, ok := b.convert(dim, q.ranges)
		at := slices.IndexFunc(sets, func(have dimSet) bool { return have.dim == dim })
		switch {
		case at < 0:
			sets = append(sets, dimSet{dim, s})
		case ok:
			sets[at].set, ok = s.intersect(sets[at].set)
		}
		if !ok {
			return
		}
	}
	b.sets = sets
	for _, known := range sets {
		dim, s := known.dim, known.set
		if s.list == nil && s.lo == 0 && s.hi == r.size(dim)-1 {
			continue
		}
		c := cell{dim, -1, s.lo, s.hi}
		if s.list != nil {
			c.list = int32(len(r.lists))
			r.lists = append(r.lists, s.list)
		}
		r.cells = append(r.cells, c)
	}
	it.to = int32(len(r.cells))
	// What excludes most first: few items are looked at to their end.
	share := func(c cell) float64 { return float64(c.hi-c.lo) / float64(r.size(c.dim)) }
	slices.SortFunc(r.cells[it.from:it.to], func(a, b cell) int {
		return cmp.Or(cmp.Compare(share(a), share(b)), cmp.Compare(a.dim, b.dim))
	})
	r.items = append(r.items, it)
}

// convert ranges of values to coordinates; false if none is possible.
func (b *builder) convert(dim int32, ranges []rules.Range) (set, bool) {
	if len(ranges) == 0 {
		return set{}, false
	}
	key := listKey{dim, &ranges[0], len(ranges)}
	if len(ranges) >= longList {
		if s, is := b.known[key]; is {
			return s, true
		}
	}
	spans := make([]span, 0, len(ranges))
	for _, r := range ranges {
		if r.Lo.Compare(b.most[dim]) > 0 {
			break
		}
		s := span{b.room.coordinate(dim, r.Lo), b.room.size(dim) - 1}
		if r.Hi.Compare(b.most[dim]) < 0 {
			s.hi = b.room.coordinate(dim, next(r.Hi)) - 1
		}
		spans = append(spans, s)
	}
	s, ok := makeSet(spans)
	if ok && len(ranges) >= longList {
		b.known[key] = s
	}
	return s, ok
}
