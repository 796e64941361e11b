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
	Text       string
	Set        *rules.RuleSet
	Conditions [][]Condition // of each rule of Set

	pool *pool
}

// A Generator makes rule files and frames for them, all from one seed.
type Generator struct {
	Coverage Coverage
	Rejected int // rules made and refused by the language, for contradictions

	*rand.Rand
}

// NewGenerator from a seed.
func NewGenerator(seed uint64) *Generator {
	return &Generator{Rand: rand.New(rand.NewPCG(seed, 0))}
}

func (g *Generator) oneIn(n int) bool { return g.IntN(n) == 0 }

// A line is one rule of the file to be.
type line struct {
	text       string
	conditions []Condition
}

// RuleFile makes a rule file of 1 to 30 rules. It panics if the language
// accepts each of its rules, but not all of them together.
func (g *Generator) RuleFile() *RuleFile {
	w := &writer{pool: newPool(g.Rand, 6)}
	w.makeSets()
	n := 1 + g.IntN(30)
	var lines []line
	for len(lines) < n {
		l := g.line(w)
		if accepts(w.head(), l.text) {
			lines = append(lines, l)
		} else {
			g.Rejected++
		}
	}
	if !g.oneIn(4) { // the specific rules first, else the general ones decide all
		slices.SortStableFunc(lines, func(a, b line) int { return len(b.conditions) - len(a.conditions) })
	}
	return g.assemble(w, lines)
}

// ManyRules makes a rule file of n rules on both addresses, and most on a port:
// more than the compiler can lay out as it does a few.
func (g *Generator) ManyRules(n int) *RuleFile {
	w := &writer{pool: newPool(g.Rand, 200)}
	var lines []line
	for range n {
		element := w.prefix6
		if g.oneIn(2) {
			element = w.element4
		}
		l := line{fmt.Sprintf("%s from %s to %s", pick(w.pool, []string{"pass", "drop"}), element(), element()), []Condition{{Kind: KindFrom}, {Kind: KindTo}}}
		if !g.oneIn(4) {
			l.text += " port " + w.portElement()
			l.conditions = append(l.conditions, Condition{Kind: KindToPort})
		}
		lines = append(lines, l)
	}
	return g.assemble(w, lines)
}

func accepts(head, rule string) bool {
	rs, diagnostics := rules.ParseAndCheck(rules.NewFile("rule.fw", []byte(head+rule+"\n")))
	return rs != nil && diagnostics.Err() == nil
}

func (g *Generator) assemble(w *writer, lines []line) *RuleFile {
	f := &RuleFile{pool: w.pool}
	defaults := []string{"default pass\n", "default drop\n", ""}
	preamble, postamble := defaults[g.IntN(3)], ""
	if g.oneIn(4) {
		preamble, postamble = "", preamble
	}
	text := strings.Builder{}
	text.WriteString("# made by difftest\n" + preamble + w.head())
	for i, l := range lines {
		if g.oneIn(5) {
			fmt.Fprintf(&text, "rule-%d: ", i)
		}
		text.WriteString(l.text)
		if g.oneIn(8) {
			text.WriteString(" # a comment")
		}
		text.WriteString([]string{"\n", "\n", "\r\n", "\n\n", " ; \n"}[g.IntN(5)])
		f.Conditions = append(f.Conditions, l.conditions)
	}
	text.WriteString(postamble)
	f.Text = text.String()
	set, diagnostics := rules.ParseAndCheck(rules.NewFile("rules.fw", []byte(f.Text)))
	if set == nil || diagnostics.Err() != nil {
		panic(fmt.Sprintf("difftest: each rule is accepted, but not all together: %v\n%s", diagnostics.Err(), f.Text))
	}
	if len(set.Rules) != len(lines) {
		panic(fmt.Sprintf("difftest: %d rules written, %d read\n%s", len(lines), len(set.Rules), f.Text))
	}
	f.Set = set
	return f
}

// line is one rule: for a form that has cells to fill, or of any conditions.
func (g *Generator) line(w *writer) line {
	var cs []Condition
	family := 0
	if g.oneIn(4) {
		for range g.IntN(5) {
			cs = append(cs, conditionAt(g.IntN(conditions)))
		}
	} else {
		form := g.shortForm()
		cs = g.conditionsFor(form, 1+g.IntN(3)+g.IntN(3)+g.IntN(4))
		family = formSpecs[form].traits.familyIfKnown
	}
	g.Shuffle(len(cs), func(i, j int) { cs[i], cs[j] = cs[j], cs[i] })
	verdict := []string{"pass", "drop"}[g.IntN(2)]
	return line{verdict + w.clauses(cs, family), cs}
}

// shortForm is a form, the likelier the more its cells fall short.
func (g *Generator) shortForm() Form {
	var weights [Mutated]int
	for form := range Mutated {
		weights[form] = 1
		for column := range conditions {
			weights[form] += g.Coverage.short(form, conditionAt(column))
		}
	}
	return Form(g.weighted(weights[:]))
}

// weighted is an index, as likely as its weight.
func (g *Generator) weighted(weights []int) int {
	sum := 0
	for _, n := range weights {
		sum += n
	}
	pick := g.IntN(sum)
	for i, n := range weights {
		if pick -= n; pick < 0 {
			return i
		}
	}
	panic("difftest: no weight")
}

// conditionsFor is up to n conditions that can hold together for a form, the
// likelier the more their cells fall short.
func (g *Generator) conditionsFor(form Form, n int) []Condition {
	var cs []Condition
	for range n {
		var weights [conditions]int
		any := false
		for column := range conditions {
			d := conditionAt(column)
			if form.Impossible(d) == "" && !clash(cs, d) {
				weights[column], any = 5+g.Coverage.short(form, d), true
			}
		}
		if !any {
			break
		}
		cs = append(cs, conditionAt(g.weighted(weights[:])))
	}
	return cs
}

// clash says whether a condition cannot, or need not, stand beside others.
func clash(cs []Condition, d Condition) bool {
	for _, c := range cs {
		switch {
		case c.Kind == d.Kind:
			return true
		case c.Kind.isProtocol() && d.Kind.isProtocol() && !c.Not && !d.Not:
			return true
		case c.Kind.isPort() && portless(d), d.Kind.isPort() && portless(c):
			return true
		}
	}
	return false
}

// portless says whether a condition asks for a protocol without ports, or
// forbids one that has them: three of those leave none.
func portless(c Condition) bool {
	switch c.Kind {
	case KindICMP, KindICMP6:
		return !c.Not
	case KindUDP, KindTCP:
		return c.Not
	}
	return false
}
