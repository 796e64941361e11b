package codegen

import (
	"github.com/cilium/ebpf/asm"

	"xdpfw/codegen/ir"
)

// An operand is how a test gets at a number of at most 64 bits.
type operand struct {
	load    []asm.Instruction // into R0; may clobber R1
	network int               // not 0: loaded in network order, of so many bytes; needs toHost before it can be ordered
	wide    bool              // compares in 64 bits
	bias    uint64            // what is added to the value
	top     uint64            // greatest value R0 can have, loaded and in host order

	// absent loads into R0 what is not zero if the packet lacks the value; nil
	// if the number itself says so, or every packet has it.
	absent []asm.Instruction
}

// operand of an atom in the term at hand.
func (f *family) operand(a ir.Atom) operand {
	v, ok := f.valueOf(a, f.term)
	switch {
	case ok:
		return f.seenOperand(v, a)
	case a.Layer == ir.Transport: // of plain packets
		a.Offset += uint16(headerSize(f.ip6))
		return headerOperand(a)
	case a.Layer != ir.Meta:
		return headerOperand(a)
	case a.Offset == ir.FrameLength.Offset:
		load := []asm.Instruction{asm.LoadMem(asm.R0, regCtx, ctxEnd, asm.Word), asm.LoadMem(asm.R1, regCtx, ctxData, asm.Word), asm.Sub.Reg(asm.R0, asm.R1)}
		return operand{load: append(load, pick(a)...), top: a.Max().Lo}
	}
	protocol := ir.Atom{Layer: ir.IP4Header, Offset: 9, Size: 1, Mask: a.Mask}
	if f.ip6 {
		protocol.Layer, protocol.Offset = ir.IP6Header, 6
	}
	return headerOperand(protocol)
}

// networkOrder is a number as it is loaded.
func (o operand) networkOrder(n uint32) uint32 {
	if o.network == 2 {
		return be16(uint16(n))
	}
	return be32(n)
}

// toHost brings a register from network order to that of the host.
func (o operand) toHost(r asm.Register) asm.Instruction {
	return asm.HostTo(asm.BE, r, sizes[uint8(o.network)])
}

// mask leaves the bits of a netmask in R0, in network order.
func (o operand) mask(netmask uint32) []asm.Instruction {
	all := ^uint32(0) >> (32 - 8*o.network)
	if netmask&all == all {
		return nil
	}
	return []asm.Instruction{asm.And.Imm32(asm.R0, int32(o.networkOrder(netmask)))}
}

// seenOperand is that of a value that the parser has kept.
func (f *family) seenOperand(v value, a ir.Atom) operand {
	load, top := f.seen(v, a)
	o := operand{load: load, top: top, wide: isWide(v)}
	switch {
	case v == ir.Fragment:
		o.bias, o.top = fragmentBias, ir.LaterFragment+fragmentBias
	case v == ir.Invalid:
		o.bias, o.top = invalidBias, 1+invalidBias
	case a == ir.Tagged: // the bit says that there is none
		o.load = append(o.load, asm.Xor.Imm(asm.R0, 1))
	case v.Size == 8:
		o.absent = []asm.Instruction{asm.LoadMem(asm.R0, regSeen, int16(f.values.at[v])+8, asm.Word)}
	}
	return o
}

// headerOperand is that of bytes of a header, counted from regNet, which the
// parser has found readable.
func headerOperand(a ir.Atom) operand {
	a = narrowest(a)
	whole := a == a.Bytes()
	if whole && (a.Size == 4 || a.Size == 2) {
		return operand{load: []asm.Instruction{asm.LoadMem(asm.R0, regNet, int16(a.Offset), sizes[a.Size])}, network: int(a.Size), top: a.Max().Lo}
	}
	return operand{load: append(loadNumber(regNet, a), pick(a)...), wide: a.Size > 4, top: a.Max().Lo}
}

// narrowest is the atom of the same bits that has the fewest bytes.
func narrowest(a ir.Atom) ir.Atom {
	for a.Size == 2 || a.Size == 4 || a.Size == 8 {
		half := a.Size / 2
		low := uint64(1)<<(8*half) - 1
		switch {
		case a.Mask.Lo&^low == 0:
			a.Offset += uint16(half)
		case a.Mask.Lo&low == 0:
			a.Mask.Lo >>= 8 * half
		default:
			return a
		}
		a.Size = half
	}
	return a
}

// sizes of the loads that take so many bytes.
var sizes = map[uint8]asm.Size{1: asm.Byte, 2: asm.Half, 4: asm.Word, 6: asm.DWord, 8: asm.DWord}

// loadNumber loads the bytes of an atom behind a packet pointer into R0 as a
// number. Six bytes are loaded as eight, so eight must be readable.
func loadNumber(from asm.Register, a ir.Atom) []asm.Instruction {
	size := sizes[a.Size]
	out := []asm.Instruction{asm.LoadMem(asm.R0, from, int16(a.Offset), size)}
	if a.Size > 1 {
		out = append(out, asm.HostTo(asm.BE, asm.R0, size))
	}
	if a.Size == 6 {
		out = append(out, asm.RSh.Imm(asm.R0, 16))
	}
	return out
}

// readable is how many bytes behind its layer's start a load of the atom needs.
func readable(a ir.Atom) int32 {
	if a.Size == 6 {
		return int32(a.Offset) + 8
	}
	return int32(a.Offset) + int32(a.Size)
}

// pick leaves in R0, which holds the atom's bytes as a number, the bits of its
// mask, shifted down.
func pick(a ir.Atom) []asm.Instruction {
	var out []asm.Instruction
	shift := a.Shift()
	if shift != 0 {
		out = append(out, asm.RSh.Imm(asm.R0, int32(shift)))
	}
	if loaded := a.Bytes().Max().Lo >> shift; loaded != a.Max().Lo {
		out = append(out, andNumber(asm.R0, a.Max().Lo)...)
	}
	return out
}
