package rules

import (
	"fmt"
	"slices"
)

// A chain is statements that are tried in order: those of `chain NAME { … }`,
// or those of the file itself.
type chain struct {
	name    Span // zero for the file
	items   []item
	size    int   // how many rules it comes to when it is expanded, not above MaxSteps+1
	largest *jump // of its jumps the one that comes to most rules
	depth   int   // of jumps within jumps: 0 without any
	broken  bool  // its size was found too large: its uses say nothing
	used    bool
}

// An item of a chain is a rule or a jump.
type item struct {
	rule int // index in RuleSet.Rules, if there is no jump
	jump *jump
}

// A jump stands for the statements of another chain, with clauses in front of
// each.
type jump struct {
	to      *chain
	clauses []Clause // of the blocks around it, then its own
	span    Span
}

// statements checks those of a file, a block or a chain.
func (c *checker) statements(list []Statement) {
	for _, s := range list {
		c.statement(s)
	}
}

func (c *checker) statement(statement Statement) {
	if c.asRead && c.failed() {
		return // all is checked once more
	}
	switch s := statement.(type) {
	case *DefaultStatement:
		if c.atTopLevel(s.Span, "default") {
			c.defaultStatement(s)
		}
	case *SetStatement:
		if c.atTopLevel(s.Span, "set") {
			c.setStatement(s)
		}
	case *RuleStatement:
		c.rule(s)
	case *BlockStatement:
		c.block(s)
	case *ChainStatement:
		if c.atTopLevel(s.Span, "chain") {
			c.chainStatement(s)
		}
	case *JumpStatement:
		c.jumpStatement(s)
	case *IncludeStatement:
		c.include(s)
	case *TestStatement:
		if c.atTopLevel(s.Span, "test") {
			c.testStatement(s)
		}
	}
}

// atTopLevel reports a statement that stands in a block or chain and may not.
func (c *checker) atTopLevel(statement Span, word string) bool {
	if c.brace.IsZero() {
		return true
	}
	at := Span{statement.File, statement.Start, statement.Start + len(word)}
	c.error("misplaced-statement", at, "%s within braces", quote(word)).
		help("it stands at top level, outside of blocks and chains").note(c.brace, "within this")
	return false
}

// block checks the statements of a block with its clauses in front.
func (c *checker) block(s *BlockStatement) {
	clauses, text, ok := c.clauses(s.Clauses)
	if ok && !s.broken {
		c.contradictions(clauses)
	}
	outer := c.setting
	c.setting = setting{s.Open, clauses, slices.Concat(outer.aroundNodes, s.Clauses), short(text), outer.aroundBroken || s.broken || !ok}
	c.body(s.read, s.Body)
	c.setting = outer
}

// body checks the statements within braces, which may have to be read first.
func (c *checker) body(read func(), statements []Statement) {
	if read != nil {
		read()
		return
	}
	c.statements(statements)
}

// chainStatement defines a chain, also if there are errors in it.
func (c *checker) chainStatement(s *ChainStatement) {
	defined := &chain{name: s.Name, broken: s.broken, used: s.broken}
	outer := c.chain
	c.chain, c.brace, c.inChain = defined, s.Open, s.Name.Text()
	c.body(s.read, s.Body)
	c.chain, c.brace, c.inChain = outer, Span{}, ""
	if first, is := c.chains[s.Name.Text()]; is && isName(s.Name.Text()) { // else reported by the parser
		c.error("duplicate-chain", s.Name, "the chain %s is defined already", quote(s.Name.Text())).
			note(first.name, "first defined here")
		return
	}
	c.chains[s.Name.Text()] = defined
	c.chainsInOrder = append(c.chainsInOrder, defined)
}

// jumpStatement checks a jump and adds it to the chain or the file.
func (c *checker) jumpStatement(s *JumpStatement) {
	clauses, _, ok := c.clauses(s.Clauses)
	to := c.chainNamed(s.Name)
	if !ok || s.broken {
		return
	}
	c.contradictions(clauses)
	c.scopeOfNot(s.Clauses, s.Span)
	c.redundant(clauses, s.Span)
	if to == nil || to.broken {
		return
	}
	c.addItem(item{jump: &jump{to, clauses, s.Span}}, s.Span)
}

// chainNamed is the chain that a jump names, nil if there is none.
func (c *checker) chainNamed(name Span) *chain {
	text := name.Text()
	if found, is := c.chains[text]; is {
		found.used = true
		return found
	}
	if !isName(text) {
		return nil // reported by the parser
	}
	d := c.error("unknown-chain", name, "unknown chain %s", quote(text))
	if c.full() {
		return nil
	}
	if c.inChain == text {
		d.Message = "the chain " + quote(text) + " cannot jump to itself"
		d.note(c.chain.name, "defined here")
		return nil
	}
	if later, is := c.chainsAnywhere()[text]; is {
		d.help("chains are defined before they are used, so that no jump leads back").note(later, "defined here")
		return nil
	}
	var names []string
	for _, known := range c.chainsInOrder {
		if names = append(names, known.name.Text()); len(names) == manyNames {
			break
		}
	}
	if near := nearest(text, names); near != "" {
		d.help("did you mean %s?", quote(near)).note(c.chains[near].name, "defined here")
	} else if isClauseWord(text) || text == "" {
		d.help("`jump` needs the name of a chain in front of its clauses")
	} else {
		d.help("define it further up: %s", quote("chain "+text+" { … }"))
	}
	return nil
}

