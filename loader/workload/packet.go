package workload

import (
	"xdpfw/loader/frames"
	"xdpfw/rules"
)

// ip4Packet is IPv4 as the values are, and the offset of its transport header.
// Extra is how many bytes more than usual there must be behind the header.
func (m *maker) ip4Packet(p *plan, network, extra int) (frames.Network, int) {
	m.settleProtocol(ip4)
	packet := frames.IPv4{
		From: m.address(rules.Source, ip4), To: m.address(rules.Destination, ip4),
		TTL: uint8(m.number(rules.IP4TTL, ip4)), TOS: uint8(m.or(rules.IP4DSCP, 0)<<2 | m.or(rules.IP4ECN, 0)),
		ID: uint16(m.number(rules.IP4ID, ip4)), DF: m.number(rules.IP4DF, ip4) == 1,
		More: m.or(rules.IP4MF, 0) == 1 || p.fragment == first, Offset: uint16(m.or(rules.IP4Offset, 0)),
	}
	if p.fragment == later && packet.Offset == 0 {
		packet.Offset = uint16(1 + m.IntN(180))
	}
	size := 20
	if words := int(m.or(rules.IP4HeaderLength, 5)); words > 5 {
		size = 4 * words
		packet.Options = make([]byte, size-20)
		for i := range packet.Options {
			packet.Options[i] = 1 // no operation (RFC 791)
		}
	}
	room := m.room(rules.IP4Length, network, size, size)
	packet.Transport = m.transport(ip4, room, extra)
	if packet.Offset > 0 {
		packet.Transport = frames.Other{Protocol: uint8(m.number(rules.Protocol, ip4)), Payload: m.bytes(max(room, 24) + extra)}
	}
	if p.malformed {
		m.breakIP4(&packet)
	}
	return packet, network + size
}

// breakIP4 makes a packet invalid: its transport header where that is looked
// into, so that addresses and ports remain, else the IP header.
func (m *maker) breakIP4(packet *frames.IPv4) {
	if broken, ok := m.breakTransport(packet.Transport); ok && packet.Offset == 0 {
		packet.Transport = broken
		return
	}
	packet.TotalLength = new(uint16(longestFrame))
}

// ip6Packet is IPv6 likewise.
func (m *maker) ip6Packet(p *plan, network, extra int) (frames.Network, int) {
	m.settleProtocol(ip6)
	protocol := m.number(rules.Protocol, ip6)
	packet := frames.IPv6{
		From: m.address(rules.Source, ip6), To: m.address(rules.Destination, ip6),
		HopLimit: uint8(m.number(rules.IP6HopLimit, ip6)), TrafficClass: uint8(m.or(rules.IP6DSCP, 0)<<2 | m.or(rules.IP6ECN, 0)),
		FlowLabel: uint32(m.number(rules.IP6Flow, ip6)), Extensions: m.extensions(p, protocol),
	}
	size := 40
	for _, e := range packet.Extensions {
		size += 8
		if e.Kind == frames.AH {
			size += 8
		}
	}
	room := m.room(rules.IP6Length, network, size, size-40)
	packet.Transport = m.transport(ip6, room, extra)
	if p.fragment == later {
		packet.Transport = frames.Other{Protocol: uint8(protocol), Payload: m.bytes(max(room, 24) + extra)}
	}
	if p.malformed {
		m.breakIP6(&packet, p)
	}
	return packet, network + size
}

func (m *maker) breakIP6(packet *frames.IPv6, p *plan) {
	if broken, ok := m.breakTransport(packet.Transport); ok && p.fragment != later {
		packet.Transport = broken
		return
	}
	packet.PayloadLength = new(uint16(longestFrame))
}

// extensions are the headers that are wanted: those of ip6.ext and ip6.next, a
// fragment header, and an AH where the protocol has the bit that says so.
func (m *maker) extensions(p *plan, protocol uint64) (all []frames.Extension) {
	seen := m.or(rules.IP6Extensions, 0)
	if protocol >= behindAH {
		seen |= 1 << 4
	}
	next := m.or(rules.IP6Next, 256)
	for i, kind := range extensionKinds {
		if uint64(kind) == next {
			seen |= 1 << i
		}
	}
	if p.fragment != whole {
		seen |= 1 << 2
	}
	for i, kind := range extensionKinds {
		if seen>>i&1 == 0 {
			continue
		}
		e := frames.Extension{Kind: kind}
		if kind == frames.Fragment {
			e.ID, e.More = m.Uint32(), p.fragment == first
			if p.fragment == later {
				e.Offset = uint16(1 + m.IntN(180))
			}
		}
		if uint64(kind) == next { // what the fixed header names comes first
			all = append([]frames.Extension{e}, all...)
		} else {
			all = append(all, e)
		}
	}
	return all
}

// extensionKinds by the bits of ip6.ext; behindAH is the bit of protocols that
// stand behind an AH (rules.Protocol).
var extensionKinds = [...]uint8{frames.HopByHop, frames.Routing, frames.Fragment, frames.Destination, frames.AH}

