package difftest

import (
	"encoding/binary"

	"xdpfw/rules"
)

func (m *frameMaker) plain4(w wish) []byte { return m.tagged4(w, 0) }
func (m *frameMaker) vlan4(w wish) []byte  { return m.tagged4(w, 1) }
func (m *frameMaker) qinq4(w wish) []byte  { return m.tagged4(w, 2) }

func (m *frameMaker) tagged4(w wish, tags int) []byte {
	h := header4{fragment: m.dontFragment(w), trailer: m.somePadding()}
	return m.ethernet(w, tags, typeIPv4, m.ip4(w, h, m.segment(w, w.proto4())))
}

// somePadding is mostly none.
func (m *frameMaker) somePadding() []byte {
	if m.oneIn(4) {
		return m.bytes(m.IntN(20))
	}
	return nil
}

func (m *frameMaker) options4(w wish) []byte {
	options := int(w.number(rules.IP4HeaderLength)) - 5
	if options <= 0 {
		options = 1 + m.IntN(10)
	}
	h := header4{options: 4 * options, fragment: m.dontFragment(w), trailer: m.somePadding()}
	return m.around4(w, h, m.segment(w, w.proto4()))
}

// around4 is a frame with some tags around an IPv4 packet.
func (m *frameMaker) around4(w wish, h header4, segment []byte) []byte {
	return m.ethernet(w, m.someTags(w), typeIPv4, m.ip4(w, h, segment))
}

// someOptions is mostly none.
func (m *frameMaker) someOptions(w wish) int {
	if v, ok := w.wished(rules.IP4HeaderLength); ok && v.Lo >= 5 {
		return 4 * int(v.Lo-5)
	}
	return 4 * m.IntN(11) * m.IntN(2) * m.IntN(2)
}

const moreFragments = 0x2000

func (m *frameMaker) first4(w wish) []byte {
	h := header4{options: m.someOptions(w), fragment: m.dontFragment(w) | moreFragments, trailer: m.somePadding()}
	return m.around4(w, h, m.segment(w, w.proto4()))
}

func (m *frameMaker) tiny4(w wish) []byte {
	protocol := m.malformedProtocol(w.proto4(), protoICMP)
	w = w.with(rules.IP4Protocol, uint64(protocol))
	segment := m.segment(w, protocol)
	cut := m.shortOf(protocol)
	if fixedHeader(protocol) > 8 && m.oneIn(4) {
		cut = 8 // the least that a fragment can carry
	}
	h := header4{options: m.someOptions(w), fragment: m.dontFragment(w) | moreFragments}
	if m.oneIn(2) {
		h.trailer = segment[cut:]
	}
	return m.around4(w, h, segment[:cut])
}

func (m *frameMaker) later4(w wish) []byte {
	offset := uint16(w.number(rules.IP4Offset))
	if offset == 0 {
		offset = 1 + uint16(m.IntN(0x1fff))
	}
	h := header4{options: m.someOptions(w), fragment: m.dontFragment(w) | offset, trailer: m.somePadding()}
	if w.number(rules.IP4MF) == 1 {
		h.fragment |= moreFragments
	}
	payload := m.segment(w, w.proto4())
	return m.around4(w, h, payload[:m.IntN(len(payload)+1)])
}

func (m *frameMaker) short4(w wish) []byte {
	protocol := m.malformedProtocol(w.proto4(), protoICMP)
	w = w.with(rules.IP4Protocol, uint64(protocol))
	h := header4{options: m.someOptions(w), fragment: m.dontFragment(w)}
	return m.around4(w, h, m.lie(w, protocol))
}

func (m *frameMaker) padded4(w wish) []byte {
	protocol := m.malformedProtocol(w.proto4(), protoICMP)
	w = w.with(rules.IP4Protocol, uint64(protocol))
	segment := m.segment(w, protocol)
	cut := m.shortOf(protocol)
	h := header4{options: m.someOptions(w), fragment: m.dontFragment(w), trailer: segment[cut:]}
	return m.around4(w, h, segment[:cut])
}

// icmp4 is any ICMP message; what errors quote is not looked into.
func (m *frameMaker) icmp4(w wish) []byte {
	w = w.with(rules.IP4Protocol, protoICMP)
	b := m.segment(w, protoICMP)
	if m.oneIn(2) {
		inner := w.with(rules.IP4Protocol, protoUDP)
		b = append(b[:8], m.ip4(inner, header4{}, m.segment(inner, protoUDP))...)
		w.write(rules.PayloadBase, b[8:], func(int) bool { return true })
	}
	return m.around4(w, header4{fragment: m.dontFragment(w), trailer: m.somePadding()}, b)
}

// tunnel4 has a whole packet inside, with ports of its own.
func (m *frameMaker) tunnel4(w wish) []byte {
	inner := w.with(rules.IP4Protocol, protoTCP).with(rules.Protocol, protoTCP)
	segment := m.segment(inner, protoTCP)
	protocol, b := uint64(protoIPIP), m.ip4(inner, header4{}, segment)
	switch {
	case w.proto4() == protoGRE || m.oneIn(4):
		protocol, b = protoGRE, append([]byte{0, 0, 8, 0}, b...)
	case w.proto4() != protoIPIP:
		protocol, b = protoIP6, m.ip6(inner, header6{}, segment)
	}
	w.write(rules.TransportBase, b, func(int) bool { return true })
	return m.around4(w.with(rules.IP4Protocol, protocol), header4{fragment: m.dontFragment(w)}, b)
}

// long4 has a payload that reaches far behind what any clause reads.
func (m *frameMaker) long4(w wish) []byte {
	b := m.segment(w, w.proto4())
	b = append(b, m.bytes(200+m.IntN(1200))...)
	return m.around4(w, header4{options: m.someOptions(w), fragment: m.dontFragment(w)}, b)
}

// bad4 gets version, IHL or total length wrong; the total length may spell
// one of the ports, as in the attack on parsers that do not check the IHL.
func (m *frameMaker) bad4(w wish) []byte {
	h := header4{options: m.someOptions(w), fragment: m.dontFragment(w)}
	b := m.ip4(w, h, m.segment(w, w.proto4()))
	size := 20 + h.options
	switch m.IntN(5) {
	case 0: // version
		b[0] = b[0]&15 | byte(5+m.IntN(15))%16<<4
	case 1: // IHL
		b[0] = 0x40 | byte(m.IntN(5))
		binary.BigEndian.PutUint16(b[2:], uint16(w.number(rules.DestinationPort)))
	case 2: // total length within the header
		binary.BigEndian.PutUint16(b[2:], uint16(m.IntN(size)))
	case 3: // total length beyond the frame
		binary.BigEndian.PutUint16(b[2:], uint16(len(b)+1+m.IntN(0xffff-len(b))))
	default: // fewer bytes than the IHL says
		b = b[:m.IntN(size)]
		if len(b) >= 4 {
			binary.BigEndian.PutUint16(b[2:], uint16(len(b)))
		}
	}
	return m.ethernet(w, m.someTags(w), typeIPv4, b)
}
