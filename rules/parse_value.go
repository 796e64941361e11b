package rules

import (
	"bytes"
	"fmt"
	"strings"
)

// operatorAndValue reads the rest of a clause. The value stays nil if there is
// none that could be read.
func (p *parser) operatorAndValue(c *ClauseNode) {
	if p.table() {
		return
	}
	c.Operator = p.operator()
	p.foreignOperator()
	if p.word() == "not" || p.tok.kind == tokenNot {
		p.error("misplaced-not", p.span(), "`not` stands in front of the whole clause").
			help("write %s", quote("not "+squeeze(c.Head.Text())+" …"))
		p.advance()
		if c.Operator == OpNone {
			c.Operator = p.operator()
		}
	}
	p.wordInFront(c)
	c.Value = p.value(c)
}

// foreignOperators are operators that others write as words.
var foreignOperators = map[string]string{
	"eq": "==", "is": "==", "ne": "!=", "neq": "!=", "lt": "<", "le": "<=", "gt": ">", "ge": ">=", "equals": "==",
}

// foreignOperator reports and skips one of them in front of a value.
func (p *parser) foreignOperator() {
	if p.tok.kind != tokenWord || p.scanner.text[p.tok.start] < 'a' {
		return // as nearly always
	}
	better := foreignOperators[p.word()]
	if better == "" {
		return
	}
	ahead := *p.scanner
	ahead.report = nil
	next := ahead.next()
	if next.kind == tokenWord && !isKeywordText(string(ahead.text[next.start:next.end])) || next.kind == tokenSetName || next.kind == tokenOpen && !opensBlock(ahead) {
		p.error("bad-operator", p.span(), "%s is no operator", p.found()).help("did you mean %s?", quote(better))
		p.advance()
	}
}

func isKeywordText(word string) bool { return isStatementWord(word) || clauseWords[word] != 0 }

// wordInFront reports a word that other languages have in front of a value,
// or that is a clause of its own, and skips it.
func (p *parser) wordInFront(c *ClauseNode) {
	if p.tok.kind != tokenWord || subjects[c.Subject].kind != addressKind || p.scanner.text[p.tok.start] < 'a' {
		return // as nearly always
	}
	word := p.word()
	isClause := clauseWords[word] == wordProperty || clauseWords[word] == wordProtocol
	if !isClause && !fillers[word] || !p.valueFollows() {
		return
	}
	d := p.error("unexpected", p.span(), "%s between %s and its value", quote(word), quoteSpan(c.Head)).help("leave it out")
	if isClause {
		d.help("it is a clause of its own: %s", quote(word+" "+squeeze(c.Head.Text())+" …"))
	}
	p.advance()
	if p.word() == "port" && (c.Subject == Source || c.Subject == Destination) {
		c.Subject = portOf(c.Subject)
		p.advance()
	}
}

// fillers are words that other languages have in front of addresses.
var fillers = map[string]bool{"host": true, "net": true, "address": true, "addr": true, "network": true, "subnet": true, "prefix": true}

// valueFollows says whether a value of an address or a port stands behind the
// current token.
func (p *parser) valueFollows() bool {
	ahead := *p.scanner
	ahead.report = nil
	next := ahead.next()
	word := string(ahead.text[next.start:next.end])
	switch next.kind {
	case tokenSetName:
		return true
	case tokenWord:
		return word == "port" || word == "any" || isAddressLike(word)
	case tokenOpen:
		return !opensBlock(ahead)
	}
	return false
}

var operators = map[string]Operator{
	"==": OpEqual, "in": OpIn, "!=": OpNotEqual, "<": OpLess, "<=": OpLessEqual, ">": OpGreater, ">=": OpGreaterEqual,
}

// operator reads an operator, if there is one.
func (p *parser) operator() Operator {
	if p.tok.kind != tokenOperator && p.word() != "in" {
		return OpNone
	}
	op := operators[p.span().Text()]
	span := p.span()
	p.advance()
	if p.tok.kind == tokenOperator || op == OpNone {
		for p.tok.kind == tokenOperator {
			span = span.to(p.span())
			p.advance()
		}
		d := p.error("bad-operator", span, "%s is no operator", quote(span.Text()))
		switch span.Text() {
		case "=":
			d.help("write `==`, or nothing")
		case "=<":
			d.help("did you mean `<=`?")
		case "=>":
			d.help("did you mean `>=`?")
		case "<>":
			d.help("did you mean `!=`?")
		default:
			d.help("the operators are `==`, `!=`, `<`, `<=`, `>`, `>=` and `in`")
		}
		return OpNone
	}
	return op
}

// table reports and skips `<name>`, as pf writes a set.
func (p *parser) table() bool {
	less := p.span()
	if p.tok.kind != tokenOperator || !less.equals("<") {
		return false
	}
	ahead := *p.scanner
	ahead.report = nil
	name, greater := ahead.next(), ahead.next()
	word := string(ahead.text[name.start:name.end])
	if name.start != less.End || !isName(word) || greater.start != name.end || greater.kind != tokenOperator || ahead.text[greater.start] != '>' {
		return false
	}
	p.error("bad-operator", p.scanner.span(less.Start, greater.end), "sets are not written in `<` and `>`").help("did you mean %s?", quote("@"+word))
	for range 3 {
		p.advance()
	}
	return true
}

