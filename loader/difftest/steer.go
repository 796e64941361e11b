package difftest

import (
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
	frame := formSpecs[form].build(maker, f.pool.wishNear(f.Set))
	decision := f.Set.Decide(rules.NewPacket(frame))
	if !g.oneIn(4) {
		best := g.gain(f, form, decision)
		for range tries {
			target := g.IntN(len(f.Set.Rules))
			otherForm := g.formFor(f.Conditions[target])
			other := formSpecs[otherForm].build(maker, f.pool.wishFor(&f.Set.Rules[target]))
			d := f.Set.Decide(rules.NewPacket(other))
			if gain := g.gain(f, otherForm, d); gain > best {
				best, frame, form, decision = gain, other, otherForm, d
			}
		}
	}
	g.Coverage.Add(form, f.deciding(decision), decision.Rule != rules.ByDefault)
	return frame, form
}

// wishNear is a wish for one of the rules, or for none.
func (p *pool) wishNear(rs *rules.RuleSet) wish {
	if p.oneIn(2) {
		return p.wish()
	}
	return p.wishFor(&rs.Rules[p.IntN(len(rs.Rules))])
}

// deciding is the conditions of the rule that decided.
func (f *RuleFile) deciding(d rules.Decision) []Condition {
	if d.Rule == rules.ByDefault {
		return nil
	}
	return f.Conditions[d.Rule]
}

// gain is what a pair adds to cells that are short; a pair that the default
// decides is the least wanted.
func (g *Generator) gain(f *RuleFile, form Form, d rules.Decision) int {
	if d.Rule == rules.ByDefault {
		return -1
	}
	sum := 0
	for _, c := range f.Conditions[d.Rule] {
		sum += g.Coverage.short(form, c)
	}
	return sum
}

// formFor is a form that a rule of these conditions can decide, the likelier
// the more cells it would help; any form if there is none.
func (g *Generator) formFor(cs []Condition) Form {
	var weights [forms]int
	any := false
	for form := range Mutated {
		sum := 1
		for _, c := range cs {
			if form.Impossible(c) != "" {
				sum = 0
				break
			}
			sum += g.Coverage.short(form, c)
		}
		weights[form] = sum
		any = any || sum > 0
	}
	if !any {
		return Form(g.IntN(forms))
	}
	return Form(g.weighted(weights[:]))
}
