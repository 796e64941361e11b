package rules

// What may stand at a place in a list.
const (
	commaForbidden = iota // an element is due
	commaNeeded
	commaAllowed
)

// list reads the `{ … }` of a set.
func (p *parser) list() *List { return p.listOf(noSubject) }

// listOf reads the `{ … }` of a clause. Line ends are blanks in it, but a line
// that begins a statement shows that the closing brace is missing.
func (p *parser) listOf(subject Subject) *List {
	open := p.span()
	list := &List{Braces: true}
	p.advance()
	comma, behindInner := commaForbidden, false
	for {
		newLine := p.skipLines() || behindInner
		behindInner = false
		isWord := p.tok.kind == tokenWord && p.scanner.text[p.tok.start] >= 'a' // most elements are numbers
		switch {
		case p.tok.kind == tokenClose:
			p.advance()
			list.Span = p.since(open.Start)
			return list
		case p.tok.kind == tokenEnd, newLine && p.beginsStatement() && !fieldNames[subject].has(p.word()):
			p.unclosed(open)
			p.cut = true
			list.Span = p.since(open.Start)
			return list
		case isWord && p.isKeyword(subject) && p.word() != "not" && (comma == commaNeeded || p.goesOn()):
			p.unclosed(open) // what follows goes on with the rule, or begins another
			p.cut = newLine || isStatementWord(p.word()) || subject == noSubject
			list.Span = p.since(open.Start)
			return list
		case p.tok.kind == tokenComma:
			if comma == commaForbidden {
				p.error("missing-value", p.span(), "an element is missing in front of this `,`")
			}
			comma = commaForbidden
			p.advance()
		case p.tok.kind == tokenNot || isWord && p.word() == "not":
			p.error("misplaced-not", p.span(), "%s in a list", p.found()).
				help("`not` stands in front of a whole clause; an exception is a rule of its own, further up")
			p.advance()
		case isWord && subject == noSubject && p.word() == "file" && p.stringFollows():
			p.fileInList()
			comma = commaAllowed
		case p.tok.kind == tokenWord, p.tok.kind == tokenSetName, p.tok.kind == tokenString && subject == Interface:
			if comma == commaNeeded {
				p.error("missing-comma", p.span(), "a `,` is missing in front of %s", p.found())
			}
			comma = commaNeeded
			if !p.listElement(list) {
				return list
			}
		default:
			comma = commaAllowed // what there is of commas around a mistake is no other mistake
			behindInner = p.tok.kind == tokenOpen
			p.noElement()
			if behindInner && p.isBehindList(subject) {
				list.Span = p.since(open.Start) // of two `{` with one `}` the one is too many
				return list
			}
		}
	}
}

// stringFollows says whether the token behind the current one is a string.
func (p *parser) stringFollows() bool {
	ahead := *p.scanner
	ahead.report = nil
	return ahead.next().kind == tokenString
}

// fileInList reports and skips `file "PATH"` within the braces of a set.
func (p *parser) fileInList() {
	start := p.tok.start
	p.advance()
	path := p.span()
	p.advance()
	p.error("bad-element", p.since(start), "a file in a list").
		help("give it a name, and use that: %s", quote("set spam = file "+path.Text())+", `{ @spam }`")
}

// skipLines skips line ends, and a `;` in front of a statement, and says
// whether there were any.
func (p *parser) skipLines() (any bool) {
	for p.tok.kind == tokenLine || p.tok.kind == tokenSemicolon && p.statementFollows() {
		any = true
		p.advance()
	}
	return any
}

// statementFollows says whether the token behind the current one begins a statement.
func (p *parser) statementFollows() bool {
	ahead := *p.scanner
	ahead.report = nil
	next := ahead.next()
	return next.kind == tokenWord && beginsStatement(string(ahead.text[next.start:next.end]))
}

func (p *parser) beginsStatement() bool { return beginsStatement(p.word()) }

// beginsStatement says whether a word at the beginning of a line within braces
// is more likely to be the beginning of a statement: a keyword or a label.
func beginsStatement(word string) bool {
	if isStatementWord(word) || laterStatements[word] {
		return true
	}
	n := len(word) - 1
	return n > 0 && word[n] == ':' && isName(word[:n])
}

// listElement reads one element of a list. It is false if parsing stops.
func (p *parser) listElement(list *List) bool {
	e, ok := p.element()
	if !ok {
		return true
	}
	list.Elements = append(withRoom(list.Elements, e.Span), e)
	if p.elements++; p.elements > MaxElements {
		p.error("limit", e.Span, "the lists of the file have more elements than they may have (limit: %d)", MaxElements)
		p.stop()
		return false
	}
	return true
}

// noElement reports what stands in place of an element, and skips it.
func (p *parser) noElement() {
	switch p.tok.kind {
	case tokenOpen:
		p.error("unexpected", p.span(), "a list within a list").help("leave out the inner braces")
		p.skipInnerList()
		return
	case tokenBad: // reported by the scanner
	case tokenSemicolon:
		p.error("unexpected", p.span(), "`;` in a list").help("elements of a list are separated by `,`")
	case tokenString:
		p.error("unexpected", p.span(), "%s in a list", p.found()).help("values stand without quotes")
	default:
		p.error("unexpected", p.span(), "%s in a list", p.found()).help("a list holds values: `{ 80, 443, 8000-8100 }`")
	}
	p.advance()
}

// isBehindList says whether the tokens from here on cannot be of a list.
func (p *parser) isBehindList(subject Subject) bool {
	if p.tok.kind == tokenLine {
		next := p.behindLines()
		return next.kind != tokenClose && !p.isElement(next)
	}
	return p.tok.kind == tokenWord && p.isKeyword(subject)
}

// goesOn says whether the keyword at the current token is followed by more than
// an element of a list would be.
func (p *parser) goesOn() bool {
	ahead := *p.scanner
	ahead.report = nil
	switch ahead.next().kind {
	case tokenComma, tokenClose, tokenLine, tokenEnd:
		return false
	}
	return true
}

// skipInnerList skips a list within a list, but no further than to a line that
// begins a statement.
func (p *parser) skipInnerList() {
	lineEnd := false
	for depth := 0; ; p.advance() {
		if lineEnd && p.beginsStatement() {
			return
		}
		lineEnd = p.tok.kind == tokenLine || p.tok.kind == tokenSemicolon
		switch p.tok.kind {
		case tokenEnd:
			return
		case tokenOpen:
			depth++
		case tokenClose:
			if depth--; depth == 0 {
				p.advance()
				return
			}
		}
	}
}
