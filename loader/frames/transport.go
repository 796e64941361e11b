package frames

import (
	"encoding/binary"
	"fmt"
	"net/netip"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
)

// Transport is what an IP packet carries: TCP, UDP, SCTP, ICMP, ICMPv6 or
// Other. Checksums are of the whole of it, also in a fragment.
type Transport interface {
	protocol() uint8
	bytes(from, to netip.Addr) ([]byte, error)
}

// transportBytes is the transport and its protocol; nil is nothing, with the
// protocol that says so (59, RFC 8200).
func transportBytes(t Transport, from, to netip.Addr) ([]byte, uint8, error) {
	if t == nil {
		return nil, 59, nil
	}
	b, err := t.bytes(from, to)
	return b, t.protocol(), err
}

// Flags of TCP (RFC 9293, 3.1): byte 13 of the header.
const (
	FIN = 1 << iota
	SYN
	RST
	PSH
	ACK
	URG
	ECE
	CWR
)

// TCP is a TCP segment (RFC 9293).
type TCP struct {
	From, To uint16
	Flags    uint8 // FIN to CWR
	Seq, Ack uint32
	Window   uint16
	Options  []byte // at most 40 bytes, a multiple of four
	Payload  []byte

	Offset *uint8 // data offset, in units of four bytes; nil: the right value
}

func (TCP) protocol() uint8 { return 6 }

func (t TCP) bytes(from, to netip.Addr) ([]byte, error) {
	if len(t.Options) > 40 || len(t.Options)%4 != 0 {
		return nil, fmt.Errorf("TCP options of %d bytes: at most 40, in units of 4", len(t.Options))
	}
	b := make([]byte, 20, 20+len(t.Options)+len(t.Payload))
	binary.BigEndian.PutUint16(b, t.From)
	binary.BigEndian.PutUint16(b[2:], t.To)
	binary.BigEndian.PutUint32(b[4:], t.Seq)
	binary.BigEndian.PutUint32(b[8:], t.Ack)
	b[12] = or(t.Offset, uint8(5+len(t.Options)/4)) << 4
	b[13] = t.Flags
	binary.BigEndian.PutUint16(b[14:], t.Window)
	b = append(append(b, t.Options...), t.Payload...)
	binary.BigEndian.PutUint16(b[16:], pseudoChecksum(t, from, to, b))
	return b, nil
}

// UDP is a UDP datagram (RFC 768).
type UDP struct {
	From, To uint16
	Payload  []byte

	Length *uint16 // header included; nil: the right value
}

func (UDP) protocol() uint8 { return 17 }

func (u UDP) bytes(from, to netip.Addr) ([]byte, error) {
	b := make([]byte, 8, 8+len(u.Payload))
	binary.BigEndian.PutUint16(b, u.From)
	binary.BigEndian.PutUint16(b[2:], u.To)
	b = append(b, u.Payload...)
	if len(b) > 0xffff && u.Length == nil {
		return nil, fmt.Errorf("UDP datagram of %d bytes: at most 65535", len(b))
	}
	binary.BigEndian.PutUint16(b[4:], or(u.Length, uint16(len(b))))
	sum := pseudoChecksum(u, from, to, b)
	if sum == 0 {
		sum = 0xffff // zero says that there is none
	}
	binary.BigEndian.PutUint16(b[6:], sum)
	return b, nil
}

// SCTP is an SCTP packet (RFC 9260).
type SCTP struct {
	From, To uint16
	Tag      uint32 // verification tag
	Chunks   []byte // nil: a HEARTBEAT without information
}

func (SCTP) protocol() uint8 { return 132 }

func (s SCTP) bytes(netip.Addr, netip.Addr) ([]byte, error) {
	chunks := s.Chunks
	if chunks == nil {
		chunks = []byte{4, 0, 0, 4}
	}
	header := layers.SCTP{
		SrcPort: layers.SCTPPort(s.From), DstPort: layers.SCTPPort(s.To), VerificationTag: s.Tag,
	}
	return serialize(&header, gopacket.Payload(chunks))
}

// ICMP is a message of ICMP (RFC 792).
type ICMP struct {
	Type, Code uint8
	Rest       uint32 // bytes 4 to 7: of an echo the identifier and the sequence number
	Payload    []byte
}

func (ICMP) protocol() uint8 { return 1 }

func (m ICMP) bytes(netip.Addr, netip.Addr) ([]byte, error) {
	b := binary.BigEndian.AppendUint32([]byte{m.Type, m.Code, 0, 0}, m.Rest)
	b = append(b, m.Payload...)
	binary.BigEndian.PutUint16(b[2:], checksum(b))
	return b, nil
}

// ICMPv6 is a message of ICMPv6 (RFC 4443).
type ICMPv6 ICMP

func (ICMPv6) protocol() uint8 { return 58 }

func (m ICMPv6) bytes(from, to netip.Addr) ([]byte, error) {
	b := binary.BigEndian.AppendUint32([]byte{m.Type, m.Code, 0, 0}, m.Rest)
	b = append(b, m.Payload...)
	binary.BigEndian.PutUint16(b[2:], pseudoChecksum(m, from, to, b))
	return b, nil
}

// Other is bytes of any protocol.
type Other struct {
	Protocol uint8
	Payload  []byte
}

func (o Other) protocol() uint8                              { return o.Protocol }
func (o Other) bytes(netip.Addr, netip.Addr) ([]byte, error) { return o.Payload, nil }

// pseudoChecksum is the checksum of b and the pseudo header in front of it,
// which for IPv4 (RFC 9293, 3.1) and IPv6 (RFC 8200, 8.1) sums up alike.
func pseudoChecksum(t Transport, from, to netip.Addr, b []byte) uint16 {
	length := binary.BigEndian.AppendUint32(nil, uint32(len(b)))
	return checksum(from.AsSlice(), to.AsSlice(), length, []byte{0, t.protocol()}, b)
}

// serialize has gopacket compute lengths and checksums.
func serialize(ls ...gopacket.SerializableLayer) ([]byte, error) {
	buffer := gopacket.NewSerializeBuffer()
	options := gopacket.SerializeOptions{FixLengths: true, ComputeChecksums: true}
	err := gopacket.SerializeLayers(buffer, options, ls...)
	return buffer.Bytes(), err
}