// chainsAnywhere is where the main file defines its chains, also those further
// down.
func (c *checker) chainsAnywhere() map[string]Span {
	if c.chainPlaces == nil {
		c.chainPlaces = map[string]Span{}
		for _, statement := range c.trees[0].Statements {
			s, is := statement.(*ChainStatement)
			if !is {
				continue
			}
			if _, twice := c.chainPlaces[s.Name.Text()]; !twice {
				c.chainPlaces[s.Name.Text()] = s.Name
			}
		}
	}
	return c.chainPlaces
}

// addItem adds a rule or jump to the chain that is being read, and sees how
// large that becomes when it is expanded.
func (c *checker) addItem(it item, span Span) {
	to, size := c.chain, 1
	if it.jump != nil {
		size = it.jump.to.size
		to.depth = max(to.depth, it.jump.to.depth+1)
		if to.largest == nil || size > to.largest.to.size {
			to.largest = it.jump
		}
	}
	to.items = append(withRoom(to.items, span), it)
	if to.broken {
		return
	}
	to.size += size
	switch {
	case to.size > MaxSteps:
		c.tooLarge(to, it, span)
		to.broken = true
	case to.depth > MaxJumpDepth:
		c.error("limit", span, "jumps lead through chains deeper than they may (limit: %d)", MaxJumpDepth)
		to.broken = true
	}
}

// tooLarge reports a chain that comes to too many rules, and the jumps that
// make it so.
func (c *checker) tooLarge(large *chain, it item, span Span) {
	d := c.error("limit", span, "with chains expanded this comes to more rules than there may be (limit: %d)", MaxSteps)
	j := it.jump
	if j == nil {
		j = large.largest
	}
	const shown = 8
	for n := 0; j != nil && j.to.size > 1; n++ {
		if n == shown {
			d.note(j.to.name, "and on through %d more jumps", j.to.depth)
			return
		}
		d.note(j.span, "this jump comes to %d rules", j.to.size)
		j = j.to.largest
	}
}

// unusedChains warns of chains that no jump names.
func (c *checker) unusedChains() {
	for _, defined := range c.chainsInOrder {
		if !defined.used {
			c.warning("unused-chain", defined.name, "no jump leads to the chain %s", quote(defined.name.Text())).in(defined.name)
		}
	}
}

// makeSteps expands the chains: what is tried, in order. The sizes are known
// to be within the limit.
func (c *checker) makeSteps() {
	c.rs.Steps = make([]Step, 0, c.chain.size)
	c.stepsOf(c.chain, nil)
	c.limitMasks()
}

// limitMasks: ranges are searched, but masks are compared one by one, wherever
// a clause names them.
func (c *checker) limitMasks() {
	all := 0
	for i := range c.rs.Steps {
		step := &c.rs.Steps[i]
		masks := 0
		for j := range step.Clauses {
			set := &step.Clauses[j].Set
			masks += max(len(set.Mask4), len(set.Mask6))
		}
		if all += masks; masks <= MaxRuleMasks && all <= MaxMasks {
			continue
		}
		rule := c.rs.Rules[step.Rule].Span
		d := c.error("limit", rule, "the rule names %d values with a mask (limit: %d)", masks, MaxRuleMasks)
		if masks <= MaxRuleMasks {
			d.Message = fmt.Sprintf("up to this rule clauses name more values with a mask than they may (limit: %d)", MaxMasks)
		}
		d.help("prefixes and ranges are no masks; those of a set count wherever it is used")
		return
	}
}

// stepsOf adds the steps of a chain, under the clauses of the jumps that led to it.
func (c *checker) stepsOf(list *chain, under []Clause) {
	var returns []int
	for _, it := range list.items {
		if it.jump != nil {
			if it.jump.to.size > 0 { // else many jumps could lead to nothing
				c.stepsOf(it.jump.to, c.join(under, it.jump.clauses, it.jump.span))
			}
			continue
		}
		rule, at := &c.rs.Rules[it.rule], len(c.rs.Steps)
		if rule.Verdict == Return {
			returns = append(returns, at)
		}
		c.rs.Steps = append(c.rs.Steps, Step{Rule: it.rule, Clauses: c.join(under, rule.Clauses, rule.Span), Next: at + 1})
	}
	for _, at := range returns {
		c.rs.Steps[at].Next = len(c.rs.Steps)
	}
}

// join is the clauses of a and of b. It shares what it can: a million steps may
// stand under the same clauses.
func (c *checker) join(a, b []Clause, span Span) []Clause {
	switch {
	case len(a) == 0:
		return b
	case len(b) == 0:
		return a
	}
	before := c.copied
	c.copied += len(a) + len(b)
	if c.copied <= MaxCopiedClauses {
		return slices.Concat(a, b)
	}
	if before <= MaxCopiedClauses { // once a file
		c.error("limit", span, "blocks and jumps put more clauses in front of rules than they may (limit: %d)", MaxCopiedClauses).
			help("let fewer rules stand behind them, or fewer clauses in front")
	}
	return nil
}
