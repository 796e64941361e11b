package cases_test

import (
	"net/netip"

	"xdpfw/loader/frames"
	"xdpfw/rules"
)

// truncations are the transports whose bytes end early, in two manners: the
// frame is cut, so that the IP length says more than is there and the packet
// is malformed as a whole (IPv4: not `ip`; IPv6: no protocol); or the sender
// ends the packet there and the IP length says so, so that the fields whose
// bytes are there exist.
var truncations = []family{
	{
		name:  "truncated-default-drop",
		about: "A parser that passes what it cannot read passes truncated headers although the policy is drop.",
		rules: `default drop
web: pass tcp to port 80
dns: pass udp to port 53
ping: pass icmp
ping6: pass icmp6
`,
		packets: truncated(outcome{rules.Drop, "default"}, rules.Pass, false),
	},
	{
		name: "truncated-default-pass",
		about: "Where the default is pass, a truncated header keeps the fields whose bytes are there: it cannot slip by a rule " +
			"on ports or protocol. What has no such field falls to the default.",
		rules: `default pass
web: drop tcp to port 80
dns: drop udp to port 53
ping: drop icmp
ping6: drop icmp6
`,
		packets: truncated(outcome{rules.Pass, "default"}, rules.Drop, false),
	},
	{
		name:  "truncated-invalid",
		about: "`drop invalid` in front of all rules takes every header that is not whole.",
		rules: `default drop
bad: drop invalid
web: pass tcp to port 80
dns: pass udp to port 53
ping: pass icmp
ping6: pass icmp6
`,
		packets: truncated(outcome{rules.Drop, "bad"}, rules.Pass, true),
	},
}

// An outcome is a decision as a case file writes it.
type outcome struct {
	verdict rules.Verdict
	decider string
}

// truncated is every transport at every length. A frame that is cut, and one
// sent without the bytes that its rule's fields take, meets the outcome short;
// any other its rule, with the verdict matched. If whole, the rule is reached by
// whole headers only.
func truncated(short outcome, matched rules.Verdict, whole bool) []expectation {
	transports := []struct {
		name, rule string
		transport  frames.Transport
		families   []int // IP versions it is found in
		size       int   // of its header
		needs      int   // bytes that its rule's fields take
	}{
		{"TCP", "web", frames.TCP{From: 40000, To: 80, Flags: frames.SYN}, []int{4, 6}, 20, 4},
		{"UDP", "dns", frames.UDP{From: 40000, To: 53}, []int{4, 6}, 8, 4},
		{"ICMP", "ping", frames.ICMP{Type: 8}, []int{4}, 8, 0},
		{"ICMPv6", "ping6", frames.ICMPv6{Type: 128}, []int{6}, 8, 0},
	}
	var all []expectation
	add := func(o outcome, f frames.Frame, what string, args ...any) {
		e := pass(o.decider, f, what, args...)
		e.verdict = o.verdict
		all = append(all, e)
	}
	for _, t := range transports {
		for _, version := range t.families {
			header, frame := 14+20, ip4(t.transport)
			if version == 6 {
				header, frame = 14+40, ip6(t.transport)
			}
			for n := 1; n < header+t.size; n++ {
				f := frame
				f.Cut = n
				add(short, f, "%s over IPv%d, frame cut to %d bytes", t.name, version, n)
			}
			for n := 0; n <= t.size; n++ {
				f := sentShort(frame, n)
				f.Padding = 12 // not to be read
				if n >= t.needs && (n == t.size || !whole) {
					add(outcome{matched, t.rule}, f, "%s over IPv%d, sent with %d bytes", t.name, version, n)
				} else {
					add(short, f, "%s over IPv%d, sent with %d bytes", t.name, version, n)
				}
			}
		}
	}
	return all
}

// sentShort ends the IP packet n bytes into what it carries.
func sentShort(f frames.Frame, n int) frames.Frame {
	switch p := f.Network.(type) {
	case frames.IPv4:
		p.Limit = &n
		f.Network = p
	case frames.IPv6:
		p.Limit = &n
		f.Network = p
	}
	return f
}

// endsAt has the IP length end the packet n bytes into what it carries; the
// rest stays in the frame, as padding.
func endsAt(f frames.Frame, n int) frames.Frame {
	switch p := f.Network.(type) {
	case frames.IPv4:
		p.TotalLength = new(uint16(20 + n))
		f.Network = p
	case frames.IPv6:
		p.PayloadLength = new(uint16(n))
		f.Network = p
	}
	return f
}

var padding = family{
	name: "padding-default-drop",
	about: "Bytes behind the IP length are padding. A parser that reads them as a header lets a sender " +
		"spell whatever a rule passes.",
	rules: `default drop
web: pass tcp to port 80
dns: pass udp to port 53
`,
	packets: padded(outcome{rules.Drop, "default"}, rules.Pass),
}

var paddingDrop = family{
	name:  "padding-default-pass",
	about: "The same packets where the ports are dropped: what is padding has none.",
	rules: `default pass
web: drop tcp to port 80
dns: drop udp to port 53
bad: drop invalid
`,
	packets: padded(outcome{rules.Drop, "bad"}, rules.Drop),
}

