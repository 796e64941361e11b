package difftest

import (
	"encoding/binary"
	"math/rand/v2"
)

// A wish is the header values that a frame should carry where its form has
// room for them.
type wish struct {
	src4, dst4     uint32
	src6, dst6     [16]byte
	proto4, proto6 uint8
	sport, dport   uint16
}

// A frameMaker builds frames, layer by layer, from bytes.
type frameMaker struct{ *rand.Rand }

// The EtherTypes and protocol numbers that the builders spell.
const (
	typeIPv4 = 0x0800
	typeARP  = 0x0806
	typeIPv6 = 0x86dd

	protoICMP  = 1
	protoTCP   = 6
	protoUDP   = 17
	protoICMP6 = 58
	protoSCTP  = 132

	extHopByHop = 0
	extRouting  = 43
	extFragment = 44
	extAH       = 51
	extDestOpt  = 60
)

// tagTypes are the EtherTypes that announce a VLAN tag.
var tagTypes = []uint16{0x8100, 0x88a8, 0x9100}

func (m *frameMaker) oneIn(n int) bool { return m.IntN(n) == 0 }

func (m *frameMaker) bytes(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(m.Uint32())
	}
	return b
}

// ethernet puts addresses, tags and a type before a payload.
func (m *frameMaker) ethernet(tags int, ethertype uint16, payload []byte) []byte {
	b := m.bytes(12)
	for range tags {
		b = binary.BigEndian.AppendUint16(b, tagTypes[m.IntN(len(tagTypes))])
		b = binary.BigEndian.AppendUint16(b, uint16(m.Uint32()))
	}
	b = binary.BigEndian.AppendUint16(b, ethertype)
	return append(b, payload...)
}

// someTags is mostly none: how many tags a frame has whose form does not say.
func (m *frameMaker) someTags() int { return max(0, m.IntN(6)-3) }

// A header4 is what an IPv4 header says; the rest is right or irrelevant.
type header4 struct {
	options  int // bytes, a multiple of 4
	fragment uint16
	trailer  []byte // behind the IP packet: Ethernet padding
}

// ip4 is an IPv4 packet around a payload, and the padding behind it.
func (m *frameMaker) ip4(w wish, h header4, payload []byte) []byte {
	size := 20 + h.options
	b := make([]byte, size, size+len(payload)+len(h.trailer))
	b[0] = 0x40 | byte(size/4)
	b[1] = byte(m.Uint32())
	binary.BigEndian.PutUint16(b[2:], uint16(size+len(payload)))
	binary.BigEndian.PutUint16(b[4:], uint16(m.Uint32()))
	binary.BigEndian.PutUint16(b[6:], h.fragment)
	b[8] = byte(m.Uint32())
	b[9] = w.proto4
	binary.BigEndian.PutUint16(b[10:], uint16(m.Uint32())) // no engine looks at the checksum
	binary.BigEndian.PutUint32(b[12:], w.src4)
	binary.BigEndian.PutUint32(b[16:], w.dst4)
	copy(b[20:], m.options(w, h.options))
	b = append(b, payload...)
	return append(b, h.trailer...)
}

// options are n bytes that spell the wished ports, or anything.
func (m *frameMaker) options(w wish, n int) []byte {
	b := m.bytes(n)
	if n >= 4 && m.oneIn(2) {
		copy(b, ports(w))
	}
	return b
}

func ports(w wish) []byte {
	b := binary.BigEndian.AppendUint16(nil, w.sport)
	return binary.BigEndian.AppendUint16(b, w.dport)
}

// dontFragment is an offset field with no fragment in it: DF and the reserved
// bit do not make one.
func (m *frameMaker) dontFragment() uint16 { return []uint16{0, 0x4000, 0x8000, 0xc000}[m.IntN(4)] }

// An extension is one IPv6 extension header without its next-header byte.
type extension struct {
	kind uint8
	body []byte // from the second byte on
}

