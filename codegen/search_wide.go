package codegen

import (
	"math/bits"

	"github.com/cilium/ebpf/asm"

	"xdpfw/codegen/classify"
)

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
// that the verifier does not know, so that it does not go on with each payload.
func (b *builder) emitOutside(tables *tableSet, payload uint64) {
	b.emit("", asm.Mov.Reg(asm.R0, asm.R1), asm.And.Imm(asm.R0, 1))
	at := tables.placeNumbers(2, 8, func(int) uint64 { return payload })
	b.emit("", asm.LSh.Imm(asm.R0, 3))
	b.emit("payload", asm.LoadMapValue(asm.R2, 0, at).WithReference(tableMap), asm.Add.Reg(asm.R2, asm.R0), asm.LoadMem(asm.R0, asm.R2, 0, asm.DWord))
}

// A wideSearch emits the code of a Wide.
type wideSearch struct {
	*builder
	*classify.Wide
	tables *tableSet
	word   func(i int, r asm.Register) []asm.Instruction
}

// emitWide finds the payload of the words.
func (b *builder) emitWide(tables *tableSet, w *classify.Wide, word func(i int, r asm.Register) []asm.Instruction) {
	s := wideSearch{b, w, tables, word}
	s.emitCell()
	ranks := s.emitRank()
	if w.Payload.Entries.Len() == 0 {
		s.emitSteps(false)
		if w.Steps == 0 {
			b.emit("", asm.Mov.Reg(asm.R0, asm.R3))
		}
		b.emit("", asm.And.Imm(asm.R0, 1))
		b.emitTurn(tables, w.Payload.Values)
		return
	}
	s.emitSteps(true)
	b.emit("", asm.Mov.Reg(asm.R0, asm.R3))
	b.emitPayload(tables, &w.Payload, ranks)
}

// emitCell leaves the number of the last level's cell in R0.
//
// R1 is the place from the node's Low on.
func (s *wideSearch) emitCell() {
	s.emit("place", s.word(0, asm.R1)...)
	s.emit("", asm.LSh.Imm(asm.R1, 32))
	s.emit("", s.word(1, asm.R2)...)
	s.emit("", asm.Or.Reg(asm.R1, asm.R2), asm.RSh.Imm(asm.R1, 1))
	s.emit("from the first bound on", asm.LoadImm(asm.R0, int64(s.Root.Low), asm.DWord))
	s.fromLow()
	s.emit("cell", asm.Mov.Reg(asm.R0, asm.R1), asm.RSh.Imm(asm.R0, int32(s.Root.Shift)), asm.Mov.Imm(asm.R3, int32(s.Root.Last)))
	s.atMost()
	for _, level := range s.Levels {
		n := level.Len() / 2
		at := s.tables.place(level.Bytes, 8)
		s.tables.readsUpTo(int(at), 16*(int(covering(n))+1))
		s.emit("", asm.And.Imm(asm.R0, covering(n)), asm.LSh.Imm(asm.R0, 4))
		s.emit("node", asm.LoadMapValue(asm.R5, 0, at).WithReference(tableMap), asm.Add.Reg(asm.R5, asm.R0),
			asm.LoadMem(asm.R0, asm.R5, 0, asm.DWord))
		s.fromLow()
		s.emit("cell", asm.LoadMem(asm.R3, asm.R5, 12, asm.Word), asm.Mov.Reg(asm.R2, asm.R3), asm.And.Imm(asm.R2, 63), asm.RSh.Imm(asm.R3, 6),
			asm.Mov.Reg(asm.R0, asm.R1), asm.RSh.Reg(asm.R0, asm.R2))
		s.atMost()
		s.emit("", asm.LoadMem(asm.R3, asm.R5, 8, asm.Word), asm.Add.Reg(asm.R0, asm.R3))
	}
}

// fromLow takes R0 from R1, but not more than there is.
func (s *wideSearch) fromLow() {
	s.emit("", asm.Sub.Reg(asm.R1, asm.R0), asm.Mov.Reg(asm.R0, asm.R1), asm.ArSh.Imm(asm.R0, 63), asm.And.Reg(asm.R0, asm.R1), asm.Sub.Reg(asm.R1, asm.R0))
}

