package reach

import (
	"slices"

	"xdpfw/rules"
)

// A Class is changes that are told as one: all packets that a condition holds
// for, unless a rule decides that is excepted.
type Class struct {
	Change    // the largest of them
	Count     int
	Condition string // as a rule has it; "" if it is about what no rule decides

	// Rules that decide packets of the condition otherwise, by set; More says
	// that they may not be all.
	ExceptOld, ExceptNew []rules.Decision
	More                 bool
}

const (
	// anyStep stands for all steps of a set that decide alike.
	anyStep = -2

	manyExceptions = 20          // of a class
	manyClasses    = 200         // for which exceptions are looked for
	excepting      = 400_000_000 // comparisons for all of them
)

// classify puts changes together that one rule makes, by itself or by not being
// there any more.
func (c *comparison) classify() {
	type group struct {
		old, new int
		from, to rules.Verdict
	}
	times := map[group]int{}
	ofNew := func(h *Change) group { return group{anyStep, h.steps[1], h.Old.Verdict, h.New.Verdict} }
	ofOld := func(h *Change) group { return group{h.steps[0], anyStep, h.Old.Verdict, h.New.Verdict} }
	for i := range c.result.Changes {
		h := &c.result.Changes[i]
		times[ofNew(h)]++
		times[ofOld(h)]++
	}
	at := map[group]int{}
	c.may.boxes = excepting
	for i := range c.result.Changes {
		h := &c.result.Changes[i]
		g := group{h.steps[0], h.steps[1], h.Old.Verdict, h.New.Verdict}
		switch byNew, byOld := ofNew(h), ofOld(h); {
		case c.same != nil: // each pair of rules is a change of its own
		case byNew.new != byDefault && times[byNew] > 1 && (times[byNew] >= times[byOld] || byOld.old == byDefault):
			g = byNew
		case byOld.old != byDefault && times[byOld] > 1:
			g = byOld
		}
		if n, is := at[g]; is {
			c.result.Classes[n].Count++
			continue
		}
		at[g] = len(c.result.Classes)
		class := Class{Change: *h, Count: 1}
		if g.old != byDefault || g.new != byDefault {
			class.Condition = rules.ConditionText(c.clauses(g.new), c.clauses(g.old))
			c.except(&class, [2]int{g.old, g.new})
		}
		c.result.Classes = append(c.result.Classes, class)
	}
}

// clauses of a step, as its set has them.
func (c *comparison) clauses(step int) []rules.Clause {
	switch {
	case step < 0:
		return nil
	case step < c.second:
		return c.old.Steps[c.decision.Steps[step].Source].Clauses
	}
	return c.new.Steps[c.decision.Steps[step].Source-len(c.old.Steps)].Clauses
}

// except finds the rules that decide packets of a class otherwise.
func (c *comparison) except(class *Class, steps [2]int) {
	if len(c.result.Classes) >= manyClasses {
		class.More = true
		return
	}
	found := map[[2]int]bool{}
	for n := range c.rooms {
		c.joined = &c.rooms[n]
		for _, region := range c.regionsOf(steps) {
			w := &work{c.may.boxes}
			items := c.judge.meeting(region, int32(len(c.builder.room.items)), true, w)
			c.may.boxes = w.left
			for side := range steps {
				c.exceptIn(class, steps[side], side, region, items, found)
			}
		}
	}
}

// regionsOf two steps are what boxes of both have in common; any step has all.
func (c *comparison) regionsOf(steps [2]int) (all [][]set) {
	r := c.builder.room
	all = c.regions(byDefault)
	for _, step := range steps {
		if step < 0 {
			continue
		}
		var next [][]set
		for _, region := range all {
			for from, to := r.of(step); from < to; from++ {
				if part, some := r.within(region, int32(from)); some {
					next = append(next, part)
				}
			}
		}
		all = next
	}
	return all
}

// exceptIn finds those of one set in a region.
func (c *comparison) exceptIn(class *Class, step, side int, region []set, items []int32, found map[[2]int]bool) {
	list, wanted := &class.ExceptOld, class.Old
	if side == 1 {
		list, wanted = &class.ExceptNew, class.New
	}
	// What comes to a step of one set, whatever the other one does.
	limit := func(at int) [2]int32 {
		if side == 0 {
			return [2]int32{int32(at), 0}
		}
		return [2]int32{0, int32(at)}
	}
	consider := func(other int, part []set, decision rules.Decision) {
		if found[[2]int{side, other}] || c.same == nil && decision.Verdict == wanted.Verdict && decision.Verdict != rules.Redirect {
			return
		}
		at := other
		if other == byDefault {
			at = []int{c.second, len(c.decision.Steps)}[side]
		}
		left, known := c.leftOver(part, items, limit(at))
		switch {
		case !known, left != nil && len(*list) == manyExceptions:
			class.More = true
		case left != nil:
			found[[2]int{side, other}] = true
			if !slices.Contains(*list, decision) { // of a chain that several jumps lead to
				*list = append(*list, decision)
			}
		}
	}
	for _, i := range items {
		it := &c.builder.room.items[i]
		other := int(it.step)
		if !it.verdict.Decides() || c.side(other) != side || other == step || step >= 0 && other > step || class.More {
			continue
		}
		if part, some := c.builder.room.within(region, i); some {
			consider(other, part, c.decisionOf(other, side == 0))
		}
	}
	if step == anyStep && !class.More {
		consider(byDefault, slices.Clone(region), c.decisionOf(byDefault, side == 0))
	}
}
