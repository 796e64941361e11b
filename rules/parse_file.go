package rules

// Parse reads the statements of a file. The Tree holds all that could be read,
// also if there are errors; Check makes no RuleSet of such a tree.
func Parse(f *File) (*Tree, Diagnostics) {
	r := &report{}
	tree := parse(f, r, &usage{})
	return tree, r.diagnostics()
}

// ParseAndCheck is Parse and Check in one: the mistakes that either finds, in
// order of position. The RuleSet is nil if there is an error. Files that the
// file names are read from disk.
func ParseAndCheck(f *File) (*RuleSet, Diagnostics) { return ParseAndCheckWith(ReadRegular, f) }

// ParseAndCheckWith is ParseAndCheck where files are read by read.
func ParseAndCheckWith(read Reader, f *File) (*RuleSet, Diagnostics) {
	return parseAndCheck(read, f, nil)
}

// ParseAndCheckReach is ParseAndCheck where find looks for the rules that no
// packet reaches, which are warned of too.
func ParseAndCheckReach(f *File, find ReachFinder) (*RuleSet, Diagnostics) {
	return parseAndCheck(ReadRegular, f, find)
}

func parseAndCheck(read Reader, f *File, find ReachFinder) (*RuleSet, Diagnostics) {
	r, u := &report{}, &usage{}
	if rs, whole := checkAsRead(f, r, u, read, find); whole {
		return rs, r.diagnostics()
	}
	// Once more with the whole tree: help may point at what stands further down.
	r, u = &report{}, &usage{}
	checkOnly(parse(f, r, u), r, u, read)
	if r.failed() {
		return nil, r.diagnostics()
	}
	// A file that the rules name was mended in between.
	r, u = &report{}, &usage{}
	rs := check(parse(f, r, u), r, u, read, find)
	return rs, r.diagnostics()
}

// parse reads a file in three layers: statements, clauses, values. Each
// parsing function begins at the token that it is about and ends at the first
// one that it does not know. Errors are reported where they are found, and
// then what follows is skipped up to where the meaning is certain again, so
// that one mistake gives one message.
func parse(f *File, r *report, u *usage) *Tree {
	tree := &Tree{File: f}
	parseInto(tree, r, u, nil)
	return tree
}

// parseInto makes tree that of its file. If there is each, it gets every
// statement as soon as that is read, a block or chain before its body is, and
// the tree gets none: of a million rules it would take as much memory as all
// that they mean.
func parseInto(tree *Tree, r *report, u *usage, each func(Statement)) {
	p := &parser{report: r, usage: u, tree: tree, each: each}
	r.met(tree.File)
	if p.isReadable() {
		p.scanner = newScanner(tree.File, r)
		p.advance()
		p.statements()
		p.tree.Statements = p.body
		p.tree.Comments = p.scanner.comments
	}
	p.tree.broken = r.failed()
}

// handOver gives away the statements that were read.
func (p *parser) handOver() {
	for _, s := range p.body {
		p.each(s)
	}
	clear(p.body)
	p.body = p.body[:0]
	if p.failed() {
		p.stop() // all is read once more
	}
}
