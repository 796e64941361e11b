package rules

import (
	"slices"
	"strings"
)

// clause finds out what a clause means. The text is canonical: the values, but
// sets by name.
func (c *checker) clause(n *ClauseNode) (clause Clause, text string, ok bool) {
	clause = Clause{Subject: n.Subject, Bytes: n.Bytes, Not: n.Not, Span: n.Span}
	switch {
	case n.Subject == Interface:
		return c.interfaceClause(n, clause)
	case n.Subject.IsProperty():
		return clause, clause.text(nil), true
	case n.Subject == TCPFlags && n.Head.equals("flags"):
		clause.Not, clause.Set, ok = c.flags(n)
		return clause, clause.text(clause.Set.elements(n.Subject)), ok
	}
	if n.Operator == OpNotEqual {
		clause.Not = !clause.Not
	}
	if n.Operator.isOrdered() {
		clause.Set, ok = c.ordered(n)
		return clause, clause.text(clause.Set.elements(n.Subject)), ok
	}
	v, ok := c.list(n.Value, n)
	if !ok {
		return clause, "", false
	}
	clause.Set = v.set(n.Subject)
	return clause, clause.text(v.canonical(n.Subject)), true
}

// ordered folds `< 1024` and the like into a range.
func (c *checker) ordered(n *ClauseNode) (set ValueSet, ok bool) {
	span := n.Value.Span
	if n.Subject.kind() != numberKind || n.Subject == IP6Extensions {
		d := c.error("bad-operator", n.Span, "%s does not compare %s", quote(n.Operator.String()), n.Subject.values())
		if n.Subject.kind() == addressKind {
			d.help("write a range: `from 10.0.0.1-10.0.0.9`")
		}
		return set, false
	}
	text := span.Text()
	if n.Value.Braces || n.Value.Elements[0].Kind != ElementWord || strings.Contains(text, "/") {
		c.error("bad-operator", span, "%s compares with one number", quote(n.Operator.String())).
			help("lists, ranges, masks and sets are compared with `==` and `!=`")
		return set, false
	}
	if number, is := n.valueNames().number(text); is {
		c.error("bad-operator", span, "%s compares with a number, not with a name", quote(n.Operator.String())).
			help("the number of %s is %d", quote(text), number)
		return set, false
	}
	at, ok := c.number(span, n)
	if !ok {
		return set, false
	}
	lo, hi := uint64(0), n.most()
	never := false
	switch n.Operator {
	case OpLess:
		never, hi = at == lo, at-1
	case OpLessEqual:
		hi = at
	case OpGreater:
		never, lo = at == hi, at+1
	case OpGreaterEqual:
		lo = at
	}
	if never {
		compare := n.Head.to(n.Value.Span) // without the `not` in front of it
		c.error("never", compare, "%s is never true", quoteSpan(compare)).help("values are 0 to %d", n.most())
		return set, false
	}
	v := &values{}
	v.addNumbers(Range{number(lo), number(hi)}, n.Subject)
	return v.set(n.Subject), true
}

// values is what a list comes to. Numbers are in ip4 only, but of protocols.
type values struct {
	collected
	names []string // the sets in it
	own   *values  // what the list has besides, if it has names
}

// collected is values as they are read; numbers and MAC addresses are in ip4.
type collected struct {
	ip4, ip6     []Range
	mask4, mask6 []Masked
}

func (v *collected) addAddress(a address) bool {
	switch {
	case a.masked && a.is4:
		v.mask4 = append(v.mask4, a.mask)
	case a.masked:
		v.mask6 = append(v.mask6, a.mask)
	case a.is4:
		v.ip4 = append(v.ip4, a.r)
	default:
		v.ip6 = append(v.ip6, a.r)
	}
	return true
}

// set is the values as a clause holds them.
func (v *values) set(subject Subject) ValueSet {
	switch info := subjects[subject]; {
	case subject == Protocol:
		return ValueSet{IP4: v.ip4, IP6: eitherAH(v.ip6)}
	case info.family == 4:
		return ValueSet{IP4: v.ip4, Mask4: v.mask4}
	case info.kind == addressKind && info.family == 6:
		return ValueSet{IP6: v.ip6, Mask6: v.mask6}
	case info.kind == addressKind:
		return ValueSet{IP4: v.ip4, IP6: v.ip6, Mask4: v.mask4, Mask6: v.mask6}
	case info.family == 6:
		return ValueSet{IP6: v.ip4, Mask6: v.mask4}
	}
	return ValueSet{IP4: v.ip4, IP6: v.ip4, Mask4: v.mask4, Mask6: v.mask4}
}

