package workload

import (
	"math/bits"

	"xdpfw/rules"
)

// A header is the values of a packet's fields, by place.
type header struct {
	values [rules.ICMP6Code + 1]rules.Value
	wanted [rules.ICMP6Code + 1]bool // by a clause; the others have a value of their own accord
}

// An edge says where in what clauses accept the values of a packet lie.
type edge uint8

const (
	inside    edge = iota
	atOneEdge      // one field, seldom two, at an end or just beyond
	atPinned       // the field of m.pinned has its value
)

// A pin is the value that the field of a plan's want has.
type pin struct {
	want  int
	value rules.Value
}

// fill m.values as a plan wants.
func (m *maker) fill(p *plan, e edge) {
	h := &m.values
	clear(h.wanted[:])
	beyond, second := -1, -1
	if e == atOneEdge && len(p.wants) > 0 {
		beyond = m.IntN(len(p.wants))
		if m.oneIn(8) {
			second = m.IntN(len(p.wants))
		}
	}
	for i := range p.wants {
		w := &p.wants[i]
		h.wanted[w.place] = true
		switch {
		case e == atPinned && i == m.pinned.want:
			h.values[w.place] = m.pinned.value
		case i == beyond || i == second:
			h.values[w.place] = m.edgeOf(w, p.network)
		default:
			h.values[w.place] = m.draw(w, p.network)
		}
	}
}

// draw a value that all sets of a want accept, as far as a few tries find one.
func (m *maker) draw(w *want, n network) (v rules.Value) {
	if w.place == rules.Protocol {
		if v, ok := m.usualProtocol(w, n); ok {
			return v
		}
	}
	from := w.narrowest()
	const tries = 16
	for range tries {
		if from == nil {
			v = m.any(w.place, n)
		} else {
			v = m.member(from, w.place, n)
		}
		if len(w.sets) == 1 && from != nil || w.accepts(v) {
			break
		}
	}
	return v
}

// narrowest is the set that is not negated and has the fewest ranges and
// masks; nil if all are negated.
func (w *want) narrowest() (best *values) {
	for i := range w.sets {
		s := &w.sets[i]
		if !s.not && len(s.ranges)+len(s.masks) > 0 && (best == nil || len(s.ranges)+len(s.masks) < len(best.ranges)+len(best.masks)) {
			best = s
		}
	}
	return best
}

// member of one of the ranges or masks: an end of it or anything inside.
func (m *maker) member(s *values, place rules.Subject, n network) rules.Value {
	i := m.IntN(len(s.ranges) + len(s.masks))
	if i >= len(s.ranges) {
		return agree(s.masks[i-len(s.ranges)], m.any(place, n))
	}
	r := &s.ranges[i]
	switch m.IntN(4) {
	case 0:
		return r.Lo
	case 1:
		return r.Hi
	}
	return m.between(r)
}

// between is any value of a range.
func (m *maker) between(r *rules.Range) rules.Value {
	span := sub(r.Hi, r.Lo)
	if span == (rules.Value{}) {
		return r.Lo
	}
	for {
		v := rules.Value{Lo: m.Uint64()}
		if span.Hi == 0 {
			v.Lo >>= bits.LeadingZeros64(span.Lo)
		} else {
			v.Hi = m.Uint64() >> bits.LeadingZeros64(span.Hi)
		}
		if v.Compare(span) <= 0 {
			return add(r.Lo, v)
		}
	}
}

// edgeOf a want is the value in front of one of its ranges, the first, the last
// or the one behind; or what agrees with a mask but for one bit.
func (m *maker) edgeOf(w *want, n network) rules.Value {
	s := w.sets[m.IntN(len(w.sets))]
	if len(s.ranges)+len(s.masks) == 0 {
		return m.any(w.place, n)
	}
	i := m.IntN(len(s.ranges) + len(s.masks))
	if i >= len(s.ranges) {
		mask := s.masks[i-len(s.ranges)]
		v := agree(mask, m.any(w.place, n))
		if one := m.IntN(128); one < 64 {
			v.Lo ^= mask.Mask.Lo & (1 << one)
		} else {
			v.Hi ^= mask.Mask.Hi & (1 << (one - 64))
		}
		return v
	}
	return edgesOf(s.ranges[i], w.place, n)[m.IntN(4)]
}

// edgesOf a range: the value in front of it, the first, the last, the one behind.
func edgesOf(r rules.Range, place rules.Subject, n network) [4]rules.Value {
	one := rules.Value{Lo: 1}
	edges := [...]rules.Value{sub(r.Lo, one), r.Lo, r.Hi, add(r.Hi, one)}
	for i := range edges {
		edges[i] = fit(edges[i], place, n)
	}
	return edges
}

