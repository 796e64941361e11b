package rules

import (
	"bytes"
	"strings"
)

// An enclosure is a brace that statements stand in.
type enclosure struct {
	open   Span
	indent int // of the line that it was opened in, see parser.indent
}

// atClose says whether the current token closes the brace that the statement
// stands in.
func (p *parser) atClose() bool { return p.tok.kind == tokenClose && len(p.within) > 0 }

// indent is how many blanks are in front of the statement that begins at an
// offset, -1 if something else is.
func (p *parser) indent(start int) int {
	n := 0
	for ; n < start; n++ {
		switch p.scanner.text[start-n-1] {
		case ' ', '\t':
			continue
		case '\n':
			return n
		}
		return -1
	}
	return n
}

// lacksClose says whether the brace around must have been forgotten: here is a
// statement that stands at top level only, and no further to the right than
// the line with the brace. The statement is read as if the brace were there.
func (p *parser) lacksClose() bool {
	if len(p.within) == 0 || !topLevelWords[p.word()] {
		return false
	}
	indent := p.indent(p.tok.start)
	return indent >= 0 && indent <= p.within[len(p.within)-1].indent
}

// braces reads `{ statements }` of a statement that begins at start. The `{`
// may be missing: see bodyFollows.
func (p *parser) braces(start int) (body []Statement) {
	open := p.spanOrHere()
	if len(p.within) == MaxBlockDepth {
		p.error("limit", open, "blocks stand within blocks deeper than they may (limit: %d)", MaxBlockDepth)
		p.stop()
		return nil
	}
	outer := p.body
	p.body = nil
	p.within = append(p.within, enclosure{open, p.indent(start)})
	p.advance()
	p.statements()
	closed := p.atClose()
	p.within = p.within[:len(p.within)-1]
	body, p.body = p.body, outer
	if closed {
		p.advance()
	} else {
		p.unclosed(open)
		p.cut = true
	}
	return body
}

// block reads clauses and the statements that they are in front of.
func (p *parser) block() {
	start, head := p.tok.start, p.span()
	clauses, ok := p.readClauses(true)
	if !ok {
		return
	}
	p.openInNextLine()
	if p.cut || p.tok.kind != tokenOpen {
		word := p.word()
		p.skipStatement()
		body := p.bodyFollows(start)
		if !clauses.broken {
			p.noVerdict(head, word, body)
		}
		if !body {
			return
		}
	}
	s := &BlockStatement{Clauses: clauses.nodes, Open: p.spanOrHere(), broken: clauses.broken}
	if p.each == nil {
		s.Body = p.braces(start)
		p.finish(s, &s.Span, start)
		return
	}
	s.read = func() { p.braces(start) }
	p.finishFirst(s, start)
}

// bodyFollows says whether the next lines are what should stand in the braces of
// a statement that begins at start, though its `{` is missing: they are
// farther to the right, and behind them stands the `}`.
func (p *parser) bodyFollows(start int) bool {
	const most = 100 // lines
	indent := p.indent(start)
	if p.cut || p.full() || p.tok.kind != tokenLine || indent < 0 {
		return false
	}
	file, first := p.scanner.file, p.scanner.file.lineAt(p.tok.start)+2
	depth := 0
	for n := first; n < min(first+most, len(file.lines)+1); n++ {
		line := bytes.TrimRight(file.lineBytes(n), " \t\r")
		text := bytes.TrimLeft(line, " \t")
		switch at := len(line) - len(text); {
		case len(text) == 0:
		case text[0] == '}' && at >= indent && depth == 0:
			return n > first
		case at <= indent:
			return false
		}
		depth += bytes.Count(line, []byte("{")) - bytes.Count(line, []byte("}"))
	}
	return false
}

// openInNextLine reports a `{` in the line behind the statement that it belongs
// to, and goes to it.
func (p *parser) openInNextLine() {
	next := p.behindLines()
	if p.cut || p.tok.kind != tokenLine || next.kind != tokenOpen {
		return
	}
	p.error("misplaced-brace", p.scanner.span(next.start, next.end), "this `{` is not in the line of what it belongs to").
		help("a statement ends with its line: write the `{` behind it")
	for p.tok.kind == tokenLine {
		p.advance()
	}
}

// behindLines is the first token behind the current one that is no line end.
func (p *parser) behindLines() token {
	ahead := *p.scanner
	ahead.report = nil
	next := ahead.next()
	for next.kind == tokenLine {
		next = ahead.next()
	}
	return next
}

// finish a statement that ends with a brace.
func (p *parser) finish(s Statement, span *Span, start int) {
	if p.stopped {
		return
	}
	*span = p.since(start)
	if p.add(s) {
		p.endOfLine(*span)
	}
}

// finishFirst hands over a statement before its body is read.
func (p *parser) finishFirst(s Statement, start int) {
	if !p.add(s) {
		return
	}
	if p.handOver(); !p.stopped {
		p.endOfLine(p.since(start))
	}
}

// noVerdict reports clauses that are in front of nothing.
func (p *parser) noVerdict(head Span, word string, body bool) {
	d := p.error("no-verdict", head, "%s begins no statement", quote(head.Text()))
	if body {
		d.help("did you forget the `{` at the end of the line?")
		return
	}
	if isVerdictWord(word) {
		d.help("the verdict stands in front: %s", quote(word+" "+head.Text()+" …"))
		return
	}
	d.help("a rule begins with `pass` or `drop`: %s", quote("drop "+head.Text()+" …"))
}

