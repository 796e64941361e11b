package oracle

import (
	"hash/fnv"
	"math/rand/v2"
	"slices"

	"xdpfw/loader/frames"
)

// A base is a well-formed frame of one kind.
func base(network, kind string, transport frames.Transport) sketch {
	return sketch{network: network, kind: kind, transport: transport}
}

var payload = []byte("sixteen bytes ..")

// bases are one of each kind of frame.
func bases() []sketch {
	both := []sketch{
		base("", "tcp", frames.TCP{From: 40000, To: 80, Flags: frames.SYN}),
		base("", "tcp", frames.TCP{From: 22, To: 50000, Flags: frames.ACK | frames.PSH, Seq: 7, Ack: 9, Window: 512, Payload: payload}),
		base("", "tcp", frames.TCP{From: 443, To: 443, Flags: frames.SYN | frames.ACK, Options: []byte{2, 4, 5, 0xb4}}),
		base("", "tcp", frames.TCP{From: 1, To: 23, Flags: 0xff}),
		base("", "tcp", frames.TCP{From: 65535, To: 0}),
		base("", "udp", frames.UDP{From: 53, To: 1234, Payload: payload}),
		base("", "udp", frames.UDP{From: 5353, To: 53}),
		base("", "sctp", frames.SCTP{From: 80, To: 3868, Tag: 7}),
		base("", "icmp", frames.ICMP{Type: 8, Rest: 0x00010002, Payload: payload}),
		base("", "icmp", frames.ICMP{Type: 3, Code: 3}),
		base("", "icmp6", frames.ICMPv6{Type: 128, Rest: 0x00010002, Payload: payload}),
		base("", "icmp6", frames.ICMPv6{Type: 135, Payload: payload}),
		base("", "gre", frames.Other{Protocol: 47, Payload: []byte{0, 0, 8, 0, 0x45, 0, 0, 80}}),
		base("", "esp", frames.Other{Protocol: 50, Payload: payload}),
		base("", "igmp", frames.Other{Protocol: 2, Payload: []byte{0x16, 0, 0, 0, 224, 0, 0, 9}}),
		base("", "ipip", frames.Other{Protocol: 4, Payload: []byte("E\x00\x00\x14\x00\x00\x00\x00@\x06\x00\x00\x0a\x00\x00\x01\x0a\x00\x00\x02")}),
		base("", "ospf", frames.Other{Protocol: 89, Payload: payload}),
		base("", "none", nil),
	}
	var all []sketch
	for _, network := range []string{"ip", "ip6"} {
		for _, s := range both {
			s.network = network
			all = append(all, s)
		}
	}
	// AH is a protocol of IPv4 and an extension header of IPv6.
	all = append(all, base("ip", "ah", frames.Other{Protocol: 51, Payload: []byte("\x06\x04\x00\x00\x00\x00\x01\x00authentication: 1234\x00\x50")}))
	return append(all, linkBases()...)
}

// linkBases are frames of other networks than IP.
func linkBases() []sketch {
	all := []sketch{
		{network: "arp", kind: "request"},
		{network: "arp", kind: "reply", arp: frames.ARP{Operation: frames.Reply, TargetLink: frames.DefaultTo}},
		{network: "arp", kind: "reverse", arp: frames.ARP{Operation: 3}},
		{network: "arp", kind: "infiniband", arp: frames.ARP{HardwareType: new(uint16(32)), HardwareLength: new(uint8(20))}},
		{network: "arp", kind: "lengths", arp: frames.ARP{HardwareLength: new(uint8(8)), ProtocolLength: new(uint8(16))}},
		{network: "arp", kind: "protocol", arp: frames.ARP{ProtocolType: new(uint16(0x86dd))}},
	}
	for kind, etherType := range map[string]uint16{
		"mpls": 0x8847, "pppoe": 0x8864, "lldp": 0x88cc, "llc": 46, "rarp": 0x8035, "experimental": 0x88b5,
	} {
		all = append(all, sketch{network: "other", kind: kind, frame: frames.Frame{
			EtherType: etherType, Network: frames.Raw("\x42\x42\x03E\x00\x00\x28\x00\x00\x40\x00\x40\x06forty-six bytes are here"),
		}})
	}
	slices.SortStableFunc(all, func(a, b sketch) int { return int(a.frame.EtherType) - int(b.frame.EtherType) })
	return all
}

// corpus is the frames for one case: those near its rules, each also with
// some shapes; and every kind of frame with every shape. Every frame is there
// once.
func corpus(k *kase) []*frame {
	name := fnv.New64()
	name.Write([]byte(k.name))
	c := &collector{seen: map[string]bool{}, random: rand.New(rand.NewPCG(name.Sum64(), 1))}
	for _, r := range k.set.Rules {
		for _, s := range near(r.Clauses, c.random) {
			c.add(s)
			c.addShaped(s, 3)
		}
		for _, s := range matchingSketches(r.Clauses, c.random, 4) {
			c.addShaped(s, len(shapes))
		}
	}
	for _, s := range bases() {
		c.add(s)
		c.addShaped(s, 12)
	}
	return c.frames
}

type collector struct {
	frames []*frame
	seen   map[string]bool
	random *rand.Rand
}

func (c *collector) add(s sketch) {
	f := s.build()
	if f == nil || c.seen[string(f.bytes)] {
		return
	}
	c.seen[string(f.bytes)] = true
	c.frames = append(c.frames, f)
}

// addShaped adds the sketch in n shapes, and a few times in two at once.
func (c *collector) addShaped(s sketch, n int) {
	order := c.random.Perm(len(shapes))
	for i, at := range order[:n] {
		shaped := s
		if !shapes[at](&shaped) {
			continue
		}
		c.add(shaped)
		if i%4 == 0 && shapes[order[len(order)-1-i/4]](&shaped) {
			c.add(shaped)
		}
	}
}
