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
	n := 0
	switch {
	case len(t.Ranges) > maxInline:
		n = 1
	case t.Atom.Size == 16:
		n = 6 * len(t.Ranges) // see unlessAddress
	default:
		n = len(t.Ranges)
	}
	if t.Atom.Size == 8 {
		n++ // is it there
	}
	for _, other := range t.Or {
		n += branches(other)
	}
	return n
}

// joined emits tests as a single branch: each gives a number that is zero for
// a match, and all of them are or-ed in R3. This runs every test, where a
// chain of branches stops at the first that fails.
func (f *family) joined(tests []ir.Test, fail label) {
	f.emit("", movImm(asm.R3, 0))
	for _, t := range tests {
		if absent := f.absent(t.Atom); absent != nil {
			f.emit(t.Atom.String()+" present", absent...)
			f.emit("", asm.Or.Reg(asm.R3, asm.R0))
		}
		if len(t.Or) == 0 {
			f.miss(t)
		} else {
			f.missAll(t)
		}
		f.emit("", asm.Or.Reg(asm.R3, asm.R0))
	}
	f.jump(asm.JNE.Imm(asm.R3, 0, ""), fail)
}

// missAll is miss for a test with alternatives: R0 becomes 1 if all of them
// miss, else 0.
func (f *family) missAll(t ir.Test) {
	for i, other := range alternatives(t) { // only the first one may need a table, which takes R5
		f.miss(other)
		f.emit("one for any miss", movImm(asm.R2, 0), asm.Sub.Reg(asm.R2, asm.R0), asm.Or.Reg(asm.R0, asm.R2), asm.RSh.Imm(asm.R0, 63))
		if i == 0 {
			f.emit("", asm.Mov.Reg(asm.R5, asm.R0))
		} else {
			f.emit("and for all", asm.And.Reg(asm.R5, asm.R0))
		}
	}
	f.emit("", asm.Mov.Reg(asm.R0, asm.R5))
}

// miss makes R0 zero for a match, else another number. It leaves R3 alone,
// and R5 unless it needs a table.
func (f *family) miss(t ir.Test) {
	switch {
	case f.absent(t.Atom) != nil && t.Whole(): // a table would have no bounds to tell
		f.emit("any "+t.Atom.String(), movImm(asm.R0, 0))
	case !f.joinable(t):
		f.missTable(t)
	case t.Atom.Size == 16:
		f.missPrefix(t)
	default:
		f.missNumber(t)
	}
}

func (f *family) missTable(t ir.Test) {
	if !f.search(t).inside {
		f.emit(t.Atom.String()+" in table", asm.Xor.Imm(asm.R0, 1))
	}
}

func (f *family) missPrefix(t ir.Test) {
	n, _ := prefixLength(t.Ranges[0])
	words := addressWords(t.Atom, t.Ranges[0].Lo, n)
	for i, w := range words {
		to := asm.R0
		if i > 0 {
			to = asm.R1
		}
		f.emit(t.String(), w.load(to)...)
		f.emit("", asm.LoadImm(asm.R2, int64(w.want), asm.DWord), asm.Xor.Reg(to, asm.R2))
		if i > 0 {
			f.emit("", asm.Or.Reg(asm.R0, to))
		}
	}
	if len(words) == 0 {
		f.emit("any address", movImm(asm.R0, 0))
	}
}

func (f *family) missNumber(t ir.Test) {
	o := f.operand(t.Atom)
	lo, hi := t.Ranges[0].Lo.Lo+o.bias, t.Ranges[0].Hi.Lo+o.bias
	f.emit(t.String(), o.load...)
	mask, isPrefix := prefixMask(uint32(lo), uint32(hi))
	switch {
	case o.wide: // one value: see joinable
		f.emit("", asm.LoadImm(asm.R2, int64(lo), asm.DWord), asm.Xor.Reg(asm.R0, asm.R2))
	case o.network != 0 && isPrefix:
		f.emit("", o.mask(mask)...)
		f.emit("", asm.Xor.Imm32(asm.R0, int32(o.networkOrder(uint32(lo)))))
	case lo == hi:
		f.emit("", asm.Xor.Imm32(asm.R0, int32(lo)))
	default:
		if o.network != 0 {
			f.emit("", o.toHost(asm.R0))
		}
		// R0 = 1 if value - lo > hi - lo, as 32-bit numbers.
		f.emit("", asm.Sub.Imm32(asm.R0, int32(lo)), movImm(asm.R2, uint32(hi-lo)),
			asm.Sub.Reg(asm.R2, asm.R0), asm.Mov.Reg(asm.R0, asm.R2), asm.RSh.Imm(asm.R0, 63))
	}
}

// joinable says that a test is one compare for each number: one range of
// numbers of 32 bits, a wider number, an IPv6 prefix. Others are searched in a
// table to be joined.
func (f *family) joinable(t ir.Test) bool {
	switch {
	case len(t.Ranges) > 1 || len(t.Or) > 0:
		return false
	case t.Atom.Size == 16:
		_, ok := prefixLength(t.Ranges[0])
		return ok
	}
	return t.Ranges[0].Lo == t.Ranges[0].Hi || !f.isWide(t.Atom)
}

// isWide says that an atom of at most eight bytes is compared in 64 bits.
func (f *family) isWide(a ir.Atom) bool {
	if v, ok := f.valueOf(a, f.term); ok {
		return isWide(v)
	}
	return a.Size > 4
}
