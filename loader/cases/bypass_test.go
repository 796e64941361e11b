package cases_test

import (
	"fmt"
	"slices"

	"xdpfw/loader/frames"
	"xdpfw/rules"
)

// A family is one way past a packet filter that has worked on one, in packets.
// The expectations are written down here, by hand or by arithmetic over
// lengths; nothing that decides packets has a part in them.
type family struct {
	name    string // of the case file
	about   string // what went wrong elsewhere, and what is right
	rules   string
	packets []expectation
}

// An expectation is a frame and its decision.
type expectation struct {
	verdict rules.Verdict
	decider string
	frame   frames.Frame
	what    string
}

func drop(decider string, f frames.Frame, what string, args ...any) expectation {
	return expectation{rules.Drop, decider, f, fmt.Sprintf(what, args...)}
}

func pass(decider string, f frames.Frame, what string, args ...any) expectation {
	return expectation{rules.Pass, decider, f, fmt.Sprintf(what, args...)}
}

// families of peers' bypasses, all of them.
var families = slices.Concat(
	[]family{tags, ipOptions, shortIHL, shortIHLDrop},
	[]family{laterFragments, laterFragmentsDrop, tinyFirst},
	[]family{extensions, extensionsDrop},
	truncations,
	[]family{icmpNumbers, unsupported, portEnds, addressEnds, padding, paddingDrop},
)

// Packets that many families vary.
var (
	ssh   = frames.TCP{From: 40000, To: 22, Flags: frames.SYN}
	https = frames.TCP{From: 40000, To: 443, Flags: frames.SYN}
	dns   = frames.UDP{From: 40000, To: 53, Payload: []byte("query")}
)

func ip4(t frames.Transport) frames.Frame { return frames.Frame{Network: frames.IPv4{Transport: t}} }
func ip6(t frames.Transport, e ...frames.Extension) frames.Frame {
	return frames.Frame{Network: frames.IPv6{Extensions: e, Transport: t}}
}

// tagged is the frame behind VLAN tags of these types.
func tagged(f frames.Frame, types ...uint16) frames.Frame {
	for i, t := range types {
		f.Tags = append(f.Tags[:i:i], frames.Tag{Type: t, VID: 100 + uint16(i)})
	}
	return f
}

var tags = family{
	name:  "vlan-tags",
	about: "A parser that stops at a VLAN tag lets tagged packets by.",
	rules: `default pass
drop invalid
ssh: drop tcp to port 22
`,
	packets: slices.Concat(
		[]expectation{
			drop("ssh", ip4(ssh), "untagged"),
			drop("ssh", tagged(ip4(ssh), frames.CTag), "802.1Q"),
			drop("ssh", tagged(ip4(ssh), frames.STag), "802.1ad, one tag"),
			drop("ssh", tagged(ip4(ssh), frames.QinQ), "0x9100, one tag"),
			drop("ssh", tagged(ip4(ssh), frames.STag, frames.CTag), "QinQ"),
			drop("ssh", tagged(ip4(ssh), frames.QinQ, frames.CTag), "QinQ with 0x9100 outside"),
			drop("ssh", tagged(ip4(ssh), frames.QinQ, frames.QinQ), "0x9100 twice"),
			drop("ssh", tagged(ip4(ssh), frames.CTag, frames.CTag), "802.1Q twice"),
			drop("ssh", tagged(ip4(ssh), frames.CTag, frames.STag), "QinQ the wrong way round"),
			drop("ssh", tagged(ip6(ssh), frames.CTag), "802.1Q, IPv6"),
			drop("ssh", tagged(ip6(ssh), frames.STag, frames.CTag), "QinQ, IPv6"),
			drop("ssh", tagged(ip6(ssh, frames.Extension{Kind: frames.Destination}), frames.STag, frames.CTag),
				"QinQ, IPv6 destination options"),
			drop("ssh", frames.Frame{Tags: []frames.Tag{{VID: 0, PCP: 7}}, Network: frames.IPv4{Transport: ssh}}, "priority tag"),
			drop("2", tagged(ip4(ssh), frames.CTag, frames.CTag, frames.CTag), "three tags: not looked into, but invalid"),
			drop("2", tagged(ip4(https), frames.STag, frames.CTag, frames.QinQ), "three tags of different types"),
			pass("default", tagged(ip4(https), frames.CTag), "802.1Q, another port"),
			pass("default", tagged(ip4(https), frames.STag, frames.CTag), "QinQ, another port"),
			pass("default", tagged(ip4(frames.UDP{To: 22}), frames.CTag), "802.1Q, UDP"),
		},
		cutTags(),
	),
}

