package rules_test

import (
	"slices"
	"strings"
	"testing"

	"xdpfw/loader/frames"
	"xdpfw/rules"
)

// A packet of each kind, with a value of its own in every field.
var (
	fullTCP = frames.TCP{From: 1001, To: 22, Flags: frames.SYN | frames.ECE, Seq: 0x01020304, Ack: 0x05060708, Window: 0x090a,
		Options: make([]byte, 8), Payload: []byte{0x11, 0x22}}
	fullIPv4 = frames.IPv4{TTL: 63, TOS: 46<<2 | 3, ID: 0x1234, DF: true, Options: make([]byte, 4), Transport: fullTCP}
	fullIPv6 = frames.IPv6{HopLimit: 62, TrafficClass: 10<<2 | 1, FlowLabel: 0x54321,
		Extensions: []frames.Extension{hop, routing, ah}, Transport: fullTCP}

	fullTCP4  = frames.Frame{Tags: []frames.Tag{{Type: frames.STag, VID: 100, PCP: 5}, {VID: 4095, PCP: 1}}, Network: fullIPv4}
	fullTCP6  = frames.Frame{Network: fullIPv6}
	fullARP   = frames.Frame{Network: frames.ARP{Operation: frames.Reply}}
	fullUDP   = frames.Frame{Network: frames.IPv6{Transport: frames.UDP{From: 1001, To: 53, Payload: []byte{0x33}}}}
	fullSCTP  = frames.Frame{Network: frames.IPv4{Transport: frames.SCTP{From: 1001, To: 36412}}}
	fullICMP  = frames.Frame{Network: frames.IPv4{Transport: frames.ICMP{Type: 3, Code: 13}}}
	fullICMP6 = frames.Frame{Network: frames.IPv6{Transport: frames.ICMPv6{Type: 1, Code: 4}}}
	fullLater = frames.Frame{Network: frames.IPv4{More: true, Offset: 0x155, Transport: fullTCP}}
	untyped   = frames.Frame{EtherType: 0x88b5, Network: frames.Raw{0x45, 0, 1, 2}}
)

