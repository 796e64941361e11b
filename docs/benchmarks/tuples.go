package main

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"strings"

	"xdpfw/rules"
)

// A tuple is a rule over addresses, protocol and ports of IPv4, as other
// firewalls are told it. All ranges include both ends.
type tuple struct {
	from, to         span
	protocol         span
	fromPort, toPort span
}

type span struct{ lo, hi uint32 }

var (
	anyAddress  = span{0, 1<<32 - 1}
	anyPort     = span{0, 1<<16 - 1}
	anyProtocol = span{0, 1<<8 - 1}
)

func (s span) contains(n uint32) bool { return s.lo <= n && n <= s.hi }

// tuplesOf a rule set; an error if a rule says something else. What is about
// IPv6 alone is left out.
func tuplesOf(rs *rules.RuleSet) ([]tuple, error) {
	var out []tuple
	for i := range rs.Rules {
		of, err := tuplesOfRule(&rs.Rules[i])
		if err != nil {
			return nil, fmt.Errorf("rule %q: %w", rs.Rules[i].Text(), err)
		}
		out = append(out, of...)
	}
	return out, nil
}

// tuplesOfRule: one for each combination of the values of its lists.
func tuplesOfRule(r *rules.Rule) ([]tuple, error) {
	out := []tuple{{anyAddress, anyAddress, anyProtocol, anyPort, anyPort}}
	hasPorts := false
	for _, c := range r.Clauses {
		var field func(*tuple) *span
		switch c.Subject {
		case rules.IP:
			continue
		case rules.Source:
			field = func(t *tuple) *span { return &t.from }
		case rules.Destination:
			field = func(t *tuple) *span { return &t.to }
		case rules.Protocol:
			field = func(t *tuple) *span { return &t.protocol }
		case rules.SourcePort:
			field, hasPorts = func(t *tuple) *span { return &t.fromPort }, true
		case rules.DestinationPort:
			field, hasPorts = func(t *tuple) *span { return &t.toPort }, true
		}
		if field == nil || c.Not || len(c.Set.Mask4) > 0 {
			return nil, fmt.Errorf("it is not about addresses, protocol and ports alone")
		}
		var all []tuple
		for _, t := range out {
			for _, r := range c.Set.IP4 {
				*field(&t) = span{uint32(r.Lo.Lo), uint32(r.Hi.Lo)}
				all = append(all, t)
			}
		}
		out = all
	}
	if !hasPorts {
		return out, nil
	}
	var all []tuple
	for _, t := range out {
		if t.protocol != anyProtocol {
			all = append(all, t)
			continue
		}
		for _, p := range []uint32{6, 17, 132} { // those that have ports
			t.protocol = span{p, p}
			all = append(all, t)
		}
	}
	return all, nil
}

// address as a prefix if it is one, else as LO-HI.
func (s span) address() string {
	for bits := 0; bits <= 32; bits++ {
		size := uint32(uint64(1)<<(32-bits) - 1)
		if s.hi-s.lo == size && s.lo&size == 0 {
			return netip.PrefixFrom(ip4(s.lo), bits).String()
		}
	}
	return fmt.Sprintf("%v-%v", ip4(s.lo), ip4(s.hi))
}

func ip4(n uint32) netip.Addr {
	var a [4]byte
	binary.BigEndian.PutUint32(a[:], n)
	return netip.AddrFrom4(a)
}

// number as one, or as LO and HI with a separator between them.
func (s span) number(separator string) string {
	if s.lo == s.hi {
		return fmt.Sprint(s.lo)
	}
	return fmt.Sprintf("%d%s%d", s.lo, separator, s.hi)
}

