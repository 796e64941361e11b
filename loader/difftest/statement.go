package difftest

import (
	"fmt"
	"slices"
	"strings"

	"xdpfw/rules"
)

// A statementKind is what coverage counts of statements, beside clauses.
type statementKind uint8

// The statement kinds.
const (
	decidedPass statementKind = iota
	decidedDrop
	decidedAbort
	decidedTX
	decidedRedirect
	countedCount
	countedReturn
	decidedInBlock
	decidedInChain
	decidedBehindCount
	decidedBehindReturn
	countedTwice
	statementKinds = iota
)

var statementKindNames = [statementKinds]string{
	"decided by pass", "decided by drop", "decided by abort", "decided by tx", "decided by redirect",
	"counted by count", "counted by return", "decided in a block", "decided in a chain",
	"decided by a rule, behind a count", "decided by a rule, behind a return", "counted twice by a rule of a chain",
}

func (s statementKind) String() string { return statementKindNames[s] }

// A statement is one of the file to be: a rule, a jump, or a block or chain
// with a body.
type statement struct {
	text       string
	conditions []Condition // of the blocks around it and its own
	body       []*statement
	isRule     bool
	inBlock    bool
	inChain    bool
}

// A scope is where statements stand.
type scope struct {
	opening string      // the heads of blocks and chains around, each with its brace
	depth   int         // of braces
	around  []Condition // of the blocks
	inChain bool
	chains  []string // that can be jumped to
}

// inside is a scope within braces behind a head.
func (s scope) inside(head string, conditions []Condition) scope {
	s.opening += head + " {\n"
	s.depth++
	s.around = conditions
	return s
}

const maxDepth = 3

// statements of a scope, with about n rules.
func (g *Generator) statements(w *writer, s scope, n int) []*statement {
	var all []*statement
	for n > 0 {
		switch {
		case s.depth < maxDepth && n > 1 && g.oneIn(7):
			size := 1 + g.IntN(min(n, 5))
			if b := g.block(w, s, size); b != nil {
				all = append(all, b)
			}
			n -= size
		case len(s.chains) > 0 && g.oneIn(6):
			all = append(all, g.accepted(w, s, func() *statement { return g.jump(w, s) }))
		default:
			all = append(all, g.accepted(w, s, func() *statement { return g.rule(w, s) }))
			n--
		}
	}
	all = slices.DeleteFunc(all, func(s *statement) bool { return s == nil })
	if !g.oneIn(4) { // the specific ones first, else the general ones decide all
		specificFirst(all)
	}
	return all
}

func specificFirst(all []*statement) {
	slices.SortStableFunc(all, func(a, b *statement) int { return len(b.conditions) - len(a.conditions) })
}

// attempts is how often a statement is made anew if the language refuses it.
const attempts = 20

// accepted is a statement that the language takes where it stands; nil if none
// was made.
func (g *Generator) accepted(w *writer, s scope, make func() *statement) *statement {
	for range attempts {
		st := make()
		text := w.head() + chainHeads(s.chains) + s.opening + st.text + strings.Repeat("\n}", s.depth) + "\npass\n"
		if read(text) != nil {
			return st
		}
		g.Rejected++
	}
	return nil
}

// chainHeads are chains of these names, with something in them.
func chainHeads(names []string) string {
	var b strings.Builder
	for _, name := range names {
		fmt.Fprintf(&b, "chain %s { pass }\n", name)
	}
	return b.String()
}

// block is clauses and statements behind them; nil if none of either was made.
func (g *Generator) block(w *writer, s scope, n int) *statement {
	var head string
	var conditions []Condition
	g.accepted(w, s, func() *statement {
		form := g.shortForm(s.around)
		own := g.conditionsFor(form, 1+g.IntN(2), s.around)
		conditions = together(s.around, own)
		head = strings.TrimPrefix(w.clauses(own, form.family()), " ")
		return &statement{text: head + " { pass }"}
	})
	b := &statement{text: head, conditions: conditions, inBlock: true}
	if len(conditions) == len(s.around) {
		return nil
	}
	b.body = g.statements(w, s.inside(head, conditions), n)
	if len(b.body) == 0 {
		return nil
	}
	return b
}

