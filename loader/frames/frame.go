// Package frames builds Ethernet frames for tests, for the demo and for the
// packets that the lockout guard asks about.
//
//	frames.Frame{
//		Tags:    []frames.Tag{{VID: 100}},
//		Network: frames.IP(from, to, frames.TCP{To: 22, Flags: frames.SYN}),
//	}.Bytes()
//
// Lengths and checksums are right unless a field says otherwise: every length,
// header length and version can be overridden, so that malformed frames are
// built by the same means. A frame is a value: copying it and changing a field
// of the copy is how variants are made.
//
// It must not know what rules say of a frame.
package frames

import (
	"encoding/binary"
	"fmt"
	"net"
)

// A Frame is an Ethernet frame, without FCS.
type Frame struct {
	From, To  net.HardwareAddr // six bytes each; nil: DefaultFrom, DefaultTo
	Tags      []Tag            // VLAN tags, the outermost first
	EtherType uint16           // the type behind the tags; zero: what Network is
	Network   Network          // nil: nothing follows the type
	Padding   int              // bytes of PaddingByte behind the packet
	Cut       int              // the frame's first bytes that are kept; zero: all
}

// The addresses of frames that name none. The first byte marks them as locally
// administered.
var (
	DefaultFrom = net.HardwareAddr{2, 0, 0, 0, 0, 1}
	DefaultTo   = net.HardwareAddr{2, 0, 0, 0, 0, 2}
)

// PaddingByte fills the padding. It is not zero, so that a parser which takes
// padding for a header sees something.
const PaddingByte = 0x5a

// A Tag is a VLAN tag.
type Tag struct {
	Type uint16 // zero: 0x8100
	VID  uint16 // 12 bits
	PCP  uint8  // 3 bits
}

// Types of VLAN tags.
const (
	CTag = 0x8100 // IEEE 802.1Q
	STag = 0x88a8 // IEEE 802.1ad
	QinQ = 0x9100 // what came before 802.1ad
)

// Network is what follows the Ethernet header: IPv4, IPv6, ARP or Raw.
type Network interface {
	// etherType announces it in the Ethernet header; zero: Frame has to say.
	etherType() uint16
	bytes() ([]byte, error)
}

// Raw is bytes in place of a network header.
type Raw []byte

func (Raw) etherType() uint16        { return 0 }
func (r Raw) bytes() ([]byte, error) { return r, nil }

// Bytes of the frame. It is an error if something does not fit its field.
func (f Frame) Bytes() ([]byte, error) {
	from, to := f.From, f.To
	if from == nil {
		from = DefaultFrom
	}
	if to == nil {
		to = DefaultTo
	}
	if len(from) != 6 || len(to) != 6 {
		return nil, fmt.Errorf("frame from %v to %v: Ethernet addresses have 6 bytes", from, to)
	}
	b := append(append([]byte(nil), to...), from...)
	b, err := f.appendTags(b)
	if err != nil {
		return nil, err
	}
	if b, err = f.appendNetwork(b); err != nil {
		return nil, err
	}
	for range f.Padding {
		b = append(b, PaddingByte)
	}
	if f.Cut > len(b) {
		return nil, fmt.Errorf("frame cut at %d: it has only %d bytes", f.Cut, len(b))
	}
	if f.Cut > 0 {
		b = b[:f.Cut]
	}
	return b, nil
}

// appendTags appends each tag's type and TCI.
func (f Frame) appendTags(b []byte) ([]byte, error) {
	for _, tag := range f.Tags {
		if tag.VID > 0xfff || tag.PCP > 7 {
			return nil, fmt.Errorf("VLAN tag %+v: the VID has 12 bits, the PCP 3", tag)
		}
		if tag.Type == 0 {
			tag.Type = CTag
		}
		b = binary.BigEndian.AppendUint16(b, tag.Type)
		b = binary.BigEndian.AppendUint16(b, uint16(tag.PCP)<<13|tag.VID)
	}
	return b, nil
}

// appendNetwork appends the last type and what it announces.
func (f Frame) appendNetwork(b []byte) ([]byte, error) {
	etherType := f.EtherType
	if etherType == 0 && f.Network != nil {
		etherType = f.Network.etherType()
	}
	b = binary.BigEndian.AppendUint16(b, etherType)
	if f.Network == nil {
		return b, nil
	}
	packet, err := f.Network.bytes()
	return append(b, packet...), err
}
