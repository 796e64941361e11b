package rules

import "fmt"

// Decide says what becomes of a packet. It is the meaning of the language: it
// reads the whole frame first and then tries the rules from top to bottom, and
// every compiler of rule sets has to agree with it. It never fails and never
// panics, whatever the bytes are.
func (rs *RuleSet) Decide(p Packet) Decision {
	return rs.DecideCounting(p, func(int) {})
}

// DecideCounting is Decide, and calls counted for each `count` and `return`
// rule that the packet is counted for on the way, in order.
func (rs *RuleSet) DecideCounting(p Packet, counted func(rule int)) Decision {
	h := parseHeaders(p)
	h.setInterface(rs.Interfaces, p.Interface)
	for i := 0; i < len(rs.Steps); {
		step := &rs.Steps[i]
		if !step.matches(&h) {
			i++
			continue
		}
		if verdict := rs.Rules[step.Rule].Verdict; verdict.Decides() {
			return Decision{Verdict: verdict, Rule: step.Rule}
		}
		counted(step.Rule)
		i = step.Next
	}
	return Decision{Verdict: rs.Default, Rule: ByDefault}
}

// matches says whether every clause of the step holds.
func (s *Step) matches(h *headers) bool {
	for i := range s.Clauses {
		if !s.Clauses[i].matches(h) {
			return false
		}
	}
	return true
}

// matches is the second of the language's sentences: a property holds or does
// not, a field that is not there matches nothing, negated or not.
func (c *Clause) matches(h *headers) bool {
	if c.Subject.IsProperty() {
		return h.property(c) != c.Not
	}
	value, exists := h.field(c)
	return exists && c.Set.holds(h.network, value) != c.Not
}

// holds says whether a value of a packet of some network protocol is accepted.
func (s ValueSet) holds(n network, v Value) bool {
	ranges, masks := s.IP4, s.Mask4
	if n == networkIP6 {
		ranges, masks = s.IP6, s.Mask6
	}
	if Contains(ranges, v) {
		return true
	}
	for _, m := range masks {
		if m.holds(v) {
			return true
		}
	}
	return false
}

// setInterface notes where the frame came from, as an index in names, or
// len(names) if it is none of them.
func (h *headers) setInterface(names []string, name string) {
	index := 0
	for index < len(names) && names[index] != name {
		index++
	}
	h.set(Interface, uint64(index))
}

// property says whether the frame has a property.
func (h *headers) property(c *Clause) bool {
	switch c.Subject {
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
	case Tagged:
		return h.tagged
	case Interface:
		return Contains(c.Set.IP4, h.values[Interface])
	}
	panic(fmt.Sprintf("rules: no such property: %v (%d)", c.Subject, c.Subject))
}

// field is the packet's value of a field, and whether the packet has it.
func (h *headers) field(c *Clause) (value Value, exists bool) {
	if c.Subject == RawBytes {
		return h.rawBytes(c.Bytes)
	}
	return h.values[c.Subject], h.has[c.Subject]
}

// rawBytes reads bytes wherever they are; they exist if all of them are there.
func (h *headers) rawBytes(b Bytes) (value Value, exists bool) {
	from, to := int(b.Offset), int(b.Offset)+int(b.Length)
	bytes := h.reach[b.Base]
	if bytes == nil || to > len(bytes) {
		return Value{}, false
	}
	for _, c := range bytes[from:to] {
		value.Lo = value.Lo<<8 | uint64(c)
	}
	return value, true
}
