package codegen

import (
	"fmt"
	"math/bits"
	"slices"

	"github.com/cilium/ebpf/asm"

	"xdpfw/codegen/classify"
	"xdpfw/codegen/ir"
	"xdpfw/rules"
)

// The table strategy: all fields that the rules of a kind read are found first,
// then frozen tables say which rule it is, without a branch. What the tables
// are is classify's business.
type tablePlan struct {
	*problem
	plan  *classify.Plan
	words leafWords

	// ranked are the words by leaf, and last that of packets in no box; nil if
	// leaves are words.
	ranked []uint32

	registers map[int]asm.Register // where numbers are that are not on the stack
}

// newTablePlan makes the tables of a kind, within so many bytes.
func (f *family) newTablePlan(memory int) (*tablePlan, error) {
	p, err := f.newProblem()
	if err != nil {
		return nil, err
	}
	t := &tablePlan{problem: p}
	if err := f.setLeaves(t); err != nil {
		return nil, err
	}
	if t.plan, err = classify.New(&p.Problem, memory); err == nil && len(t.plan.Inputs)+len(t.plan.Products)+len(t.plan.Demands.Matrices) > maxNumbers {
		err = errNoTables
	}
	return t, err
}

// setLeaves makes the leaves of the boxes, which are indexes of steps so far,
// leaf words. Where the rules of the steps do not ascend, as of a chain that is
// jumped to several times, leaves stay indexes of a table of words.
func (f *family) setLeaves(t *tablePlan) error {
	steps := f.kind.left.Steps
	ascend := true
	for i := range steps {
		ascend = ascend && (i == 0 || steps[i].Rule > steps[i-1].Rule)
		if steps[i].Verdict.Decides() && leafAction(steps[i].Verdict, steps[i].Interface) > 0xff {
			return errNoTables
		}
	}
	if !ascend {
		for i := range steps {
			word := uint32(0) // of steps that decide nothing
			if steps[i].Verdict.Decides() {
				word = ruleSlot(steps[i].Rule)<<8 | leafAction(steps[i].Verdict, steps[i].Interface)
			}
			t.ranked = append(t.ranked, word)
		}
		last := uint32(defaultSlot)<<8 | leafAction(f.decision.Default, 0)
		if t.last >= 0 {
			last = t.ranked[t.last]
		}
		t.ranked = append(t.ranked, last)
		return nil
	}
	t.words = leafWords{defaultSlot, leafAction(f.decision.Default, 0), actionBits}
	if t.last >= 0 {
		t.words = leafWords{ruleSlot(steps[t.last].Rule), leafAction(steps[t.last].Verdict, steps[t.last].Interface), actionBits}
	}
	if len(steps) >= manySlots {
		actions := t.words.action
		for i := range steps {
			if steps[i].Verdict.Decides() {
				actions |= leafAction(steps[i].Verdict, steps[i].Interface)
			}
		}
		t.words.bits = bits.Len32(actions)
	}
	for i := range t.Boxes {
		t.Boxes[i].Leaf = t.leafOf(steps, int(t.Boxes[i].Leaf))
	}
	return nil
}

// leafOf a step: less than that of any later step.
func (t *tablePlan) leafOf(steps []ir.Step, i int) uint32 {
	if t.ranked != nil {
		return uint32(i)
	}
	s := &steps[i]
	if !s.Verdict.Decides() {
		return t.words.encode(ruleSlot(s.Rule), 0)
	}
	return t.words.encode(ruleSlot(s.Rule), leafAction(s.Verdict, s.Interface))
}

// emitDecode makes of the leaf in R0 what the common leaf wants.
func (f *family) emitDecode(t *tablePlan) {
	if t.ranked == nil {
		f.emit("leaf", t.words.decode()...)
		return
	}
	last := int32(len(t.ranked) - 1)
	f.emit("at most the last", asm.Mov.Reg(asm.R1, asm.R0), asm.Sub.Imm(asm.R1, last), asm.Mov.Reg(asm.R2, asm.R1),
		asm.ArSh.Imm(asm.R2, 63), asm.And.Reg(asm.R1, asm.R2), asm.Add.Imm(asm.R1, last))
	f.entry("leaf", placed(f.tables, t.ranked))
}

// The stack of a kind decided by tables: a number in eight bytes each, below
// the slots of the parser.
func numberSlot(i int) int16 { return int16(leastSlot - 8 - 8*i) }

// leastSlot holds the least leaf word so far.
const leastSlot = -152

// maxNumbers is how many of them there is room for.
const maxNumbers = 38

