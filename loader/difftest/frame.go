package difftest

import (
	"encoding/binary"
	"math/rand/v2"

	"xdpfw/rules"
)

// A frameMaker builds frames, layer by layer, from bytes.
type frameMaker struct{ *rand.Rand }

// The EtherTypes and protocol numbers that the builders spell.
const (
	typeIPv4 = 0x0800
	typeARP  = 0x0806
	typeIPv6 = 0x86dd

	protoICMP  = 1
	protoIPIP  = 4
	protoTCP   = 6
	protoUDP   = 17
	protoIP6   = 41
	protoGRE   = 47
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
	for i := 0; i < n; i += 8 {
		word := m.Uint64()
		for j := i; j < min(i+8, n); j++ {
			b[j] = byte(word)
			word >>= 8
		}
	}
	return b
}

// ethernet puts addresses, tags and a type before a payload.
func (m *frameMaker) ethernet(w wish, tags int, ethertype uint16, payload []byte) []byte {
	b := make([]byte, 0, 14+4*tags+len(payload))
	b = appendMAC(b, w.number(rules.EtherDestination))
	b = appendMAC(b, w.number(rules.EtherSource))
	w.write(rules.EthernetBase, b, func(int) bool { return true })
	for i := range tags {
		b = binary.BigEndian.AppendUint16(b, tagTypes[m.IntN(len(tagTypes))])
		b = binary.BigEndian.AppendUint16(b, m.tag(w, i))
	}
	b = binary.BigEndian.AppendUint16(b, ethertype)
	return append(b, payload...)
}

// tag is the control information of the outer or an inner tag.
func (m *frameMaker) tag(w wish, depth int) uint16 {
	tci := uint16(m.Uint32())
	switch depth {
	case 0:
		return uint16(w.number(rules.VLANPriority))<<13 | tci&0x1000 | uint16(w.number(rules.VLANID))
	case 1:
		return tci&0xf000 | uint16(w.number(rules.VLAN2ID))
	}
	return tci
}

func appendMAC(b []byte, mac uint64) []byte {
	b = binary.BigEndian.AppendUint16(b, uint16(mac>>32))
	return binary.BigEndian.AppendUint32(b, uint32(mac))
}

// someTags is how many tags a frame has whose form does not say: mostly none.
func (m *frameMaker) someTags(w wish) int {
	if w.tags >= 0 {
		return w.tags
	}
	return max(0, m.IntN(6)-3)
}

// A header4 is what an IPv4 header says; the rest is as wished or irrelevant.
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
	b[1] = byte(w.number(rules.IP4DSCP)<<2 | w.number(rules.IP4ECN))
	binary.BigEndian.PutUint16(b[2:], uint16(size+len(payload)))
	binary.BigEndian.PutUint16(b[4:], uint16(w.number(rules.IP4ID)))
	binary.BigEndian.PutUint16(b[6:], h.fragment)
	b[8] = byte(w.number(rules.IP4TTL))
	b[9] = w.proto4()
	binary.BigEndian.PutUint16(b[10:], uint16(m.Uint32())) // no engine looks at the checksum
	binary.BigEndian.PutUint32(b[12:], uint32(w.number(rules.IP4Source)))
	binary.BigEndian.PutUint32(b[16:], uint32(w.number(rules.IP4Destination)))
	copy(b[20:], m.options(w, h.options))
	w.write(rules.NetworkBase, b, func(i int) bool { return i == 1 || i == 4 || i == 5 || i == 8 || i >= 10 })
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
	b := binary.BigEndian.AppendUint16(nil, uint16(w.number(rules.SourcePort)))
	return binary.BigEndian.AppendUint16(b, uint16(w.number(rules.DestinationPort)))
}

// dontFragment is an offset field with no fragment in it: DF and the reserved
// bit do not make one.
func (m *frameMaker) dontFragment(w wish) uint16 {
	return uint16(m.IntN(2))<<15 | uint16(w.number(rules.IP4DF))<<14
}

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
	class := uint32(w.number(rules.IP6DSCP))<<2 | uint32(w.number(rules.IP6ECN))
	binary.BigEndian.PutUint32(b, 6<<28|class<<20|uint32(w.number(rules.IP6Flow)))
	b[7] = byte(w.number(rules.IP6HopLimit))
	source, destination := bytes6(w.value(rules.IP6Source)), bytes6(w.value(rules.IP6Destination))
	copy(b[8:], source[:])
	copy(b[24:], destination[:])
	w.write(rules.NetworkBase, b, func(i int) bool { return i >= 1 && i <= 3 || i >= 7 })
	next := 6 // where the next header's number goes
	for _, e := range h.chain {
		b[next] = e.kind
		next = len(b)
		b = append(append(b, 0), e.body...)
	}
	b[next] = w.proto6()
	b = append(b, payload...)
	b = b[:max(40, len(b)-h.truncate)]
	if !h.jumbo {
		binary.BigEndian.PutUint16(b[4:], uint16(len(b)-40+h.longer))
	}
	return append(b, h.trailer...)
}
