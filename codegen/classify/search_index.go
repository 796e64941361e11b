package classify

import (
	"fmt"
	"math/bits"

	"xdpfw/rules"
)

// An Index finds by a value's place, its upper 63 bits or all if it has fewer,
// the first bound of the window that the value is in.
//
// A node cuts places into cells. The cells of the root are the nodes of the
// first level, those of its nodes are the nodes of the next level, and so on;
// behind them Ranks has a number for each cell. So each part is cut as finely
// as its bounds lie, however unevenly that is:
//
//	place ──Root──▶ cell ──Levels[0]──▶ cell … ──Ranks──▶ rank of the first bound of the window
type Index struct {
	Root   Node
	Levels []Numbers // a node is two numbers: Low, and Last << 38 | Shift << 32 | Base
	Ranks  Numbers
	Whole  bool // the root's cells are all that there are: no place is before the first one or behind the last one
}

// A Node cuts the places from Low on into cells of 2^Shift places. Places before
// are in its first cell, those behind the last cell are in that.
type Node struct {
	Low   uint64 // from the Low of the node above on
	Shift int
	Last  int // how many cells there are, less one
	Base  int // number of its first cell in the next level
}

// lastShift is where in the second number of a node Last begins.
const lastShift = 38

func (n Node) numbers() (low, rest uint64) {
	return n.Low, uint64(n.Last)<<lastShift | uint64(n.Shift)<<32 | uint64(n.Base)
}

func nodeAt(level Numbers, i int) Node {
	rest := level.At(2*i + 1)
	return Node{level.At(2 * i), int(rest >> 32 & 63), int(rest >> lastShift), int(uint32(rest))}
}

// cell is the number of the cell of a place, and the place from Low on.
func (n Node) cell(place int64) (cell int, rest int64) {
	rest = max(place-int64(n.Low), 0)
	return n.Base + int(min(rest>>n.Shift, int64(n.Last))), rest
}

func (x *Index) rank(place int64) int {
	cell, place := x.Root.cell(place)
	for _, level := range x.Levels {
		cell, place = nodeAt(level, cell).cell(place)
	}
	return int(x.Ranks.At(cell))
}

func (x *Index) bytes() int {
	n := len(x.Ranks.Bytes)
	for _, level := range x.Levels {
		n += len(level.Bytes)
	}
	return n
}

func (x *Index) String() string {
	text := fmt.Sprintf("index of %d", x.Ranks.Len())
	if x.Ranks.Len() == 1 {
		text = "no index"
	}
	for i := len(x.Levels) - 1; i >= 0; i-- {
		text = fmt.Sprintf("%d nodes, ", x.Levels[i].Len()/2) + text
	}
	return text
}

// placeOf a value of so many words.
func placeOf(v rules.Value, words int) int64 {
	if words == 1 {
		return int64(v.Lo)
	}
	return int64(shiftLeft(v, 128-32*words).Hi >> 1)
}

// places are where bounds lie.
type places struct {
	width int // of a place in bits
	at    []int64
	exact []bool // the bound is the first value at its place
}

func newPlaces(width, words int, bounds []rules.Value) *places {
	p := &places{min(width, 63), make([]int64, len(bounds)), make([]bool, len(bounds))}
	for i, b := range bounds {
		p.at[i] = placeOf(b, words)
		p.exact[i] = words == 1 || shiftLeft(b, 128-32*words+63) == (rules.Value{})
	}
	return p
}

// An indexChoice is an index with the most bounds that a window of it has.
type indexChoice struct {
	Index
	most int
}

// maxIndexBits is how many bits of the place an index over all places takes at most.
const maxIndexBits = 18

// longWindow is how many bounds a window has at least for levels to be tried.
const longWindow = 64

// choose the index that costs the least together with the search of its longest
// window.
func (p *places) choose(windowCost func(most int) float64) indexChoice {
	best := p.whole(0)
	least := windowCost(best.most)
	try := func(x indexChoice) {
		if cost := x.cost() + windowCost(x.most); cost < least {
			best, least = x, cost
		}
	}
	size := bits.Len(uint(len(p.at)))
	for n := max(1, size-6); n <= min(maxIndexBits, p.width, size); n++ {
		try(p.whole(n))
	}
	for levels := range 3 {
		if levels > 0 && best.most < longWindow || len(p.at) < 2 {
			break
		}
		for perCell := 2; perCell <= 16; perCell *= 2 {
			try(p.levels(levels, perCell))
		}
	}
	return best
}

// A span is the bounds from … to-1.
type span struct{ from, to int }

// whole is an index by so many upper bits of the place.
func (p *places) whole(n int) indexChoice {
	root := Node{Shift: p.width - n, Last: 1<<n - 1}
	spans := make([]span, 0, root.Last+1)
	return p.index(indexChoice{Index: Index{Root: root, Whole: true}}, p.cells(root, span{0, len(p.at)}, 0, spans))
}

// levels is an index with so many levels besides the root, and about one cell
// for some bounds.
func (p *places) levels(levels, perCell int) indexChoice {
	var x indexChoice
	spans, lows := []span{{0, len(p.at)}}, []int64{0}
	for level := 0; level <= levels; level++ {
		per := perCell
		for range levels - level {
			per *= 16 // nodes take four times the room of ranks
		}
		nodes, cells, cellLows := p.cut(spans, lows, per)
		if level == 0 {
			x.Root = nodes[0]
		} else {
			table := Numbers{8, make([]byte, 16*len(nodes))}
			for i, n := range nodes {
				low, rest := n.numbers()
				table.Set(2*i, low)
				table.Set(2*i+1, rest)
			}
			x.Levels = append(x.Levels, table)
		}
		spans, lows = cells, cellLows
	}
	return p.index(x, spans)
}

// index sets the ranks by the bounds of each cell.
func (p *places) index(x indexChoice, cells []span) indexChoice {
	x.Ranks = newNumbers(len(cells), uint64(len(p.at)))
	for i, s := range cells {
		x.Ranks.Set(i, uint64(s.from))
		x.most = max(x.most, s.to-s.from)
	}
	return x
}

// cut makes a node for each span, with about one cell for per of its bounds,
// and gives the spans of all cells. lows are where the nodes above begin, and
// then where those do that the cells are of.
func (p *places) cut(spans []span, lows []int64, per int) (nodes []Node, cells []span, cellLows []int64) {
	nodes = make([]Node, len(spans))
	for i, s := range spans {
		nodes[i].Base = len(cells)
		first := lows[i]
		if s.from < s.to {
			first = p.at[s.from]
			distance := uint64(p.at[s.to-1] - first)
			n := &nodes[i]
			n.Low = uint64(first - lows[i])
			n.Shift = max(0, bits.Len64(distance)-bits.Len(uint((s.to-s.from+per-1)/per))+1)
			n.Last = int(distance >> n.Shift)
		}
		cells = p.cells(nodes[i], s, first, cells)
		for len(cellLows) < len(cells) {
			cellLows = append(cellLows, first)
		}
	}
	return nodes, cells, cellLows
}

// cells appends the spans of the cells of a node that begins at first. A bound
// that is the first value of a cell is passed by all values of it: it belongs to
// the cell before.
func (p *places) cells(n Node, s span, first int64, to []span) []span {
	at := s.from
	for cell := range n.Last + 1 {
		begin := first + int64(cell)<<n.Shift
		if cell > 0 && at < s.to && p.at[at] == begin && p.exact[at] {
			at++
		}
		from := at
		for at < s.to && (cell == n.Last || p.at[at]-begin < 1<<n.Shift) {
			at++
		}
		to = append(to, span{from, at})
	}
	return to
}