// value reads a list or a single element, nil if there is none.
func (p *parser) value(c *ClauseNode) *List {
	if p.tok.kind == tokenOpen {
		return p.listOf(c.Subject)
	}
	start := p.tok.start
	switch {
	case p.tok.kind == tokenBad: // reported by the scanner
		p.advance()
		p.skipToClause()
		return nil
	case p.tok.kind == tokenSetName, p.tok.kind == tokenWord && !p.isKeyword(c.Subject),
		p.tok.kind == tokenString && c.Subject == Interface:
		element, ok := p.element()
		if !ok {
			return nil
		}
		return listOfOne(p.since(start), element)
	}
	p.missingValue(c)
	return nil
}

// listOfOne is what most values are, as one allocation.
func listOfOne(span Span, e Element) *List {
	one := &struct {
		list    List
		element [1]Element
	}{List{Span: span}, [1]Element{e}}
	one.list.Elements = one.element[:]
	return &one.list
}

// isKeyword says whether the current word is no value, but goes on with the rule.
func (p *parser) isKeyword(subject Subject) bool {
	word := p.word()
	return !fieldNames[subject].has(word) && isKeywordText(word)
}

// needs says what values a clause takes.
func (n *ClauseNode) needs() string {
	switch info := subjects[n.Subject]; {
	case n.Subject == Interface:
		return "the name of an interface"
	case n.Subject == Protocol:
		return "a protocol: a name or a number from 0 to 255"
	case hasPorts(n.Subject):
		return "a port: a number from 0 to 65535"
	case n.Subject == IP6Extensions:
		return "an extension header: " + strings.Join(extensionNames.inOrder, ", ")
	case info.kind == macKind:
		return "a MAC address"
	case info.kind == addressKind && info.family == 4:
		return "an IPv4 address"
	case info.kind == addressKind && info.family == 6:
		return "an IPv6 address"
	case info.kind == addressKind:
		return "an address"
	case fieldNames[n.Subject] != nil:
		return fmt.Sprintf("a name or a number from 0 to %d", n.most())
	}
	return fmt.Sprintf("a number from 0 to %d", n.most())
}

// most is the greatest number that a clause can name.
func (n *ClauseNode) most() uint64 {
	bits := subjects[n.Subject].bits
	switch n.Subject {
	case RawBytes:
		bits = 8 * int(n.Bytes.Length)
	case IP6Extensions:
		bits = 8 // of a header's number; the field itself is a set of them
	}
	return wholeRange[bits][0].Hi.Lo
}

func (p *parser) missingValue(c *ClauseNode) {
	if p.atEnd() || p.tok.kind == tokenWord {
		at := p.here()
		found := ""
		if !p.atEnd() {
			at, found = p.span(), ", not "+p.found()
		}
		d := p.error("missing-value", at, "%s needs %s%s", quote(squeeze(c.Head.Text())), c.needs(), found)
		if c.Subject == Interface && !p.atEnd() {
			d.help("an interface of that name stands in quotes: %s", quote(`on "`+p.word()+`"`))
		}
		if isStatementWord(p.word()) && p.tok.kind == tokenWord {
			p.skipToBlock() // it was meant as the value
		}
		return
	}
	d := p.error("missing-value", p.span(), "%s needs %s, not %s", quote(squeeze(c.Head.Text())), c.needs(), p.found())
	if p.tok.kind == tokenString {
		d.help("values stand without quotes")
		if text := unquote(p.span()); c.Subject == RawBytes && len(text) == int(c.Bytes.Length) {
			d.help("write the bytes as a number: %s", quote(fmt.Sprintf("%#x", text)))
		}
	}
	p.advance()
	p.skipToClause()
}

// element reads a @set, a word or a range, the parts of which may be glued
// together or not.
func (p *parser) element() (e Element, ok bool) {
	start := p.tok.start
	if p.tok.kind == tokenString { // of an interface
		p.advance()
		return Element{Span: p.since(start), Kind: ElementWord}, true
	}
	if p.tok.kind == tokenSetName {
		e = Element{Span: p.span(), Kind: ElementSet}
		if e.Span.End-e.Span.Start == 1 {
			p.error("missing-value", p.span(), "`@` needs the name of a set right behind it")
			p.advance()
			return e, false
		}
		p.advance()
		return e, true
	}
	text := p.scanner.text
	loEnd, hiStart := p.tok.end, -1
	if dash := dashIn(text[p.tok.start:p.tok.end]); dash >= 0 {
		loEnd = p.tok.start + dash
		if hiStart = loEnd + 1; hiStart == p.tok.end {
			hiStart = -1
		}
		p.advance()
	} else {
		p.advance()
		if p.tok.kind != tokenWord || text[p.tok.start] != '-' {
			return Element{Span: p.since(start), Kind: ElementWord}, true
		}
		if p.tok.end > p.tok.start+1 {
			hiStart = p.tok.start + 1
		}
		p.advance()
	}
	if hiStart < 0 && p.tok.kind == tokenWord && !isStatementWord(p.word()) && clauseWords[p.word()] == 0 {
		hiStart = p.tok.start
		p.advance()
	}
	e = Element{Span: p.since(start), Kind: ElementRange, LoEnd: loEnd, HiStart: hiStart}
	if loEnd == start || hiStart < 0 {
		d := p.error("bad-range", e.Span, "a range needs a first and a last value").help("write it like `8000-8100`")
		if loEnd == start {
			d.help("write it like `8000-8100`; no value is below 0")
		}
		return e, false
	}
	return e, true
}

// dashIn is where the dash of a range stands in a word, or -1. In words that
// begin like a name, and are no IPv6 address, dashes are part of the name.
func dashIn(word []byte) int {
	if c := word[0] | 0x20; c >= 'a' && c <= 'z' && bytes.IndexByte(word, ':') < 0 {
		return -1
	}
	return bytes.IndexByte(word, '-')
}
