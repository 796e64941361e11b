package ir

import (
	"fmt"

	"xdpfw/rules"
)

// Verify checks the invariants that the types state. An error is a mistake of
// the compiler, never of the user.
func (d *Decision) Verify() error {
	if d.Default == 0 {
		return fmt.Errorf("ir: no default verdict")
	}
	sound := map[list]bool{} // lists that were looked at: many rules may read one
	last := -1
	for _, r := range d.Terminal {
		if r.ID <= last {
			return fmt.Errorf("ir: rule %d stands behind rule %d", r.ID, last)
		}
		last = r.ID
		if r.Verdict == 0 {
			return fmt.Errorf("ir: rule %d has no verdict", r.ID)
		}
		if len(r.Terms) == 0 {
			return fmt.Errorf("ir: rule %d has no term", r.ID)
		}
		for i, t := range r.Terms {
			if err := t.verify(sound); err != nil {
				return fmt.Errorf("ir: rule %d, term %d: %w", r.ID, i, err)
			}
			for j := range i {
				if !disjointNetworks(t, r.Terms[j]) {
					return fmt.Errorf("ir: rule %d: terms %d and %d overlap", r.ID, j, i)
				}
			}
		}
	}
	return nil
}

func (t Term) verify(sound map[list]bool) error {
	for i, test := range t {
		if i > 0 && !t[i-1].Atom.less(test.Atom) {
			return fmt.Errorf("%v stands behind %v", test.Atom, t[i-1].Atom)
		}
		if err := test.verify(sound); err != nil {
			return fmt.Errorf("%v: %w", test.Atom, err)
		}
	}
	for _, test := range t {
		var only uint64
		switch test.Atom.Layer {
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

func (t Test) verify(sound map[list]bool) error {
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
	for _, r := range d.Terminal {
		for _, term := range r.Terms {
			for _, test := range term {
				if !seen[test.Atom] {
					seen[test.Atom] = true
					out = append(out, test.Atom)
				}
			}
		}
	}
	return out
}

// Under is the Decision of the packets in which the given atoms have the
// given values: their tests are gone, and with them every term that one of
// them refutes and every rule behind one that is bound to match.
func (d *Decision) Under(known map[Atom]uint64) *Decision {
	out := &Decision{Default: d.Default}
	for _, r := range d.Terminal {
		left := Rule{ID: r.ID, Verdict: r.Verdict}
		for _, term := range r.Terms {
			if t, ok := term.under(known); ok {
				left.Terms = append(left.Terms, t)
			}
		}
		if len(left.Terms) == 0 {
			continue
		}
		out.Terminal = append(out.Terminal, left)
		if left.Always() {
			break
		}
	}
	return out
}

// Always says that the rule matches every packet.
func (r *Rule) Always() bool { return len(r.Terms) == 1 && len(r.Terms[0]) == 0 }

func (t Term) under(known map[Atom]uint64) (Term, bool) {
	var left Term
	for _, test := range t {
		v, ok := known[test.Atom]
		if !ok {
			left = append(left, test)
		} else if !rules.Contains(test.Ranges, rules.Value{Lo: v}) {
			return nil, false
		}
	}
	return left, true
}
