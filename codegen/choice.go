package codegen

import (
	"fmt"
	"strings"
)

// A Choice says how the rules of one kind of frame became instructions.
type Choice struct {
	Kind        string // "ip4"; "ip4.tcp" are those without options and fragments, told apart first
	Rules       int    // that can match in it
	Strategy    string
	TableBytes  int     // of the tables of this kind
	Nanoseconds float64 // expected for a packet that meets the last rule; 0: not estimated
	Why         string  // for people: "2 rules one after another, about 1 ns"
}

// choices of all kinds that one verdict does not decide.
func (c *chain) choices() []Choice {
	out := make([]Choice, len(c.families))
	for i, f := range c.families {
		out[i] = f.choice()
	}
	return out
}

// whyAll is what was chosen in one line.
func whyAll(choices []Choice) string {
	if len(choices) == 0 {
		return "one verdict for each kind of frame"
	}
	var out []string
	for _, c := range choices {
		out = append(out, c.Kind+" "+c.Why)
	}
	return strings.Join(out, "; ")
}

func (f *family) choice() Choice {
	c := Choice{Kind: f.kind.name, Rules: len(f.kind.left.Steps), Strategy: f.strategy}
	rules := "1 rule"
	if c.Rules != 1 {
		rules = fmt.Sprintf("%d rules", c.Rules)
	}
	switch {
	case f.plan != nil:
		p := f.plan.plan
		c.TableBytes, c.Nanoseconds = p.Bytes(), p.Cost()
		c.Why = fmt.Sprintf("%s in tables of %d KiB, %d look-ups, about %.0f ns (one after another about %.0f ns)",
			rules, (c.TableBytes+1023)/1024, p.Lookups(), c.Nanoseconds, f.chainCost())
		return c
	case f.tree != nil:
		c.Why = rules + " in a tree that tests each field once"
		return c
	case f.noTables != nil:
		rules += ", no tables since " + f.noTables.Error() + ","
	}
	c.Nanoseconds = f.chainCost()
	c.Why = fmt.Sprintf("%s one after another, about %.0f ns", rules, c.Nanoseconds)
	if len(f.kind.plain) > 0 {
		c.Why += ", for packets that are not plain"
	}
	if f.join {
		c.Why += ", the compares of a rule joined into one branch to stay within the verifier's pending branches"
	}
	return c
}
