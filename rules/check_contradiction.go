package rules

import "strings"

// contradictions reports clauses that can never hold together: two of them if
// two are enough, else all. Those of the blocks around, which come first, have
// been looked at among themselves.
func (c *checker) contradictions(clauses []Clause) {
	own := len(c.around)
	if own >= len(clauses) { // fewer: there were too many to copy
		return
	}
	before := c.possibleAround()
	if before == 0 || c.possible(before, clauses, own) != 0 {
		return
	}
	for i := own; i < len(clauses); i++ {
		if clauses[i].states() == 0 {
			d := c.error("never", clauses[i].Span, "%s is never true: nothing is left", quoteSpan(clauses[i].Span))
			switch clauses[i].Subject {
			case IP4HeaderLength:
				d.help("a header of IPv4 has at least 5 units of four bytes; what says otherwise is `invalid`")
			case IP4Length:
				d.help("a packet of IPv4 has at least 20 bytes; what says otherwise is `invalid`")
			}
			return
		}
	}
	for i := own; i < len(clauses); i++ {
		for j := range i {
			a, b := &clauses[j], &clauses[i]
			if a.states()&b.states()&c.statesOfPair(&c.pairs[j], &c.pairs[i]) == 0 {
				c.contradiction(a, b)
				return
			}
		}
	}
	c.error("contradiction", clauses[own].Span.to(clauses[len(clauses)-1].Span), "these clauses never hold together")
}

// possible are the states in which clauses can hold together, of which those
// in front of own can in the states before.
func (c *checker) possible(before states, clauses []Clause, own int) states {
	c.pairs = c.pairs[:own] // possibleAround has seen to those
	for i := own; i < len(clauses); i++ {
		c.pairs = append(c.pairs, newPaired(&clauses[i]))
	}
	for i := own; i < len(clauses) && before != 0; i++ {
		before &= clauses[i].states()
		for j := range i {
			before &= c.statesOfPair(&c.pairs[j], &c.pairs[i])
		}
	}
	return before
}

// possibleAround are the states in which the clauses of the blocks around can
// hold, found out once for all rules of a block.
func (c *checker) possibleAround() states {
	if len(c.around) == 0 {
		return anyState
	}
	if c.possibleOf != &c.around[0] {
		c.possibleOf, c.possibleThere = &c.around[0], c.possible(anyState, c.around, 0)
	}
	return c.possibleThere
}

func quoteSpan(s Span) string { return quote(squeeze(s.Text())) }

// contradiction reports two clauses, b standing behind a, with a suggestion.
func (c *checker) contradiction(a, b *Clause) {
	d := c.error("contradiction", b.Span, "%s never holds together with %s", quoteSpan(b.Span), quoteSpan(a.Span))
	d.note(a.Span, "the other clause")
	property, field := a, b
	if b.Subject.IsProperty() {
		property, field = b, a
	}
	switch {
	case a.Subject == b.Subject && a.Bytes == b.Bytes && a.hasValues():
		d.Help = alternatives(a, b)
	case field.Subject.IsProperty():
		if !a.Not && !b.Not && a.Subject <= ARP && b.Subject <= ARP {
			d.help("a packet has one network protocol: write a rule for each")
		}
	case a.Subject == Length || b.Subject == Length:
		d.help("with Ethernet's 14 bytes, frames of ARP have at least 42, of IPv4 34, of IPv6 54, and 4 more with each tag")
	case property.Subject.IsProperty():
		d.Help = propertyHelp(property, field)
	default:
		d.Help = fieldsHelp(a, b)
	}
}

// propertyHelp says why a property and a field exclude each other.
func propertyHelp(property, field *Clause) string {
	isPort := hasPorts(field.field())
	in := fieldStates[field.Subject]
	switch {
	case property.Subject == Tagged:
		return "only tagged frames have " + quote(field.Subject.String())
	case property.Subject == FragLater && isPort:
		return "later fragments carry no ports: leave out the port, or write `frag first`"
	case property.Subject == FragLater && (isTransport(field.Subject) || field.Subject == RawBytes):
		return "later fragments carry no transport header: leave out the clause, or write `frag first`"
	case hasPorts(field.Subject):
		return "only TCP, UDP and SCTP over IPv4 and IPv6 have ports"
	case field.Subject >= ARPOperation && field.Subject <= ARPTargetIP:
		return "only ARP packets have " + quote(field.Subject.String())
	case in == anyState && field.Subject != RawBytes:
		return ""
	case property.Subject == ARP && !property.Not:
		return "ARP packets are neither IPv4 nor IPv6: they have no " + fieldName(field.Subject)
	case property.Subject == IP && !property.Not || property.Subject == IP6 && property.Not:
		return quoteSpan(field.Span) + " is about IPv6 only: did you mean `ip6`?"
	case property.Subject == IP6 && !property.Not || property.Subject == IP && property.Not:
		return quoteSpan(field.Span) + " is about IPv4 only: did you mean `ip`?"
	}
	return ""
}

// fieldsHelp says why two fields exclude each other.
func fieldsHelp(a, b *Clause) string {
	field, protocol := a, b
	if a.Subject == Protocol {
		field, protocol = b, a
	}
	switch inA, inB := fieldStates[a.Subject], fieldStates[b.Subject]; {
	case protocol.Subject == Protocol && hasPorts(field.Subject):
		return "only TCP, UDP and SCTP over IPv4 and IPv6 have ports"
	case inA&inB == 0 && (inA == arpStates || inB == arpStates):
		return "ARP packets are neither IPv4 nor IPv6: write a rule for each"
	case onlyIn4And6(a.states(), b.states()):
		return "one of them is about IPv4 only, the other about IPv6 only"
	case a.sameField(b):
		return "they are the same field, and a packet has one"
	case (isTransport(a.Subject) || isTransport(b.Subject)) && a.states()&b.states() == 0:
		return "later fragments carry no transport header"
	case isTransport(a.Subject) && isTransport(b.Subject):
		return "a packet has one transport protocol: write a rule for each"
	case protocol.Subject == Protocol && isTransport(field.Subject):
		owner, _, _ := strings.Cut(field.Subject.String(), ".")
		return "only " + quote(owner) + " has " + quote(field.Subject.String())
	}
	return ""
}

// onlyIn4And6 says whether one is about IPv4 and the other about IPv6.
func onlyIn4And6(a, b states) bool {
	return a&^ip4States == 0 && b&^ip6States == 0 || a&^ip6States == 0 && b&^ip4States == 0
}

func fieldName(s Subject) string {
	switch {
	case s == Protocol:
		return "protocol of that kind"
	case s.kind() == addressKind:
		return "such address"
	}
	return "such field"
}

// alternatives suggests a list in place of two clauses about the same field.
func alternatives(a, b *Clause) string {
	if a.Not || b.Not || a.Subject == Interface || a.Subject == TCPFlags {
		return ""
	}
	const short = 8
	if a.Set.size() > short || b.Set.size() > short {
		return "a packet has one of each field; alternatives stand in one list"
	}
	as, bs := a.Set.elements(a.Subject), b.Set.elements(b.Subject)
	return "did you mean " + quote((&Clause{Subject: a.Subject, Bytes: a.Bytes}).text(append(as, bs...))) + "?"
}
