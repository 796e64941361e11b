package codegen

import (
	"fmt"
	"slices"

	"github.com/cilium/ebpf/asm"

	"xdpfw/codegen/ir"
	"xdpfw/rules"
)

// The chain strategy: a frame is parsed as far as its kind asks, and tried
// against the rules one after another, each test a compare and a branch.
//
//	entry → Ethernet, VLAN tags → kind of frame ┬→ ip4: header → chain ┐
//	                                            ├→ ip6: header → chain ┼→ leaf: count, return
//	                                            └→ arp, none, malformed┘
//
// Each kind has a chain of its own, made of the rules that can match in it
// with what is known there folded away; a kind in which one verdict is sure
// has no chain, and is not even told apart from another with the same verdict.
//
// The verifier explores the branch not taken first. Every test falls through
// while the rule still matches, so that a rule is explored to its verdict,
// which is known already, before the chain goes on: a rule leaves at most
// (tests - 1) branches pending, and no value is kept in a register from one
// rule to the next, so that all ways into a rule are the same to the verifier
// and its work is linear in the rules.
type chain struct {
	*builder
	decision *ir.Decision
	tables   *tableSet
	origins  []int // by index of RuleSet.Rules: the origin of its instructions
	fallback int   // the origin of the default
	leaf     label
	verdicts map[int]label   // verdicts that whole kinds jump to, by rule ID; -1: the default
	checks   map[*kind]label // headers that are checked though one verdict is sure behind them
	tooLong  int             // the rule at which the program outgrew what the kernel takes; -1 if it did not
}

// A kind is a kind of frame that the parser tells apart.
type kind struct {
	name  string
	known map[ir.Atom]uint64
	left  *ir.Decision
	entry label
}

// verdict is the rule that every frame of the kind meets (rules.ByDefault for
// the default); false if it depends on the frame.
func (k *kind) verdict() (rule int, sure bool) {
	switch {
	case len(k.left.Steps) == 0:
		return rules.ByDefault, true
	case k.left.Steps[0].Always() && k.left.Steps[0].Verdict.Decides():
		return k.left.Steps[0].Rule, true
	}
	return 0, false
}

func sameVerdict(kinds ...*kind) bool {
	first, sure := kinds[0].verdict()
	for _, k := range kinds {
		rule, ok := k.verdict()
		if !sure || !ok || rule != first {
			return false
		}
	}
	return true
}

func (c *chain) newKind(name string, known map[ir.Atom]uint64) *kind {
	k := &kind{name: name, known: known, left: c.decision.Under(known, nil)}
	if rule, sure := k.verdict(); sure {
		k.entry = c.verdictLabel(rule)
	} else {
		k.entry = c.newLabel("%s", name)
	}
	return k
}

// verdictLabel is the place that ends with the verdict of a rule, or of the default.
func (c *chain) verdictLabel(rule int) label {
	if l, ok := c.verdicts[rule]; ok {
		return l
	}
	name := "default"
	if rule >= 0 {
		name = fmt.Sprintf("rule%d", rule+1)
	}
	c.verdicts[rule] = c.newLabel("%s", name)
	return c.verdicts[rule]
}

// generate emits the whole program.
func (c *chain) generate() {
	c.leaf = c.newLabel("leaf")
	none := c.newKind("none", map[ir.Atom]uint64{ir.Network: ir.NoNetwork, ir.Invalid: 0})
	malformed := c.newKind("malformed", map[ir.Atom]uint64{ir.Network: ir.NoNetwork, ir.Invalid: 1})
	arp := c.newKind("arp", map[ir.Atom]uint64{ir.Network: ir.ARPNetwork, ir.Invalid: 0})
	ip4 := c.newKind("ip4", map[ir.Atom]uint64{ir.Network: ir.IP4Network})
	ip6 := c.newKind("ip6", map[ir.Atom]uint64{ir.Network: ir.IP6Network})

	c.emit("", asm.Mov.Reg(regCtx, asm.R1))
	if sameVerdict(none, malformed, arp, ip4, ip6) {
		c.goTo(none.entry)
	} else {
		c.ethernet(none, malformed, arp, ip4, ip6)
		if _, sure := ip4.verdict(); !sure {
			c.chainIP4(ip4, malformed)
		}
		if _, sure := ip6.verdict(); !sure {
			c.chainIP6(ip6, malformed)
		}
	}
	c.emitVerdicts()
	c.origin = 0
	c.bind(c.leaf)
	c.emitLeaf()
}

