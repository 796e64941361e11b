package frames

import (
	"errors"
	"fmt"
)

// Split cuts the packet of a frame into fragments of at most size bytes of
// transport each, a multiple of eight; the first of a Split(8) is a tiny first
// fragment. The packet needs an ID of its own for a receiver to put it
// together again: IPv4.ID, or id for IPv6.
func (f Frame) Split(size int, id uint32) ([]Frame, error) {
	if size < 8 || size%8 != 0 {
		return nil, fmt.Errorf("fragments of %d bytes: at least 8, in units of 8", size)
	}
	switch p := f.Network.(type) {
	case IPv4:
		return f.splitIPv4(p, size)
	case IPv6:
		return f.splitIPv6(p, size, id)
	}
	return nil, errors.New("only IPv4 and IPv6 packets can be split")
}

func (f Frame) splitIPv4(p IPv4, size int) ([]Frame, error) {
	from, to, err := addresses(p.From, p.To, DefaultIP4From, DefaultIP4To)
	if err != nil {
		return nil, err
	}
	payload, protocol, err := transportBytes(p.Transport, from, to)
	if err != nil {
		return nil, err
	}
	var all []Frame
	for off := 0; off < len(payload); off += size {
		end := min(off+size, len(payload))
		p.Offset, p.More = uint16(off/8), end < len(payload)
		p.Transport = Other{Protocol: protocol, Payload: payload[off:end]}
		f.Network = p
		all = append(all, f)
	}
	return all, nil
}

// splitIPv6 leaves the extension headers of the packet in front of the
// fragment header (RFC 8200, 4.5).
func (f Frame) splitIPv6(p IPv6, size int, id uint32) ([]Frame, error) {
	from, to, err := addresses(p.From, p.To, DefaultIP6From, DefaultIP6To)
	if err != nil {
		return nil, err
	}
	payload, protocol, err := transportBytes(p.Transport, from, to)
	if err != nil {
		return nil, err
	}
	var all []Frame
	before := p.Extensions
	for off := 0; off < len(payload); off += size {
		end := min(off+size, len(payload))
		fragment := Extension{Kind: Fragment, Offset: uint16(off / 8), More: end < len(payload), ID: id}
		p.Extensions = append(append([]Extension(nil), before...), fragment)
		p.Transport = Other{Protocol: protocol, Payload: payload[off:end]}
		f.Network = p
		all = append(all, f)
	}
	return all, nil
}