// chainStatement reads `chain NAME { … }`.
func (p *parser) chainStatement() {
	start := p.tok.start
	p.advance()
	name, ok := p.chainName("chain", "write `chain NAME { … }`")
	if !ok {
		return
	}
	p.openInNextLine()
	if p.tok.kind != tokenOpen {
		if p.tok.kind != tokenBad {
			p.error("bad-chain", p.spanOrHere(), "found %s where the chain's `{` should be", p.found()).
				help("the rules of a chain stand in braces: %s", quote("chain "+name.Text()+" { … }"))
		}
		p.skipStatement()
		if !p.bodyFollows(start) {
			p.add(&ChainStatement{Span: p.since(start), Name: name, broken: true})
			return
		}
	}
	s := &ChainStatement{Name: name, Open: p.spanOrHere()}
	if p.each == nil {
		s.Body = p.braces(start)
		p.finish(s, &s.Span, start)
		return
	}
	s.read = func() { p.braces(start) }
	p.finishFirst(s, start)
}

// chainName reads the name of a chain behind a word.
func (p *parser) chainName(word, help string) (name Span, ok bool) {
	if p.word() == "to" && p.nameFollows() {
		p.error("bad-chain", p.span(), "`to` between `jump` and the name of its chain").help("leave it out")
		p.advance()
	}
	switch p.tok.kind {
	case tokenWord:
		name = p.span()
		if text, colon := strings.CutSuffix(name.Text(), ":"); colon && isName(text) {
			p.error("bad-chain", name, "a `:` behind the name of a chain").help("write %s", quote(word+" "+text))
			break
		}
		p.checkName("chain", name)
		p.advance()
		return name, true
	case tokenBad: // reported by the scanner
	case tokenSetName:
		p.error("bad-chain", p.span(), "the `@` is for using a set, not for a chain").
			help("write %s", quote(word+" "+p.span().Text()[1:]))
	case tokenString:
		p.error("bad-chain", p.span(), "the name of a chain stands without quotes").help("write %s", quote(word+" "+unquote(p.span())))
	default:
		p.error("bad-chain", p.spanOrHere(), "%s needs the name of a chain", quote(word)).Help = help
	}
	p.skipStatement()
	return name, false
}

// nameFollows says whether the next token is a word that can only be a name.
func (p *parser) nameFollows() bool {
	ahead := *p.scanner
	ahead.report = nil
	next := ahead.next()
	word := string(ahead.text[next.start:next.end])
	return next.kind == tokenWord && isName(word) && !isClauseWord(word) && word != "any"
}

// jumpStatement reads `jump NAME CLAUSES`.
func (p *parser) jumpStatement() {
	start := p.tok.start
	p.advance()
	name, ok := p.chainName("jump", "write `jump NAME`, and clauses behind it")
	if !ok {
		return
	}
	clauses, ok := p.readClauses(false)
	if !ok {
		return
	}
	s := &JumpStatement{Span: p.since(start), Name: name, Clauses: clauses.nodes, broken: clauses.broken}
	if p.add(s) {
		p.endOfLine(s.Span)
	}
}

// includeStatement reads `include "PATH"`.
func (p *parser) includeStatement() {
	start := p.tok.start
	p.advance()
	path, ok := p.path("include", `write it in quotes: include "common.fw"`)
	if !ok {
		return
	}
	s := &IncludeStatement{Span: p.since(start), Path: path}
	if p.add(s) {
		p.endOfStatement("the file's name")
	}
}

// path reads a file's name in quotes.
func (p *parser) path(word, help string) (path Span, ok bool) {
	switch {
	case p.tok.kind == tokenString && p.tok.end-p.tok.start > len(`""`):
		path = p.span()
		p.advance()
		return path, true
	case p.tok.kind == tokenBad: // reported by the scanner
	default:
		d := p.error("bad-path", p.spanOrHere(), "%s needs a file's name, not %s", quote(word), p.found())
		if d.Help = help; p.stringFollows() && !p.atEnd() {
			d.help("leave out %s", quoteSpan(p.span()))
		} else if p.tok.kind == tokenWord {
			d.help("write it in quotes: %s", quote(word+` "`+p.word()+`"`))
		}
	}
	p.skipStatement()
	return path, false
}

// endOfStatement reports what stands behind the last word that a statement
// can have.
func (p *parser) endOfStatement(last string) {
	if !p.atEnd() && p.tok.kind != tokenBad {
		p.error("unexpected", p.span(), "%s behind %s", p.found(), last).help("the next statement is on a line of its own")
	}
	p.skipStatement()
}

// redirectTarget reads the interface behind `redirect`, as a word or in
// quotes; zero if there is none.
func (p *parser) redirectTarget(verdict Span) Span {
	word := p.word()
	if word == "to" && p.nameFollows() {
		p.error("missing-interface", p.span(), "`to` between `redirect` and its interface").help("leave it out")
		p.advance()
		word = p.word()
	}
	if p.tok.kind == tokenString || word != "" && !isStatementWord(word) && !isClauseWord(word) {
		target := p.span()
		p.advance()
		if p.tok.kind == tokenComma {
			p.error("unexpected", p.span(), "`,` behind the interface").help("a packet is sent out of one interface")
			p.skipStatement()
			return Span{}
		}
		return target
	}
	if p.tok.kind != tokenBad { // else reported by the scanner
		d := p.error("missing-interface", verdict.behind(), "`redirect` needs the interface to send packets out of")
		if word != "" && !isStatementWord(word) {
			d.help("write `redirect eth1 %s …`; an interface with the name of a clause stands in quotes", word)
		} else {
			d.help("write for example `redirect eth1`")
		}
	}
	p.skipStatement() // in which the interface may stand further on
	return Span{}
}
