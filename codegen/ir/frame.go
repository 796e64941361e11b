package ir

import (
	"encoding/binary"

	"xdpfw/rules"
)

// A Frame is a Reader of raw bytes: a second reading of the header model of
// the language, made for tests that hold it against the reference evaluator.
type Frame struct {
	bytes     []byte
	network   uint64
	invalid   bool
	fragment  uint64
	protocol  int // -1: none
	net       int // offset of the network header
	transport int // offset of the transport header; -1: absent
	end       int // where the IP packet ends
}

// NewFrame reads the headers of a frame that lies whole in one buffer.
func NewFrame(b []byte) *Frame {
	f := &Frame{bytes: b, protocol: -1, transport: -1}
	if len(b) < 14 {
		f.invalid = true
		return f
	}
	at := 12
	for tags := 0; isTag(b, at); tags++ {
		if tags == 2 || at+6 > len(b) {
			f.invalid = true
			return f
		}
		at += 4
	}
	f.net = at + 2
	switch binary.BigEndian.Uint16(b[at:]) {
	case 0x0806:
		if p := b[f.net:]; len(p) >= 28 && binary.BigEndian.Uint64(p)>>16 == 0x0001_0800_0604 {
			f.network = ARPNetwork
		}
	case 0x0800:
		f.readIP4()
	case 0x86dd:
		f.readIP6()
	}
	return f
}

func isTag(b []byte, at int) bool {
	t := binary.BigEndian.Uint16(b[at:])
	return t == 0x8100 || t == 0x88a8 || t == 0x9100
}

func (f *Frame) readIP4() {
	p := f.bytes[f.net:]
	f.invalid = true
	if len(p) < 20 || p[0]>>4 != 4 {
		return
	}
	header, total := int(p[0]&15)*4, int(p[2])<<8|int(p[3])
	if header < 20 || total < header || total > len(p) {
		return
	}
	f.invalid = false
	f.network, f.protocol, f.end = IP4Network, int(p[9]), f.net+total
	switch word := int(p[6])<<8 | int(p[7]); {
	case word&0x1fff != 0:
		f.fragment = LaterFragment
		return
	case word&0x2000 != 0:
		f.fragment = FirstFragment
	}
	f.setTransport(f.net+header, 1)
}

func (f *Frame) readIP6() {
	p := f.bytes[f.net:]
	if len(p) < 40 || p[0]>>4 != 6 {
		f.invalid = true
		return
	}
	f.network = IP6Network
	f.end = f.net + 40 + int(binary.BigEndian.Uint16(p[4:]))
	if f.end == f.net+40 && p[6] == 0 {
		f.end = len(f.bytes)
	}
	if f.end > len(f.bytes) || !f.walk(int(p[6]), f.net+40) {
		f.invalid = true
	}
}

// walk the extension headers from the one of type next at offset at; false if
// they cannot be walked.
func (f *Frame) walk(next, at int) bool {
	for n := 0; ; n++ {
		unit, base := 8, 1
		switch next {
		case 0, 43, 60:
		case 44:
			unit = 0
		case 51:
			unit, base = 4, 2
		default:
			f.protocol = next
			f.setTransport(at, 58)
			return true
		}
		if n == 8 || at+8 > f.end {
			return false
		}
		h := f.bytes[at:]
		size := 8
		if unit != 0 {
			size = (int(h[1]) + base) * unit
		}
		if at+size > f.end {
			return false
		}
		if next == 44 {
			switch word := int(h[2])<<8 | int(h[3]); {
			case word>>3 != 0:
				f.fragment, f.protocol = LaterFragment, int(h[0])
				return true
			case word&1 != 0:
				f.fragment = FirstFragment
			}
		}
		next, at = int(h[0]), at+size
	}
}

// setTransport notes the transport header and whether it is malformed; icmp is
// the protocol number that means ICMP in this family.
func (f *Frame) setTransport(at, icmp int) {
	f.transport = at
	p := f.bytes[at:f.end]
	switch f.protocol {
	case 6:
		f.invalid = len(p) < 20 || p[12]>>4 < 5
	case 17:
		f.invalid = len(p) < 8 || p[4] == 0 && p[5] < 8
	case 132:
		f.invalid = len(p) < 12
	case icmp:
		f.invalid = len(p) < 8
	}
}

// Read an atom of the frame.
func (f *Frame) Read(a Atom) (rules.Value, bool) {
	switch a {
	case Network:
		return rules.Value{Lo: f.network}, true
	case Fragment:
		return rules.Value{Lo: f.fragment}, true
	case Invalid:
		if f.invalid {
			return rules.Value{Lo: 1}, true
		}
		return rules.Value{}, true
	case Protocol:
		return rules.Value{Lo: uint64(max(f.protocol, 0))}, f.protocol >= 0
	}
	start, end := f.net, len(f.bytes)
	switch a.Layer {
	case Transport:
		if f.transport < 0 {
			return rules.Value{}, false
		}
		start, end = f.transport, f.end
	case IP4Header, IP6Header:
		if f.network != map[Layer]uint64{IP4Header: IP4Network, IP6Header: IP6Network}[a.Layer] {
			return rules.Value{}, false
		}
	}
	start += int(a.Offset)
	if start+int(a.Size) > end {
		return rules.Value{}, false
	}
	return a.value(f.bytes[start:]), true
}
