package rules

import (
	"slices"
	"strings"
)

// optionNames are the words that may stand behind the addresses.
var optionNames = []string{"flags", "type", "code", "len", "ttl", "on"}

// literalOptions reads what may stand behind the addresses, in any order.
func (p *parser) literalOptions(l *literal) bool {
	for !p.atEnd() {
		start, word := p.tok.start, p.word()
		if first, twice := l.options[word]; twice {
			p.error("duplicate-option", p.span(), "%s twice", quote(word)).note(first.span, "the first one")
			return false
		}
		o, ok := p.literalOption(l, word)
		if !ok {
			return false
		}
		o.span = p.since(start)
		l.options[word] = o
	}
	return p.literalCode(l)
}

func (p *parser) literalOption(l *literal, word string) (o option, ok bool) {
	at := p.span()
	if !slices.Contains(optionNames, word) {
		if p.tok.kind == tokenBad {
			return o, false // reported by the scanner
		}
		d := p.error("bad-packet", at, "%s in a packet", p.found())
		if d.Help = l.optionHelp(word, p.tok.kind); d.Help != "" {
			return o, false
		}
		if d.Help = didYouMean(word, optionNames); d.Help == "" {
			d.help("behind the addresses stand `%s`, in any order", strings.Join(optionNames, "`, `"))
		}
		return o, false
	}
	if reason := l.lacks(word); reason != "" {
		p.error("bad-option", at, "%s %s", quote(word), reason)
		return o, false
	}
	p.advance()
	switch word {
	case "flags":
		o.value, ok = p.literalFlags()
	case "type":
		o.value, ok = p.literalType(l)
	case "code":
		o.word, ok = p.span(), p.word() != ""
		if !ok && p.tok.kind != tokenBad {
			p.error("missing-value", p.spanOrHere(), "`code` needs a name or a number behind it, not %s", p.found())
		}
		p.advance()
	case "len":
		o.value, ok = p.literalNumber(word, "the length of a frame", 14, maxFrame)
	case "ttl":
		o.value, ok = p.literalNumber(word, "a time to live", 0, 255)
	case "on":
		o.word, ok = p.span(), p.word() != "" || p.tok.kind == tokenString
		if !ok && p.tok.kind != tokenBad {
			p.error("missing-value", p.spanOrHere(), "`on` needs an interface behind it, not %s", p.found())
		}
		p.advance()
	}
	return o, ok
}

// optionHelp is help for what is not, or not there, an option.
func (l *literal) optionHelp(word string, kind tokenKind) string {
	switch {
	case word == "vlan" || word == "frag":
		return "it stands in front of the protocol"
	case word == "port":
		return "a port stands right behind its address: `203.0.113.1:443`, `[2001:db8::1]:443`"
	case l.isICMP() && (icmpTypes.has(word) || icmp6Types.has(word)):
		return "did you mean " + quote("type "+word) + "?"
	case l.protocol == numberTCP && flagNames.has(word):
		return "flags are separated by commas: `flags syn,ack`"
	case kind == tokenComma:
		return "one packet a line, each with its verdict"
	}
	return ""
}

// lacks says why a packet cannot have an option, "" if it can.
func (l *literal) lacks(word string) string {
	switch {
	case word == "on":
		return ""
	case l.kind == literalHex || l.kind == literalCapture:
		return "stands behind a packet, the bytes of which are given as they are"
	case word == "len":
		return ""
	case l.kind == literalARP:
		return "is nothing that an ARP packet has"
	case word == "ttl":
		return ""
	case l.fragment == laterFragment:
		return "is nothing that a later fragment carries"
	case word == "flags" && l.protocol != numberTCP:
		return "is of TCP only"
	case word != "flags" && !l.isICMP():
		return "is of `icmp` and `icmp6` only"
	}
	return ""
}

// isICMP: ICMP in IPv4, ICMPv6 in IPv6.
func (l *literal) isICMP() bool {
	if l.src.is4 {
		return l.protocol == numberICMP
	}
	return l.protocol == numberICMP6
}

// literalFlags reads `syn,ack`, or `none`.
func (p *parser) literalFlags() (flags uint64, ok bool) {
	if p.word() == "none" {
		p.advance()
		return 0, true
	}
	for {
		bit, is := flagNames.number(p.word())
		if !is {
			p.noFlag()
			return 0, false
		}
		flags |= bit
		p.advance()
		if p.tok.kind != tokenComma {
			return flags, true
		}
		p.advance()
	}
}

func (p *parser) noFlag() {
	if p.tok.kind == tokenBad {
		return // reported by the scanner
	}
	d := p.error("bad-flag", p.spanOrHere(), "%s is not a TCP flag", p.found())
	switch d.Help = didYouMean(p.word(), flagNames.inOrder); {
	case p.tok.kind == tokenNot:
		d.help("a packet has the flags that are named, and no others")
	case d.Help == "":
		d.help("flags are %s, or `none`, with commas between them", strings.Join(flagNames.inOrder, ", "))
	}
}

// literalType reads the type of an ICMP packet, by name or number.
func (p *parser) literalType(l *literal) (n uint64, ok bool) {
	types := icmpTypes
	if !l.src.is4 {
		types = icmp6Types
	}
	return p.nameOrNumber("type", types)
}

// literalCode finds out the code of an ICMP packet when its type is known: the
// names of codes depend on that.
func (p *parser) literalCode(l *literal) bool {
	o, is := l.options["code"]
	if !is {
		return true
	}
	codes := icmpCodes
	if !l.src.is4 {
		codes = icmp6Codes
	}
	if _, typed := l.options["type"]; !typed && isNameLike(o.word.Text()) {
		p.error("bad-code", o.word, "the name of a code needs the type of the packet").
			help("write the type besides: `type destination-unreachable code port-unreachable`")
		return false
	}
	at := *p
	at.scanner = &scanner{file: o.word.File, text: o.word.File.Text[:o.word.End], off: o.word.Start, inPackets: true}
	at.advance()
	value, ok := at.nameOrNumber("code", codes[l.icmpType()])
	o.value = value
	l.options["code"] = o
	return ok
}

// icmpType is the type of an ICMP packet: an echo request if it has none.
func (l *literal) icmpType() uint64 {
	if o, is := l.options["type"]; is {
		return o.value
	}
	if l.src.is4 {
		return 8
	}
	return 128
}

// nameOrNumber reads a value of eight bits.
func (p *parser) nameOrNumber(what string, known *names) (n uint64, ok bool) {
	word := p.word()
	if n, is := known.number(word); is {
		p.advance()
		return n, true
	}
	if !isNameLike(word) {
		return p.literalNumber(what, "a "+what, 0, 255)
	}
	d := p.error("bad-"+what, p.span(), "unknown %s %s", what, quote(word))
	switch {
	case known == nil:
		d.help("packets of this type have codes without names: write the number")
	default:
		foreign := foreignCodes
		switch known {
		case icmpTypes:
			foreign = foreignTypes
		case icmp6Types:
			foreign = foreignTypes6
		}
		if better := foreign[word]; known.has(better) {
			d.help("did you mean %s?", quote(better))
		} else if d.Help = didYouMean(word, known.inOrder); d.Help == "" {
			d.help("write the number, or one of %s", listed(known.inOrder))
		}
	}
	return 0, false
}
