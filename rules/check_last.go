package rules

import "slices"

// decidesLast is what becomes of packets that no clause matches: the verdict of
// a rule without clauses, or the default; where that stands, the zero Span if
// nowhere; and the steps in front of it.
func (c *checker) decidesLast() (Verdict, Span, []Step) {
	for i := 0; i < len(c.rs.Steps); {
		step := &c.rs.Steps[i]
		switch rule := &c.rs.Rules[step.Rule]; {
		case len(step.Clauses) > 0:
			i++
		case rule.Verdict.Decides():
			return rule.Verdict, rule.Span, c.rs.Steps[:i]
		default:
			i = step.Next
		}
	}
	return c.rs.Default, c.rs.DefaultSpan, c.rs.Steps
}

// drops says that a packet goes nowhere.
func (v Verdict) drops() bool { return v == Drop || v == Abort }

const noSubject Subject = 0

// unseenPackets warns of packets that no rule about headers can see, and that
// are passed at last: malformed ones, and later fragments, which have no
// transport header.
func (c *checker) unseenPackets(steps []Step) {
	var invalid, invalidKnown, fragKnown bool
	var later laterDrops
	skipped := 0 // a return rule may have gone on at this step
	for i := range steps {
		step := &steps[i]
		rule := &c.rs.Rules[step.Rule]
		if rule.Verdict == Return {
			skipped = max(skipped, step.Next)
		}
		if !rule.Verdict.drops() {
			continue
		}
		if len(step.Clauses) == 1 && !step.Clauses[0].Not && skipped <= i {
			invalid = invalid || step.Clauses[0].Subject == Invalid
		}
		if !invalid && !invalidKnown && step.needsHeader() {
			invalidKnown = true
			c.warning("no-invalid", rule.Span, "malformed packets may slip past this rule to where they are passed").
				help("begin with the rule `drop invalid`").in(rule.Span)
		}
		switch {
		case fragKnown:
		case step.readsTransport():
			if fragKnown = !later.has(step); fragKnown {
				c.warning("no-frag", rule.Span, "later fragments have no %s: they slip past this rule to where they are passed", step.transportWord()).
					help("write `drop frag` in front of it, or `drop frag later`").in(rule.Span)
			}
		case skipped <= i:
			later.add(step)
		}
	}
}

// needsHeader says whether a step asks for what only well-formed packets are
// sure to have.
func (s *Step) needsHeader() bool {
	return slices.ContainsFunc(s.Clauses, func(c Clause) bool {
		switch c.Subject {
		case Length, Interface, Tagged, Frag, FragFirst, FragLater, EtherSource, EtherDestination:
			return false
		case IP, IP6, ARP:
			return !c.Not
		case Invalid:
			return c.Not
		case RawBytes:
			return c.Bytes.Base != EthernetBase
		}
		return true
	})
}

// laterDrops are steps that drop later fragments.
type laterDrops struct {
	steps    []*Step
	known    known
	alike    []Clause
	compared int
}

func (l *laterDrops) add(s *Step) {
	const enough = 256 // of those that are looked at
	if len(l.steps) < enough {
		l.steps = append(l.steps, s)
	}
}

// has says whether one of them drops the later fragments that a step would
// match if they had their transport header; or whether it takes too long to
// find out.
func (l *laterDrops) has(s *Step) bool {
	l.alike = append(l.alike[:0], Clause{Subject: FragLater})
	for i := range s.Clauses {
		c := &s.Clauses[i]
		if c.transportWord() == "" {
			l.alike = append(l.alike, *c)
		} else if carrier := c.carrier(); carrier != nil {
			l.alike = append(l.alike, *carrier)
		}
	}
	l.known.read(l.alike)
	if l.known.never || l.known.states == 0 {
		return true
	}
	for _, drop := range l.steps {
		if l.compared++; l.compared > coverWork || l.drops(drop) {
			return true
		}
	}
	return false
}

func (l *laterDrops) drops(s *Step) bool {
	for i := range s.Clauses {
		if !l.known.implies(&s.Clauses[i]) {
			return false
		}
	}
	return true
}

// readsTransport says whether a step asks for what later fragments lack.
func (s *Step) readsTransport() bool { return s.transportWord() != "" }

// transportWord is what the first clause about a transport header asks for, or "".
func (s *Step) transportWord() string {
	for i := range s.Clauses {
		if word := s.Clauses[i].transportWord(); word != "" {
			return word
		}
	}
	return ""
}

func (c *Clause) transportWord() string {
	subject := c.Subject
	if same := sameField[subject]; same != noSubject {
		subject = same
	}
	switch {
	case hasPorts(subject):
		return "ports"
	case subject == TCPFlags:
		return "flags"
	case c.carrier() != nil, subject == RawBytes && c.Bytes.Base >= TransportBase:
		return "transport header"
	}
	return ""
}

