package rules_test

import (
	"net/netip"
	"strings"
	"testing"

	"xdpfw/loader/frames"
	"xdpfw/rules"
)

// because explains why a rule of one clause does not take the frame.
func because(t *testing.T, p rules.Packet, c rules.Clause) string {
	t.Helper()
	rs := rules.RuleSet{Default: rules.Pass, Interfaces: []string{"eth0"}}
	rs.Add(rules.Rule{Verdict: rules.Drop, Clauses: []rules.Clause{c}})
	e := rs.Explain(p)
	if e.Rule != rules.ByDefault || len(e.Tried) != 1 || e.Tried[0].Matched() {
		t.Fatalf("%v: %+v", c.Subject, e)
	}
	return e.Tried[0].Because
}

func packetOf(t testing.TB, f frames.Frame) rules.Packet {
	t.Helper()
	b, err := f.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	return rules.NewPacket(b)
}

var (
	taggedFrame = frames.Frame{Tags: []frames.Tag{{VID: 100}}, Network: frames.IPv4{Transport: udp53}}
	threeTags   = frames.Frame{Tags: []frames.Tag{{}, {}, {}}, Network: frames.IPv4{Transport: udp53}}
	sctpFrame   = frames.Frame{Network: frames.IPv4{Transport: frames.SCTP{From: 1, To: 2}}}
	ahFrame     = behind(hop, ah)
	farOffset   = frames.Frame{Network: frames.IPv4{Transport: frames.TCP{Offset: new(uint8(15))}}}
)

