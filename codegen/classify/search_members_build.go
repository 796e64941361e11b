package classify

import (
	"encoding/binary"

	"xdpfw/rules"
)

// Limits of Members.
const (
	maxBlocks      = 4096 // of the root
	maxMemberSteps = 4
	maxMemberCells = 1 << 22
)

// NewMembers makes the set of every second interval of the values below 2^width,
// as NewSearch has them; nil if the payloads do not take turns, or the intervals
// are mostly of many prefixes each, or too many prefixes are near each other.
func NewMembers(width int, starts []rules.Value, payload []uint64) *Members {
	if width > 32 || !takeTurns(payload) {
		return nil
	}
	most := len(starts) * 3 / 4 // half as many again as there are ranges
	out, in := 0, 1
	list := prefixesOf(width, starts, in, most)
	if other := prefixesOf(width, starts, out, most); list == nil || other != nil && len(other) < len(list) {
		list, out, in = other, in, out
	}
	if list == nil {
		return nil
	}
	var best *Members
	for steps := 2; steps < maxMemberSteps; steps++ {
		b := membersBuilder{width: width, per: steps * MemberLanes}
		if m := b.build(list); m != nil && (best == nil || m.cost() < best.cost()) {
			best = m
		}
	}
	if best != nil {
		best.Values = newNumbers(2, max(payload[0], payload[1]))
		best.Values.Set(0, payload[out])
		best.Values.Set(1, payload[in])
	}
	return best
}

// A membersBuilder makes Members with windows of about per entries.
type membersBuilder struct {
	width   int // of values in bits
	per     int
	nodes   []memberNode
	cells   []uint32
	entries []byte
	empty   int // first cell of all nodes that have no entries; -1 while there is none
	most    int
}

// build the tables; nil if that takes too much.
func (b *membersBuilder) build(list []prefix) *Members {
	m := &Members{Shift: 1}
	first, last := list[0].start, list[len(list)-1].last()
	for last>>m.Shift-first>>m.Shift >= maxBlocks {
		m.Shift++
	}
	m.Low = first >> m.Shift << m.Shift
	m.Blocks = int(last>>m.Shift-first>>m.Shift) + 1
	m.Whole = uint64(m.Blocks)<<m.Shift == 1<<b.width
	b.empty = -1
	list = pieces(list, m.Shift)
	for i := range m.Blocks {
		n := within(list, m.Low+uint64(i)<<m.Shift, m.Shift)
		b.node(m.Low+uint64(i)<<m.Shift, m.Shift, list[:n])
		list = list[n:]
		if len(b.cells) > maxMemberCells {
			return nil
		}
	}
	m.Most = b.most
	m.Entries = Numbers{memberWidth, b.entries}
	if m.Steps() > maxMemberSteps {
		return nil
	}
	m.Nodes = Numbers{8, make([]byte, 8*len(b.nodes))}
	for i, n := range b.nodes {
		m.Nodes.Set(i, n.number())
	}
	greatest := uint32(0)
	for _, c := range b.cells {
		greatest = max(greatest, c)
	}
	m.Cells = newNumbers(len(b.cells), uint64(greatest))
	for i, c := range b.cells {
		m.Cells.Set(i, uint64(c))
	}
	return m
}

// pieces of prefixes, none larger than 2^shift.
func pieces(list []prefix, shift int) []prefix {
	larger := 0
	for _, p := range list {
		if p.size > shift {
			larger += 1 << (p.size - shift)
		}
	}
	if larger == 0 {
		return list
	}
	out := make([]prefix, 0, len(list)+larger)
	for _, p := range list {
		if p.size <= shift {
			out = append(out, p)
			continue
		}
		for i := range 1 << (p.size - shift) {
			out = append(out, prefix{p.start + uint64(i)<<shift, shift})
		}
	}
	return out
}

// within is how many of the first prefixes are in a block of 2^shift values.
func within(list []prefix, block uint64, shift int) int {
	n := 0
	for n < len(list) && list[n].start-block < 1<<shift {
		n++
	}
	return n
}

// node makes the node of a block of 2^size values.
func (b *membersBuilder) node(block uint64, size int, list []prefix) {
	if len(list) == 0 {
		if b.empty < 0 {
			b.empty = len(b.cells)
			b.cells = append(b.cells, 0, 0)
		}
		b.nodes = append(b.nodes, memberNode{shift: size, base: b.empty})
		return
	}
	n := memberNode{b.shiftOf(size, list), len(b.cells), len(b.entries) / memberWidth}
	b.nodes = append(b.nodes, n)
	list = pieces(list, n.shift)
	for i := range 1 << (size - n.shift) {
		cell := block + uint64(i)<<n.shift
		have := within(list, cell, n.shift)
		b.cells = append(b.cells, uint32(len(b.entries)/memberWidth-n.rank))
		for _, p := range list[:have] {
			b.entries = binary.LittleEndian.AppendUint16(b.entries, uint16(entryOf(p.start-cell, p.size)))
		}
		b.most = max(b.most, have)
		list = list[have:]
	}
	b.cells = append(b.cells, uint32(len(b.entries)/memberWidth-n.rank))
}

// shiftOf is that of the largest cells of a block that have no more prefixes than
// wanted, unless they would become too many.
func (b *membersBuilder) shiftOf(size int, list []prefix) int {
	shift := min(size, 8*memberWidth-1)
	for shift > 0 && 1<<(size-shift) < 2*len(list) && crowded(list, shift, b.per+1) {
		shift--
	}
	return shift
}

// crowded says that n prefixes are in a cell of 2^shift values.
func crowded(list []prefix, shift, n int) bool {
	for i := n - 1; i < len(list); i++ {
		if list[i].start>>shift == list[i-n+1].start>>shift {
			return true
		}
	}
	return false
}
