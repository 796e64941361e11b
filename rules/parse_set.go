package rules

import "strings"

// setStatement reads `set NAME = { … }`.
func (p *parser) setStatement() {
	start := p.tok.start
	p.advance()
	if p.tok.kind == tokenSetName {
		p.error("bad-set", p.span(), "the `@` is for using a set, not for defining it").
			help("write %s", quote("set "+p.span().Text()[1:]+" = { … }"))
		p.skipStatement()
		return
	}
	if p.tok.kind != tokenWord {
		if p.tok.kind == tokenString {
			p.error("bad-set", p.span(), "the name of a set stands without quotes").help("write %s", quote("set "+unquote(p.span())+" = { … }"))
		} else if p.tok.kind != tokenBad {
			p.error("bad-set", p.here(), "`set` needs a name").help("write `set NAME = { … }`")
		}
		p.skipStatement()
		return
	}
	name := p.span()
	if text := name.Text(); strings.HasSuffix(text, ":") && isName(text[:len(text)-1]) {
		p.error("bad-set", name, "a `:` behind the name of a set").help("write %s", quote("set "+text[:len(text)-1]+" = { … }"))
		p.skipStatement()
		return
	}
	p.checkName("set", name)
	p.advance()
	set := &SetStatement{Name: name}
	set.Value = p.setValue(set)
	if (set.Value != nil || !set.Path.IsZero()) && !p.atEnd() {
		if p.tok.kind != tokenBad {
			p.error("bad-set", p.span(), "%s behind the set", p.found()).help("the next statement is on a line of its own")
		}
		p.skipStatement()
	}
	set.Span = p.since(start)
	p.add(set)
}

// setValue reads what stands behind a set's name: the path of a file, or a
// list, nil if there is none.
func (p *parser) setValue(set *SetStatement) *List {
	if p.tok.kind == tokenBad { // reported by the scanner
		p.skipStatement()
		return nil
	}
	if p.tok.kind != tokenOperator || !p.span().equals("=") {
		p.error("bad-set", p.spanOrHere(), "found %s where the set's `=` should be", p.found()).
			help("write %s", quote("set "+set.Name.Text()+" = { … }"))
		p.skipStatement()
		return nil
	}
	p.advance()
	switch {
	case p.word() == "file":
		p.advance()
		set.Path, _ = p.path("file", "write it in quotes: `file \"drop.txt\"`")
		return nil
	case p.tok.kind == tokenOpen:
		return p.list()
	case p.tok.kind == tokenBad: // reported by the scanner
		p.skipStatement()
		return nil
	}
	d := p.error("bad-set", p.spanOrHere(), "found %s where the set's `{` should be", p.found())
	switch name := set.Name.Text(); {
	case p.tok.kind == tokenString:
		d.help("the elements of a set in a file: %s", quote("set "+name+" = file "+p.span().Text()))
	case p.word() == "files" || p.word() == "from":
		d.help("did you mean `file`?")
	case p.tok.kind == tokenWord || p.tok.kind == tokenSetName:
		d.help("the elements of a set stand in braces: %s", quote("set "+name+" = { "+p.span().Text()+" }"))
	default:
		d.help("the elements of a set stand in braces: %s", quote("set "+name+" = { 10.0.0.0/8 }"))
	}
	if p.tok.kind == tokenLine {
		p.skipElements()
	}
	p.skipStatement()
	return nil
}

// skipElements skips what would be the elements of a set if its `{` were there.
func (p *parser) skipElements() {
	for p.tok.kind == tokenLine {
		if next := p.behindLines(); !p.isElement(next) && !(next.kind == tokenClose && len(p.within) == 0) {
			return
		}
		p.skipLines()
		p.skipStatement()
	}
}

// isElement says whether a token must be of a list.
func (p *parser) isElement(tok token) bool {
	word := string(p.scanner.text[tok.start:tok.end])
	return tok.kind == tokenSetName || tok.kind == tokenComma || tok.kind == tokenWord && (isNumberLike(word) || isAddressLike(word))
}
