package reach

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"xdpfw/codegen/ir"
	"xdpfw/rules"
)

// A joint is two rule sets as one decision: the steps of the old one, and
// behind them those of the new one. Both are asked about every packet, so a
// step takes packets from later ones of its own set only.
type joint struct {
	old, new *rules.RuleSet
	decision *ir.Decision
	second   int // index in decision.Steps of the first step of the new set
	all      int // interfaces that either names

	partner []int // by step: the one of the other set that is alike and stands in the same order; or -1
	skips   bool  // some step skips others, and what stands between differs
}

// newJoint of two sets; nil if they are too large.
func newJoint(old, new *rules.RuleSet, same Same) *joint {
	both := &rules.RuleSet{
		Rules:      slices.Concat(old.Rules, new.Rules),
		Interfaces: slices.Clone(old.Interfaces),
		Default:    old.Default,
	}
	for _, name := range new.Interfaces {
		if !slices.Contains(both.Interfaces, name) {
			both.Interfaces = append(both.Interfaces, name)
		}
	}
	index := make([]uint64, len(new.Interfaces))
	for i, name := range new.Interfaces {
		index[i] = uint64(slices.Index(both.Interfaces, name))
	}
	both.Steps = slices.Clone(old.Steps)
	clauses := 0
	for _, s := range new.Steps {
		s.Rule += len(old.Rules)
		s.Next += len(old.Steps)
		s.Clauses = renumbered(s.Clauses, index)
		both.Steps = append(both.Steps, s)
	}
	for i := range both.Steps {
		clauses += len(both.Steps[i].Clauses)
	}
	for i := len(old.Rules); i < len(both.Rules); i++ {
		if r := &both.Rules[i]; r.Verdict == rules.Redirect {
			r.Interface = int(index[r.Interface])
		}
	}
	if len(both.Interfaces) > ir.MaxInterface || len(both.Steps) > maxSteps || clauses > maxClauses || ranges(both) > maxRanges {
		return nil
	}
	j := &joint{old: old, new: new, decision: ir.Lower(both), all: len(both.Interfaces)}
	if j.decision.Exceeds > 0 {
		return nil
	}
	j.second = len(j.decision.Steps)
	for i, s := range j.decision.Steps {
		if s.Rule >= len(old.Rules) {
			j.second = i
			break
		}
	}
	j.align(same)
	return j
}

// side of a step: 0 of the old set, 1 of the new one.
func (j *joint) side(step int) int {
	if step < j.second {
		return 0
	}
	return 1
}

// renumbered clauses name interfaces by their index in another list.
func renumbered(clauses []rules.Clause, index []uint64) []rules.Clause {
	if !slices.ContainsFunc(clauses, func(c rules.Clause) bool { return c.Subject == rules.Interface }) {
		return clauses
	}
	clauses = slices.Clone(clauses)
	for i := range clauses {
		if c := &clauses[i]; c.Subject == rules.Interface {
			c.Set.IP4, c.Set.IP6 = renumberedRanges(c.Set.IP4, index), renumberedRanges(c.Set.IP6, index)
		}
	}
	return clauses
}

func renumberedRanges(of []rules.Range, index []uint64) (out []rules.Range) {
	var numbers []uint64
	for i, n := range index {
		if rules.Contains(of, rules.Value{Lo: uint64(i)}) {
			numbers = append(numbers, n)
		}
	}
	slices.Sort(numbers)
	for _, n := range numbers {
		if last := len(out) - 1; last >= 0 && out[last].Hi.Lo+1 == n {
			out[last].Hi.Lo = n
		} else {
			out = append(out, rules.Range{Lo: rules.Value{Lo: n}, Hi: rules.Value{Lo: n}})
		}
	}
	return out
}

// align finds steps that are alike, of rules that are the same, and in the same order in both sets. A packet
// that steps with partners decide in both is decided by partners: what is
// different about a packet has to do with a step that has none.
func (j *joint) align(same Same) {
	steps := j.decision.Steps
	j.partner = make([]int, len(steps))
	for i := range j.partner {
		j.partner[i] = -1
	}
	texts := make([]string, len(steps))
	times := [2]map[string]int{{}, {}}
	at := map[string]int{}
	for i := range steps {
		side := j.side(i)
		text := stepText(&steps[i])
		times[side][text]++
		texts[i] = fmt.Sprintf("%d %s", times[side][text], text)
		if side == 0 {
			at[texts[i]] = i
		}
	}
	type pair struct{ old, new int }
	var pairs []pair // by new
	for i := j.second; i < len(steps); i++ {
		if old, is := at[texts[i]]; is && (same == nil || same(steps[old].Rule, steps[i].Rule-len(j.old.Rules))) {
			pairs = append(pairs, pair{old, i})
		}
	}
	// The longest that is in order in both.
	var ends []int // by length: index of the pair that such a sequence ends with, the least of them
	before := make([]int, len(pairs))
	for n, p := range pairs {
		length, _ := slices.BinarySearchFunc(ends, p.old, func(e, old int) int { return cmp.Compare(pairs[e].old, old) })
		before[n] = -1
		if length > 0 {
			before[n] = ends[length-1]
		}
		if length == len(ends) {
			ends = append(ends, n)
		} else {
			ends[length] = n
		}
	}
	if len(ends) > 0 {
		for n := ends[len(ends)-1]; n >= 0; n = before[n] {
			j.partner[pairs[n].old], j.partner[pairs[n].new] = pairs[n].new, pairs[n].old
		}
	}
	if j.skips = !j.skipAlike(); j.skips {
		for i := range j.partner {
			j.partner[i] = -1
		}
	}
}

// stepText is what a step does to a packet that comes to it.
func stepText(s *ir.Step) string {
	var b strings.Builder
	fmt.Fprint(&b, s.Verdict, " ")
	if s.Verdict == rules.Redirect {
		fmt.Fprint(&b, s.Interface, " ")
	}
	for _, t := range s.Terms {
		for _, test := range t {
			b.WriteString(test.String())
			b.WriteByte(';')
		}
		b.WriteByte('|')
	}
	return b.String()
}

// skipAlike says that steps which skip others have partners that skip the
// partners of those.
func (j *joint) skipAlike() bool {
	steps := j.decision.Steps
	// How many steps with partners are in front of a step; both sets have as
	// many, so that those of the old one can be taken off.
	rank := make([]int, len(steps)+1)
	for i := range steps {
		rank[i+1] = rank[i]
		if j.partner[i] >= 0 {
			rank[i+1]++
		}
	}
	all := rank[j.second]
	for i := range steps {
		if steps[i].Verdict != rules.Return {
			continue
		}
		other := j.partner[i]
		if other < 0 {
			return false
		}
		if i < j.second && all+rank[steps[i].Next] != rank[steps[other].Next] {
			return false
		}
	}
	return true
}
