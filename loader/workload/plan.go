package workload

import (
	"slices"

	"xdpfw/rules"
)

// A network is the network protocol that a packet is made of.
type network uint8

const (
	ip4 network = iota
	ip6
	arp
	other
	networks = iota
)

// A plan is what the clauses of a step ask of a packet of one network protocol.
type plan struct {
	network   network
	wants     []want
	raw       []*rules.Clause // of RawBytes
	tags      int             // at least so many
	untagged  bool
	fragment  fragment
	malformed bool
}

// A fragment is what a packet is of a datagram.
type fragment uint8

const (
	whole fragment = iota
	first
	later
)

// A want is what clauses accept at one place of a packet: all of sets must.
type want struct {
	place rules.Subject
	sets  []values
}

// values are those in the ranges and of the masks, or all the others.
type values struct {
	ranges []rules.Range
	masks  []rules.Masked
	not    bool
}

// plan for a step, in a network protocol that it can match.
func (m *maker) plan(step int) plan {
	clauses := m.rs.Steps[step].Clauses
	var possible [networks]bool
	for n := range network(networks) {
		possible[n] = !slices.ContainsFunc(clauses, func(c rules.Clause) bool { return !canMatch(&c, n) })
	}
	p := plan{network: m.choose(possible)}
	for i := range clauses {
		p.add(m, &clauses[i])
	}
	return p
}

// choose one that is possible. What is no IP is chosen seldom if IP is possible
// too: such rules say nothing of it.
func (m *maker) choose(possible [networks]bool) network {
	switch {
	case possible[ip4] && possible[ip6]:
		return m.anyNetwork()
	case possible[ip4]:
		return ip4
	case possible[ip6]:
		return ip6
	case possible[arp]:
		return arp
	}
	return other
}

// anyNetwork is IPv4 or IPv6.
func (m *maker) anyNetwork() network {
	if m.Float64() < m.ip6 {
		return ip6
	}
	return ip4
}

// shareOfIP6 of the packets of which a rule does not say what they are: as in
// the addresses of the rules; a quarter if they have none.
func shareOfIP6(rs *rules.RuleSet) float64 {
	var have4, have6 float64
	stride := 1 + len(rs.Steps)/1000
	for i := 0; i < len(rs.Steps); i += stride {
		for _, c := range rs.Steps[i].Clauses {
			if c.Subject == rules.Source || c.Subject == rules.Destination {
				have4 += float64(min(len(c.Set.IP4), 1))
				have6 += float64(min(len(c.Set.IP6), 1))
			}
			if c.Subject == rules.IP6 && !c.Not {
				have6++
			}
		}
	}
	if have4+have6 == 0 {
		return 0.25
	}
	return have6 / (have4 + have6)
}

// canMatch says whether a clause can match some packet of a network protocol.
func canMatch(c *rules.Clause, n network) bool {
	s := c.Subject
	switch {
	case s == rules.IP:
		return (n == ip4) != c.Not
	case s == rules.IP6:
		return (n == ip6) != c.Not
	case s == rules.ARP:
		return (n == arp) != c.Not
	case s == rules.Frag || s == rules.FragFirst || s == rules.FragLater:
		return c.Not || n == ip4 || n == ip6
	case s == rules.Source || s == rules.Destination || s == rules.Protocol:
		return n == ip4 && (c.Not || len(c.Set.IP4)+len(c.Set.Mask4) > 0) || n == ip6 && (c.Not || len(c.Set.IP6)+len(c.Set.Mask6) > 0)
	case s == rules.RawBytes:
		return n == ip4 || n == ip6 || c.Bytes.Base < rules.TransportBase
	case s == rules.EtherType:
		at := values{c.Set.IP4, c.Set.Mask4, c.Not}
		if n == other {
			return true // most values are of no protocol that is looked into
		}
		return at.accept(rules.Value{Lo: etherTypes[n]})
	case s >= rules.ARPOperation && s <= rules.ARPTargetIP:
		return n == arp
	case s >= rules.IP4Source && s <= rules.IP4HeaderLength || s == rules.ICMPType || s == rules.ICMPCode:
		return n == ip4
	case s >= rules.IP6Source && s <= rules.IP6Extensions || s == rules.ICMP6Type || s == rules.ICMP6Code:
		return n == ip6
	case s == rules.SourcePort || s == rules.DestinationPort || s >= rules.TCPSourcePort && s <= rules.SCTPDestinationPort:
		return n == ip4 || n == ip6
	}
	return true
}

var etherTypes = [networks]uint64{ip4: 0x0800, ip6: 0x86dd, arp: 0x0806}

// places of the fields that share bytes with others.
var places = map[rules.Subject]rules.Subject{
	rules.IP4Source: rules.Source, rules.IP6Source: rules.Source, rules.IP4Protocol: rules.Protocol,
	rules.IP4Destination: rules.Destination, rules.IP6Destination: rules.Destination,
	rules.TCPSourcePort: rules.SourcePort, rules.UDPSourcePort: rules.SourcePort, rules.SCTPSourcePort: rules.SourcePort,
	rules.TCPDestinationPort: rules.DestinationPort, rules.UDPDestinationPort: rules.DestinationPort,
	rules.SCTPDestinationPort: rules.DestinationPort,
}

