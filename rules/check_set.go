package rules

import (
	"slices"
	"strings"
)

// A set is what a name stands for.
type set struct {
	statement *SetStatement
	kind      kind
	collected
	depth   int  // 1, or one more than the deepest set in it
	broken  bool // there was an error in it: its uses say nothing
	mixed   bool // of elements of several kinds
	used    bool
	largest Span // the element with the largest number, which is top
	top     Value
}

// setStatement defines a set, also if there are errors in it.
func (c *checker) setStatement(s *SetStatement) {
	name := s.Name.Text()
	if first, is := c.sets[name]; is && isName(name) { // else reported by the parser
		c.error("duplicate-set", s.Name, "the set %s is defined already", quote("@"+name)).
			note(first.statement.Name, "first defined here")
		return
	}
	defined := &set{statement: s, depth: 1}
	switch {
	case !s.Path.IsZero():
		c.fillFromFile(defined)
	case s.Value == nil:
		defined.broken = true
	default:
		c.fill(defined)
	}
	c.sets[name] = defined
	c.inOrder = append(c.inOrder, defined)
}

// fill finds out the values of a set.
func (c *checker) fill(s *set) {
	var first Span // of the elements, the one that gives the kind
	for i, e := range s.statement.Value.Elements {
		const many = 1000
		if n := len(s.ip4); n >= many && n == cap(s.ip4) { // most likely the others are of the same kind
			s.ip4 = slices.Grow(s.ip4, len(s.statement.Value.Elements)-i)
		}
		kind, ok := c.setElement(s, e)
		if !ok {
			s.broken = true
		} else {
			c.kindOf(s, kind, e.Span, &first)
		}
		if s.broken && c.full() {
			return
		}
	}
	c.finishSet(s)
}

// kindOf sees to it that all elements of a set are of one kind, which is that
// of the first.
func (c *checker) kindOf(s *set, kind kind, element Span, first *Span) {
	switch {
	case kind == noKind:
	case s.kind == noKind:
		s.kind, *first = kind, element
	case kind == portKind && s.kind == numberKind:
		s.kind = portKind
	case kind == numberKind && s.kind == portKind:
	case kind != s.kind && s.mixed: // said once
	case kind != s.kind:
		c.error("mixed-set", element, "%s in a set of %s", kind, s.kind).
			help("make a set of each").note(*first, "%s from here on", s.kind)
		s.broken, s.mixed = true, true
	}
}

// finishSet looks at a set as a whole when its elements are known.
func (c *checker) finishSet(s *set) {
	s.ip4, s.ip6 = mergeRanges(s.ip4), mergeRanges(s.ip6)
	s.mask4, s.mask6 = mergeMasks(s.mask4), mergeMasks(s.mask6)
	if s.depth > MaxSetDepth {
		c.error("limit", s.statement.Name, "the sets in this set are nested %d deep (limit: %d)", s.depth, MaxSetDepth)
		s.broken = true
	}
	if s.kind == noKind && !s.broken && !c.hasErrorIn(s.statement.Span) {
		c.warning("empty-set", s.statement.Name, "the set %s is empty: it matches nothing",
			quote("@"+s.statement.Name.Text())).in(s.statement.Span)
	}
}

// setElement adds an element to a set, and says of which kind it is.
func (c *checker) setElement(s *set, e Element) (kind, bool) {
	if e.Kind == ElementSet {
		inner := c.named(e, s.statement)
		if inner == nil || !c.expand(e, inner) {
			return noKind, false
		}
		s.depth = max(s.depth, inner.depth+1)
		s.ip4, s.ip6 = append(s.ip4, inner.ip4...), append(s.ip6, inner.ip6...)
		s.mask4, s.mask6 = append(s.mask4, inner.mask4...), append(s.mask6, inner.mask6...)
		s.noteLargest(inner.largest, inner.ip4, inner.kind)
		return inner.kind, true
	}
	if e.Kind == ElementWord {
		if r, is4, hostBits, ok := quickElement(e.Span.File.Text[e.Span.Start:e.Span.End]); ok && !hostBits {
			return addressKind, s.addAddress(address{r: r, is4: is4})
		}
	}
	if isSetNumber(e) {
		r, ok := c.setNumbers(e)
		if ok {
			s.noteLargest(e.Span, []Range{r}, numberKind)
			s.ip4 = append(s.ip4, r)
		}
		return numberKind, ok
	}
	text := e.Span.Text()
	if e.Kind == ElementWord && isNameLike(text) {
		port, is := services.number(text)
		if !is {
			c.nameInSet(e.Span)
			return noKind, false
		}
		s.ip4 = append(s.ip4, Range{number(port), number(port)})
		return portKind, true
	}
	if e.Kind == ElementWord && isMAC(firstOf(text)) {
		a, ok := c.mac(e.Span, nil)
		return macKind, ok && s.addAddress(a)
	}
	if lo, _ := e.ends(); e.Kind == ElementRange && isMAC(lo.Text()) {
		r, ok := c.macRange(e)
		return macKind, ok && s.addAddress(address{r: r, is4: true})
	}
	if e.Kind == ElementRange {
		a, ok := c.addressRange(e)
		return addressKind, ok && s.addAddress(a)
	}
	a, ok := c.address(e.Span, nil)
	return addressKind, ok && s.addAddress(a)
}

