package classify

import (
	"math/bits"
	"slices"
)

// A builder makes the Plan of a Problem for one way to group its boxes.
type builder struct {
	*Problem
	mains  []int
	groups []*group
	rest   *node // nil if no box asks for a field that is not a main one
	plan   *Plan

	records []*records
}

// build the tables.
func (b *builder) build() (*Plan, error) {
	b.plan = &Plan{Groups: make([]Group, len(b.groups))}
	restClasses := make([][]uint32, len(b.groups)) // by group, then by class of the rest
	for i, g := range b.groups {
		out := &b.plan.Groups[i]
		out.Boxes = len(g.boxes)
		classes, byProjection := b.restClasses(g)
		restClasses[i], out.Width = classes.of, classes.n
		if err := b.buildCells(out, g, byProjection); err != nil {
			return nil, err
		}
	}
	b.records = nil
	b.addMains()
	if b.rest != nil {
		b.addRest(restClasses)
	}
	for _, r := range b.records {
		r.place(b.plan)
	}
	return b.plan, nil
}

// A coarser numbering of classes.
type coarser struct {
	of []uint32 // by class
	n  int      // how many there are
}

// restClasses are the classes of the rest that a group tells apart, and of
// each projection the classes that it holds.
func (b *builder) restClasses(g *group) (coarser, map[int32][]uint32) {
	if b.rest == nil {
		return coarser{n: 1}, nil
	}
	used := map[int32]bool{}
	for _, box := range g.boxes {
		used[b.rest.boxes[box]] = true
	}
	p := &partition{}
	index := map[uint64][]uint32{}
	var out coarser
	var members []int32
	for _, all := range b.rest.members {
		members = members[:0]
		for _, projection := range all {
			if used[projection] {
				members = append(members, projection)
			}
		}
		out.of = append(out.of, p.classOf(members, index))
	}
	out.n = len(p.members)
	byProjection := map[int32][]uint32{}
	for c, members := range p.members {
		for _, projection := range members {
			byProjection[projection] = append(byProjection[projection], uint32(c))
		}
	}
	return out, byProjection
}

// addMains adds the inputs of the main fields.
func (b *builder) addMains() {
	for side, f := range b.mains {
		parts := make([]*partition, len(b.groups))
		values := make([]int, len(b.groups))
		cuts := make([]*Cut, len(b.groups))
		for i, g := range b.groups {
			parts[i], values[i], cuts[i] = g.parts[side], g.classes(side), &b.plan.Groups[i].Main[side]
		}
		r := newRecords(values, cuts)
		starts, payload := r.merge(parts)
		r.number = len(b.plan.Inputs)
		b.records = append(b.records, r)
		b.plan.Inputs = append(b.plan.Inputs, Input{f, NewSearch(b.Fields[f].Bits, starts, payload)})
	}
}

// addRest adds the inputs and products that find the class of the rest.
func (b *builder) addRest(classes [][]uint32) {
	values := make([]int, len(b.groups))
	cuts := make([]*Cut, len(b.groups))
	for i := range b.plan.Groups {
		values[i], cuts[i] = b.plan.Groups[i].Width, &b.plan.Groups[i].Rest
	}
	r := newRecords(values, cuts)
	of := func(class uint32) uint64 { return uint64(class) }
	for class := range b.rest.members {
		r.add(func(group int) uint32 { return classes[group][class] })
	}
	if len(r.words) == 1 {
		of = func(class uint32) uint64 { return r.words[0][class] }
	}
	var inputs, products []*node
	b.rest.list(&inputs, &products)
	number := map[*node]int{}
	for _, n := range inputs {
		number[n] = len(b.plan.Inputs)
		b.plan.Inputs = append(b.plan.Inputs, Input{n.input, NewSearch(b.Fields[n.input].Bits, n.part.starts, b.payload(n, n.part.class, of))})
	}
	for i, n := range products {
		number[n] = len(b.plan.Inputs) + i
		b.plan.Products = append(b.plan.Products, Product{number[n.left], number[n.right], len(n.right.members), b.payload(n, n.table, of)})
	}
	r.number = number[b.rest]
	b.records = append(b.records, r)
}

