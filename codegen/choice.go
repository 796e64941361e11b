package codegen

import (
	"fmt"
	"slices"
	"strings"
)

// A Choice says how the rules of one kind of frame became instructions.
type Choice struct {
	Kind        string  `json:"kind"`  // "ip4"
	Rules       int     `json:"rules"` // that can match in it
	Strategy    string  `json:"strategy"`
	TableBytes  int     `json:"table_bytes"` // of the tables of this kind
	Nanoseconds float64 `json:"nanoseconds"` // expected for a packet that meets the last rule; 0: not estimated
	Why         string  `json:"why"`         // for people: "2 rules one after another, about 1 ns"
}

// choices of all kinds that one verdict does not decide.
func (c *chain) choices() []Choice {
	var out []Choice
	for _, f := range c.families {
		out = append(out, f.choice())
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
		c.TableBytes, c.Nanoseconds = p.Bytes(), tableTime(p)
		c.Why = fmt.Sprintf("%s in tables of %d KiB, %d look-ups, about %.0f ns (in code about %.0f ns)",
			rules, (c.TableBytes+1023)/1024, p.Lookups(), c.Nanoseconds, f.codeTime)
		return c
	case f.tree != nil:
		c.Why = rules + " in a tree"
	case len(f.kind.plain) > 0:
		c.Why = rules + ", by protocol first"
		if slices.ContainsFunc(f.kind.plain, func(p *plainKind) bool { return p.chain != nil && p.chain.tree != nil }) {
			c.Why = rules + " in a tree, by protocol first"
		}
	default:
		c.Why = rules + " one after another"
	}
	c.Nanoseconds = f.codeTime
	c.Why += fmt.Sprintf(", about %.0f ns", c.Nanoseconds)
	if f.join {
		c.Why += ", the compares of a rule joined into one branch to stay within the verifier's pending branches"
	}
	if f.noTables != nil {
		c.Why += "; no tables: " + f.noTables.Error()
	}
	return c
}
