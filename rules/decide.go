package rules

import "fmt"

// Decide says what becomes of a packet. It is the meaning of the language: it
// reads the whole frame first and then tries the rules from top to bottom, and
// every compiler of rule sets has to agree with it. It never fails and never
// panics, whatever the bytes are.
func (rs *RuleSet) Decide(p Packet) Decision {
	h := parseHeaders(p)
	for i := range rs.Rules {
		if rs.Rules[i].matches(&h) {
			return Decision{Verdict: rs.Rules[i].Verdict, Rule: i}
		}
	}
	return Decision{Verdict: rs.Default, Rule: ByDefault}
}

// matches says whether every clause of the rule holds.
func (r *Rule) matches(h *headers) bool {
	for i := range r.Clauses {
		if !r.Clauses[i].matches(h) {
			return false
		}
	}
	return true
}

// matches is the second of the language's sentences: a property holds or does
// not, a field that is not there matches nothing, negated or not.
func (c *Clause) matches(h *headers) bool {
	if c.Subject.IsProperty() {
		return h.property(c.Subject) != c.Not
	}
	value, exists := h.field(c.Subject)
	return exists && Contains(c.Set.of(h.network), value) != c.Not
}

// of is the values accepted in packets of a network protocol.
func (s ValueSet) of(n network) []Range {
	if n == networkIP6 {
		return s.IP6
	}
	return s.IP4
}

// property says whether the frame has a property.
func (h *headers) property(s Subject) bool {
	switch s {
	case IP:
		return h.network == networkIP
	case IP6:
		return h.network == networkIP6
	case ARP:
		return h.network == networkARP
	case Frag:
		return h.fragment != notFragment
	case FragFirst:
		return h.fragment == firstFragment
	case FragLater:
		return h.fragment == laterFragment
	case Invalid:
		return h.invalid
	}
	panic(fmt.Sprintf("rules: no such property: %v (%d)", s, s))
}

// field is the packet's value of a field, and whether the packet has it.
func (h *headers) field(s Subject) (value Value, exists bool) {
	switch s {
	case Protocol:
		return Value{Lo: uint64(h.protocol)}, h.hasProtocol
	case Source:
		return h.source, h.isIP()
	case Destination:
		return h.destination, h.isIP()
	case SourcePort:
		return Value{Lo: uint64(h.sourcePort)}, h.hasPorts
	case DestinationPort:
		return Value{Lo: uint64(h.destinationPort)}, h.hasPorts
	}
	panic(fmt.Sprintf("rules: no such field: %v (%d)", s, s))
}
