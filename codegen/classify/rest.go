package classify

import (
	"math/bits"
	"slices"
)

// A node is a number that tables compute from the key: the class of one field,
// or of several in a product of two nodes. Two keys are of one class if the
// same projections hold them.
type node struct {
	fields  []int
	boxes   []int32    // by box: the projection of the box on the fields, or Any
	members [][]int32  // of each class: the projections that hold it, ascending
	input   int        // the field; -1 for a product
	part    *partition // of the field
	left    *node
	right   *node
	table   []uint32 // of a product: the class by (class of left × classes of right + class of right)
}

// The most that one product may cost: entries of its table, and words of the
// sets that are compared, and kept, to build it.
const (
	maxProduct     = 4 << 20
	maxProductWork = 60 << 20
	maxProductSets = 4 << 20
)

// fieldNode is the node of a field, of which the classes are given, for some
// boxes.
func (p *Problem) fieldNode(f int, part *partition, boxes []int32) *node {
	n := &node{fields: []int{f}, input: f, part: part, members: part.members, boxes: make([]int32, len(p.Boxes))}
	for i := range n.boxes {
		n.boxes[i] = Any
	}
	for _, i := range boxes {
		n.boxes[i] = p.Boxes[i].Lists[f]
	}
	return n
}

// product of two nodes.
func product(left, right *node) (*node, error) {
	size := len(left.members) * len(right.members)
	if size > maxProduct {
		return nil, ErrTooLarge
	}
	n := &node{fields: append(slices.Clone(left.fields), right.fields...), input: -1, left: left, right: right}
	pairs := n.project()
	words := (len(pairs) + 63) / 64
	if size*words > maxProductWork {
		return nil, ErrTooLarge
	}
	rows := holding(left.members, pairs, 0, words)
	columns := holding(right.members, pairs, 1, words)
	n.table = make([]uint32, 0, size)
	index := map[uint64][]uint32{}
	var sets [][]uint64
	set := make([]uint64, words)
	for _, row := range rows {
		for _, column := range columns {
			for i := range set {
				set[i] = row[i] & column[i]
			}
			if n.table = append(n.table, classOfSet(set, &sets, index)); len(sets)*words > maxProductSets {
				return nil, ErrTooLarge
			}
		}
	}
	kept := 0
	for _, s := range sets {
		if kept += count(s); kept > maxMembers {
			return nil, ErrTooLarge
		}
		n.members = append(n.members, elements(s))
	}
	return n, nil
}

// project the boxes on the fields of a product: the different pairs of
// projections on left and right.
func (n *node) project() (pairs [][2]int32) {
	seen := map[[2]int32]int32{{Any, Any}: Any}
	n.boxes = make([]int32, len(n.left.boxes))
	for i := range n.boxes {
		pair := [2]int32{n.left.boxes[i], n.right.boxes[i]}
		id, ok := seen[pair]
		if !ok {
			id = int32(len(pairs))
			seen[pair] = id
			pairs = append(pairs, pair)
		}
		n.boxes[i] = id
	}
	return pairs
}

// holding is, for each class of one side, the set of the pairs whose
// projection on that side holds it.
func holding(members [][]int32, pairs [][2]int32, side, words int) [][]uint64 {
	byProjection := map[int32][]int{}
	always := make([]uint64, words)
	for i, pair := range pairs {
		if pair[side] == Any {
			always[i/64] |= 1 << (i % 64)
		} else {
			byProjection[pair[side]] = append(byProjection[pair[side]], i)
		}
	}
	out := make([][]uint64, len(members))
	for c := range members {
		out[c] = slices.Clone(always)
		for _, projection := range members[c] {
			for _, i := range byProjection[projection] {
				out[c][i/64] |= 1 << (i % 64)
			}
		}
	}
	return out
}

func classOfSet(set []uint64, sets *[][]uint64, index map[uint64][]uint32) uint32 {
	hash := hashOf(set)
	for _, c := range index[hash] {
		if slices.Equal((*sets)[c], set) {
			return c
		}
	}
	c := uint32(len(*sets))
	*sets = append(*sets, slices.Clone(set))
	index[hash] = append(index[hash], c)
	return c
}

// count of the elements of a set.
func count(set []uint64) int {
	n := 0
	for _, word := range set {
		n += bits.OnesCount64(word)
	}
	return n
}

// elements of a set, ascending.
func elements(set []uint64) []int32 {
	out := make([]int32, 0, count(set))
	for i, word := range set {
		for ; word != 0; word &= word - 1 {
			out = append(out, int32(64*i+bits.TrailingZeros64(word)))
		}
	}
	return out
}

// combine nodes into one, always the two next whose product is smallest.
func combine(nodes []*node) (*node, error) {
	for len(nodes) > 1 {
		slices.SortStableFunc(nodes, func(a, b *node) int { return len(a.members) - len(b.members) })
		n, err := product(nodes[0], nodes[1])
		if err != nil {
			return nil, err
		}
		nodes = append([]*node{n}, nodes[2:]...)
	}
	return nodes[0], nil
}
