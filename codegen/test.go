package codegen

import (
	"slices"

	"github.com/cilium/ebpf/asm"

	"xdpfw/codegen/ir"
	"xdpfw/rules"
)

// maxInline is how many ranges a test compares one after another; longer
// lists are searched in a table.
const maxInline = 16

// tests emits the tests of a term; a packet that fails one goes to fail. Those
// of one compare stand first, since they are cheap.
func (f *family) tests(t ir.Term, fail label) {
	f.term = t
	var simple, lists []ir.Test
	for _, test := range t {
		switch {
		case f.implied(test, t):
		case f.joinable(test):
			simple = append(simple, test)
		default:
			lists = append(lists, test)
		}
	}
	all := append(simple, lists...)
	if f.join && (len(all) > 1 || len(all) == 1 && branches(all[0]) > 1) {
		f.joined(all, fail)
		return
	}
	for _, test := range all {
		f.test(test, fail)
	}
}

// implied says that a test needs no code, because another of the term asks for
// as much: there are no ports in protocols without ports.
func (f *family) implied(test ir.Test, t ir.Term) bool {
	if test.Atom != ir.Protocol || len(test.Or) > 0 || len(test.Ranges) != len(ir.PortProtocols) || !asksForPorts(t) {
		return false
	}
	for _, other := range t {
		if v, ok := f.valueOf(other.Atom, t); ok && (v == ir.SourcePort || v == ir.DestinationPort) {
			return true
		}
	}
	return false
}

// test emits one test; a packet that fails it goes to fail. Every compare
// loads its value anew: a register that lives over the branches would make
// the verifier tell apart the ways that lead there.
func (f *family) test(t ir.Test, fail label) {
	if absent := f.absent(t.Atom); absent != nil { // and so is every alternative: they are bits of the same bytes
		f.emit(t.Atom.String()+" present", absent...)
		f.jump(jne(asm.R0, 0), fail)
	}
	match := noLabel
	if len(t.Or) > 0 || len(t.Ranges) > 1 && len(t.Ranges) <= maxInline {
		match = f.newLabel("%s.in", f.kind.name)
	}
	for i, other := range alternatives(t) {
		if i == len(t.Or) {
			f.testRanges(other, match, fail)
			break
		}
		next := f.newLabel("%s.or", f.kind.name)
		f.testRanges(other, match, next)
		f.goTo(match)
		f.bind(next)
	}
	if match != noLabel {
		f.bind(match)
	}
}

// alternatives are the tests of which one must hold.
func alternatives(t ir.Test) []ir.Test {
	return append([]ir.Test{{Atom: t.Atom, Ranges: t.Ranges}}, t.Or...)
}

// absent is how to find out that a packet lacks an atom, where its number does
// not say so.
func (f *family) absent(a ir.Atom) []asm.Instruction {
	if a.Size != 8 {
		return nil
	}
	return f.operand(a).absent
}

// testRanges emits the test of a value; a packet that has it falls through, or
// goes to match.
func (f *family) testRanges(t ir.Test, match, fail label) {
	if len(t.Ranges) > maxUnindexed {
		f.unlessListed(t.Atom, t.Ranges, fail)
		return
	}
	if len(t.Ranges) > maxInline {
		outside := uint32(0)
		if f.search(t).inside {
			outside = 1
		}
		f.jumpFor(t.Atom.String()+" in table", jeq(asm.R0, outside), fail)
		return
	}
	if f.plain != nil && len(t.Ranges) > 1 && t.Atom.Size < 16 && !f.isWide(t.Atom) {
		f.anyRange(t, match, fail)
		return
	}
	unless := func(r rules.Range, to label) { f.unlessAddress(t.Atom, r, to) }
	if t.Atom.Size < 16 {
		unless = f.unlessNumber(t.Atom)
	}
	last := len(t.Ranges) - 1
	for _, r := range t.Ranges[:last] {
		next := f.newLabel("%s.or", f.kind.name)
		unless(r, next)
		f.goTo(match)
		f.bind(next)
	}
	unless(t.Ranges[last], fail)
}

