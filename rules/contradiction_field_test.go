package rules_test

import (
	"math/rand/v2"
	"net"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"xdpfw/loader/frames"
	"xdpfw/rules"
)

// Clauses about every field, over values of which fieldFrames makes frames.
const fieldClauses = `ip;ip6;arp;frag;frag first;frag later;invalid;vlan;on eth0;on { eth0, eth1 };on "eth2"
tcp;udp;icmp;icmp6;sctp;ah;gre;proto { ah, tcp };proto 1
from 10.0.0.1;from 10.0.0.0/255.0.0.254;from { 10.0.0.2, fd00::1 };to fd00::2;from port 1;to port { 2, 3 };to port > 2
eth.src 02:00:00:00:00:01;eth.src 02:00:00:00:00:00/47;eth.dst 00:00:00:00:00:02/00:00:00:00:00:02;eth.type ip;eth.type { ip6, 0x88b5 };eth.type arp
vlan 5;vlan { 6, 7 };vlan.pcp 3;vlan2.id 5;vlan2.id < 6;len < 60;len > 70
arp.op request;arp.op 2;arp.spa 10.0.0.1;arp.tpa 10.0.0.2;arp.sha 02:00:00:00:00:01;arp.tha 00:00:00:00:00:00
ip.src 10.0.0.1;ip.dst 10.0.0.2;ip.proto tcp;ip.proto { udp, 51 };ip.ttl 1;ip.ttl > 1;ip.dscp ef;ip.ecn ce;ip.len < 40;ip.id 5;ip.id 4/6
ip.df 1;ip.df 0;ip.mf 1;ip.mf 0;ip.offset 0;ip.offset > 0;ip.offset { 0, 5 };ip.hdrlen 5;ip.hdrlen > 5
ip6.src fd00::1;ip6.src fd00::1/ff00::ff;ip6.dst fd00::2;ip6.next tcp;ip6.next routing;ip6.next fragment;ip6.hoplimit 1;ip6.dscp ef;ip6.ecn ce;ip6.flow 7;ip6.len > 20
ip6.ext routing;ip6.ext { fragment, ah };ip6.ext ah
tcp.sport 1;tcp.dport 2;flags syn;flags !syn;flags == syn;flags == none;flags syn,!ack;tcp.flags 0x10/0x10;tcp.flags { 0, 2 };tcp.window 5;tcp.seq 5;tcp.ack 0;tcp.off 5;tcp.off > 5
udp.sport 1;udp.dport 2;udp.len 8;udp.len > 8;sctp.sport 1;sctp.dport 2
icmp.type 8;icmp.type { 3, 11 };icmp.code 0;icmp6.type 128;icmp6.code { 0, 4 }
at eth+12 2 0x0800;at net+0 1 0x40/0xf0;at transport+0 2 1;at transport+0 1 0;at payload+0 1 9;at payload+1 1 9`

// fieldFrames are random frames, and where each arrived.
func fieldFrames(t *testing.T, random *rand.Rand, n int) []rules.Packet {
	t.Helper()
	var all []rules.Packet
	for len(all) < n {
		frame := frames.Frame{From: pick(random, macs...), To: pick(random, macs...), Padding: pick(random, 0, 0, 30)}
		for range random.IntN(3) {
			frame.Tags = append(frame.Tags, frames.Tag{VID: pick[uint16](random, 5, 6, 9), PCP: pick[uint8](random, 0, 3)})
		}
		switch random.IntN(8) {
		case 0:
			frame.EtherType = pick[uint16](random, 0x88b5, 0x88b6, 0x0800, 0x86dd) // of which the last two are cut short
		case 1:
			frame.Network = frames.ARP{Operation: pick[uint16](random, 1, 2, 3), Sender: pick(random, addresses4...), Target: pick(random, addresses4...),
				SenderLink: pick(random, macs...), TargetLink: pick(random, macs[0], macs[1], nil)}
		case 2, 3, 4:
			frame.Network = randomIPv4(random)
		default:
			frame.Network = randomIPv6(random)
		}
		b, err := frame.Bytes()
		if err != nil {
			t.Fatal(err)
		}
		if random.IntN(8) == 0 {
			b = b[:len(b)-random.IntN(min(len(b), 30))]
		}
		p := rules.NewPacket(b)
		if random.IntN(8) == 0 { // in several buffers, or captured in part
			p.Head, p.Truncated = b[:random.IntN(len(b)+1)], pick(random, true, false)
		}
		p.Interface = pick(random, "eth0", "eth1", "eth2", "eth3")
		all = append(all, p)
	}
	return all
}

func pick[T any](random *rand.Rand, from ...T) T { return from[random.IntN(len(from))] }

var (
	macs       = []net.HardwareAddr{{2, 0, 0, 0, 0, 1}, {2, 0, 0, 0, 0, 2}, {2, 0, 0, 0, 0, 8}}
	addresses4 = []netip.Addr{netip.MustParseAddr("10.0.0.1"), netip.MustParseAddr("10.0.0.2"), netip.MustParseAddr("192.0.2.1")}
	addresses6 = []netip.Addr{netip.MustParseAddr("fd00::1"), netip.MustParseAddr("fd00::2"), netip.MustParseAddr("2001:db8::1")}
)

func randomIPv4(random *rand.Rand) frames.Network {
	ip := frames.IPv4{From: pick(random, addresses4...), To: pick(random, addresses4...), TTL: pick[uint8](random, 1, 2, 64),
		TOS: pick[uint8](random, 0, 46<<2, 46<<2|3, 3), ID: pick[uint16](random, 5, 4, 0), DF: pick(random, true, false),
		More: pick(random, false, false, true), Offset: pick[uint16](random, 0, 0, 0, 1, 5), Transport: randomTransport(random, 1)}
	if random.IntN(4) == 0 {
		ip.Options = make([]byte, 4)
	}
	ip.Limit = randomLimit(random)
	return ip
}

