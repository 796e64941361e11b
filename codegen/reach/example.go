package reach

import (
	"math/rand/v2"
	"slices"

	"xdpfw/codegen/ir"
	"xdpfw/rules"
)

// manyExamples are more packets than are made of a region before it is given up.
const manyExamples = 64

// example is a packet of a region of points that a judge accepts; false if none
// of those that were made is one: then it is the first of them.
func (c *comparison) example(region []set, accepts func(rules.Packet) bool) (first rules.Packet, ok bool) {
	random := rand.New(rand.NewPCG(1, uint64(len(c.result.Changes))))
	for n := range manyExamples {
		var last *ir.FrameReader
		// A frame with the headers only, and then with fields where that one has
		// other values than the region: a header that has moved has other bytes.
		for round := range 3 {
			m := maker{b: c.builder, region: region, random: random, plain: n == 0, bare: round == 0, point: make([]uint32, len(region))}
			for dim, s := range region {
				m.point[dim] = m.coordinate(int32(dim), s, last)
			}
			packet := m.packet()
			if i := m.whole(ir.Interface, uint64(c.all)); i < uint64(c.all) {
				packet.Interface = c.interfaceName(int(i))
			}
			if accepts(packet) {
				return packet, true
			}
			if n == 0 {
				first = packet
			}
			last = ir.NewFrame(packet.Head, 0)
		}
	}
	return first, false
}

// coordinate of a dimension: that of the frame that was made last, if the set
// has it, else a likely one, else by chance.
func (m *maker) coordinate(dim int32, s set, last *ir.FrameReader) uint32 {
	if at, is := m.b.coordinateIn(last, dim); is && s.has(at) && (m.plain || m.random.IntN(8) > 0) {
		return at
	}
	if m.plain || m.random.IntN(4) > 0 {
		return m.b.likely(dim, s)
	}
	var room [1]span
	spans := s.spans(&room)
	sp := spans[m.random.IntN(len(spans))]
	return sp.lo + m.random.Uint32N(sp.hi-sp.lo+1)
}

// coordinateIn is that of a frame, of dimensions that are about bytes of it.
func (b *builder) coordinateIn(frame *ir.FrameReader, dim int32) (at uint32, is bool) {
	if frame == nil {
		return 0, false
	}
	for n, f := range b.fields {
		if b.dimOf[n] != dim || f.space >= readables {
			continue
		}
		if o := b.shared[dim]; o != nil {
			number, is := o.read(frame, f.space)
			return b.room.coordinate(dim, rules.Value{Lo: number}), is
		}
		v, is := readField(frame, f)
		return b.room.coordinate(dim, v), is
	}
	return 0, false
}

func readField(frame *ir.FrameReader, f field) (rules.Value, bool) {
	v, is := frame.Read(ir.Atom{Layer: ir.Layer(f.space - layers), Offset: f.offset, Size: f.size, Mask: f.mask})
	if f.size == 16 {
		v = ir.ShiftRight(v, f.shift())
	}
	return v, is
}

// read the number of an overlap in a frame.
func (o *overlap) read(frame *ir.FrameReader, s space) (number uint64, is bool) {
	for _, p := range o.places {
		bit := rules.Value{Lo: 0x80 >> (p % 8)}
		v, is := frame.Read(ir.Atom{Layer: ir.Layer(s - layers), Offset: uint16(p / 8), Size: 1, Mask: bit})
		if !is {
			return 0, false
		}
		number = number<<1 | v.Lo
	}
	return number, true
}

// likely is the coordinate of a set that packets are most easily made with.
func (b *builder) likely(dim int32, s set) uint32 {
	d := &b.room.dims[dim]
	if d.tends && s.has(d.usual) {
		return d.usual
	}
	for n, f := range b.fields {
		if b.dimOf[n] != dim {
			continue
		}
		if v, is := usualValues[f]; is && b.shared[dim] == nil {
			if at := b.room.coordinate(dim, v); s.has(at) {
				return at
			}
		}
		if none := b.room.size(dim) - 1; f == derived(ir.Interface) && s.has(none) {
			return none // an interface that no rule names
		}
		if f != length && f != length4 && f != length6 {
			continue
		}
		for at := s.hi; at > s.lo; at-- { // as long as may be: then all headers fit
			if s.has(at) && d.cuts[at].Lo <= longExample {
				return at
			}
		}
	}
	return s.lo
}

const longExample = 9000 // bytes

// usualValues are what examples have where rules leave it free: addresses for
// documentation (RFC 5737, RFC 3849), a port of a client.
var usualValues = map[field]rules.Value{
	at(ir.IP4Header, 12, 4, 0xffffffff): {Lo: 198<<24 | 51<<16 | 100<<8 | 7},
	at(ir.IP4Header, 16, 4, 0xffffffff): {Lo: 203<<24 | 113<<8 | 1},
	ofAtom(ir.IP6Source):                {Hi: 0x20010db8 << 32, Lo: 7},
	ofAtom(ir.IP6Destination):           {Hi: 0x20010db8 << 32, Lo: 1},
	ofAtom(ir.SourcePort):               {Lo: 40000},
	ofAtom(ir.DestinationPort):          {Lo: 8080},
	protocol4:                           {Lo: udp},
	protocol6:                           {Lo: udp},
	at(ir.IP4Header, 8, 1, 0xff):        {Lo: 64},
	at(ir.IP6Header, 7, 1, 0xff):        {Lo: 64},
	at(ir.Transport, 4, 2, 0xffff):      {Lo: usualBytes}, // of UDP its length
	at(ir.Transport, 12, 1, 0xf0):       {Lo: 5},          // of TCP its words
}

func ofAtom(a ir.Atom) field { return newField(layers+space(a.Layer), a.Offset, a.Size, a.Mask) }

// interfaceName of an index of the joint decision.
func (c *comparison) interfaceName(i int) string {
	if i < len(c.old.Interfaces) {
		return c.old.Interfaces[i]
	}
	for _, name := range c.new.Interfaces {
		if slices.Contains(c.old.Interfaces, name) {
			continue
		}
		if i == len(c.old.Interfaces) {
			return name
		}
		i--
	}
	return ""
}
