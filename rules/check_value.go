package rules

import (
	"fmt"
	"strings"
)

// fault reports what is wrong with a word.
func (c *checker) fault(span Span, f *fault) {
	c.error(f.code, span, "%s", f.message).Help = f.help
}

// what the numbers of a field are called, and the code of the error about
// something else.
func (n *ClauseNode) what() (what, code string) {
	switch {
	case n.Subject == Protocol || n.Subject == IP4Protocol || n.Subject == IP6Next:
		return "protocol", "bad-protocol"
	case fieldNames[n.Subject] == services:
		return "port", "bad-port"
	}
	return "number", "bad-value"
}

// valueNames are the names that values of a clause can have.
func (n *ClauseNode) valueNames() *names {
	if n.names != nil {
		return n.names
	}
	return fieldNames[n.Subject]
}

// number reads a number, or the name of one.
func (c *checker) number(span Span, n *ClauseNode) (i uint64, ok bool) {
	text := span.Text()
	if i, is := n.valueNames().number(text); is {
		return i, true
	}
	what, code := n.what()
	most := n.most()
	i, f := readNumber(text)
	switch {
	case f != nil && f.code == "leading-zero":
		c.fault(span, f)
	case f != nil && isNameLike(text):
		c.unknownName(span, n)
	case f != nil && code == "bad-port" && rangeAs(text) != "":
		c.error(code, span, "%s is not a %s", quote(text), what).help("did you mean %s?", quote(rangeAs(text)))
	case f != nil && isAddressLike(text) && (strings.Count(text, ".") == 3 || strings.Contains(text, ":")):
		d := c.error(code, span, "%s is an address, not a %s", quote(text), what)
		if n.Subject == SourcePort || n.Subject == DestinationPort {
			d.help("write %s", quote(addressOf(n.Subject).String()+" "+text))
		} else if n.Subject == RawBytes {
			d.help("write the bytes as a number: `0x0a000001`")
		}
	case f == nil && i > most && code == "bad-value":
		c.error("out-of-range", span, "%s is more than %s can be", quote(text), quote(squeeze(n.Head.Text()))).
			help("values are 0 to %d", most)
	case f != nil && code == "bad-value":
		c.error(code, span, "%s is not a number", quote(text)).help("%s needs %s", quote(squeeze(n.Head.Text())), n.needs())
	case f != nil || i > most:
		c.error(code, span, "%s is not a %s", quote(text), what).help("%ss are 0 to %d", what, most)
	default:
		return i, true
	}
	return 0, false
}

// rangeAs is the range that others write `80:90` or `80..90`, "" if it is none.
func rangeAs(text string) string {
	for _, between := range []string{":", "..", "…"} {
		lo, hi, is := strings.Cut(text, between)
		if is && isDigits(lo) && isDigits(hi) {
			return lo + "-" + hi
		}
	}
	return ""
}

func isDigits(text string) bool { return text != "" && strings.Trim(text, "0123456789") == "" }

func addressOf(port Subject) Subject {
	if port == SourcePort {
		return Source
	}
	return Destination
}

// unknownName reports a name where there should be a number.
func (c *checker) unknownName(span Span, n *ClauseNode) {
	text := span.Text()
	known := n.valueNames()
	if lo, hi, is := known.splitRange(text); is && n.Subject != IP6Extensions {
		c.rangeOfNames(span, known, lo, hi)
		return
	}
	var suggestion string
	if known != nil {
		suggestion = didYouMean(text, known.inOrder)
	}
	if known.has(foreignClauses[text]) {
		suggestion = "did you mean " + quote(foreignClauses[text]) + "?"
	}
	switch what, code := n.what(); {
	case n.isCode():
		c.unknownCode(span, n, suggestion)
		return
	case n.isType():
		c.unknownType(span, n, suggestion)
		return
	case what == "port":
		d := c.error("unknown-service", span, "unknown service %s", quote(text))
		if other := otherServices[text]; other != "" {
			d.help("did you mean %s?", quote(other))
		} else if _, isSet := c.sets[text]; isSet {
			d.help("did you mean the set %s?", quote("@"+text))
		} else if d.Help = suggestion; d.Help == "" {
			d.help("write the number of the port")
		}
		if text == "any" || text == "all" {
			d.help("leave the clause out, or write `0-65535` for every packet that has ports")
		}
		return
	case what == "protocol":
		d := c.error(code, span, "unknown protocol %s", quote(text))
		if d.Help = suggestion; d.Help == "" {
			d.help("write its number; names are %s", strings.Join(known.inOrder, ", "))
		}
		return
	case known == nil:
		c.error("bad-value", span, "%s is not a number", quote(text)).
			help("%s needs %s", quote(squeeze(n.Head.Text())), n.needs())
		return
	}
	d := c.error("unknown-value", span, "%s is not a name that %s knows", quote(text), quote(squeeze(n.Head.Text())))
	if d.Help = suggestion; d.Help == "" {
		d.help("names are %s", listed(known.inOrder))
	}
}

// listed is a list of names for people, cut if it is long.
func listed(names []string) string {
	const most = 16
	if len(names) > most {
		return strings.Join(names[:most], ", ") + ", …"
	}
	return strings.Join(names, ", ")
}