// fieldTests are, for each field, a frame that has it, a clause that holds for
// the frame's value, one that does not, and a frame without the field.
var fieldTests = []struct {
	field string
	frame frames.Frame
	right string
	wrong string
	lacks frames.Frame
}{
	{"from", fullTCP4, "198.51.100.7", "198.51.100.8", fullARP},
	{"to", fullTCP6, "2001:db8::1/128", "2001:db8::2", untyped},
	{"from port", fullUDP, "1001", "1002", fullICMP},
	{"to port", fullSCTP, "36412", "22", fullLater},
	{"proto", fullTCP6, "{ ah, udp }", "{ udp, 51 }", fullARP},
	{"eth.src", fullTCP4, "02:00:00:00:00:01", "02:00:00:00:00:02", frames.Frame{Cut: 13}},
	{"eth.dst", fullARP, "02:00:00:00:00:00/40", "02:00:00:00:01:00/40", frames.Frame{Cut: 13}},
	{"eth.type", fullTCP4, "0x0800", "0x88a8", frames.Frame{Tags: []frames.Tag{{}}, Cut: 17}},
	{"vlan.id", fullTCP4, "100", "4095", fullTCP6},
	{"vlan.pcp", fullTCP4, "5", "1", fullTCP6},
	{"vlan2.id", fullTCP4, "4095", "100", frames.Frame{Tags: []frames.Tag{{VID: 4095}}, EtherType: 0x88b5}},
	{"arp.op", fullARP, "reply", "request", fullTCP4},
	{"arp.spa", fullARP, "198.51.100.7", "203.0.113.1", fullTCP4},
	{"arp.tpa", fullARP, "203.0.113.1", "198.51.100.7", fullTCP4},
	{"arp.sha", fullARP, "02:00:00:00:00:01", "00:00:00:00:00:00", fullTCP4},
	{"arp.tha", fullARP, "00:00:00:00:00:00", "02:00:00:00:00:01", fullTCP4},
	{"ip.src", fullTCP4, "198.51.0.7/255.255.0.255", "198.52.0.7/255.255.0.255", fullTCP6},
	{"ip.dst", fullTCP4, "203.0.113.1", "198.51.100.7", fullTCP6},
	{"ip.proto", fullTCP4, "tcp", "udp", fullTCP6},
	{"ip.ttl", fullTCP4, "< 64", "> 63", fullTCP6},
	{"ip.dscp", fullTCP4, "ef", "cs6", fullTCP6},
	{"ip.ecn", fullTCP4, "ce", "ect0", fullTCP6},
	{"ip.len", fullTCP4, "54", "40", fullTCP6},
	{"ip.id", fullTCP4, "0x34/0xff", "0x35/0xff", fullTCP6},
	{"ip.df", fullTCP4, "1", "0", fullTCP6},
	{"ip.mf", fullLater, "1", "0", fullTCP6},
	{"ip.offset", fullLater, "0x155", "0", fullTCP6},
	{"ip.hdrlen", fullTCP4, "6", "5", fullTCP6},
	{"ip6.src", fullTCP6, "2001:db8::7", "2001:db8::1", fullTCP4},
	{"ip6.dst", fullTCP6, "2001:db8::1", "2001:db8::7", fullTCP4},
	{"ip6.next", fullTCP6, "hop-by-hop", "tcp", fullTCP4},
	{"ip6.hoplimit", fullTCP6, "62", "64", fullTCP4},
	{"ip6.dscp", fullTCP6, "af11", "ef", fullTCP4},
	{"ip6.ecn", fullTCP6, "ect1", "ce", fullTCP4},
	{"ip6.flow", fullTCP6, "0x54321", "0x4321", fullTCP4},
	{"ip6.len", fullTCP6, "62", "30", fullTCP4},
	{"ip6.ext", fullTCP6, "{ ah, fragment }", "{ fragment, destination }", frames.Frame{Network: frames.IPv6{Extensions: []frames.Extension{length(dest, 9)}}}},
	{"tcp.sport", fullTCP4, "1001", "22", fullUDP},
	{"tcp.dport", fullTCP6, "ssh", "telnet", fullLater},
	{"tcp.seq", fullTCP4, "0x01020304", "0x05060708", fullSCTP},
	{"tcp.ack", fullTCP4, "0x05060708", "0x01020304", fullSCTP},
	{"tcp.off", fullTCP4, "7", "5", fullUDP},
	{"flags", fullTCP4, "syn,!ack", "syn,!ece", fullUDP},
	{"tcp.flags", fullTCP6, "0x42", "syn", fullICMP},
	{"tcp.window", fullTCP4, "0x090a", "0x0a09", fullUDP},
	{"udp.sport", fullUDP, "1001", "53", fullTCP4},
	{"udp.dport", fullUDP, "domain", "1001", fullSCTP},
	{"udp.len", fullUDP, "9", "8", fullTCP6},
	{"sctp.sport", fullSCTP, "1001", "1002", fullUDP},
	{"sctp.dport", fullSCTP, "36412", "1001", fullTCP4},
	{"icmp.type", fullICMP, "destination-unreachable", "echo-request", fullICMP6},
	{"icmp.code", fullICMP, "13", "3", fullICMP6},
	{"icmp6.type", fullICMP6, "destination-unreachable", "packet-too-big", fullICMP},
	{"icmp6.code", fullICMP6, "4", "13", fullICMP},
	{"at eth+12 2", fullTCP4, "0x88a8", "0x0800", frames.Frame{Cut: 13}},
	{"at net+0 1", untyped, "0x45", "0x46", frames.Frame{Tags: []frames.Tag{{}}, Cut: 17}},
	{"at net+2 2", untyped, "0x0102", "0x0201", frames.Frame{EtherType: 0x88b5, Network: frames.Raw{0x45, 0, 1}}},
	{"at transport+4 8", fullTCP4, "0x0102030405060708", "0x0102030405060709", fullLater},
	{"at transport+0 2", frames.Frame{Network: frames.IPv4{Transport: frames.Other{Protocol: 47, Payload: []byte{1, 2}}}}, "0x0102", "0", fullARP},
	{"at payload+0 2", fullTCP6, "0x1122", "0", frames.Frame{Network: frames.IPv4{Transport: frames.Other{Protocol: 47, Payload: make([]byte, 99)}}}},
	{"at payload+0 1", fullUDP, "0x33", "0", frames.Frame{Network: frames.IPv4{Transport: frames.UDP{}}, Padding: 20}},
}

