package rules

// lint warns of what is allowed, but hardly ever meant.
func (c *checker) lint() {
	if !c.failed() && !c.tree.broken && !c.forgets {
		c.unusedSets()
		c.unusedChains()
		if last, span, before := c.decidesLast(); last == Pass {
			c.unseenPackets(before)
		} else {
			c.unansweredPackets(before, span)
		}
		c.unreachedRules()
	}
	if nolint := c.nolintComments(); len(nolint) > 0 {
		c.silence(func(d *Diagnostic) bool { return nolint.silences(d) })
	}
}

func (c *checker) unusedSets() {
	for _, s := range c.inOrder {
		if !s.used {
			name := s.statement.Name
			c.warning("unused-set", name, "the set %s is not used", quote("@"+name.Text())).in(s.statement.Span)
		}
	}
}

// scopeOfNot warns of `not tcp to port 80`, also of flags and types.
func (c *checker) scopeOfNot(clauses []ClauseNode, statement Span) {
	for i := range clauses {
		n := &clauses[i]
		if n.Subject != Protocol || !n.Not {
			continue
		}
		for _, behind := range clauses[i+1:] {
			if isTransport(behind.Subject) {
				c.warning("not-scope", n.Span, "the `not` covers %s only: %s must hold besides",
					quoteSpan(n.Head.to(n.Value.Span)), quoteSpan(behind.Span)).
					help("say it in two rules if the whole is meant").in(statement)
				return
			}
		}
	}
}

// redundantWork is how many pairs of clauses of a file are compared in search of
// redundant ones: a second at most, which 40,000 rules with 60 clauses about the
// same field would exceed many times over.
const redundantWork = 5_000_000

// redundant warns of a clause that says no more than another of the same
// statement. Those of the blocks around do not count.
func (c *checker) redundant(clauses []Clause, statement Span) {
	for i := len(c.around); i < len(clauses); i++ {
		for j := len(c.around); j < len(clauses); j++ {
			a, b := &clauses[i], &clauses[j]
			if i == j || !comparable(a, b) {
				continue
			}
			if c.compared++; c.compared > redundantWork {
				return
			}
			if !c.follows(a, b) || i < j && c.follows(b, a) { // of two that say the same, the second
				continue
			}
			c.warning("redundant-clause", a.Span, "%s says no more than %s", quoteSpan(a.Span), quoteSpan(b.Span)).
				help("leave it out").note(b.Span, "the other clause").in(statement)
			return
		}
	}
}

// comparable says whether two clauses are about the same thing: the same field,
// or both a property.
func comparable(a, b *Clause) bool {
	return a.hasValues() == b.hasValues() && (!a.hasValues() || a.sameField(b))
}

// follows says whether a surely holds wherever b does, which it is comparable to.
func (c *checker) follows(a, b *Clause) bool {
	const long = 64 // more values are not worth the time
	if a.Set.size()+b.Set.size() > long {
		return false
	}
	c.one = append(c.one[:0], *b)
	k := &c.alone
	k.read(c.one)
	return !k.never && k.implies(a)
}