func (g *Generator) jump(w *writer, s scope) *statement {
	var own []Condition
	form := g.shortForm(s.around)
	if !g.oneIn(3) {
		own = g.conditionsFor(form, 1+g.IntN(2), s.around)
	}
	return &statement{text: "jump " + s.chains[g.IntN(len(s.chains))] + w.clauses(own, form.family()), conditions: own}
}

// rule is one for a form that has cells to fill, or of any conditions.
func (g *Generator) rule(w *writer, s scope) *statement {
	var own []Condition
	family := 0
	if g.oneIn(5) {
		for range g.IntN(4) {
			own = append(own, conditionAt(g.IntN(conditions)))
		}
		own = withICMP(s.around, own)
	} else {
		form := g.shortForm(s.around)
		own = g.conditionsFor(form, 1+g.IntN(3)+g.IntN(3)+g.IntN(4), s.around)
		family = form.family()
	}
	g.Shuffle(len(own), func(i, j int) { own[i], own[j] = own[j], own[i] })
	return &statement{
		text: g.verdict(s) + w.clauses(own, family), conditions: together(s.around, own),
		isRule: true, inBlock: len(s.around) > 0, inChain: s.inChain,
	}
}

func (g *Generator) verdict(s scope) string {
	switch g.IntN(20) {
	case 0:
		return "abort"
	case 1:
		return "tx"
	case 2:
		return "redirect " + []string{arrivesOn, "eth7", `"eth1.5"`}[g.IntN(3)]
	case 3, 4:
		return "count"
	case 5, 6, 7:
		if s.inChain {
			return "return"
		}
	}
	return []string{"pass", "drop"}[g.IntN(2)]
}

// A chain with a body, that later chains and rules can jump to. Its last rule
// mostly takes whatever has not left it.
func (g *Generator) chain(w *writer, name string, chains []string) *statement {
	s := scope{inChain: true, chains: chains}.inside("chain "+name, nil)
	body := g.statements(w, s, 1+g.IntN(6))
	if !g.oneIn(3) {
		s.chains = nil
		if last := g.accepted(w, s, func() *statement { return g.general(w, s) }); last != nil {
			body = append(body, last)
		}
	}
	return &statement{text: "chain " + name, body: body}
}

// general is a rule with a condition at most.
func (g *Generator) general(w *writer, s scope) *statement {
	own := g.conditionsFor(g.shortForm(s.around), g.IntN(2), s.around)
	return &statement{text: g.verdict(s) + w.clauses(own, 0), conditions: together(s.around, own), isRule: true, inChain: s.inChain}
}

// together is each of the conditions once.
func together(around, own []Condition) []Condition {
	all := slices.Clone(around)
	for _, c := range own {
		if !slices.Contains(all, c) {
			all = append(all, c)
		}
	}
	return all
}

// withICMP puts `icmp` or `icmp6` in front of types and codes where nothing
// says it yet.
func withICMP(around, own []Condition) []Condition {
	for _, c := range own {
		word := Condition{Kind: KindICMP}
		switch c.Kind {
		case KindType6, KindCode6:
			word.Kind = KindICMP6
		case KindType4, KindCode4:
		default:
			continue
		}
		if !slices.Contains(around, word) && !slices.Contains(own, word) {
			own = append([]Condition{word}, own...)
		}
	}
	return own
}

// read is the rule set of a text; nil if the language does not accept it.
func read(text string) *rules.RuleSet {
	rs, diagnostics := rules.ParseAndCheck(rules.NewFile("rules.fw", []byte(text)))
	if diagnostics.Err() != nil {
		return nil
	}
	return rs
}
