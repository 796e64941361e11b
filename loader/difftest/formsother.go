package difftest

import (
	"encoding/binary"

	"xdpfw/rules"
)

// arpBody is an ARP packet for given address families and lengths.
func (m *frameMaker) arpBody(w wish, hardware, protocol uint16, hlen, plen byte) []byte {
	b := binary.BigEndian.AppendUint16(nil, hardware)
	b = binary.BigEndian.AppendUint16(b, protocol)
	b = append(b, hlen, plen)
	b = binary.BigEndian.AppendUint16(b, uint16(w.number(rules.ARPOperation)))
	b = appendMAC(b, w.number(rules.ARPSenderMAC))
	b = binary.BigEndian.AppendUint32(b, uint32(w.number(rules.ARPSenderIP)))
	b = appendMAC(b, w.number(rules.ARPTargetMAC))
	b = binary.BigEndian.AppendUint32(b, uint32(w.number(rules.ARPTargetIP)))
	w.write(rules.NetworkBase, b, func(i int) bool { return i >= 6 })
	return b
}

func (m *frameMaker) arp(w wish) []byte { return m.taggedARPs(w, 0) }

func (m *frameMaker) taggedARP(w wish) []byte { return m.taggedARPs(w, max(w.tags, 1+m.IntN(2))) }

func (m *frameMaker) taggedARPs(w wish, tags int) []byte {
	b := m.arpBody(w, 1, typeIPv4, 6, 4)
	return m.ethernet(w, tags, typeARP, append(b, m.somePadding()...))
}

func (m *frameMaker) otherARP(w wish) []byte {
	b := m.arpBody(w, 1, typeIPv4, 6, 4)
	switch m.IntN(5) {
	case 0:
		b = m.arpBody(w, 6, typeIPv4, 6, 4)
	case 1:
		b = m.arpBody(w, 1, typeIPv6, 6, 4)
	case 2:
		b = m.arpBody(w, 1, typeIPv4, 8, 4)
	case 3:
		b = m.arpBody(w, 1, typeIPv4, 6, 16)
	default:
		b = b[:m.IntN(28)]
	}
	return m.ethernet(w, m.someTags(w), typeARP, b)
}

// badTags has a third tag in front of a good packet, or ends within a tag.
func (m *frameMaker) badTags(w wish) []byte {
	if m.oneIn(2) {
		return m.ethernet(w, 3+m.IntN(2), typeIPv4, m.ip4(w, header4{}, m.segment(w, w.proto4())))
	}
	tags := 1 + m.IntN(2)
	b := m.ethernet(w, tags, typeIPv4, nil)
	return b[:len(b)-1-m.IntN(4)]
}

// other is what is not looked into, with a good IP packet in it where an
// engine that takes any type for IP would find one.
func (m *frameMaker) other(w wish) []byte {
	types := []uint16{0x8847, 0x8864, 0x88cc, 0x88e5, 0x0801, 0x86dc, 0x0600, 0x05ff, 0x0000, 0x002e, 0xffff, 0x9200}
	ethertype := types[m.IntN(len(types))]
	if v, ok := w.wished(rules.EtherType); ok && m.oneIn(2) {
		switch t := uint16(v.Lo); t {
		case typeIPv4, typeIPv6, typeARP, 0x8100, 0x88a8, 0x9100:
		default:
			ethertype = t
		}
	}
	payload := m.bytes(46)
	switch m.IntN(4) {
	case 0:
		payload = m.ip4(w, header4{}, m.segment(w, w.proto4()))
	case 1:
		payload = m.ip6(w, header6{}, m.segment(w, w.proto6()))
	case 2:
		payload = nil
	}
	w.write(rules.NetworkBase, payload, func(int) bool { return true })
	return m.ethernet(w, m.someTags(w), ethertype, payload)
}

// truncated is an IP frame whose end is missing, none of it padding.
func (m *frameMaker) truncated(w wish) []byte {
	tags := m.someTags(w)
	var b []byte
	if m.oneIn(2) {
		b = m.ethernet(w, tags, typeIPv4, m.ip4(w, header4{options: m.someOptions(w)}, m.segment(w, w.proto4())))
	} else {
		b = m.ethernet(w, tags, typeIPv6, m.ip6(w, header6{chain: m.fewExtensions(w, 4)}, m.segment(w, w.proto6())))
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
		return m.ethernet(w, m.IntN(5), types[m.IntN(len(types))], m.bytes(m.IntN(100)))
	}
	b := m.build(Form(m.IntN(int(promised))), w)
	for range 1 + m.IntN(4) {
		i := m.IntN(len(b))
		if len(b) > 14 && !m.oneIn(8) {
			i = 12 + m.IntN(min(len(b), 140)-12)
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

// cutAnywhere cuts any frame at any length, or lets it go on.
func (m *frameMaker) cutAnywhere(w wish) []byte {
	b := m.build(Form(m.IntN(int(promised))), w)
	if m.oneIn(8) {
		return append(b, m.bytes(1+m.IntN(64))...)
	}
	return b[:m.IntN(len(b)+1)]
}

// captured is a frame of real traffic: as it was, with the wished bytes written
// over it, or with anything written over it, or cut.
func (m *frameMaker) captured(w wish) []byte {
	frames := capturedFrames()
	b := append([]byte{}, frames[m.IntN(len(frames))]...)
	switch m.IntN(4) {
	case 0:
		return b
	case 1:
		return b[:m.IntN(len(b)+1)]
	}
	for range 1 + m.IntN(3) {
		b[m.IntN(min(len(b), 140))] = byte(m.Uint32())
	}
	w.write(rules.EthernetBase, b, func(i int) bool { return true })
	return b
}
