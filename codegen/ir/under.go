package ir

import (
	"slices"

	"xdpfw/rules"
)

// Under is the Decision of the packets in which the given atoms have the
// given values, and that have none of which lacks says so: their tests are
// gone, and with them every term that one of them refutes and every step
// behind one that is bound to decide. It shares with d what stays as it is,
// which may be all of it.
func (d *Decision) Under(known map[Atom]uint64, lacks func(Atom) bool) *Decision {
	u := newKnowledge(known, lacks)
	kept, end, same := u.survey(d.Steps)
	if same {
		return &Decision{Default: d.Default, Steps: d.Steps[:end:end]}
	}
	out := &Decision{Default: d.Default, Steps: make([]Step, 0, kept)}
	at := make([]int, len(d.Steps)+1)
	for i := range end {
		at[i] = len(out.Steps)
		left := d.Steps[i]
		if left.Terms = u.left(left.Terms); len(left.Terms) > 0 {
			out.Steps = append(out.Steps, left)
		}
	}
	for i := end; i < len(at); i++ {
		at[i] = len(out.Steps)
	}
	for i := range out.Steps {
		out.Steps[i].goOnAt(at)
	}
	return out
}

// A knowledge is what Under is told.
type knowledge struct {
	atoms  []Atom
	values []rules.Value // of the atoms
	lacks  func(Atom) bool

	terms slab[Term]
	tests slab[Test]
}

func newKnowledge(known map[Atom]uint64, lacks func(Atom) bool) *knowledge {
	u := &knowledge{lacks: lacks}
	if lacks == nil {
		u.lacks = func(Atom) bool { return false }
	}
	for a, v := range known {
		u.atoms, u.values = append(u.atoms, a), append(u.values, rules.Value{Lo: v})
	}
	return u
}

// survey counts the steps that are left, up to end, behind which no packet
// comes; same says that they are all of those, and as they were.
func (u *knowledge) survey(steps []Step) (kept, end int, same bool) {
	reach := 0 // the farthest step that an earlier one goes on at
	same = true
	for i := range steps {
		some, always := false, false
		for _, term := range steps[i].Terms {
			tests, ok := u.testsLeft(term)
			some, always = some || ok, always || ok && tests == 0
			same = same && ok && tests == len(term)
		}
		if !some {
			continue
		}
		kept++
		reach = max(reach, steps[i].Next)
		if always && steps[i].Verdict.Decides() && reach <= i {
			return kept, i + 1, same
		}
	}
	return kept, len(steps), same
}

// testsLeft is how many tests are left of a term; false if one is refuted.
func (u *knowledge) testsLeft(t Term) (n int, ok bool) {
	for i := range t {
		test := &t[i]
		switch k := slices.Index(u.atoms, test.Atom); {
		case k >= 0 && len(test.Or) == 0:
			if !rules.Contains(test.Ranges, u.values[k]) {
				return 0, false
			}
			continue
		case u.lacks(test.Atom): // and so all alternatives, which are of one layer
			return 0, false
		}
		n++
	}
	return n, true
}

// left is the terms that are left of some.
func (u *knowledge) left(terms []Term) []Term {
	n, same := 0, true
	for _, term := range terms {
		tests, ok := u.testsLeft(term)
		same = same && ok && tests == len(term)
		if ok {
			n++
		}
	}
	if same {
		return terms
	}
	out := u.terms.take(n)[:0]
	for _, term := range terms {
		if tests, ok := u.testsLeft(term); ok {
			out = append(out, u.without(term, tests))
		}
	}
	return out
}

// without is a term of which some tests are left. Most often it is its end
// that is left: Network is the first of all atoms.
func (u *knowledge) without(t Term, left int) Term {
	gone := func(test *Test) bool { return len(test.Or) == 0 && slices.Contains(u.atoms, test.Atom) }
	for len(t) > left && gone(&t[0]) {
		t = t[1:]
	}
	if len(t) == left {
		return t
	}
	out := u.tests.take(left)[:0]
	for i := range t {
		if !gone(&t[i]) {
			out = append(out, t[i])
		}
	}
	return out
}
