package rules_test

import (
	"math"
	"net/netip"
	"testing"

	"xdpfw/loader/frames"
	"xdpfw/rules"
)

// one is the set of a single value in both families.
func one(v uint64) rules.ValueSet { return between(v, v) }

// between is the set lo to hi in both families.
func between(lo, hi uint64) rules.ValueSet {
	r := []rules.Range{{Lo: rules.Value{Lo: lo}, Hi: rules.Value{Lo: hi}}}
	return rules.ValueSet{IP4: r, IP6: r}
}

// protocol is a protocol, in IPv6 with and without an AH in front of it.
func protocol(n uint64) rules.ValueSet {
	return rules.ValueSet{IP4: one(n).IP4, IP6: append(one(n).IP6, one(n+0x100).IP6...)}
}

// decides says whether a rule of these clauses takes the frame.
func decides(t *testing.T, f frames.Frame, clauses ...rules.Clause) bool {
	t.Helper()
	frame, err := f.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	rs := rules.RuleSet{Default: rules.Pass}
	rs.Add(rules.Rule{Verdict: rules.Drop, Clauses: clauses})
	switch d := rs.Decide(rules.NewPacket(frame)); d {
	case rules.Decision{Verdict: rules.Drop, Rule: 0}:
		return true
	case rules.Decision{Verdict: rules.Pass, Rule: rules.ByDefault}:
		return false
	default:
		t.Fatalf("decision %+v", d)
		return false
	}
}

var (
	tcpFrame   = frames.Frame{Network: frames.IPv4{Transport: tcp22}}
	tcp6Frame  = frames.Frame{Network: frames.IPv6{Transport: tcp22}}
	icmpFrame  = frames.Frame{Network: frames.IPv4{Transport: frames.ICMP{Type: 8}}}
	icmp6Frame = frames.Frame{Network: frames.IPv6{Transport: frames.ICMPv6{Type: 128}}}
	arpFrame   = frames.Frame{Network: frames.ARP{}}
	otherFrame = frames.Frame{EtherType: 0x88b5}
	badIP      = frames.Frame{Network: frames.IPv4{IHL: new(uint8(4)), Transport: tcp22}}
	badWalk    = frames.Frame{Network: frames.IPv6{Extensions: []frames.Extension{first, length(dest, 9)}}}
	firstFrame = frames.Frame{Network: frames.IPv4{More: true, Transport: tcp22}}
	laterFrame = frames.Frame{Network: frames.IPv4{Offset: 3, Transport: tcp22}}
)

// TestProperties: they hold or do not hold for every frame, and `not` is the
// complement.
func TestProperties(t *testing.T) {
	subjects := []rules.Subject{rules.IP, rules.IP6, rules.ARP, rules.Frag, rules.FragFirst, rules.FragLater, rules.Invalid}
	tests := []struct {
		name  string
		frame frames.Frame
		have  []rules.Subject
	}{
		{"TCP", tcpFrame, []rules.Subject{rules.IP}},
		{"TCP over IPv6", tcp6Frame, []rules.Subject{rules.IP6}},
		{"ARP", arpFrame, []rules.Subject{rules.ARP}},
		{"unknown type", otherFrame, nil},
		{"bad IPv4", badIP, []rules.Subject{rules.Invalid}},
		{"bad walk", badWalk, []rules.Subject{rules.IP6, rules.Frag, rules.FragFirst, rules.Invalid}},
		{"first fragment", firstFrame, []rules.Subject{rules.IP, rules.Frag, rules.FragFirst}},
		{"later fragment", laterFrame, []rules.Subject{rules.IP, rules.Frag, rules.FragLater}},
		{"too short", frames.Frame{Cut: 13}, []rules.Subject{rules.Invalid}},
	}
	for _, test := range tests {
		have := make(map[rules.Subject]bool)
		for _, s := range test.have {
			have[s] = true
		}
		for _, s := range subjects {
			for _, not := range []bool{false, true} {
				if got := decides(t, test.frame, rules.Clause{Subject: s, Not: not}); got != (have[s] != not) {
					t.Errorf("%s: %v with not %v: %v", test.name, s, not, got)
				}
			}
		}
	}
}