func (m *frameMaker) extension(w wish, kind uint8) extension {
	var length int
	var code byte
	switch kind {
	case extFragment: // atomic
		body := m.bytes(7)
		binary.BigEndian.PutUint16(body[1:], uint16(m.IntN(4))<<1)
		return extension{kind, body}
	case extAH:
		code = byte(m.IntN(6))
		length = (int(code) + 2) * 4
	default:
		code = byte(m.IntN(4) * m.IntN(2))
		length = (int(code) + 1) * 8
	}
	body := m.bytes(length - 1)
	body[0] = code
	if m.oneIn(2) {
		copy(body[m.IntN(length-5):], ports(w))
		body[0] = code
	}
	return extension{kind, body}
}

// fragmentHeader is one with an offset in units of 8 bytes.
func (m *frameMaker) fragmentHeader(offset uint16, more bool) extension {
	body := m.bytes(7)
	field := offset<<3 | uint16(m.IntN(4))<<1
	if more {
		field |= 1
	}
	binary.BigEndian.PutUint16(body[1:], field)
	return extension{extFragment, body}
}

// A header6 is what an IPv6 header says beyond addresses.
type header6 struct {
	chain    []extension
	trailer  []byte // behind the IP packet: Ethernet padding
	longer   int    // added to the true payload length
	jumbo    bool   // payload length 0
	truncate int    // bytes of chain and payload that are not there, nor counted
}

// ip6 is an IPv6 packet: the chain, then the wished protocol with a payload.
func (m *frameMaker) ip6(w wish, h header6, payload []byte) []byte {
	b := make([]byte, 40, 128)
	binary.BigEndian.PutUint32(b, 0x60000000|m.Uint32()>>4)
	b[7] = byte(m.Uint32())
	copy(b[8:], w.src6[:])
	copy(b[24:], w.dst6[:])
	next := 6 // where the next header's number goes
	for _, e := range h.chain {
		b[next] = e.kind
		next = len(b)
		b = append(append(b, 0), e.body...)
	}
	b[next] = w.proto6
	b = append(b, payload...)
	b = b[:max(40, len(b)-h.truncate)]
	if !h.jumbo {
		binary.BigEndian.PutUint16(b[4:], uint16(len(b)-40+h.longer))
	}
	return append(b, h.trailer...)
}

// fixedHeader is the length of a transport header without options, or 0.
func fixedHeader(protocol uint8) int {
	switch protocol {
	case protoTCP:
		return 20
	case protoUDP, protoICMP, protoICMP6:
		return 8
	case protoSCTP:
		return 12
	}
	return 0
}

// segment is a well-formed transport header with a few bytes of payload. A
// protocol without a header that the language knows begins with the ports all
// the same: who reads them there is wrong.
func (m *frameMaker) segment(w wish, protocol uint8) []byte {
	size := fixedHeader(protocol)
	b := m.bytes(size + m.IntN(24))
	switch protocol {
	case protoICMP, protoICMP6:
		if m.oneIn(2) {
			return b
		}
	case protoTCP:
		b[12] = byte(5+m.IntN(11))<<4 | b[12]&15
	case protoUDP:
		length := uint16(len(b))
		if m.oneIn(8) {
			length = 8 + uint16(m.IntN(0xffff-8))
		}
		binary.BigEndian.PutUint16(b[4:], length)
	}
	copy(b, ports(w))
	return b
}

// malformedProtocol is the wished protocol if its header can be malformed.
func (m *frameMaker) malformedProtocol(p, icmp uint8) uint8 {
	if p == icmp || p == protoTCP || p == protoUDP || p == protoSCTP {
		return p
	}
	return []uint8{protoTCP, protoUDP, protoSCTP, icmp}[m.IntN(4)]
}

// lie makes a whole header malformed, if its protocol has a length to lie
// about, else cuts it.
func (m *frameMaker) lie(w wish, protocol uint8) []byte {
	b := m.segment(w, protocol)
	switch {
	case protocol == protoTCP && m.oneIn(2):
		b[12] = byte(m.IntN(5))<<4 | b[12]&15
		return b
	case protocol == protoUDP && m.oneIn(2):
		binary.BigEndian.PutUint16(b[4:], uint16(m.IntN(8)))
		return b
	}
	return b[:m.shortOf(protocol)]
}

// shortOf is a number of bytes that ends within a transport header, more
// often behind the ports than not.
func (m *frameMaker) shortOf(protocol uint8) int {
	size := fixedHeader(protocol)
	if m.oneIn(3) {
		return m.IntN(size)
	}
	return 4 + m.IntN(size-4)
}
