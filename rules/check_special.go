package rules

import (
	"strconv"
	"strings"
)

// flags finds out what `flags syn,!ack` means: a mask, or with `==` and `!=`
// all eight bits.
func (c *checker) flags(n *ClauseNode) (not bool, set ValueSet, ok bool) {
	switch n.Operator {
	case OpNone, OpEqual, OpNotEqual:
	default:
		c.error("bad-operator", n.Span, "%s does not compare flags", quote(n.Operator.String())).
			help("write `flags syn,!ack` for some of the flags, or `flags == syn` for all eight; numbers are compared with `tcp.flags`")
		return false, set, false
	}
	var wanted, mask uint64
	seen := map[string]Span{}
	ok = true
	for _, e := range n.Value.Elements {
		word, negated := strings.CutPrefix(e.Span.Text(), "!")
		word = strings.TrimLeft(word, " \t\r\n\\")
		if word == "none" && !negated && len(n.Value.Elements) == 1 {
			mask = n.most()
			continue
		}
		bit, is := flagNames.number(word)
		if !is {
			c.unknownFlag(e.Span, word, n)
			ok = false
			continue
		}
		if first, twice := seen[word]; twice {
			c.flagTwice(e.Span, first)
			ok = false
			continue
		}
		if negated && n.Operator != OpNone {
			c.error("flags-exact", e.Span, "%s says of every flag what it is: those not named are not set", quote("flags "+n.Operator.String())).
				help("leave out %s, or the %s", quoteSpan(e.Span), quote(n.Operator.String()))
			ok = false
		}
		seen[word] = e.Span
		mask |= bit
		if !negated {
			wanted |= bit
		}
	}
	if n.Operator != OpNone {
		mask = n.most()
	}
	v := &values{}
	v.addAddress(maskedAddress(number(wanted), number(mask), number(n.most()), true))
	return n.Not != (n.Operator == OpNotEqual), v.set(TCPFlags), ok
}

func (c *checker) unknownFlag(span Span, word string, n *ClauseNode) {
	if word == "none" {
		c.error("unknown-flag", span, "`none` stands alone").help("write `flags == none` for packets without any flag")
		return
	}
	d := c.error("unknown-flag", span, "unknown TCP flag %s", quote(word))
	switch {
	case isNumberLike(word) || strings.HasPrefix(word, "0x"):
		d.help("numbers are compared with the field: %s", quote("tcp.flags "+word))
	default:
		if d.Help = didYouMean(word, flagNames.inOrder); d.Help == "" {
			d.help("flags are %s", strings.Join(flagNames.inOrder, ", "))
		}
	}
}

func (c *checker) flagTwice(span, first Span) {
	if squeeze(span.Text()) == squeeze(first.Text()) {
		c.error("flag-twice", span, "%s is there already", quoteSpan(span)).note(first, "here")
		return
	}
	c.error("contradiction", span, "%s never holds together with %s", quoteSpan(span), quoteSpan(first)).note(first, "the other flag")
}

// isType and isCode say what a clause is about, of either protocol.
func (n *ClauseNode) isType() bool { return n.Subject == ICMPType || n.Subject == ICMP6Type }
func (n *ClauseNode) isCode() bool { return n.Subject == ICMPCode || n.Subject == ICMP6Code }

// icmpClause is a clause about a type or code with the protocol that the rule
// or a block around it says, and for a code the names that the type to its left
// gives it. Left is what stands in front of it, all is the whole rule.
func (c *checker) icmpClause(n ClauseNode, left, all []ClauseNode) (*ClauseNode, bool) {
	if n.Head.equals("type") || n.Head.equals("code") {
		icmp, icmp6 := saysICMP(all)
		around, around6 := saysICMP(c.aroundNodes)
		icmp, icmp6 = icmp || around, icmp6 || around6
		switch {
		case icmp && icmp6:
			c.error("which-icmp", n.Span, "%s of ICMP or of ICMPv6? They differ", quoteSpan(n.Head)).
				help("write a rule for each")
			return nil, false
		case !icmp && !icmp6 && c.aroundBroken:
			return nil, false // the mistake there is one already
		case !icmp && !icmp6:
			c.error("no-icmp", n.Head, "%s of which protocol?", quoteSpan(n.Head)).
				help("say `icmp` or `icmp6` in the rule: %s", quote("icmp "+squeeze(n.Span.Text())))
			return nil, false
		}
		n.Subject = icmpSubject(n.Head.Text(), icmp6)
	}
	if n.isCode() {
		n.names = c.codeNames(n.Subject, left)
	}
	return &n, true
}

