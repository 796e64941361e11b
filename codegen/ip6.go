package codegen

import (
	"math/bits"

	"github.com/cilium/ebpf/asm"

	"xdpfw/codegen/ir"
)

// Extension headers that are walked (RFC 8200, RFC 4302).
const (
	extHopByHop    = 0
	extRouting     = 43
	extFragment    = 44
	extAH          = 51
	extDestination = 60
)

// maxExtensions is how many extension headers are walked; one more makes the
// packet invalid.
const maxExtensions = 8

// headerIP6 emits the check of an IPv6 header at regNet: 40 bytes, version 6.
func (c *chain) headerIP6(malformed label) {
	c.beyond("IPv6 header: 40 bytes", regNet, 40, asm.R0, malformed)
	c.emit("ip6.version", asm.LoadMem(asm.R0, regNet, 0, asm.Byte), asm.RSh.Imm(asm.R0, 4))
	c.jump(jne(asm.R0, 6), malformed)
}

// chainIP6 emits what becomes of IPv6 packets.
func (c *chain) chainIP6(k, malformed *kind) {
	c.origin = 0
	c.bind(k.entry)
	c.emitPlain(k, malformed)
	c.headerIP6(malformed.entry)
	k.chain.begin()
	k.chain.emitRules()
}

// walkIP6 emits the walk over the extension headers: behind it slotProtocol,
// slotFragment, slotL4 and slotL4Len are filled.
//
// The loop keeps in R1 the type of the next header, in R2 its offset from the
// network header, in R3 how many have been walked.
func (f *family) walkIP6() {
	head, found, done := f.newLabel("ip6.walk"), f.newLabel("ip6.protocol"), f.newLabel("ip6.walked")
	f.emit("no protocol yet", slotProtocol.storeImm(noProtocol))
	f.emit("no fragment", slotFragment.storeImm(ir.NotFragment+fragmentBias))
	f.emit("no transport header", slotL4.storeImm(40), slotL4Len.storeImm(l4LenBias-1))
	if f.keepsExtensions() {
		f.emit("no extension header yet", slotWalked.storeImm(walkedBias), slotExtensions.storeImm(noExtensions))
	}
	f.payloadEnd(done)
	// 40, from the stack: were it known, the check of the first extension header
	// would widen what the verifier knows to be readable behind regNet on this
	// way only, and it would walk all rules a second time for the other.
	f.emit("R2 = offset of the header", slotL4.load(asm.R2), asm.And.Imm(asm.R2, 63))
	f.jumpFor("TCP: no walk", jeq(asm.R1, 6), found)
	f.jumpFor("UDP: no walk", jeq(asm.R1, 17), found)
	f.emit("R3 = headers walked", movImm(asm.R3, 0))

	f.bind(head)
	f.extension(head, found, done)

	f.bind(found)
	f.emit("protocol", slotProtocol.store(asm.R1))
	f.endExtensions()
	f.emit("offset of the transport header", slotL4.store(asm.R2))
	f.emit("bytes of it", slotIPEnd.load(asm.R0), asm.Sub.Reg(asm.R0, asm.R2), asm.Add.Imm(asm.R0, l4LenBias), slotL4Len.store(asm.R0))
	f.bind(done)
}

// payloadEnd fills slotIPEnd from the payload length and leaves ip6.next in
// R1; a packet longer than its frame is not walked. Length 0 in front of a
// hop-by-hop header is a jumbogram: the packet ends with the frame (RFC 2675;
// net/ipv6/ip6_input.c, ip6_rcv_core).
func (f *family) payloadEnd(broken label) {
	plain, end := f.newLabel("ip6.sized"), f.newLabel("ip6.end")
	f.emit("ip6.next", asm.LoadMem(asm.R1, regNet, 6, asm.Byte))
	f.emit("ip6.len", asm.LoadMem(asm.R0, regNet, 4, asm.Half), asm.HostTo(asm.BE, asm.R0, asm.Half))
	f.emitPresent(asm.R2)
	f.jump(jne(asm.R0, 0), plain)
	// Of R1 a copy is compared, so that the verifier finds both ways the same
	// where they meet.
	f.emit("", asm.Mov.Reg(asm.R4, asm.R1), asm.And.Imm(asm.R4, 0xff))
	f.jump(jne(asm.R4, extHopByHop), plain)
	f.emit("jumbogram: ends with the frame", slotIPEnd.store(asm.R2))
	f.goTo(end)
	f.bind(plain)
	f.emit("", asm.Add.Imm(asm.R0, 40))
	f.jump(asm.JGT.Reg(asm.R0, asm.R2, ""), broken)
	f.emit("end of the packet", slotIPEnd.store(asm.R0))
	f.bind(end)
}