// agree makes v agree with a mask.
func agree(m rules.Masked, v rules.Value) rules.Value {
	return rules.Value{Hi: v.Hi&^m.Mask.Hi | m.Value.Hi, Lo: v.Lo&^m.Mask.Lo | m.Value.Lo}
}

// sub and add are modulo 2^128.
func sub(a, b rules.Value) (v rules.Value) {
	var borrow uint64
	v.Lo, borrow = bits.Sub64(a.Lo, b.Lo, 0)
	v.Hi, _ = bits.Sub64(a.Hi, b.Hi, borrow)
	return v
}

func add(a, b rules.Value) (v rules.Value) {
	var carry uint64
	v.Lo, carry = bits.Add64(a.Lo, b.Lo, 0)
	v.Hi, _ = bits.Add64(a.Hi, b.Hi, carry)
	return v
}

// fit leaves the bits that a place has: in front of the first value comes the
// last one.
func fit(v rules.Value, place rules.Subject, n network) rules.Value {
	size := bitsOf(place, n)
	if size == 128 {
		return v
	}
	return rules.Value{Lo: v.Lo & (1<<size - 1)}
}

// bitsOf a place.
func bitsOf(place rules.Subject, n network) int {
	switch place {
	case rules.Source, rules.Destination:
		if n == ip6 {
			return 128
		}
		return 32
	case rules.Protocol:
		if n == ip6 {
			return 9 // with the bit that says that an AH stands in front
		}
		return 8
	case rules.EtherSource, rules.EtherDestination, rules.ARPSenderMAC, rules.ARPTargetMAC:
		return 48
	case rules.Length, rules.ARPSenderIP, rules.ARPTargetIP, rules.TCPSequence, rules.TCPAck:
		return 32
	case rules.IP6Flow:
		return 20
	case rules.IP4Offset:
		return 13
	case rules.VLANID, rules.VLAN2ID:
		return 12
	case rules.IP4TTL, rules.IP6HopLimit, rules.IP6Next, rules.TCPFlags, rules.ICMPType, rules.ICMPCode, rules.ICMP6Type, rules.ICMP6Code:
		return 8
	case rules.IP4DSCP, rules.IP6DSCP:
		return 6
	case rules.IP6Extensions:
		return 5
	case rules.IP4HeaderLength, rules.TCPOffset:
		return 4
	case rules.VLANPriority:
		return 3
	case rules.IP4ECN, rules.IP6ECN:
		return 2
	case rules.IP4DF, rules.IP4MF:
		return 1
	}
	return 16
}

// any value that packets have at a place of which no clause says anything.
func (m *maker) any(place rules.Subject, n network) rules.Value {
	switch place {
	case rules.Source, rules.Destination:
		if n == ip6 { // global unicast
			return rules.Value{Hi: m.Uint64()>>3 | 1<<61, Lo: m.Uint64()}
		}
	case rules.EtherSource, rules.EtherDestination, rules.ARPSenderMAC, rules.ARPTargetMAC:
		return rules.Value{Lo: 0x020000000000 | m.Uint64()&0xffffff}
	case rules.TCPFlags:
		return rules.Value{Lo: usualFlags[m.IntN(len(usualFlags))]}
	case rules.IP4TTL, rules.IP6HopLimit:
		return rules.Value{Lo: 2 + m.Uint64N(254)}
	case rules.Length, rules.IP4Length, rules.IP6Length, rules.UDPLength:
		return rules.Value{Lo: 60 + m.Uint64N(200)}
	}
	return fit(rules.Value{Hi: m.Uint64(), Lo: m.Uint64()}, place, n)
}

// usualFlags of TCP: ACK, PSH and ACK, SYN, SYN and ACK, FIN and ACK, RST, in
// about the shares that they have of real traffic.
var usualFlags = [...]uint64{0x10, 0x10, 0x10, 0x10, 0x10, 0x10, 0x10, 0x18, 0x18, 0x18, 0x18, 0x02, 0x02, 0x12, 0x11, 0x04}

// usualProtocol is one of those that most packets have, if the want accepts
// any; ok is false if it accepts none.
func (m *maker) usualProtocol(w *want, n network) (v rules.Value, ok bool) {
	icmp := uint64(protoICMP)
	if n == ip6 {
		icmp = protoICMP6
	}
	usual := [...]uint64{protoTCP, protoTCP, protoTCP, protoTCP, protoTCP, protoUDP, protoUDP, protoUDP, icmp, protoSCTP}
	start := m.IntN(len(usual))
	for i := range usual {
		v = rules.Value{Lo: usual[(start+i)%len(usual)]}
		if w.accepts(v) {
			return v, true
		}
	}
	return v, false
}
