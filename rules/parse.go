package rules

import "bytes"

// A usage is how much there was so far of what is limited in all rule files
// together.
type usage struct {
	bytes, lines             int
	rules, clauses, elements int // every statement counts as a rule

	exceeded bool // there was too much: no further file is read
}

type parser struct {
	*report
	*usage
	scanner *scanner
	tree    *Tree

	tok     token // the one to be looked at
	lastEnd int   // where the one before it ended

	body   []Statement // of the file, block or chain that is being read
	within []enclosure // the braces around it, outermost first
	each   func(Statement)

	// With each, rules are done with once they are handed over.
	handed RuleStatement
	nodes  []ClauseNode // of its clauses

	cut     bool // the statement ends here, for the next one was met within its braces
	stopped bool // parsing ended before the file did
}

// isReadable refuses files and lines that are too long, and UTF-16 as a whole.
func (p *parser) isReadable() bool {
	f := p.tree.File
	if bytes.HasPrefix(f.Text, []byte("\xff\xfe")) || bytes.HasPrefix(f.Text, []byte("\xfe\xff")) {
		p.error("bad-encoding", Span{f, 0, 2}, "the file is UTF-16").help("rule files are UTF-8 text")
		return false
	}
	what := "the file has"
	if p.bytes > 0 {
		what = "the rule files up to here have"
	}
	if p.bytes += len(f.Text); p.bytes > MaxFileSize {
		p.error("limit", Span{f, 0, 0}, "%s %d bytes (limit: %d)", what, p.bytes, MaxFileSize)
		return false
	}
	if p.lines += bytes.Count(f.Text, []byte("\n")); p.lines >= MaxLines {
		p.error("limit", Span{f, 0, 0}, "%s %d lines (limit: %d)", what, p.lines, MaxLines)
		return false
	}
	for i, start := range f.lines {
		end := len(f.Text)
		if i+1 < len(f.lines) {
			end = f.lines[i+1] - 1
		}
		if end > start && f.Text[end-1] == '\r' {
			end--
		}
		if end-start > MaxLineLength {
			p.error("limit", Span{f, start, start}, "the line has %d bytes (limit: %d)", end-start, MaxLineLength).
				help("break it: inside braces line ends are blanks, and a `\\` at its end joins a line with the next")
			return false
		}
	}
	return true
}

func (p *parser) advance() {
	p.lastEnd = p.tok.end
	p.tok = p.scanner.next()
}

// stop ends parsing: what is left of the file is not looked at.
func (p *parser) stop() {
	p.stopped, p.exceeded = true, true
	p.scanner.off = len(p.scanner.text)
	p.tok = p.scanner.next()
}

// span of the current token.
func (p *parser) span() Span { return p.scanner.span(p.tok.start, p.tok.end) }

// since is the span from start to the end of the last token.
func (p *parser) since(start int) Span { return p.scanner.span(start, max(p.lastEnd, start)) }

// here is the empty span behind the last token, where something is missing.
func (p *parser) here() Span { return p.scanner.span(p.lastEnd, p.lastEnd) }

// word is the current token's text if it is a word, else "".
func (p *parser) word() string {
	if p.tok.kind != tokenWord {
		return ""
	}
	return p.span().Text()
}

// found says in a message what the current token is.
func (p *parser) found() string {
	switch p.tok.kind {
	case tokenEnd:
		if p.scanner.inPackets {
			return "the end of the packet"
		}
		return "the end of the file"
	case tokenLine:
		return "the end of the line"
	}
	return quote(p.span().Text())
}

// atEnd says whether the statement ends here.
func (p *parser) atEnd() bool {
	if p.cut {
		return true
	}
	switch p.tok.kind {
	case tokenEnd, tokenLine, tokenSemicolon:
		return true
	}
	return p.atClose()
}

// statements reads all of the file, or of the block that they stand in.
func (p *parser) statements() {
	for p.tok.kind != tokenEnd && !p.atClose() {
		if p.tok.kind == tokenLine || p.tok.kind == tokenSemicolon {
			p.advance()
			continue
		}
		start := p.tok.start
		p.cut = false
		if p.lacksClose() {
			return
		}
		p.statement()
		if p.each != nil {
			p.handOver()
		}
		if p.tok.start == start && p.tok.kind != tokenEnd {
			p.advance() // never twice at the same place
		}
	}
}

// statement reads one statement, up to the token behind it.
func (p *parser) statement() {
	start := p.tok.start
	label := p.label()
	word := p.word()
	if !label.IsZero() && (isStatementWord(word) && !isVerdictWord(word) || isClauseWord(word) && p.headsBlock()) {
		p.error("bad-label", label, "only rules can have a name").
			help("leave out %s", quote(label.Text()+":"))
	}
	switch {
	case word == "default":
		p.defaultStatement()
	case word == "set":
		p.setStatement()
	case word == "chain":
		p.chainStatement()
	case word == "jump":
		p.jumpStatement()
	case word == "include":
		p.includeStatement()
	case word == "test":
		p.testStatement()
	case isVerdictWord(word):
		p.rule(start, label)
	case p.tok.kind == tokenNot || isClauseWord(word):
		p.block()
	default:
		p.noStatement(label)
	}
}

// label reads a rule's name with its colon, if there is one.
func (p *parser) label() Span {
	word := p.word()
	if n := len(word) - 1; n >= 0 && word[n] == ':' {
		name := p.scanner.span(p.tok.start, p.tok.end-1)
		if word == ":" {
			p.error("bad-label", p.span(), "a name is missing in front of the `:`")
			p.advance()
			return Span{}
		}
		p.checkName("rule", name)
		p.advance()
		return name
	}
	return Span{}
}