// TestFields: a frame that lacks the field matches neither the clause nor its
// negation; one that has it matches exactly one of them.
func TestFields(t *testing.T) {
	const (
		lacks = "lacks"
		in    = "in"
		out   = "out"
	)
	from4 := rules.ValueSet{IP4: prefix("198.51.100.0/24")}
	to6 := rules.ValueSet{IP6: prefix("2001:db8::/64")}
	icmp := rules.ValueSet{IP4: one(1).IP4}
	icmp6 := rules.ValueSet{IP6: one(58).IP6}
	tests := []struct {
		name    string
		frame   frames.Frame
		subject rules.Subject
		set     rules.ValueSet
		want    string
	}{
		{"tcp in TCP", tcpFrame, rules.Protocol, one(6), in},
		{"tcp in TCP over IPv6", tcp6Frame, rules.Protocol, one(6), in},
		{"udp in TCP", tcpFrame, rules.Protocol, one(17), out},
		{"tcp in ARP", arpFrame, rules.Protocol, one(6), lacks},
		{"tcp in another type", otherFrame, rules.Protocol, one(6), lacks},
		{"tcp in bad IPv4", badIP, rules.Protocol, one(6), lacks},
		{"tcp in a failed walk", badWalk, rules.Protocol, one(6), lacks},
		{"tcp in a later fragment", laterFrame, rules.Protocol, one(6), in},
		{"icmp in ICMP", icmpFrame, rules.Protocol, icmp, in},
		{"icmp in ICMPv6", icmp6Frame, rules.Protocol, icmp, out},
		{"icmp6 in ICMPv6", icmp6Frame, rules.Protocol, icmp6, in},
		{"icmp6 in ICMP", icmpFrame, rules.Protocol, icmp6, out},
		{"the empty set", tcpFrame, rules.Protocol, rules.ValueSet{}, out},
		{"from in its prefix", tcpFrame, rules.Source, from4, in},
		{"from as destination", tcpFrame, rules.Destination, from4, out},
		{"from IPv4 in IPv6", tcp6Frame, rules.Source, from4, out},
		{"from in ARP", arpFrame, rules.Source, from4, lacks},
		{"from in bad IPv4", badIP, rules.Source, from4, lacks},
		{"from in a later fragment", laterFrame, rules.Source, from4, in},
		{"to in its prefix", tcp6Frame, rules.Destination, to6, in},
		{"to in a failed walk", badWalk, rules.Destination, to6, in},
		{"to IPv6 in IPv4", tcpFrame, rules.Destination, to6, out},
		{"from port", tcpFrame, rules.SourcePort, one(1), in},
		{"from port as to port", tcpFrame, rules.DestinationPort, one(1), out},
		{"to port over IPv6", tcp6Frame, rules.DestinationPort, one(22), in},
		{"to port, bytes swapped", tcpFrame, rules.DestinationPort, one(22 << 8), out},
		{"to port in ICMP", icmpFrame, rules.DestinationPort, one(22), lacks},
		{"to port in ARP", arpFrame, rules.DestinationPort, one(22), lacks},
		{"to port in a first fragment", firstFrame, rules.DestinationPort, one(22), in},
		{"to port in a later fragment", laterFrame, rules.DestinationPort, between(0, 65535), lacks},
		{"range, below", tcpFrame, rules.DestinationPort, between(23, 30), out},
		{"range, its first", tcpFrame, rules.DestinationPort, between(22, 30), in},
		{"range, its last", tcpFrame, rules.DestinationPort, between(10, 22), in},
		{"range, above", tcpFrame, rules.DestinationPort, between(10, 21), out},
	}
	for _, test := range tests {
		got := lacks
		holds := decides(t, test.frame, rules.Clause{Subject: test.subject, Set: test.set})
		fails := decides(t, test.frame, rules.Clause{Subject: test.subject, Set: test.set, Not: true})
		switch {
		case holds && fails:
			got = "both"
		case holds:
			got = in
		case fails:
			got = out
		}
		if got != test.want {
			t.Errorf("%s: %s, want %s", test.name, got, test.want)
		}
	}
}

// prefix is the range of a prefix, of either family.
func prefix(text string) []rules.Range {
	p := netip.MustParsePrefix(text)
	lo, hi := p.Masked().Addr().AsSlice(), p.Masked().Addr().AsSlice()
	for i := p.Bits(); i < len(hi)*8; i++ {
		hi[i/8] |= 0x80 >> (i % 8)
	}
	return []rules.Range{{Lo: number(lo), Hi: number(hi)}}
}

// number is big-endian bytes as a Value.
func number(b []byte) (v rules.Value) {
	for _, c := range b {
		v = rules.Value{Hi: v.Hi<<8 | v.Lo>>56, Lo: v.Lo<<8 | uint64(c)}
	}
	return v
}

