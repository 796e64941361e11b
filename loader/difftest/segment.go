package difftest

import (
	"encoding/binary"

	"xdpfw/rules"
)

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

// segment is a well-formed transport header with some payload. A protocol
// without a header that the language knows begins with the ports all the same:
// who reads them there is wrong.
func (m *frameMaker) segment(w wish, protocol uint8) []byte {
	size := fixedHeader(protocol)
	b := m.bytes(size + m.payloadLength(w, size))
	copy(b, ports(w))
	switch protocol {
	case protoTCP:
		m.tcp(w, b)
	case protoUDP:
		length := uint16(len(b))
		if n := uint16(w.number(rules.UDPLength)); n >= 8 && m.oneIn(2) {
			length = n
		}
		binary.BigEndian.PutUint16(b[4:], length)
	case protoICMP:
		b[0], b[1] = byte(w.number(rules.ICMPType)), byte(w.number(rules.ICMPCode))
	case protoICMP6:
		b[0], b[1] = byte(w.number(rules.ICMP6Type)), byte(w.number(rules.ICMP6Code))
	}
	w.write(rules.TransportBase, b, func(i int) bool {
		return !(protocol == protoTCP && i == 12 || protocol == protoUDP && (i == 4 || i == 5))
	})
	if at := payloadOf(protocol, b); at > 0 && at <= len(b) {
		w.write(rules.PayloadBase, b[at:], func(int) bool { return true })
	}
	return b
}

// payloadLength is mostly short, and often long enough for what is wished of
// its bytes.
func (m *frameMaker) payloadLength(w wish, header int) int {
	n := m.IntN(24)
	if m.oneIn(40) {
		n = m.IntN(400)
	}
	if m.oneIn(4) {
		return n
	}
	wanted := max(w.reach(rules.PayloadBase)+m.IntN(3)*20, w.reach(rules.TransportBase)-header)
	return max(n, min(wanted, 400))
}

// payloadOf is where the payload begins; 0 where there is none.
func payloadOf(protocol uint8, b []byte) int {
	if protocol == protoTCP {
		return int(b[12]>>4) * 4
	}
	return fixedHeader(protocol)
}

// tcp writes a TCP header, all of whose flags can be set, and whose options may
// reach beyond the packet.
func (m *frameMaker) tcp(w wish, b []byte) {
	binary.BigEndian.PutUint32(b[4:], uint32(w.number(rules.TCPSequence)))
	binary.BigEndian.PutUint32(b[8:], uint32(w.number(rules.TCPAck)))
	off := byte(w.number(rules.TCPOffset))
	if off < 5 {
		off = byte(5 + m.IntN(11))
	}
	b[12] = off<<4 | b[12]&15
	b[13] = byte(w.number(rules.TCPFlags))
	binary.BigEndian.PutUint16(b[14:], uint16(w.number(rules.TCPWindow)))
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
		off := byte(w.number(rules.TCPOffset))
		if off >= 5 {
			off = byte(m.IntN(5))
		}
		b[12] = off<<4 | b[12]&15
		return b
	case protocol == protoUDP && m.oneIn(2):
		length := uint16(w.number(rules.UDPLength))
		if length >= 8 {
			length = uint16(m.IntN(8))
		}
		binary.BigEndian.PutUint16(b[4:], length)
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