// payload of a node is its classes; of all of the rest what of makes of them.
func (b *builder) payload(n *node, classes []uint32, of func(uint32) uint64) []uint64 {
	out := make([]uint64, len(classes))
	for i, class := range classes {
		if out[i] = uint64(class); n == b.rest {
			out[i] = of(class)
		}
	}
	return out
}

// list the inputs and products of a node, each product behind its parts.
func (n *node) list(inputs, products *[]*node) {
	if n.left == nil {
		*inputs = append(*inputs, n)
		return
	}
	n.left.list(inputs, products)
	n.right.list(inputs, products)
	*products = append(*products, n)
}

// The most boxes that the cells of a group may name together.
const maxCellBoxes = 64 << 20

// denseCells is up to how many entries a group's cells stand in a plain table,
// however empty.
const denseCells = 1 << 16

// buildCells makes the tables of a group, but for its cuts.
func (b *builder) buildCells(out *Group, g *group, restClasses map[int32][]uint32) error {
	entries, boxes := b.cells(g, b.mains)
	out.Columns = g.classes(1)
	l := &leafer{builder: b, width: out.Width, restClasses: restClasses, rows: map[uint64][]int{}, lists: map[uint64][]int{}}
	l.empty()
	keys, values := []uint64{}, []uint32{}
	made := map[uint64][]madeCell{}
	var projections []int32
	named := 0
	for len(entries) > 0 {
		n := 1
		for n < len(entries) && entries[n].key == entries[0].key {
			n++
		}
		projections = projections[:0]
		for _, e := range entries[:n] {
			projections = append(projections, e.projection)
		}
		hash := hashOf(projections)
		i := slices.IndexFunc(made[hash], func(c madeCell) bool { return slices.Equal(c.projections, projections) })
		if i < 0 {
			i = len(made[hash])
			var all []int32
			for _, p := range projections {
				all = append(all, boxes[p]...)
			}
			if named += len(all); named > maxCellBoxes {
				return ErrTooLarge
			}
			slices.Sort(all)
			value, err := l.cell(all)
			if err != nil {
				return err
			}
			made[hash] = append(made[hash], madeCell{slices.Clone(projections), value})
		}
		keys = append(keys, entries[0].key)
		values = append(values, made[hash][i].value)
		entries = entries[n:]
	}
	l.finish(out, values)
	out.setCells(keys, values, g.classes(0)*g.classes(1))
	return nil
}

type madeCell struct {
	projections []int32
	value       uint32
}

// setCells chooses between a plain table and a hash.
func (g *Group) setCells(keys []uint64, values []uint32, size int) {
	if size > denseCells && size > 3*len(keys) {
		g.Hash = NewPairHash(keys, values)
		return
	}
	g.Dense = make([]uint32, size)
	for i, key := range keys {
		g.Dense[key] = values[i]
	}
}

// A leafer makes the leaves of a group's cells.
type leafer struct {
	*builder
	width       int
	restClasses map[int32][]uint32
	rows        map[uint64][]int // by hash of what they ask for
	lists       map[uint64][]int
	asked       [][]int32 // by row: the projections that it tells apart, in order
	leaves      [][]uint32
	starts      []uint64 // of each list in the leaves
	size        uint64   // of all lists
	cells       []uint64 // row << 32 | list
	index       map[uint64]uint32

	rowEntries    int // of all rows
	sparseEntries int // of these at most how many are not zero
}

// empty makes the cell 0 that holds no box.
func (l *leafer) empty() {
	l.index = map[uint64]uint32{}
	if l.width > 1 {
		l.add(nil, []uint32{None})
	}
}

// cell is the number of the cell that holds some boxes, given in order: where
// nothing but the leaf is left, the leaf plus one.
func (l *leafer) cell(boxes []int32) (uint32, error) {
	if l.width == 1 {
		return l.Boxes[boxes[0]].Leaf + 1, nil
	}
	var asked []int32
	leaves := []uint32{None}
	seen := map[int32]bool{}
	for _, box := range boxes {
		projection := l.rest.boxes[box]
		if seen[projection] {
			continue
		}
		seen[projection] = true
		if projection == Any {
			leaves[0] = l.Boxes[box].Leaf
			break
		}
		leaves = append(leaves, l.Boxes[box].Leaf)
		asked = append(asked, projection)
	}
	return l.add(asked, leaves)
}