func randomIPv6(random *rand.Rand) frames.Network {
	ip := frames.IPv6{From: pick(random, addresses6...), To: pick(random, addresses6...), HopLimit: pick[uint8](random, 1, 2),
		TrafficClass: pick[uint8](random, 0, 46<<2, 46<<2|3, 3), FlowLabel: pick[uint32](random, 0, 7), Transport: randomTransport(random, 58)}
	for range pick(random, 0, 1, 1, 2) {
		ip.Extensions = append(ip.Extensions, frames.Extension{
			Kind: pick[uint8](random, frames.HopByHop, frames.Routing, frames.AH, frames.Destination, frames.Fragment, frames.Fragment),
			More: pick(random, true, false), Offset: pick[uint16](random, 0, 0, 1),
		})
	}
	ip.Limit = randomLimit(random)
	return ip
}

// randomLimit is how much is sent of what stands behind the fixed header: more
// often than not all.
func randomLimit(random *rand.Rand) *int { return pick(random, nil, nil, nil, new(random.IntN(8))) }

// randomTransport is of any protocol, icmp the number of the family's ICMP.
func randomTransport(random *rand.Rand, icmp uint8) frames.Transport {
	from, to := pick[uint16](random, 1, 2, 3), pick[uint16](random, 1, 2, 3)
	payload := pick(random, nil, []byte{9, 9}, []byte{9, 1})
	switch random.IntN(7) {
	case 0, 1, 2:
		tcp := frames.TCP{From: from, To: to, Flags: pick[uint8](random, 0, frames.SYN, frames.ACK, frames.SYN|frames.ACK, frames.SYN|frames.ECE),
			Window: pick[uint16](random, 5, 6), Seq: pick[uint32](random, 5, 6), Ack: pick[uint32](random, 0, 6), Payload: payload}
		if random.IntN(3) == 0 {
			tcp.Options = make([]byte, 4)
		} else if random.IntN(4) == 0 {
			tcp.Offset = new(uint8(4))
		}
		return tcp
	case 3:
		return frames.UDP{From: from, To: to, Payload: payload, Length: pick(random, nil, nil, new(uint16(7)))}
	case 4:
		return frames.SCTP{From: from, To: to, Chunks: payload}
	case 5:
		header := frames.ICMP{Type: pick[uint8](random, 8, 3, 11, 128), Code: pick[uint8](random, 0, 4, 7), Payload: payload}
		if icmp == 58 {
			return frames.ICMPv6(header)
		}
		return header
	}
	return frames.Other{Protocol: pick[uint8](random, 47, 51, 1, 58, 99), Payload: []byte{0, 1, 9, 9, 9, 9, 9, 9, 9, 9}}
}

// clauseMatches says of each clause which of the packets match it, one bit
// each. All clauses count in one rule set.
func clauseMatches(t *testing.T, clauses []string, packets []rules.Packet) [][]uint64 {
	t.Helper()
	rs := mustCheck(t, "count "+strings.Join(clauses, "\ncount "))
	matches := make([][]uint64, len(clauses))
	for i := range matches {
		matches[i] = make([]uint64, (len(packets)+63)/64)
	}
	for i, p := range packets {
		rs.DecideCounting(p, func(rule int) { matches[rule][i/64] |= 1 << (i % 64) })
	}
	return matches
}

// TestFieldContradictions: a rule over any fields is called a contradiction
// only if no frame matches it, and of two clauses nearly always then.
func TestFieldContradictions(t *testing.T) {
	var clauses []string
	for _, c := range strings.FieldsFunc(fieldClauses, func(r rune) bool { return r == ';' || r == '\n' }) {
		clauses = append(clauses, c, "not "+c)
	}
	random := rand.New(rand.NewPCG(3, 4))
	packets := fieldFrames(t, random, 30_000)
	matches := clauseMatches(t, clauses, packets)
	for i, m := range matches {
		if !slices.ContainsFunc(m, func(word uint64) bool { return word != 0 }) {
			t.Errorf("no frame matches %q", clauses[i])
		}
	}
	accepted, refused := 0, 0
	var missed []string
	try := func(which ...int) {
		var text []string
		all := slices.Clone(matches[which[0]])
		can := false
		for _, c := range which {
			text = append(text, clauses[c])
			can = false
			for w := range all {
				all[w] &= matches[c][w]
				can = can || all[w] != 0
			}
		}
		rule := "drop " + strings.Join(text, " ")
		_, ds := rules.ParseAndCheck(rules.NewFile("rule.fw", []byte(rule)))
		switch {
		case ds.Err() == nil && can:
			accepted++
		case ds.Err() != nil && !can:
			refused++
		case ds.Err() != nil:
			t.Errorf("%s\nbut a frame matches", format(t, ds))
		case len(which) == 2:
			missed = append(missed, rule)
		}
	}
	for i := range clauses {
		for j := range i {
			try(j, i)
		}
	}
	for range 20_000 {
		try(random.IntN(len(clauses)), random.IntN(len(clauses)), random.IntN(len(clauses)))
	}
	t.Logf("%d clauses, %d rules accepted, %d refused, %d of two clauses accepted that no frame matched, %q among them",
		len(clauses), accepted, refused, len(missed), missed[:min(len(missed), 10)])
	if accepted < 10_000 || refused < 10_000 || len(missed) > refused/20 {
		t.Errorf("%d rules accepted, %d refused, %d of two clauses accepted that no frame matched", accepted, refused, len(missed))
	}
}