// add what a clause says, and which protocols its field is of.
func (p *plan) add(m *maker, c *rules.Clause) {
	switch c.Subject {
	case rules.Frag:
		if !c.Not {
			p.fragment = first + fragment(m.IntN(2))
		}
	case rules.FragFirst, rules.FragLater:
		if !c.Not {
			p.fragment = first + fragment(c.Subject-rules.FragFirst)
		}
	case rules.Invalid:
		p.malformed = !c.Not
	case rules.Tagged:
		p.untagged = c.Not
		if !c.Not {
			p.tags = max(p.tags, 1)
		}
	case rules.VLANID, rules.VLANPriority:
		p.tags = max(p.tags, 1)
	case rules.VLAN2ID:
		p.tags = 2
	case rules.RawBytes:
		p.raw = append(p.raw, c)
		if c.Bytes.Base == rules.PayloadBase {
			p.want(rules.Protocol, values{ranges: numbers(protoICMP, protoTCP, protoUDP, protoICMP6, protoSCTP)})
		}
	}
	if c.Subject.IsProperty() || c.Subject == rules.RawBytes {
		return
	}
	if implied := p.implied(c.Subject); implied != nil {
		p.want(rules.Protocol, values{ranges: implied})
	}
	place := c.Subject
	if shared, ok := places[place]; ok {
		place = shared
	}
	v := values{c.Set.IP4, c.Set.Mask4, c.Not}
	if p.network == ip6 {
		v = values{c.Set.IP6, c.Set.Mask6, c.Not}
	}
	p.want(place, v)
}

// want values at a place, besides what is wanted there already.
func (p *plan) want(place rules.Subject, v values) {
	for i := range p.wants {
		if p.wants[i].place == place {
			p.wants[i].sets = append(p.wants[i].sets, v)
			return
		}
	}
	p.wants = append(p.wants, want{place, []values{v}})
}

// addMissing adds what a step wants at places of which nothing is wanted yet.
func (p *plan) addMissing(m *maker, step int) {
	from := plan{network: p.network}
	clauses := m.rs.Steps[step].Clauses
	for i := range clauses {
		if canMatch(&clauses[i], p.network) {
			from.add(m, &clauses[i])
		}
	}
	for _, w := range from.wants {
		if !slices.ContainsFunc(p.wants, func(have want) bool { return have.place == w.place }) {
			p.wants = append(p.wants, w)
		}
	}
	p.raw = append(p.raw, from.raw...)
	p.tags = max(p.tags, from.tags)
}

// Numbers of protocols (IANA, "Protocol Numbers").
const (
	protoICMP  = 1
	protoTCP   = 6
	protoUDP   = 17
	protoAH    = 51
	protoICMP6 = 58
	protoSCTP  = 132
)

// implied are the protocols that a field is of; nil for any.
func (p *plan) implied(s rules.Subject) []rules.Range {
	switch {
	case s == rules.SourcePort || s == rules.DestinationPort:
		return withPorts
	case s >= rules.TCPSourcePort && s <= rules.TCPWindow:
		return onlyTCP
	case s >= rules.UDPSourcePort && s <= rules.UDPLength:
		return onlyUDP
	case s == rules.SCTPSourcePort || s == rules.SCTPDestinationPort:
		return onlySCTP
	case s == rules.ICMPType || s == rules.ICMPCode:
		return onlyICMP
	case s == rules.ICMP6Type || s == rules.ICMP6Code:
		return onlyICMP6
	}
	return nil
}

var (
	onlyTCP, onlyUDP, onlySCTP = numbers(protoTCP), numbers(protoUDP), numbers(protoSCTP)
	onlyICMP, onlyICMP6        = numbers(protoICMP), numbers(protoICMP6)
	withPorts                  = numbers(protoTCP, protoUDP, protoSCTP)
)

func numbers(ns ...uint64) (out []rules.Range) {
	for _, n := range ns {
		out = append(out, rules.Range{Lo: rules.Value{Lo: n}, Hi: rules.Value{Lo: n}})
	}
	return out
}

// accept says whether v is one of the values.
func (s *values) accept(v rules.Value) bool {
	if rules.Contains(s.ranges, v) {
		return !s.not
	}
	for _, m := range s.masks {
		if v.Hi&m.Mask.Hi == m.Value.Hi && v.Lo&m.Mask.Lo == m.Value.Lo {
			return !s.not
		}
	}
	return s.not
}

// accepts says whether all sets accept v.
func (w *want) accepts(v rules.Value) bool {
	for i := range w.sets {
		if !w.sets[i].accept(v) {
			return false
		}
	}
	return true
}
