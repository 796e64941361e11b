package rules

import "slices"

// Check finds out what a tree means. The RuleSet is nil if there is an error,
// here or when the tree was parsed.
func Check(t *Tree) (*RuleSet, Diagnostics) {
	r := &report{}
	r.met(t.File)
	rs := check(t, r, &usage{bytes: len(t.File.Text)}, ReadRegular, nil)
	return rs, r.diagnostics()
}

// check goes through the statements once, from top to bottom: names are
// defined before they are used. The contradictions of a rule are looked for
// when its clauses are known, the warnings about a whole file at its end.
func check(t *Tree, r *report, u *usage, read Reader, find ReachFinder) *RuleSet {
	c := newChecker(t, r, u, read)
	c.findReach = find
	c.statements(t.Statements)
	return c.finish()
}

// checkOnly is check where there is known to be an error: no rule is kept.
func checkOnly(t *Tree, r *report, u *usage, read Reader) {
	c := newChecker(t, r, u, read)
	c.forgets = true
	c.statements(t.Statements)
	c.finish()
}

// checkAsRead checks each statement of a file when it is read, and keeps none.
// The report is not whole if there is an error in one of them.
func checkAsRead(f *File, r *report, u *usage, read Reader, find ReachFinder) (rs *RuleSet, whole bool) {
	c := newChecker(&Tree{File: f}, r, u, read)
	c.asRead, c.findReach = true, find
	parseInto(c.tree, r, u, c.statement)
	if c.failed() {
		return nil, false
	}
	return c.finish(), true
}

func newChecker(t *Tree, r *report, u *usage, read Reader) *checker {
	return &checker{
		report: r, usage: u, read: read, tree: t, trees: []*Tree{t},
		rs:   &RuleSet{File: t.File, Files: []*File{t.File}, Default: Pass},
		sets: map[string]*set{}, labels: map[string]Span{}, disjoint: map[pairKey]bool{},
		chain: &chain{}, chains: map[string]*chain{},
		files: map[string]*File{}, setFiles: map[string]*set{}, tests: map[string]Span{},
	}
}

// finish is what is left to do when all statements are checked.
func (c *checker) finish() *RuleSet {
	t := c.tree
	if (len(c.chain.items) == 0 || len(c.rs.Rules) == 0) && c.rs.DefaultSpan.IsZero() && !t.broken && !c.failed() {
		c.error("no-rules", Span{t.File, 0, 0}, "the file has no rules").
			help("a file that passes everything says so: `default pass`")
	}
	if !c.failed() && !c.forgets {
		c.makeSteps()
	}
	c.lint()
	if t.broken || c.failed() || c.forgets {
		return nil
	}
	c.makeKeys()
	return c.rs
}

type checker struct {
	*report
	*usage
	read  Reader
	tree  *Tree   // of the file that the statement is in
	trees []*Tree // of all files that were read so far
	rs    *RuleSet

	findReach ReachFinder // nil: only rules that one rule covers are warned of

	asRead  bool // statements come one by one, and the trees have only comments
	forgets bool // the rules, for there will be no rule set

	files      map[string]*File // that were read so far, by path
	filesNamed int              // how often one was named
	including  []Span           // the paths of the include statements that led here

	chain         *chain // where rules go: one that is being defined, or the file
	inChain       string // its name, "" for the file
	chains        map[string]*chain
	chainsInOrder []*chain
	chainPlaces   map[string]Span // see chainsAnywhere
	copied        int             // clauses that were copied to stand in front of others, so far

	setting
	pieces slab[Clause]
	text   []byte // of clauses: see clauses

	pairs         []paired // of the clauses that possible looked at last: those around, then others
	possibleOf    *Clause  // the first of the clauses around for which possibleThere was found out
	possibleThere states

	sets     map[string]*set
	inOrder  []*set          // as they are defined
	places   map[string]Span // see definedAnywhere
	names    []string
	placed   int // how many of trees are in places
	labels   map[string]Span
	expanded int // values copied out of sets so far

	setFiles               map[string]*set // made of files so far, by path
	setBytes, fileElements int             // of all files of sets so far

	tests     map[string]Span // the names of tests
	testBytes int             // of their packets so far

	disjoint map[pairKey]bool // what was found out about pairs of long lists

	compared int // pairs of clauses: see redundantWork

	// For follows.
	one   []Clause
	alone known
}

// A setting is what stands around a statement: the clauses of blocks, outermost
// first, also as they are written, and their canonical text.
type setting struct {
	brace        Span // the nearest, zero at top level
	around       []Clause
	aroundNodes  []ClauseNode
	aroundText   string
	aroundBroken bool // some of the clauses could not be read
}

