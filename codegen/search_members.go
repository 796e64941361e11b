package codegen

import (
	"math/bits"

	"github.com/cilium/ebpf/asm"

	"xdpfw/codegen/classify"
)

// A membersSearch emits the code of Members.
type membersSearch struct {
	*builder
	*classify.Members
	tables *tableSet
}

// emitMembers finds the payload of the words of a key.
func (b *builder) emitMembers(tables *tableSet, m *classify.Members, what string, word func(i int, r asm.Register) []asm.Instruction) {
	s := membersSearch{b, m, tables}
	outside := b.newLabel("search.outside")
	b.emit(what, word(0, asm.R1)...)
	s.emitRoot(outside)
	s.emitNode()
	s.emitWindow()
	s.emitEntries()
	b.bind(outside)
	b.emitTurn(tables, m.Values)
}

// emitRoot leaves the number of the block of the key in R0, and the key from its
// beginning on in R1; it jumps with 0 in R0 if there is none.
func (s *membersSearch) emitRoot(outside label) {
	if s.Low > 0 {
		s.emit("from the first block on", asm.LoadImm(asm.R0, int64(s.Low), asm.DWord), asm.Sub.Reg(asm.R1, asm.R0))
	}
	if !s.Whole {
		s.emit("", movImm(asm.R0, 0), asm.LoadImm(asm.R2, int64(uint64(s.Blocks)<<s.Shift-1), asm.DWord))
		s.jumpFor("outside of all blocks", asm.JGT.Reg(asm.R1, asm.R2, ""), outside)
	}
	s.emit("block", asm.Mov.Reg(asm.R0, asm.R1), asm.RSh.Imm(asm.R0, int32(s.Shift)))
	s.emit("", asm.And.Imm(asm.R1, 1<<s.Shift-1))
}

// emitNode leads from the number of a block in R0 to that of the cell in R0. R1 is
// the key from the beginning of the block on, and then of the cell; R4 becomes
// the node's rank.
func (s *membersSearch) emitNode() {
	at, last := s.tables.place(s.Nodes.Bytes, 8), covering(s.Nodes.Len())
	s.tables.readsUpTo(int(at), 8*(int(last)+1))
	s.emit("", asm.And.Imm(asm.R0, last), asm.LSh.Imm(asm.R0, 3))
	s.emit("node", asm.LoadMapValue(asm.R5, 0, at).WithReference(tableMap), asm.Add.Reg(asm.R5, asm.R0),
		asm.LoadMem(asm.R0, asm.R5, 0, asm.Word), asm.LoadMem(asm.R4, asm.R5, 4, asm.Word))
	s.emit("cell", asm.Mov.Reg(asm.R2, asm.R0), asm.And.Imm(asm.R2, 63), asm.RSh.Imm(asm.R0, 6),
		asm.Mov.Reg(asm.R3, asm.R1), asm.RSh.Reg(asm.R3, asm.R2), asm.Add.Reg(asm.R0, asm.R3), asm.LSh.Reg(asm.R3, asm.R2), asm.Sub.Reg(asm.R1, asm.R3))
}

// emitWindow leads from the number of a cell in R0 to its first entry, to which
// R5 points, and leaves in R3 how many it has.
func (s *membersSearch) emitWindow() {
	at, width, last := s.tables.place(s.Cells.Bytes, s.Cells.Width), s.Cells.Width, covering(s.Cells.Len())
	s.tables.readsUpTo(int(at), width*(int(last)+2))
	s.emit("", asm.And.Imm(asm.R0, last))
	if width > 1 {
		s.emit("", asm.LSh.Imm(asm.R0, int32(bits.TrailingZeros(uint(width)))))
	}
	s.emit("its window", asm.LoadMapValue(asm.R5, 0, at).WithReference(tableMap), asm.Add.Reg(asm.R5, asm.R0),
		asm.LoadMem(asm.R0, asm.R5, 0, numberSize(width)), asm.LoadMem(asm.R3, asm.R5, int16(width), numberSize(width)), asm.Sub.Reg(asm.R3, asm.R0))
	width, last = s.Entries.Width, covering(s.Entries.Len())
	at = s.tables.place(s.Entries.Bytes, 8)
	s.tables.readsUpTo(int(at), width*int(last)+8*s.Steps())
	s.emit("", asm.Add.Reg(asm.R0, asm.R4), asm.And.Imm(asm.R0, last), asm.LSh.Imm(asm.R0, int32(bits.TrailingZeros(uint(width)))))
	s.emit("entries", asm.LoadMapValue(asm.R5, 0, at).WithReference(tableMap), asm.Add.Reg(asm.R5, asm.R0))
}

