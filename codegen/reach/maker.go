package reach

import (
	"encoding/binary"
	"math/rand/v2"

	"xdpfw/codegen/ir"
	"xdpfw/rules"
)

// A maker makes a frame of a point: of each field it takes a value that lies
// there, puts it where the field is, and has the header around it agree as far
// as the point leaves it free. Whether the frame is one of the point is for
// others to find out.
type maker struct {
	b      *builder
	region []set
	point  []uint32
	random *rand.Rand
	plain  bool // the first value of each coordinate
	bare   bool // headers only

	spaces map[space][]byte // the bytes of fields, by space
	known  map[space][]byte // 0xff where a field says what they are
}

const spaceBytes = 256 + 16

// lay the values of all fields into their spaces.
func (m *maker) lay() {
	m.spaces, m.known = map[space][]byte{}, map[space][]byte{}
	for n, f := range m.b.fields {
		dim := m.b.dimOf[n]
		s := m.region[dim]
		asked := s.list != nil || s.lo != 0 || s.hi != m.b.room.size(dim)-1
		if f.space < readables && (!asked || m.bare && f != protocol4) {
			continue
		}
		lo, hi := m.b.room.bounds(dim, m.point[dim], m.b.most[dim])
		v := lo
		if usual, is := usualValues[f]; is && usual.Compare(lo) >= 0 && usual.Compare(hi) <= 0 {
			v = usual
		}
		if !m.plain && m.random.IntN(2) == 0 {
			v = m.between(lo, hi)
		}
		if o := m.b.shared[dim]; o != nil {
			v = rules.Value{Lo: o.table(int32(n))[lo.Lo]}
		}
		m.put(f, v)
	}
}

// bounds are the values of a coordinate.
func (r *room) bounds(dim int32, at uint32, most rules.Value) (lo, hi rules.Value) {
	cuts := r.dims[dim].cuts
	lo, hi = cuts[at], most
	if int(at)+1 < len(cuts) {
		hi = cuts[at+1]
		if hi.Lo == 0 {
			hi.Hi--
		}
		hi.Lo--
	}
	return lo, hi
}

// between is some value, of 128 bits the highest or lowest.
func (m *maker) between(lo, hi rules.Value) rules.Value {
	if lo.Hi != hi.Hi || hi.Lo-lo.Lo == ^uint64(0) {
		return hi
	}
	return rules.Value{Hi: lo.Hi, Lo: lo.Lo + m.random.Uint64N(hi.Lo-lo.Lo+1)}
}

// put the value of a field, shifted down as it is, into its space.
func (m *maker) put(f field, v rules.Value) {
	if m.spaces[f.space] == nil {
		m.spaces[f.space], m.known[f.space] = make([]byte, spaceBytes), make([]byte, spaceBytes)
	}
	bytes, known := m.spaces[f.space][f.offset:], m.known[f.space][f.offset:]
	shift := f.shift()
	for i := range int(f.size) {
		behind := 8 * (int(f.size) - 1 - i)
		mask := byte(ir.ShiftRight(f.mask, behind).Lo)
		bits := byte(shiftBy(v, shift-behind).Lo)
		bytes[i] = bytes[i]&^mask | bits&mask
		known[i] |= mask
	}
}

// shiftBy shifts to the left by n bits, or to the right by -n.
func shiftBy(v rules.Value, n int) rules.Value {
	switch {
	case n <= 0:
		return ir.ShiftRight(v, -n)
	case n >= 64:
		return rules.Value{Hi: v.Lo << (n - 64)}
	}
	return rules.Value{Hi: v.Hi<<n | v.Lo>>(64-n), Lo: v.Lo << n}
}

// whole is the value of all bytes of a derived atom, or another if no field
// says something of it.
func (m *maker) whole(a ir.Atom, otherwise uint64) uint64 {
	return m.number(derivation+space(a.Offset), a.Size, otherwise)
}

func (m *maker) number(s space, size uint8, otherwise uint64) (v uint64) {
	if m.spaces[s] == nil {
		return otherwise
	}
	for _, b := range m.spaces[s][:size] {
		v = v<<8 | uint64(b)
	}
	return v
}

// limits of a number of bytes, by the coordinate that its field has.
func (m *maker) limits(f field) (lo, hi int) {
	for n, have := range m.b.fields {
		if have == f && m.b.shared[m.b.dimOf[n]] == nil {
			dim := m.b.dimOf[n]
			from, to := m.b.room.bounds(dim, m.point[dim], m.b.most[dim])
			return int(min(from.Lo, maxReadable)), int(min(to.Lo, maxReadable))
		}
	}
	return 0, maxReadable
}

// copyKnown puts the bits that fields say something of over those of a header.
func (m *maker) copyKnown(to []byte, l ir.Layer) {
	bytes, known := m.spaces[layers+space(l)], m.known[layers+space(l)]
	for i := range min(len(to), len(bytes)) {
		to[i] = to[i]&^known[i] | bytes[i]&known[i]
	}
}

