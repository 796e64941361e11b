package rules

import (
	"strconv"
	"strings"
)

// ParseLiteral reads a packet such as `tcp 198.51.100.7:5555 > 203.0.113.1:443`.
// The diagnostics call the text "packet"; where there are any, the Packet
// means nothing.
func ParseLiteral(text string) (Packet, Diagnostics) {
	r := &report{}
	file := NewFile("packet", []byte(text))
	if len(text) > MaxLineLength {
		r.error("limit", Span{file, 0, 0}, "the packet has %d characters (limit: %d)", len(text), MaxLineLength)
		return Packet{}, r.diagnostics()
	}
	p := &parser{report: r, scanner: newScanner(file, r)}
	p.scanner.inPackets = true
	p.advance()
	l, ok := p.literal()
	if !ok || r.failed() {
		return Packet{}, r.diagnostics()
	}
	if l.kind == literalCapture {
		p.error("bad-packet", l.span, "a capture holds many packets: this must be one").help("write it as `hex \"…\"`")
		return Packet{}, r.diagnostics()
	}
	if p.tok.kind != tokenEnd {
		p.error("bad-packet", p.span(), "%s behind the packet", p.found())
		return Packet{}, r.diagnostics()
	}
	packet, _ := p.packetOf(l)
	return packet, r.diagnostics()
}

// literalIn reads the packet at a span, the tokens of which are known to be good.
func literalIn(span Span, r *report) (packet Packet, capture Span, ok bool) {
	s := &scanner{file: span.File, text: span.File.Text[:span.End], off: span.Start, inPackets: true}
	p := &parser{report: r, scanner: s}
	p.tok = token{end: span.Start}
	p.advance()
	l, ok := p.literal()
	if !ok {
		return Packet{}, Span{}, false
	}
	packet, ok = p.packetOf(l)
	return packet, l.capture, ok
}

// A literal is what a packet literal says.
type literal struct {
	span     Span
	vlans    []uint16 // the ids of its tags, the outer one first
	fragment fragment
	fragSpan Span

	kind         literalKind
	bytes        []byte // of hexadecimal
	capture      Span   // with its quotes
	protocol     uint8
	protocolSpan Span
	src, dst     endpoint // of arp: who tells, and who is asked for

	options map[string]option // by word
}

// A literalKind says what a literal is of.
type literalKind uint8

const (
	literalIP literalKind = iota
	literalARP
	literalHex
	literalCapture
)

// An endpoint is an address with its port.
type endpoint struct {
	address Value
	is4     bool
	port    uint16
	hasPort bool
	span    Span
}

// An option is `len 100`, `on eth0` or the like.
type option struct {
	span  Span // of the whole
	value uint64
	word  Span // of `on` the interface, of `code` its name or number
}

const literalHelp = "write `tcp 198.51.100.7:5555 > 203.0.113.1:443`, `arp who-has A tell B`, `hex \"0011…\"` or `pcap \"FILE\"`"

// beginsLiteral says whether a word is the first of a packet.
func beginsLiteral(word string) bool {
	switch word {
	case "vlan", "frag", "arp", "hex", "pcap":
		return true
	}
	return protocolNames.has(word) || word != "" && strings.Trim(word, "0123456789") == ""
}

// literal reads a packet up to the end of the statement. There is one message
// for each packet that is wrong.
func (p *parser) literal() (l *literal, ok bool) {
	l = &literal{options: map[string]option{}}
	start := p.tok.start
	if !p.literalTags(l) {
		return nil, false
	}
	switch p.word() {
	case "hex":
		ok = p.literalHex(l)
	case "pcap":
		l.kind = literalCapture
		p.advance()
		l.capture, ok = p.path("pcap", "write it in quotes: `pcap \"packets.pcap\"`")
	case "arp":
		ok = p.literalARP(l)
	default:
		ok = p.literalIP(l)
	}
	if !ok || !p.literalOptions(l) {
		return nil, false
	}
	l.span = p.since(start)
	if bare := l.kind == literalHex || l.kind == literalCapture; bare && (len(l.vlans) > 0 || l.fragment != notFragment) {
		p.error("bad-packet", l.span, "the bytes of this packet are given as they are").help("leave out what stands in front of `hex` or `pcap`")
		return nil, false
	}
	return l, true
}

// literalTags reads what may stand in front of the protocol.
func (p *parser) literalTags(l *literal) bool {
	for p.word() == "vlan" {
		start := p.tok.start
		p.advance()
		id, ok := p.literalNumber("vlan", "a VLAN id", 0, 4095)
		if !ok {
			return false
		}
		if l.vlans = append(l.vlans, uint16(id)); len(l.vlans) > 2 {
			p.error("bad-packet", p.since(start), "a third VLAN tag").help("packets have two at most; write others as `hex \"…\"`")
			return false
		}
	}
	if p.word() != "frag" {
		return true
	}
	l.fragSpan = p.span()
	p.advance()
	switch p.word() {
	case "first":
		l.fragment = firstFragment
	case "later":
		l.fragment = laterFragment
	default:
		p.error("bad-packet", p.spanOrHere(), "`frag` needs `first` or `later`, not %s", p.found())
		return false
	}
	l.fragSpan = l.fragSpan.to(p.span())
	p.advance()
	return true
}