// cutTags ends frames within their tags.
func cutTags() (all []expectation) {
	for n := 14; n < 22; n++ {
		f := tagged(ip4(ssh), frames.STag, frames.CTag)
		f.Cut = n
		all = append(all, drop("2", f, "QinQ, cut to %d bytes", n))
	}
	return all
}

var ipOptions = family{
	name:  "ipv4-options",
	about: "A parser that takes the IPv4 header to have 20 bytes reads ports out of the options.",
	rules: `default pass
ssh: drop tcp to port 22
`,
	packets: withOptions(),
}

// withOptions puts options of every length in front of the ports; they spell
// ports themselves.
func withOptions() (all []expectation) {
	for n := 4; n <= 40; n += 4 {
		spelling := func(port byte) []byte {
			options := make([]byte, n)
			for i := range options {
				options[i] = 1 // no operation
			}
			copy(options, []byte{0, port, 0, port})
			return options
		}
		f := ip4(nil)
		f.Network = frames.IPv4{Options: spelling(80), Transport: ssh}
		all = append(all,
			drop("ssh", f, "%d bytes of options that spell port 80", n),
			drop("ssh", tagged(f, frames.CTag), "%d bytes of options, 802.1Q", n))
		f.Network = frames.IPv4{Options: spelling(22), Transport: https}
		all = append(all, pass("default", f, "%d bytes of options that spell port 22, port 443", n))
	}
	return all
}

var shortIHL = family{
	name: "ipv4-short-ihl",
	about: "IHL < 5 makes a parser that believes it read ports out of the IPv4 header itself: " +
		"the total length, or an address, as destination port. Such a packet has no fields.",
	rules: `default drop
web: pass tcp to port 80
`,
	packets: append(spelledByHeader("default", rules.Drop),
		pass("web", ip4(frames.TCP{To: 80}), "as it should be")),
}

var shortIHLDrop = family{
	name:  "ipv4-short-ihl-invalid",
	about: "The same packets where nothing but malformed packets and a port is dropped.",
	rules: `default pass
drop invalid
web: drop tcp to port 80
`,
	packets: append(spelledByHeader("2", rules.Drop),
		drop("web", ip4(frames.TCP{To: 80}), "as it should be"),
		pass("default", ip4(https), "another port")),
}

// spelledByHeader is packets whose IPv4 header spells port 80 where a wrong
// IHL puts the ports.
func spelledByHeader(decider string, verdict rules.Verdict) (all []expectation) {
	// 20+20+40 bytes in all: 80. The sequence numbers read as data offset 5.
	segment := frames.TCP{From: 40000, To: 22, Seq: 0x50000000, Ack: 0x50000000, Payload: make([]byte, 40)}
	add := func(p frames.IPv4, what string) {
		p.Transport = segment
		all = append(all, expectation{verdict, decider, frames.Frame{Network: p}, what})
	}
	add(frames.IPv4{IHL: new(uint8(0))}, "IHL 0, total length 80 reads as destination port 80")
	add(frames.IPv4{IHL: new(uint8(3)), From: address4(198, 51, 0, 80)}, "IHL 3, source address x.x.0.80")
	add(frames.IPv4{IHL: new(uint8(4)), To: address4(203, 0, 0, 80)}, "IHL 4, destination address x.x.0.80")
	segment.To = 80
	for ihl := range uint8(5) {
		add(frames.IPv4{IHL: &ihl}, fmt.Sprintf("IHL %d, port 80 behind 20 bytes", ihl))
	}
	add(frames.IPv4{IHL: new(uint8(15)), TotalLength: new(uint16(59))}, "IHL 15, total length one byte short of it")
	add(frames.IPv4{Version: new(uint8(0))}, "version 0")
	add(frames.IPv4{Version: new(uint8(6))}, "version 6 in an IPv4 frame")
	return all
}