func padded(none outcome, matched rules.Verdict) []expectation {
	tcp := frames.TCP{From: 40000, To: 80, Flags: frames.SYN}
	udp := frames.UDP{From: 40000, To: 53}
	var all []expectation
	for _, t := range []struct {
		name, rule string
		frame      frames.Frame
	}{
		{"TCP", "web", ip4(tcp)}, {"UDP", "dns", ip4(udp)}, {"TCP over IPv6", "web", ip6(tcp)}, {"UDP over IPv6", "dns", ip6(udp)},
	} {
		for n := range 9 {
			e := pass(none.decider, endsAt(t.frame, n), "%s in the padding, %d bytes of it in the packet", t.name, n)
			e.verdict = none.verdict
			if n >= 4 {
				e.verdict, e.decider = matched, t.rule
			}
			all = append(all, e)
		}
		t.frame.Padding = 20
		e := pass(t.rule, t.frame, "%s, padding behind it", t.name)
		e.verdict = matched
		all = append(all, e)
	}
	// Padding that reads as the rest of a chain of extension headers.
	for n := range 8 {
		e := pass(none.decider, endsAt(ip6(tcp, hop, dest), 8+n), "the second extension header in the padding but for %d bytes", n)
		e.verdict = none.verdict
		all = append(all, e)
	}
	e := pass(none.decider, endsAt(ip6(tcp, routing), 0), "payload length 0 without hop-by-hop is no jumbogram")
	e.verdict = none.verdict
	return append(all, e)
}

var portEnds = family{
	name:  "port-range-ends",
	about: "Both ends of a range are included.",
	rules: `default pass
tcp: drop tcp to port 20-25
udp: drop udp from port { 0-9, 1000-2000, 65530-65535 }
one: drop tcp to port 80-80
`,
	packets: rangeEnds(),
}

func rangeEnds() []expectation {
	var all []expectation
	to := func(port uint16, rule string) {
		tcp := frames.TCP{From: 1, To: port}
		all = append(all,
			byRule(rule, ip4(tcp), "TCP over IPv4 to port %d", port),
			byRule(rule, ip6(tcp), "TCP over IPv6 to port %d", port))
	}
	from := func(port uint16, rule string) {
		all = append(all, byRule(rule, ip4(frames.UDP{From: port, To: 22}), "UDP from port %d", port))
	}
	to(19, "default")
	to(20, "tcp")
	to(21, "tcp")
	to(24, "tcp")
	to(25, "tcp")
	to(26, "default")
	to(20<<8, "default")
	to(79, "default")
	to(80, "one")
	to(81, "default")
	from(0, "udp")
	from(9, "udp")
	from(10, "default")
	from(999, "default")
	from(1000, "udp")
	from(2000, "udp")
	from(2001, "default")
	from(65529, "default")
	from(65530, "udp")
	from(65535, "udp")
	return all
}

// byRule is a drop by the rule, or the default's pass.
func byRule(rule string, f frames.Frame, what string, args ...any) expectation {
	if rule == "default" {
		return pass(rule, f, what, args...)
	}
	return drop(rule, f, what, args...)
}

var addressEnds = family{
	name:  "address-range-ends",
	about: "Both ends of an address range are included, and a prefix is all of it.",
	rules: `default pass
range: drop from 192.0.2.5-192.0.2.9
prefix: drop from 10.0.0.0/23
six: drop from 2001:db8::ffff-2001:db8::1:1
all: drop to 255.255.255.255
`,
	packets: []expectation{
		pass("default", fromTo("192.0.2.4"), "one below the range"),
		drop("range", fromTo("192.0.2.5"), "its first"),
		drop("range", fromTo("192.0.2.9"), "its last"),
		pass("default", fromTo("192.0.2.10"), "one above it"),
		pass("default", fromTo("9.255.255.255"), "one below the prefix"),
		drop("prefix", fromTo("10.0.0.0"), "its first"),
		drop("prefix", fromTo("10.0.1.255"), "its last"),
		pass("default", fromTo("10.0.2.0"), "one above it"),
		pass("default", fromTo("2001:db8::fffe"), "one below the IPv6 range"),
		drop("six", fromTo("2001:db8::ffff"), "its first"),
		drop("six", fromTo("2001:db8::1:0"), "across 16 bits"),
		drop("six", fromTo("2001:db8::1:1"), "its last"),
		pass("default", fromTo("2001:db8::1:2"), "one above it"),
		pass("default", fromTo("2001:db9::ffff"), "the same low half"),
		drop("all", frames.Frame{Network: frames.IPv4{To: address4(255, 255, 255, 255), Transport: https}}, "the last address"),
	},
}

// fromTo is TCP to port 443 from an address of either family.
func fromTo(from string) frames.Frame {
	return frames.Frame{Network: frames.IP(netip.MustParseAddr(from), netip.Addr{}, https)}
}

func address4(a, b, c, d byte) netip.Addr { return netip.AddrFrom4([4]byte{a, b, c, d}) }
