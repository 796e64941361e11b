package codegen

import (
	"github.com/cilium/ebpf/asm"

	"xdpfw/codegen/ir"
)

// headerIP4 emits the check of an IPv4 header at regNet (RFC 791). Behind it
// R0 is the header's length, R1 the packet's, and regNet has 20 readable bytes.
func (c *chain) headerIP4(malformed label) {
	c.beyond("IPv4 header: 20 bytes", regNet, 20, asm.R0, malformed)
	c.emit("ip.version, ip.hdrlen", asm.LoadMem(asm.R1, regNet, 0, asm.Byte))
	c.emit("header length in bytes", movImm(asm.R0, 20))
	sized := c.newLabel("ip4.sized")
	c.jumpFor("no options", jeq(asm.R1, 0x45), sized)
	c.emit("", asm.Mov.Reg(asm.R0, asm.R1), asm.RSh.Imm(asm.R1, 4))
	c.jump(jne(asm.R1, 4), malformed)
	c.emit("header length in bytes", asm.And.Imm(asm.R0, 15), asm.LSh.Imm(asm.R0, 2))
	c.jump(jlt(asm.R0, 20), malformed)
	c.emit("R2 = behind the options", asm.Mov.Reg(asm.R2, regNet), asm.Add.Reg(asm.R2, asm.R0))
	c.jump(asm.JGT.Reg(asm.R2, regEnd, ""), malformed)
	c.bind(sized)
	c.emit("ip.len", asm.LoadMem(asm.R1, regNet, 2, asm.Half), asm.HostTo(asm.BE, asm.R1, asm.Half))
	c.jump(asm.JLT.Reg(asm.R1, asm.R0, ""), malformed)
	c.emitPresent(asm.R2)
	c.jump(asm.JGT.Reg(asm.R1, asm.R2, ""), malformed)
}

// emitPresent puts into dst how many bytes of the frame are there from the
// network header on, as opposed to how many can be read. It clobbers R3.
func (c *chain) emitPresent(dst asm.Register) {
	c.emit("bytes present", asm.Mov.Reg(dst, regEnd), asm.Sub.Reg(dst, regNet))
	if c.spreads {
		c.emit("with those in further buffers", slotElsewhere.load(asm.R3), asm.Add.Reg(dst, asm.R3))
	}
}

// chainIP4 emits what becomes of IPv4 packets.
func (c *chain) chainIP4(k, malformed *kind) {
	f := k.chain
	c.origin = 0
	c.bind(k.entry)
	c.emitPlain(k, malformed)
	c.headerIP4(malformed.entry)
	if f.keepsAny(func(v value) bool { return v.Layer == ir.Transport || v.Layer == ir.Payload || v == ir.Invalid }) {
		c.emit("offset of the transport header", slotL4.store(asm.R0))
		c.emit("bytes behind the header", asm.Sub.Reg(asm.R1, asm.R0), asm.Add.Imm(asm.R1, l4LenBias), slotL4Len.store(asm.R1))
	}
	f.begin()
	f.emitRules()
}

// fragmentIP4 emits what fills slotFragment.
func (f *family) fragmentIP4() {
	done := f.newLabel("%s.fragment.done", f.kind.name)
	f.emit("ip.offset, ip.mf", asm.LoadMem(asm.R0, regNet, 6, asm.Half), asm.HostTo(asm.BE, asm.R0, asm.Half))
	f.emit("", movImm(asm.R1, ir.LaterFragment+fragmentBias))
	f.emit("", asm.Mov.Reg(asm.R2, asm.R0), asm.And.Imm(asm.R2, 0x1fff))
	f.jump(jne(asm.R2, 0), done)
	f.emit("", movImm(asm.R1, ir.FirstFragment+fragmentBias), asm.And.Imm(asm.R0, 0x2000))
	f.jump(jne(asm.R0, 0), done)
	f.emit("", movImm(asm.R1, ir.NotFragment+fragmentBias))
	f.bind(done)
	f.emit("fragment", slotFragment.store(asm.R1))
}