// TestExplainWords: the first clause that fails is explained by what the packet has.
func TestExplainWords(t *testing.T) {
	is := func(s rules.Subject) rules.Clause { return rules.Clause{Subject: s} }
	not := func(s rules.Subject) rules.Clause { return rules.Clause{Subject: s, Not: true} }
	at := func(base rules.Base, offset uint16) rules.Clause {
		return rules.Clause{Subject: rules.RawBytes, Bytes: rules.Bytes{Base: base, Offset: offset, Length: 2}}
	}
	for _, test := range []struct {
		frame  frames.Frame
		clause rules.Clause // an empty set, so that no value is in it
		want   string
	}{
		{arpFrame, is(rules.IP), "not IPv4: the frame is ARP"},
		{tcpFrame, not(rules.IP), "the packet is IPv4"},
		{otherFrame, is(rules.IP6), "not IPv6: the frame has ethertype 0x88b5"},
		{badIP, is(rules.IP), "not IPv4: the IPv4 header says that it is shorter than 20 bytes"},
		{badIP, not(rules.Invalid), "invalid: the IPv4 header says that it is shorter than 20 bytes"},
		{tcpFrame, is(rules.Invalid), "the packet is not malformed"},
		{tcpFrame, is(rules.Frag), "the packet is no fragment"},
		{laterFrame, is(rules.FragFirst), "the packet is a later fragment"},
		{firstFrame, not(rules.Frag), "the packet is a first fragment"},
		{tcpFrame, is(rules.Tagged), "the frame has no VLAN tag"},
		{taggedFrame, not(rules.Tagged), "the frame has a VLAN tag"},
		{tcpFrame, is(rules.Interface), "the packet arrived on no interface that is named"},

		{tcpFrame, is(rules.Protocol), "the packet's protocol is tcp (6)"},
		{icmpFrame, is(rules.Protocol), "the packet's protocol is icmp (1)"},
		{icmp6Frame, is(rules.Protocol), "the packet's protocol is icmp6 (58)"},
		{ahFrame, is(rules.Protocol), "the packet's protocol is tcp (6), behind an AH"},
		{ahFrame, is(rules.IP6Extensions), "the packet's ip6.ext is hop-by-hop, ah"},
		{badWalk, is(rules.Protocol), "the packet has no protocol: an IPv6 extension header runs past the packet"},
		{badWalk, is(rules.IP6Extensions), "an IPv6 extension header runs past the packet"},
		{badWalk, is(rules.SourcePort), "the packet has no ports: an IPv6 extension header runs past the packet"},
		{tcp6Frame, is(rules.Source), "the packet's source address is 2001:db8::7"},
		{tcpFrame, is(rules.Destination), "the packet's destination address is 203.0.113.1"},
		{arpFrame, is(rules.Source), "not an IP packet: the frame is ARP"},
		{tcpFrame, is(rules.DestinationPort), "the packet's destination port is 22"},
		{arpFrame, is(rules.DestinationPort), "the packet has no ports: the frame is ARP"},
		{icmpFrame, is(rules.DestinationPort), "the packet has no ports: its protocol is icmp (1)"},
		{laterFrame, is(rules.DestinationPort), "the packet has no ports: it is a later fragment"},
		{tcpFrame, is(rules.TCPFlags), "the packet's TCP flags are none"},
		{sctpFrame, is(rules.TCPFlags), "the packet has no TCP flags: its protocol is sctp (132)"},
		{icmpFrame, is(rules.ICMPType), "the packet's ICMP type is echo-request (8)"},
		{frames.Frame{Network: frames.IPv4{Transport: frames.ICMP{Type: 3, Code: 3}}}, is(rules.ICMPCode), "the packet's ICMP code is port-unreachable (3)"},
		{icmpFrame, is(rules.ICMPCode), "the packet's ICMP code is 0"},
		{tcp6Frame, is(rules.IP6Next), "the packet's ip6.next is tcp (6)"},
		{arpFrame, is(rules.ARPSenderMAC), "the packet's arp.sha is 02:00:00:00:00:01"},
		{icmp6Frame, is(rules.ICMPType), "the packet has no ICMP type: its protocol is icmp6 (58)"},
		{tcpFrame, is(rules.Length), "the frame is 54 bytes long"},
		{tcpFrame, is(rules.IP4TTL), "the packet's ip.ttl is 64"},
		{tcp6Frame, is(rules.IP4TTL), "not IPv4: the frame is IPv6"},
		{tcpFrame, is(rules.EtherType), "the packet's eth.type is 0x0800 (ip)"},
		{threeTags, is(rules.EtherType), "there is a third VLAN tag"},
		{tcpFrame, is(rules.VLANID), "the frame has no VLAN tag"},
		{taggedFrame, is(rules.VLANID), "the packet's vlan.id is 100"},
		{taggedFrame, is(rules.VLAN2ID), "the frame has no second VLAN tag"},
		{tcpFrame, is(rules.ARPOperation), "not ARP: the frame is IPv4"},
		{frames.Frame{Network: frames.ARP{HardwareType: new(uint16(6))}}, is(rules.ARP),
			"not ARP: the frame is ARP, but not of IPv4 over Ethernet, or not all of it is there"},

		{tcpFrame, at(rules.NetworkBase, 0), "the packet has 0x4500 there"},
		{tcpFrame, at(rules.NetworkBase, 39), "the packet ends 40 bytes behind the Ethernet header, in front of these bytes"},
		{arpFrame, at(rules.TransportBase, 0), "the packet has no transport header: the frame is ARP"},
		{laterFrame, at(rules.TransportBase, 0), "the packet has no transport header: it is a later fragment"},
		{farOffset, at(rules.PayloadBase, 0), "the packet has no payload: the TCP data offset points behind its end"},
		{frames.Frame{Network: frames.IPv4{Protocol: new(uint8(47))}}, at(rules.PayloadBase, 0),
			"where the payload begins is not known: the packet's protocol is gre (47)"},
	} {
		if got := because(t, packetOf(t, test.frame), test.clause); got != test.want {
			t.Errorf("%v, not %v:\n got %q\nwant %q", test.clause.Subject, test.clause.Not, got, test.want)
		}
	}

	p := packetOf(t, tcpFrame)
	p.Interface = "eth7"
	if got := because(t, p, is(rules.Interface)); got != "the packet arrived on eth7" {
		t.Error(got)
	}
	p.Head = p.Head[:9]
	for _, s := range []rules.Subject{rules.EtherSource, rules.IP, rules.Tagged, rules.DestinationPort, rules.VLANID} {
		if got := because(t, p, is(s)); !strings.HasSuffix(got, "the frame is shorter than an Ethernet header") {
			t.Errorf("%v of 9 bytes: %q", s, got)
		}
	}
}

// TestExplainAgrees: over everything that a clause can ask and frames cut
// anywhere, the explanation comes to the verdict that Decide comes to, passes
// the rules that Decide counts, and has words for each clause that fails.
func TestExplainAgrees(t *testing.T) {
	agrees(t, everySubject())
}

// … also where steps are left out, by chains that are returned from.
func TestExplainAgreesInChains(t *testing.T) {
	rs, diagnostics := rules.ParseAndCheck(rules.NewFile("rules.fw", []byte(`
chain inner {
	return to port 22
	count not frag
	ip { return invalid; drop to port 53 }
}
chain outer { jump inner; return tcp; count; abort icmp }
frag later { jump inner }
jump outer ip
ip6 { jump outer not icmp6; tx on eth0 }
`)))
	if err := diagnostics.Err(); err != nil {
		t.Fatal(err)
	}
	agrees(t, rs)
}