// emitTable emits the look-ups of a plan and what follows.
func (f *family) emitTable() {
	t := f.plan
	f.origin = 0
	for _, in := range t.plan.Inputs {
		one := t.fields[in.Field]
		f.prepare(one.atom, one.term)
		if one.test != nil {
			for _, other := range one.test.Or {
				f.prepare(other.Atom, one.term)
			}
		}
	}
	for _, i := range t.counts {
		f.prepareStep(i)
	}
	f.findElement()
	f.emitNumbers(t)
	for i := range t.plan.Groups {
		f.emitGroup(&t.plan.Groups[i], fmt.Sprintf("group %d", i))
		if i > 0 {
			f.emit("the least", asm.LoadMem(asm.R1, asm.R10, leastSlot, asm.DWord), asm.Sub.Reg(asm.R1, asm.R0), asm.Mov.Reg(asm.R2, asm.R1),
				asm.ArSh.Imm(asm.R2, 63), asm.And.Reg(asm.R1, asm.R2), asm.Add.Reg(asm.R0, asm.R1))
		}
		if i < len(t.plan.Groups)-1 {
			f.emit("", asm.StoreMem(asm.R10, leastSlot, asm.R0, asm.DWord))
		}
	}
	f.emitCounts(t)
	f.origin = 0
	f.emitDecode(t)
	f.emitTargets()
	f.goTo(f.tableLeaf())
}

// emitNumbers finds all numbers of a plan. Those that the groups begin with come
// last, and stay in registers of which the parser has no more need, unless
// rules that count are still to be tested.
func (f *family) emitNumbers(t *tablePlan) {
	var order, first []int
	for i := range t.plan.Inputs {
		if t.startsGroups(i) {
			first = append(first, i)
		} else {
			order = append(order, i)
		}
	}
	t.registers = map[int]asm.Register{}
	if len(t.counts) == 0 {
		free := []asm.Register{regEnd, regSeen} // the last key to be loaded may be in regSeen
		for n, i := range first[max(0, len(first)-len(free)):] {
			t.registers[i] = free[n+len(free)-min(len(first), len(free))]
		}
	}
	for _, i := range append(order, first...) {
		in := t.plan.Inputs[i]
		f.emitInput(t.fields[in.Field], in.Search)
		f.keepNumber(i)
	}
	for i, p := range t.plan.Products {
		f.loadNumber(asm.R1, p.Left)
		if p.Right != classify.Nothing {
			f.index(asm.R1, p.Columns)
			f.loadNumber(asm.R2, p.Right)
			f.emit("", asm.Add.Reg(asm.R1, asm.R2))
		}
		n := len(t.plan.Inputs) + i
		f.entry(fmt.Sprintf("n%d", n), placed(f.tables, p.Table))
		f.keepNumber(n)
	}
	f.emitMatrixRows(t)
}

// startsGroups says that some group looks its cells up by a number.
func (t *tablePlan) startsGroups(number int) bool {
	return slices.ContainsFunc(t.plan.Groups, func(g classify.Group) bool {
		return g.Main[0].Bits > 0 && g.Main[0].Number == number || g.Main[1].Bits > 0 && g.Main[1].Number == number
	})
}

// keepNumber keeps the number in R0.
func (f *family) keepNumber(n int) {
	if r, ok := f.plan.registers[n]; ok {
		f.emit(fmt.Sprintf("n%d", n), asm.Mov.Reg(r, asm.R0))
		return
	}
	f.emit(fmt.Sprintf("n%d", n), asm.StoreMem(asm.R10, numberSlot(n), asm.R0, asm.DWord))
}

func (f *family) loadNumber(r asm.Register, n int) {
	if from, ok := f.plan.registers[n]; ok {
		f.emit(fmt.Sprintf("n%d", n), asm.Mov.Reg(r, from))
		return
	}
	f.emit(fmt.Sprintf("n%d", n), asm.LoadMem(r, asm.R10, numberSlot(n), asm.DWord))
}

// maxCounts is up to how many steps that only count stand behind the tables as
// code.
const maxCounts = 24

