package oracle

import (
	"slices"
	"testing"

	"xdpfw/rules"
)

// mustNotice: the frames are so near to the rules, and the explanations so
// narrow, that a mistake in one clause would be a difference that nothing
// explains. Each rule is given such mistakes, one by one.
//
// A mistake that no frame shows is none (`tcp` lost from `tcp to flags syn`, an
// end that is off by one beyond the greatest port): few may be of that kind.
func (k *kase) mustNotice(t *testing.T, frames []*frame, ours, theirs *matching, sum *totals) {
	for _, r := range k.set.Rules {
		for _, m := range mutants(r.Clauses) {
			shown, noticed := false, false
			mistaken := alone(m.clauses)
			for i, f := range frames {
				if o := holds(mistaken, f); theirs.seen[i] && o != ours.by[r.Name][i] {
					shown = true
					if o != theirs.by[r.Name][i] && k.explained(r.Name, f, o) == nil {
						noticed = true
						break
					}
				}
			}
			sum.mistakes++
			switch {
			case noticed:
				sum.noticed++
			case shown:
				t.Errorf("%s: the mistake %q would be taken for a chosen difference", r.Text(), m.what)
			}
		}
	}
}

// A mutant is a rule's clauses with a mistake.
type mutant struct {
	what    string
	clauses []rules.Clause
}

// mutants: each clause lost, each negated, each end of each range (up to the
// third) off by one, a bit of each mask lost.
func mutants(clauses []rules.Clause) (all []mutant) {
	for i, c := range clauses {
		with := func(what string, change func(*rules.Clause)) {
			changed := slices.Clone(clauses)
			changed[i].Set = rules.ValueSet{
				IP4: slices.Clone(c.Set.IP4), IP6: slices.Clone(c.Set.IP6),
				Mask4: slices.Clone(c.Set.Mask4), Mask6: slices.Clone(c.Set.Mask6),
			}
			change(&changed[i])
			all = append(all, mutant{what + " of " + c.Subject.String(), changed})
		}
		all = append(all, mutant{"loss of " + c.Subject.String(), slices.Delete(slices.Clone(clauses), i, i+1)})
		with("negation", func(c *rules.Clause) { c.Not = !c.Not })
		ends := func(family string, ranges func(*rules.Clause) []rules.Range) {
			for at, r := range ranges(&c)[:min(3, len(ranges(&c)))] {
				if c.Subject == rules.Protocol && r.Lo.Lo > 0xff {
					continue // behind an AH, where nft does not look
				}
				with(family+" low end less one", func(c *rules.Clause) { low(ranges(c), at, -1) })
				with(family+" low end and one", func(c *rules.Clause) { low(ranges(c), at, 1) })
				with(family+" high end less one", func(c *rules.Clause) { high(ranges(c), at, -1) })
				with(family+" high end and one", func(c *rules.Clause) { high(ranges(c), at, 1) })
			}
		}
		ends("IPv4", func(c *rules.Clause) []rules.Range { return c.Set.IP4 })
		ends("IPv6", func(c *rules.Clause) []rules.Range { return c.Set.IP6 })
		bits := func(masks func(*rules.Clause) []rules.Masked) {
			for at := range masks(&c) {
				with("mask without its lowest bit", func(c *rules.Clause) { loseLowestBit(&masks(c)[at]) })
			}
		}
		bits(func(c *rules.Clause) []rules.Masked { return c.Set.Mask4 })
		bits(func(c *rules.Clause) []rules.Masked { return c.Set.Mask6 })
	}
	return all
}

func low(ranges []rules.Range, at int, by int64)  { ranges[at].Lo = plus(ranges[at].Lo, by) }
func high(ranges []rules.Range, at int, by int64) { ranges[at].Hi = plus(ranges[at].Hi, by) }

func loseLowestBit(m *rules.Masked) {
	m.Mask.Lo &= m.Mask.Lo - 1
	m.Value.Lo &= m.Mask.Lo
}