func agrees(t *testing.T, rs *rules.RuleSet) {
	t.Helper()
	for _, f := range []frames.Frame{
		tcpFrame, tcp6Frame, icmpFrame, icmp6Frame, arpFrame, otherFrame, badIP, badWalk, firstFrame, laterFrame,
		taggedFrame, threeTags, sctpFrame, ahFrame, farOffset, behind(hop, routing, first, dest, ah, atomic),
	} {
		whole := packetOf(t, f)
		for n := range len(whole.Head) + 1 {
			checkExplanation(t, rs, rules.Packet{Head: whole.Head[:n], Len: len(whole.Head), Truncated: true})
			checkExplanation(t, rs, rules.Packet{Head: whole.Head[:n], Len: len(whole.Head), Interface: "eth0"})
			checkExplanation(t, rs, rules.NewPacket(whole.Head[:n]))
		}
	}
}

// everySubject has rules that ask for each subject: the values 0 to 6, then no
// value, then any; they count, so that trying goes on.
func everySubject() *rules.RuleSet {
	rs := &rules.RuleSet{Default: rules.Drop, Interfaces: []string{"eth0"}}
	add := func(c rules.Clause) {
		rs.Add(rules.Rule{Verdict: rules.Count, Clauses: []rules.Clause{c}})
		c.Not = true
		rs.Add(rules.Rule{Verdict: rules.Count, Clauses: []rules.Clause{c}})
		c.Set = rules.ValueSet{}
		rs.Add(rules.Rule{Verdict: rules.Count, Clauses: []rules.Clause{c}})
		c.Not = false
		rs.Add(rules.Rule{Verdict: rules.Count, Clauses: []rules.Clause{c}})
	}
	for s := rules.IP; s.String() != "subject?"; s++ {
		if s != rules.RawBytes {
			add(rules.Clause{Subject: s, Set: between(0, 6)})
		}
	}
	for _, base := range []rules.Base{rules.EthernetBase, rules.NetworkBase, rules.TransportBase, rules.PayloadBase} {
		for _, offset := range []uint16{0, 30} {
			add(rules.Clause{Subject: rules.RawBytes, Bytes: rules.Bytes{Base: base, Offset: offset, Length: 4}, Set: between(0, 1<<31)})
		}
	}
	rs.Add(rules.Rule{Verdict: rules.Pass, Clauses: []rules.Clause{{Subject: rules.IP}, {Subject: rules.Invalid, Not: true}}})
	return rs
}

func checkExplanation(t *testing.T, rs *rules.RuleSet, p rules.Packet) {
	t.Helper()
	var counted []int
	want := rs.DecideCounting(p, func(rule int) { counted = append(counted, rule) })
	e := rs.Explain(p)
	if e.Decision != want {
		t.Fatalf("%x: explained as %+v, decided %+v", p.Head, e.Decision, want)
	}
	for _, tried := range e.Tried {
		switch {
		case tried.Matched() && !rs.Rules[tried.Rule].Verdict.Decides():
			if len(counted) == 0 || counted[0] != tried.Rule {
				t.Fatalf("%x: rule %d matches by the explanation, and is not counted", p.Head, tried.Rule)
			}
			counted = counted[1:]
		case tried.Matched() && tried.Rule != want.Rule:
			t.Fatalf("%x: rule %d matches by the explanation, %d decided", p.Head, tried.Rule, want.Rule)
		case !tried.Matched() && (tried.Because == "" || strings.HasSuffix(tried.Because, " ")):
			t.Fatalf("%x: no reason why %v (not %v) fails: %q", p.Head, tried.Clause.Subject, tried.Clause.Not, tried.Because)
		}
	}
	if len(counted) > 0 {
		t.Fatalf("%x: counted for %v, which does not match by the explanation", p.Head, counted)
	}
}

// A chain that is left by return is not explained further.
func TestExplainSteps(t *testing.T) {
	rs, diagnostics := rules.ParseAndCheck(rules.NewFile("rules.fw", []byte("drop udp from 10.0.0.0/8  port 53\npass tcp\n")))
	if err := diagnostics.Err(); err != nil {
		t.Fatal(err)
	}
	rs.Rules[0].Verdict = rules.Return
	rs.Steps[0].Next = 2
	udp := frames.Frame{Network: frames.IPv4{From: netip.MustParseAddr("10.0.0.1"), Transport: frames.UDP{From: 53, To: 1}}}
	if e := rs.Explain(packetOf(t, udp)); len(e.Tried) != 1 || !e.Tried[0].Matched() || e.Rule != rules.ByDefault {
		t.Errorf("behind return: %+v", e)
	}
	udp.Network = frames.IPv4{From: netip.MustParseAddr("10.0.0.1"), Transport: frames.UDP{From: 54, To: 1}}
	e := rs.Explain(packetOf(t, udp))
	if got := e.Tried[0].Clause.Text(); got != "from port 53" {
		t.Errorf("the second half of `from X port P` is %q", got)
	}
	if got := e.Tried[0].Because; got != "the packet's source port is 54" {
		t.Error(got)
	}
}
