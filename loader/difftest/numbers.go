package difftest

import "xdpfw/rules"

// A numberSpec is what the generator knows of a numeric field: how many bits
// it has, which values real frames have, and words that mean one.
type numberSpec struct {
	bits    int
	typical []uint64
	words   map[uint64]string
}

// max is the greatest value.
func (s numberSpec) max() uint64 { return ^uint64(0) >> (64 - s.bits) }

var protocolWords = map[uint64]string{1: "icmp", 6: "tcp", 17: "udp", 58: "icmp6", 132: "sctp", 47: "gre", 50: "esp", 2: "igmp", 4: "ipip"}

var icmpTypes = map[uint64]string{
	0: "echo-reply", 3: "destination-unreachable", 5: "redirect", 8: "echo-request", 11: "time-exceeded", 12: "parameter-problem",
}

var icmp6Types = map[uint64]string{
	1: "destination-unreachable", 2: "packet-too-big", 3: "time-exceeded", 4: "parameter-problem", 128: "echo-request", 129: "echo-reply",
	133: "nd-router-solicit", 134: "nd-router-advert", 135: "nd-neighbor-solicit", 136: "nd-neighbor-advert", 137: "nd-redirect",
}

// numberSpecs by place.
var numberSpecs = map[rules.Subject]numberSpec{
	rules.Length: {32, []uint64{14, 42, 54, 59, 60, 61, 64, 74, 86, 100, 128, 999, 1000, 1500, 1514, 3000}, nil},
	rules.EtherType: {16, []uint64{0x0800, 0x0806, 0x86dd, 0x0801, 0x86dc, 0x8847, 0x88cc, 0x0600, 0x05ff, 0x002e, 0},
		map[uint64]string{0x0800: "ip", 0x0806: "arp", 0x86dd: "ip6"}},
	rules.VLANID:       {12, []uint64{1, 2, 100, 0xffe}, nil},
	rules.VLANPriority: {3, []uint64{1, 5}, nil},
	rules.VLAN2ID:      {12, []uint64{1, 2, 100, 0xffe}, nil},
	rules.ARPOperation: {16, []uint64{1, 2, 3, 0x0100}, map[uint64]string{1: "request", 2: "reply"}},

	rules.IP4TTL: {8, []uint64{1, 63, 64, 128}, nil}, rules.IP6HopLimit: {8, []uint64{1, 63, 64, 128}, nil},
	rules.IP4DSCP: {6, []uint64{8, 10, 46}, map[uint64]string{46: "ef", 10: "af11", 8: "cs1"}},
	rules.IP6DSCP: {6, []uint64{8, 10, 46}, map[uint64]string{46: "ef", 10: "af11", 8: "cs1"}},
	rules.IP4ECN:  {2, []uint64{1, 2}, nil}, rules.IP6ECN: {2, []uint64{1, 2}, nil},
	rules.IP4Length: {16, []uint64{20, 28, 32, 40, 44, 60, 100}, nil}, rules.IP6Length: {16, []uint64{0, 8, 20, 24, 32, 40}, nil},
	rules.IP4ID: {16, []uint64{1, 0x1234}, nil}, rules.IP6Flow: {20, []uint64{1, 0x12345, 0xffff, 0x10000}, nil},
	rules.IP4DF: {1, []uint64{0, 1}, nil}, rules.IP4MF: {1, []uint64{0, 1}, nil},
	rules.IP4Offset: {13, []uint64{1, 2, 185, 0x1000}, nil}, rules.IP4HeaderLength: {4, []uint64{5, 5, 5, 6, 10}, nil},
	rules.IP4Protocol: {8, nil, protocolWords},
	rules.IP6Next:     {8, []uint64{extHopByHop, extRouting, extFragment, extAH, extDestOpt}, protocolWords},

	rules.TCPSequence: {32, []uint64{1, 0x7fffffff, 0x80000000}, nil}, rules.TCPAck: {32, []uint64{0, 0x7fffffff, 0x80000000}, nil},
	rules.TCPOffset: {4, []uint64{5, 5, 5, 6, 8}, nil}, rules.TCPFlags: {8, []uint64{0x02, 0x12, 0x10, 0x18, 0x11, 0x04, 0x29}, nil},
	rules.TCPWindow: {16, []uint64{1024, 8192}, nil}, rules.UDPLength: {16, []uint64{7, 8, 9, 20}, nil},
	rules.ICMPType: {8, []uint64{0, 3, 5, 8, 11, 12, 13}, icmpTypes}, rules.ICMPCode: {8, []uint64{0, 1, 3, 4, 13}, nil},
	rules.ICMP6Type: {8, []uint64{1, 2, 3, 128, 129, 133, 134, 135, 136}, icmp6Types}, rules.ICMP6Code: {8, []uint64{0, 1, 3, 4}, nil},
}

// numbersOf a field are the few values that it has in one rule file: its ends,
// some that are typical, and any.
func (p *pool) numbersOf(place rules.Subject) []uint64 {
	if have, ok := p.numbers[place]; ok {
		return have
	}
	spec := numberSpecs[place]
	have := []uint64{0, spec.max(), p.Uint64() & spec.max()}
	for range 4 {
		if len(spec.typical) > 0 {
			have = append(have, pick(p, spec.typical))
		}
	}
	for _, n := range p.protocols {
		if place == rules.IP6Next && p.oneIn(2) {
			have = append(have, uint64(n))
		}
	}
	p.numbers[place] = have
	return have
}

// anyValue of a place: mostly one that the rule file's rules know.
func (p *pool) anyValue(place rules.Subject) rules.Value {
	switch place {
	case rules.IP4Source, rules.IP4Destination, rules.ARPSenderIP, rules.ARPTargetIP:
		return rules.Value{Lo: uint64(pick(p, p.addresses4))}
	case rules.IP6Source, rules.IP6Destination:
		return value6(pick(p, p.addresses6))
	case rules.EtherSource, rules.EtherDestination, rules.ARPSenderMAC, rules.ARPTargetMAC:
		return rules.Value{Lo: pick(p, p.macs)}
	case rules.SourcePort, rules.DestinationPort:
		return rules.Value{Lo: uint64(pick(p, p.ports))}
	case rules.IP4Protocol, rules.Protocol:
		return rules.Value{Lo: uint64(pick(p, p.protocols))}
	}
	if p.oneIn(8) {
		return rules.Value{Lo: p.Uint64() & numberSpecs[place].max()}
	}
	return rules.Value{Lo: pick(p, p.numbersOf(place))}
}

// limitOf is the greatest value of a place.
func limitOf(place rules.Subject) rules.Value {
	switch place {
	case rules.IP4Source, rules.IP4Destination, rules.ARPSenderIP, rules.ARPTargetIP:
		return rules.Value{Lo: 0xffffffff}
	case rules.IP6Source, rules.IP6Destination:
		return rules.Value{Hi: ^uint64(0), Lo: ^uint64(0)}
	case rules.EtherSource, rules.EtherDestination, rules.ARPSenderMAC, rules.ARPTargetMAC:
		return rules.Value{Lo: 1<<48 - 1}
	case rules.SourcePort, rules.DestinationPort:
		return rules.Value{Lo: 0xffff}
	case rules.Protocol:
		return rules.Value{Lo: 0x1ff} // with the bit that says AH
	}
	return rules.Value{Lo: numberSpecs[place].max()}
}
