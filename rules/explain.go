package rules

import "strings"

// An Explanation is a decision and the way to it.
type Explanation struct {
	Decision
	Tried []Tried // in order; the last one decided, unless the default did
}

// A Tried is a step that was tried.
type Tried struct {
	Step, Rule int     // indexes in RuleSet.Steps and RuleSet.Rules
	Clause     *Clause // the first that does not hold; nil if the step matches
	Because    string  // what the packet has instead, in words; "" if the step matches
}

// Matched says whether every clause held.
func (t *Tried) Matched() bool { return t.Clause == nil }

// Explain decides as Decide does, and says of each step on the way why it did
// not match.
func (rs *RuleSet) Explain(p Packet) Explanation {
	h := parseHeaders(p)
	h.setInterface(rs.Interfaces, p.Interface)
	e := explainer{headers: &h, arrivedOn: p.Interface, known: map[reason]string{}}
	var tried []Tried
	for i := 0; i < len(rs.Steps); {
		step := &rs.Steps[i]
		failed := step.firstFailed(&h)
		t := Tried{Step: i, Rule: step.Rule, Clause: failed}
		if failed != nil {
			t.Because = e.because(failed)
		}
		tried = append(tried, t)
		if failed != nil {
			i++
			continue
		}
		if verdict := rs.Rules[step.Rule].Verdict; verdict.Decides() {
			return Explanation{Decision{Verdict: verdict, Rule: step.Rule}, tried}
		}
		i = step.Next
	}
	return Explanation{Decision{Verdict: rs.Default, Rule: ByDefault}, tried}
}

// firstFailed is the first clause that does not hold, nil if all do.
func (s *Step) firstFailed(h *headers) *Clause {
	for i := range s.Clauses {
		if !s.Clauses[i].matches(h) {
			return &s.Clauses[i]
		}
	}
	return nil
}

// Text is the clause as written, blanks collapsed; of a clause that was not
// read from a file, String.
func (c *Clause) Text() string {
	if c.Span.IsZero() {
		return c.String()
	}
	text := squeeze(c.Span.Text())
	switch {
	case !strings.HasPrefix(text, "port"): // the second half of `from X port P`
	case c.Subject == SourcePort:
		text = "from " + text
	case c.Subject == DestinationPort:
		text = "to " + text
	}
	return text
}

// An explainer finds words for what a packet has instead of what a clause asks
// for. They depend on little, so that those of a million rules are few.
type explainer struct {
	*headers
	arrivedOn string
	known     map[reason]string
}

// A reason is all of a clause that the words depend on.
type reason struct {
	subject Subject
	bytes   Bytes
	not     bool
}

func (e *explainer) because(c *Clause) string {
	r := reason{c.Subject, c.Bytes, c.Not}
	text, known := e.known[r]
	if !known {
		text = e.find(c)
		e.known[r] = text
	}
	return text
}

func (e *explainer) find(c *Clause) string {
	if c.Subject.IsProperty() {
		return e.property(c)
	}
	if value, exists := e.field(c); exists {
		return e.fieldText(c, value)
	}
	return e.absence(c)
}

// property: the frame lacks it, or has it and the clause is negated.
func (e *explainer) property(c *Clause) string {
	switch c.Subject {
	case IP, IP6, ARP:
		if c.Not {
			return "the packet is " + networkNames[e.network]
		}
		return "not " + networkNames[wantedNetwork[c.Subject]] + ": " + e.whatItIs()
	case Frag, FragFirst, FragLater:
		return fragmentTexts[e.fragment]
	case Invalid:
		if c.Not {
			return "invalid: " + e.defect
		}
		return "the packet is not malformed"
	case Tagged:
		if c.Not {
			return "the frame has a VLAN tag"
		}
		if !e.has[EtherDestination] {
			return e.defect
		}
		return e.untagged()
	}
	if e.arrivedOn == "" {
		return "the packet arrived on no interface that is named"
	}
	return "the packet arrived on " + e.arrivedOn
}

var networkNames = [...]string{networkNone: "none", networkARP: "ARP", networkIP: "IPv4", networkIP6: "IPv6"}

var wantedNetwork = map[Subject]network{IP: networkIP, IP6: networkIP6, ARP: networkARP}

var fragmentTexts = [...]string{
	notFragment: "the packet is no fragment", firstFragment: "the packet is a first fragment", laterFragment: "the packet is a later fragment",
}

// whatItIs names the frame by its network protocol.
func (e *explainer) whatItIs() string {
	etherType := e.values[EtherType]
	switch {
	case e.network != networkNone:
		return "the frame is " + networkNames[e.network]
	case e.invalid:
		return e.defect
	case etherType.Lo == typeARP:
		return "the frame is ARP, but not of IPv4 over Ethernet, or not all of it is there"
	case etherType.Lo < smallestType:
		return "the frame has no ethertype, but a length"
	}
	return "the frame has ethertype " + hex(etherType.Lo, 4)
}

// smallestType: what is less where an ethertype stands is a length (IEEE 802.3).
const smallestType = 0x600