// reach is up to where fields say something of a layer.
func (m *maker) reach(l ir.Layer) int {
	known := m.known[layers+space(l)]
	for n := len(known); n > 0; n-- {
		if known[n-1] != 0 {
			return n
		}
	}
	return 0
}

// packet of the point.
func (m *maker) packet() rules.Packet {
	m.lay()
	tags := int(m.number(tagCount.space, 1, 0))
	link := make([]byte, 14+4*tags)
	copy(link, []byte{2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1})
	for n, a := range []ir.Atom{ir.VLANID, ir.VLAN2ID}[:min(tags, 2)] {
		binary.BigEndian.PutUint16(link[12+4*n:], 0x8100)
		binary.BigEndian.PutUint16(link[14+4*n:], uint16(m.whole(a, 1)))
	}
	var behind []byte
	etherType := uint64(0)
	switch m.b.kind.network {
	case ir.IP4Network:
		etherType, behind = typeIP4, m.ip4(len(link))
	case ir.IP6Network:
		etherType, behind = typeIP6, m.ip6(len(link))
	case ir.ARPNetwork:
		etherType, behind = typeARP, m.arp()
	default:
		etherType, behind = m.whole(ir.EtherType, 0x88b5), m.other()
	}
	binary.BigEndian.PutUint16(link[12+4*tags:], uint16(etherType))
	frame := append(link, behind...)
	lo, hi := m.frameLimits(len(link))
	for len(frame) < lo && len(frame) < 1<<14 {
		frame = append(frame, 0)
	}
	if m.b.kind.network == ir.NoNetwork && len(frame) > hi {
		frame = frame[:hi]
	}
	if m.number(hasType.space, 1, 1) == 0 && m.b.kind.network == ir.NoNetwork {
		frame = frame[:min(len(frame), len(link)-1)]
	}
	m.copyKnown(frame, ir.Frame)
	return rules.NewPacket(frame)
}

// frameLimits are how long the frame may be.
func (m *maker) frameLimits(link int) (lo, hi int) {
	lo, hi = 0, maxReadable
	narrow := func(f field, behind int) {
		from, to := m.limits(f)
		lo = max(lo, from+behind)
		if to < maxReadable {
			hi = min(hi, to+behind)
		}
	}
	narrow(length, 0)
	narrow(inFrame, 0)
	if m.b.kind.network != ir.NoNetwork {
		narrow(bytesOf(map[uint64]ir.Layer{ir.ARPNetwork: ir.ARPHeader, ir.IP4Network: ir.IP4Header, ir.IP6Network: ir.IP6Header}[m.b.kind.network]), link)
	} else {
		narrow(bytesOf(ir.NetHeader), link)
	}
	// As many bytes as the usual coordinate says are not needed.
	if lo > 1<<14 {
		lo = 0
	}
	return lo, hi
}

// other is what stands behind an EtherType of no network that is known, or a
// network header that is malformed.
func (m *maker) other() []byte {
	b := make([]byte, max(46, m.reach(ir.NetHeader)))
	m.copyKnown(b, ir.NetHeader)
	return b
}

func (m *maker) arp() []byte {
	b := make([]byte, max(28, m.reach(ir.ARPHeader)))
	copy(b, []byte{0, 1, 8, 0, 6, 4, 0, 1})
	m.copyKnown(b, ir.ARPHeader)
	return b
}

// usualBytes are behind IP headers where nothing else is asked for.
const usualBytes = 40

// ip4 is an IPv4 packet behind so many bytes.
func (m *maker) ip4(link int) []byte {
	h := make([]byte, 60)
	copy(h, []byte{0x45, 0, 0, 0, 0, 1, 0, 0, 64, m.usualProtocol(), 0, 0, 198, 51, 100, 7, 203, 0, 113, 1})
	state := m.whole(ir.Fragment, ir.NotFragment)
	switch state {
	case ir.FirstFragment:
		h[6] = 0x20
	case ir.LaterFragment:
		h[7] = 8
	}
	m.copyKnown(h, ir.IP4Header)
	h = h[:4*max(5, int(h[0]&15))]
	payload := m.transport(h[9], state, func(n int) int { return m.fit(link, len(h), n, length4, 0) })
	binary.BigEndian.PutUint16(h[2:], uint16(len(h)+len(payload)))
	return m.grow(append(h, payload...), ir.IP4Header)
}

// grow by what fields read behind the packet, up to the frame's end.
func (m *maker) grow(packet []byte, l ir.Layer) []byte {
	lo, _ := m.limits(bytesOf(l))
	for len(packet) < lo && lo < 1<<14 {
		packet = append(packet, 0)
	}
	return packet
}

// usualProtocol is one without rules for its header, or one with them if the
// packet is to break them.
func (m *maker) usualProtocol() byte {
	if m.whole(ir.Invalid, 0) == 1 {
		return udp
	}
	return 253
}

// fit makes n bytes behind headers fewer or more, so that the lengths of packet
// and frame are as the point has them.
func (m *maker) fit(link, headers, n int, total field, uncounted int) int {
	lo, hi := m.limits(total)
	n = min(max(n, lo-headers+uncounted), hi-headers+uncounted)
	_, most := m.frameLimits(link)
	return max(0, min(n, most-link-headers))
}

