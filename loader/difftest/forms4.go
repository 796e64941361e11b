package difftest

import "encoding/binary"

func (m *frameMaker) plain4(w wish) []byte { return m.tagged4(w, 0) }
func (m *frameMaker) vlan4(w wish) []byte  { return m.tagged4(w, 1) }
func (m *frameMaker) qinq4(w wish) []byte  { return m.tagged4(w, 2) }

func (m *frameMaker) tagged4(w wish, tags int) []byte {
	h := header4{fragment: m.dontFragment(), trailer: m.somePadding()}
	return m.ethernet(tags, typeIPv4, m.ip4(w, h, m.segment(w, w.proto4)))
}

// somePadding is mostly none.
func (m *frameMaker) somePadding() []byte {
	if m.oneIn(4) {
		return m.bytes(m.IntN(20))
	}
	return nil
}

func (m *frameMaker) options4(w wish) []byte {
	h := header4{options: 4 * (1 + m.IntN(10)), fragment: m.dontFragment(), trailer: m.somePadding()}
	return m.ethernet(m.someTags(), typeIPv4, m.ip4(w, h, m.segment(w, w.proto4)))
}

// someOptions is mostly none.
func (m *frameMaker) someOptions() int { return 4 * m.IntN(11) * m.IntN(2) * m.IntN(2) }

const moreFragments = 0x2000

func (m *frameMaker) first4(w wish) []byte {
	h := header4{options: m.someOptions(), fragment: m.dontFragment() | moreFragments, trailer: m.somePadding()}
	return m.ethernet(m.someTags(), typeIPv4, m.ip4(w, h, m.segment(w, w.proto4)))
}

func (m *frameMaker) tiny4(w wish) []byte {
	w.proto4 = m.malformedProtocol(w.proto4, protoICMP)
	segment := m.segment(w, w.proto4)
	cut := m.shortOf(w.proto4)
	if fixedHeader(w.proto4) > 8 && m.oneIn(2) {
		cut = 8 // the least that a fragment can carry
	}
	h := header4{options: m.someOptions(), fragment: moreFragments}
	if m.oneIn(2) {
		h.trailer = segment[cut:]
	}
	return m.ethernet(m.someTags(), typeIPv4, m.ip4(w, h, segment[:cut]))
}

func (m *frameMaker) later4(w wish) []byte {
	offset := uint16(1 + m.IntN(0x1fff))
	if m.oneIn(2) {
		offset = 1
	}
	h := header4{options: m.someOptions(), fragment: m.dontFragment() | offset, trailer: m.somePadding()}
	if m.oneIn(2) {
		h.fragment |= moreFragments
	}
	payload := m.segment(w, w.proto4)
	return m.ethernet(m.someTags(), typeIPv4, m.ip4(w, h, payload[:m.IntN(len(payload)+1)]))
}

func (m *frameMaker) short4(w wish) []byte {
	w.proto4 = m.malformedProtocol(w.proto4, protoICMP)
	h := header4{options: m.someOptions(), fragment: m.dontFragment()}
	return m.ethernet(m.someTags(), typeIPv4, m.ip4(w, h, m.lie(w, w.proto4)))
}

func (m *frameMaker) padded4(w wish) []byte {
	w.proto4 = m.malformedProtocol(w.proto4, protoICMP)
	segment := m.segment(w, w.proto4)
	cut := m.shortOf(w.proto4)
	h := header4{options: m.someOptions(), fragment: m.dontFragment(), trailer: segment[cut:]}
	return m.ethernet(m.someTags(), typeIPv4, m.ip4(w, h, segment[:cut]))
}

// bad4 gets version, IHL or total length wrong; the total length may spell
// one of the ports, as in the attack on parsers that do not check the IHL.
func (m *frameMaker) bad4(w wish) []byte {
	h := header4{options: m.someOptions(), fragment: m.dontFragment()}
	b := m.ip4(w, h, m.segment(w, w.proto4))
	size := 20 + h.options
	switch m.IntN(5) {
	case 0: // version
		b[0] = b[0]&15 | byte(5+m.IntN(15))%16<<4
	case 1: // IHL
		b[0] = 0x40 | byte(m.IntN(5))
		binary.BigEndian.PutUint16(b[2:], w.dport)
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
	return m.ethernet(m.someTags(), typeIPv4, b)
}