// emitCounts emits the steps that count and decide nothing, each for the packets
// that no step before it has decided. It keeps R0.
func (f *family) emitCounts(t *tablePlan) {
	if len(t.counts) == 0 {
		return
	}
	steps := f.kind.left.Steps
	f.emit("leaf", asm.StoreMem(asm.R10, leastSlot, asm.R0, asm.DWord))
	at := make([]label, len(t.counts)+1)
	for n := range at {
		at[n] = f.newLabel("%s.count%d", f.kind.name, n)
	}
	reachable := true
	for n, i := range t.counts {
		if !reachable && !f.jumpsTo(at[n]) {
			continue
		}
		f.bind(at[n])
		reachable = true
		step := &steps[i]
		f.origin = ruleOrigin(step.Rule)
		f.emit("leaf", asm.LoadMem(asm.R0, asm.R10, leastSlot, asm.DWord))
		f.emit("", asm.LoadImm(asm.R1, int64(t.leafOf(steps, i)), asm.DWord))
		f.jumpFor("decided before", asm.JLT.Reg(asm.R0, asm.R1, ""), at[len(t.counts)])
		next := n + 1
		for next < len(t.counts) && t.counts[next] < step.Next {
			next++
		}
		for _, term := range step.Terms {
			other := f.newLabel("%s.rule%d.else", f.kind.name, step.Rule+1)
			f.tests(term, other)
			f.count(step.Rule)
			f.goTo(at[next])
			if len(term) == 0 {
				reachable = false
				break
			}
			f.bind(other)
		}
	}
	f.bind(at[len(t.counts)])
	f.emit("leaf", asm.LoadMem(asm.R0, asm.R10, leastSlot, asm.DWord))
}

// emitTargets leads what is redirected to where it goes.
func (f *family) emitTargets() {
	var targets []int
	for _, s := range f.kind.left.Steps {
		if s.Verdict == rules.Redirect {
			targets = append(targets, s.Interface)
		}
	}
	slices.Sort(targets)
	for _, target := range slices.Compact(targets) {
		other := f.newLabel("%s.nottarget", f.kind.name)
		f.emit("", asm.Mov.Reg(asm.R1, asm.R0), asm.And.Imm(asm.R1, 0xff))
		f.jumpFor("redirect", jne(asm.R1, firstTarget+uint32(target)), other)
		f.emit("counter slot", asm.RSh.Imm(asm.R0, 8))
		f.loadInterface(asm.R6, target)
		f.goTo(f.redirect)
		f.bind(other)
	}
}

// emitInput finds the number of a field in R0.
func (f *family) emitInput(in field, s *classify.Search) {
	f.term = in.term
	if in.test != nil {
		f.emitWhether(in)
	}
	f.emitSearch(f.tables, s, in.atom.String(), func(i int, r asm.Register) []asm.Instruction { return f.keyWord(in, i, r) })
}

// emitWhether leaves in slotValue whether a test holds.
func (f *family) emitWhether(in field) {
	fail := f.newLabel("%s.not", f.kind.name)
	f.emit("does not hold", slotValue.storeImm(2))
	f.test(*in.test, fail)
	f.emit("holds", slotValue.storeImm(3))
	f.bind(fail)
}

// keyWord loads a 32-bit word of a field's number into r, the most significant
// word being 0; it clobbers R4.
func (f *family) keyWord(in field, i int, r asm.Register) []asm.Instruction {
	a := in.atom
	if in.test != nil {
		return []asm.Instruction{slotValue.load(r), asm.And.Imm(r, 1)}
	}
	if a.Size == 16 {
		out := []asm.Instruction{asm.LoadMem(r, regNet, int16(a.Offset)+4*int16(i), asm.Word), asm.HostTo(asm.BE, r, asm.Word)}
		if mask := uint32(ir.ShiftRight(a.Mask, 96-32*i).Lo); mask != ^uint32(0) {
			out = append(out, asm.And.Imm32(r, int32(mask)))
		}
		return out
	}
	o := f.operand(a)
	words := (f.keyBits(a) + 31) / 32
	if o.absent != nil && i == 0 {
		return moved(o.absent, r)
	}
	out := moved(o.load, r)
	switch {
	case o.network != 0:
		out = append(out, o.toHost(r))
	case i == words-1 && words > 1:
		out = append(out, asm.LSh.Imm(r, 32), asm.RSh.Imm(r, 32))
	case words > 1:
		out = append(out, asm.RSh.Imm(r, 32))
	}
	return out
}

// moved is a load into r that was made for R0, with R4 for R1.
func moved(load []asm.Instruction, r asm.Register) []asm.Instruction {
	to := func(from asm.Register) asm.Register {
		switch from {
		case asm.R0:
			return r
		case asm.R1:
			return asm.R4
		}
		return from
	}
	out := slices.Clone(load)
	for i := range out {
		out[i].Dst = to(out[i].Dst)
		if readsSource(out[i]) {
			out[i].Src = to(out[i].Src)
		}
	}
	return out
}

// readsSource says that the source of an instruction is a register.
func readsSource(ins asm.Instruction) bool {
	if class := ins.OpCode.Class(); class.IsALU() {
		return ins.OpCode.Source() == asm.RegSource && ins.OpCode.ALUOp() != asm.Swap
	} else if class.IsLoad() {
		return ins.OpCode.Mode() == asm.MemMode
	}
	return true
}