// ip6 is an IPv6 packet behind so many bytes.
func (m *maker) ip6(link int) []byte {
	h := make([]byte, 40)
	h[0], h[7] = 6<<4, 64
	copy(h[8:], []byte{0x20, 0x01, 0x0d, 0xb8, 15: 7})
	copy(h[24:], []byte{0x20, 0x01, 0x0d, 0xb8, 15: 1})
	protocol := m.usualProtocol()
	if both := m.spaces[derivation+space(ir.ProtocolAH.Offset)]; both != nil && m.known[derivation+space(ir.ProtocolAH.Offset)][1] != 0 {
		protocol = both[1]
	}
	state := m.whole(ir.Fragment, ir.NotFragment)
	chain := m.extensions(state)
	if m.number(hasWalked.space, 1, 1) == 0 {
		h[6] = 60
		m.copyKnown(h, ir.IP6Header)
		binary.BigEndian.PutUint16(h[4:], 4)
		return append(h, 60, 0, 0, 0)
	}
	if first := m.spaces[layers+space(ir.IP6Header)]; first != nil && m.known[layers+space(ir.IP6Header)][6] != 0 {
		for i, e := range chain { // the header that ip6.next has to name comes first
			if e == first[6] {
				chain[0], chain[i] = chain[i], chain[0]
			}
		}
	}
	headers := []byte{}
	next := &h[6]
	for _, kind := range chain {
		*next = kind
		at := len(headers)
		headers = append(headers, make([]byte, 8)...)
		if kind == 44 {
			headers[at+3] = byte(map[uint64]int{ir.FirstFragment: 1, ir.LaterFragment: 8}[state])
		}
		next = &headers[at]
	}
	*next = protocol
	m.copyKnown(h, ir.IP6Header)
	payload := m.transport(protocol, state, func(n int) int {
		return m.fit(link, len(h)+len(headers), n, length6, 40)
	})
	binary.BigEndian.PutUint16(h[4:], uint16(len(headers)+len(payload)))
	return m.grow(append(append(h, headers...), payload...), ir.IP6Header)
}

// extensions are the types of the headers that the packet has, in an order that
// RFC 8200, 4.1, recommends.
func (m *maker) extensions(state uint64) (chain []byte) {
	bits := m.whole(ir.Extensions, 0)
	if both := m.spaces[derivation+space(ir.ProtocolAH.Offset)]; both != nil && both[0]&1 != 0 {
		bits |= extensionAH
	}
	if state != ir.NotFragment {
		bits |= extensionFragment
	}
	for _, e := range [...]struct {
		bit  uint64
		kind byte
	}{{1, 0}, {8, 60}, {2, 43}, {extensionAH, 51}, {extensionFragment, 44}} {
		if bits&e.bit != 0 {
			chain = append(chain, e.kind)
		}
	}
	return chain
}

// Bits of ir.Extensions.
const (
	extensionFragment = 4
	extensionAH       = 16
)

// headerSizes are the fixed headers behind IP.
var headerSizes = map[byte]int{icmp: 8, icmp6: 8, tcp: 20, udp: 8, sctp: 12}

// transport is what stands behind the IP headers; fit says how much fits.
func (m *maker) transport(protocol byte, state uint64, fit func(int) int) []byte {
	size := headerSizes[protocol]
	if size > 0 && (protocol == icmp) != (m.b.kind.network == ir.IP4Network) && protocol != tcp && protocol != udp && protocol != sctp {
		size = 0
	}
	lo, hi := m.limits(inIP)
	n := max(usualBytes, m.reach(ir.Transport), size+m.reach(ir.Payload))
	if from, to := m.limits(inLast); size > 0 && to < maxReadable {
		n = size + max(from, to)
	}
	if hi < maxReadable {
		n = min(n, hi)
	}
	if lo < 1<<14 {
		n = max(n, lo)
	}
	if words := m.spaces[layers+space(ir.Transport)]; protocol == tcp && words != nil {
		n = max(n, 4*int(words[12]>>4))
	}
	if state == ir.LaterFragment {
		n = usualBytes
	}
	n = fit(n)
	b := make([]byte, n+size+spaceBytes)
	copy(b, []byte{40000 >> 8, 40000 & 0xff, 8080 >> 8, 8080 & 0xff})
	if size == 8 && protocol != udp { // ICMP: an echo request
		b[0], b[1] = map[byte]byte{icmp: 8, icmp6: 128}[protocol], 0
	}
	switch protocol {
	case tcp:
		b[12] = 5 << 4
	case udp:
		binary.BigEndian.PutUint16(b[4:], uint16(n))
	}
	if m.whole(ir.Invalid, 0) == 1 {
		b[12], b[4], b[5] = 0, 0, 0
	}
	m.copyKnown(b, ir.Transport)
	if protocol == tcp {
		size = 4 * int(b[12]>>4)
	}
	m.copyKnown(b[size:], ir.Payload)
	return b[:n]
}