// anyRange emits the test of a number with one load, and a jump to match for
// each range but the last. Each leaves a branch pending until all rules behind
// are explored, so this is for the few of plain kinds.
func (f *family) anyRange(t ir.Test, match, fail label) {
	o := f.operand(t.Atom)
	single := !slices.ContainsFunc(t.Ranges, func(r rules.Range) bool { return r.Lo != r.Hi })
	f.emit(t.Atom.String(), o.load...)
	if o.network != 0 && !single {
		f.emit("", o.toHost(asm.R0))
	}
	for i, r := range t.Ranges {
		comment := t.Atom.String() + " " + t.Atom.FormatRange(r)
		lo, hi := uint32(r.Lo.Lo+o.bias), uint32(r.Hi.Lo+o.bias)
		isLast := i == len(t.Ranges)-1
		switch {
		case o.network != 0 && single:
			lo = o.networkOrder(lo)
			fallthrough
		case lo == hi:
			if isLast {
				f.jumpFor(comment, jne(asm.R0, lo), fail)
			} else {
				f.jumpFor(comment, jeq(asm.R0, lo), match)
			}
		default:
			f.emit("", asm.Mov.Reg32(asm.R1, asm.R0), asm.Sub.Imm32(asm.R1, int32(lo)))
			if isLast {
				f.jumpFor(comment, jgt(asm.R1, hi-lo), fail)
			} else {
				f.jumpFor(comment, asm.JLE.Imm32(asm.R1, int32(hi-lo), ""), match)
			}
		}
	}
}

// unlessNumber gives the emitter of "jump unless the value is in the range"
// for values of at most 64 bits.
func (f *family) unlessNumber(a ir.Atom) func(rules.Range, label) {
	o := f.operand(a)
	if o.wide {
		return func(r rules.Range, to label) { f.unlessWide(o, a, r, to) }
	}
	return func(r rules.Range, to label) {
		lo, hi := uint32(r.Lo.Lo+o.bias), uint32(r.Hi.Lo+o.bias)
		f.emit(a.String(), o.load...)
		if o.network != 0 {
			if mask, ok := prefixMask(lo, hi); ok {
				f.emit("", o.mask(mask)...)
				f.jumpFor(a.String()+" "+a.FormatRange(r), jne(asm.R0, o.networkOrder(lo)), to)
				return
			}
			f.emit("", o.toHost(asm.R0))
		}
		comment := a.String() + " " + a.FormatRange(r)
		switch {
		case lo == hi:
			f.jumpFor(comment, jne(asm.R0, lo), to)
		case lo == 0:
			f.jumpFor(comment, jgt(asm.R0, hi), to)
		case uint64(hi) == o.top:
			f.jumpFor(comment, jlt(asm.R0, lo), to)
		default:
			f.emit("", asm.Sub.Imm32(asm.R0, int32(lo)))
			f.jumpFor(comment, jgt(asm.R0, hi-lo), to)
		}
	}
}

// prefixMask is the netmask, if lo to hi are the addresses of one prefix.
func prefixMask(lo, hi uint32) (uint32, bool) {
	host := lo ^ hi
	return ^host, host&(host+1) == 0 && lo&host == 0
}

// unlessWide emits "jump unless the value is in the range" in 64 bits.
func (f *family) unlessWide(o operand, a ir.Atom, r rules.Range, to label) {
	lo, hi := r.Lo.Lo, r.Hi.Lo
	comment := a.String() + " " + a.FormatRange(r)
	f.emit(a.String(), o.load...)
	switch {
	case lo == hi:
		f.jumpNumber(comment, asm.JNE, lo, to)
	case lo == 0:
		f.jumpNumber(comment, asm.JGT, hi, to)
	default:
		f.emit("", asm.LoadImm(asm.R1, int64(lo), asm.DWord), asm.Sub.Reg(asm.R0, asm.R1))
		f.jumpNumber(comment, asm.JGT, hi-lo, to)
	}
}

// jumpNumber jumps by a compare of R0 with a number of 64 bits: an immediate
// has 32, of which the sign is extended.
func (f *family) jumpNumber(comment string, op asm.JumpOp, n uint64, to label) {
	if n < 1<<31 {
		f.jumpFor(comment, op.Imm(asm.R0, int32(n), ""), to)
		return
	}
	f.emit("", asm.LoadImm(asm.R1, int64(n), asm.DWord))
	f.jumpFor(comment, op.Reg(asm.R0, asm.R1, ""), to)
}
