package classify

import (
	"encoding/binary"
	"fmt"
	"math/bits"
	"strings"

	"xdpfw/rules"
)

// A Plan answers a Problem by tables alone:
//
//	field ──Search──▶ record ─┬─cut─▶ class of the first main field  ┐
//	                          │                                      ├─▶ cell: row and base ┐
//	field ──Search──▶ record ─┴─cut─▶ class of the second main field ┘                      ├─▶ leaf, the least of all groups
//	other fields ─Search, Product─▶ record ──cut──▶ class of the rest ──────────────────────┘
//
// A record holds the classes of one thing for all groups, side by side.
type Plan struct {
	Inputs   []Input
	Products []Product
	Demands  Demands
	Groups   []Group
}

// An Input is a number that is found by a field's value.
type Input struct {
	Field  int
	Search *Search
}

// Nothing is the right number of a product that is found by the left one alone.
const Nothing = -1

// A Product is a number that is found by two others. Numbers are counted
// inputs first, then products.
type Product struct {
	Left, Right int
	Columns     int      // how many values the right one has
	Table       []uint64 // by value of left × Columns + value of right
}

// A Cut is some bits of a number; no bits are the value zero.
type Cut struct {
	Number int // as Product counts them
	Shift  int
	Bits   int
}

// A Group finds the least leaf of some boxes:
//
//	cell  = Dense[main 0 × Columns + main 1], or of the same key in Hash
//	cell  = Records[cell], if there are records
//	class = Rest
//	leaf  = Rows[row × Width + class], or Leaves[base + that], where the cell is row << BaseBits | base;
//	        what is not in RowHash is zero
//
// Where Width is 1 there are no rows: a cell is its leaf plus one, and zero is None.
type Group struct {
	Boxes    int
	Main     [2]Cut
	Columns  int
	Dense    []uint32
	Hash     *PairHash
	Records  []uint64
	BaseBits int
	Rest     Cut
	Width    int
	Rows     []uint32
	RowHash  *PairHash // instead of Rows
	Leaves   []uint32  // nil: Rows hold leaves

	// A group that tries its boxes has lists of these instead. A box takes for
	// every rank its least and greatest in RankWidth bytes each, and the leaf in
	// four, little-endian. A cell is the index of the first box, and in the TrialBits
	// lowest bits how many there are. The first one that holds the key is it.
	Trials int   // the longest list
	Ranks  []int // numbers
	Lists  []byte

	RankWidth int // 2 or 4

	// A group that tests demands has no rows either. A cell that is even is an
	// entry: the leaf less Least, in the lowest bits but one a demand, zero where
	// there is none. One that is odd is the index of the first of some Entries,
	// then in TrialBits bits how many there are, then the one. The leaf is that of the
	// first entry whose demand is met.
	Tests   int // of the longest list
	Entries []uint32
	Named   float64 // entries of a cell that has any, on average
}

// TrialBits are the bits of a cell that say how long its list is.
const TrialBits = 6

// Find the leaf of a key by the tables; None if it lies in no box.
func (p *Plan) Find(key []rules.Value) uint32 {
	var numbers []uint64
	for _, in := range p.Inputs {
		numbers = append(numbers, in.Search.Find(key[in.Field]))
	}
	for _, product := range p.Products {
		at := numbers[product.Left] * uint64(product.Columns)
		if product.Right != Nothing {
			at += numbers[product.Right]
		}
		numbers = append(numbers, product.Table[at])
	}
	least := None
	for i := range p.Groups {
		if g := &p.Groups[i]; g.Tests > 0 {
			least = min(least, g.test(&p.Demands, uint32(g.cell(numbers)), numbers))
		} else {
			least = min(least, g.find(numbers))
		}
	}
	return least
}

func (c Cut) of(numbers []uint64) uint64 {
	if c.Bits == 0 {
		return 0
	}
	return numbers[c.Number] >> c.Shift & (1<<c.Bits - 1)
}

func (g *Group) cell(numbers []uint64) uint64 {
	key := g.Main[0].of(numbers)*uint64(g.Columns) + g.Main[1].of(numbers)
	if g.Hash != nil {
		return uint64(g.Hash.Find(key))
	}
	return uint64(g.Dense[key])
}

func (g *Group) find(numbers []uint64) uint32 {
	cell := g.cell(numbers)
	if g.Trials > 0 {
		return g.try(uint32(cell), numbers)
	}
	if g.Width == 1 {
		return uint32(cell) - 1
	}
	if g.Records != nil {
		cell = g.Records[cell]
	}
	at, found := cell>>g.BaseBits*uint64(g.Width)+g.Rest.of(numbers), uint32(0)
	if g.RowHash != nil {
		found = g.RowHash.Find(at)
	} else {
		found = g.Rows[at]
	}
	if g.Leaves == nil {
		return found
	}
	return g.Leaves[cell&(1<<g.BaseBits-1)+uint64(found)]
}

// EntrySize is the bytes of a box in Lists.
func (g *Group) EntrySize() int { return 2*g.RankWidth*len(g.Ranks) + 4 }