// extension steps over one extension header and back to head, or goes to
// found where R1 is no extension header.
//
// What kind of header it is decides by arithmetic, not by branches: ways that
// part and meet again in a loop the verifier walks once for each combination,
// since it soon forgets states of the loop's head that did not help it.
func (f *family) extension(head, found, done label) {
	later := f.newLabel("ip6.later")
	f.jumpFor("no extension header", jgt(asm.R1, 63), found)
	f.emit("R0 = bit of its type", movImm(asm.R0, 1), asm.LSh.Reg(asm.R0, asm.R1))
	f.emit("types of extension headers", asm.LoadImm(asm.R4, extensionTypes(), asm.DWord), asm.And.Reg(asm.R0, asm.R4))
	f.jumpFor("no extension header", asm.JEq.Imm(asm.R0, 0, ""), found)
	f.noteExtension()
	f.emit("", asm.Add.Imm(asm.R3, 1))
	f.jumpFor("too many", jgt(asm.R3, maxExtensions), done)
	f.emit("R5 = the header", asm.Mov.Reg(asm.R5, regNet), asm.Add.Reg(asm.R5, asm.R2))
	f.beyond("at least 8 bytes", asm.R5, 8, asm.R4, done)
	f.sizeIP6()
	f.emit("R4 = offset behind it", asm.Add.Reg(asm.R4, asm.R2))
	f.emit("end of the packet", slotIPEnd.load(asm.R1))
	f.jump(asm.JGT.Reg(asm.R4, asm.R1, ""), done)
	f.fragmentIP6(later)
	f.emit("next header", asm.LoadMem(asm.R1, asm.R5, 0, asm.Byte), asm.Mov.Reg(asm.R2, asm.R4))
	f.loopTo(head, maxExtensions)

	f.bind(later)
	f.emit("later fragment", slotFragment.storeImm(ir.LaterFragment+fragmentBias))
	f.emit("protocol", asm.LoadMem(asm.R0, asm.R5, 0, asm.Byte), slotProtocol.store(asm.R0))
	f.endExtensions()
	f.goTo(done)
}

// extensionTypes has the bit of each type of extension header.
func extensionTypes() int64 {
	types := int64(1) << extAH
	for _, h := range extensionBits {
		types |= 1 << h.number
	}
	return types
}

// bitOf puts 1 into a register if the header at hand, whose bit is in R0, is of
// that type, else 0.
func (f *family) bitOf(number int32, to asm.Register) {
	f.emit("", asm.Mov.Reg(to, asm.R0), asm.RSh.Imm(to, number), asm.And.Imm(to, 1))
}

// sizeIP6 puts the size of the extension header at R5 into R4. The length field
// counts 8 bytes behind the first 8, in an AH (RFC 4302, 2.2) 4 bytes behind
// the first 8; a fragment header has none.
func (f *family) sizeIP6() {
	f.emit("header length field", asm.LoadMem(asm.R4, asm.R5, 1, asm.Byte))
	f.bitOf(extFragment, asm.R1)
	f.emit("of a fragment header: 0", asm.Xor.Imm(asm.R1, 1), asm.Mul.Reg(asm.R4, asm.R1))
	f.bitOf(extAH, asm.R1)
	f.emit("(length + 1) × 8, or of AH (length + 2) × 4", asm.Add.Imm(asm.R4, 1), asm.Add.Reg(asm.R4, asm.R1),
		asm.Xor.Imm(asm.R1, 3), asm.LSh.Reg(asm.R4, asm.R1), asm.And.Imm(asm.R4, 0xfff))
}

// fragmentIP6 reads the header at R5 if its bit, in R0, says that it is a
// fragment header: the walk goes on behind an atomic fragment, which is none,
// and a first one, and stops at a later one.
func (f *family) fragmentIP6(later label) {
	f.emit("fragment offset, M", asm.LoadMem(asm.R1, asm.R5, 2, asm.Half), asm.HostTo(asm.BE, asm.R1, asm.Half))
	f.emit("of other headers: 0", asm.RSh.Imm(asm.R0, extFragment), asm.And.Imm(asm.R0, 1), asm.Mul.Reg(asm.R1, asm.R0))
	f.jump(asm.JGT.Imm32(asm.R1, 7, ""), later)
	f.emit("first fragment if M", asm.And.Imm(asm.R1, 1), slotFragment.load(asm.R0), asm.Sub.Imm(asm.R0, ir.NotFragment+fragmentBias),
		asm.Or.Reg(asm.R0, asm.R1), asm.Add.Imm(asm.R0, ir.NotFragment+fragmentBias), slotFragment.store(asm.R0))
}

// keepsExtensions says whether some rule asks for extension headers.
func (f *family) keepsExtensions() bool { return f.ah || f.keeps(ir.Extensions) }

// The bits of ir.Extensions, by number of the header; that of AH is left.
var extensionBits = []struct{ number, bit uint32 }{{extHopByHop, 1}, {extRouting, 2}, {extFragment, 4}, {extDestination, 8}}

const extensionAH = 16

// noteExtension notes that an extension header, whose bit is in R0, has been
// met. If the walk fails behind it, that is forgotten.
func (f *family) noteExtension() {
	if !f.keepsExtensions() {
		return
	}
	f.emit("headers met", slotWalked.load(asm.R4))
	f.bitOf(extAH, asm.R1)
	f.emit("", asm.LSh.Imm(asm.R1, int32(bits.TrailingZeros8(extensionAH))), asm.Or.Reg(asm.R4, asm.R1))
	for _, h := range extensionBits {
		f.bitOf(int32(h.number), asm.R1)
		f.emit("", asm.LSh.Imm(asm.R1, int32(bits.TrailingZeros32(h.bit))), asm.Or.Reg(asm.R4, asm.R1))
	}
	f.emit("", slotWalked.store(asm.R4))
}

// endExtensions notes that the walk has ended well; it clobbers R0.
func (f *family) endExtensions() {
	if f.keepsExtensions() {
		f.emit("headers seen", slotWalked.load(asm.R0), asm.And.Imm(asm.R0, walkedBias-1), slotExtensions.store(asm.R0))
	}
}

// seeProtocol keeps the protocol, with the bit of ir.ProtocolAH if some rule
// asks for it.
func (f *family) seeProtocol() {
	if !f.ah {
		f.see(ir.ProtocolAH, slotProtocol)
		return
	}
	f.emit("an AH", slotExtensions.load(asm.R1), asm.And.Imm(asm.R1, extensionAH), asm.LSh.Imm(asm.R1, 4))
	f.emit("R7: protocol", slotProtocol.load(asm.R0), asm.Or.Reg(asm.R0, asm.R1))
	f.seeR0(ir.ProtocolAH)
}