// nftLine is a ruleset in which each rule stands for itself, in a line.
func nftLine(tuples []tuple) string {
	var b strings.Builder
	b.WriteString(nftHead)
	for _, t := range tuples {
		if t.from != anyAddress {
			fmt.Fprintf(&b, " ip saddr %s", t.from.address())
		}
		if t.to != anyAddress {
			fmt.Fprintf(&b, " ip daddr %s", t.to.address())
		}
		if t.protocol != anyProtocol {
			fmt.Fprintf(&b, " ip protocol %s", t.protocol.number("-"))
		}
		if t.fromPort != anyPort {
			fmt.Fprintf(&b, " th sport %s", t.fromPort.number("-"))
		}
		if t.toPort != anyPort {
			fmt.Fprintf(&b, " th dport %s", t.toPort.number("-"))
		}
		b.WriteString(" drop\n")
	}
	b.WriteString("}\n}\n")
	return b.String()
}

// nftHead opens a chain that drops nothing of itself.
const nftHead = "table netdev t { chain c { type filter hook ingress device " + farName + " priority 0; policy accept;\n"

// nftSets is the best form that nft has for such rules: the five fields joined
// to one key of a set of intervals. Since all rules drop, their order does not
// matter. A set takes no element one corner of which lies within another: if
// it lies within that as a whole it is not needed, else it goes to one more set.
func nftSets(tuples []tuple) string {
	var sets [][]tuple
next:
	for _, t := range tuples {
		for i, set := range sets {
			overlaps := false
			for _, other := range set {
				if other.covers(t) {
					continue next
				}
				overlaps = overlaps || other.contains(t.corner(false)) || other.contains(t.corner(true))
			}
			if !overlaps {
				sets[i] = append(set, t)
				continue next
			}
		}
		sets = append(sets, []tuple{t})
	}
	var b strings.Builder
	b.WriteString("table netdev t {\n")
	for i, set := range sets {
		fmt.Fprintf(&b, "set s%d { type ipv4_addr . ipv4_addr . inet_proto . inet_service . inet_service; flags interval; elements = {\n", i)
		for _, t := range set {
			fmt.Fprintf(&b, "%v-%v . %v-%v . %d-%d . %d-%d . %d-%d,\n", ip4(t.from.lo), ip4(t.from.hi), ip4(t.to.lo), ip4(t.to.hi),
				t.protocol.lo, t.protocol.hi, t.fromPort.lo, t.fromPort.hi, t.toPort.lo, t.toPort.hi)
		}
		b.WriteString("}\n}\n")
	}
	b.WriteString("}\n" + nftHead)
	for i := range sets {
		fmt.Fprintf(&b, "ip saddr . ip daddr . ip protocol . th sport . th dport @s%d drop\n", i)
	}
	b.WriteString("}\n}\n")
	return b.String()
}

func (t tuple) fields() [5]span { return [5]span{t.from, t.to, t.protocol, t.fromPort, t.toPort} }

// corner of all the lowest or all the highest values.
func (t tuple) corner(high bool) (values [5]uint32) {
	for i, s := range t.fields() {
		if values[i] = s.lo; high {
			values[i] = s.hi
		}
	}
	return values
}

func (t tuple) contains(values [5]uint32) bool {
	for i, s := range t.fields() {
		if !s.contains(values[i]) {
			return false
		}
	}
	return true
}

func (t tuple) covers(o tuple) bool {
	return t.contains(o.corner(false)) && t.contains(o.corner(true))
}

// iptablesRaw is what iptables-restore takes: the rules in the first table that
// a packet meets.
func iptablesRaw(tuples []tuple) string {
	var b strings.Builder
	b.WriteString("*raw\n:PREROUTING ACCEPT\n")
	for _, t := range tuples {
		b.WriteString("-A PREROUTING")
		if t.from != anyAddress {
			fmt.Fprintf(&b, " -s %s", t.from.address())
		}
		if t.to != anyAddress {
			fmt.Fprintf(&b, " -d %s", t.to.address())
		}
		if t.protocol != anyProtocol {
			fmt.Fprintf(&b, " -p %d", t.protocol.lo)
		}
		if t.fromPort != anyPort {
			fmt.Fprintf(&b, " --sport %s", t.fromPort.number(":"))
		}
		if t.toPort != anyPort {
			fmt.Fprintf(&b, " --dport %s", t.toPort.number(":"))
		}
		b.WriteString(" -j DROP\n")
	}
	b.WriteString("COMMIT\n")
	return b.String()
}