// literalNumber reads the number behind a word.
func (p *parser) literalNumber(word, what string, least, most uint64) (n uint64, ok bool) {
	text := p.word()
	if text == "" {
		if p.tok.kind != tokenBad {
			p.error("missing-value", p.spanOrHere(), "%s needs %s behind it, not %s", quote(word), what, p.found())
		}
		return 0, false
	}
	n, f := readNumber(text)
	switch {
	case f != nil && f.code == "leading-zero":
		p.error(f.code, p.span(), "%s", f.message).Help = f.help
		return 0, false
	case f != nil || n < least || n > most:
		p.error("bad-number", p.span(), "%s is not %s: %d to %d", quote(text), what, least, most)
		return 0, false
	}
	p.advance()
	return n, true
}

// literalHex reads `hex "00 11 …"`.
func (p *parser) literalHex(l *literal) bool {
	l.kind = literalHex
	p.advance()
	if p.tok.kind != tokenString {
		if p.tok.kind != tokenBad {
			p.error("bad-hex", p.spanOrHere(), "`hex` needs the bytes of the frame in quotes, not %s", p.found()).
				help("write `hex \"ffffffffffff 020000000001 0806 …\"`")
		}
		return false
	}
	digits := strings.Join(strings.Fields(unquote(p.span())), "")
	switch {
	case digits == "":
		p.error("bad-hex", p.span(), "a frame without bytes").help("write `hex \"ffffffffffff 020000000001 0806 …\"`")
	case strings.Trim(strings.ToLower(digits), "0123456789abcdef") != "":
		p.error("bad-hex", p.span(), "this is not hexadecimal").help("bytes are two digits each of 0–9 and a–f; blanks between them are allowed")
	case len(digits)%2 == 1:
		p.error("bad-hex", p.span(), "an odd number of digits (%d)", len(digits)).help("bytes are two digits each")
	case len(digits)/2 > maxFrame:
		p.error("bad-length", p.span(), "%d bytes are more than a frame may have (limit: %d)", len(digits)/2, maxFrame)
	default:
		for i := 0; i < len(digits); i += 2 {
			b, _ := strconv.ParseUint(digits[i:i+2], 16, 8)
			l.bytes = append(l.bytes, byte(b))
		}
		p.advance()
		return true
	}
	return false
}

// literalARP reads `arp who-has A tell B`.
func (p *parser) literalARP(l *literal) bool {
	l.kind = literalARP
	if l.fragment != notFragment {
		p.error("bad-packet", l.fragSpan, "ARP packets have no fragments").help("leave out %s", quoteSpan(l.fragSpan))
		return false
	}
	p.advance()
	for _, part := range []struct {
		word string
		to   *endpoint
	}{{"who-has", &l.dst}, {"tell", &l.src}} {
		if p.word() != part.word {
			p.error("bad-packet", p.spanOrHere(), "found %s where %s should be", p.found(), quote(part.word)).
				help("write `arp who-has 192.0.2.1 tell 192.0.2.2`")
			return false
		}
		p.advance()
		if !p.endpointOf(part.to, part.word) {
			return false
		}
		switch {
		case !part.to.is4:
			p.error("mixed-families", part.to.span, "ARP is about IPv4 addresses, not %s", quoteSpan(part.to.span)).
				help("IPv6 asks with `icmp6 … type nd-neighbor-solicit`")
			return false
		case part.to.hasPort:
			p.error("no-ports", part.to.span, "ARP packets have no ports")
			return false
		}
	}
	return true
}

// literalIP reads `PROTO SRC[:PORT] > DST[:PORT]`.
func (p *parser) literalIP(l *literal) bool {
	l.protocolSpan = p.span()
	if !p.literalProtocol(l) || !p.endpointOf(&l.src, l.protocolSpan.Text()) {
		return false
	}
	if p.tok.kind != tokenOperator || !p.span().equals(">") {
		p.error("bad-packet", p.spanOrHere(), "found %s where `>` should be", p.found()).
			help("source and destination are written `198.51.100.7:5555 > 203.0.113.1:443`")
		return false
	}
	p.advance()
	if !p.endpointOf(&l.dst, ">") {
		return false
	}
	both := l.src.span.to(l.dst.span)
	switch {
	case l.src.is4 != l.dst.is4:
		p.error("mixed-families", both, "one address is IPv4, the other IPv6").help("a packet has two of the same family")
	case l.protocolSpan.equals("icmp") && !l.src.is4:
		p.error("mixed-families", both, "`icmp` is of IPv4, the addresses are IPv6").help("did you mean `icmp6`?")
	case l.protocolSpan.equals("icmp6") && l.src.is4:
		p.error("mixed-families", both, "`icmp6` is of IPv6, the addresses are IPv4").help("did you mean `icmp`?")
	case !l.src.is4 && isHeaderOnly(l.protocol):
		p.error("bad-packet", l.protocolSpan, "%d is an extension header of IPv6, not a protocol", l.protocol).
			help("write a packet with extension headers as `hex \"…\"`")
	default:
		return p.literalPorts(l)
	}
	return false
}