// firstOf is what stands in front of a `/`.
func firstOf(text string) string {
	first, _, _ := strings.Cut(text, "/")
	return first
}

// noteLargest keeps the element with the largest number.
func (s *set) noteLargest(span Span, added []Range, k kind) {
	if k != numberKind && k != portKind || len(added) == 0 {
		return
	}
	top := added[len(added)-1].Hi
	if s.largest.IsZero() || s.top.Compare(top) < 0 {
		s.largest, s.top = span, top
	}
}

// isSetNumber says whether an element is a number or a range of numbers.
func isSetNumber(e Element) bool {
	text := e.Span.Text()
	return text != "" && text[0] >= '0' && text[0] <= '9' && !strings.ContainsAny(text, ".:/")
}

// setNumbers reads a number or a range of numbers.
func (c *checker) setNumbers(e Element) (r Range, ok bool) {
	lo, hi := e.Span, e.Span
	if e.Kind == ElementRange {
		lo, hi = e.ends()
	}
	if services.has(hi.Text()) {
		c.rangeOfNames(e.Span, services, lo.Text(), hi.Text())
		return r, false
	}
	first, f := readNumber(lo.Text())
	if f != nil {
		c.fault(lo, f)
		return r, false
	}
	last, f := readNumber(hi.Text())
	if f != nil {
		c.fault(hi, f)
		return r, false
	}
	if first > last {
		c.reversed(e, lo, hi)
		return r, false
	}
	return Range{number(first), number(last)}, true
}

// nameInSet reports a name as an element of a set.
func (c *checker) nameInSet(span Span) {
	name := span.Text()
	if lo, hi, is := services.splitRange(name); is {
		c.rangeOfNames(span, services, lo, hi)
		return
	}
	d := c.error("bad-element", span, "%s is neither an address nor a number", quote(name))
	switch _, isSet := c.sets[name]; {
	case isSet:
		d.help("did you mean the set %s?", quote("@"+name))
	case protocols[name] != 0:
		d.help("write a protocol in a set by its number: %d", protocols[name])
	case name == "any":
		d.help("write `0.0.0.0/0, ::/0`")
	case otherServices[name] != "":
		d.help("did you mean %s?", quote(otherServices[name]))
	default:
		if d.Help = didYouMean(name, services.inOrder); d.Help == "" {
			d.help("a set holds addresses and prefixes, or numbers and names of services, or MAC addresses")
		}
	}
}

// use is the set that a clause names, nil if it cannot be used there.
func (c *checker) use(e Element, n *ClauseNode) *set {
	s := c.named(e, nil)
	if s == nil {
		return nil
	}
	if s.kind == noKind {
		return s
	}
	isPort := fieldNames[n.Subject] == services
	if s.kind != n.Subject.kind() && !(s.kind == portKind && isPort) || n.Subject == IP6Extensions {
		c.error("wrong-kind", e.Span, "%s is a set of %s, and %s needs %s",
			quote(e.Span.Text()), s.kind, quote(squeeze(n.Head.Text())), n.Subject.values()).
			note(s.statement.Name, "defined here").Help = otherKindHelp(e, s, n.Subject)
		return nil
	}
	switch s.kind {
	case addressKind:
		return c.useAddresses(e, n, s)
	case numberKind, portKind:
		return c.useNumbers(e, n, s)
	}
	return s
}

