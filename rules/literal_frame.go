package rules

import (
	"encoding/binary"
	"hash/crc32"
)

// Numbers of protocols (IANA) that literals know how to write. The evaluator
// has its own: what one of them gets wrong the other shows.
const (
	numberICMP  = 1
	numberIGMP  = 2
	numberIPIP  = 4
	numberTCP   = 6
	numberUDP   = 17
	numberGRE   = 47
	numberESP   = 50
	numberAH    = 51
	numberICMP6 = 58
	numberSCTP  = 132
)

// maxFrame is the greatest length of a frame: an IP packet of 65535 bytes with
// two VLAN tags.
const maxFrame = 14 + 2*4 + 65535

// Where the addresses of a literal's frames are from: the range for private use
// ("locally administered").
var (
	literalDestination = [6]byte{0x02, 0, 0, 0, 0, 0x02}
	literalSource      = [6]byte{0x02, 0, 0, 0, 0, 0x01}
	everyone           = [6]byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}
)

// packetOf makes the frame that a literal means: the shortest that has all that
// is said of it, with right lengths and checksums.
func (p *parser) packetOf(l *literal) (Packet, bool) {
	packet := Packet{}
	if on, is := l.options["on"]; is {
		packet.Interface = unquote(on.word)
	}
	switch l.kind {
	case literalCapture:
		return packet, true
	case literalHex:
		packet.Head = l.bytes
	default:
		frame := l.frame(0)
		if o, is := l.options["len"]; is {
			n := int(o.value) - len(frame)
			if n < 0 {
				p.error("bad-length", o.span, "a packet like this has at least %d bytes", len(frame))
				return packet, false
			}
			if ip := int(o.value) - l.linkLength(); l.kind == literalIP && ip-l.fixedHeader() > 65535 {
				p.error("bad-length", o.span, "an IP packet has at most %d bytes, and this one would have %d", 65535+l.fixedHeader(), ip)
				return packet, false
			}
			frame = l.frame(n)
		}
		packet.Head = frame
	}
	packet.Len = len(packet.Head)
	return packet, true
}

// linkLength is the bytes in front of the network layer.
func (l *literal) linkLength() int { return 14 + 4*len(l.vlans) }

// fixedHeader is what the length field of the network layer does not count.
func (l *literal) fixedHeader() int {
	if l.src.is4 {
		return 0
	}
	return 40
}

// frame is the whole frame, with so many bytes more than it needs.
func (l *literal) frame(more int) []byte {
	to, etherType := literalDestination, uint16(0x0800)
	switch {
	case l.kind == literalARP:
		to, etherType = everyone, 0x0806
	case !l.src.is4:
		etherType = 0x86dd
	}
	b := append(to[:], literalSource[:]...)
	for i, id := range l.vlans {
		tag := uint16(0x8100)
		if i == 0 && len(l.vlans) > 1 {
			tag = 0x88a8
		}
		b = binary.BigEndian.AppendUint16(b, tag)
		b = binary.BigEndian.AppendUint16(b, id)
	}
	b = binary.BigEndian.AppendUint16(b, etherType)
	switch {
	case l.kind == literalARP:
		return append(append(b, l.arp()...), make([]byte, more)...)
	case l.src.is4:
		return append(b, l.ip4(more)...)
	}
	return append(b, l.ip6(more)...)
}

// arp is the request of an IPv4 address over Ethernet.
func (l *literal) arp() []byte {
	b := []byte{0, 1, 0x08, 0, 6, 4, 0, 1}
	b = append(b, literalSource[:]...)
	b = append(b, l.src.bytes()...)
	b = append(b, make([]byte, 6)...)
	return append(b, l.dst.bytes()...)
}

// bytes of the address, in network order.
func (e *endpoint) bytes() []byte {
	if e.is4 {
		return binary.BigEndian.AppendUint32(nil, uint32(e.address.Lo))
	}
	return binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint64(nil, e.address.Hi), e.address.Lo)
}

func (l *literal) timeToLive() byte {
	if o, is := l.options["ttl"]; is {
		return byte(o.value)
	}
	return 64
}

// laterOffset is where later fragments begin, in units of 8 bytes: behind the
// first on Ethernet.
const laterOffset = 1480 / 8

