package codegen

import (
	"math/bits"

	"github.com/cilium/ebpf/asm"

	"xdpfw/codegen/classify"
)

// A windowSearch emits the code of a Window.
type windowSearch struct {
	*builder
	*classify.Window
	tables *tableSet
	word   func(i int, r asm.Register) []asm.Instruction
}

// emitWindow finds the payload of the words of a key.
func (b *builder) emitWindow(tables *tableSet, w *classify.Window, what string, word func(i int, r asm.Register) []asm.Instruction) {
	s := windowSearch{b, w, tables, word}
	s.emit(what, s.word(0, asm.R1)...)
	first := s.emitIndex()
	bounds, ranks := s.emitBounds(first)
	switch entries := &w.Payload.Entries; {
	case entries.Len() == 0:
		s.emitSteps(rankParity)
		b.emitTurn(tables, w.Payload.Values)
	case entries.Width == 4*w.Words:
		s.emitSteps(rankPlace)
		payload := tables.place(entries.Bytes, entries.Width)
		tables.readsUpTo(int(payload), entries.Width*(ranks+1))
		b.emit("payload", asm.Add.Imm(asm.R5, int32(payload)-int32(bounds)), asm.LoadMem(asm.R0, asm.R5, 0, numberSize(entries.Width)))
		b.emitValue(tables, &w.Payload)
	default:
		s.emitSteps(rankNumber)
		b.emit("", asm.Mov.Reg(asm.R0, asm.R3))
		b.emitPayload(tables, &w.Payload, ranks)
	}
}

// emitIndex leaves the rank at which the window of the key begins in R3, and
// returns the greatest that the verifier thinks it to be. The first word of the
// key is in R1, and is there again in the end if it is the only one.
func (s *windowSearch) emitIndex() (greatest int) {
	if s.Index.Ranks.Len() == 1 {
		s.emit("", movImm(asm.R3, 0))
		return 0
	}
	if s.Words > 1 {
		s.emit("", asm.LSh.Imm(asm.R1, 32))
		s.emit("", s.word(1, asm.R2)...)
		s.emit("place", asm.Or.Reg(asm.R1, asm.R2), asm.RSh.Imm(asm.R1, 1))
	}
	if root := s.Index.Root; s.Index.Whole {
		s.emit("cell", asm.Mov.Reg(asm.R0, asm.R1), asm.RSh.Imm(asm.R0, int32(root.Shift)))
	} else {
		s.emit("from the first bound on", asm.LoadImm(asm.R0, int64(root.Low), asm.DWord))
		s.fromLow()
		s.emit("cell", asm.Mov.Reg(asm.R0, asm.R1), asm.RSh.Imm(asm.R0, int32(root.Shift)), asm.Mov.Imm(asm.R3, int32(root.Last)))
		s.atMost()
		s.emitLevels()
		if s.Words == 1 {
			s.emit("", s.word(0, asm.R1)...)
		}
	}
	cells := covering(s.Index.Ranks.Len())
	s.emit("", asm.And.Imm(asm.R0, cells))
	s.emitEntry(s.tables, "rank of the first bound", asm.R3, s.Index.Ranks, int(cells))
	greatest = int(covering(s.Len() + 1))
	if loaded := 1<<(8*s.Index.Ranks.Width) - 1; loaded <= 2*greatest {
		return loaded
	}
	s.emit("", asm.And.Imm(asm.R3, int32(greatest)))
	return greatest
}

