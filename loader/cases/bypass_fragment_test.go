package cases_test

import (
	"slices"

	"xdpfw/loader/frames"
)

// Extension headers as the tables below stack them.
var (
	hop     = frames.Extension{Kind: frames.HopByHop}
	routing = frames.Extension{Kind: frames.Routing}
	dest    = frames.Extension{Kind: frames.Destination}
	auth    = frames.Extension{Kind: frames.AH}
	atomic  = frames.Extension{Kind: frames.Fragment}
	first   = frames.Extension{Kind: frames.Fragment, More: true, ID: 1}
	later   = frames.Extension{Kind: frames.Fragment, Offset: 1, ID: 1}
	middle  = frames.Extension{Kind: frames.Fragment, Offset: 9, More: true, ID: 1}
)

// spelling is bytes in a later fragment that read as ports, and as a header
// that is as it should be.
func spelling(protocol uint8, port uint16) frames.Transport {
	b := []byte{0x9c, 0x40, byte(port >> 8), byte(port), 0, 20, 0, 0, 0, 0, 0, 0, 0x50, 2, 0, 0, 0, 0, 0, 0}
	return frames.Other{Protocol: protocol, Payload: b}
}

func later4(t frames.Transport) frames.Frame {
	return frames.Frame{Network: frames.IPv4{ID: 1, Offset: 1, Transport: t}}
}

var laterFragments = family{
	name: "later-fragment-default-drop",
	about: "A later fragment has no ports. A parser that reads some out of its payload passes what " +
		"no rule passes; so does one that gives up at a small fragment.",
	rules: `default drop
dns: pass udp to port 53
web: pass tcp to port 80
rest: pass sctp from 192.0.2.0/24
`,
	packets: slices.Concat(
		[]expectation{
			drop("default", later4(spelling(17, 53)), "UDP, spells port 53"),
			drop("default", later4(spelling(6, 80)), "TCP, spells port 80"),
			drop("default", frames.Frame{Network: frames.IPv4{ID: 1, Offset: 0x1fff, Transport: spelling(6, 80)}}, "the last offset"),
			drop("default", frames.Frame{Network: frames.IPv4{ID: 1, Offset: 0x100, More: true, Transport: spelling(6, 80)}},
				"a middle one, low byte of the offset 0"),
			drop("default", frames.Frame{Network: frames.IPv4{Offset: 1, Options: make([]byte, 8), Transport: spelling(17, 53)}},
				"UDP behind options"),
			drop("default", tagged(later4(spelling(17, 53)), frames.CTag), "UDP, 802.1Q"),
			drop("default", ip6(spelling(17, 53), later), "UDP over IPv6"),
			drop("default", ip6(spelling(6, 80), later), "TCP over IPv6"),
			drop("default", ip6(spelling(6, 80), middle), "TCP over IPv6, a middle one"),
			drop("default", ip6(spelling(6, 80), hop, later), "TCP over IPv6, behind hop-by-hop"),
			drop("default", ip6(spelling(6, 80), later, dest), "what follows a later fragment header is no header"),
			drop("default", ip6(spelling(6, 80), first, later), "IPv6, first and then later"),
			pass("rest", frames.Frame{Network: frames.IPv4{From: address4(192, 0, 2, 9), Offset: 1, Transport: spelling(132, 80)}},
				"SCTP: protocol and addresses are there"),
			pass("dns", ip4(dns), "no fragment, port 53"),
			pass("web", frames.Frame{Network: frames.IPv4{DF: true, Transport: frames.TCP{To: 80}}}, "no fragment, DF"),
			pass("web", ip6(frames.TCP{To: 80}, atomic), "an atomic fragment is none"),
			pass("web", ip6(frames.TCP{To: 80}, atomic, atomic), "two atomic fragment headers"),
		},
		smallLater(),
	),
}

// smallLater is later fragments of few bytes.
func smallLater() (all []expectation) {
	for n := range 21 {
		all = append(all,
			drop("default", frames.Frame{Network: frames.IPv4{Offset: 1, Transport: spelling(6, 80), Limit: &n}}, "%d bytes", n),
			drop("default", frames.Frame{Network: frames.IPv6{Extensions: []frames.Extension{later},
				Transport: spelling(6, 80), Limit: new(8 + n)}}, "%d bytes over IPv6", n))
	}
	return all
}

