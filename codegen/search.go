package codegen

import (
	"math/bits"

	"github.com/cilium/ebpf/asm"

	"xdpfw/codegen/classify"
)

// emitSearch emits the look-up of a key and leaves the payload in R0. word gives
// the instructions that load a 32-bit word of the key, the most significant one
// being 0, as a number into r; they may clobber R4 besides r. The look-up may
// clobber R0 to R5, and leaves the rest and the stack alone.
func (b *builder) emitSearch(tables *tableSet, s *classify.Search, what string, word func(i int, r asm.Register) []asm.Instruction) {
	if s.Direct != nil {
		b.emit(what, word(0, asm.R1)...)
		b.emitDirect(tables, s)
		return
	}
	below, above, found := b.newLabel("search.below"), b.newLabel("search.above"), b.newLabel("search.found")
	b.emitPrefix(s.Prefix, below, above, word)
	behind := func(i int, r asm.Register) []asm.Instruction { return word(len(s.Prefix)+i, r) }
	switch {
	case s.Members != nil:
		b.emitMembers(tables, s.Members, what, behind)
	case s.Prefixes != nil:
		b.emitPrefixes(tables, s.Prefixes, what, behind)
	default:
		b.emitWindow(tables, s.Window, what, behind)
	}
	if len(s.Prefix) > 0 {
		b.goTo(found)
		b.bind(below)
		b.emitOutside(tables, s.Outside[0])
		b.goTo(found)
		b.bind(above)
		b.emitOutside(tables, s.Outside[1])
		b.bind(found)
	}
}

// emitPrefix jumps to below or above unless the first words of the key are the
// prefix.
func (b *builder) emitPrefix(prefix []uint32, below, above label, word func(i int, r asm.Register) []asm.Instruction) {
	for i, want := range prefix {
		b.emit("prefix", word(i, asm.R1)...)
		b.jump(jlt(asm.R1, want), below)
		b.jump(jgt(asm.R1, want), above)
	}
}

// emitOutside finds what is found outside of the prefix. It is read at an index
// that the verifier does not know, so that it does not go on once with each
// payload.
func (b *builder) emitOutside(tables *tableSet, payload uint64) {
	at := tables.placeNumbers(2, 8, func(int) uint64 { return payload })
	b.emit("", asm.Mov.Reg(asm.R0, asm.R1), asm.And.Imm(asm.R0, 1), asm.LSh.Imm(asm.R0, 3))
	b.emit("payload", asm.LoadMapValue(asm.R2, 0, at).WithReference(tableMap), asm.Add.Reg(asm.R2, asm.R0), asm.LoadMem(asm.R0, asm.R2, 0, asm.DWord))
}

// emitDirect finds the payload of the key in R1.
func (b *builder) emitDirect(tables *tableSet, s *classify.Search) {
	d := s.Direct
	if !d.Whole {
		last := int32(d.Last())
		b.emit("at most the last entry", asm.Sub.Imm(asm.R1, last), asm.Mov.Reg(asm.R0, asm.R1),
			asm.ArSh.Imm(asm.R0, 63), asm.And.Reg(asm.R1, asm.R0), asm.Add.Imm(asm.R1, last))
	}
	entries := covering(d.Payload.Entries.Len())
	if d.Pages.Len() > 0 {
		pages := covering(d.Pages.Len())
		b.emit("", asm.Mov.Reg(asm.R0, asm.R1), asm.RSh.Imm(asm.R0, int32(d.PageBits)), asm.And.Imm(asm.R0, pages))
		b.emitEntry(tables, "page", asm.R0, d.Pages, int(pages))
		b.emit("", asm.LSh.Imm(asm.R0, int32(d.PageBits)), asm.And.Imm(asm.R1, 1<<d.PageBits-1), asm.Or.Reg(asm.R0, asm.R1), asm.And.Imm(asm.R0, entries))
	} else {
		b.emit("", asm.Mov.Reg(asm.R0, asm.R1), asm.And.Imm(asm.R0, entries))
	}
	b.emitPayload(tables, &d.Payload, int(entries))
}

// emitTurn finds which of two values is meant by the 0 or 1 in R0.
func (b *builder) emitTurn(tables *tableSet, values classify.Numbers) {
	switch {
	case values.At(0) == 0 && values.At(1) == 1:
	case values.At(0) == 1 && values.At(1) == 0:
		b.emit("", asm.Xor.Imm(asm.R0, 1))
	default:
		b.emitEntry(tables, "payload", asm.R0, values, 1)
	}
}

// emitPayload finds the payload at the index in R0.
func (b *builder) emitPayload(tables *tableSet, p *classify.Payload, greatest int) {
	b.emitEntry(tables, "payload", asm.R0, p.Entries, greatest)
	b.emitValue(tables, p)
}

// emitValue makes of the entry in R0 the payload.
func (b *builder) emitValue(tables *tableSet, p *classify.Payload) {
	n := p.Values.Len()
	if n == 0 {
		return
	}
	b.emit("", asm.And.Imm(asm.R0, covering(n)))
	b.emitEntry(tables, "its value", asm.R0, p.Values, int(covering(n)))
}

// emitEntry loads the number at the index in R0 into r; greatest is what the
// verifier thinks the index to be at most. It clobbers R0 and R2.
func (b *builder) emitEntry(tables *tableSet, comment string, r asm.Register, table classify.Numbers, greatest int) {
	at := tables.place(table.Bytes, table.Width)
	tables.readsUpTo(int(at), (greatest+1)*table.Width)
	if shift := bits.TrailingZeros(uint(table.Width)); shift > 0 {
		b.emit("", asm.LSh.Imm(asm.R0, int32(shift)))
	}
	b.emit(comment, asm.LoadMapValue(asm.R2, 0, at).WithReference(tableMap), asm.Add.Reg(asm.R2, asm.R0),
		asm.LoadMem(r, asm.R2, 0, numberSize(table.Width)))
}

func numberSize(width int) asm.Size {
	return map[int]asm.Size{1: asm.Byte, 2: asm.Half, 4: asm.Word, 8: asm.DWord}[width]
}

// covering is the least mask that covers every index of a table of n entries.
func covering(n int) int32 { return int32(1)<<bits.Len(uint(n-1)) - 1 }