// checkName reports a name that is not one.
func (p *parser) checkName(what string, name Span) {
	text := name.Text()
	switch {
	case !isName(text):
		d := p.error("bad-name", name, "%s is not a name that a %s can have", quote(text), what)
		d.help("names are lower-case letters, digits, `_` and `-`, and begin with a letter or `_`")
	case len(text) > MaxNameLength:
		p.error("limit", name, "the name of this %s has %d characters (limit: %d)", what, len(text), MaxNameLength)
	}
}

// isName: [a-z_][a-z0-9_-]*.
func isName(word string) bool {
	for i := range len(word) {
		c := word[i]
		if c >= 'a' && c <= 'z' || c == '_' || i > 0 && (c >= '0' && c <= '9' || c == '-') {
			continue
		}
		return false
	}
	return word != ""
}

// defaultStatement reads `default VERDICT`.
func (p *parser) defaultStatement() {
	start := p.tok.start
	p.advance()
	verdict := verdicts[p.word()]
	switch {
	case verdict == Pass || verdict == Drop || verdict == Abort:
		p.advance()
		p.body = append(p.body, &DefaultStatement{p.since(start), verdict})
		if !p.atEnd() && p.tok.kind != tokenBad {
			p.error("bad-default", p.span(), "%s behind the default, which has no conditions", p.found()).
				help("a rule is on a line of its own: `drop udp`")
		}
		p.skipStatement()
	case p.atEnd():
		p.error("bad-default", p.here(), "`default` needs a verdict").help("write `default pass` or `default drop`")
	case p.tok.kind == tokenBad: // reported by the scanner
		p.skipStatement()
	default:
		word := p.word()
		d := p.error("bad-default", p.span(), "%s is no verdict", p.found())
		if d.Help = didYouMean(word, verdictNames); d.Help == "" {
			d.help("write `default pass` or `default drop`")
		}
		switch better := foreignStatements[word]; {
		case verdict != 0:
			d.Message = p.found() + " cannot be what happens to packets that no rule decides"
			d.help("write `default pass`, `default drop` or `default abort`")
		case isVerdictWord(better):
			d.help("did you mean %s?", quote(better))
		}
		p.skipStatement()
	}
}

// spanOrHere is the current token, or where something is missing if the
// statement ends here.
func (p *parser) spanOrHere() Span {
	if p.atEnd() {
		return p.here()
	}
	return p.span()
}

// notYet reports something that the language has and this version has not.
func (p *parser) notYet(span Span, what string) {
	p.error("not-yet", span, "%s is not in this version of xdpfw yet", what)
}

// add a statement to those of the file or block; it is false if parsing stops.
func (p *parser) add(s Statement) bool {
	if p.rules++; p.rules > MaxRules {
		p.error("limit", s.span(), "there are more rules than there may be (limit: %d)", MaxRules)
		p.stop()
		return false
	}
	p.body = append(p.body, s)
	return true
}

// rule reads a rule, the label of which was read already.
func (p *parser) rule(start int, label Span) {
	rule := &RuleStatement{}
	if p.each != nil {
		rule = &p.handed
	}
	*rule = RuleStatement{Label: label, Verdict: verdicts[p.word()]}
	verdict := p.span()
	p.advance()
	if rule.Verdict == Redirect {
		rule.Target = p.redirectTarget(verdict)
	}
	clauses, ok := p.readClauses(false)
	if !ok {
		return
	}
	rule.Clauses, rule.broken = clauses.nodes, clauses.broken || rule.Verdict == Redirect && rule.Target.IsZero()
	rule.Span = p.since(start)
	if p.add(rule) {
		p.endOfLine(rule.Span)
	}
}

// endOfLine reports what stands behind a statement in its line.
func (p *parser) endOfLine(statement Span) {
	word := p.word()
	switch {
	case p.atEnd() || p.tok.kind == tokenBad || p.tok.kind == tokenClose: // of the latter two it is said elsewhere
	case isStatementWord(word) || beginsStatement(word) || isClauseWord(word) && p.headsBlock():
		p.error("two-statements", p.span(), "%s begins another statement in the line of this one", p.found()).
			help("put it on a line of its own, or `;` in front of it").
			note(p.scanner.span(statement.Start, statement.Start), "this statement begins here")
		// The other statement is read as if the line end were there.
	default:
		d := p.error("unexpected", p.span(), "%s behind the `}` of a block", p.found())
		if d.help("the next statement is on a line of its own"); word == "else" || word == "elif" {
			d.help("leave it out: what the rules of a block leave undecided goes on behind it")
		} else if isClauseWord(word) {
			d.help("clauses of a block stand in front of its `{`")
		}
		p.skipStatement()
	}
}

// skipStatement skips to the end of the statement, over braces as a whole.
func (p *parser) skipStatement() {
	if p.cut {
		return
	}
	depth := 0
	var open Span
	for {
		switch p.tok.kind {
		case tokenEnd:
			if depth > 0 {
				p.unclosed(open)
			}
			return
		case tokenLine, tokenSemicolon:
			if depth == 0 {
				return
			}
		case tokenOpen:
			if depth == 0 {
				open = p.span()
			}
			depth++
		case tokenClose:
			if depth == 0 && p.atClose() {
				return
			}
			depth = max(depth-1, 0)
		}
		p.advance()
	}
}

func (p *parser) unclosed(open Span) {
	if !p.stopped {
		p.error("unclosed-brace", open, "this `{` is never closed")
	}
}
