package codegen

import (
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
// has no chain, and kinds of which the rules say the same are not told apart.
//
// The verifier explores the branch not taken first. Every test falls through
// while the rule still matches, so that a rule is explored to its verdict,
// which is known already, before the chain goes on: a rule leaves at most
// (tests - 1) branches pending, one that only counts as many as it has tests,
// and no value is kept in a register from one rule to the next, so that all
// ways into a rule are the same to the verifier and its work is linear in the
// rules.
type chain struct {
	*builder
	decision    *ir.Decision
	strategy    string // of Strategies
	counting    string // of CounterModes
	layout      counterLayout
	families    []*family // in the order in which they were made
	memory      int       // bytes that tables may take
	spreads     bool      // frames may be in several buffers
	planned     int       // bytes that the tables of the kinds so far take
	tables      *tableSet
	interfaces  []string // names, by index
	leaf        label
	earlyLeaf   label           // the leaf of packets whose counter element is known
	redirect    label           // the leaf of redirect
	verdicts    map[int]label   // verdicts that whole kinds jump to, by rule ID; -1: the default
	checks      map[*kind]label // headers that are checked though the chain behind them is not the kind's own
	scratchSize int             // bytes that some chain keeps values in
	counts      bool            // some rule calls the function that counts
	tooLong     int             // the rule at which the program outgrew what the kernel takes; -1 if it did not
}

// The origins, as origins lists them.
const defaultOrigin = 1

func ruleOrigin(rule int) int { return 2 + rule }

// generate emits the whole program.
func (c *chain) generate() {
	c.leaf, c.earlyLeaf, c.redirect = c.newLabel("leaf"), c.newLabel("leaf.counted"), c.newLabel("redirect")
	k := c.newKinds()
	c.layout = layoutFor(c.layout.slots, slices.ContainsFunc(c.families, func(f *family) bool { return f.plan != nil }))

	c.emit("", asm.Mov.Reg(regCtx, asm.R1))
	c.findElsewhere()
	if alike(k.short, k.badTags, k.badHeader, k.none, k.arp, k.ip4, k.ip6) {
		c.goTo(k.none.entry)
	} else {
		c.ethernet(k)
	}
	for _, own := range []*kind{k.ip4, k.ip6, k.none, k.arp, k.badHeader, k.badTags, k.short} {
		switch {
		case own.chain == nil:
			continue
		case own == k.ip4 && own.ownHeader():
			c.chainIP4(own, k.badHeader)
		case own == k.ip6 && own.ownHeader():
			c.chainIP6(own, k.badHeader)
		default:
			c.chainPlain(own)
		}
	}
	c.emitVerdicts()
	c.origin = 0
	c.emitLeaf()
	c.emitEarlyLeaf()
	c.emitRedirect()
	c.emitCount()
}

// chainPlain emits a chain whose kind has no header left to check.
func (c *chain) chainPlain(k *kind) {
	c.origin = 0
	c.bind(k.entry)
	k.chain.begin()
	k.chain.emitRules()
}

// reads says whether some chain keeps a value.
func (k kinds) reads(v value) bool {
	for _, one := range []*kind{k.short, k.badTags, k.badHeader, k.none, k.arp, k.ip4, k.ip6} {
		if one.chain != nil && one.chain.keeps(v) {
			return true
		}
	}
	return false
}

// emitVerdicts emits the verdicts that some kind jumps to.
func (c *chain) emitVerdicts() {
	ids := make([]int, 0, len(c.verdicts))
	for id := range c.verdicts {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	for _, id := range ids {
		if c.jumpsTo(c.verdicts[id]) {
			c.bind(c.verdicts[id])
			c.end(id)
		}
	}
}

// jumpsTo says whether some instruction jumps to a label.
func (c *chain) jumpsTo(l label) bool { return slices.Contains(c.targets, l) }

// end is the verdict of a rule, or of the default.
func (c *chain) end(rule int) {
	if rule == rules.ByDefault {
		c.origin = defaultOrigin
		c.endWith(c.decision.Default, 0, defaultSlot)
		return
	}
	c.origin = ruleOrigin(rule)
	i := slices.IndexFunc(c.decision.Steps, func(s ir.Step) bool { return s.Rule == rule })
	c.endWith(c.decision.Steps[i].Verdict, c.decision.Steps[i].Interface, ruleSlot(rule))
}

// emitChain emits the rules one after another.
func (f *family) emitChain() {
	steps := f.kind.left.Steps
	goesOn := map[int]label{} // where steps that decide nothing go on, by index of the step there
	reachable := true
	for i := range steps {
		if len(f.code) > maxInstructions { // no use in going on
			if f.tooLong < 0 {
				f.tooLong = steps[i].Rule
			}
			return
		}
		if l, ok := goesOn[i]; ok {
			f.bind(l)
			reachable = true
		}
		if reachable {
			f.makePlace()
			reachable = f.emitStep(i, goesOn)
		}
	}
	f.origin = defaultOrigin
	if l, ok := goesOn[len(steps)]; ok {
		f.bind(l)
		reachable = true
	}
	if reachable {
		f.endWith(f.decision.Default, 0, defaultSlot)
	}
}

// emitStep emits a step; it says whether some packet goes on behind it.
func (f *family) emitStep(i int, goesOn map[int]label) bool {
	s := &f.kind.left.Steps[i]
	f.origin = ruleOrigin(s.Rule)
	f.prepareStep(i)
	for n, term := range s.Terms {
		next := f.newLabel("%s.rule%d.else", f.kind.name, s.Rule+1)
		f.tests(term, next)
		falls := false // behind the step
		switch {
		case s.Verdict.Decides():
			f.endWith(s.Verdict, s.Interface, ruleSlot(s.Rule))
		case s.Next == i+1 && n == len(s.Terms)-1:
			f.count(s.Rule)
			falls = true
		default:
			f.count(s.Rule)
			if _, ok := goesOn[s.Next]; !ok {
				goesOn[s.Next] = f.newLabel("%s.step%d", f.kind.name, s.Next+1)
			}
			f.goTo(goesOn[s.Next])
		}
		if len(term) == 0 {
			return falls
		}
		f.bind(next)
	}
	return true
}