// TestFieldValues: a clause and its negation hold for one that has the field
// as they should, and neither for one that lacks it.
func TestFieldValues(t *testing.T) {
	var tested []string
	for _, test := range fieldTests {
		tested = append(tested, test.field)
		for _, c := range []struct {
			value string
			holds bool
		}{{test.right, true}, {test.wrong, false}} {
			clause := test.field + " " + c.value
			if got := matches(t, clause, test.frame); got != c.holds {
				t.Errorf("%s: %v, want %v", clause, got, c.holds)
			}
			if got := matches(t, "not "+clause, test.frame); got == c.holds {
				t.Errorf("not %s: %v, want %v", clause, got, !c.holds)
			}
			if matches(t, clause, test.lacks) || matches(t, "not "+clause, test.lacks) {
				t.Errorf("%s, or its negation, matches a frame without the field", clause)
			}
		}
	}
	for _, field := range rules.FieldWords {
		if !slices.Contains(tested, field) {
			t.Errorf("%s is not tested", field)
		}
	}
}

// matches says whether a rule of the clause takes the frame.
func matches(t *testing.T, clause string, f frames.Frame) bool {
	t.Helper()
	frame, err := f.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	return mustCheck(t, "drop "+clause).Decide(rules.NewPacket(frame)).Rule == 0
}

// TestFieldsSentShort: a transport field exists as soon as its own bytes are
// there, whatever of the header is missing behind it.
func TestFieldsSentShort(t *testing.T) {
	for header, needs := range map[string]map[string]int{
		"tcp":  {"tcp.sport": 4, "tcp.dport": 4, "tcp.seq": 8, "tcp.ack": 12, "tcp.off": 13, "tcp.flags": 14, "tcp.window": 16},
		"udp":  {"udp.sport": 4, "udp.dport": 4, "udp.len": 6},
		"sctp": {"sctp.sport": 4, "sctp.dport": 4},
		"icmp": {"icmp.type": 2, "icmp.code": 2},
	} {
		whole := map[string]frames.Transport{"tcp": frames.TCP{}, "udp": frames.UDP{}, "sctp": frames.SCTP{}, "icmp": frames.ICMP{}}[header]
		for field, need := range needs {
			for n := range 8 {
				n += max(0, need-4)
				if limit := map[string]int{"tcp": 20, "udp": 8, "sctp": 12, "icmp": 8}[header]; n > limit {
					continue
				}
				frame := frames.Frame{Network: frames.IPv4{Transport: whole, Limit: &n}, Padding: 40}
				if got := matches(t, field+" >= 0", frame); got != (n >= need) {
					t.Errorf("%s with %d bytes: %v", field, n, got)
				}
			}
		}
	}
}

// TestInterfaces: `on` is a property of every frame, those that arrived on an
// interface that no rule names among them.
func TestInterfaces(t *testing.T) {
	rs := mustCheck(t, strings.Join([]string{
		"count on eth0", "count on { eth1, \"eth1.5\" }", "count not on eth0", "count on != { eth0, eth1 }",
	}, "\n"))
	for name, want := range map[string][]int{"eth0": {0}, "eth1": {1, 2}, "eth1.5": {1, 2, 3}, "eth2": {2, 3}, "": {2, 3}} {
		var got []int
		rs.DecideCounting(rules.Packet{Interface: name}, func(rule int) { got = append(got, rule) })
		if !slices.Equal(got, want) {
			t.Errorf("%q: rules %v count, want %v", name, got, want)
		}
	}
}
