package frames

import (
	"encoding/binary"
	"fmt"
	"net/netip"
)

// The addresses of packets that name none, from the blocks for documentation.
var (
	DefaultIP4From = netip.MustParseAddr("198.51.100.7")
	DefaultIP4To   = netip.MustParseAddr("203.0.113.1")
	DefaultIP6From = netip.MustParseAddr("2001:db8::7")
	DefaultIP6To   = netip.MustParseAddr("2001:db8::1")
)

// IP is an IPv4 or IPv6 packet, as the addresses are. If they differ in
// family, building the frame is an error.
func IP(from, to netip.Addr, transport Transport) Network {
	if from.Is4() {
		return IPv4{From: from, To: to, Transport: transport}
	}
	return IPv6{From: from, To: to, Transport: transport}
}

// IPv4 is an IPv4 packet (RFC 791).
type IPv4 struct {
	From, To  netip.Addr // zero: DefaultIP4From, DefaultIP4To
	TTL       uint8      // zero: 64
	TOS       uint8
	ID        uint16
	Reserved  bool      // the unused bit in front of DF
	DF        bool      // do not fragment
	More      bool      // more fragments follow
	Offset    uint16    // of the fragment, in units of eight bytes
	Options   []byte    // at most 40 bytes, a multiple of four
	Transport Transport // nil: nothing; in a later fragment: the bytes that stand there

	// Limit is the bytes kept of the transport, with a total length to match:
	// what a sender that cuts its packets short sends. nil: all.
	Limit *int

	// Overrides; nil is the right value.
	Version     *uint8
	IHL         *uint8 // in units of four bytes
	TotalLength *uint16
	Protocol    *uint8
}

func (IPv4) etherType() uint16 { return 0x0800 }

func (p IPv4) bytes() ([]byte, error) {
	from, to, err := addresses(p.From, p.To, DefaultIP4From, DefaultIP4To)
	if err != nil {
		return nil, err
	}
	if len(p.Options) > 40 || len(p.Options)%4 != 0 {
		return nil, fmt.Errorf("IPv4 options of %d bytes: at most 40, in units of 4", len(p.Options))
	}
	if p.Offset > 0x1fff {
		return nil, fmt.Errorf("IPv4 fragment offset %d: it has 13 bits", p.Offset)
	}
	payload, protocol, err := transportBytes(p.Transport, from, to)
	if err != nil {
		return nil, err
	}
	if payload, err = limit(payload, p.Limit); err != nil {
		return nil, err
	}
	headerLength := 20 + len(p.Options)
	if headerLength+len(payload) > 0xffff && p.TotalLength == nil {
		return nil, fmt.Errorf("IPv4 packet of %d bytes: at most 65535", headerLength+len(payload))
	}

	header := make([]byte, headerLength)
	header[0] = or(p.Version, 4)<<4 | or(p.IHL, uint8(headerLength/4))&0xf
	header[1] = p.TOS
	binary.BigEndian.PutUint16(header[2:], or(p.TotalLength, uint16(headerLength+len(payload))))
	binary.BigEndian.PutUint16(header[4:], p.ID)
	binary.BigEndian.PutUint16(header[6:], bit(p.Reserved, 15)|bit(p.DF, 14)|bit(p.More, 13)|p.Offset)
	header[8] = p.TTL
	if p.TTL == 0 {
		header[8] = 64
	}
	header[9] = or(p.Protocol, protocol)
	copy(header[12:], from.AsSlice())
	copy(header[16:], to.AsSlice())
	copy(header[20:], p.Options)
	binary.BigEndian.PutUint16(header[10:], checksum(header))
	return append(header, payload...), nil
}

// IPv6 is an IPv6 packet (RFC 8200).
type IPv6 struct {
	From, To     netip.Addr // zero: DefaultIP6From, DefaultIP6To
	HopLimit     uint8      // zero: 64
	TrafficClass uint8
	FlowLabel    uint32      // 20 bits
	Extensions   []Extension // in the order they stand
	Transport    Transport   // nil: next header 59, nothing; in a later fragment: the bytes that stand there

	// Limit is the bytes kept behind the fixed header, extension headers
	// included, with a payload length to match. nil: all.
	Limit *int

	// Overrides; nil is the right value.
	Version       *uint8
	PayloadLength *uint16
	Protocol      *uint8 // next header of the last header
}

func (IPv6) etherType() uint16 { return 0x86dd }

func (p IPv6) bytes() ([]byte, error) {
	from, to, err := addresses(p.From, p.To, DefaultIP6From, DefaultIP6To)
	if err != nil {
		return nil, err
	}
	if p.FlowLabel > 0xfffff {
		return nil, fmt.Errorf("flow label %#x: it has 20 bits", p.FlowLabel)
	}
	upper, protocol, err := transportBytes(p.Transport, from, to)
	if err != nil {
		return nil, err
	}
	next, payload, err := extensionBytes(p.Extensions, or(p.Protocol, protocol))
	if err != nil {
		return nil, err
	}
	if payload, err = limit(append(payload, upper...), p.Limit); err != nil {
		return nil, err
	}
	if len(payload) > 0xffff && p.PayloadLength == nil {
		return nil, fmt.Errorf("IPv6 payload of %d bytes: at most 65535", len(payload))
	}

	header := make([]byte, 40)
	binary.BigEndian.PutUint32(header, uint32(or(p.Version, 6))<<28|uint32(p.TrafficClass)<<20|p.FlowLabel)
	binary.BigEndian.PutUint16(header[4:], or(p.PayloadLength, uint16(len(payload))))
	header[6] = next
	header[7] = p.HopLimit
	if p.HopLimit == 0 {
		header[7] = 64
	}
	copy(header[8:], from.AsSlice())
	copy(header[24:], to.AsSlice())
	return append(header, payload...), nil
}

// addresses puts the defaults in place and checks the family.
func addresses(from, to, defaultFrom, defaultTo netip.Addr) (netip.Addr, netip.Addr, error) {
	if !from.IsValid() {
		from = defaultFrom
	}
	if !to.IsValid() {
		to = defaultTo
	}
	if from.BitLen() != defaultFrom.BitLen() || to.BitLen() != defaultTo.BitLen() {
		return from, to, fmt.Errorf("packet from %v to %v: both addresses must be of %d bits", from, to, defaultFrom.BitLen())
	}
	return from, to, nil
}

// limit keeps the first n bytes, or all if n is nil.
func limit(b []byte, n *int) ([]byte, error) {
	if n == nil {
		return b, nil
	}
	if *n < 0 || *n > len(b) {
		return nil, fmt.Errorf("limit of %d bytes: there are %d", *n, len(b))
	}
	return b[:*n], nil
}

// or is the value of an override, else the right value.
func or[T any](override *T, right T) T {
	if override != nil {
		return *override
	}
	return right
}

// bit n if set.
func bit(set bool, n int) uint16 {
	if set {
		return 1 << n
	}
	return 0
}

// checksum is the Internet checksum (RFC 1071) of bytes whose own checksum
// field is zero.
func checksum(b ...[]byte) uint16 {
	var sum uint32
	for _, part := range b { // each but the last of even length
		for i, c := range part {
			sum += uint32(c) << (8 * (1 - i%2))
		}
	}
	for sum > 0xffff {
		sum = sum>>16 + sum&0xffff
	}
	return ^uint16(sum)
}
