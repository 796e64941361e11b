package difftest

import (
	"encoding/binary"

	"xdpfw/rules"
)

func (m *frameMaker) plain6(w wish) []byte { return m.tagged6(w, 0) }
func (m *frameMaker) vlan6(w wish) []byte  { return m.tagged6(w, 1) }
func (m *frameMaker) qinq6(w wish) []byte  { return m.tagged6(w, 2) }

func (m *frameMaker) tagged6(w wish, tags int) []byte {
	w = m.transport6(w)
	h := header6{trailer: m.somePadding()}
	return m.ethernet(w, tags, typeIPv6, m.ip6(w, h, m.segment(w, w.proto6())))
}

// transport6 wishes a protocol that ends the walk over extension headers, and
// always the same one.
func (m *frameMaker) transport6(w wish) wish {
	p := w.proto6()
	for isExtension(p) {
		p = byte(m.Uint32())
	}
	return w.with(rules.Protocol, uint64(p))
}

func isExtension(p uint8) bool {
	return p == extHopByHop || p == extRouting || p == extFragment || p == extAH || p == extDestOpt
}

func (m *frameMaker) hopByHop6(w wish) []byte { return m.behind(w, m.extension(w, extHopByHop)) }
func (m *frameMaker) routing6(w wish) []byte  { return m.behind(w, m.extension(w, extRouting)) }
func (m *frameMaker) destOpt6(w wish) []byte  { return m.behind(w, m.extension(w, extDestOpt)) }
func (m *frameMaker) ah6(w wish) []byte       { return m.behind(w, m.extension(w, extAH)) }
func (m *frameMaker) atomic6(w wish) []byte   { return m.behind(w, m.extension(w, extFragment)) }

// behind is a transport header behind a chain of extension headers.
func (m *frameMaker) behind(w wish, chain ...extension) []byte {
	w = m.transport6(w)
	return m.around6(w, header6{chain: chain, trailer: m.somePadding()}, m.segment(w, w.proto6()))
}

// around6 is a frame with some tags around an IPv6 packet.
func (m *frameMaker) around6(w wish, h header6, segment []byte) []byte {
	return m.ethernet(w, m.someTags(w), typeIPv6, m.ip6(w, h, segment))
}

// someExtensions are n extension headers without a true fragment; one is AH
// where that is wished.
func (m *frameMaker) someExtensions(w wish, n int) []extension {
	kinds := []uint8{extHopByHop, extRouting, extDestOpt, extAH, extFragment}
	ah := -1
	if n > 0 && w.number(rules.Protocol) > 0xff {
		ah = m.IntN(n)
	}
	var chain []extension
	for i := range n {
		kind := kinds[m.IntN(len(kinds))]
		if i == ah {
			kind = extAH
		}
		chain = append(chain, m.extension(w, kind))
	}
	return chain
}

// fewExtensions are none or up to n-1.
func (m *frameMaker) fewExtensions(w wish, n int) []extension {
	return m.someExtensions(w, m.IntN(n)*m.IntN(2))
}

func (m *frameMaker) stack6(w wish) []byte {
	n := 2 + m.IntN(7)
	if m.oneIn(4) {
		n = 8
	}
	return m.behind(w, m.someExtensions(w, n)...)
}

// firstChain has a first fragment's header among its extension headers; what
// stands behind it may be walked, and an atomic one there changes nothing.
func (m *frameMaker) firstChain(w wish) []extension {
	chain := m.fewExtensions(w, 3)
	chain = append(chain, m.fragmentHeader(0, true))
	return append(chain, m.fewExtensions(w, 4)...)
}

func (m *frameMaker) first6(w wish) []byte { return m.behind(w, m.firstChain(w)...) }

func (m *frameMaker) tiny6(w wish) []byte { return m.cut6(w, m.firstChain(w), m.oneIn(2)) }

// cut6 is a transport header that the IP length cuts short; the Ethernet
// padding may go on with it.
func (m *frameMaker) cut6(w wish, chain []extension, padded bool) []byte {
	protocol := m.malformedProtocol(w.proto6(), protoICMP6)
	w = w.with(rules.Protocol, uint64(protocol))
	segment := m.segment(w, protocol)
	cut := m.shortOf(protocol)
	if len(chain) == 0 && cut == 0 {
		cut = 1
	}
	h := header6{chain: chain}
	if padded {
		h.trailer = segment[cut:]
	}
	return m.around6(w, h, segment[:cut])
}

