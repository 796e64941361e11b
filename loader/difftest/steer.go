package difftest

import (
	"slices"

	"xdpfw/rules"
)

// tries is how many frames are made for one that is steered.
const tries = 8

// Frame makes a frame for a rule file, and counts who decides it by the
// reference evaluator. One in four is random; the others are the best of a few
// that were made to be decided by one of the rules, in a form of which some
// cell is short.
func (g *Generator) Frame(f *RuleFile) ([]byte, Form) {
	maker := &frameMaker{g.Rand}
	form := Form(g.IntN(forms))
	frame := maker.build(form, f.wishNear())
	found := reference(f.Set, frame)
	if !g.oneIn(4) {
		best := g.gain(f, form, found)
		for range tries {
			step := g.IntN(len(f.plans))
			otherForm := g.formFor(f.rules[f.Set.Steps[step].Rule].conditions)
			other := maker.build(otherForm, f.pool.wishFor(f.plans[step]))
			o := reference(f.Set, other)
			if gain := g.gain(f, otherForm, o); gain > best {
				best, frame, form, found = gain, other, otherForm, o
			}
		}
	}
	g.count(f, form, found)
	return frame, form
}

// wishNear is a wish for one of the steps, or for none.
func (f *RuleFile) wishNear() wish {
	if f.pool.oneIn(2) {
		return f.pool.wish()
	}
	return f.pool.wishFor(pick(f.pool, f.plans))
}

// gain is what a pair adds to cells that are short; a pair that the default
// decides is the least wanted.
func (g *Generator) gain(f *RuleFile, form Form, o Answer) int {
	if o.Rule == rules.ByDefault {
		return -1
	}
	sum := 0
	for _, c := range f.rules[o.Rule].conditions {
		sum += g.Coverage.short(form, c)
	}
	return sum
}

// formFor is a form that a rule of these conditions can decide, the likelier
// the more cells it would help; any form if there is none.
func (g *Generator) formFor(cs []Condition) Form {
	var weights [promised]int
	any := false
	for form := range promised {
		if !form.allows(cs) {
			continue
		}
		weights[form], any = 1, true
		for _, c := range cs {
			weights[form] += g.Coverage.short(form, c)
		}
	}
	if !any {
		return Form(g.IntN(forms))
	}
	return Form(g.weighted(weights[:]))
}

// count who decided a pair, and how.
func (g *Generator) count(f *RuleFile, form Form, o Answer) {
	c := &g.Coverage
	byRule := o.Rule != rules.ByDefault
	is := map[statementKind]bool{}
	for i, rule := range o.Counted {
		verdict := f.Set.Rules[rule].Verdict
		is[countedCount] = is[countedCount] || verdict == rules.Count
		is[countedReturn] = is[countedReturn] || verdict == rules.Return
		is[countedTwice] = is[countedTwice] || slices.Contains(o.Counted[:i], rule)
	}
	var deciding []Condition
	if byRule {
		s := f.rules[o.Rule]
		deciding = s.conditions
		is[decidedPass+statementKind(o.Verdict-rules.Pass)] = true
		is[decidedInBlock], is[decidedInChain] = s.inBlock, s.inChain
		is[decidedBehindCount], is[decidedBehindReturn] = is[countedCount], is[countedReturn]
	}
	c.Add(form, deciding, byRule)
	for kind, yes := range is {
		if yes {
			c.statements[kind]++
		}
	}
}
