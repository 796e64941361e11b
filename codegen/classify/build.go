package classify

import (
	"slices"
)

// A builder makes the Plan of a Problem for one way to group its boxes.
type builder struct {
	*Problem
	mains   []int
	others  []int // all other fields
	groups  []*group
	limit   rowLimit
	rest    *node       // nil if no box asks for a field that is not a main one
	ranks   []rankField // of the boxes that are tried
	demands *demands    // nil: none are tested
	plan    *Plan

	records []*records
}

// build the tables. A group whose rows would be many tries its boxes instead,
// if it can.
func (b *builder) build() (*Plan, error) {
	b.plan = &Plan{Groups: make([]Group, len(b.groups))}
	classes := make([][]uint32, len(b.groups)) // by group, then by class of the rest
	tried := make([]bool, len(b.groups))
	for i, g := range b.groups {
		if tried[i] = g.tried; tried[i] {
			continue
		}
		tested, err := b.buildTests(i)
		if err != nil {
			return nil, err
		}
		if tested {
			continue
		}
		classes[i], err = b.buildRows(i)
		if err == ErrTooLarge && b.rest != nil && b.canTryAll(g) {
			tried[i], err = true, nil
		}
		if err != nil {
			return nil, err
		}
	}
	if err := b.buildTried(tried); err != nil {
		return nil, err
	}
	b.records = nil
	b.addMains()
	b.addRanks(tried)
	b.addRest(classes)
	for _, r := range b.records {
		r.place(b.plan)
	}
	return b.plan, nil
}

// buildRows makes the tables of a group that finds its boxes by rows.
func (b *builder) buildRows(i int) (classes []uint32, err error) {
	g := b.groups[i]
	of, byProjection := b.restClasses(g)
	b.plan.Groups[i] = Group{Boxes: len(g.boxes), Width: of.n}
	return of.of, b.buildCells(&b.plan.Groups[i], g, b.newLeafer(of.n, byProjection))
}

// buildTests makes the tables of a group that tests demands, if it can.
func (b *builder) buildTests(i int) (bool, error) {
	if b.demands == nil {
		return false, nil
	}
	g := b.groups[i]
	b.plan.Groups[i] = Group{Boxes: len(g.boxes), Width: 1}
	err := b.buildCells(&b.plan.Groups[i], g, &tester{builder: b, lists: map[uint64][]listedCell{}})
	if err == ErrTooLarge {
		if b.rest == nil {
			b.rest, err = combine(b.demands.nodes)
			return false, err
		}
		return false, nil
	}
	return err == nil, err
}

// canTryAll says that no list of a group would be too long.
func (b *builder) canTryAll(g *group) bool {
	if slices.ContainsFunc(g.boxes, func(box int32) bool { return !b.canTry(box, b.others) }) {
		return false
	}
	_, _, err := b.walkCells(g, b.mains, func(boxes []int32) (uint32, error) {
		if _, over := b.toTry(boxes); len(over) > 0 {
			return 0, ErrTooLarge
		}
		return 0, nil
	})
	return err == nil
}

