package rules

import "strings"

// flags reads `flags syn,!ack`: words with commas between them, each of which
// may have a `!` in front.
func (p *parser) flags(c *ClauseNode) {
	p.advance()
	c.Operator = p.operator()
	if p.tok.kind == tokenOpen {
		p.flagsInBraces()
		return
	}
	list := &List{}
	start := p.tok.start
	for {
		e, ok := p.flag(c)
		if !ok {
			return
		}
		list.Elements = append(list.Elements, e)
		if p.tok.kind != tokenComma {
			break
		}
		p.advance()
	}
	list.Span = p.since(start)
	c.Subject, c.Value = TCPFlags, list
}

// flag reads `syn` or `!ack`.
func (p *parser) flag(c *ClauseNode) (e Element, ok bool) {
	start := p.tok.start
	if p.tok.kind == tokenNot {
		p.advance()
	}
	switch word := p.word(); {
	case p.tok.kind == tokenBad: // reported by the scanner
		p.advance()
		p.skipToClause()
		return e, false
	case word == "not":
		p.error("misplaced-not", p.span(), "`not` stands in front of the whole clause").
			help("a flag that must not be set has a `!` in front, as in `flags syn,!ack`")
		p.skipToClauseBehind()
		return e, false
	case p.atEnd(), word == "" && p.tok.kind != tokenWord, isStatementWord(word), clauseWords[word] != 0:
		p.error("missing-value", p.spanOrHere(), "%s needs the name of a flag, not %s", quote(c.Head.Text()), p.found()).
			help("flags are %s, as in `flags syn,!ack`", strings.Join(flagNames.inOrder, ", "))
		if p.tok.kind != tokenWord {
			p.skipToClauseBehind()
		}
		return e, false
	}
	p.advance()
	return Element{Span: p.since(start), Kind: ElementWord}, true
}

// skipToClauseBehind skips the current token and what belongs to it.
func (p *parser) skipToClauseBehind() {
	if !p.atEnd() {
		p.advance()
		p.skipToClause()
	}
}

// flagsInBraces explains why there is no `flags { syn, ack }`.
func (p *parser) flagsInBraces() {
	start := p.tok.start
	braces := p.listOf(TCPFlags)
	var words []string
	for _, e := range braces.Elements {
		words = append(words, e.Span.Text())
	}
	d := p.error("flags-braces", p.since(start), "flags in braces: all of them set, or one of them?")
	if len(words) > 1 && len(words) <= len(flagNames.inOrder) {
		d.help("%s is all of them; for one of them write a rule for each", quote("flags "+strings.Join(words, ",")))
	} else {
		d.help("`flags syn,ack` is all of them; for one of them write a rule for each")
	}
}

// vlan reads `vlan`, or `vlan VALUE`. A `{` belongs to it if a number or a set
// follows, for it can also open a block.
func (p *parser) vlan(c *ClauseNode) {
	c.Subject = Tagged
	p.advance()
	if p.word() == "id" {
		p.error("unexpected", p.span(), "`id` between `vlan` and its value").help("leave it out")
		p.advance()
	}
	word := p.word()
	isValue := p.tok.kind == tokenOperator || p.tok.kind == tokenSetName || word == "in" ||
		word != "" && word[0] >= '0' && word[0] <= '9' || p.tok.kind == tokenOpen && p.listFollows()
	if isValue {
		c.Subject = VLANID
		p.operatorAndValue(c)
	}
}

// listFollows says whether the brace at the current token has a number or a
// set behind it.
func (p *parser) listFollows() bool {
	ahead := *p.scanner
	ahead.report = nil
	next := ahead.next()
	for next.kind == tokenLine {
		next = ahead.next()
	}
	return next.kind == tokenSetName || next.kind == tokenWord && ahead.text[next.start] >= '0' && ahead.text[next.start] <= '9'
}