func (l *literal) ip4(more int) []byte {
	payload := l.payload(more)
	b := []byte{0x45, 0}
	b = binary.BigEndian.AppendUint16(b, uint16(20+len(payload)))
	b = append(b, 0, 0)
	switch l.fragment {
	case firstFragment:
		b = binary.BigEndian.AppendUint16(b, 0x2000)
	case laterFragment:
		b = binary.BigEndian.AppendUint16(b, laterOffset)
	default:
		b = append(b, 0, 0)
	}
	b = append(b, l.timeToLive(), l.protocol, 0, 0)
	b = append(b, l.src.bytes()...)
	b = append(b, l.dst.bytes()...)
	binary.BigEndian.PutUint16(b[10:], internetChecksum(b))
	return append(b, payload...)
}

func (l *literal) ip6(more int) []byte {
	payload := l.payload(more)
	next := l.protocol
	if l.fragment != notFragment {
		header := []byte{next, 0, 0, 1, 0, 0, 0, 1} // more to come; identification 1
		if l.fragment == laterFragment {
			binary.BigEndian.PutUint16(header[2:], laterOffset<<3)
		}
		next, payload = 44, append(header, payload...)
	}
	b := []byte{0x60, 0, 0, 0}
	b = binary.BigEndian.AppendUint16(b, uint16(len(payload)))
	b = append(b, next, l.timeToLive())
	b = append(b, l.src.bytes()...)
	b = append(b, l.dst.bytes()...)
	return append(b, payload...)
}

// payload is what stands behind the IP header, with so many bytes more than it
// needs.
func (l *literal) payload(more int) []byte {
	if l.fragment == laterFragment {
		return make([]byte, 8+more) // the least that a fragment behind the first has
	}
	var b []byte
	checksum := -1 // where it is
	switch l.protocol {
	case numberTCP:
		b, checksum = l.tcp(), 16
	case numberUDP:
		b = binary.BigEndian.AppendUint16(l.ports(), uint16(8+more))
		b, checksum = append(b, 0, 0), 6
	case numberSCTP:
		b = append(l.ports(), make([]byte, 8)...)
	case numberICMP, numberICMP6:
		if l.isICMP() {
			b, checksum = []byte{byte(l.icmpType()), byte(l.options["code"].value), 0, 0, 0, 0, 0, 0}, 2
		}
	case numberIGMP:
		b, checksum = []byte{0x16, 0, 0, 0, 0, 0, 0, 0}, 2 // a membership report
	case numberIPIP:
		inner := literal{protocol: 59, src: endpoint{is4: true}, dst: endpoint{is4: true}} // no next header
		b = inner.ip4(0)
	case numberGRE:
		b = []byte{0, 0, 0x08, 0}
	case numberESP:
		b = []byte{0, 0, 1, 0, 0, 0, 0, 1} // index, sequence number
	case numberAH:
		b = []byte{59, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1} // nothing behind it
	}
	b = append(b, make([]byte, more)...)
	l.putChecksum(b, checksum)
	return b
}

func (l *literal) ports() []byte {
	return binary.BigEndian.AppendUint16(binary.BigEndian.AppendUint16(nil, l.src.port), l.dst.port)
}

func (l *literal) tcp() []byte {
	flags := byte(0x02) // syn
	if o, is := l.options["flags"]; is {
		flags = byte(o.value)
	}
	b := append(l.ports(), 0, 0, 0, 1, 0, 0, 0, 0) // sequence number 1
	return append(b, 5<<4, flags, 0xff, 0xff, 0, 0, 0, 0)
}

// putChecksum puts the checksum of the transport layer in its place.
func (l *literal) putChecksum(b []byte, at int) {
	switch {
	case l.protocol == numberSCTP:
		binary.LittleEndian.PutUint32(b[8:], crc32.Checksum(b, crc32.MakeTable(crc32.Castagnoli)))
		return
	case at < 0:
		return
	}
	pseudo := append(l.src.bytes(), l.dst.bytes()...)
	pseudo = binary.BigEndian.AppendUint32(pseudo, uint32(len(b)))
	pseudo = append(pseudo, 0, 0, 0, l.protocol)
	if l.protocol == numberICMP || l.protocol == numberIGMP {
		pseudo = nil
	}
	sum := internetChecksum(append(pseudo, b...))
	if sum == 0 && l.protocol == numberUDP {
		sum = 0xffff // zero says that there is none
	}
	binary.BigEndian.PutUint16(b[at:], sum)
}

// internetChecksum is that of RFC 1071.
func internetChecksum(b []byte) uint16 {
	var sum uint32
	for i := 0; i+1 < len(b); i += 2 {
		sum += uint32(binary.BigEndian.Uint16(b[i:]))
	}
	if len(b)%2 == 1 {
		sum += uint32(b[len(b)-1]) << 8
	}
	for sum>>16 != 0 {
		sum = sum&0xffff + sum>>16
	}
	return ^uint16(sum)
}
