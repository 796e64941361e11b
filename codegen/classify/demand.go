package classify

import (
	"cmp"
	"math/bits"
	"slices"
)

// Most cells of large sets hold one box, few more than three. Such a cell needs
// no row: it names its box itself, by the leaf and by what the box asks of the
// rest, its demand. Rules have few different demands (TCP to 80, UDP from 53),
// so that a key's numbers find in small matrices which of them it meets.

// Demands are what boxes ask of the rest, by number from one on. A key meets
// demand d if bit d%8 of byte d/8 is set in its row of each matrix.
type Demands struct {
	Bits     int    // of the number of a demand
	Least    uint32 // what the leaves of cells and entries are counted from
	Matrices []Matrix
}

// A Matrix has a row for each value of a number.
type Matrix struct {
	Number int // as Product counts them
	Stride int // bytes of a row
	Rows   []byte
}

// maxTests is how many demands the list of a cell has at most.
const maxTests = 1<<TrialBits - 1

// The most that matrices may take: one that is made by a product of two, and
// all together. They are to stay in the first level of caches.
const (
	maxMatrix   = 48 << 10
	maxMatrices = 96 << 10
)

// demands of the boxes on the rest; they are numbered from one on.
type demands struct {
	of    []uint32 // by box
	asks  []int32  // by demand: a box that has it
	nodes []*node  // each finds the row of a matrix

	least uint32 // leaf
	bits  int    // of a demand's number
}

// newDemands of all boxes.
func (p *Problem) newDemands(fields []int) (*demands, error) {
	d := &demands{asks: []int32{Any}, least: p.Boxes[0].Leaf}
	index := map[string]uint32{}
	for i := range p.Boxes {
		key := p.restKey(int32(i), fields)
		if index[key] == 0 {
			index[key] = uint32(len(d.asks))
			d.asks = append(d.asks, int32(i))
		}
		d.of = append(d.of, index[key])
	}
	d.bits = bits.Len(uint(len(d.asks) - 1))
	if greatest := p.Boxes[len(p.Boxes)-1].Leaf - d.least; uint64(greatest) >= 1<<(31-d.bits) {
		return nil, ErrTooLarge
	}
	for _, f := range fields {
		part, err := p.partitionFor(p.allBoxes(), f)
		if err != nil {
			return nil, err
		}
		d.nodes = append(d.nodes, p.fieldNode(f, part, p.allBoxes()))
	}
	if err := d.join(); err != nil {
		return nil, err
	}
	return d, nil
}

// join the nodes with the fewest classes, as long as the matrix stays small:
// each one less is a load less for each test.
func (d *demands) join() error {
	for len(d.nodes) > 1 {
		slices.SortStableFunc(d.nodes, func(a, b *node) int { return cmp.Compare(len(a.members), len(b.members)) })
		if len(d.nodes[0].members)*len(d.nodes[1].members)*d.stride() > maxMatrix {
			break
		}
		n, err := product(d.nodes[0], d.nodes[1])
		if err != nil {
			return err
		}
		d.nodes = append([]*node{n}, d.nodes[2:]...)
	}
	size := 0
	for _, n := range d.nodes {
		size += len(n.members) * d.stride()
	}
	if size > maxMatrices {
		return ErrTooLarge
	}
	return nil
}

// stride is the bytes of a row.
func (d *demands) stride() int { return (len(d.asks) + 7) / 8 }

// matrix of the demands that each class of a node meets.
func (d *demands) matrix(n *node, number int) Matrix {
	m := Matrix{Number: number, Stride: d.stride(), Rows: make([]byte, len(n.members)*d.stride())}
	for class, members := range n.members {
		row := m.Rows[class*m.Stride:]
		for demand, box := range d.asks[1:] {
			if projection := n.boxes[box]; projection == Any || contains(members, projection) {
				row[(demand+1)/8] |= 1 << ((demand + 1) % 8)
			}
		}
	}
	return m
}

func contains(sorted []int32, n int32) bool {
	_, found := slices.BinarySearch(sorted, n)
	return found
}

// A tester makes the lists of a group that tests demands.
type tester struct {
	*builder
	lists   map[uint64][]listedCell // by hash
	entries []uint32
	most    int
}

type listedCell struct {
	list []uint32
	cell uint32
}

// cell is its box, if it has one, or where the list of its boxes is: what Group
// says.
func (t *tester) cell(boxes []int32) (uint32, error) {
	var list []uint32
	seen := map[uint32]bool{}
	for _, box := range boxes {
		demand := t.demands.of[box]
		if seen[demand] {
			continue
		}
		seen[demand] = true
		if list = append(list, (t.Boxes[box].Leaf-t.demands.least)<<(1+t.demands.bits)|demand<<1); len(list) > maxTests {
			return 0, ErrTooLarge
		}
		if _, any := t.restOf(box); any {
			break
		}
	}
	t.most = max(t.most, len(list))
	if len(list) == 1 {
		return list[0], nil
	}
	hash := hashOf(list)
	for _, other := range t.lists[hash] {
		if slices.Equal(other.list, list) {
			return other.cell, nil
		}
	}
	if len(t.entries) >= 1<<(31-TrialBits) {
		return 0, ErrTooLarge
	}
	cell := uint32(len(t.entries))<<(1+TrialBits) | uint32(len(list))<<1 | 1
	t.lists[hash] = append(t.lists[hash], listedCell{list, cell})
	t.entries = append(t.entries, list...)
	return cell, nil
}

func (t *tester) finish(out *Group, cells []uint32) {
	out.Tests, out.Entries = t.most, t.entries
	named := 0
	for _, cell := range cells {
		if named++; cell&1 != 0 {
			named += int(cell>>1&(1<<TrialBits-1)) - 1
		}
	}
	out.Named = float64(named) / float64(max(1, len(cells)))
}

// inTests makes the plan in which boxes are found by their demands, but for
// groups in whose cells too many are left.
func (p *Problem) inTests(mains, others []int, memory int) (*Plan, error) {
	if len(others) == 0 {
		return nil, ErrTooLarge
	}
	d, err := p.newDemands(others)
	if err != nil {
		return nil, err
	}
	whole, err := p.newGroup(p.allBoxes(), mains)
	if err != nil {
		return nil, err
	}
	b := &builder{Problem: p, mains: mains, others: others, demands: d, limit: fewRows, groups: []*group{whole}}
	return b.best(memory)
}

// test the demands that a cell names.
func (g *Group) test(d *Demands, cell uint32, numbers []uint64) uint32 {
	entries := []uint32{cell}
	if cell&1 != 0 {
		first, n := int(cell>>(1+TrialBits)), int(cell>>1&(1<<TrialBits-1))
		entries = g.Entries[first : first+n]
	}
	for _, entry := range entries {
		if d.met(entry>>1&(1<<d.Bits-1), numbers) {
			return entry>>(1+d.Bits) + d.Least
		}
	}
	return None
}

// met says that a key meets a demand.
func (d *Demands) met(demand uint32, numbers []uint64) bool {
	for _, m := range d.Matrices {
		if m.Rows[int(numbers[m.Number])*m.Stride+int(demand/8)]>>(demand%8)&1 == 0 {
			return false
		}
	}
	return true
}
