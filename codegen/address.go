package codegen

import (
	"math/bits"

	"github.com/cilium/ebpf/asm"

	"xdpfw/codegen/ir"
	"xdpfw/rules"
)

// unlessAddress emits "jump unless the address is in the range" for IPv6.
func (f *family) unlessAddress(a ir.Atom, r rules.Range, to label) {
	comment := a.String() + " " + a.FormatRange(r)
	if n, ok := prefixLength(r); ok {
		for _, w := range addressWords(a, r.Lo, n) {
			f.emit(a.String(), w.load(asm.R0)...)
			f.emit("", asm.LoadImm(asm.R1, int64(w.want), asm.DWord))
			f.jumpFor(comment, asm.JNE.Reg(asm.R0, asm.R1, ""), to)
		}
		return
	}
	above, below := f.newLabel("ip6.above"), f.newLabel("ip6.below")
	f.orderAddress(a, comment, r.Lo, asm.JLT, asm.JGT, to, above)
	f.bind(above)
	f.orderAddress(a, comment, r.Hi, asm.JGT, asm.JLT, to, below)
	f.bind(below)
}

// orderAddress compares an address with a bound, upper half first: outside
// jumps where the half is past the bound, inside where it is short of it.
func (f *family) orderAddress(a ir.Atom, comment string, bound rules.Value, outside, inside asm.JumpOp, fail, ok label) {
	for i, half := range []uint64{bound.Hi, bound.Lo} {
		w := addressWord{at: int16(a.Offset) + 8*int16(i), bits: 64, mask: []uint64{a.Mask.Hi, a.Mask.Lo}[i], want: half, ordered: true}
		f.emit(a.String(), w.load(asm.R0)...)
		f.emit("", asm.LoadImm(asm.R1, int64(half), asm.DWord))
		f.jumpFor(comment, outside.Reg(asm.R0, asm.R1, ""), fail)
		if i == 0 {
			f.jump(inside.Reg(asm.R0, asm.R1, ""), ok)
		}
	}
}

// An addressWord is eight bytes of an address of which the first bits, as far
// as the mask leaves them, must equal want.
type addressWord struct {
	at      int16
	bits    int // how many of the 64 count
	mask    uint64
	want    uint64
	ordered bool // want is in host order, whatever bits is
}

// addressWords are the compares that an IPv6 prefix asks for.
func addressWords(a ir.Atom, prefix rules.Value, length int) []addressWord {
	var out []addressWord
	at := int16(a.Offset)
	for i, half := range []uint64{prefix.Hi, prefix.Lo} {
		if n := min(length, 64); n > 0 {
			w := addressWord{at: at, bits: n, mask: []uint64{a.Mask.Hi, a.Mask.Lo}[i], want: half >> (64 - n)}
			if n == 64 {
				w.want = bits.ReverseBytes64(half)
			}
			out = append(out, w)
		}
		length -= 64
		at += 8
	}
	return out
}

// load the bits into r, so that they compare with want; it clobbers R4 if
// there is a mask.
func (w addressWord) load(r asm.Register) []asm.Instruction {
	out := []asm.Instruction{asm.LoadMem(r, regNet, w.at, asm.DWord)}
	mask := w.mask
	if w.ordered || w.bits < 64 {
		out = append(out, asm.HostTo(asm.BE, r, asm.DWord))
	} else {
		mask = bits.ReverseBytes64(mask)
	}
	if mask != ^uint64(0) {
		out = append(out, asm.LoadImm(asm.R4, int64(mask), asm.DWord), asm.And.Reg(r, asm.R4))
	}
	if w.bits < 64 {
		out = append(out, asm.RSh.Imm(r, int32(64-w.bits)))
	}
	return out
}

// prefixLength says whether the range is one prefix, and how long it is.
func prefixLength(r rules.Range) (int, bool) {
	hostHi, hostLo := r.Lo.Hi^r.Hi.Hi, r.Lo.Lo^r.Hi.Lo
	length := bits.LeadingZeros64(hostHi)
	if hostHi == 0 {
		length = 64 + bits.LeadingZeros64(hostLo)
	} else if hostLo != ^uint64(0) {
		return 0, false
	}
	aligned := hostHi&(hostHi+1) == 0 && hostLo&(hostLo+1) == 0 && r.Lo.Hi&hostHi == 0 && r.Lo.Lo&hostLo == 0
	return length, aligned
}