func (c *checker) defaultStatement(s *DefaultStatement) {
	if !c.rs.DefaultSpan.IsZero() {
		c.error("duplicate-default", s.Span, "a second default").
			help("a file has one: leave out either").
			note(c.rs.DefaultSpan, "the first one")
		return
	}
	c.rs.Default, c.rs.DefaultSpan = s.Verdict, s.Span
}

// rule checks a rule and adds it to the rule set.
func (c *checker) rule(s *RuleStatement) {
	rule := Rule{Verdict: s.Verdict, Span: s.Span}
	if !s.Label.IsZero() {
		rule.Name = s.Label.Text()
		if first, is := c.labels[rule.Name]; is && isName(rule.Name) { // else reported by the parser
			c.error("duplicate-name", s.Label, "the name %s is taken", quote(rule.Name)).
				help("each name stands for one rule and its counter").note(first, "first used here")
		} else {
			c.labels[rule.Name] = s.Label
		}
		if rule.Name == "default" {
			c.warning("name-default", s.Label, "a rule with the name `default`, which is tried at its place like any other").
				help("write %s for what happens to packets that no rule decides", quote("default "+s.Verdict.String())).in(s.Span)
		}
	}
	clauses, text, ok := c.clauses(s.Clauses)
	if !ok || s.broken {
		return
	}
	rule.Clauses = clauses
	c.contradictions(clauses)
	c.scopeOfNot(s.Clauses, s.Span)
	c.redundant(clauses, s.Span)
	if s.Verdict == Return && c.inChain == "" {
		c.error("misplaced-return", s.Span, "`return` outside of a chain").
			help("it leaves the chain that it stands in; behind the rules of the file the default decides")
		return
	}
	if s.Verdict == Redirect {
		if rule.Interface, ok = c.interfaceOf(s.Target); !ok {
			return
		}
		if _, _, is := vlanInterface(c.rs.Interfaces[rule.Interface]); is {
			c.warning("vlan-interface", s.Target, "%s looks like a VLAN sub-interface, which drivers cannot send out of for XDP", quoteSpan(s.Target)).
				help("name the physical interface").in(s.Span)
		}
	}
	rule.Key = c.textOf(s, text) // makeKeys makes it unique
	c.addItem(item{rule: len(c.rs.Rules)}, s.Span)
	if !c.forgets && !c.failed() {
		c.rs.Rules = append(withRoom(c.rs.Rules, s.Span), rule)
	}
}

// withRoom is a list with room for one more. What it grows to is about what the
// file will come to, by how far it has been read: growing a million rules step
// by step would take several times their memory.
func withRoom[T any](list []T, at Span) []T {
	const many = 1000 // of fewer too little is known
	n := len(list)
	if n < cap(list) || n < many {
		return list
	}
	left := len(at.File.Text) - at.End
	more := int(uint64(n) * uint64(left) / uint64(max(at.End, 1)))
	const shortest = 5 // "drop\n"
	return slices.Grow(list, max(min(more+n/16, left/shortest), n/4)+1)
}

// textOf is the canonical text of a rule, by that of its clauses.
func (c *checker) textOf(s *RuleStatement, clauses string) string {
	text := s.Verdict.String()
	if s.Verdict == Redirect {
		text += " " + unquote(s.Target)
	}
	if c.inChain != "" {
		text = "chain " + c.inChain + ": " + text
	}
	return text + clauses
}

// clauses finds out what the clauses of a statement mean. What it gives begins
// with those of the blocks around; the text is canonical and begins with a
// blank, if there are any.
func (c *checker) clauses(nodes []ClauseNode) (all []Clause, text string, ok bool) {
	own := c.pieces.take(len(nodes))[:0]
	c.text = append(c.text[:0], c.aroundText...)
	ok = true
	for i := range nodes {
		n, good := &nodes[i], true
		if n.isType() || n.isCode() {
			n, good = c.icmpClause(nodes[i], nodes[:i], nodes)
		}
		if !good {
			ok = false
			continue
		}
		clause, clauseText, good := c.clause(n)
		if !good {
			ok = false
			continue
		}
		own = append(own, clause)
		c.text = append(append(c.text, ' '), clauseText...)
	}
	text = string(c.text)
	if n := len(c.around) + len(own); n > MaxRuleClauses && len(c.around) > 0 {
		c.error("limit", nodes[len(nodes)-1].Span, "with those of the blocks around it the rule has %d clauses (limit: %d)", n, MaxRuleClauses)
		return c.around, text, false
	}
	if len(nodes) == 0 {
		return c.around, text, ok
	}
	return c.join(c.around, own, nodes[0].Span), text, ok
}

// A slab hands out pieces of one array after another, in place of a million
// small ones.
type slab[T any] struct{ free []T }

const slabSize = 256

func (s *slab[T]) take(n int) []T {
	if n > len(s.free) {
		s.free = make([]T, max(n, slabSize))
	}
	out := s.free[:n:n]
	s.free = s.free[n:]
	return out
}