// buildTried makes the tables of the groups that try their boxes.
func (b *builder) buildTried(tried []bool) error {
	var boxes []int32
	for i, g := range b.groups {
		if tried[i] {
			boxes = append(boxes, g.boxes...)
		}
	}
	var err error
	if b.ranks, err = b.rankFields(boxes, b.others); err != nil {
		return err
	}
	for i, g := range b.groups {
		if !tried[i] {
			continue
		}
		b.plan.Groups[i] = Group{Boxes: len(g.boxes), Width: 1}
		if err := b.buildCells(&b.plan.Groups[i], g, b.newTrialer()); err != nil {
			return err
		}
	}
	return nil
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

// addRest adds the inputs and products that find the rows of the matrices, and
// the class of the rest. All inputs come before all products.
func (b *builder) addRest(classes [][]uint32) {
	var roots, inputs, products []*node
	if b.demands != nil {
		roots = slices.Clone(b.demands.nodes)
	}
	shared := b.rest != nil && slices.Contains(roots, b.rest)
	if b.rest != nil && !shared {
		roots = append(roots, b.rest)
	}
	for _, n := range roots {
		n.list(&inputs, &products)
	}
	var r *records
	of := func(class uint32) uint64 { return uint64(class) }
	if b.rest != nil {
		r = b.restRecords(classes)
		if len(r.words) == 1 && !shared {
			of = func(class uint32) uint64 { return r.words[0][class] }
		}
	}
	number := map[*node]int{}
	for _, n := range inputs {
		number[n] = len(b.plan.Inputs)
		b.plan.Inputs = append(b.plan.Inputs, Input{n.input, NewSearch(b.Fields[n.input].Bits, n.part.starts, b.payload(n, n.part.class, of))})
	}
	for _, n := range products {
		number[n] = len(b.plan.Inputs) + len(b.plan.Products)
		b.plan.Products = append(b.plan.Products, Product{number[n.left], number[n.right], len(n.right.members), b.payload(n, n.table, of)})
	}
	if b.demands != nil {
		b.plan.Demands = Demands{Bits: b.demands.bits, Least: b.demands.least}
		for _, n := range b.demands.nodes {
			b.plan.Demands.Matrices = append(b.plan.Demands.Matrices, b.demands.matrix(n, number[n]))
		}
	}
	if r == nil {
		return
	}
	if r.number = number[b.rest]; shared && len(r.words) == 1 {
		b.plan.Products = append(b.plan.Products, Product{Left: r.number, Right: Nothing, Columns: 1, Table: r.words[0]})
		r.number = len(b.plan.Inputs) + len(b.plan.Products) - 1
	}
	b.records = append(b.records, r)
}

// restRecords say for each class of the rest which class it is to each group.
func (b *builder) restRecords(classes [][]uint32) *records {
	values := make([]int, len(b.groups))
	cuts := make([]*Cut, len(b.groups))
	for i := range b.plan.Groups {
		values[i], cuts[i] = b.plan.Groups[i].Width, &b.plan.Groups[i].Rest
	}
	r := newRecords(values, cuts)
	for class := range b.rest.members {
		r.add(func(group int) uint32 { return classes[group][class] })
	}
	return r
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

// list the inputs and products of a node that are not there yet, each product
// behind its parts.
func (n *node) list(inputs, products *[]*node) {
	if n.left == nil {
		if !slices.Contains(*inputs, n) {
			*inputs = append(*inputs, n)
		}
		return
	}
	if slices.Contains(*products, n) {
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
const denseCells = 1 << 17

// buildCells makes the tables of a group, but for its cuts.
func (b *builder) buildCells(out *Group, g *group, of cellMaker) error {
	out.Columns = g.classes(1)
	keys, values, err := b.walkCells(g, b.mains, of.cell)
	if err != nil {
		return err
	}
	of.finish(out, values)
	out.setCells(keys, values, g.classes(0)*g.classes(1))
	return nil
}

// A cellMaker numbers cells by the boxes in them, given in order, and then
// makes the tables that are looked up by these numbers, which it may replace.
type cellMaker interface {
	cell(boxes []int32) (uint32, error)
	finish(out *Group, values []uint32)
}

// walkCells calls make for the boxes of each cell that has any, once for each
// set of boxes, and lists the keys of the cells and what make said of them.
func (p *Problem) walkCells(g *group, mains []int, make func(boxes []int32) (uint32, error)) (keys []uint64, values []uint32, err error) {
	entries, boxes := p.cells(g, mains)
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
				return nil, nil, ErrTooLarge
			}
			slices.Sort(all)
			value, err := make(all)
			if err != nil {
				return nil, nil, err
			}
			made[hash] = append(made[hash], madeCell{slices.Clone(projections), value})
		}
		keys = append(keys, entries[0].key)
		values = append(values, made[hash][i].value)
		entries = entries[n:]
	}
	return keys, values, nil
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
