package classify

import (
	"fmt"
	"math/bits"

	"xdpfw/rules"
)

// Members says which values of up to 32 bits are in a long list, as a set of
// disjoint prefixes. A node leads to the short window of prefixes that are near a
// value, and the value is held against all of those at once:
//
//	value ──root──▶ node ──▶ cell ──Cells──▶ window of Entries ──▶ in the list or not
//
// The root is blocks of 2^Shift values. The node of a block cuts it into cells of
// 2^n values, as many as its prefixes ask for. A prefix reaches into one cell
// only: longer ones are cut to pieces.
//
// An entry is a prefix by its last bits, from the beginning of its cell on, with
// a one behind them that ends them and zeros behind that:
//
//	10.1.2.16/28 in a cell of 2^8 values     0001 1 0000
//
// It holds a value, which has a one behind it as well, if the two do not differ
// before the one that ends the entry. So no entry needs more than a bit above
// what its cell leaves open.
type Members struct {
	Low     uint64 // first value of the first block
	Shift   int
	Blocks  int
	Whole   bool    // there is no value outside of the blocks
	Nodes   Numbers // rank << 32 | base << 6 | shift, as in memberNode
	Cells   Numbers // where the window of a cell begins, from the rank of its node on; it ends where that of the next one begins
	Entries Numbers // 2 bytes each
	Most    int     // entries that a window has
	Values  Numbers // payload of values that are not in the list, and of those that are
}

// A memberNode cuts a block into cells.
type memberNode struct {
	shift int // a cell is 2^shift values
	base  int // number of its first cell
	rank  int // of the first entry of its first cell
}

// baseShift is where in a node its base begins.
const baseShift = 6

func (n memberNode) number() uint64 {
	return uint64(n.rank)<<32 | uint64(n.base)<<baseShift | uint64(n.shift)
}

const memberWidth = 2 // bytes of an entry

// MemberLanes is how many entries there are in 64 bits, which are held against a
// value together.
const MemberLanes = 8 / memberWidth

// Steps is how many times MemberLanes a window has at most.
func (m *Members) Steps() int { return (m.Most + MemberLanes - 1) / MemberLanes }

// entryOf a prefix, from the beginning of its cell on.
func entryOf(rest uint64, size int) uint64 { return rest<<1 | 1<<size }

func (m *Members) find(v uint64) uint64 {
	if m.holds(v) {
		return m.Values.At(1)
	}
	return m.Values.At(0)
}

func (m *Members) holds(v uint64) bool {
	v -= m.Low
	block, rest := v>>m.Shift, v&(1<<m.Shift-1)
	if !m.Whole && block >= uint64(m.Blocks) {
		return false
	}
	node := m.Nodes.At(int(block))
	shift, base, rank := node&(1<<baseShift-1), uint64(uint32(node))>>baseShift, node>>32
	cell, rest := int(base+rest>>shift), rest&(1<<shift-1)
	for i := m.Cells.At(cell); i < m.Cells.At(cell+1); i++ {
		e := m.Entries.At(int(rank + i))
		if e^(rest<<1|1) <= e^(e-1) {
			return true
		}
	}
	return false
}

func (m *Members) bytes() int {
	return len(m.Nodes.Bytes) + len(m.Cells.Bytes) + len(m.Entries.Bytes)
}

// cost is by lists of 5,000 to a million prefixes in whole programs (xdpfw
// bench): a step has so many instructions that less of the packets overlap.
func (m *Members) cost() float64 {
	const base, step = 5, 3
	return base + step*float64(m.Steps()) + memoryCost(len(m.Nodes.Bytes)) + 1.5*memoryCost(len(m.Cells.Bytes)) + memoryCost(len(m.Entries.Bytes))
}

func (m *Members) String() string {
	return fmt.Sprintf("%v nodes, %v windows of up to %d of %v prefixes", m.Nodes, m.Cells, m.Most, m.Entries)
}

// A prefix is 2^size values from start on.
type prefix struct {
	start uint64
	size  int
}

func (p prefix) last() uint64 { return p.start + (1<<p.size - 1) }

// prefixesOf are every second interval of the values below 2^width, from the one of
// that number on, with values of at most 32 bits; nil if there are more than most.
func prefixesOf(width int, starts []rules.Value, first, most int) []prefix {
	var out []prefix
	for i := first; i < len(starts); i += 2 {
		end := uint64(1) << width
		if i+1 < len(starts) {
			end = starts[i+1].Lo
		}
		for at := starts[i].Lo; at < end; at = out[len(out)-1].last() + 1 {
			if len(out) == most {
				return nil
			}
			size := bits.Len64(end-at) - 1
			if at > 0 {
				size = min(size, bits.TrailingZeros64(at))
			}
			out = append(out, prefix{at, size})
		}
	}
	return out
}