// emitVerdicts emits the verdicts that some kind jumps to.
func (c *chain) emitVerdicts() {
	ids := make([]int, 0, len(c.verdicts))
	for id := range c.verdicts {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	for _, id := range ids {
		if slices.Contains(c.targets, c.verdicts[id]) {
			c.bind(c.verdicts[id])
			c.end(id)
		}
	}
}

// end is the verdict of a rule, or of the default.
func (c *chain) end(rule int) {
	c.origin = c.fallback
	verdict, slot := c.decision.Default, uint32(defaultSlot)
	if rule >= 0 {
		c.origin = c.origins[rule]
		slot = ruleSlot(rule)
		i := slices.IndexFunc(c.decision.Steps, func(s ir.Step) bool { return s.Rule == rule })
		verdict = c.decision.Steps[i].Verdict
	}
	c.endWith(verdict, slot)
}

func (c *chain) endWith(v rules.Verdict, slot uint32) {
	c.emit(v.String(), movImm(asm.R0, slot<<8|action(v)))
	c.goTo(c.leaf)
}

// emitRules emits the chain of one kind, whose headers have been parsed.
func (c *chain) emitRules(f *family) {
	for i := range f.kind.left.Steps {
		r := &f.kind.left.Steps[i]
		if len(c.code) > maxInstructions { // no use in going on
			if c.tooLong < 0 {
				c.tooLong = r.Rule
			}
			return
		}
		c.origin = c.origins[r.Rule]
		for _, term := range r.Terms {
			f.prepare(term)
		}
		for _, term := range r.Terms {
			next := c.newLabel("%s.rule%d.else", f.kind.name, r.Rule+1)
			f.tests(term, next)
			c.endWith(r.Verdict, ruleSlot(r.Rule))
			if len(term) == 0 {
				return
			}
			c.bind(next)
		}
	}
	c.origin = c.fallback
	c.endWith(c.decision.Default, defaultSlot)
}

// emitLeaf counts the packet and returns the verdict. R0 is the leaf: the
// counter slot in the upper 24 bits, the XDP action in the lower 8.
func (c *chain) emitLeaf() {
	out := c.newLabel("out")
	c.emit("R6 = XDP action", asm.Mov.Reg(asm.R6, asm.R0), asm.And.Imm(asm.R6, 0xff))
	c.emit("counter slot", asm.RSh.Imm(asm.R0, 8), slotKey.store(asm.R0))
	c.emit("", asm.Mov.Reg(asm.R2, asm.R10), asm.Add.Imm(asm.R2, int32(slotKey)))
	c.emit("", asm.LoadMapPtr(asm.R1, 0).WithReference(CounterMap))
	c.emit("", asm.FnMapLookupElem.Call())
	c.jump(asm.JEq.Imm(asm.R0, 0, ""), out)
	c.emit("packets + 1", asm.LoadMem(asm.R1, asm.R0, 0, asm.DWord), asm.Add.Imm(asm.R1, 1), asm.StoreMem(asm.R0, 0, asm.R1, asm.DWord))
	c.emitFrameLength(asm.R1, asm.R2)
	c.emit("bytes + frame length", asm.LoadMem(asm.R2, asm.R0, 8, asm.DWord), asm.Add.Reg(asm.R2, asm.R1), asm.StoreMem(asm.R0, 8, asm.R2, asm.DWord))
	c.bind(out)
	c.emit("", asm.Mov.Reg(asm.R0, asm.R6), asm.Return())
}

// emitFrameLength puts the length of the frame in bytes into dst; it clobbers
// scratch. This is the length of the frame, not of the readable bytes, though
// without multi-buffer frames the two are one number.
func (c *chain) emitFrameLength(dst, scratch asm.Register) {
	c.emit("frame length", asm.LoadMem(dst, regCtx, ctxEnd, asm.Word), asm.LoadMem(scratch, regCtx, ctxData, asm.Word),
		asm.Sub.Reg(dst, scratch))
}

// The counter slots: the default, then the rules in their order.
const defaultSlot = 0

func ruleSlot(rule int) uint32 { return uint32(rule + 1) }

// action is the XDP action of a verdict (include/uapi/linux/bpf.h, enum xdp_action).
func action(v rules.Verdict) uint32 {
	if v == rules.Pass {
		return 2
	}
	return 1
}