const behindAH = 0x100

// settleProtocol gives a packet a protocol that no clause wants.
func (m *maker) settleProtocol(n network) {
	h := &m.values
	if h.wanted[rules.Protocol] {
		return
	}
	v, ok := h.values[rules.IP6Next], n == ip6 && h.wanted[rules.IP6Next]
	if !ok || isExtension(uint8(v.Lo)) {
		v, _ = m.usualProtocol(&want{}, n)
	}
	h.values[rules.Protocol], h.wanted[rules.Protocol] = v, true
}

func isExtension(next uint8) bool {
	for _, kind := range extensionKinds {
		if next == kind {
			return true
		}
	}
	return false
}

// room is how many bytes there are behind the IP headers, which end size bytes
// behind the network header's start: as many as the wanted length of the IP
// packet (of which counted bytes are in front) or of the frame leaves; -1 if
// none is wanted.
func (m *maker) room(length rules.Subject, network, size, counted int) int {
	switch {
	case m.values.wanted[length]:
		return min(max(0, int(m.number(length, ip4))-counted), longestFrame-network-size)
	case m.values.wanted[rules.Length]:
		return max(0, int(min(m.number(rules.Length, ip4), longestFrame))-network-size)
	}
	return -1
}

// transport is one of the wanted protocol, of room bytes, or of as many as it
// takes if room is negative.
func (m *maker) transport(n network, room, extra int) frames.Transport {
	protocol := m.number(rules.Protocol, n)
	size := m.transportSize(n)
	payload := 6 // so that the smallest frame of TCP is as short as frames may be
	if n == ip4 {
		payload = max(payload, shortestFrame-14-20-size)
	}
	if room >= 0 {
		payload = max(0, room-size)
	}
	if room < 0 || extra > 0 {
		payload = max(payload, extra)
	}
	body := m.bytes(payload)
	switch {
	case protocol&0xff == protoTCP:
		return m.tcp(n, body)
	case protocol&0xff == protoUDP:
		u := frames.UDP{From: m.port(rules.SourcePort), To: m.port(rules.DestinationPort), Payload: body}
		if m.values.wanted[rules.UDPLength] {
			u.Length = new(uint16(m.number(rules.UDPLength, n)))
		}
		return u
	case protocol&0xff == protoSCTP:
		return frames.SCTP{From: m.port(rules.SourcePort), To: m.port(rules.DestinationPort), Tag: m.Uint32(), Chunks: body}
	case n == ip4 && protocol == protoICMP:
		return frames.ICMP{Type: uint8(m.or(rules.ICMPType, 8)), Code: uint8(m.or(rules.ICMPCode, 0)), Rest: m.Uint32(), Payload: body}
	case n == ip6 && protocol&0xff == protoICMP6:
		return frames.ICMPv6{Type: uint8(m.or(rules.ICMP6Type, 128)), Code: uint8(m.or(rules.ICMP6Code, 0)), Rest: m.Uint32(), Payload: body}
	}
	return frames.Other{Protocol: uint8(protocol), Payload: body}
}

func (m *maker) port(place rules.Subject) uint16 { return uint16(m.number(place, ip4)) }

func (m *maker) tcp(n network, payload []byte) frames.TCP {
	t := frames.TCP{
		From: m.port(rules.SourcePort), To: m.port(rules.DestinationPort), Flags: uint8(m.number(rules.TCPFlags, n)),
		Seq: uint32(m.number(rules.TCPSequence, n)), Ack: uint32(m.number(rules.TCPAck, n)), Window: uint16(m.number(rules.TCPWindow, n)),
		Payload: payload,
	}
	switch words := int(m.or(rules.TCPOffset, 5)); {
	case words < 5:
		t.Offset = new(uint8(words))
	case words > 5:
		t.Options = make([]byte, 4*words-20)
		for i := range t.Options {
			t.Options[i] = 1 // no operation (RFC 9293)
		}
	}
	return t
}

// transportSize is the bytes of the transport header that raw bytes of the
// payload are behind of.
func (m *maker) transportSize(n network) int {
	switch protocol := m.number(rules.Protocol, n) & 0xff; {
	case protocol == protoTCP:
		return 4 * max(5, int(m.or(rules.TCPOffset, 5)))
	case protocol == protoUDP || n == ip4 && protocol == protoICMP || n == ip6 && protocol == protoICMP6:
		return 8
	case protocol == protoSCTP:
		return 12
	}
	return 0
}

// breakTransport makes the transport header malformed, if it is one that is
// looked into.
func (m *maker) breakTransport(t frames.Transport) (frames.Transport, bool) {
	switch t := t.(type) {
	case frames.TCP:
		t.Options, t.Offset = nil, new(uint8(m.IntN(5)))
		return t, true
	case frames.UDP:
		t.Length = new(uint16(m.IntN(8)))
		return t, true
	}
	return t, false
}
