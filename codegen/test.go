package codegen

import (
	"math/bits"

	"github.com/cilium/ebpf/asm"

	"xdpfw/codegen/ir"
	"xdpfw/rules"
)

// maxInline is how many ranges a test compares one after another; longer
// lists are searched in a table.
const maxInline = 16

// An operand is how a test gets at a value of at most 32 bits.
type operand struct {
	load    []asm.Instruction // into R0
	network bool              // loaded in network order: needs be32 before it can be ordered
	bias    uint32            // what is added to the value
	top     uint32            // greatest value R0 can have, loaded and in host order
}

func (f *family) operand(a ir.Atom) operand {
	if !f.isSeen(a) {
		if a == ir.Protocol {
			return operand{load: []asm.Instruction{asm.LoadMem(asm.R0, regNet, 9, asm.Byte)}, top: 0xff}
		}
		return operand{load: []asm.Instruction{asm.LoadMem(asm.R0, regNet, int16(a.Offset), asm.Word)}, network: true, top: ^uint32(0)}
	}
	o := operand{load: loadSeen(a)}
	switch a {
	case ir.Protocol:
		o.top = noProtocol
	case ir.Fragment:
		o.bias, o.top = fragmentBias, ir.LaterFragment+fragmentBias
	case ir.Invalid:
		o.bias, o.top = invalidBias, 1+invalidBias
	case ir.SourcePort, ir.DestinationPort:
		o.top = noPort
	}
	return o
}

// test emits one test; a packet that fails it goes to fail. Every compare
// loads its value anew: a register that lives over the branches would make
// the verifier tell apart the ways that lead there.
func (f *family) test(t ir.Test, fail label) {
	if len(t.Ranges) > maxInline {
		outside := uint32(0)
		if f.search(t).inside {
			outside = 1
		}
		f.jumpFor(t.Atom.String()+" in table", jeq(asm.R0, outside), fail)
		return
	}
	unless := f.unlessNumber(t.Atom)
	if t.Atom.Size == 16 {
		unless = func(r rules.Range, to label) { f.unlessWide(t.Atom, r, to) }
	}
	last := len(t.Ranges) - 1
	if last == 0 {
		unless(t.Ranges[0], fail)
		return
	}
	match := f.newLabel("%s.in", f.kind.name)
	for _, r := range t.Ranges[:last] {
		next := f.newLabel("%s.or", f.kind.name)
		unless(r, next)
		f.goTo(match)
		f.bind(next)
	}
	unless(t.Ranges[last], fail)
	f.bind(match)
}

// unlessNumber gives the emitter of "jump unless the value is in the range"
// for values of at most 32 bits.
func (f *family) unlessNumber(a ir.Atom) func(rules.Range, label) {
	o := f.operand(a)
	return func(r rules.Range, to label) {
		lo, hi := uint32(r.Lo.Lo)+o.bias, uint32(r.Hi.Lo)+o.bias
		f.emit(a.String(), o.load...)
		if o.network {
			if mask, ok := prefixMask(lo, hi); ok {
				if mask != ^uint32(0) {
					f.emit("", asm.And.Imm32(asm.R0, int32(be32(mask))))
				}
				f.jumpFor(a.String()+" "+a.FormatRange(r), jne(asm.R0, be32(lo)), to)
				return
			}
			f.emit("", asm.HostTo(asm.BE, asm.R0, asm.Word))
		}
		comment := a.String() + " " + a.FormatRange(r)
		switch {
		case lo == hi:
			f.jumpFor(comment, jne(asm.R0, lo), to)
		case lo == 0:
			f.jumpFor(comment, jgt(asm.R0, hi), to)
		case hi == o.top:
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

// unlessWide emits "jump unless the address is in the range" for IPv6.
func (f *family) unlessWide(a ir.Atom, r rules.Range, to label) {
	comment := a.String() + " " + a.FormatRange(r)
	if n, ok := prefixLength(r); ok {
		for _, w := range wideWords(a, r.Lo, n) {
			f.emit(a.String(), w.load(asm.R0)...)
			f.emit("", asm.LoadImm(asm.R1, int64(w.want), asm.DWord))
			f.jumpFor(comment, asm.JNE.Reg(asm.R0, asm.R1, ""), to)
		}
		return
	}
	above, below := f.newLabel("ip6.above"), f.newLabel("ip6.below")
	f.orderWide(a, comment, r.Lo, asm.JLT, asm.JGT, to, above)
	f.bind(above)
	f.orderWide(a, comment, r.Hi, asm.JGT, asm.JLT, to, below)
	f.bind(below)
}

// orderWide compares an address with a bound, upper half first: outside jumps
// where the half is past the bound, inside where it is short of it.
func (f *family) orderWide(a ir.Atom, comment string, bound rules.Value, outside, inside asm.JumpOp, fail, ok label) {
	for i, half := range []uint64{bound.Hi, bound.Lo} {
		w := wideWord{at: int16(a.Offset) + 8*int16(i), bits: 64, want: half, ordered: true}
		f.emit(a.String(), w.load(asm.R0)...)
		f.emit("", asm.LoadImm(asm.R1, int64(half), asm.DWord))
		f.jumpFor(comment, outside.Reg(asm.R0, asm.R1, ""), fail)
		if i == 0 {
			f.jump(inside.Reg(asm.R0, asm.R1, ""), ok)
		}
	}
}

// A wideWord is eight bytes of an address of which the first bits must equal
// want.
type wideWord struct {
	at      int16
	bits    int // how many of the 64 count
	want    uint64
	ordered bool // want is in host order, whatever bits is
}

// wideWords are the compares that an IPv6 prefix asks for.
func wideWords(a ir.Atom, prefix rules.Value, length int) []wideWord {
	var out []wideWord
	at := int16(a.Offset)
	for _, half := range []uint64{prefix.Hi, prefix.Lo} {
		if n := min(length, 64); n > 0 {
			w := wideWord{at: at, bits: n, want: half >> (64 - n)}
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

// load the bits into r, so that they compare with want.
func (w wideWord) load(r asm.Register) []asm.Instruction {
	out := []asm.Instruction{asm.LoadMem(r, regNet, w.at, asm.DWord)}
	if w.ordered || w.bits < 64 {
		out = append(out, asm.HostTo(asm.BE, r, asm.DWord))
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