// emitLevels leads from the cell of the root in R0 to that of the last level. R1
// is the place from the Low of the node on.
func (s *windowSearch) emitLevels() {
	for _, level := range s.Index.Levels {
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

// fromLow takes R0 from R1, but no more than there is.
func (s *windowSearch) fromLow() {
	s.emit("", asm.Sub.Reg(asm.R1, asm.R0), asm.Mov.Reg(asm.R0, asm.R1), asm.ArSh.Imm(asm.R0, 63), asm.And.Reg(asm.R0, asm.R1), asm.Sub.Reg(asm.R1, asm.R0))
}

// atMost makes R0 at most R3. It clobbers R2.
func (s *windowSearch) atMost() {
	s.emit("", asm.Sub.Reg(asm.R0, asm.R3), asm.Mov.Reg(asm.R2, asm.R0), asm.ArSh.Imm(asm.R2, 63), asm.And.Reg(asm.R0, asm.R2), asm.Add.Reg(asm.R0, asm.R3))
}

// emitBounds leaves in R5 where the bound is whose number is in R3. It returns
// where the bounds begin, and the greatest rank that the verifier thinks the
// steps to come to.
func (s *windowSearch) emitBounds(first int) (bounds uint32, ranks int) {
	ranks = first + 1<<s.Steps - 1
	bounds = s.tables.place(s.Bounds.Bytes, 8)
	s.tables.readsUpTo(int(bounds), 4*s.Words*(ranks+1))
	s.emit("", asm.Mov.Reg(asm.R0, asm.R3))
	s.emit("", s.stride(0)...)
	s.emit("bounds", asm.LoadMapValue(asm.R5, 0, bounds).WithReference(tableMap), asm.Add.Reg(asm.R5, asm.R0))
	return bounds, ranks
}

// stride makes of the number in R0 the bytes of 2^shift times as many bounds.
func (s *windowSearch) stride(shift int) []asm.Instruction {
	if s.Words == 3 {
		return []asm.Instruction{asm.Mul.Imm(asm.R0, 12<<shift)}
	}
	return []asm.Instruction{asm.LSh.Imm(asm.R0, int32(shift+bits.TrailingZeros(uint(4*s.Words))))}
}

// A rankForm is how the code keeps the rank that the steps find.
type rankForm int

const (
	rankPlace  rankForm = iota // R5 points to the bound of that number
	rankNumber                 // in R3
	rankParity                 // only that, in R0
)

// emitSteps emits the steps from the bound at R5, of the number R3, on. A step
// of size n looks at the last of the next n bounds and, if it is below the key,
// passes them all: it adds the sign of bound - key times the bytes of n bounds.
//
// No mask of 0 or -1 is made: the verifier forks on its AND with a constant
// (kernel/bpf/verifier.c, maybe_fork_scalars).
func (s *windowSearch) emitSteps(form rankForm) {
	if s.Words == 2 && s.Steps > 0 {
		s.emit("", s.word(0, asm.R1)...)
		s.emit("", s.word(1, asm.R2)...)
	}
	for step := s.Steps - 1; step >= 0; step-- {
		s.emitLast(int32(4*s.Words) * (1<<step - 1))
		switch {
		case form == rankNumber && step > 0:
			s.emit("", asm.LSh.Imm(asm.R0, int32(step)), asm.Add.Reg(asm.R3, asm.R0))
			s.emit("", s.stride(0)...)
			s.emit("", asm.Add.Reg(asm.R5, asm.R0))
		case form == rankNumber:
			s.emit("", asm.Add.Reg(asm.R3, asm.R0))
		case form == rankPlace || step > 0:
			s.emit("", s.stride(step)...)
			s.emit("", asm.Add.Reg(asm.R5, asm.R0))
		default: // what the steps before have added is even
			s.emit("", asm.Xor.Reg(asm.R0, asm.R3))
		}
	}
	if form == rankParity {
		if s.Steps == 0 {
			s.emit("", asm.Mov.Reg(asm.R0, asm.R3))
		}
		s.emit("", asm.And.Imm(asm.R0, 1))
	}
}

// emitLast makes R0 1 if the bound at R5 + at is below the key, else 0. The
// load's offset is a signed 16-bit number.
func (s *windowSearch) emitLast(at int32) {
	if at+int32(4*s.Words) <= 1<<15 {
		s.emitBelow(int16(at))
		return
	}
	s.emit("", asm.Add.Imm(asm.R5, at))
	s.emitBelow(0)
	s.emit("", asm.Sub.Imm(asm.R5, at))
}

// emitBelow is emitLast for a bound within reach: the borrow of a subtraction,
// the least significant word first. One or two words of the key are R1 and R2;
// of more, each is loaded anew.
func (s *windowSearch) emitBelow(at int16) {
	bound := func(r asm.Register, i int) asm.Instruction {
		return asm.LoadMem(r, asm.R5, at+4*int16(i), asm.Word)
	}
	switch s.Words {
	case 1:
		s.emit("", bound(asm.R0, 0), asm.Sub.Reg(asm.R0, asm.R1), asm.RSh.Imm(asm.R0, 63))
		return
	case 2:
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