// useAddresses refuses a set that has no address that a field could have.
func (c *checker) useAddresses(e Element, n *ClauseNode, s *set) *set {
	family := subjects[n.Subject].family
	has4, has6 := len(s.ip4)+len(s.mask4) > 0, len(s.ip6)+len(s.mask6) > 0
	if family == 4 && !has4 || family == 6 && !has6 {
		c.error("wrong-family", e.Span, "%s holds IPv%d addresses only, and %s is about IPv%d",
			quote(e.Span.Text()), 10-family, quoteSpan(n.Head), family).note(s.statement.Name, "defined here")
		return nil
	}
	return s
}

// useNumbers refuses a set with a number that a field cannot have.
func (c *checker) useNumbers(e Element, n *ClauseNode, s *set) *set {
	greatest, most := s.ip4[len(s.ip4)-1].Hi.Lo, n.most()
	if greatest <= most {
		return s
	}
	what, code := n.what()
	if code == "bad-value" {
		c.error("out-of-range", e.Span, "%s holds %d, which is more than %s can be", quote(e.Span.Text()), greatest, quoteSpan(n.Head)).
			help("values are 0 to %d", most).note(s.largest, "this element")
		return nil
	}
	c.error(code, e.Span, "%s holds %d, which is not a %s", quote(e.Span.Text()), greatest, what).
		help("%ss are 0 to %d", what, most).note(s.largest, "this element")
	return nil
}

// otherKindHelp: `to @web` is often meant as `to port @web`, and the reverse.
func otherKindHelp(e Element, s *set, subject Subject) string {
	switch {
	case (subject == Source || subject == Destination) && s.kind != macKind:
		return "did you mean " + quote(portOf(subject).String()+" "+e.Span.Text()) + "?"
	case hasPorts(subject) && s.kind == addressKind:
		return "did you mean " + quote(addressOf(subject).String()+" "+e.Span.Text()) + "?"
	}
	return ""
}

// named is the set that a name stands for, nil if there is none or it is
// broken. Within is the set in which the name stands, if it does.
func (c *checker) named(e Element, within *SetStatement) *set {
	name := e.Span.Text()[1:]
	if s, is := c.sets[name]; is {
		s.used = true
		if s.broken {
			return nil
		}
		return s
	}
	d := c.error("unknown-set", e.Span, "unknown set %s", quote(e.Span.Text()))
	if c.full() {
		return nil
	}
	if within != nil && within.Name.Text() == name {
		d.Message = "the set " + quote(e.Span.Text()) + " cannot contain itself"
		return nil
	}
	places, names := c.definedAnywhere()
	if later, is := places[name]; is {
		d.help("sets are defined before they are used").note(later, "defined here")
		return nil
	}
	if near := nearest(name, names); near != "" {
		d.help("did you mean %s?", quote("@"+near)).note(places[near], "defined here")
	} else if _, is := protocols[name]; is || name == "any" || isAddressLike(name) || isNumberLike(name) && name != "" {
		d.help("leave out the `@`")
	}
	return nil
}

// manyNames are as many as suggestions are chosen from.
const manyNames = 1000

// definedAnywhere is where each set of the file is defined, and the first of
// their names, as many as suggestions are chosen from.
func (c *checker) definedAnywhere() (places map[string]Span, names []string) {
	if c.places == nil {
		c.places = map[string]Span{}
	}
	for ; c.placed < len(c.trees); c.placed++ {
		for _, statement := range c.trees[c.placed].Statements {
			if s, is := statement.(*SetStatement); is {
				c.places[s.Name.Text()] = s.Name
				if len(c.names) < manyNames {
					c.names = append(c.names, s.Name.Text())
				}
			}
		}
	}
	return c.places, c.names
}

// expand counts what a list copies out of a set, and says whether it may.
func (c *checker) expand(e Element, s *set) bool {
	before := c.expanded
	c.expanded += len(s.ip4) + len(s.ip6) + len(s.mask4) + len(s.mask6)
	if c.expanded <= MaxExpanded {
		return true
	}
	if before <= MaxExpanded { // once a file
		c.error("limit", e.Span, "the lists of the file come to more values than they may (limit: %d)", MaxExpanded).
			help("use %s alone in the clause: then nothing is copied", quote(e.Span.Text()))
	}
	return false
}
