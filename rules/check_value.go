package rules

import "strings"

// fault reports what is wrong with a word.
func (c *checker) fault(span Span, f *fault) {
	c.error(f.code, span, "%s", f.message).Help = f.help
}

// number reads a port or protocol number.
func (c *checker) number(span Span, subject Subject) (n uint64, ok bool) {
	text := span.Text()
	what, most := "port", uint64(65535)
	if subject == Protocol {
		what, most = "protocol", 255
	}
	n, f := readNumber(text)
	switch {
	case f != nil && f.code == "leading-zero":
		c.fault(span, f)
	case f != nil && isNameLike(text):
		c.unknownName(span, subject)
	case f != nil && isAddressLike(text) && strings.ContainsAny(text, ".:"):
		d := c.error("bad-"+what, span, "%s is an address, not a %s", quote(text), what)
		if subject != Protocol {
			d.help("did you mean %s?", quote(addressOf(subject).String()+" "+text))
		}
	case f != nil && strings.Trim(text, "0123456789") != "":
		c.error("bad-"+what, span, "%s is not a %s", quote(text), what).help("%ss are 0 to %d", what, most)
	case f != nil || n > most:
		c.error("bad-"+what, span, "%s is not a %s", quote(text), what).help("%ss are 0 to %d", what, most)
	default:
		return n, true
	}
	return 0, false
}

func addressOf(port Subject) Subject {
	if port == SourcePort {
		return Source
	}
	return Destination
}

// unknownName reports a name where there should be a port or protocol.
func (c *checker) unknownName(span Span, subject Subject) {
	text := span.Text()
	if subject != Protocol {
		d := c.error("not-yet", span, "a service name (%s) is not in this version of xdpfw yet", quote(text))
		d.help("write the number of the port")
		return
	}
	if text == "ah" {
		c.error("not-yet", span, "`ah` is not in this version of xdpfw yet")
		return
	}
	d := c.error("bad-protocol", span, "unknown protocol %s", quote(text))
	if foreign := foreignClauses[text]; protocols[foreign] != 0 {
		d.help("did you mean %s?", quote(foreign))
	} else if d.Help = didYouMean(text, protocolNames); d.Help == "" {
		d.help("write its number; names are %s", strings.Join(protocolNames, ", "))
	}
}

// address reads an address or prefix.
func (c *checker) address(span Span, n *ClauseNode) (r Range, is4, ok bool) {
	text := span.Text()
	if strings.Contains(text, "/") {
		r, is4, f := readPrefix(text)
		if f != nil {
			c.fault(span, f)
		}
		return r, is4, f == nil
	}
	v, is4, f := readAddress(text)
	switch {
	case f == nil:
		return Range{v, v}, is4, true
	case n != nil && strings.Trim(text, "0123456789") == "":
		c.error("bad-address", span, "%s is not an address", quote(text)).
			help("did you mean %s?", quote(squeeze(n.Head.Text())+" port "+text))
	case n != nil && isNameLike(text):
		d := c.error("bad-address", span, "%s is not an address", quote(text))
		if _, is := c.sets[text]; is {
			d.help("did you mean the set %s?", quote("@"+text))
		} else if d.Help = didYouMean(text, []string{"any"}); d.Help == "" {
			d.help("addresses are written in numbers: `192.0.2.1`, `2001:db8::/32`; sets as `@name`")
		}
	default:
		c.fault(span, f)
	}
	return r, false, false
}

// ends are the spans of a range's first and last value.
func (e Element) ends() (lo, hi Span) {
	return Span{e.Span.File, e.Span.Start, e.LoEnd}, Span{e.Span.File, e.HiStart, e.Span.End}
}

// numberRange reads a range of ports or protocols.
func (c *checker) numberRange(e Element, subject Subject) (r Range, ok bool) {
	lo, hi := e.ends()
	first, ok := c.number(lo, subject)
	last, ok2 := c.number(hi, subject)
	if !ok || !ok2 {
		return r, false
	}
	if first > last {
		c.reversed(e, lo, hi)
		return r, false
	}
	return Range{number(first), number(last)}, true
}

func (c *checker) reversed(e Element, lo, hi Span) {
	c.error("reversed-range", e.Span, "the range ends before it begins").
		help("did you mean %s?", quote(hi.Text()+"-"+lo.Text()))
}

// addressRange reads a range of addresses.
func (c *checker) addressRange(e Element) (r Range, is4, ok bool) {
	lo, hi := e.ends()
	ok = true
	var ends [2]Value
	var is4s [2]bool
	for i, end := range []Span{lo, hi} {
		text := end.Text()
		if strings.Contains(text, "/") {
			c.error("bad-range", end, "a prefix at the end of a range").help("write the addresses, or a list of prefixes")
			return r, false, false
		}
		v, is4, f := readAddress(text)
		if f != nil {
			c.fault(end, f)
			ok = false
		}
		ends[i], is4s[i] = v, is4
	}
	switch {
	case !ok:
	case is4s[0] != is4s[1]:
		c.error("bad-range", e.Span, "a range from one address family to the other").
			help("both ends are IPv4, or both are IPv6")
		ok = false
	case ends[0].Compare(ends[1]) > 0:
		c.reversed(e, lo, hi)
		ok = false
	}
	return Range{ends[0], ends[1]}, is4s[0], ok
}