// eitherAH are protocols with and without an AH in front of them. Those that
// have the bit already are `ah` and stay.
func eitherAH(protocols []Range) []Range {
	if len(protocols) == 1 && protocols[0].Lo == protocols[0].Hi && protocols[0].Lo.Lo < withAH {
		return oneEitherAH[protocols[0].Lo.Lo]
	}
	both := slices.Clone(protocols)
	for _, r := range protocols {
		if lo, hi := r.Lo.Lo, min(r.Hi.Lo, withAH-1); lo <= hi {
			both = append(both, Range{number(lo + withAH), number(hi + withAH)})
		}
	}
	return mergeRanges(both)
}

// oneEitherAH is eitherAH of each single protocol, which most clauses about
// protocols share.
var oneEitherAH = func() (all [withAH][]Range) {
	for p := range uint64(withAH) {
		all[p] = []Range{{number(p), number(p)}, {number(p + withAH), number(p + withAH)}}
	}
	return all
}()

// canonical is the elements in a fixed order and form: first the sets, then
// the values. Of many values it has a digest.
func (v *values) canonical(subject Subject) []string {
	if len(v.names) == 0 {
		return digest(v.set(subject).elements(subject))
	}
	slices.Sort(v.names)
	return append(slices.Compact(v.names), digest(v.own.set(subject).elements(subject))...)
}

// list finds out the values of a clause.
func (c *checker) list(list *List, n *ClauseNode) (v *values, ok bool) {
	if len(list.Elements) == 1 {
		return c.single(list.Elements[0], n)
	}
	if len(list.Elements) == 0 {
		if !c.hasErrorIn(list.Span) {
			c.error("empty-list", list.Span, "an empty list").help("%s needs %s", quote(squeeze(n.Head.Text())), n.needs())
		}
		return nil, false
	}
	if n.Subject.kind() == addressKind && !slices.ContainsFunc(list.Elements, func(e Element) bool { return !isOfNumbers(e.Span.Text()) }) {
		c.error("bad-address", list.Span, "numbers in place of addresses").help("did you mean %s?", quote("port "+squeeze(list.Span.Text())))
		return nil, false
	}
	v = &values{own: &values{}}
	ok = true
	for _, e := range list.Elements {
		if e.Kind == ElementSet {
			ok = c.addSet(e, n, v) && ok
			continue
		}
		if e.Kind == ElementWord && e.Span.equals("any") && n.Subject.kind() == addressKind {
			c.error("bad-element", e.Span, "`any` in a list").help("write %s alone", quote(n.Head.Text()+" any"))
			ok = false
			continue
		}
		ok = c.element(e, n, v.own) && ok
	}
	if !ok {
		return nil, false
	}
	v.own.merge()
	if len(v.names) == 0 {
		return v.own, true
	}
	v.addAll(v.own)
	v.merge()
	return v, true
}

func (v *values) merge() {
	v.ip4, v.ip6 = mergeRanges(v.ip4), mergeRanges(v.ip6)
	v.mask4, v.mask6 = mergeMasks(v.mask4), mergeMasks(v.mask6)
}

func (v *values) addAll(w *values) {
	v.ip4, v.ip6 = append(v.ip4, w.ip4...), append(v.ip6, w.ip6...)
	v.mask4, v.mask6 = append(v.mask4, w.mask4...), append(v.mask6, w.mask6...)
}

// hasErrorIn says whether there was an error within a span, so that what is
// missing there is missing because of it.
func (c *checker) hasErrorIn(s Span) bool {
	return slices.ContainsFunc(c.errors.kept, func(d *Diagnostic) bool {
		return d.Span.File == s.File && d.Span.Start >= s.Start && d.Span.Start < max(s.End, s.Start+1)
	})
}

// hasErrorAround says whether there was an error in a span or right behind it,
// so that a warning about what it seems to say would be in vain.
func (c *checker) hasErrorAround(s Span) bool {
	return c.hasErrorIn(Span{s.File, s.Start, s.End + 1})
}

// isOfNumbers says whether an element is a number or a range of numbers.
func isOfNumbers(text string) bool { return strings.Trim(text, "0123456789- \t\r\n\\") == "" }

