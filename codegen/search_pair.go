package codegen

import (
	"math/bits"

	"github.com/cilium/ebpf/asm"

	"xdpfw/codegen/classify"
)

// emitPairHash finds the value of the key in R1, which is below 2^48, and leaves
// it in R0: zero if there is none. It clobbers R0 to R3.
func (b *builder) emitPairHash(tables *tableSet, h *classify.PairHash, what string) {
	b.emit(what+": hash", asm.LoadImm(asm.R3, int64(h.Seed), asm.DWord), asm.Mov.Reg(asm.R2, asm.R1), asm.Mul.Reg(asm.R2, asm.R3),
		asm.Mov.Reg(asm.R0, asm.R2), asm.RSh.Imm(asm.R0, 32), asm.Xor.Reg(asm.R2, asm.R0), asm.Mul.Reg(asm.R2, asm.R3))
	b.emit("", asm.Mov.Reg(asm.R0, asm.R2), asm.RSh.Imm(asm.R0, int32(64-h.BucketBits)), asm.LSh.Imm(asm.R0, 1))
	multipliers := tables.place(h.Multipliers.Bytes, 2)
	tables.readsUpTo(int(multipliers), 2<<h.BucketBits)
	b.emit("its bucket's multiplier", asm.LoadMapValue(asm.R3, 0, multipliers).WithReference(tableMap), asm.Add.Reg(asm.R3, asm.R0),
		asm.LoadMem(asm.R3, asm.R3, 0, asm.Half))
	// The verifier follows the product of 32 bits with a constant: the slot is in the table.
	n, width := h.Slots.Len(), h.Slots.Width
	b.emit("slot", asm.Mul.Reg32(asm.R3, asm.R2), asm.Mul.Imm(asm.R3, int32(n)), asm.RSh.Imm(asm.R3, 32))
	b.emit("", asm.Mov.Reg(asm.R0, asm.R3))
	if width > 1 {
		b.emit("", asm.LSh.Imm(asm.R0, int32(bits.TrailingZeros(uint(width)))))
	}
	slots := tables.place(h.Slots.Bytes, width)
	b.emit("its key", asm.LoadMapValue(asm.R2, 0, slots).WithReference(tableMap), asm.Add.Reg(asm.R2, asm.R0),
		asm.LoadMem(asm.R0, asm.R2, 0, numberSize(width)))
	if h.Values.Len() > 0 {
		b.emit("", asm.Mov.Reg(asm.R2, asm.R1), asm.Add.Imm(asm.R2, 1), asm.Xor.Reg(asm.R2, asm.R0), asm.Mov.Reg(asm.R1, asm.R2))
		b.emit("", asm.Mov.Reg(asm.R0, asm.R3))
		b.emitEntry(tables, "its value", asm.R0, h.Values, n-1)
	} else {
		b.emit("", asm.Mov.Reg(asm.R2, asm.R0), asm.RSh.Imm(asm.R2, int32(h.ValueBits)), asm.Xor.Reg(asm.R1, asm.R2))
		if h.ValueBits == 32 {
			b.emit("", asm.Mov.Reg32(asm.R0, asm.R0))
		} else {
			b.emit("", asm.And.Imm(asm.R0, 1<<h.ValueBits-1))
		}
	}
	b.emit("if it is the key", asm.Sub.Imm(asm.R1, 1), asm.ArSh.Imm(asm.R1, 63), asm.And.Reg(asm.R0, asm.R1))
}
