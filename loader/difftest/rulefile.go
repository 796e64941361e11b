package difftest

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"

	"xdpfw/rules"
)

// A RuleFile is a random rule file that the language accepts.
type RuleFile struct {
	Text  string
	Set   *rules.RuleSet
	rules []*statement // of each rule of Set
	plans []*plan      // of each step of Set
	pool  *pool
}

// A Generator makes rule files and frames for them, all from one seed.
type Generator struct {
	Coverage Coverage
	Rejected int // statements made and refused by the language, for contradictions

	*rand.Rand
}

// NewGenerator from a seed, for cells of so many pairs.
func NewGenerator(seed uint64, enough int) *Generator {
	return &Generator{Rand: rand.New(rand.NewPCG(seed, 0)), Coverage: Coverage{Enough: enough}}
}

func (g *Generator) oneIn(n int) bool { return g.IntN(n) == 0 }

// RuleFile makes a rule file of 1 to 30 rules. It panics if the language
// accepts each of its statements, but not all of them together.
func (g *Generator) RuleFile() *RuleFile {
	for {
		w := newWriter(newPool(g.Rand, 6))
		var chains []*statement
		var names []string
		for i := range g.IntN(4) * g.IntN(2) {
			name := fmt.Sprintf("chain%d", i)
			if chain := g.chain(w, name, names); len(chain.body) > 0 {
				chains, names = append(chains, chain), append(names, name)
			}
		}
		all := g.statements(w, scope{chains: names}, 1+g.IntN(20))
		if slices.ContainsFunc(all, func(s *statement) bool { return s.isRule }) {
			return g.assemble(w, append(chains, all...))
		}
	}
}

// ManyStatements makes a rule file of about n rules of any kind, those that
// take all at its end.
func (g *Generator) ManyStatements(n int) *RuleFile {
	w := newWriter(newPool(g.Rand, 200))
	chain := g.chain(w, "chain0", nil)
	all := g.statements(w, scope{chains: []string{"chain0"}}, n)
	specificFirst(all)
	return g.assemble(w, append([]*statement{chain}, all...))
}

// ManyRules makes a rule file of n rules on both addresses, and most on a port:
// more than the compiler can lay out as it does a few.
func (g *Generator) ManyRules(n int) *RuleFile {
	w := newWriter(newPool(g.Rand, 200))
	var all []*statement
	for range n {
		element := w.prefix6
		if g.oneIn(2) {
			element = w.element4
		}
		s := &statement{isRule: true, conditions: []Condition{{Kind: KindFrom}, {Kind: KindTo}}}
		s.text = fmt.Sprintf("%s from %s to %s", pick(w.pool, []string{"pass", "drop"}), element(), element())
		if !g.oneIn(4) {
			s.text += " port " + w.portElement()
			s.conditions = append(s.conditions, Condition{Kind: KindToPort})
		}
		all = append(all, s)
	}
	return g.assemble(w, all)
}

func (g *Generator) assemble(w *writer, all []*statement) *RuleFile {
	defaults := []string{"default pass\n", "default drop\n", ""}
	preamble, postamble := defaults[g.IntN(3)], ""
	if g.oneIn(4) {
		preamble, postamble = "", preamble
	}
	t := &typist{Generator: g, ruleAt: map[int]*statement{}}
	t.WriteString("# made by difftest\n" + preamble + w.head())
	t.statements(all, "")
	t.WriteString(postamble)
	f := &RuleFile{Text: t.String(), pool: w.pool}
	set, diagnostics := rules.ParseAndCheck(rules.NewFile("rules.fw", []byte(f.Text)))
	if set == nil || diagnostics.Err() != nil {
		panic(fmt.Sprintf("difftest: each statement is accepted, but not all together: %v\n%s", diagnostics.Err(), f.Text))
	}
	f.Set = set
	for i := range set.Rules {
		s := t.ruleAt[set.Rules[i].Span.Start]
		if s == nil {
			panic(fmt.Sprintf("difftest: no rule was written at %v\n%s", set.Rules[i].Span.Position(), f.Text))
		}
		f.rules = append(f.rules, s)
	}
	if len(f.rules) != t.rules {
		panic(fmt.Sprintf("difftest: %d rules written, %d read\n%s", t.rules, len(f.rules), f.Text))
	}
	for i := range set.Steps {
		f.plans = append(f.plans, planFor(&set.Steps[i]))
	}
	return f
}

// A typist writes statements, and notes where each rule begins.
type typist struct {
	strings.Builder
	*Generator
	ruleAt map[int]*statement
	rules  int
}

func (t *typist) statements(all []*statement, indent string) {
	for _, s := range all {
		t.WriteString(indent)
		switch {
		case s.body == nil:
			t.simple(s)
		case len(s.body) <= 2 && s.body[0].body == nil && s.body[len(s.body)-1].body == nil && t.oneIn(3):
			t.oneLine(s)
		default:
			t.WriteString(s.text + " {\n")
			t.statements(s.body, indent+"\t")
			t.WriteString(indent + "}")
		}
		if t.oneIn(8) {
			t.WriteString(" # a comment")
		}
		t.WriteString([]string{"\n", "\n", "\r\n", "\n\n", " ; \n"}[t.IntN(5)])
	}
}

// simple is a rule or a jump; every fifth rule has a name.
func (t *typist) simple(s *statement) {
	if s.isRule {
		t.ruleAt[t.Len()] = s
		if t.oneIn(5) {
			fmt.Fprintf(t, "rule-%d: ", t.rules)
		}
		t.rules++
	}
	t.WriteString(s.text)
}

// oneLine is a block or a chain on one line.
func (t *typist) oneLine(s *statement) {
	t.WriteString(s.text + " { ")
	for i, inner := range s.body {
		if i > 0 {
			t.WriteString("; ")
		}
		t.simple(inner)
	}
	t.WriteString(" }")
}