var icmpNumbers = family{
	name:  "icmpv6-number",
	about: "ICMPv6 compared with ICMP's number, or the other way round; and protocol numbers in the other family.",
	rules: `default pass
ping: drop icmp
ping6: drop icmp6
one: drop proto 1
other: drop proto 58
`,
	packets: []expectation{
		drop("ping", ip4(frames.ICMP{Type: 8}), "ICMP echo request"),
		drop("ping6", ip6(frames.ICMPv6{Type: 128}), "ICMPv6 echo request"),
		drop("ping6", ip6(frames.ICMPv6{Type: 135, Payload: make([]byte, 16)}), "neighbour solicitation"),
		drop("ping6", ip6(frames.ICMPv6{Type: 128}, frames.Extension{Kind: frames.HopByHop}), "ICMPv6 behind hop-by-hop"),
		drop("one", ip6(frames.Other{Protocol: 1, Payload: make([]byte, 8)}), "protocol 1 in IPv6 is not ICMP"),
		drop("other", ip4(frames.Other{Protocol: 58, Payload: make([]byte, 8)}), "protocol 58 in IPv4 is not ICMPv6"),
		pass("default", ip4(ssh), "TCP"),
		pass("default", ip6(ssh), "TCP over IPv6"),
		pass("default", frames.Frame{Network: frames.ARP{}}, "ARP"),
	},
}

var unsupported = family{
	name: "unsupported-transport",
	about: "A parser that gives up at a transport it does not know lets the packet by a rule that " +
		"asks for no protocol. Rules on ports do not match it, whatever its bytes spell.",
	rules: `default pass
ssh: drop to port 22
pass not ip not ip6
net: drop from { 198.51.100.0/24, 2001:db8::/64 }
`,
	packets: unsupportedTransports(),
}

func unsupportedTransports() []expectation {
	all := []expectation{
		drop("ssh", ip4(ssh), "TCP"),
		drop("ssh", ip4(frames.UDP{To: 22}), "UDP"),
		drop("ssh", ip6(frames.SCTP{To: 22}), "SCTP over IPv6"),
		pass("3", frames.Frame{Network: frames.ARP{}}, "ARP"),
		pass("3", frames.Frame{EtherType: 0x8847, Network: frames.Raw{0, 0, 1, 64}}, "MPLS"),
		pass("default", frames.Frame{Network: frames.IPv4{From: address4(192, 0, 2, 1), Transport: https}}, "another source"),
	}
	spelled := []byte{0x9c, 0x40, 0, 22, 0, 0, 0, 0, 0, 0, 0, 0, 0x50, 2, 0, 0, 0, 0, 0, 0}
	for _, protocol := range []uint8{0, 2, 4, 33, 41, 43, 44, 47, 50, 51, 58, 59, 60, 89, 103, 112, 136, 253, 255} {
		all = append(all, drop("net", ip4(frames.Other{Protocol: protocol, Payload: spelled}), "protocol %d", protocol),
			drop("net", ip4(frames.Other{Protocol: protocol}), "protocol %d, no bytes", protocol))
	}
	for _, protocol := range []uint8{1, 2, 4, 33, 41, 47, 50, 59, 89, 103, 112, 135, 136, 139, 140, 253, 255} {
		all = append(all, drop("net", ip6(frames.Other{Protocol: protocol, Payload: spelled}), "protocol %d over IPv6", protocol),
			drop("net", ip6(frames.Other{Protocol: protocol}), "protocol %d over IPv6, no bytes", protocol))
	}
	return all
}
