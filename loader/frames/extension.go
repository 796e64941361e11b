package frames

import (
	"encoding/binary"
	"fmt"
)

// Extension headers of IPv6 (IANA, "IPv6 Extension Header Types").
const (
	HopByHop    = 0
	Routing     = 43
	Fragment    = 44
	AH          = 51
	Destination = 60
)

// An Extension is one extension header. Its contents are such that a receiver
// which knows nothing of them goes on to the next header; AH excepted, which
// Linux drops unless it has the key.
type Extension struct {
	Kind uint8 // HopByHop, Routing, Fragment, AH or Destination

	// Size in bytes, a multiple of eight up to 2048 (AH: of four up to 1028);
	// zero: 8, and 16 for AH. A fragment header always has 8.
	Size int

	// Of a fragment header only.
	More   bool
	Offset uint16 // in units of eight bytes, 13 bits
	ID     uint32

	// Overrides; nil is the right value.
	Length *uint8 // the length byte; of a fragment header the reserved one
	Next   *uint8 // type of the header behind
}

// extensionBytes lays the headers out in front of one of type last; next is
// the type of the first.
func extensionBytes(extensions []Extension, last uint8) (next uint8, b []byte, err error) {
	next = last
	for i := len(extensions) - 1; i >= 0; i-- {
		header, err := extensions[i].bytes(next)
		if err != nil {
			return 0, nil, err
		}
		b = append(header, b...)
		next = extensions[i].Kind
	}
	return next, b, nil
}

func (e Extension) bytes(next uint8) ([]byte, error) {
	var b []byte
	var err error
	switch e.Kind {
	case HopByHop, Destination:
		b, err = e.sized(8, 8, 2048)
		if err == nil {
			fillOptions(b[2:])
			b[1] = uint8(len(b)/8 - 1)
		}
	case Routing: // RFC 8200, 4.4: with no segments left it is ignored
		b, err = e.sized(8, 8, 2048)
		if err == nil {
			b[1] = uint8(len(b)/8 - 1)
			b[2] = 253 // for experiments (RFC 4727)
		}
	case Fragment:
		b, err = e.sized(8, 8, 8)
		if err == nil {
			if e.Offset > 0x1fff {
				return nil, fmt.Errorf("IPv6 fragment offset %d: it has 13 bits", e.Offset)
			}
			binary.BigEndian.PutUint16(b[2:], e.Offset<<3|bit(e.More, 0))
			binary.BigEndian.PutUint32(b[4:], e.ID)
		}
	case AH: // RFC 4302
		b, err = e.sized(16, 4, 1028)
		if err == nil {
			b[1] = uint8(len(b)/4 - 2)
			copy(b[4:], []byte{0, 0, 1, 0}) // SPI; a number below 256 is reserved
		}
	default:
		err = fmt.Errorf("extension header of kind %d: not one of 0, 43, 44, 51, 60", e.Kind)
	}
	if err != nil {
		return nil, err
	}
	b[0] = or(e.Next, next)
	b[1] = or(e.Length, b[1])
	return b, nil
}

// sized is zeros of the header's size.
func (e Extension) sized(usual, unit, most int) ([]byte, error) {
	size := e.Size
	if size == 0 {
		size = usual
	}
	if size < 8 || size%unit != 0 || size > most {
		return nil, fmt.Errorf("extension header %d of %d bytes: 8 to %d in units of %d", e.Kind, e.Size, most, unit)
	}
	return make([]byte, size), nil
}

// fillOptions fills b with options that a receiver skips: an experimental one
// (RFC 4727), because Linux drops more than seven bytes of padding in a row
// (net/ipv6/exthdrs.c, ip6_parse_tlv).
func fillOptions(b []byte) {
	const pad1, skipped = 0, 0x1e
	for len(b) > 1 {
		n := min(len(b), 2+255)
		b[0], b[1] = skipped, uint8(n-2)
		b = b[n:]
	}
	if len(b) == 1 {
		b[0] = pad1
	}
}