// isHeaderOnly: extension headers, which literals do not write.
func isHeaderOnly(protocol uint8) bool {
	switch protocol {
	case 0, 43, 44, 60:
		return true
	}
	return false
}

// literalPorts reports ports that the packet cannot have.
func (p *parser) literalPorts(l *literal) bool {
	for _, e := range []*endpoint{&l.src, &l.dst} {
		switch {
		case !e.hasPort:
		case l.fragment == laterFragment:
			p.error("no-ports", e.span, "later fragments carry no ports").help("leave out the port, or write `frag first`")
			return false
		case !hasPortFields(l.protocol):
			p.error("no-ports", e.span, "%s has no ports", quoteSpan(l.protocolSpan)).help("only TCP, UDP and SCTP have ports")
			return false
		}
		if !e.hasPort && l.fragment != laterFragment && hasPortFields(l.protocol) && !p.isPlain(e) {
			return false
		}
	}
	return true
}

// isPlain reports an IPv6 address whose end is most likely meant as a port.
func (p *parser) isPlain(e *endpoint) bool {
	text := e.span.Text()
	colon := strings.LastIndexByte(text, ':')
	if e.is4 || text[0] == '[' || !isDigits(text[colon+1:]) {
		return true
	}
	if _, f := readIP6(text[:colon]); f != nil {
		return true
	}
	p.error("no-ports", e.span, "is %s an address, or one with a port?", quote(text)).
		help("write %s for port %s, %s for the address", quote("["+text[:colon]+"]"+text[colon:]), text[colon+1:], quote("["+text+"]"))
	return false
}

func hasPortFields(protocol uint8) bool { return protocol == 6 || protocol == 17 || protocol == 132 }

// literalProtocol reads the name or number of a protocol.
func (p *parser) literalProtocol(l *literal) bool {
	word := p.word()
	number, named := protocolNames.number(word)
	l.protocol = uint8(number)
	switch {
	case named:
	case p.tok.kind == tokenBad: // reported by the scanner
		return false
	case word != "" && strings.Trim(word, "0123456789") == "":
		n, ok := p.literalNumber("a packet", "the number of a protocol", 0, 255)
		l.protocol = uint8(n)
		return ok
	default:
		d := p.error("bad-packet", p.spanOrHere(), "%s begins no packet", p.found())
		if word == "vlan" || word == "frag" {
			d.help("`vlan N` stands in front of `frag first` or `frag later`, and that in front of the protocol")
			return false
		}
		if d.Help = didYouMean(word, protocolNames.inOrder); d.Help == "" {
			d.Help = literalHelp
		}
		return false
	}
	p.advance()
	return true
}

// endpointOf reads an address, and a port if one is glued to it.
func (p *parser) endpointOf(e *endpoint, behind string) bool {
	e.span = p.span()
	text := p.word()
	if text == "" {
		if p.tok.kind != tokenBad {
			p.error("missing-value", p.spanOrHere(), "%s needs an address behind it, not %s", quote(behind), p.found())
		}
		return false
	}
	address, port := splitPort(text)
	v, is4, f := readAddress(address)
	if f != nil {
		help := f.help
		if help == "" && !isIP4Like(address) {
			help = "source and destination are addresses: `198.51.100.7:5555 > 203.0.113.1:443`"
		}
		if strings.Contains(address, "/") {
			help = "a packet has one address, not a prefix"
		}
		if strings.HasPrefix(address, "[") {
			help = "only IPv6 addresses stand in brackets: `[2001:db8::1]:443`"
		}
		p.error(f.code, e.span, "%s", f.message).Help = help
		return false
	}
	e.address, e.is4 = v, is4
	if port != "" {
		n, f := readNumber(port[1:])
		if f != nil || n > 65535 {
			p.error("bad-port", e.span, "%s is not a port", quote(port[1:])).help("ports are numbers from 0 to 65535")
			return false
		}
		e.port, e.hasPort = uint16(n), true
	}
	p.advance()
	return true
}

// splitPort cuts `198.51.100.7:5555` and `[2001:db8::1]:443`; port begins with
// its colon, if there is one.
func splitPort(text string) (address, port string) {
	if inner, is := strings.CutPrefix(text, "["); is {
		if address, port, closed := strings.Cut(inner, "]"); closed && (port == "" || port[0] == ':') && strings.Contains(address, ":") {
			return address, port
		}
		return text, ""
	}
	if colon := strings.IndexByte(text, ':'); colon >= 0 && isIP4Like(text[:colon]) {
		return text[:colon], text[colon:]
	}
	return text, ""
}