func icmpSubject(head string, icmp6 bool) Subject {
	switch {
	case head == "type" && icmp6:
		return ICMP6Type
	case head == "type":
		return ICMPType
	case icmp6:
		return ICMP6Code
	}
	return ICMPCode
}

// saysICMP looks for the words `icmp` and `icmp6` among clauses.
func saysICMP(nodes []ClauseNode) (icmp, icmp6 bool) {
	for i := range nodes {
		n := &nodes[i]
		if n.Subject != Protocol || n.Not || n.Operator > OpIn {
			continue
		}
		for _, e := range n.Value.Elements {
			icmp = icmp || e.Span.equals("icmp")
			icmp6 = icmp6 || e.Span.equals("icmp6")
		}
	}
	return icmp, icmp6
}

// codeNames are the names of codes of the type that stands to the left, in the
// rule or in a block around it; nil if there is none, or not one type alone.
func (c *checker) codeNames(code Subject, left []ClauseNode) *names {
	types, codes := icmpTypes, icmpCodes
	if code == ICMP6Code {
		types, codes = icmp6Types, icmp6Codes
	}
	for _, nodes := range [][]ClauseNode{left, c.aroundNodes} {
		for i := len(nodes) - 1; i >= 0; i-- {
			n := &nodes[i]
			if !n.isType() || n.Not || n.Operator > OpIn || len(n.Value.Elements) != 1 || n.Value.Elements[0].Kind != ElementWord {
				continue
			}
			text := n.Value.Elements[0].Span.Text()
			number, is := types.number(text)
			if !is {
				if number, is = readDecimal(text); !is {
					continue
				}
			}
			if known := codes[number]; known != nil {
				return known
			}
			return noNames
		}
	}
	return nil
}

// noNames are those of a type whose codes have none.
var noNames = &names{}

func readDecimal(text string) (uint64, bool) {
	n, err := strconv.ParseUint(text, 0, 8)
	return n, err == nil
}

// unknownType reports a name that no type has.
func (c *checker) unknownType(span Span, n *ClauseNode, suggestion string) {
	text := span.Text()
	protocol, word, foreign, other, otherWord := "ICMP", "icmp", foreignTypes, icmp6Types, "icmp6"
	if n.Subject == ICMP6Type {
		protocol, word, foreign, other, otherWord = "ICMPv6", "icmp6", foreignTypes6, icmpTypes, "icmp"
	}
	d := c.error("unknown-type", span, "unknown type %s of %s", quote(text), protocol)
	switch {
	case foreign[text] != "":
		d.help("did you mean %s?", quote(foreign[text]))
	case other.has(text):
		d.help("it is a type of %s: write %s", quote(otherWord), quote(otherWord+" type "+text))
	case suggestion != "":
		d.Help = suggestion
	default:
		d.help("write its number, or one of the names of %s: %s", quote(word), listed(n.valueNames().inOrder))
	}
}

// unknownCode reports a name that no code of the type has.
func (c *checker) unknownCode(span Span, n *ClauseNode, suggestion string) {
	text := span.Text()
	if n.names == nil {
		d := c.error("no-type", span, "the name of a code (%s) needs one type to its left", quote(text))
		all, types := icmpCodes, icmpTypes
		if n.Subject == ICMP6Code {
			all, types = icmp6Codes, icmp6Types
		}
		d.help("write the type in front of it, or the number of the code")
		for number, codes := range all {
			if typeName := types.name(number); codes.has(text) && typeName != "" && onlyIn(all, text) {
				d.help("did you mean %s in front of it?", quote("type "+typeName))
			}
		}
		return
	}
	d := c.error("unknown-code", span, "the type has no code %s", quote(text))
	switch {
	case foreignCodes[text] != "" && n.names.has(foreignCodes[text]):
		d.help("did you mean %s?", quote(foreignCodes[text]))
	case suggestion != "":
		d.Help = suggestion
	case len(n.names.inOrder) > 0:
		d.help("its codes are %s", listed(n.names.inOrder))
	default:
		d.help("its codes have no names: write a number")
	}
}

// onlyIn says whether one type alone has a code of that name.
func onlyIn(all map[uint64]*names, code string) bool {
	n := 0
	for _, codes := range all {
		if codes.has(code) {
			n++
		}
	}
	return n == 1
}