// emitEntries makes R0 1 if one of the entries from R5 on, as many as R3 says,
// holds the key in R1, else 0.
//
// As many entries as 64 bits have, each in a lane of them, are tested at once. An
// entry e differs from e-1 where it ends and behind. What the key differs in
// before that is zero if e holds it, and only of zero the highest bit of
// (x - 1) &^ x is set; a lane above one of zero may have it too, which says
// nothing new. A step moves its bits down by one more than the step before, so
// that R0 has those of all, and what lies behind the window is masked in the end.
func (s *membersSearch) emitEntries() {
	ones := s.laneBits(0)
	highest := ones << (8*s.Entries.Width - 1)
	lessOne := func(r, from asm.Register) {
		s.emit("", asm.LoadImm(r, -int64(ones), asm.DWord), asm.Add.Reg(r, from))
	}
	s.emit("key in each lane", asm.LSh.Imm(asm.R1, 1), asm.Or.Imm(asm.R1, 1), asm.LoadImm(asm.R2, int64(ones), asm.DWord), asm.Mul.Reg(asm.R1, asm.R2))
	for step := range s.Steps() {
		s.emit("entries", asm.LoadMem(asm.R2, asm.R5, int16(8*step), asm.DWord))
		lessOne(asm.R4, asm.R2)
		s.emit("what differs before their ends", asm.Xor.Reg(asm.R4, asm.R2), asm.Xor.Imm(asm.R4, -1), asm.Xor.Reg(asm.R2, asm.R1), asm.And.Reg(asm.R2, asm.R4))
		lessOne(asm.R4, asm.R2)
		s.emit("", asm.Xor.Imm(asm.R2, -1), asm.And.Reg(asm.R4, asm.R2), asm.LoadImm(asm.R2, int64(highest), asm.DWord), asm.And.Reg(asm.R4, asm.R2))
		if step == 0 {
			s.emit("", asm.Mov.Reg(asm.R0, asm.R4))
		} else {
			s.emit("", asm.RSh.Imm(asm.R4, int32(step)), asm.Or.Reg(asm.R0, asm.R4))
		}
	}
	masks := s.tables.placeNumbers(s.Most+1, 8, s.maskOf)
	s.emit("", asm.And.Imm(asm.R3, covering(s.Most+1)), asm.LSh.Imm(asm.R3, 3))
	s.emit("those of the window", asm.LoadMapValue(asm.R2, 0, masks).WithReference(tableMap), asm.Add.Reg(asm.R2, asm.R3),
		asm.LoadMem(asm.R2, asm.R2, 0, asm.DWord), asm.And.Reg(asm.R0, asm.R2))
	s.emit("any", asm.Mov.Reg(asm.R2, asm.R0), asm.Neg.Imm(asm.R2, 0), asm.Or.Reg(asm.R0, asm.R2), asm.RSh.Imm(asm.R0, 63))
}

// laneBits has that bit of each lane.
func (s *membersSearch) laneBits(bit int) (all uint64) {
	for lane := range classify.MemberLanes {
		all |= 1 << (8*s.Entries.Width*lane + bit)
	}
	return all
}

// maskOf the bits that emitEntries has in the end of the first n entries.
func (s *membersSearch) maskOf(n int) (mask uint64) {
	for i := range n {
		step, lane := i/classify.MemberLanes, i%classify.MemberLanes
		mask |= 1 << (8*s.Entries.Width*(lane+1) - 1 - step)
	}
	return mask
}