// Packets that nearly every host needs.
var (
	anyIP4     = newWitness(Clause{Subject: IP})
	arpPacket  = newWitness(Clause{Subject: ARP})
	connection = newWitness(numberClause(DestinationPort, 0, 1<<16-1))
	tcpReply   = newWitness(numberClause(Protocol, protoTCP, protoTCP), localPort, dataFlags)
	udpReply   = newWitness(numberClause(Protocol, protoUDP, protoUDP), localPort)
	neighbour  = newWitness(*carriers[ICMP6Type], numberClause(ICMP6Type, 135, 136), // RFC 4861
		Clause{Subject: IP6HopLimit, Set: ValueSet{IP6: []Range{{number(255), number(255)}}}})

	localPort = numberClause(DestinationPort, 32768, 60999) // Linux, net.ipv4.ip_local_port_range
	dataFlags = Clause{Subject: TCPFlags, Set: ValueSet{Mask4: ackOnly, Mask6: ackOnly}}
	ackOnly   = []Masked{{Value: number(flagACK), Mask: number(flagSYN | flagACK)}}
)

// Bits of TCP flags.
const (
	flagSYN = 0x02
	flagACK = 0x10
)

func numberClause(s Subject, lo, hi uint64) Clause {
	rs := []Range{{number(lo), number(hi)}}
	return Clause{Subject: s, Set: ValueSet{IP4: rs, IP6: rs}}
}

// newWitness is what is known of a well-formed whole packet for which the
// clauses hold.
func newWitness(clauses ...Clause) *known {
	k := &known{}
	k.read(append(clauses, Clause{Subject: Invalid, Not: true}, Clause{Subject: Frag, Not: true}))
	return k
}

// unansweredPackets warns of packets that are dropped at last, where that
// stands, and that hardly anyone means to drop who passes others: without ARP
// and neighbour discovery no packet arrives, and without answers the machine
// can open no connection.
func (c *checker) unansweredPackets(steps []Step, last Span) {
	var passes struct{ ip4, ip6, arp, neighbour, connection, reply bool } // or, of arp and neighbour, drops on purpose
	var k known
	for i := range steps {
		step := &steps[i]
		verdict := c.rs.Rules[step.Rule].Verdict
		switch k.read(step.Clauses); {
		case verdict.drops():
			passes.arp = passes.arp || k.states&^arpPacket.states == 0
			passes.neighbour = passes.neighbour || k.implies(carriers[ICMP6Type])
		case verdict == Pass:
			passes.ip4 = passes.ip4 || k.meets(anyIP4)
			passes.arp = passes.arp || k.meets(arpPacket)
			passes.ip6 = passes.ip6 || k.namesIP6()
			passes.neighbour = passes.neighbour || k.meets(neighbour)
			passes.connection = passes.connection || k.meets(connection)
			passes.reply = passes.reply || k.meets(tcpReply) || k.meets(udpReply)
		}
	}
	if passes.ip4 && !passes.arp {
		c.warning("no-arp", last, "ARP is dropped here: no neighbour finds this machine over IPv4").
			help("write the rule `pass arp`").in(last)
	}
	if passes.ip6 && !passes.neighbour {
		c.warning("no-nd", last, "neighbour discovery is dropped here: no neighbour finds this machine over IPv6").
			help("write the rule `pass icmp6`").in(last)
	}
	if passes.connection && !passes.reply {
		c.warning("no-replies", last, "answers to what this machine asks others are dropped here: XDP looks at each packet alone").
			help("write rules for those that it needs: `pass tcp flags ack`, `pass udp from port 53`").in(last)
	}
}

// namesIP6 says whether a rule is about IPv6 in particular.
func (k *known) namesIP6() bool {
	if k.states&^ip6States == 0 {
		return true
	}
	for i := range k.facts {
		f := &k.facts[i]
		if a := &f.accepted[ip6Family]; f.subject.kind() == addressKind && !a.not && !a.none() && !a.isWhole() {
			return true
		}
	}
	return false
}

// meets says whether a packet may be one of both. False is sure.
func (k *known) meets(o *known) bool {
	if k.never {
		return false
	}
families:
	for _, f := range [...]family{ip4Family, ip6Family} {
		if k.states&o.states&f.states() == 0 {
			continue
		}
		for i := range k.facts {
			for j := range o.facts {
				a, b := &k.facts[i], &o.facts[j]
				if a.subject == b.subject && a.clause.Bytes == b.clause.Bytes && !a.subject.IsProperty() &&
					!a.accepted[f].meets(&b.accepted[f]) {
					continue families
				}
			}
		}
		return true
	}
	return false
}