// later6 names any next header, an extension header too: the walk ends here.
func (m *frameMaker) later6(w wish) []byte {
	chain := m.fewExtensions(w, 3)
	if m.oneIn(4) {
		chain = append(chain, m.fragmentHeader(0, true))
	}
	offset := uint16(1 + m.IntN(0x1fff))
	if m.oneIn(2) {
		offset = 1
	}
	chain = append(chain, m.fragmentHeader(offset, m.oneIn(2)))
	payload := m.segment(w, w.proto6())
	return m.around6(w, header6{chain: chain, trailer: m.somePadding()}, payload[:m.IntN(len(payload)+1)])
}

// jumbo6 ends with its frame, so it has no padding.
func (m *frameMaker) jumbo6(w wish) []byte {
	chain := []extension{m.extension(w, extHopByHop)}
	chain = append(chain, m.fewExtensions(w, 3)...)
	w = m.transport6(w)
	return m.around6(w, header6{chain: chain, jumbo: true}, m.segment(w, w.proto6()))
}

func (m *frameMaker) short6(w wish) []byte {
	chain := m.fewExtensions(w, 3)
	if m.oneIn(2) {
		return m.cut6(w, chain, false)
	}
	protocol := m.malformedProtocol(w.proto6(), protoICMP6)
	w = w.with(rules.Protocol, uint64(protocol))
	return m.around6(w, header6{chain: chain}, m.lie(w, protocol))
}

func (m *frameMaker) padded6(w wish) []byte { return m.cut6(w, m.fewExtensions(w, 3), true) }

// icmpv6 is any ICMPv6 message; what errors quote is not looked into.
func (m *frameMaker) icmpv6(w wish) []byte {
	chain := m.fewExtensions(w, 2)
	w = w.with(rules.Protocol, protoICMP6)
	b := m.segment(w, protoICMP6)
	if m.oneIn(2) {
		inner := w.with(rules.Protocol, protoTCP)
		b = append(b[:8], m.ip6(inner, header6{}, m.segment(inner, protoTCP))...)
		w.write(rules.PayloadBase, b[8:], func(int) bool { return true })
	}
	return m.around6(w, header6{chain: chain, trailer: m.somePadding()}, b)
}

// long6 has a payload that reaches far behind what any clause reads.
func (m *frameMaker) long6(w wish) []byte {
	chain := m.fewExtensions(w, 3)
	w = m.transport6(w)
	b := m.segment(w, w.proto6())
	return m.around6(w, header6{chain: chain}, append(b, m.bytes(200+m.IntN(1200))...))
}

// broken6 has more than 8 extension headers, or ends within one; a first
// fragment's may be the first of them.
func (m *frameMaker) broken6(w wish) []byte {
	w = m.transport6(w)
	var chain []extension
	if m.oneIn(2) {
		chain = append(chain, m.fragmentHeader(0, true))
	}
	if m.oneIn(2) {
		h := header6{chain: append(chain, m.someExtensions(w, 9+m.IntN(3))...)}
		return m.around6(w, h, m.segment(w, w.proto6()))
	}
	h := header6{chain: append(chain, m.someExtensions(w, 1+m.IntN(4))...)}
	last := len(h.chain[len(h.chain)-1].body) + 1
	h.truncate = 1 + m.IntN(last)
	if len(h.chain) == 1 && h.truncate == last && h.chain[0].kind == extHopByHop {
		h.truncate-- // payload length 0 would be a jumbogram's
	}
	if m.oneIn(2) {
		h.trailer = m.bytes(h.truncate + m.IntN(24))
	}
	return m.around6(w, h, nil)
}

func (m *frameMaker) overlong6(w wish) []byte {
	h := header6{longer: 1 + m.IntN(1+m.IntN(2000)), chain: m.fewExtensions(w, 4)}
	return m.around6(w, h, m.segment(w, w.proto6()))
}

// bad6 has another version, or ends within the fixed header.
func (m *frameMaker) bad6(w wish) []byte {
	b := m.ip6(w, header6{}, m.segment(w, w.proto6()))
	if m.oneIn(2) {
		b = b[:m.IntN(40)]
		if len(b) >= 6 {
			binary.BigEndian.PutUint16(b[4:], 0)
		}
	} else {
		b[0] = b[0]&15 | byte(7+m.IntN(15))%16<<4
	}
	return m.ethernet(w, m.someTags(w), typeIPv6, b)
}
