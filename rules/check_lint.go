package rules

import "strings"

// lint warns of what is allowed, but hardly ever meant.
func (c *checker) lint() {
	if !c.failed() && !c.tree.broken {
		c.unusedSets()
		c.unusedChains()
		if last, span, before := c.decidesLast(); last == Pass {
			c.unseenPackets(before)
		} else {
			c.unansweredPackets(before, span)
		}
		c.coveredRules()
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

// scopeOfNot warns of `not tcp to port 80`.
func (c *checker) scopeOfNot(clauses []ClauseNode, statement Span) {
	for i := range clauses {
		n := &clauses[i]
		if n.Subject != Protocol || !n.Not {
			continue
		}
		for _, port := range clauses[i+1:] {
			if hasPorts(port.Subject) {
				c.warning("not-scope", n.Span, "the `not` covers %s only: %s must hold besides",
					quoteSpan(n.Head.to(n.Value.Span)), quoteSpan(port.Span)).
					help("say it in two rules if the whole is meant").in(statement)
				return
			}
		}
	}
}

// nolint are the codes that comments silence, by line.
type nolint map[fileLine][]string

// A fileLine is a line (from 0) of a file.
type fileLine struct {
	file *File
	line int
}

// nolintComments reads the comments `# nolint: code, code`.
func (c *checker) nolintComments() nolint {
	found := nolint{}
	for _, tree := range c.trees {
		for _, comment := range tree.Comments {
			text := strings.TrimSpace(strings.TrimLeft(comment.Text(), "#"))
			codes, is := strings.CutPrefix(text, "nolint:")
			if !is {
				continue
			}
			line := fileLine{tree.File, tree.File.lineAt(comment.Start)}
			found[line] = append(found[line], strings.FieldsFunc(codes, func(r rune) bool { return r == ',' || r == ' ' || r == '\t' })...)
		}
	}
	return found
}

// silences says whether a comment in one of the lines of a warning's statement
// names its code.
func (n nolint) silences(d *Diagnostic) bool {
	file := d.statement.File
	first := file.lineAt(d.statement.Start)
	last := file.lineAt(max(d.statement.End-1, d.statement.Start))
	for line := first; line <= last; line++ {
		for _, code := range n[fileLine{file, line}] {
			if code == d.Code {
				return true
			}
		}
	}
	return false
}
