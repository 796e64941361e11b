package ir

import (
	"encoding/binary"

	"xdpfw/rules"
)

// A FrameReader is a Reader of raw bytes: a second reading of the header model of
// the language, made for tests that hold it against the reference evaluator.
type FrameReader struct {
	bytes      []byte
	network    uint64
	received   uint64
	invalid    bool
	fragment   uint64
	protocol   int      // -1: none
	tags       []uint16 // the control information of whole VLAN tags
	net        int      // offset of what is behind tags and type; -1: absent
	transport  int      // offset of the transport header; -1: absent
	payload    int      // offset of what is behind it; -1: absent
	extensions uint64   // seen
	passedAH   bool
	end        int // where the IP packet ends
}

// NewFrame reads the headers of a frame that lies whole in one buffer;
// received is its interface, as Interface has it.
func NewFrame(b []byte, received uint64) *FrameReader {
	f := &FrameReader{bytes: b, received: received, protocol: -1, net: -1, transport: -1, payload: -1}
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
		f.tags = append(f.tags, binary.BigEndian.Uint16(b[at+2:]))
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

func (f *FrameReader) readIP4() {
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

func (f *FrameReader) readIP6() {
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
func (f *FrameReader) walk(next, at int) bool {
	for n := 0; ; n++ {
		unit, base, bit := 8, 1, uint64(1)
		switch next {
		case 0:
		case 43:
			bit = 2
		case 60:
			bit = 8
		case 44:
			unit, bit = 0, 4
		case 51:
			unit, base, bit = 4, 2, 16
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
		f.extensions |= bit
		f.passedAH = f.passedAH || next == 51
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
func (f *FrameReader) setTransport(at, icmp int) {
	f.transport = at
	p := f.bytes[at:f.end]
	size := 0
	switch f.protocol {
	case 6:
		if len(p) > 12 && p[12]>>4 >= 5 {
			size = int(p[12]>>4) * 4
		}
		f.invalid = len(p) < 20 || size == 0
	case 17:
		size = 8
		f.invalid = len(p) < 8 || p[4] == 0 && p[5] < 8
	case 132:
		size = 12
		f.invalid = len(p) < 12
	case icmp:
		size = 8
		f.invalid = len(p) < 8
	}
	if size > 0 {
		f.payload = at + size
	}
}

// Read an atom of the frame.
func (f *FrameReader) Read(a Atom) (rules.Value, bool) {
	if a.Layer == Meta {
		n, ok := f.derived(a)
		return rules.Value{Lo: n}, ok
	}
	start, end := f.start(a.Layer), len(f.bytes)
	if a.Layer == Transport || a.Layer == Payload {
		end = f.end
	}
	if start < 0 {
		return rules.Value{}, false
	}
	start += int(a.Offset)
	if start+int(a.Size) > end {
		return rules.Value{}, false
	}
	return a.value(f.bytes[start:]), true
}

// start is the offset of a layer; -1 if the frame has none.
func (f *FrameReader) start(l Layer) int {
	switch l {
	case Frame:
		if len(f.bytes) < 14 {
			return -1
		}
		return 0
	case Transport:
		return f.transport
	case Payload:
		return f.payload
	}
	if f.network != map[Layer]uint64{NetHeader: NoNetwork, ARPHeader: ARPNetwork, IP4Header: IP4Network, IP6Header: IP6Network}[l] {
		return -1
	}
	return f.net
}

func (f *FrameReader) derived(a Atom) (uint64, bool) {
	bit := func(is bool) uint64 {
		if is {
			return 1
		}
		return 0
	}
	switch a {
	case Network:
		return f.network, true
	case Fragment:
		return f.fragment, true
	case Invalid:
		return bit(f.invalid), true
	case Tagged:
		return bit(len(f.tags) > 0), true
	case FrameLength:
		return uint64(len(f.bytes)), true
	case Interface:
		return f.received, true
	case Protocol:
		return uint64(max(f.protocol, 0)), f.protocol >= 0
	case ProtocolAH:
		return uint64(max(f.protocol, 0)) | bit(f.passedAH)<<8, f.protocol >= 0
	}
	switch a.Offset { // of those that masks may read in part
	case Protocol.Offset: // of IPv4 alone
		return a.value([]byte{byte(max(f.protocol, 0))}).Lo, f.protocol >= 0
	case EtherType.Offset:
		if f.net < 0 {
			return 0, false
		}
		return a.value(f.bytes[f.net-2:]).Lo, true
	case VLANID.Offset, VLAN2ID.Offset:
		n := int(a.Offset - VLANID.Offset)
		if n >= len(f.tags) {
			return 0, false
		}
		return a.value(binary.BigEndian.AppendUint16(nil, f.tags[n])).Lo, true
	case Extensions.Offset:
		return a.value([]byte{byte(f.extensions)}).Lo, f.network == IP6Network && f.protocol >= 0
	case FrameLength.Offset:
		return a.value(binary.BigEndian.AppendUint32(nil, uint32(len(f.bytes)))).Lo, true
	}
	panic("ir: no reading of " + a.String())
}
