package codegen

import (
	"fmt"

	"github.com/cilium/ebpf/asm"

	"xdpfw/codegen/ir"
	"xdpfw/rules"
)

// maxLinear is up to how many numbers are compared one after another at a cut:
// where most packets have another number these branches are foreseen, and a
// binary search has one in each step that is not.
const maxLinear = 16

// emitTree emits the nodes. What is found out by the parser is found in front
// of all of them, so that every way to a node is the same to the verifier. A
// cut loads the number into R0 and compares that alone; behind it nobody reads it.
func (f *family) emitTree() {
	t := f.tree
	for i := range f.kind.left.Steps {
		f.origin = ruleOrigin(f.kind.left.Steps[i].Rule)
		f.prepareStep(i)
	}
	waiting := []*treeNode{t.root}
	for len(waiting) > 0 {
		n := waiting[len(waiting)-1]
		waiting = waiting[:len(waiting)-1]
		for n != nil { // the node that follows stands right behind
			if n.placed {
				break
			}
			n.placed = true
			f.bind(t.labelOf(n))
			var others []*treeNode
			n, others = t.emit(n)
			waiting = append(waiting, others...)
			if n != nil && n.placed {
				f.goTo(n.at)
			}
		}
	}
}

func (t *tree) labelOf(n *treeNode) label {
	if n.at == noLabel {
		n.at = t.f.newLabel("%s.node%d", t.f.kind.name, len(t.f.labels))
	}
	return n.at
}

// emit a node. Control falls out of it to next, if that is not nil; others are
// what it jumps to.
func (t *tree) emit(n *treeNode) (next *treeNode, others []*treeNode) {
	switch {
	case n.cuts != nil:
		return t.emitCut(n)
	case n.ask != nil:
		t.f.origin = t.origin(n.items[0])
		t.f.term = ir.Term{*n.ask}
		t.f.test(*n.ask, t.labelOf(n.no))
		return n.yes, []*treeNode{n.no}
	}
	t.emitChain(n.items)
	return nil, nil
}

func (t *tree) origin(it treeItem) int {
	step := t.terms[it.term].step
	if step < 0 {
		return defaultOrigin
	}
	return ruleOrigin(t.f.kind.left.Steps[step].Rule)
}

// emitChain tries items one after another; the last one has no open test.
func (t *tree) emitChain(items []treeItem) {
	f := t.f
	for _, it := range items {
		f.origin = t.origin(it)
		var open ir.Term
		for i, test := range t.terms[it.term].tests {
			if it.open>>i&1 != 0 {
				open = append(open, test)
			}
		}
		fail := f.newLabel("%s.rule%d.else", f.kind.name, f.origin-ruleOrigin(0)+1)
		f.tests(open, fail)
		if step := t.terms[it.term].step; step < 0 {
			f.endWith(f.decision.Default, 0, defaultSlot)
		} else {
			s := &f.kind.left.Steps[step]
			f.endWith(s.Verdict, s.Interface, ruleSlot(s.Rule))
		}
		if len(open) > 0 {
			f.bind(fail)
		}
	}
}

// emitCut emits the compares of a cut.
func (t *tree) emitCut(n *treeNode) (next *treeNode, others []*treeNode) {
	f := t.f
	f.origin = 0
	f.term = nil
	o := f.operand(n.atom)
	f.emit(n.atom.String(), o.load...)
	if o.network != 0 {
		f.emit("", o.toHost(asm.R0))
	}
	return t.emitCuts(n.atom, 0, uint32(o.top), n.cuts)
}

// emitCuts emits the compares of R0, which is at least lo and at most top,
// with some cuts.
func (t *tree) emitCuts(a ir.Atom, lo, top uint32, cuts []treeCut) (next *treeNode, others []*treeNode) {
	f := t.f
	usual := usualNode(cuts)
	unusual := 0
	for _, c := range cuts {
		if c.node != usual {
			unusual++
		}
	}
	if unusual > maxLinear {
		half := len(cuts) / 2
		upper := f.newLabel("%s.above", f.kind.name)
		f.jumpFor(a.String(), jgt(asm.R0, cuts[half-1].hi), upper)
		next, others = t.emitCuts(a, lo, cuts[half-1].hi, cuts[:half])
		f.goTo(t.labelOf(next))
		others = append(others, next)
		f.bind(upper)
		next, more := t.emitCuts(a, cuts[half-1].hi+1, top, cuts[half:])
		return next, append(others, more...)
	}
	for _, c := range cuts {
		if c.node != usual {
			t.emitRange(a, lo, c.hi, top, c.node)
			others = append(others, c.node)
		}
		lo = c.hi + 1
	}
	return usual, others
}

// usualNode is the one that the most of the numbers lead to, as far as ranges
// tell: that of the most cuts.
func usualNode(cuts []treeCut) *treeNode {
	count := map[*treeNode]int{}
	for _, c := range cuts {
		count[c.node]++
	}
	usual := cuts[0].node
	for _, c := range cuts {
		if count[c.node] > count[usual] {
			usual = c.node
		}
	}
	return usual
}

// emitRange jumps to a node if R0 is from lo to hi.
func (t *tree) emitRange(a ir.Atom, lo, hi, top uint32, to *treeNode) {
	f := t.f
	comment := fmt.Sprintf("%s %s", a, a.FormatRange(rangeOf(lo, hi)))
	l := t.labelOf(to)
	switch {
	case lo == hi:
		f.jumpFor(comment, jeq(asm.R0, lo), l)
	case lo == 0:
		f.jumpFor(comment, asm.JLE.Imm32(asm.R0, int32(hi), ""), l)
	case hi == top:
		f.jumpFor(comment, asm.JGE.Imm32(asm.R0, int32(lo), ""), l)
	default:
		f.emit("", asm.Mov.Reg32(asm.R1, asm.R0), asm.Sub.Imm32(asm.R1, int32(lo)))
		f.jumpFor(comment, asm.JLE.Imm32(asm.R1, int32(hi-lo), ""), l)
	}
}

func rangeOf(lo, hi uint32) rules.Range {
	return rules.Range{Lo: rules.Value{Lo: uint64(lo)}, Hi: rules.Value{Lo: uint64(hi)}}
}