// How many entries the rows of a group may have: with those that are zero, or
// without.
const (
	maxRowEntries    = 64 << 20
	maxSparseEntries = 8 << 20
)

func (l *leafer) add(asked []int32, leaves []uint32) (uint32, error) {
	hash := hashOf(asked)
	i := slices.IndexFunc(l.rows[hash], func(r int) bool { return slices.Equal(l.asked[r], asked) })
	if i < 0 {
		l.rowEntries += l.width
		for _, projection := range asked {
			l.sparseEntries += len(l.restClasses[projection])
		}
		if l.rowEntries > maxRowEntries && l.sparseEntries > maxSparseEntries {
			return 0, ErrTooLarge
		}
		i = len(l.rows[hash])
		l.rows[hash] = append(l.rows[hash], len(l.asked))
		l.asked = append(l.asked, asked)
	}
	row := l.rows[hash][i]
	hash = hashOf(leaves)
	i = slices.IndexFunc(l.lists[hash], func(n int) bool { return slices.Equal(l.leaves[n], leaves) })
	if i < 0 {
		i = len(l.lists[hash])
		l.lists[hash] = append(l.lists[hash], len(l.leaves))
		l.leaves = append(l.leaves, leaves)
		l.starts = append(l.starts, l.size)
		l.size += uint64(len(leaves))
	}
	cell := uint64(row)<<32 | uint64(l.lists[hash][i])
	n, ok := l.index[cell]
	if !ok {
		n = uint32(len(l.cells))
		l.index[cell] = n
		l.cells = append(l.cells, cell)
	}
	return n, nil
}

// directRows is up to how many bytes the leaves stand in the rows themselves.
const directRows = 256 << 10

// denseRows is up to how many entries the rows stand in a plain table, however
// empty.
const denseRows = 4 << 20

// finish makes the rows and leaves of a group; values are the cells, which are
// replaced by their records where these fit.
func (l *leafer) finish(out *Group, values []uint32) {
	if l.width == 1 {
		return
	}
	if len(l.cells)*l.width*4 <= directRows {
		for _, cell := range l.cells {
			row := l.row(int(cell >> 32))
			leaves := l.leaves[uint32(cell)]
			for _, n := range row {
				out.Rows = append(out.Rows, leaves[n])
			}
		}
		return
	}
	l.setRows(out)
	for _, list := range l.leaves {
		out.Leaves = append(out.Leaves, list...)
	}
	out.BaseBits = bits.Len64(l.size)
	records := make([]uint64, len(l.cells))
	for i, cell := range l.cells {
		records[i] = cell>>32<<out.BaseBits | l.starts[uint32(cell)]
	}
	if slices.Max(records) > 1<<32-1 {
		out.Records = records
		return
	}
	for i, cell := range values {
		values[i] = uint32(records[cell])
	}
}

// setRows chooses between a plain table and a hash.
func (l *leafer) setRows(out *Group) {
	if l.rowEntries <= denseRows || l.rowEntries <= 6*l.sparseEntries {
		for row := range l.asked {
			out.Rows = append(out.Rows, l.row(row)...)
		}
		return
	}
	var keys []uint64
	var values []uint32
	for row := range l.asked {
		for class, n := range l.row(row) {
			if n != 0 {
				keys = append(keys, uint64(row*l.width+class))
				values = append(values, n)
			}
		}
	}
	out.RowHash = NewPairHash(keys, values)
}

// row is, by class of the rest, the place in a cell's list of leaves: zero
// where nothing that the cell asks for holds the class.
func (l *leafer) row(n int) []uint32 {
	asked := l.asked[n]
	row := make([]uint32, l.width)
	for i := len(asked) - 1; i >= 0; i-- {
		for _, class := range l.restClasses[asked[i]] {
			row[class] = uint32(i + 1)
		}
	}
	return row
}