// try the boxes of a cell.
func (g *Group) try(cell uint32, numbers []uint64) uint32 {
	size := g.EntrySize()
	first, n := int(cell>>TrialBits), int(cell&(1<<TrialBits-1))
	for i := first; i < first+n; i++ {
		entry := g.Lists[i*size:]
		holds := true
		for _, rank := range g.Ranks {
			bounds := [2]uint64{}
			for i := range bounds {
				if g.RankWidth == 2 {
					bounds[i] = uint64(binary.LittleEndian.Uint16(entry))
				} else {
					bounds[i] = uint64(binary.LittleEndian.Uint32(entry))
				}
				entry = entry[g.RankWidth:]
			}
			holds = holds && bounds[0] <= numbers[rank] && numbers[rank] <= bounds[1]
		}
		if holds {
			return binary.LittleEndian.Uint32(entry)
		}
	}
	return None
}

// Bytes of all tables.
func (p *Plan) Bytes() int {
	n := 0
	for _, in := range p.Inputs {
		n += in.Search.Bytes()
	}
	for _, product := range p.Products {
		n += len(product.Table) * Width(product.Table)
	}
	for _, m := range p.Demands.Matrices {
		n += len(m.Rows)
	}
	for i := range p.Groups {
		n += p.Groups[i].Bytes()
	}
	return n
}

// Bytes of the group's own tables.
func (g *Group) Bytes() int {
	n := len(g.Dense)*Width(g.Dense) + len(g.Records)*Width(g.Records) + len(g.Rows)*Width(g.Rows) + len(g.Leaves)*Width(g.Leaves) + len(g.Lists) + 4*len(g.Entries)
	for _, hash := range []*PairHash{g.Hash, g.RowHash} {
		if hash != nil {
			n += hash.Bytes()
		}
	}
	return n
}

// Lookups is how many tables a key is looked up in.
func (p *Plan) Lookups() int {
	n := len(p.Inputs) + len(p.Products) + len(p.Demands.Matrices)
	for i := range p.Groups {
		g := &p.Groups[i]
		n++ // the cell
		for _, is := range []bool{g.Records != nil, g.Width > 1 || g.Trials > 0, g.Leaves != nil} {
			if is {
				n++
			}
		}
	}
	return n
}

// Width is the bytes that each entry of a table takes: 1, 2, 4 or 8, as its
// greatest needs.
func Width[T uint32 | uint64](table []T) int {
	var all T
	for _, n := range table {
		all |= n
	}
	switch n := bits.Len64(uint64(all)); {
	case n <= 8:
		return 1
	case n <= 16:
		return 2
	case n <= 32:
		return 4
	}
	return 8
}

// String is a line for each table.
func (p *Plan) String() string {
	var out strings.Builder
	for i, in := range p.Inputs {
		fmt.Fprintf(&out, "n%d = field %d: %v\n", i, in.Field, in.Search)
	}
	for i, product := range p.Products {
		by := fmt.Sprintf("n%d", product.Left)
		if product.Right != Nothing {
			by += fmt.Sprintf(" × n%d", product.Right)
		}
		fmt.Fprintf(&out, "n%d = %s: %d × %d bytes\n", len(p.Inputs)+i, by, len(product.Table), Width(product.Table))
	}
	for i, m := range p.Demands.Matrices {
		fmt.Fprintf(&out, "m%d by n%d: %d rows × %d bytes\n", i, m.Number, len(m.Rows)/m.Stride, m.Stride)
	}
	for i := range p.Groups {
		fmt.Fprintf(&out, "group %d: %v\n", i, &p.Groups[i])
	}
	return out.String()
}

func (g *Group) String() string {
	text := fmt.Sprintf("%d boxes, %v × %v", g.Boxes, g.Main[0], g.Main[1])
	if g.Hash != nil {
		text += fmt.Sprintf(", hash of %d bytes", g.Hash.Bytes())
	} else {
		text += fmt.Sprintf(", %d cells × %d bytes", len(g.Dense), Width(g.Dense))
	}
	if g.Records != nil {
		text += fmt.Sprintf(", %d records × %d bytes", len(g.Records), Width(g.Records))
	}
	if g.Trials > 0 {
		text += fmt.Sprintf(", tries at most %d boxes by %d ranks, lists of %d bytes", g.Trials, len(g.Ranks), len(g.Lists))
	} else if g.Tests > 0 {
		text += fmt.Sprintf(", tests at most %d demands, %d entries × 4 bytes", g.Tests, len(g.Entries))
	} else if g.RowHash != nil {
		text += fmt.Sprintf(", rest %v: rows of %d, hash of %d bytes", g.Rest, g.Width, g.RowHash.Bytes())
	} else if g.Width > 1 {
		text += fmt.Sprintf(", rest %v: rows of %d, %d × %d bytes", g.Rest, g.Width, len(g.Rows), Width(g.Rows))
	}
	if g.Leaves != nil {
		text += fmt.Sprintf(", %d leaves × %d bytes", len(g.Leaves), Width(g.Leaves))
	}
	return text
}

func (c Cut) String() string {
	if c.Bits == 0 {
		return "0"
	}
	return fmt.Sprintf("n%d[%d:%d]", c.Number, c.Shift+c.Bits-1, c.Shift)
}
