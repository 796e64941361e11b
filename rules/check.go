package rules

// Check finds out what a tree means. The RuleSet is nil if there is an error,
// here or when the tree was parsed.
func Check(t *Tree) (*RuleSet, Diagnostics) {
	r := &report{}
	rs := check(t, r)
	return rs, r.diagnostics()
}

// check goes through the statements once, from top to bottom: names are
// defined before they are used. The contradictions of a rule are looked for
// when its clauses are known, the warnings about a whole file at its end.
func check(t *Tree, r *report) *RuleSet {
	c := &checker{
		report: r, tree: t, rs: &RuleSet{File: t.File, Files: []*File{t.File}, Default: Pass},
		sets: map[string]*set{}, labels: map[string]Span{}, disjoint: map[pairKey]bool{},
	}
	c.rs.Rules = make([]Rule, 0, len(t.Statements))
	c.rs.Steps = make([]Step, 0, len(t.Statements))
	for _, statement := range t.Statements {
		switch s := statement.(type) {
		case *DefaultStatement:
			c.defaultStatement(s)
		case *SetStatement:
			c.setStatement(s)
		case *RuleStatement:
			c.rule(s)
		}
	}
	if len(c.rs.Rules) == 0 && c.rs.DefaultSpan.IsZero() && !t.broken && !r.failed() {
		r.error("no-rules", Span{t.File, 0, 0}, "the file has no rules").
			help("a file that passes everything says so: `default pass`")
	}
	c.lint()
	if t.broken || r.failed() {
		return nil
	}
	c.makeKeys()
	return c.rs
}

type checker struct {
	*report
	tree *Tree
	rs   *RuleSet

	// The clauses of the blocks around the statement, outermost first, also as
	// they are written, and their canonical text.
	around      []Clause
	aroundNodes []ClauseNode
	aroundText  string

	sets     map[string]*set
	inOrder  []*set          // as they are defined
	places   map[string]Span // see definedAnywhere
	names    []string
	labels   map[string]Span
	expanded int              // values copied out of sets so far
	disjoint map[pairKey]bool // what was found out about pairs of long lists
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
		if first, is := c.labels[rule.Name]; is {
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
	c.scopeOfNot(s)
	rule.Key = s.Verdict.String() + text // for now: see makeKeys
	c.rs.Add(rule)
}

// clauses finds out what the clauses of a statement mean. What it gives begins
// with those of the blocks around; the text is canonical and begins with a
// blank, if there are any.
func (c *checker) clauses(nodes []ClauseNode) (all []Clause, text string, ok bool) {
	all = append(make([]Clause, 0, len(c.around)+len(nodes)), c.around...)
	text, ok = c.aroundText, true
	for i := range nodes {
		clause, clauseText, good := c.clause(&nodes[i])
		if !good {
			ok = false
			continue
		}
		all = append(all, clause)
		text += " " + clauseText
	}
	return all, text, ok
}