// TestOrder: the first rule of which every clause matches decides.
func TestOrder(t *testing.T) {
	toPort := func(v uint64) rules.Clause { return rules.Clause{Subject: rules.DestinationPort, Set: one(v)} }
	rs := rules.RuleSet{Default: rules.Drop}
	for _, r := range []rules.Rule{
		{Verdict: rules.Drop, Clauses: []rules.Clause{toPort(22), {Subject: rules.IP6}}},
		{Verdict: rules.Pass, Clauses: []rules.Clause{toPort(22)}},
		{Verdict: rules.Drop, Clauses: []rules.Clause{toPort(22)}},
		{Verdict: rules.Pass, Clauses: []rules.Clause{{Subject: rules.ARP}}},
	} {
		rs.Add(r)
	}
	tests := []struct {
		name  string
		frame frames.Frame
		want  rules.Decision
	}{
		{"both clauses", tcp6Frame, rules.Decision{Verdict: rules.Drop, Rule: 0}},
		{"the second rule before the third", tcpFrame, rules.Decision{Verdict: rules.Pass, Rule: 1}},
		{"the last rule", arpFrame, rules.Decision{Verdict: rules.Pass, Rule: 3}},
		{"none", icmpFrame, rules.Decision{Verdict: rules.Drop, Rule: rules.ByDefault}},
	}
	for _, test := range tests {
		frame, err := test.frame.Bytes()
		if err != nil {
			t.Fatal(err)
		}
		if got := rs.Decide(rules.NewPacket(frame)); got != test.want {
			t.Errorf("%s: %+v, want %+v", test.name, got, test.want)
		}
	}
	if !decides(t, otherFrame) {
		t.Error("a rule without clauses does not match every frame")
	}
}

// FuzzDecide: any bytes have a decision, and what the evaluator reads of them
// is consistent.
func FuzzDecide(f *testing.F) {
	for _, frame := range []frames.Frame{
		tcpFrame, tcp6Frame, icmpFrame, icmp6Frame, arpFrame, otherFrame, badIP, badWalk, firstFrame, laterFrame,
		behind(hop, routing, first, dest, ah, atomic),
		{Tags: []frames.Tag{{}, {}, {}}, Network: frames.IPv4{Transport: udp53}},
	} {
		b, err := frame.Bytes()
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b, len(b), false)
		f.Add(b[:len(b)/2], len(b), true)
		f.Add(b[:len(b)/2], len(b), false)
	}
	f.Add([]byte(nil), math.MinInt, false)
	f.Add([]byte{1}, math.MaxInt, true)
	f.Fuzz(func(t *testing.T, head []byte, n int, truncated bool) {
		p := rules.Packet{Head: head, Len: n, Truncated: truncated}
		has := func(s rules.Subject, set rules.ValueSet, not bool) bool {
			rs := rules.RuleSet{Default: rules.Pass}
			rs.Add(rules.Rule{Verdict: rules.Drop, Clauses: []rules.Clause{{Subject: s, Set: set, Not: not}}})
			return rs.Decide(p).Rule == 0
		}
		property := func(s rules.Subject) bool { return has(s, rules.ValueSet{}, false) }
		// A negated empty set holds for every value that exists.
		exists := func(s rules.Subject) bool { return has(s, rules.ValueSet{}, true) }

		ip := property(rules.IP) || property(rules.IP6)
		for what, holds := range map[string]bool{
			"two network protocols": property(rules.IP) && property(rules.IP6) || property(rules.ARP) && ip,
			"addresses without IP":  exists(rules.Source) != ip || exists(rules.Destination) != ip,
			"protocol without IP":   exists(rules.Protocol) && !ip,
			"no protocol in IPv4":   property(rules.IP) && !exists(rules.Protocol),
			"no protocol, valid":    property(rules.IP6) && !exists(rules.Protocol) && !property(rules.Invalid),
			"one port":              exists(rules.SourcePort) != exists(rules.DestinationPort),
			"ports of no transport": exists(rules.SourcePort) && !has(rules.Protocol, protocol(6), false) &&
				!has(rules.Protocol, protocol(17), false) && !has(rules.Protocol, protocol(132), false),
			"ports of a later fragment": exists(rules.SourcePort) && property(rules.FragLater),
			"frag without its kind":     property(rules.Frag) != (property(rules.FragFirst) || property(rules.FragLater)),
			"both kinds of fragment":    property(rules.FragFirst) && property(rules.FragLater),
			"fragment without IP":       property(rules.Frag) && !ip,
			"short and valid":           len(head) < 14 && !property(rules.Invalid),
		} {
			if holds {
				t.Errorf("%s: %x, length %d, truncated %v", what, head, n, truncated)
			}
		}
	})
}