var laterFragmentsDrop = family{
	name: "later-fragment-default-pass",
	about: "Rules on ports do not match later fragments, rules on protocol, addresses and `frag later` do; " +
		"in IPv6 the protocol is the fragment header's next header.",
	rules: `default pass
ssh: drop tcp to port 22
udp: drop udp
net: drop from 192.0.2.0/24
pass not frag
late: drop tcp frag later
`,
	packets: []expectation{
		drop("late", later4(spelling(6, 22)), "TCP, spells port 22"),
		drop("late", frames.Frame{Network: frames.IPv4{Offset: 0x100, More: true, Transport: spelling(6, 22)}},
			"TCP, low byte of the offset 0"),
		drop("late", frames.Frame{Network: frames.IPv4{Offset: 0x1000, Transport: spelling(6, 22)}}, "TCP, the offset's highest bit"),
		drop("late", ip6(spelling(6, 22), frames.Extension{Kind: frames.Fragment, Offset: 0x1000}),
			"TCP over IPv6, the offset's highest bit"),
		drop("udp", later4(spelling(17, 22)), "UDP"),
		drop("udp", frames.Frame{Network: frames.IPv4{Offset: 1, Transport: frames.Other{Protocol: 17}}}, "UDP, no bytes"),
		drop("udp", ip6(spelling(17, 22), later), "UDP over IPv6"),
		drop("udp", ip6(frames.Other{Protocol: 17}, later), "UDP over IPv6, no bytes"),
		drop("udp", ip6(spelling(17, 22), hop, dest, later), "UDP over IPv6 behind two headers"),
		drop("net", frames.Frame{Network: frames.IPv4{From: address4(192, 0, 2, 255), Offset: 1, Transport: spelling(47, 22)}},
			"GRE from the prefix"),
		drop("late", ip6(spelling(6, 22), middle), "TCP over IPv6"),
		drop("late", ip6(spelling(6, 22), first, later), "IPv6, first and then later"),
		pass("default", ip6(spelling(6, 22), later, dest), "IPv6, the fragment header names destination options"),
		pass("5", ip4(nil), "no fragment, no transport"),
		drop("ssh", ip4(ssh), "no fragment"),
		drop("ssh", ip6(ssh, atomic), "an atomic fragment is none"),
		drop("ssh", frames.Frame{Network: frames.IPv4{More: true, ID: 1, Transport: ssh}}, "first fragment"),
		drop("ssh", ip6(ssh, first), "first fragment over IPv6"),
		pass("5", ip4(https), "no fragment, another port"),
		pass("default", frames.Frame{Network: frames.IPv4{More: true, ID: 1, Transport: https}}, "first fragment, another port"),
		pass("default", later4(spelling(47, 22)), "GRE"),
	},
}

var tinyFirst = family{
	name: "tiny-first-fragment",
	about: "A first fragment with 8 bytes of TCP has ports, though not the flags: a parser that wants the " +
		"whole header before it looks at the ports lets it by.",
	rules: `default pass
ssh: drop tcp to port 22
short: drop invalid
`,
	packets: tinyFirsts(),
}

func tinyFirsts() []expectation {
	start := func(t frames.Transport, n int) frames.Frame {
		return frames.Frame{Network: frames.IPv4{ID: 1, More: true, Transport: t, Limit: &n}}
	}
	start6 := func(t frames.Transport, n int, before ...frames.Extension) frames.Frame {
		size := 8 * (1 + len(before)) // of hop-by-hop, destination and fragment headers
		return frames.Frame{Network: frames.IPv6{Extensions: append(before, first), Transport: t, Limit: new(size + n)}}
	}
	all := []expectation{
		drop("ssh", tagged(start(ssh, 8), frames.CTag), "8 bytes, 802.1Q"),
		drop("ssh", start6(ssh, 8, hop), "8 bytes over IPv6, behind hop-by-hop"),
		drop("ssh", start6(ssh, 8, dest, hop), "8 bytes over IPv6, behind two"),
		pass("default", frames.Frame{Network: frames.IPv4{ID: 1, Offset: 1, Transport: spelling(6, 22)}}, "what follows it"),
	}
	for n := 0; n <= 20; n++ {
		decider := "short"
		if n >= 4 {
			decider = "ssh"
		}
		all = append(all,
			drop(decider, start(ssh, n), "%d bytes", n),
			drop(decider, start6(ssh, n), "%d bytes over IPv6", n))
		other := drop("short", start(https, n), "%d bytes, port 443", n)
		if n == 20 {
			other = pass("default", start(https, n), "%d bytes, port 443", n)
		}
		all = append(all, other)
	}
	return all
}