// Where `at` can count from, and what others call it.
var (
	bases     = map[string]Base{"eth": EthernetBase, "net": NetworkBase, "transport": TransportBase, "payload": PayloadBase}
	baseNames = []string{"eth", "net", "transport", "payload"}
	otherBase = map[string]string{
		"ether": "eth", "ethernet": "eth", "link": "eth", "ll": "eth", "mac": "eth", "frame": "eth", "ip": "net", "ip6": "net",
		"network": "net", "nh": "net", "arp": "net", "th": "transport", "tcp": "transport", "udp": "transport", "sctp": "transport",
		"icmp": "transport", "icmp6": "transport", "data": "payload", "ih": "payload",
	}
)

// maxRawBytes is where the bytes that `at` reads must end.
const maxRawBytes = 256

// rawBytes reads `at BASE+OFFSET LENGTH OP VALUE`.
func (p *parser) rawBytes(c *ClauseNode) {
	p.advance()
	where, text, ok := p.place()
	if !ok {
		return
	}
	base, offset, plus := strings.Cut(text, "+")
	n, f := readNumber(offset)
	switch b := bases[base]; {
	case b == 0:
		d := p.error("bad-base", where, "%s is no place to count from", quote(base))
		near := otherBase[base]
		if near == "" {
			near = nearest(base, baseNames)
		}
		switch {
		case near != "" && plus:
			d.help("did you mean %s?", quote(near+"+"+offset))
		case near != "":
			d.help("write it like `at %s+4 2`", near)
		default:
			d.help("places are %s: `at net+4 2`", strings.Join(baseNames, ", "))
		}
	case !plus || offset == "":
		p.error("bad-offset", where, "`at` needs how many bytes from there").help("write it like `at %s+4 2`", base)
	case f != nil:
		p.error("bad-offset", where, "%s", f.message).Help = f.help
	default:
		c.Bytes.Base = b
	}
	length, ok := p.rawLength(text)
	if !ok {
		return
	}
	if n+uint64(length) > maxRawBytes || n > maxRawBytes {
		p.error("bad-offset", where, "the bytes at %s end behind the %dth", quote(text), maxRawBytes).
			help("an offset of %d is the greatest", maxRawBytes-int(length))
		c.Bytes.Base = 0
	}
	c.Head = c.Head.to(p.scanner.span(where.Start, p.lastEnd))
	wrong := c.Bytes.Base == 0
	c.Subject, c.Bytes.Offset, c.Bytes.Length = RawBytes, uint16(min(n, maxRawBytes)), length
	p.operatorAndValue(c)
	if wrong {
		c.Value = nil
	}
}

// place reads `net+4`, the parts of which may be glued together or not.
func (p *parser) place() (where Span, text string, ok bool) {
	start := p.tok.start
	for p.tok.kind == tokenWord && (text == "" || strings.HasSuffix(text, "+") || strings.HasPrefix(p.word(), "+") && !strings.Contains(text, "+")) {
		text += p.word()
		p.advance()
	}
	if text == "" {
		if p.tok.kind != tokenBad { // reported by the scanner
			p.error("missing-value", p.spanOrHere(), "`at` needs a place, not %s", p.found()).
				help("write it like `at net+4 2 == 0x1234`; places are %s", strings.Join(baseNames, ", "))
		}
		p.skipToClauseBehind()
		return where, "", false
	}
	return p.since(start), text, true
}

// rawLength reads how many bytes `at` is about.
func (p *parser) rawLength(place string) (length uint8, ok bool) {
	switch p.word() {
	case "1", "2", "4", "8":
		length = p.scanner.text[p.tok.start] - '0'
		p.advance()
		return length, true
	}
	if p.tok.kind != tokenBad { // reported by the scanner
		p.error("bad-length", p.spanOrHere(), "found %s where the number of bytes should be", p.found()).
			help("1, 2, 4 or 8 bytes are read: %s", quote("at "+place+" 2 == 0x1234"))
	}
	p.skipToClauseBehind()
	return 0, false
}
