package rules

import (
	"slices"
	"strings"
)

// clause finds out what a clause means. The text is canonical: the values, but
// sets by name.
func (c *checker) clause(n *ClauseNode) (clause Clause, text string, ok bool) {
	clause = Clause{Subject: n.Subject, Not: n.Not, Span: n.Span}
	if n.Subject.IsProperty() {
		return clause, clauseText(n.Subject, n.Not, nil), true
	}
	if n.Operator == OpNotEqual {
		clause.Not = !clause.Not
	}
	if n.Operator.isOrdered() {
		clause.Set, ok = c.ordered(n)
		return clause, clauseText(n.Subject, clause.Not, clause.Set.elements(n.Subject)), ok
	}
	v, ok := c.list(n.Value, n)
	if !ok {
		return clause, "", false
	}
	clause.Set = v.set(n.Subject)
	return clause, clauseText(n.Subject, clause.Not, v.canonical(n.Subject)), true
}

// ordered folds `< 1024` and the like into a range.
func (c *checker) ordered(n *ClauseNode) (set ValueSet, ok bool) {
	span := n.Value.Span
	if n.Subject.kind() == addressKind {
		c.error("bad-operator", n.Span, "%s does not compare addresses", quote(n.Operator.String())).
			help("write a range: `from 10.0.0.1-10.0.0.9`")
		return set, false
	}
	if n.Value.Braces || n.Value.Elements[0].Kind != ElementWord {
		c.error("bad-operator", span, "%s compares with one number", quote(n.Operator.String())).
			help("lists, ranges and sets are compared with `==` and `!=`")
		return set, false
	}
	var v values
	if !c.word(span, n, &v) {
		return set, false
	}
	if n.Subject == Protocol && protocols[span.Text()] != 0 {
		c.error("bad-operator", span, "%s compares with a number, not with a name", quote(n.Operator.String()))
		return set, false
	}
	domain := n.Subject.domain().IP4[0]
	lo, hi, at := domain.Lo.Lo, domain.Hi.Lo, v.ip4[0].Lo.Lo
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
		c.error("never", n.Span, "%s is never true", quote(squeeze(n.Span.Text()))).
			help("values are %d to %d", domain.Lo.Lo, domain.Hi.Lo)
		return set, false
	}
	numbers := []Range{{number(lo), number(hi)}}
	return (&values{ip4: numbers, ip6: numbers}).set(n.Subject), true
}

// values is what a list comes to. Ports are in ip4 only, and the numbers of a
// set likewise.
type values struct {
	ip4, ip6 []Range
	names    []string // the sets in it
	own      *values  // what the list has besides, if it has names
}

// set is the values as a clause holds them.
func (v *values) set(subject Subject) ValueSet {
	if subject == SourcePort || subject == DestinationPort {
		return ValueSet{IP4: v.ip4, IP6: v.ip4}
	}
	if subject == Protocol {
		return ValueSet{IP4: v.ip4, IP6: eitherAH(v.ip6)}
	}
	return ValueSet{IP4: v.ip4, IP6: v.ip6}
}

// eitherAH are protocols with and without an AH in front of them.
func eitherAH(protocols []Range) []Range {
	both := slices.Clone(protocols)
	for _, r := range protocols {
		both = append(both, Range{number(r.Lo.Lo + withAH), number(r.Hi.Lo + withAH)})
	}
	return mergeRanges(both)
}

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
			c.error("empty-list", list.Span, "an empty list").help("%s needs %s", quote(squeeze(n.Head.Text())), valueOf[n.Subject])
		}
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
	v.ip4 = append(v.ip4, v.own.ip4...)
	v.ip6 = append(v.ip6, v.own.ip6...)
	v.merge()
	return v, true
}

func (v *values) merge() {
	v.ip4, v.ip6 = mergeRanges(v.ip4), mergeRanges(v.ip6)
}

// hasErrorIn says whether there was an error within a span, so that what is
// missing there is missing because of it.
func (c *checker) hasErrorIn(s Span) bool {
	return slices.ContainsFunc(c.errors.kept, func(d *Diagnostic) bool {
		return d.Span.File == s.File && d.Span.Start >= s.Start && d.Span.Start < max(s.End, s.Start+1)
	})
}

// Values of the words that stand in most rules, made once.
var (
	wordValues = func() map[string]*values {
		m := map[string]*values{"any": {ip4: allIP4, ip6: allIP6}}
		for name := range protocols {
			v := &values{}
			v.addProtocol(name)
			m[name] = v
		}
		return m
	}()
	noValues = &values{}
)

func (v *values) addProtocol(name string) {
	r := Range{number(uint64(protocols[name])), number(uint64(protocols[name]))}
	if name != "icmp6" {
		v.ip4 = append(v.ip4, r)
	}
	if name != "icmp" {
		v.ip6 = append(v.ip6, r)
	}
}

// single is the values of one element. A set is not copied.
func (c *checker) single(e Element, n *ClauseNode) (v *values, ok bool) {
	if e.Kind == ElementSet {
		s := c.use(e, n.Subject)
		if s == nil {
			return nil, false
		}
		v = &values{ip4: s.ip4, ip6: s.ip6, names: []string{e.Span.Text()}, own: noValues}
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
	return v, c.element(e, n, v)
}

// addSet adds the values of a set to a list.
func (c *checker) addSet(e Element, n *ClauseNode, v *values) bool {
	s := c.use(e, n.Subject)
	if s == nil || !c.expand(e, s) {
		return false
	}
	v.names = append(v.names, e.Span.Text())
	v.ip4 = append(v.ip4, s.ip4...)
	if n.Subject == Protocol {
		v.ip6 = append(v.ip6, s.ip4...)
	} else {
		v.ip6 = append(v.ip6, s.ip6...)
	}
	return true
}

// element adds a word or range to the values of a clause.
func (c *checker) element(e Element, n *ClauseNode, v *values) bool {
	if e.Kind == ElementWord {
		return c.word(e.Span, n, v)
	}
	if n.Subject.kind() == addressKind {
		r, is4, ok := c.addressRange(e)
		return ok && v.addAddresses(r, is4)
	}
	r, ok := c.numberRange(e, n.Subject)
	return ok && v.addNumbers(r, n.Subject)
}

// word adds a single word to the values of a clause.
func (c *checker) word(span Span, n *ClauseNode, v *values) bool {
	text := span.Text()
	switch n.Subject {
	case Protocol:
		if protocols[text] != 0 {
			v.addProtocol(text)
			return true
		}
	case Source, Destination:
		r, is4, ok := c.address(span, n)
		return ok && v.addAddresses(r, is4)
	}
	i, ok := c.number(span, n.Subject)
	return ok && v.addNumbers(Range{number(i), number(i)}, n.Subject)
}

func (v *values) addAddresses(r Range, is4 bool) bool {
	if is4 {
		v.ip4 = append(v.ip4, r)
	} else {
		v.ip6 = append(v.ip6, r)
	}
	return true
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
