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

// tooManyBranches says that the rules of a chain take so many branches that
// the verifier could have too many of them pending: then the tests of a rule
// are joined into one branch, which is explored to the verdict before the
// chain goes on, and none stays pending.
func tooManyBranches(d *ir.Decision) bool {
	n := 0
	for _, r := range d.Steps {
		for _, t := range r.Terms {
			for _, test := range t {
				n += branches(test)
			}
		}
	}
	return n > maxPending-parserPending
}

// branches is how many branches a test takes at most when it stands alone.
func branches(t ir.Test) int {
	switch {
	case len(t.Ranges) > maxInline:
		return 1
	case t.Atom.Size == 16:
		return 6 * len(t.Ranges) // see unlessWide
	}
	return len(t.Ranges)
}

// joined emits tests as a single branch: each gives a number that is zero for
// a match, and all of them are or-ed in R3. This runs every test, where a
// chain of branches stops at the first that fails.
func (f *family) joined(tests []ir.Test, fail label) {
	f.emit("", movImm(asm.R3, 0))
	for _, t := range tests {
		switch {
		case !joinable(t):
			f.missTable(t)
		case t.Atom.Size == 16:
			f.missPrefix(t)
		default:
			f.missNumber(t)
		}
	}
	f.jump(asm.JNE.Imm(asm.R3, 0, ""), fail)
}

func (f *family) missTable(t ir.Test) {
	if !f.search(t).inside {
		f.emit("", asm.Xor.Imm(asm.R0, 1))
	}
	f.emit(t.Atom.String()+" in table", asm.Or.Reg(asm.R3, asm.R0))
}

func (f *family) missPrefix(t ir.Test) {
	n, _ := prefixLength(t.Ranges[0])
	for _, w := range wideWords(t.Atom, t.Ranges[0].Lo, n) {
		f.emit(t.String(), w.load(asm.R0)...)
		f.emit("", asm.LoadImm(asm.R2, int64(w.want), asm.DWord))
		f.emit("", asm.Xor.Reg(asm.R0, asm.R2), asm.Or.Reg(asm.R3, asm.R0))
	}
}

func (f *family) missNumber(t ir.Test) {
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
	f.emit("", asm.Or.Reg(asm.R3, asm.R0))
}

// joinable says that a test is one compare for each number: one range of
// numbers, or an IPv6 prefix. Others are searched in a table to be joined.
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
