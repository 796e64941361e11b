package codegen

import (
	"github.com/cilium/ebpf/asm"

	"xdpfw/rules"
)

// The counter slots of CountRules: the default, then the rules in their order.
// Those of CountVerdicts: the default, then the verdicts, by XDP action.
const defaultSlot = 0

func ruleSlot(rule int) uint32 { return uint32(rule + 1) }

func verdictSlot(v rules.Verdict) uint32 { return action(v) + 1 }

// counters says what the slots count.
func counters(rs *rules.RuleSet, counting string, origins []Origin) []Counter {
	byDefault := Counter{Rule: rules.ByDefault, Key: "default", Source: rs.File.Name, Line: rs.DefaultSpan.Position().Line,
		Text: "default " + rs.Default.String(), Verdict: rs.Default}
	switch counting {
	case CountNone:
		return nil
	case CountVerdicts:
		out := make([]Counter, counterSlots(rs, counting))
		out[defaultSlot] = byDefault
		for _, v := range []rules.Verdict{rules.Pass, rules.Drop, rules.Abort, rules.TX, rules.Redirect} {
			out[verdictSlot(v)] = Counter{Rule: AnyRule, Key: "verdict " + v.String(), Source: rs.File.Name, Text: v.String(), Verdict: v}
		}
		return out
	}
	out := make([]Counter, counterSlots(rs, counting))
	out[defaultSlot] = byDefault
	for i := range rs.Rules {
		r, at := &rs.Rules[i], &origins[ruleOrigin(i)]
		out[ruleSlot(i)] = Counter{Rule: i, Key: r.Key, Name: r.Name, Source: at.Position.File, Line: at.Position.Line, Text: at.Text, Verdict: r.Verdict}
	}
	return out
}

// counterSlots is how many counters there are.
func counterSlots(rs *rules.RuleSet, counting string) int {
	switch counting {
	case CountNone:
		return 0
	case CountVerdicts:
		return 1 + 5
	}
	return 1 + len(rs.Rules)
}

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

