package classify

import (
	"encoding/binary"
	"slices"

	"xdpfw/rules"
)

// Boxes that few others share the rest with (each its own pair of ports, say)
// would make a product of ever more classes. In groups of their own they are
// tried one after another instead: their cells are lists of a few boxes, each
// with the numbers between which the ranks of the rest must lie.

// maxTrials is how many boxes a list has at most, in pieces.
const maxTrials = 63

// maxRanks is how many fields are compared at most.
const maxRanks = 6

// A rankField is a field whose values are compared by rank: the number of the
// interval that they lie in.
type rankField struct {
	field int
	part  *partition
}

// bounds are the ranks of the first and the last number of a range of a list.
func (r rankField) bounds(f *Field, list int32, n int) (lo, hi uint32) {
	if list == Any {
		return 0, uint32(len(r.part.starts) - 1)
	}
	one := f.Lists[list][n]
	first, _ := slices.BinarySearchFunc(r.part.starts, one.Lo, rules.Value.Compare)
	last, begins := slices.BinarySearchFunc(r.part.starts, one.Hi, rules.Value.Compare)
	if !begins {
		last--
	}
	return uint32(first), uint32(last)
}

// maxPieces is how many combinations of single ranges a box is tried as.
const maxPieces = 8

// pieces of a box are the combinations of single ranges of its lists.
func (p *Problem) pieces(box int32, rest []int) int {
	n := 1
	for _, f := range rest {
		if l := p.Boxes[box].Lists[f]; l != Any {
			if n *= len(p.Fields[f].Lists[l]); n > maxPieces {
				return n
			}
		}
	}
	return n
}

// canTry says that a box has few pieces.
func (p *Problem) canTry(box int32, rest []int) bool { return p.pieces(box, rest) <= maxPieces }

// rankFields are the fields of the rest that some boxes ask for.
func (p *Problem) rankFields(boxes []int32, rest []int) ([]rankField, error) {
	var out []rankField
	for _, f := range rest {
		part, err := p.partitionFor(boxes, f)
		if err == nil && part == nil {
			continue
		}
		if err != nil {
			return nil, err
		}
		if out = append(out, rankField{f, part}); len(out) > maxRanks {
			return nil, ErrTooLarge
		}
	}
	return out, nil
}

// addRanks adds the inputs that find the ranks.
func (b *builder) addRanks(tried []bool) {
	var numbers []int
	for _, r := range b.ranks {
		payload := make([]uint64, len(r.part.starts))
		for i := range payload {
			payload[i] = uint64(i)
		}
		numbers = append(numbers, len(b.plan.Inputs))
		b.plan.Inputs = append(b.plan.Inputs, Input{r.field, NewSearch(b.Fields[r.field].Bits, r.part.starts, payload)})
	}
	for i := range tried {
		if tried[i] {
			b.plan.Groups[i].Ranks = numbers
		}
	}
}

// restOf is what a box asks of the rest.
func (b *builder) restOf(box int32) (lists []int32, any bool) {
	any = true
	for _, f := range b.others {
		l := b.Boxes[box].Lists[f]
		lists = append(lists, l)
		any = any && l == Any
	}
	return lists, any
}

// toTry are the boxes of a cell that may be the first one for some packet, as
// far as a list has room, and the boxes for which it has none.
func (b *builder) toTry(boxes []int32) (list, over []int32) {
	var asked [][]int32
	room := maxTrials
	for _, box := range boxes {
		lists, any := b.restOf(box)
		if slices.ContainsFunc(asked, func(other []int32) bool { return slices.Equal(other, lists) }) {
			continue
		}
		if room -= b.pieces(box, b.others); room >= 0 {
			list = append(list, box)
		} else {
			over = append(over, box)
		}
		if any || len(over) > maxTrials {
			break
		}
		asked = append(asked, lists)
	}
	return list, over
}

// overflow are the boxes of a group that stand in some cell behind as many
// others as a list may have.
func (b *builder) overflow(g *group) (over []int32, err error) {
	is := map[int32]bool{}
	_, _, err = b.walkCells(g, b.mains, func(boxes []int32) (uint32, error) {
		_, behind := b.toTry(boxes)
		for _, box := range behind {
			is[box] = true
		}
		return 0, nil
	})
	for _, box := range g.boxes {
		if is[box] {
			over = append(over, box)
		}
	}
	return over, err
}

// A trialer makes the lists of a group that tries its boxes. A cell is where
// its list begins, and in the TrialBits lowest bits how long it is.
type trialer struct {
	*builder
	lists [][]int32
	at    map[uint64][]int // lists by hash
	cells []uint32         // of the lists
	size  uint32           // boxes of all lists
}

func (b *builder) newTrialer() *trialer { return &trialer{builder: b, at: map[uint64][]int{}} }

func (t *trialer) cell(boxes []int32) (uint32, error) {
	boxes, over := t.toTry(boxes)
	hash := hashOf(boxes)
	for _, n := range t.at[hash] {
		if slices.Equal(t.lists[n], boxes) {
			return t.cells[n], nil
		}
	}
	if len(over) > 0 || t.size >= 1<<(32-TrialBits) {
		return 0, ErrTooLarge
	}
	n := uint32(0)
	for _, box := range boxes {
		n += uint32(t.pieces(box, t.others))
	}
	cell := t.size<<TrialBits | n
	t.size += n
	t.at[hash] = append(t.at[hash], len(t.lists))
	t.lists, t.cells = append(t.lists, boxes), append(t.cells, cell)
	return cell, nil
}

func (t *trialer) finish(out *Group, _ []uint32) {
	out.Ranks = make([]int, len(t.ranks)) // their numbers come later
	if out.RankWidth = 2; t.wide() {
		out.RankWidth = 4
	}
	for _, boxes := range t.lists {
		n := 0
		for _, box := range boxes {
			pieces := t.pieces(box, t.others)
			n += pieces
			for piece := range pieces {
				out.Lists = t.appendPiece(out.Lists, box, piece)
			}
		}
		out.Trials = max(out.Trials, n)
	}
}

// wide says that some ranks take more than 16 bits.
func (t *trialer) wide() bool {
	return slices.ContainsFunc(t.ranks, func(r rankField) bool { return len(r.part.starts) > 1<<16 })
}

func (t *trialer) appendPiece(to []byte, box int32, piece int) []byte {
	for _, r := range t.ranks {
		f, list, n := &t.Fields[r.field], t.Boxes[box].Lists[r.field], 0
		if list != Any {
			n, piece = piece%len(f.Lists[list]), piece/len(f.Lists[list])
		}
		lo, hi := r.bounds(f, list, n)
		if t.wide() {
			to = binary.LittleEndian.AppendUint32(to, lo)
			to = binary.LittleEndian.AppendUint32(to, hi)
		} else {
			to = binary.LittleEndian.AppendUint16(to, uint16(lo))
			to = binary.LittleEndian.AppendUint16(to, uint16(hi))
		}
	}
	return binary.LittleEndian.AppendUint32(to, t.Boxes[box].Leaf)
}
