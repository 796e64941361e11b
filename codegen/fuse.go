package codegen

import (
	"github.com/cilium/ebpf/asm"

	"xdpfw/codegen/ir"
)

// maxPending is how many branches the verifier may have pending at one time
// (BPF_COMPLEXITY_LIMIT_JMP_SEQ in kernel/bpf/verifier.c).
const maxPending = 8192

// parserPending is room for the branches of the parser.
const parserPending = 192

// pending is how many branches a chain of the given rules leaves pending, and
// the first rule at which they are too many, or -1.
func pending(d *ir.Decision, fuse bool) (n, tooMany int) {
	tooMany = -1
	for _, r := range d.Terminal {
		for _, t := range r.Terms {
			n += pendingTerm(t, fuse)
		}
		if tooMany < 0 && n > maxPending-parserPending {
			tooMany = r.ID
		}
	}
	return n, tooMany
}

// pendingTerm is one branch less than the compares of which each can fail.
func pendingTerm(t ir.Term, fuse bool) int {
	simple, lists := plan(t)
	n := 0
	for _, test := range simple {
		n++
		if test.Atom.Size == 16 {
			n++ // a compare for each half
		}
	}
	if fuse && len(simple) > 1 {
		n = 1
	}
	for _, test := range lists {
		n++
		if len(test.Ranges) == 1 {
			n += 5 // an IPv6 range: see unlessWide
		}
	}
	return max(n-1, 0)
}

// tooManyBranches says that a chain must join tests to stay below what the
// verifier takes.
func tooManyBranches(d *ir.Decision) bool {
	_, rule := pending(d, false)
	return rule >= 0
}

// fused emits tests of one range each as a single branch: each gives a number
// that is zero for a match, and all of them are or-ed in R1. This runs every
// test where a chain of branches stops at the first that fails, but it leaves
// no branch pending.
func (f *family) fused(tests []ir.Test, fail label) {
	f.emit("", movImm(asm.R1, 0))
	for _, t := range tests {
		r := t.Ranges[0]
		if t.Atom.Size == 16 {
			n, _ := prefixLength(r)
			for _, w := range wideWords(t.Atom, r.Lo, n) {
				f.emit(t.String(), w.load(asm.R0)...)
				f.emit("", asm.LoadImm(asm.R2, int64(w.want), asm.DWord))
				f.emit("", asm.Xor.Reg(asm.R0, asm.R2), asm.Or.Reg(asm.R1, asm.R0))
			}
			continue
		}
		f.fusedNumber(t)
	}
	f.jump(asm.JNE.Imm(asm.R1, 0, ""), fail)
}

func (f *family) fusedNumber(t ir.Test) {
	o := f.operand(t.Atom)
	lo, hi := uint32(t.Ranges[0].Lo.Lo)+o.bias, uint32(t.Ranges[0].Hi.Lo)+o.bias
	f.emit(t.String(), o.load...)
	mask, ok := prefixMask(lo, hi)
	switch {
	case o.network && ok:
		if mask != ^uint32(0) {
			f.emit("", asm.And.Imm32(asm.R0, int32(be32(mask))))
		}
		f.emit("", asm.Xor.Imm32(asm.R0, int32(be32(lo))))
	case lo == hi:
		f.emit("", asm.Xor.Imm32(asm.R0, int32(lo)))
	default:
		if o.network {
			f.emit("", asm.HostTo(asm.BE, asm.R0, asm.Word))
		}
		// R0 = 1 if value - lo > hi - lo, as 32-bit numbers.
		f.emit("", asm.Sub.Imm32(asm.R0, int32(lo)), movImm(asm.R2, hi-lo),
			asm.Sub.Reg(asm.R2, asm.R0), asm.Mov.Reg(asm.R0, asm.R2), asm.RSh.Imm(asm.R0, 63))
	}
	f.emit("", asm.Or.Reg(asm.R1, asm.R0))
}

// joinable says that a test is one range that fused can join with others: any
// number, or an IPv6 prefix.
func joinable(t ir.Test) bool {
	if len(t.Ranges) > 1 {
		return false
	}
	if t.Atom.Size < 16 {
		return true
	}
	_, ok := prefixLength(t.Ranges[0])
	return ok
}