// endWith ends with a verdict that is counted in a slot, which is that of
// CountRules also where others are counted: emitLeaf knows.
func (c *chain) endWith(v rules.Verdict, target int, slot uint32) {
	if v == rules.Redirect {
		c.loadInterface(asm.R6, target)
		if c.counting == CountRules {
			c.emit(v.String(), movImm(asm.R0, slot))
		}
		c.goTo(c.redirect)
		return
	}
	if c.counting == CountNone {
		c.emit(v.String(), movImm(asm.R0, action(v)), asm.Return())
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
	if c.counting == CountNone {
		c.emit("XDP action", asm.And.Imm(asm.R0, 0xff), asm.Return())
		return
	}
	c.emit("R6 = XDP action", asm.Mov.Reg(asm.R6, asm.R0), asm.And.Imm(asm.R6, 0xff))
	if c.counting == CountVerdicts {
		c.toVerdictSlot()
	} else {
		c.emit("counter slot", asm.RSh.Imm(asm.R0, 8))
	}
	out := c.newLabel("out")
	c.countSlot(out)
	c.bind(out)
	c.emit("", asm.Mov.Reg(asm.R0, asm.R6), asm.Return())
}

// toVerdictSlot makes of the leaf in R0, whose action is in R6, the slot of
// the verdict: without a branch, which packets would take now this way, now that.
func (c *chain) toVerdictSlot() {
	c.emit("all ones if a rule decided", asm.RSh.Imm(asm.R0, 8), asm.Neg.Imm(asm.R0, 0), asm.ArSh.Imm(asm.R0, 63))
	c.emit("counter slot", asm.Mov.Reg(asm.R1, asm.R6), asm.Add.Imm(asm.R1, 1), asm.And.Reg(asm.R0, asm.R1))
}

// emitRedirect counts the packet and sends it out of another interface. R0 is
// the counter slot, R6 the index of the interface.
func (c *chain) emitRedirect() {
	if !c.jumpsTo(c.redirect) {
		return
	}
	c.bind(c.redirect)
	switch c.counting {
	case CountVerdicts:
		c.emit("counter slot", movImm(asm.R0, verdictSlot(rules.Redirect)))
		fallthrough
	case CountRules:
		out := c.newLabel("redirected")
		c.countSlot(out)
		c.bind(out)
	}
	c.emit("", asm.Mov.Reg(asm.R1, asm.R6), movImm(asm.R2, 0))
	c.emit("", asm.FnRedirect.Call(), asm.Return())
}

// countSlot counts the packet in slot R0, and goes to out if there is none.
func (c *chain) countSlot(out label) {
	c.findCounter(out)
	c.frameLength(asm.R1, asm.R2)
	c.addPacket()
}

// findCounter makes R0 a pointer to the counter in slot R0, or goes to out. If
// elements hold several slots it clobbers R7.
func (c *chain) findCounter(out label) {
	switch {
	case c.layout.perElement == 1:
		c.emit("", slotKey.store(asm.R0))
	default:
		// Over the stack, since the verifier would walk what follows once for
		// each slot that it knows: what is added to a pointer it is precise about.
		c.emit("", slotKey.store(asm.R0), slotKey.load(asm.R7))
		if c.layout.elements == 1 {
			c.emit("", slotKey.storeImm(0))
			break
		}
		c.emit("element", asm.Mov.Reg(asm.R0, asm.R7), asm.RSh.Imm(asm.R0, log2(c.layout.perElement)), slotKey.store(asm.R0))
	}
	c.lookUpCounters()
	c.jump(asm.JEq.Imm(asm.R0, 0, ""), out)
	if c.layout.perElement > 1 {
		c.emit("slot in the element", asm.And.Imm(asm.R7, int32(c.layout.perElement-1)), asm.LSh.Imm(asm.R7, log2(counterSize)))
		c.emit("", asm.Add.Reg(asm.R0, asm.R7))
	}
}

// lookUpCounters looks for the element in slotKey.
func (c *chain) lookUpCounters() {
	c.emit("", asm.Mov.Reg(asm.R2, asm.R10), asm.Add.Imm(asm.R2, int32(slotKey)))
	c.emit("", asm.LoadMapPtr(asm.R1, 0).WithReference(CounterMap))
	c.emit("", asm.FnMapLookupElem.Call())
}

// countFunction is the name of the function that counts a packet for a rule
// that decides nothing: int count(int slot, int length).
//
// It is a function, and a global one, for the verifier's sake. A look-up in
// each rule is inlined, one after another, and each time the whole program is
// moved: 10,000 took 40 s. A global function is verified once and by itself,
// not where it is called, and leaves no branch pending there.
const countFunction = "count"

// count calls countFunction, if rules are counted.
func (c *chain) count(rule int) {
	if c.counting != CountRules {
		return
	}
	c.counts = true
	if c.spreads { // no stack access in a rule: see slot
		c.emit("frame length", asm.Mov.Reg(asm.R1, regCtx), asm.FnXdpGetBuffLen.Call(), asm.Mov.Reg(asm.R2, asm.R0))
	} else {
		c.frameLength(asm.R2, asm.R0)
	}
	c.emit("counter slot", movImm(asm.R1, ruleSlot(rule)))
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
	for _, f := range []function{{At: 0, Name: "xdpfw"}, {At: start, Name: countFunction, Global: true, Parameters: []string{"slot", "length"}}} {
		c.code[f.At].Instruction = f.describe(c.code[f.At].Instruction)
	}
}

// addPacket counts a packet of length R1 in the counter at R0.
func (c *chain) addPacket() {
	c.emit("packets + 1", asm.LoadMem(asm.R2, asm.R0, 0, asm.DWord), asm.Add.Imm(asm.R2, 1), asm.StoreMem(asm.R0, 0, asm.R2, asm.DWord))
	c.emit("bytes + frame length", asm.LoadMem(asm.R2, asm.R0, 8, asm.DWord), asm.Add.Reg(asm.R2, asm.R1), asm.StoreMem(asm.R0, 8, asm.R2, asm.DWord))
}

// frameLength puts the length of the frame in bytes into dst; it clobbers
// scratch.
func (c *chain) frameLength(dst, scratch asm.Register) {
	c.emit("frame length", asm.LoadMem(dst, regCtx, ctxEnd, asm.Word), asm.LoadMem(scratch, regCtx, ctxData, asm.Word), asm.Sub.Reg(dst, scratch))
	if c.spreads {
		c.emit("with further buffers", slotElsewhere.load(scratch), asm.Add.Reg(dst, scratch))
	}
}

// findElsewhere fills slotElsewhere, for targets whose frames may be spread over
// several buffers: a program reads the first, and the others count.
func (c *chain) findElsewhere() {
	if !c.spreads {
		return
	}
	c.emit("frame length", asm.FnXdpGetBuffLen.Call())
	c.emit("less the first buffer", asm.LoadMem(asm.R1, regCtx, ctxEnd, asm.Word), asm.LoadMem(asm.R2, regCtx, ctxData, asm.Word),
		asm.Sub.Reg(asm.R1, asm.R2), asm.Sub.Reg(asm.R0, asm.R1))
	c.emit("", slotElsewhere.store(asm.R0))
}
