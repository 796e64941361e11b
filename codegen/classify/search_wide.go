package classify

import (
	"encoding/binary"
	"fmt"
	"math/bits"

	"xdpfw/rules"
)

// A Wide searches values of two to four words of 32 bits. The upper 63 bits of
// a value are its place. Levels of nodes cut the places
// into cells, each node as fine as its own bounds lie, so that an index finds a
// short window of bounds however unevenly they lie:
//
//	place ──▶ node ──▶ … node ──▶ cell ──Index──▶ rank of its first bound ──Steps──▶ rank
//
// A node is where its first bound lies, Low; how far it is from cell to cell,
// 2^Shift; and its number of cells less one, Last: of the node that the cell
// before stands for, or in the last level of Index. Values below its first
// bound are in its first cell, those above its last one in the last cell.
type Wide struct {
	Words  int
	Root   Node
	Levels []Numbers // Nodes: a node is two numbers, Low, and Last << 38 | Shift << 32 | Base
	Index  Numbers
	Bounds Numbers // Words for each bound, less one, most significant first; ascending, and greatest ones to read beyond
	Steps  int

	Payload Payload // by rank
}

// A Node cuts places into cells.
type Node struct {
	Low   uint64 // from the parent's Low on
	Shift int
	Last  int
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

// placeOf a value of so many words: its upper 63 bits.
func placeOf(v rules.Value, words int) int64 { return int64(shiftLeft(v, 128-32*words).Hi >> 1) }

func newWide(words int, starts []rules.Value, payload []uint64) *Wide {
	bounds := starts[1:]
	places := make([]int64, len(bounds))
	for i, b := range bounds {
		places[i] = placeOf(b, words)
	}
	w := chooseLevels(places, words)
	w.Bounds = Numbers{4, make([]byte, 0, 4*words*(len(bounds)+1<<w.Steps-1))}
	for _, b := range bounds {
		w.Bounds.Bytes = appendWords(w.Bounds.Bytes, b, words)
	}
	for len(w.Bounds.Bytes) < cap(w.Bounds.Bytes) {
		w.Bounds.Bytes = append(w.Bounds.Bytes, 0xff)
	}
	w.Payload = payloadByRank(payload)
	return w
}

// appendWords appends a bound less one.
func appendWords(to []byte, bound rules.Value, words int) []byte {
	if bound.Lo == 0 {
		bound.Hi--
	}
	bound.Lo--
	for i := words - 1; i >= 0; i-- {
		to = binary.LittleEndian.AppendUint32(to, uint32(shiftRight(bound, 32*i).Lo))
	}
	return to
}

// chooseLevels makes the levels and the index that cost the least.
func chooseLevels(places []int64, words int) *Wide {
	var best *Wide
	least := 0.0
	for levels := range 3 {
		for _, perCell := range []int{1, 2, 4, 8} {
			w := newLevels(places, words, levels, perCell)
			if cost := w.searchCost(len(places)); best == nil || cost < least {
				best, least = w, cost
			}
		}
	}
	return best
}

// A span is the bounds from … to-1.
type span struct{ from, to int }

// newLevels makes nodes of so many levels besides the root, and an index with
// about one cell for some bounds.
func newLevels(places []int64, words, levels, perCell int) *Wide {
	w := &Wide{Words: words}
	spans := []span{{0, len(places)}}
	lows := []int64{0}
	for level := 0; level <= levels; level++ {
		per := perCell
		for range levels - level {
			per *= 16 // nodes take four times the room of cells of the index
		}
		nodes, inside, low := cut(places, spans, lows, per)
		if level == 0 {
			w.Root = nodes[0]
		} else {
			table := Numbers{8, make([]byte, 16*len(nodes))}
			for i, n := range nodes {
				low, rest := n.numbers()
				table.set(2*i, low)
				table.set(2*i+1, rest)
			}
			w.Levels = append(w.Levels, table)
		}
		spans, lows = inside, low
	}
	w.Index = newNumbers(len(spans), uint64(len(places)))
	most := 0
	for i, s := range spans {
		w.Index.set(i, uint64(s.from))
		most = max(most, s.to-s.from)
	}
	w.Steps = bits.Len(uint(most))
	return w
}

// cut makes a node for each span, with about one cell for per of its bounds,
// and the spans of all cells. lows are the Lows of the spans' parents from zero
// on, and of the cells' ones.
func cut(places []int64, spans []span, lows []int64, per int) (nodes []Node, cells []span, low []int64) {
	nodes = make([]Node, len(spans))
	for i, s := range spans {
		n := &nodes[i]
		n.Base = len(cells)
		if s.from == s.to {
			cells, low = append(cells, s), append(low, lows[i])
			continue
		}
		first := places[s.from]
		n.Low = uint64(first - lows[i])
		distance := uint64(places[s.to-1] - first)
		n.Shift = max(0, bits.Len64(distance)-bits.Len(uint((s.to-s.from+per-1)/per))+1)
		n.Last = int(distance >> n.Shift)
		at := s.from
		for cell := range n.Last + 1 {
			from := at
			for at < s.to && int(uint64(places[at]-first)>>n.Shift) == cell {
				at++
			}
			cells, low = append(cells, span{from, at}), append(low, first)
		}
	}
	return nodes, cells, low
}

func (w *Wide) find(v rules.Value) uint64 {
	cell, place := w.Root.cell(placeOf(v, w.Words))
	for _, level := range w.Levels {
		cell, place = nodeAt(level, cell).cell(place)
	}
	rank := int(w.Index.At(cell))
	for step := w.Steps - 1; step >= 0; step-- {
		if w.bound(rank+1<<step-1).Compare(v) < 0 {
			rank += 1 << step
		}
	}
	return w.Payload.at(rank)
}

// bound is a bound less one.
func (w *Wide) bound(i int) rules.Value {
	var v rules.Value
	for word := range w.Words {
		v = shiftLeft(v, 32)
		v.Lo |= w.Bounds.At(i*w.Words + word)
	}
	return v
}

func (w *Wide) bytes() int {
	n := len(w.Index.Bytes) + len(w.Bounds.Bytes) + w.Payload.bytes()
	for _, level := range w.Levels {
		n += len(level.Bytes)
	}
	return n
}

func (w *Wide) searchCost(bounds int) float64 {
	cost := 2 + memoryCost(len(w.Index.Bytes)) + memoryCost(4*w.Words*bounds)
	for _, level := range w.Levels {
		cost += 3 + memoryCost(len(level.Bytes))
	}
	for step := range w.Steps {
		cost += wideStepCost[w.Words]
		if 4*w.Words<<step >= cacheLine {
			cost += memoryCost(cacheLine * bounds >> (step + 1))
		}
	}
	return cost
}

// wideStepCost is that of a step, in nanoseconds, by words.
var wideStepCost = [...]float64{2: 1.8, 3: 3, 4: 4}

func (w *Wide) cost() float64 {
	return w.searchCost(w.Bounds.Len()/w.Words) + w.Payload.cost()
}

func (w *Wide) String() string {
	text := fmt.Sprintf("index of %d cells", w.Index.Len())
	for i := len(w.Levels) - 1; i >= 0; i-- {
		text = fmt.Sprintf("%d nodes, ", w.Levels[i].Len()/2) + text
	}
	return text + fmt.Sprintf(", %d steps of %d bounds of %d bits, %v", w.Steps, w.Bounds.Len()/w.Words-1<<w.Steps+1, 32*w.Words, &w.Payload)
}