// maskedNumber reads `0x02/0x12`.
func (c *checker) maskedNumber(span Span, n *ClauseNode, v *values) bool {
	at := strings.IndexByte(span.Text(), '/')
	valueSpan, maskSpan := Span{span.File, span.Start, span.Start + at}, Span{span.File, span.Start + at + 1, span.End}
	if n.Subject == IP6Extensions {
		c.error("bad-mask", span, "a mask of extension headers").help("write a list of them: `ip6.ext { routing, hop-by-hop }`")
		return false
	}
	if valueSpan.End == valueSpan.Start || maskSpan.End == maskSpan.Start {
		c.error("bad-mask", span, "a mask needs a value in front of its `/` and the mask behind it").
			help("write it like `0x02/0x12`")
		return false
	}
	if fieldNames[n.Subject] == services && (protocolNames.has(valueSpan.Text()) || protocolNames.has(maskSpan.Text())) {
		c.error("bad-port", span, "%s is not a port", quote(span.Text())).help("the protocol is a clause of its own: `tcp to port 80`")
		return false
	}
	value, ok := c.number(valueSpan, n)
	mask, ok2 := c.number(maskSpan, n)
	if !ok || !ok2 {
		return false
	}
	if value&^mask != 0 {
		c.error("host-bits", span, "%s has bits set that its mask does not have", quote(span.Text())).
			help("did you mean %s or %s?", quote(fmt.Sprintf("%#x/%#x", value&mask, mask)), quote(valueSpan.Text()))
		return false
	}
	if n.Subject == Protocol {
		for i := range n.most() + 1 {
			if i&mask == value {
				v.addNumbers(Range{number(i), number(i)}, Protocol)
			}
		}
		v.merge()
		return true
	}
	return v.addAddress(maskedAddress(number(value), number(mask), number(n.most()), true))
}

// addExtension adds the sets of extension headers that have one in them.
func (c *checker) addExtension(span Span, header uint64, v *values) bool {
	bit, is := uint64(0), false
	if header <= 255 {
		bit, is = extensionBits[uint8(header)]
	}
	if !is {
		c.error("bad-value", span, "%s is not the number of an extension header", quote(span.Text())).
			help("extension headers are %s", strings.Join(extensionNames.inOrder, ", "))
		return false
	}
	for all := range uint64(1) << subjects[IP6Extensions].bits {
		if all&bit != 0 {
			v.ip4 = append(v.ip4, Range{number(all), number(all)})
		}
	}
	return true
}

// warnOfWord warns of words that hardly ever mean what they seem to.
func (c *checker) warnOfWord(span Span, i uint64, n *ClauseNode) {
	switch {
	case n.Subject == EtherType && isTag(uint16(i)):
		c.warning("tag-type", span, "no frame has this type: `eth.type` is the type behind the tags").
			help("tagged frames are `vlan`").in(n.Span)
	case n.Subject == TCPFlags && n.Operator == OpNone && !n.Value.Braces && flagNames.has(span.Text()) && !c.hasErrorAround(n.Span):
		c.warning("exact-flags", span, "%s is this flag and none of the other seven", quoteSpan(n.Span)).
			help("write %s, or for packets that may have others too %s", quote("tcp.flags == "+span.Text()), quote("flags "+span.Text())).in(n.Span)
	}
}

// ends are the spans of a range's first and last value.
func (e Element) ends() (lo, hi Span) {
	return Span{e.Span.File, e.Span.Start, e.LoEnd}, Span{e.Span.File, e.HiStart, e.Span.End}
}

// numberRange reads a range of numbers.
func (c *checker) numberRange(e Element, n *ClauseNode) (r Range, ok bool) {
	lo, hi := e.ends()
	known := n.valueNames()
	if known.has(lo.Text()) || known.has(hi.Text()) {
		c.rangeOfNames(e.Span, known, lo.Text(), hi.Text())
		return r, false
	}
	first, ok := c.number(lo, n)
	last, ok2 := c.number(hi, n)
	if !ok || !ok2 {
		return r, false
	}
	if first > last {
		c.reversed(e, lo, hi)
		return r, false
	}
	return Range{number(first), number(last)}, true
}

// splitRange takes a word, which can have dashes, apart that is meant as a range
// which begins with a name.
func (n *names) splitRange(word string) (lo, hi string, is bool) {
	for i := range len(word) {
		if word[i] != '-' {
			continue
		}
		if lo, hi := word[:i], word[i+1:]; n.has(lo) && hi != "" && (n.has(hi) || isNumberLike(hi)) {
			return lo, hi, true
		}
	}
	return "", "", false
}

func (c *checker) rangeOfNames(span Span, known *names, lo, hi string) {
	first, last := known.numeral(lo), known.numeral(hi)
	if len(first) > len(last) || len(first) == len(last) && first > last {
		first, last = last, first
	}
	d := c.error("range-name", span, "the ends of a range are numbers, not names").help("write %s", quote(first+"-"+last))
	if first == last {
		d.help("write %s", quote(first))
	}
}

// numeral is the number of a name, and any other word itself.
func (n *names) numeral(word string) string {
	if number, is := n.number(word); is {
		return fmt.Sprint(number)
	}
	return word
}

func (c *checker) reversed(e Element, lo, hi Span) {
	c.error("reversed-range", e.Span, "the range ends before it begins").
		help("did you mean %s?", quote(hi.Text()+"-"+lo.Text()))
}
