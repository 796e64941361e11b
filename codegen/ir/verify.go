package ir

import (
	"fmt"
	"slices"
)

// Verify checks the invariants that the types state. An error is a mistake of
// the compiler, never of the user.
func (d *Decision) Verify() error {
	if d.Default == 0 {
		return fmt.Errorf("ir: no default verdict")
	}
	sound := map[list]bool{} // lists that were looked at: many rules may read one
	for i, step := range d.Steps {
		if step.Verdict == 0 {
			return fmt.Errorf("ir: step %d has no verdict", i)
		}
		if len(step.Terms) == 0 {
			return fmt.Errorf("ir: step %d has no term", i)
		}
		if next := step.Next; step.Verdict.Decides() != (next == 0) || next != 0 && (next <= i || next > len(d.Steps)) {
			return fmt.Errorf("ir: step %d goes on at %d", i, next)
		}
		for j, t := range step.Terms {
			if err := t.verify(sound); err != nil {
				return fmt.Errorf("ir: step %d, term %d: %w", i, j, err)
			}
			for k := range j {
				if !disjointNetworks(t, step.Terms[k]) {
					return fmt.Errorf("ir: step %d: terms %d and %d overlap", i, k, j)
				}
			}
		}
	}
	return nil
}

func (t Term) verify(sound map[list]bool) error {
	for i, test := range t {
		if i > 0 && !inOrder(t[i-1], test) {
			return fmt.Errorf("%v stands behind %v", test.Atom, t[i-1].Atom)
		}
		if err := test.verify(sound); err != nil {
			return fmt.Errorf("%v: %w", test.Atom, err)
		}
	}
	for _, test := range t {
		var only uint64
		switch test.Atom.Layer {
		case ARPHeader:
			only = ARPNetwork
		case IP4Header:
			only = IP4Network
		case IP6Header:
			only = IP6Network
		default:
			continue
		}
		if net := t.Find(Network); net == nil || len(net.Ranges) != 1 || net.Ranges[0] != number(only) {
			return fmt.Errorf("%v without its network", test.Atom)
		}
	}
	return nil
}

// inOrder says whether a test may stand in front of another.
func inOrder(t, u Test) bool {
	if t.Atom == u.Atom {
		return len(t.Or)+len(u.Or) > 0
	}
	return t.Atom.compare(u.Atom) < 0
}

func (t Test) verify(sound map[list]bool) error {
	for _, other := range t.Or {
		if len(other.Or) > 0 || other.Atom.Layer != t.Atom.Layer {
			return fmt.Errorf("%v is no alternative", other.Atom)
		}
		if err := other.verify(sound); err != nil {
			return err
		}
	}
	if len(t.Ranges) == 0 {
		return fmt.Errorf("no value accepted")
	}
	max := t.Atom.Max()
	id := listOf(t.Ranges, max)
	if sound[id] {
		return nil
	}
	for i, r := range t.Ranges {
		if r.Lo.Compare(r.Hi) > 0 || r.Hi.Compare(max) > 0 {
			return fmt.Errorf("range %v out of order or domain", r)
		}
		if i > 0 && inc(t.Ranges[i-1].Hi).Compare(r.Lo) >= 0 {
			return fmt.Errorf("range %v touches the one before", r)
		}
	}
	if len(t.Ranges) >= shortList {
		sound[id] = true
	}
	return nil
}

func disjointNetworks(a, b Term) bool {
	na, nb := a.Find(Network), b.Find(Network)
	return na != nil && nb != nil && len(intersect(na.Ranges, nb.Ranges)) == 0
}

// Atoms are all atoms that some test reads, each once, in order of first use.
func (d *Decision) Atoms() []Atom {
	var out []Atom
	seen := map[Atom]bool{}
	add := func(a Atom) {
		if !seen[a] {
			seen[a] = true
			out = append(out, a)
		}
	}
	for _, step := range d.Steps {
		for _, term := range step.Terms {
			for _, test := range term {
				add(test.Atom)
				for _, other := range test.Or {
					add(other.Atom)
				}
			}
		}
	}
	return out
}

// WithoutCounts is the Decision for those who do not ask what was counted:
// steps behind which trying goes on at the next one are gone.
func (d *Decision) WithoutCounts() *Decision {
	kept := make([]int, len(d.Steps)+1) // how many steps from there on are kept
	keeps := make([]bool, len(d.Steps))
	for i := len(d.Steps) - 1; i >= 0; i-- {
		s := &d.Steps[i]
		keeps[i] = s.Verdict.Decides() || kept[i+1] > kept[s.Next]
		kept[i] = kept[i+1]
		if keeps[i] {
			kept[i]++
		}
	}
	out := &Decision{Default: d.Default, Exceeds: d.Exceeds}
	at := make([]int, len(d.Steps)+1)
	for i := range d.Steps {
		at[i] = kept[0] - kept[i]
		if keeps[i] {
			out.Steps = append(out.Steps, d.Steps[i])
		}
	}
	at[len(d.Steps)] = kept[0]
	for i := range out.Steps {
		out.Steps[i].goOnAt(at)
	}
	return out
}

// Always says that the step matches every packet.
func (s *Step) Always() bool { return len(s.Terms) == 1 && len(s.Terms[0]) == 0 }

// Equal says that two Decisions are the same, term by term.
func (d *Decision) Equal(other *Decision) bool {
	if len(d.Steps) > 0 && len(d.Steps) == len(other.Steps) && &d.Steps[0] == &other.Steps[0] {
		return d.Default == other.Default
	}
	return d.Default == other.Default && slices.EqualFunc(d.Steps, other.Steps, Step.equal)
}

func (s Step) equal(t Step) bool {
	if s.Rule != t.Rule || s.Verdict != t.Verdict || s.Interface != t.Interface || s.Next != t.Next {
		return false
	}
	same := len(s.Terms) == len(t.Terms) && len(s.Terms) > 0 && &s.Terms[0] == &t.Terms[0]
	return same || slices.EqualFunc(s.Terms, t.Terms, Term.equal)
}
