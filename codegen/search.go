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
	inside := func(i int, r asm.Register) []asm.Instruction { return word(len(s.Prefix)+i, r) }
	if s.Window != nil {
		b.emit(what, inside(0, asm.R1)...)
		b.emitWindow(tables, s.Window)
	} else {
		b.emitWide(tables, s.Wide, inside)
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

// emitDirect finds the payload of the key in R1.
func (b *builder) emitDirect(tables *tableSet, s *classify.Search) {
	n := s.Direct.Payload.Entries.Len()
	if !s.Direct.Whole {
		last := int32(n - 1)
		b.emit("at most the last entry", asm.Sub.Imm(asm.R1, last), asm.Mov.Reg(asm.R0, asm.R1),
			asm.ArSh.Imm(asm.R0, 63), asm.And.Reg(asm.R1, asm.R0), asm.Add.Imm(asm.R1, last))
	}
	b.emit("", asm.Mov.Reg(asm.R0, asm.R1), asm.And.Imm(asm.R0, covering(n)))
	b.emitPayload(tables, &s.Direct.Payload, int(covering(n)))
}

// emitWindow finds the payload of the key in R1.
//
// R5 points to the bounds that are left. A step of size s looks at the last of
// the next s bounds and, if it is below the key, passes them all: the sign of
// bound - key, in 64 bits, times the bytes of s bounds.
//
// No mask of 0 or -1 is made: the verifier forks on its AND with a constant
// (kernel/bpf/verifier.c, maybe_fork_scalars).
func (b *builder) emitWindow(tables *tableSet, w *classify.Window) {
	bounds := tables.place(w.Bounds.Bytes, 4)
	ranks := b.emitIndex(tables, w) + 1<<w.Steps - 1
	tables.readsUpTo(int(bounds), 4*(ranks+1))
	b.emit("", asm.Mov.Reg(asm.R0, asm.R3), asm.LSh.Imm(asm.R0, 2))
	b.emit("bounds", asm.LoadMapValue(asm.R5, 0, bounds).WithReference(tableMap), asm.Add.Reg(asm.R5, asm.R0))
	switch entries := &w.Payload.Entries; {
	case entries.Len() == 0:
		b.emitSteps(w, rankParity)
		b.emitTurn(tables, w.Payload.Values)
	case entries.Width == 4:
		b.emitSteps(w, rankPlace)
		payload := tables.place(entries.Bytes, 4)
		tables.readsUpTo(int(payload), 4*(ranks+1))
		b.emit("payload", asm.Add.Imm(asm.R5, int32(payload)-int32(bounds)), asm.LoadMem(asm.R0, asm.R5, 0, asm.Word))
		b.emitValue(tables, &w.Payload)
	default:
		b.emitSteps(w, rankNumber)
		b.emit("", asm.Mov.Reg(asm.R0, asm.R3))
		b.emitPayload(tables, &w.Payload, ranks)
	}
}

// emitIndex leaves the rank at which the window of the key in R1 begins in R3,
// and returns the greatest that the verifier thinks it to be.
func (b *builder) emitIndex(tables *tableSet, w *classify.Window) (greatest int) {
	if w.Index.Len() == 0 {
		b.emit("", movImm(asm.R3, 0))
		return 0
	}
	b.emit("", asm.Mov.Reg(asm.R0, asm.R1), asm.RSh.Imm(asm.R0, int32(w.Shift)), asm.And.Imm(asm.R0, covering(w.Index.Len())))
	b.emitEntry(tables, "rank of the first bound", asm.R3, w.Index, w.Index.Len()-1)
	greatest = int(covering(w.Bounds.Len()))
	if loaded := 1<<(8*w.Index.Width) - 1; loaded <= 2*greatest {
		return loaded
	}
	b.emit("", asm.And.Imm(asm.R3, int32(greatest)))
	return greatest
}

// A rankForm is how the code keeps the rank that a window search finds.
type rankForm int

const (
	rankPlace  rankForm = iota // R5 points to the bound of that number
	rankNumber                 // in R3
	rankParity                 // only that, in R0
)

// emitSteps emits the steps of a window search from R5, and R3, on.
func (b *builder) emitSteps(w *classify.Window, form rankForm) {
	for step := w.Steps - 1; step >= 0; step-- {
		if at := int32(4<<step - 4); at > 1<<15-1 { // the load's offset is a signed 16-bit number
			b.emit("", asm.Add.Imm(asm.R5, at), asm.LoadMem(asm.R0, asm.R5, 0, asm.Word), asm.Sub.Imm(asm.R5, at))
		} else {
			b.emit("", asm.LoadMem(asm.R0, asm.R5, int16(at), asm.Word))
		}
		b.emit("", asm.Sub.Reg(asm.R0, asm.R1), asm.RSh.Imm(asm.R0, 63))
		switch {
		case form == rankNumber:
			if step > 0 {
				b.emit("", asm.LSh.Imm(asm.R0, int32(step)))
			}
			b.emit("", asm.Add.Reg(asm.R3, asm.R0))
			if step > 0 {
				b.emit("", asm.LSh.Imm(asm.R0, 2), asm.Add.Reg(asm.R5, asm.R0))
			}
		case step > 0 || form == rankPlace:
			b.emit("", asm.LSh.Imm(asm.R0, int32(step)+2), asm.Add.Reg(asm.R5, asm.R0))
		default: // what the steps before have added is even
			b.emit("", asm.Xor.Reg(asm.R0, asm.R3))
		}
	}
	if form == rankParity {
		if w.Steps == 0 {
			b.emit("", asm.Mov.Reg(asm.R0, asm.R3))
		}
		b.emit("", asm.And.Imm(asm.R0, 1))
	}
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
