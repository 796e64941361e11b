package difftest

import "encoding/binary"

// arpBody is an ARP packet for given address families and lengths.
func (m *frameMaker) arpBody(hardware, protocol uint16, hlen, plen byte) []byte {
	b := binary.BigEndian.AppendUint16(nil, hardware)
	b = binary.BigEndian.AppendUint16(b, protocol)
	b = append(b, hlen, plen, 0, byte(1+m.IntN(2)))
	return append(b, m.bytes(20)...)
}

func (m *frameMaker) arp(wish) []byte {
	b := m.arpBody(1, typeIPv4, 6, 4)
	return m.ethernet(m.someTags(), typeARP, append(b, m.somePadding()...))
}

func (m *frameMaker) otherARP(wish) []byte {
	b := m.arpBody(1, typeIPv4, 6, 4)
	switch m.IntN(5) {
	case 0:
		b = m.arpBody(6, typeIPv4, 6, 4)
	case 1:
		b = m.arpBody(1, typeIPv6, 6, 4)
	case 2:
		b = m.arpBody(1, typeIPv4, 8, 4)
	case 3:
		b = m.arpBody(1, typeIPv4, 6, 16)
	default:
		b = b[:m.IntN(28)]
	}
	return m.ethernet(m.someTags(), typeARP, b)
}

// badTags has a third tag in front of a good packet, or ends within a tag.
func (m *frameMaker) badTags(w wish) []byte {
	if m.oneIn(2) {
		return m.ethernet(3+m.IntN(2), typeIPv4, m.ip4(w, header4{}, m.segment(w, w.proto4)))
	}
	tags := 1 + m.IntN(2)
	b := m.ethernet(tags, typeIPv4, nil)
	return b[:len(b)-1-m.IntN(4)]
}

// other is what is not looked into, with a good IP packet in it where an
// engine that takes any type for IP would find one.
func (m *frameMaker) other(w wish) []byte {
	types := []uint16{0x8847, 0x8864, 0x88cc, 0x88e5, 0x0801, 0x86dc, 0x0600, 0x05ff, 0x0000, 0x002e, 0xffff, 0x9200}
	ethertype := types[m.IntN(len(types))]
	var payload []byte
	switch m.IntN(4) {
	case 0:
		payload = m.ip4(w, header4{}, m.segment(w, w.proto4))
	case 1:
		payload = m.ip6(w, header6{}, m.segment(w, w.proto6))
	case 2:
		payload = m.bytes(46)
	}
	return m.ethernet(m.someTags(), ethertype, payload)
}

// truncated is an IP frame whose end is missing, none of it padding.
func (m *frameMaker) truncated(w wish) []byte {
	tags := m.someTags()
	var b []byte
	if m.oneIn(2) {
		b = m.ethernet(tags, typeIPv4, m.ip4(w, header4{options: m.someOptions()}, m.segment(w, w.proto4)))
	} else {
		chain := m.someExtensions(w, m.IntN(4)*m.IntN(2))
		b = m.ethernet(tags, typeIPv6, m.ip6(w, header6{chain: chain}, m.segment(w, w.proto6)))
		if 14+4*tags+40 < len(b) && m.oneIn(2) {
			return b[:14+4*tags+40+m.IntN(len(b)-(14+4*tags+40))] // whole fixed header
		}
	}
	return b[:14+m.IntN(len(b)-14)]
}

// mutated promises nothing.
func (m *frameMaker) mutated(w wish) []byte {
	if m.oneIn(8) {
		types := []uint16{typeIPv4, typeIPv6, typeARP, 0x8100, uint16(m.Uint32())}
		return m.ethernet(m.IntN(5), types[m.IntN(len(types))], m.bytes(m.IntN(100)))
	}
	b := formSpecs[m.IntN(int(Mutated))].build(m, w)
	for range 1 + m.IntN(4) {
		i := m.IntN(len(b))
		if len(b) > 14 && !m.oneIn(8) {
			i = 12 + m.IntN(len(b)-12)
		}
		if m.oneIn(2) {
			b[i] ^= 1 << m.IntN(8)
		} else {
			b[i] = byte(m.Uint32())
		}
	}
	if m.oneIn(8) {
		b = b[:m.IntN(len(b)+1)]
	}
	return b
}
