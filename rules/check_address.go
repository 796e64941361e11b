package rules

import "strings"

// An address is what a word about addresses comes to: one, a prefix or range
// of them, or those that agree with a mask. MAC addresses count as IPv4.
type address struct {
	r      Range
	mask   Masked
	masked bool // it is mask, not r
	is4    bool
}

// address reads an address, a prefix, or an address with a mask. Of a set
// there is no clause.
func (c *checker) address(span Span, n *ClauseNode) (a address, ok bool) {
	if r, is4, hostBits, ok := quickElement(span.File.Text[span.Start:span.End]); ok && !hostBits {
		return address{r: r, is4: is4}, true
	}
	text := span.Text()
	if strings.Contains(text, "/") {
		a, f := readPrefixOrMask(text)
		if f != nil {
			c.fault(span, f)
		}
		return a, f == nil
	}
	if isMAC(text) {
		c.error("bad-address", span, "%s is a MAC address", quote(text)).help("MAC addresses are compared with `eth.src` and `eth.dst`")
		return a, false
	}
	v, is4, f := readAddress(text)
	switch {
	case f == nil:
		return address{r: Range{v, v}, is4: is4}, true
	case n != nil && strings.Trim(text, "0123456789") == "":
		d := c.error("bad-address", span, "%s is not an address", quote(text))
		if n.Subject == Source || n.Subject == Destination {
			d.help("did you mean %s?", quote("port "+text))
		}
	case n != nil && laterAddresses[text]:
		c.error("not-yet", span, "%s is not in this version of xdpfw yet", quote(text)).help("write the addresses")
	case n != nil && isNameLike(text):
		d := c.error("bad-address", span, "%s is not an address", quote(text))
		if _, is := c.sets[text]; is {
			d.help("did you mean the set %s?", quote("@"+text))
		} else if text == "all" {
			d.help("did you mean `any`?")
		} else if d.Help = didYouMean(text, []string{"any"}); d.Help == "" {
			d.help("addresses are written in numbers: `192.0.2.1`, `2001:db8::/32`; sets as `@name`")
		}
	case n != nil && strings.HasPrefix(text, "port:"):
		c.error("bad-address", span, "%s is not an address", quote(text)).help("did you mean %s?", quote("port "+text[len("port:"):]))
	case f.help == "" && text != "" && text[0] > '9':
		c.error(f.code, span, "%s", f.message).help("addresses are written in numbers: `192.0.2.1`, `2001:db8::/32`; sets as `@name`")
	default:
		c.fault(span, f)
	}
	return a, false
}

// isOfFamily reports an address that a field of one family cannot have.
func (c *checker) isOfFamily(span Span, a address, n *ClauseNode) bool {
	family := subjects[n.Subject].family
	if family == 0 || a.is4 == (family == 4) {
		return true
	}
	d := c.error("wrong-family", span, "%s is an IPv%d address, and %s is about IPv%d", quoteSpan(span), 10-family, quoteSpan(n.Head), family)
	switch n.Subject {
	case IP4Source, IP6Source:
		d.help("did you mean %s, which is about both?", quote("from "+squeeze(span.Text())))
	case IP4Destination, IP6Destination:
		d.help("did you mean %s, which is about both?", quote("to "+squeeze(span.Text())))
	}
	return false
}

// lastOctet is the address that is meant by the end of `10.0.0.1-9`, "" if it
// is something else.
func lastOctet(lo, hi string) string {
	if _, is4, f := readAddress(lo); f != nil || !is4 || !isDigits(hi) {
		return ""
	}
	last := lo[:strings.LastIndexByte(lo, '.')+1] + hi
	if _, f := readIP4(last); f != nil {
		return ""
	}
	return last
}

// addressRange reads a range of addresses.
func (c *checker) addressRange(e Element) (a address, ok bool) {
	lo, hi := e.ends()
	if strings.HasSuffix(lo.Text(), "/") {
		c.error("bad-prefix", e.Span, "%s is not a prefix: its length is below 0", quoteSpan(e.Span)).help("lengths are 0 to 32, or to 128 in IPv6")
		return a, false
	}
	if last := lastOctet(lo.Text(), hi.Text()); last != "" {
		c.error("bad-address", hi, "%s is not an address", quoteSpan(hi)).help("both ends are written out: did you mean %s?", quote(last))
		return a, false
	}
	ok = true
	var ends [2]Value
	var is4s [2]bool
	for i, end := range []Span{lo, hi} {
		text := end.Text()
		if strings.Contains(text, "/") {
			c.error("bad-range", end, "a prefix at the end of a range").help("write the addresses, or a list of prefixes")
			return a, false
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
	return address{r: Range{ends[0], ends[1]}, is4: is4s[0]}, ok
}

// mac reads a MAC address, or one with the length of a prefix or a mask.
func (c *checker) mac(span Span, n *ClauseNode) (a address, ok bool) {
	text := span.Text()
	a, f := readMAC(text)
	switch {
	case f == nil:
		return a, true
	case n != nil && isNameLike(text) && !strings.Contains(text, "-"):
		d := c.error("bad-mac", span, "%s is not a MAC address", quote(text))
		if _, is := c.sets[text]; is {
			d.help("did you mean the set %s?", quote("@"+text))
		} else {
			d.help("MAC addresses are written like `02:00:5e:10:00:01`")
		}
	default:
		c.fault(span, f)
	}
	return a, false
}

// macRange reads a range of MAC addresses.
func (c *checker) macRange(e Element) (r Range, ok bool) {
	if _, f := readOneMAC(e.Span.Text()); strings.Count(e.Span.Text(), "-") == 5 {
		c.fault(e.Span, f) // dashes in place of colons
		return r, false
	}
	lo, hi := e.ends()
	first, f := readMAC(lo.Text())
	if f == nil && (strings.Contains(lo.Text(), "/") || strings.Contains(hi.Text(), "/")) {
		f = &fault{"bad-range", "a prefix at the end of a range", "write the addresses, or a list of prefixes"}
	}
	if f != nil {
		c.fault(lo, f)
		return r, false
	}
	last, f := readMAC(hi.Text())
	switch {
	case f != nil:
		c.fault(hi, f)
		return r, false
	case first.r.Lo.Compare(last.r.Lo) > 0:
		c.reversed(e, lo, hi)
		return r, false
	}
	return Range{first.r.Lo, last.r.Lo}, true
}
