package codegen

import (
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/btf"

	"xdpfw/rules"
)

// The counter slots: the default, then the rules in their order.
const defaultSlot = 0

func ruleSlot(rule int) uint32 { return uint32(rule + 1) }

// action is the XDP action of a verdict (include/uapi/linux/bpf.h, enum xdp_action).
func action(v rules.Verdict) uint32 {
	switch v {
	case rules.Abort:
		return 0
	case rules.Pass:
		return 2
	case rules.TX:
		return 3
	case rules.Redirect:
		return 4
	}
	return 1
}

// endWith ends with a verdict that is counted in a slot.
func (c *chain) endWith(v rules.Verdict, target int, slot uint32) {
	if v == rules.Redirect {
		c.loadInterface(asm.R6, target)
		c.emit(v.String(), movImm(asm.R0, slot))
		c.goTo(c.redirect)
		return
	}
	c.emit(v.String(), movImm(asm.R0, slot<<8|action(v)))
	c.goTo(c.leaf)
}

// emitLeaf counts the packet and returns the verdict. R0 is the leaf: the
// counter slot in the upper 24 bits, the XDP action in the lower 8.
func (c *chain) emitLeaf() {
	if !c.jumpsTo(c.leaf) {
		return
	}
	c.bind(c.leaf)
	c.emit("R6 = XDP action", asm.Mov.Reg(asm.R6, asm.R0), asm.And.Imm(asm.R6, 0xff))
	c.emit("counter slot", asm.RSh.Imm(asm.R0, 8))
	out := c.newLabel("out")
	c.countSlot(out)
	c.bind(out)
	c.emit("", asm.Mov.Reg(asm.R0, asm.R6), asm.Return())
}

// emitRedirect counts the packet and sends it out of another interface. R0 is
// the counter slot, R6 the index of the interface.
func (c *chain) emitRedirect() {
	if !c.jumpsTo(c.redirect) {
		return
	}
	c.bind(c.redirect)
	out := c.newLabel("redirected")
	c.countSlot(out)
	c.bind(out)
	c.emit("", asm.Mov.Reg(asm.R1, asm.R6), movImm(asm.R2, 0))
	c.emit("", asm.FnRedirect.Call(), asm.Return())
}

// countSlot counts the packet in slot R0, and goes to out if there is none.
func (c *chain) countSlot(out label) {
	c.findCounter(out)
	c.emit("frame length", frameLength(asm.R1, asm.R2)...)
	c.addPacket()
}

// findCounter makes R0 a pointer to the counter in slot R0, or goes to out.
func (c *chain) findCounter(out label) {
	c.emit("", slotKey.store(asm.R0))
	c.emit("", asm.Mov.Reg(asm.R2, asm.R10), asm.Add.Imm(asm.R2, int32(slotKey)))
	c.emit("", asm.LoadMapPtr(asm.R1, 0).WithReference(CounterMap))
	c.emit("", asm.FnMapLookupElem.Call())
	c.jump(asm.JEq.Imm(asm.R0, 0, ""), out)
}

// countFunction is the name of the function that counts a packet for a rule
// that decides nothing: int count(int slot, int length).
//
// It is a function, and a global one, for the verifier's sake. A look-up in
// each rule is inlined, one after another, and each time the whole program is
// moved: 10,000 took 40 s. A global function is verified once and by itself,
// not where it is called, and leaves no branch pending there.
const countFunction = "count"

// count calls countFunction.
func (c *chain) count(rule int) {
	c.counts = true
	c.emit("counter slot", movImm(asm.R1, ruleSlot(rule)))
	c.emit("frame length", frameLength(asm.R2, asm.R0)...)
	c.emit("count", asm.Call.Label(countFunction))
}

// emitCount emits the function, if some rule calls it.
func (c *chain) emitCount() {
	if !c.counts {
		return
	}
	start := len(c.code)
	c.emit("frame length", asm.Mov.Reg(asm.R6, asm.R2))
	c.emit("counter slot", asm.Mov.Reg(asm.R0, asm.R1))
	out := c.newLabel("counted")
	c.findCounter(out)
	c.emit("", asm.Mov.Reg(asm.R1, asm.R6))
	c.addPacket()
	c.bind(out)
	c.emit("", movImm(asm.R0, 0), asm.Return())
	c.called = len(c.code) - start

	c.code[start].Instruction = c.code[start].WithSymbol(countFunction)
	number := &btf.Int{Name: "int", Size: 4, Encoding: btf.Signed}
	describe := func(at int, name string, linkage btf.FuncLinkage, params ...btf.FuncParam) {
		c.code[at].Instruction = btf.WithFuncMetadata(c.code[at].Instruction, &btf.Func{
			Name: name, Linkage: linkage, Type: &btf.FuncProto{Return: number, Params: params},
		})
	}
	describe(0, "xdpfw", btf.StaticFunc)
	describe(start, countFunction, btf.GlobalFunc, btf.FuncParam{Name: "slot", Type: number}, btf.FuncParam{Name: "length", Type: number})
}

// addPacket counts a packet of length R1 in the counter at R0.
func (c *chain) addPacket() {
	c.emit("packets + 1", asm.LoadMem(asm.R2, asm.R0, 0, asm.DWord), asm.Add.Imm(asm.R2, 1), asm.StoreMem(asm.R0, 0, asm.R2, asm.DWord))
	c.emit("bytes + frame length", asm.LoadMem(asm.R2, asm.R0, 8, asm.DWord), asm.Add.Reg(asm.R2, asm.R1), asm.StoreMem(asm.R0, 8, asm.R2, asm.DWord))
}

// frameLength puts the length of the frame in bytes into dst; it clobbers
// scratch. This is the length of the frame, not of the readable bytes, though
// without multi-buffer frames the two are one number.
func frameLength(dst, scratch asm.Register) []asm.Instruction {
	return []asm.Instruction{asm.LoadMem(dst, regCtx, ctxEnd, asm.Word), asm.LoadMem(scratch, regCtx, ctxData, asm.Word),
		asm.Sub.Reg(dst, scratch)}
}