// atMost makes R0 at most R3. It clobbers R2.
func (s *wideSearch) atMost() {
	s.emit("", asm.Sub.Reg(asm.R0, asm.R3), asm.Mov.Reg(asm.R2, asm.R0), asm.ArSh.Imm(asm.R2, 63), asm.And.Reg(asm.R0, asm.R2), asm.Add.Reg(asm.R0, asm.R3))
}

// emitRank leaves the rank of the first bound of the cell in R0 in R3, and in
// R5 where that bound is. It returns the greatest rank that the verifier thinks
// the steps to come to.
func (s *wideSearch) emitRank() int {
	s.emit("", asm.And.Imm(asm.R0, covering(s.Index.Len())))
	s.emitEntry(s.tables, "rank of the first bound", asm.R3, s.Index, int(covering(s.Index.Len())))
	first := covering(s.Bounds.Len() / s.Words)
	s.emit("", asm.And.Imm(asm.R3, first))
	ranks := int(first) + 1<<s.Steps - 1
	bounds := s.tables.place(s.Bounds.Bytes, 4)
	s.tables.readsUpTo(int(bounds), 4*s.Words*(ranks+1))
	s.emit("", asm.Mov.Reg(asm.R0, asm.R3))
	s.emit("", s.stride()...)
	s.emit("bounds", asm.LoadMapValue(asm.R5, 0, bounds).WithReference(tableMap), asm.Add.Reg(asm.R5, asm.R0))
	return ranks
}

// stride makes of the number of bounds in R0 their bytes.
func (s *wideSearch) stride() []asm.Instruction {
	if s.Words == 3 {
		return []asm.Instruction{asm.Mul.Imm(asm.R0, 12)}
	}
	return []asm.Instruction{asm.LSh.Imm(asm.R0, int32(bits.TrailingZeros(uint(4*s.Words))))}
}

// emitSteps emits the steps from R5 on; the rank in R3 follows, or only its
// parity is left in R0.
func (s *wideSearch) emitSteps(rank bool) {
	if s.Words == 2 {
		s.emit("", s.word(0, asm.R1)...)
		s.emit("", s.word(1, asm.R2)...)
	}
	for step := s.Steps - 1; step >= 0; step-- {
		at := int32(4*s.Words) * (1<<step - 1)
		far := at+int32(4*s.Words) > 1<<15-1 // the load's offset is a signed 16-bit number
		if far {
			s.emit("", asm.Add.Imm(asm.R5, at))
			s.emitBelow(0)
			s.emit("", asm.Sub.Imm(asm.R5, at))
		} else {
			s.emitBelow(int16(at))
		}
		if step > 0 {
			s.emit("", asm.LSh.Imm(asm.R0, int32(step)))
		}
		switch {
		case rank:
			s.emit("", asm.Add.Reg(asm.R3, asm.R0))
		case step == 0: // what the steps before have added is even
			s.emit("", asm.Xor.Reg(asm.R0, asm.R3))
		}
		if step > 0 {
			s.emit("", s.stride()...)
			s.emit("", asm.Add.Reg(asm.R5, asm.R0))
		}
	}
}

// emitBelow makes R0 1 if the bound at R5 + at is below the key, else 0: the
// borrow of a subtraction, the least significant word first. Two words of the
// key are R1 and R2; of more, each is loaded anew.
func (s *wideSearch) emitBelow(at int16) {
	bound := func(r asm.Register, i int) asm.Instruction {
		return asm.LoadMem(r, asm.R5, at+4*int16(i), asm.Word)
	}
	if s.Words == 2 {
		s.emit("", bound(asm.R4, 1), asm.Sub.Reg(asm.R4, asm.R2), asm.RSh.Imm(asm.R4, 63))
		s.emit("", bound(asm.R0, 0), asm.Sub.Reg(asm.R0, asm.R1), asm.Sub.Reg(asm.R0, asm.R4), asm.RSh.Imm(asm.R0, 63))
		return
	}
	last := s.Words - 1
	s.emit("", s.word(last, asm.R2)...)
	s.emit("", bound(asm.R0, last), asm.Sub.Reg(asm.R0, asm.R2), asm.RSh.Imm(asm.R0, 63))
	for i := last - 1; i >= 0; i-- {
		s.emit("", s.word(i, asm.R2)...)
		s.emit("", bound(asm.R1, i), asm.Sub.Reg(asm.R1, asm.R2), asm.Sub.Reg(asm.R1, asm.R0), asm.RSh.Imm(asm.R1, 63), asm.Mov.Reg(asm.R0, asm.R1))
	}
}
