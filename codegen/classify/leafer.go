package classify

import (
	"math/bits"
	"slices"
)

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

// newLeafer begins with the cell 0 that holds no box.
func (b *builder) newLeafer(width int, restClasses map[int32][]uint32) *leafer {
	l := &leafer{builder: b, width: width, restClasses: restClasses, rows: map[uint64][]int{}, lists: map[uint64][]int{}, index: map[uint64]uint32{}}
	if width > 1 {
		_, _ = l.add(nil, []uint32{None}) // one row is not too large
	}
	return l
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

// A rowLimit is how many entries the rows of a group may have: with those that
// are zero, or without.
type rowLimit struct{ all, sparse int }

var (
	fewRows  = rowLimit{6 << 20, 1 << 20}
	manyRows = rowLimit{64 << 20, 8 << 20}
)

func (l *leafer) add(asked []int32, leaves []uint32) (uint32, error) {
	hash := hashOf(asked)
	i := slices.IndexFunc(l.rows[hash], func(r int) bool { return slices.Equal(l.asked[r], asked) })
	if i < 0 {
		l.rowEntries += l.width
		for _, projection := range asked {
			l.sparseEntries += len(l.restClasses[projection])
		}
		if l.rowEntries > l.limit.all && l.sparseEntries > l.limit.sparse {
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