// Values of the words that stand in most rules, made once.
var (
	wordValues = func() map[string]*values {
		m := map[string]*values{"any": {collected: collected{ip4: allIP4, ip6: allIP6}}}
		for name := range protocols {
			v := &values{}
			v.addProtocol(name)
			m[name] = v
		}
		return m
	}()
	noValues = &values{}
)

// addProtocol adds a protocol by name: icmp and icmp6 are of one family, and
// `ah` is in IPv6 any protocol behind an AH.
func (v *values) addProtocol(name string) {
	r := Range{number(protocols[name]), number(protocols[name])}
	if name != "icmp6" {
		v.ip4 = append(v.ip4, r)
	}
	switch name {
	case "icmp":
	case "ah":
		v.ip6 = append(v.ip6, Range{number(withAH), number(2*withAH - 1)})
	default:
		v.ip6 = append(v.ip6, r)
	}
}

// single is the values of one element. A set is not copied.
func (c *checker) single(e Element, n *ClauseNode) (v *values, ok bool) {
	if e.Kind == ElementSet {
		s := c.use(e, n)
		if s == nil {
			return nil, false
		}
		v = &values{collected: s.collected, names: []string{e.Span.Text()}, own: noValues}
		if n.Subject == Protocol {
			v.ip6 = s.ip4
		}
		return v, true
	}
	if e.Kind == ElementWord {
		text := e.Span.Text()
		if n.Subject == Protocol && protocols[text] != 0 || n.Subject.kind() == addressKind && text == "any" {
			return wordValues[text], true
		}
	}
	v = &values{}
	ok = c.element(e, n, v)
	v.merge()
	return v, ok
}

// addSet adds the values of a set to a list.
func (c *checker) addSet(e Element, n *ClauseNode, v *values) bool {
	s := c.use(e, n)
	if s == nil || !c.expand(e, s) {
		return false
	}
	v.names = append(v.names, e.Span.Text())
	v.addAll(&values{collected: s.collected})
	if n.Subject == Protocol {
		v.ip6 = append(v.ip6, s.ip4...)
	}
	return true
}

// element adds a word or range to the values of a clause.
func (c *checker) element(e Element, n *ClauseNode, v *values) bool {
	if e.Kind == ElementWord {
		return c.word(e.Span, n, v)
	}
	switch {
	case n.Subject.kind() == addressKind:
		a, ok := c.addressRange(e)
		return ok && c.isOfFamily(e.Span, a, n) && v.addAddress(a)
	case n.Subject.kind() == macKind:
		r, ok := c.macRange(e)
		return ok && v.addNumbers(r, n.Subject)
	case n.Subject == IP6Extensions:
		c.error("bad-range", e.Span, "a range of extension headers").help("write a list of them: `ip6.ext { routing, hop-by-hop }`")
		return false
	}
	r, ok := c.numberRange(e, n)
	return ok && v.addNumbers(r, n.Subject)
}

// word adds a single word to the values of a clause.
func (c *checker) word(span Span, n *ClauseNode, v *values) bool {
	text := span.Text()
	switch {
	case n.Subject == Protocol && protocols[text] != 0:
		v.addProtocol(text)
		return true
	case n.Subject.kind() == addressKind:
		a, ok := c.address(span, n)
		return ok && c.isOfFamily(span, a, n) && v.addAddress(a)
	case n.Subject.kind() == macKind:
		a, ok := c.mac(span, n)
		return ok && v.addAddress(a)
	case strings.Contains(text, "/"):
		return c.maskedNumber(span, n, v)
	}
	i, ok := c.number(span, n)
	if !ok {
		return false
	}
	if n.Subject == IP6Extensions {
		return c.addExtension(span, i, v)
	}
	c.warnOfWord(span, i, n)
	return v.addNumbers(Range{number(i), number(i)}, n.Subject)
}

func (v *values) addNumbers(r Range, subject Subject) bool {
	v.ip4 = append(v.ip4, r)
	if subject == Protocol {
		v.ip6 = append(v.ip6, r)
	}
	return true
}

// isNameLike says whether a word can only be a name.
func isNameLike(word string) bool {
	return word != "" && (word[0]|0x20 >= 'a' && word[0]|0x20 <= 'z' || word[0] == '_') && !strings.ContainsAny(word, ".:/")
}
