package codegen

import (
	"github.com/cilium/ebpf/asm"

	"xdpfw/codegen/classify"
)

// A prefixesSearch emits the code of Prefixes.
type prefixesSearch struct {
	*builder
	*classify.Prefixes
	tables            *tableSet
	word              func(i int, r asm.Register) []asm.Instruction
	in, others, found label
}

// emitPrefixes finds the payload of the words of a key.
func (b *builder) emitPrefixes(tables *tableSet, p *classify.Prefixes, what string, word func(i int, r asm.Register) []asm.Instruction) {
	s := prefixesSearch{b, p, tables, word, b.newLabel("search.in"), b.newLabel("search.others"), b.newLabel("search.found")}
	b.emit(what, word(0, asm.R1)...)
	b.emit("", asm.LSh.Imm(asm.R1, 32))
	b.emit("", word(1, asm.R2)...)
	b.emit("", asm.Or.Reg(asm.R1, asm.R2), asm.Mov.Reg(asm.R0, asm.R1), asm.RSh.Imm(asm.R0, 62))
	b.jumpFor("not hashed", jne(asm.R0, 0), s.others)
	s.emitSlot()
	b.emit("", asm.LSh.Imm(asm.R1, 2), asm.Or.Imm(asm.R1, 1))
	s.emitHolds(asm.R3)
	b.jumpFor("its prefix holds the key", asm.JLE.Reg(asm.R3, asm.R2, ""), s.in)
	if p.Most > 0 {
		s.emitShared()
	}
	b.bind(s.others)
	if p.Others != nil {
		b.emitSearch(tables, p.Others, "others", word)
	} else {
		b.emit("", movImm(asm.R0, 0))
	}
	b.goTo(s.found)
	b.bind(s.in)
	b.emit("", movImm(asm.R0, 1))
	b.bind(s.found)
	b.emitTurn(tables, p.Values)
}

// emitSlot leaves in R0 what the slot of the key in R1 holds.
func (s *prefixesSearch) emitSlot() {
	s.emit("hash of its first bits", asm.LoadImm(asm.R3, int64(s.Seed), asm.DWord), asm.Mov.Reg(asm.R2, asm.R1), asm.RSh.Imm(asm.R2, int32(s.Shift)), asm.Mul.Reg(asm.R2, asm.R3),
		asm.Mov.Reg(asm.R0, asm.R2), asm.RSh.Imm(asm.R0, 32), asm.Xor.Reg(asm.R2, asm.R0), asm.Mul.Reg(asm.R2, asm.R3))
	s.emit("", asm.Mov.Reg(asm.R0, asm.R2), asm.RSh.Imm(asm.R0, int32(64-s.BucketBits)), asm.LSh.Imm(asm.R0, 1))
	multipliers := s.tables.place(s.Multipliers.Bytes, 2)
	s.tables.readsUpTo(int(multipliers), 2<<s.BucketBits)
	s.emit("its bucket's multiplier", asm.LoadMapValue(asm.R3, 0, multipliers).WithReference(tableMap), asm.Add.Reg(asm.R3, asm.R0), asm.LoadMem(asm.R3, asm.R3, 0, asm.Half))
	// The verifier follows the product of 32 bits with a constant: the slot is in the table.
	slots := s.tables.place(s.Slots.Bytes, 8)
	s.emit("slot", asm.Mul.Reg32(asm.R3, asm.R2), asm.Mul.Imm(asm.R3, int32(s.Slots.Len())), asm.RSh.Imm(asm.R3, 32), asm.LSh.Imm(asm.R3, 3),
		asm.LoadMapValue(asm.R2, 0, slots).WithReference(tableMap), asm.Add.Reg(asm.R2, asm.R3), asm.LoadMem(asm.R0, asm.R2, 0, asm.DWord))
}

// emitHolds leaves in differs what the key in R1 and the prefix in R0 differ in,
// and in R2 up to which number that is behind the prefix's end.
func (s *prefixesSearch) emitHolds(differs asm.Register) {
	s.emit("", asm.Mov.Reg(asm.R2, asm.R0), asm.Sub.Imm(asm.R2, 1), asm.Xor.Reg(asm.R2, asm.R0), asm.Mov.Reg(differs, asm.R0), asm.Xor.Reg(differs, asm.R1))
}

// emitShared holds the key in R1 against what the slot in R0 refers to.
func (s *prefixesSearch) emitShared() {
	s.emit("", asm.Mov.Reg(asm.R3, asm.R0), asm.And.Imm(asm.R3, 1))
	s.jumpFor("no reference", jeq(asm.R3, 0), s.others)
	n := covering(s.Shared.Len() / 2)
	shared := s.tables.place(s.Shared.Bytes, 8)
	s.tables.readsUpTo(int(shared), 16*(int(n)+s.Most))
	s.emit("the first", asm.RSh.Imm(asm.R0, 2), asm.And.Imm(asm.R0, n), asm.LSh.Imm(asm.R0, 4), asm.LoadMapValue(asm.R5, 0, shared).WithReference(tableMap), asm.Add.Reg(asm.R5, asm.R0))
	for i := range s.Most {
		next := s.newLabel("search.shared%d", i+1)
		s.emit("", asm.LoadMem(asm.R0, asm.R5, int16(16*i), asm.DWord))
		s.emitHolds(asm.R4)
		s.jump(asm.JGT.Reg(asm.R4, asm.R2, ""), next)
		if s.Words > 2 {
			s.emit("", asm.And.Imm(asm.R0, 1))
			s.jumpFor("all of it", jeq(asm.R0, 0), s.in)
			s.emit("rest", s.word(2, asm.R2)...)
			if s.Words == 4 {
				s.emit("", asm.LSh.Imm(asm.R2, 32))
				s.emit("", s.word(3, asm.R0)...)
				s.emit("", asm.Or.Reg(asm.R2, asm.R0))
			}
			s.emit("", asm.LoadMem(asm.R0, asm.R5, int16(16*i+8), asm.DWord))
			s.jump(asm.JEq.Reg(asm.R0, asm.R2, ""), s.in)
		} else {
			s.goTo(s.in)
		}
		s.bind(next)
	}
}
