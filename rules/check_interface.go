package rules

import (
	"slices"
	"strings"
)

// interfaceClause finds out what `on` means.
func (c *checker) interfaceClause(n *ClauseNode, clause Clause) (_ Clause, text string, ok bool) {
	if n.Operator.isOrdered() {
		c.error("bad-operator", n.Span, "%s does not compare names of interfaces", quote(n.Operator.String()))
		return clause, "", false
	}
	if len(n.Value.Elements) == 0 {
		_, ok = c.list(n.Value, n)
		return clause, "", ok
	}
	if n.Operator == OpNotEqual {
		clause.Not = !clause.Not
	}
	ok = true
	var set []Range
	var names []string
	for _, e := range n.Value.Elements {
		name, index, good := c.interfaceIndex(e)
		ok = ok && good
		set = append(set, Range{number(uint64(index)), number(uint64(index))})
		names = append(names, name)
	}
	set = mergeRanges(set)
	clause.Set = ValueSet{IP4: set, IP6: set}
	slices.Sort(names)
	return clause, clause.text(slices.Compact(names)), ok
}

// interfaceIndex is interfaceOf for an element of a list.
func (c *checker) interfaceIndex(e Element) (name string, index int, ok bool) {
	if e.Kind != ElementWord {
		c.error("bad-interface", e.Span, "%s is not the name of an interface", quoteSpan(e.Span)).
			help("names stand there one by one, as in `on { eth0, \"eth1.5\" }`")
		return "", 0, false
	}
	index, ok = c.interfaceOf(e.Span)
	if !ok {
		return "", 0, false
	}
	if parent, id, is := vlanInterface(c.rs.Interfaces[index]); is {
		c.warning("vlan-interface", e.Span, "%s looks like a VLAN sub-interface, which XDP never sees as the receiver", quoteSpan(e.Span)).
			help("write the interface that the tagged frames arrive on: %s", quote("on "+parent+" vlan "+id)).in(e.Span)
	}
	return c.rs.Interfaces[index], index, true
}

// interfaceOf is the index in RuleSet.Interfaces of a name, which is added if
// it is new.
func (c *checker) interfaceOf(span Span) (index int, ok bool) {
	name, ok := c.interfaceName(span)
	if !ok {
		return 0, false
	}
	if index = slices.Index(c.rs.Interfaces, name); index >= 0 {
		return index, true
	}
	if len(c.rs.Interfaces) == MaxInterfaces {
		c.error("limit", span, "the file names more interfaces than it may (limit: %d)", MaxInterfaces)
		return 0, false
	}
	c.rs.Interfaces = append(c.rs.Interfaces, name)
	return len(c.rs.Interfaces) - 1, true
}

// interfaceName reads the name of an interface, a word or a string, and
// reports one that Linux would not take (net/core/dev.c, dev_valid_name).
func (c *checker) interfaceName(span Span) (name string, ok bool) {
	const most = 15 // bytes, IFNAMSIZ without the zero behind them
	name = unquote(span)
	bad := strings.IndexFunc(name, func(r rune) bool { return r == '/' || r == ':' || r <= ' ' })
	switch {
	case name == "":
		c.error("bad-interface", span, "the name of the interface is empty")
	case len(name) > most:
		c.error("bad-interface", span, "%s is longer than the name of an interface can be (%d bytes)", quote(name), most)
	case span.Text() == name && isIP4Like(name) && strings.Count(name, ".") == 3:
		c.error("bad-interface", span, "%s is an address, not an interface", quote(name)).help("write the name of an interface: `eth1`")
	case strings.Contains(name, "*"):
		c.error("bad-interface", span, "%s: there are no patterns of interfaces", quote(name)).
			help("write the names one by one: `on { eth0, eth1 }`")
	case name == "." || name == ".." || bad >= 0:
		c.error("bad-interface", span, "%s is not the name of an interface", quote(name)).
			help("names of interfaces have no blanks, `/` and `:`")
	default:
		return name, true
	}
	return "", false
}

// vlanInterface takes a name like eth1.5 apart, which by custom is the
// interface of a VLAN.
func vlanInterface(name string) (parent, id string, is bool) {
	dot := strings.LastIndexByte(name, '.')
	if dot <= 0 || dot == len(name)-1 || strings.Trim(name[dot+1:], "0123456789") != "" {
		return "", "", false
	}
	return name[:dot], name[dot+1:], true
}
