package codegen

import (
	"math/bits"

	"github.com/cilium/ebpf/asm"

	"xdpfw/codegen/classify"
)

// emitGroup finds the least leaf word of a group in R0. It keeps R6.
func (f *family) emitGroup(g *classify.Group, name string) {
	f.emitCell(g, name)
	switch {
	case g.Trials > 0:
		f.emitTrials(g)
		return
	case g.Tests > 0:
		f.emitTests(g)
		return
	}
	if g.Width == 1 {
		f.emit("", asm.Sub.Imm32(asm.R0, 1))
		return
	}
	if g.Records != nil {
		f.emit("", asm.Mov.Reg(asm.R1, asm.R0))
		f.entry("record of the cell", placed(f.tables, g.Records))
	}
	if g.Leaves != nil {
		f.emit("base", asm.Mov.Reg(asm.R5, asm.R0))
		f.emit("", lowBits(asm.R5, g.BaseBits)...)
		f.emit("row", asm.RSh.Imm(asm.R0, int32(g.BaseBits)))
	}
	f.index(asm.R0, g.Width)
	f.cut(asm.R1, g.Rest)
	f.emit("", asm.Add.Reg(asm.R1, asm.R0))
	if g.RowHash != nil {
		f.emitPairHash(f.tables, g.RowHash, "row")
	} else {
		f.entry("row", placed(f.tables, g.Rows))
	}
	if g.Leaves != nil {
		f.emit("", asm.Mov.Reg(asm.R1, asm.R0), asm.Add.Reg(asm.R1, asm.R5))
		f.entry("leaf", placed(f.tables, g.Leaves))
	}
}

// emitTrials tries the boxes of the cell in R0, and leaves in R0 the leaf of the
// first one that holds the packet, or None.
//
// R5 points to the box at hand, R4 says how many are left. What is below or
// above the bounds is a negative number.
func (f *family) emitTrials(g *classify.Group) {
	size := g.EntrySize()
	boxes := covering(len(g.Lists) / size)
	at := f.tables.place(g.Lists, 4)
	f.tables.readsUpTo(int(at), (int(boxes)+1<<classify.TrialBits)*size)
	again, next, done := f.newLabel("%s.try", f.kind.name), f.newLabel("%s.try.next", f.kind.name), f.newLabel("%s.tried", f.kind.name)
	f.emit("boxes to try", asm.Mov.Reg(asm.R4, asm.R0), asm.And.Imm(asm.R4, 1<<classify.TrialBits-1))
	f.emit("the first", asm.RSh.Imm(asm.R0, classify.TrialBits), asm.And.Imm(asm.R0, boxes), asm.Mul.Imm(asm.R0, int32(size)))
	f.emit("", asm.LoadMapValue(asm.R5, 0, at).WithReference(tableMap), asm.Add.Reg(asm.R5, asm.R0))
	f.bind(again)
	f.emit("none", movImm(asm.R0, classify.None))
	f.jump(asm.JEq.Imm(asm.R4, 0, ""), done)
	for i, rank := range g.Ranks {
		f.loadNumber(asm.R1, rank)
		lo, width := int16(2*i*g.RankWidth), numberSize(g.RankWidth)
		f.emit("", asm.LoadMem(asm.R3, asm.R5, lo, width), asm.LoadMem(asm.R2, asm.R5, lo+int16(g.RankWidth), width))
		f.emit("", asm.Sub.Reg(asm.R2, asm.R1), asm.Sub.Reg(asm.R1, asm.R3), asm.Or.Reg(asm.R1, asm.R2))
		if i > 0 {
			f.emit("", asm.Or.Reg(asm.R0, asm.R1))
		} else {
			f.emit("", asm.Mov.Reg(asm.R0, asm.R1))
		}
	}
	f.jumpFor("outside", asm.JSLT.Imm(asm.R0, 0, ""), next)
	f.emit("leaf", asm.LoadMem(asm.R0, asm.R5, int16(size-4), asm.Word))
	f.goTo(done)
	f.bind(next)
	f.emit("", asm.Add.Imm(asm.R5, int32(size)), asm.Sub.Imm(asm.R4, 1))
	f.loopTo(again, g.Trials)
	f.bind(done)
}

// emitCell finds a group's cell in R0.
func (f *family) emitCell(g *classify.Group, name string) {
	if g.Hash == nil && len(g.Dense) == 1 {
		f.emit(name+": its only cell", movImm(asm.R0, g.Dense[0]))
		return
	}
	f.cut(asm.R1, g.Main[0])
	if g.Columns > 1 {
		f.index(asm.R1, g.Columns)
		f.cut(asm.R2, g.Main[1])
		f.emit("", asm.Add.Reg(asm.R1, asm.R2))
	}
	if g.Hash != nil {
		f.emitPairHash(f.tables, g.Hash, name)
	} else {
		f.entry(name+": cell", placed(f.tables, g.Dense))
	}
}

// cut leaves a cut of a number in r.
func (f *family) cut(r asm.Register, c classify.Cut) {
	if c.Bits == 0 {
		f.emit("", movImm(r, 0))
		return
	}
	f.loadNumber(r, c.Number)
	if c.Shift > 0 {
		f.emit("", asm.RSh.Imm(r, int32(c.Shift)))
	}
	if c.Shift+c.Bits < 64 {
		f.emit("", lowBits(r, c.Bits)...)
	}
}

// lowBits leaves the n lowest bits of r.
func lowBits(r asm.Register, n int) []asm.Instruction {
	if n < 32 {
		return []asm.Instruction{asm.And.Imm(r, 1<<n-1)}
	}
	return []asm.Instruction{asm.LSh.Imm(r, int32(64-n)), asm.RSh.Imm(r, int32(64-n))}
}

// index multiplies a row by the columns of its table.
func (f *family) index(r asm.Register, columns int) {
	if columns&(columns-1) == 0 {
		if shift := bits.TrailingZeros(uint(columns)); shift > 0 {
			f.emit("", asm.LSh.Imm(r, int32(shift)))
		}
		return
	}
	f.emit("", asm.Mul.Imm(r, int32(columns)))
}

// An array is a table of numbers among the tables.
type array struct {
	offset uint32
	mask   int32 // covers every index
	width  int   // bytes of an entry
}

// placed puts a table among the others.
func placed[T uint32 | uint64](tables *tableSet, table []T) array {
	width := classify.Width(table)
	return array{tables.placeNumbers(len(table), width, func(i int) uint64 { return uint64(table[i]) }),
		covering(len(table)), width}
}

// entry loads the entry of an array at index R1 into R0; it clobbers R1 and R2.
func (f *family) entry(comment string, a array) {
	f.emit(comment, asm.And.Imm(asm.R1, a.mask))
	if shift := bits.TrailingZeros(uint(a.width)); shift > 0 {
		f.emit("", asm.LSh.Imm(asm.R1, int32(shift)))
	}
	f.emit("", asm.LoadMapValue(asm.R2, 0, a.offset).WithReference(tableMap), asm.Add.Reg(asm.R2, asm.R1))
	f.emit("", asm.LoadMem(asm.R0, asm.R2, 0, numberSize(a.width)))
}
