package ir

import (
	"slices"

	"xdpfw/rules"
)

// Within is the Decision of the packets in which the given atoms, which all of
// them have, are in the given ranges: tests that these refute or imply are gone.
func (d *Decision) Within(known map[Atom][]rules.Range) *Decision {
	out := &Decision{Default: d.Default}
	at := make([]int, len(d.Steps)+1)
	reach, ended := 0, false // the farthest step that an earlier one goes on at
	for i, step := range d.Steps {
		at[i] = len(out.Steps)
		if ended {
			continue
		}
		var terms []Term
		for _, term := range step.Terms {
			if t, ok := term.within(known); ok {
				terms = append(terms, t)
			}
		}
		if step.Terms = terms; len(terms) > 0 {
			out.Steps = append(out.Steps, step)
			reach = max(reach, step.Next)
			ended = step.Always() && step.Verdict.Decides() && reach <= i
		}
	}
	at[len(d.Steps)] = len(out.Steps)
	for i := range out.Steps {
		out.Steps[i].goOnAt(at)
	}
	return out
}

func (t Term) within(known map[Atom][]rules.Range) (Term, bool) {
	left := make(Term, 0, len(t))
	for _, test := range t {
		have, ok := known[test.Atom]
		if !ok || len(test.Or) > 0 {
			left = append(left, test)
			continue
		}
		both := intersect(have, test.Ranges)
		if len(both) == 0 {
			return nil, false
		}
		if !slices.Equal(both, have) {
			left = append(left, test)
		}
	}
	return left, true
}

// Without is the ranges less one number.
func Without(rs []rules.Range, n uint64) []rules.Range {
	most := ^uint64(0)
	return intersect(rs, complement([]rules.Range{number(n)}, rules.Value{Hi: most, Lo: most}))
}
