package reach

import (
	"slices"

	"xdpfw/codegen/ir"
	"xdpfw/rules"
)

// Protocol numbers and types of the header model.
const (
	icmp  = 1
	tcp   = 6
	udp   = 17
	icmp6 = 58
	sctp  = 132

	typeIP4, typeARP, typeIP6 = 0x0800, 0x0806, 0x86dd
)

// tagTypes are what a tag begins with, and no frame has behind its tags.
var tagTypes = [...]uint64{0x8100, 0x88a8, 0x9100}

var (
	invalid  = derived(ir.Invalid)
	fragment = derived(ir.Fragment)
	length   = derived(ir.FrameLength)
	inFrame  = bytesOf(ir.Frame)
	inIP     = bytesOf(ir.Transport)
	inLast   = bytesOf(ir.Payload)
)

func mask(lo uint64) rules.Value { return rules.Value{Lo: lo} }

func at(l ir.Layer, offset uint16, size uint8, bits uint64) field {
	return newField(layers+space(l), offset, size, mask(bits))
}

// A factList is conjunctions that no packet satisfies.
type factList [][]condition

func (l *factList) never(c ...condition) { *l = append(*l, c) }

// facts are what fields have to do with each other in packets of the kind, by
// the header model of the language. Not all that is true stands here, but
// nothing else: what follows from a mistake is a rule that is called
// unreachable, and is not.
func (k *kind) facts() factList {
	var l factList
	behind := map[uint64]uint64{ir.ARPNetwork: 28, ir.IP4Network: 20, ir.IP6Network: 40}[k.network]
	l.shorter(14+behind, k.network != ir.NoNetwork)
	for _, end := range k.ends {
		l.never(is(inFrame, end, maxReadable), is(length, 0, end-1))
	}
	switch k.network {
	case ir.NoNetwork:
		l.otherFrames()
	case ir.ARPNetwork:
		l.never(is(invalid, 1, 1))
		l.frameType(typeARP)
	case ir.IP4Network:
		l.frameType(typeIP4)
		l.ip4()
		l.transport(protocol4, icmp, nil)
		l.lengths(k, behind, length4, 0)
	case ir.IP6Network:
		l.frameType(typeIP6)
		l.ip6()
		l.next6()
		l.transport(protocol6, icmp6, []condition{is(hasWalked, 1, 1)})
		l.lengths(k, behind, length6, 1) // 0: a jumbogram, RFC 2675
	}
	return l
}

// shorter than so many bytes no frame is for which the conditions hold, which
// is or is not known of frames without tags.
func (l *factList) shorter(bytes uint64, untagged bool, conditions ...condition) {
	if untagged {
		l.never(append(slices.Clip(conditions), is(length, 0, bytes-1))...)
	}
	for tags := uint64(1); tags <= 2; tags++ {
		l.never(append(slices.Clip(conditions), is(tagCount, tags, 2), is(length, 0, bytes+4*tags-1))...)
	}
}

var (
	length4 = at(ir.IP4Header, 2, 2, 0xffff)
	length6 = at(ir.IP6Header, 4, 2, 0xffff)
)

// readables are numbers of bytes behind IP headers that tests need, and what
// the headers there take.
func (k *kind) readables() (behindIP, behindThat []uint64) {
	behindIP = []uint64{1, 8, 12, 13, 20, 21}
	for r := range k.known {
		switch n := uint64(r.end); r.layer {
		case ir.Transport:
			behindIP = append(behindIP, n)
		case ir.Payload:
			behindThat = append(behindThat, n)
			behindIP = append(behindIP, 8+n)
		}
	}
	slices.Sort(behindIP)
	slices.Sort(behindThat)
	return slices.Compact(behindIP), slices.Compact(behindThat)
}

// lengths: how many bytes there are behind IP headers is bounded by the frame's
// length, and by the packet's if that is least or more.
func (l *factList) lengths(k *kind, header uint64, packet field, least uint64) {
	behindIP, behindThat := k.readables()
	for _, n := range behindIP {
		l.shorter(14+header+n, true, is(inIP, n, maxReadable))
		if packet == length6 {
			l.shorter(14+header+8+n, true, is(inIP, n, maxReadable), is(fragment, ir.FirstFragment, ir.FirstFragment))
		}
		most := n - 1
		if packet == length4 {
			most += header
		}
		if least <= most {
			l.never(is(inIP, n, maxReadable), is(packet, least, most))
		}
	}
	for _, n := range behindThat {
		l.never(is(inLast, n, maxReadable), is(inIP, 0, 7+n))
	}
}

// hidden are fields that may decide what others can be, though no rule reads
// them.
func (k *kind) hidden() []field {
	switch k.network {
	case ir.IP4Network:
		return []field{invalid, fragment, protocol4, inIP}
	case ir.IP6Network:
		return []field{invalid, fragment, protocol6, inIP, hasWalked}
	}
	return nil
}

func (l *factList) otherFrames() {
	etherType := derived(ir.EtherType)
	l.never(is(hasType, 0, 0), is(invalid, 0, 0))
	l.never(is(hasType, 1, 1), is(length, 0, 13))
	for _, t := range [...]uint64{typeIP4, typeIP6} { // of no network only if malformed
		l.never(is(hasType, 1, 1), is(etherType, t, t), is(invalid, 0, 0))
	}
	l.never(is(hasType, 1, 1), isNot(etherType, typeIP4, typeARP, typeIP6), is(invalid, 1, 1))
	for _, t := range tagTypes {
		l.never(is(hasType, 1, 1), is(etherType, t, t))
	}
	l.never(is(hasType, 0, 0), is(bytesOf(ir.NetHeader), 1, maxReadable))
}

// frameType: the two bytes behind the addresses, as `at` reads them.
func (l *factList) frameType(etherType uint64) {
	bytes := at(ir.Frame, 12, 2, 0xffff)
	l.never(is(tagCount, 0, 0), isNot(bytes, etherType))
	l.never(is(tagCount, 1, 2), isNot(bytes, tagTypes[:]...))
}

func (l *factList) ip4() {
	l.never(isNot(at(ir.IP4Header, 0, 1, 0xf0), 4))
	l.never(is(at(ir.IP4Header, 0, 1, 0x0f), 0, 4))
	l.never(is(at(ir.IP4Header, 2, 2, 0xffff), 0, 19))
	more, offset := at(ir.IP4Header, 6, 2, 0x2000), at(ir.IP4Header, 6, 2, 0x1fff)
	l.never(is(fragment, ir.NotFragment, ir.NotFragment), is(more, 1, 1))
	l.never(is(fragment, ir.FirstFragment, ir.FirstFragment), is(more, 0, 0))
	l.never(is(fragment, ir.NotFragment, ir.FirstFragment), is(offset, 1, 0x1fff))
	l.never(is(fragment, ir.LaterFragment, ir.LaterFragment), is(offset, 0, 0))
}

func (l *factList) ip6() {
	l.never(isNot(at(ir.IP6Header, 0, 1, 0xf0), 6))
	l.never(is(hasWalked, 0, 0), is(invalid, 0, 0))
	l.never(is(hasWalked, 0, 0), is(inIP, 1, maxReadable))
	l.never(is(hasWalked, 0, 0), is(fragment, ir.LaterFragment, ir.LaterFragment))
	l.never(is(hasWalked, 1, 1), is(fragment, ir.FirstFragment, ir.LaterFragment), is(part(ir.Extensions, 4), 0, 0))
	for _, t := range extensionTypes {
		l.never(is(hasWalked, 1, 1), is(protocol6, t, t), is(fragment, ir.NotFragment, ir.FirstFragment))
	}
	for _, bits := range [...]struct{ passed, seen uint64 }{{1, 0}, {0, 1}} {
		l.never(is(hasWalked, 1, 1), is(part(ir.ProtocolAH, 0x100), bits.passed, bits.passed), is(part(ir.Extensions, 16), bits.seen, bits.seen))
	}
}

// next6 is the field ip6.next: the first header that is walked over, or else the
// protocol.
func (l *factList) next6() {
	next := at(ir.IP6Header, 6, 1, 0xff)
	walked := is(hasWalked, 1, 1)
	bits := [...]uint64{1, 2, 4, 16, 8} // of ir.Extensions, in the order of extensionTypes
	for n, t := range extensionTypes {
		bit := part(ir.Extensions, bits[n])
		l.never(walked, is(next, t, t), is(bit, 0, 0))
		l.never(walked, isNot(next, extensionTypes[:]...), is(bit, 1, 1))
		only := []condition{walked, is(bit, 1, 1), isNot(next, t)}
		for other, b := range bits {
			if other != n {
				only = append(only, is(part(ir.Extensions, b), 0, 0))
			}
		}
		l.never(only...)
	}
	for _, p := range [...]uint64{icmp, tcp, udp, icmp6, sctp} {
		others := append(slices.Clone(extensionTypes[:]), p)
		slices.Sort(others)
		l.never(walked, is(next, p, p), isNot(protocol6, p))
		l.never(walked, isNot(next, others...), is(protocol6, p, p))
	}
}

// extensionTypes are what is walked over, and so the protocol of later fragments
// only.
var extensionTypes = [...]uint64{0, 43, 44, 51, 60}

// part is some bits of a derived atom.
func part(a ir.Atom, bits uint64) field {
	a.Mask = mask(bits)
	return derived(a)
}

// transport is what follows from whether the headers behind IP are well-formed,
// and from fragments, which but for the first have none; known is the condition
// under which there is a protocol.
func (l *factList) transport(protocol field, icmp uint64, known []condition) {
	whole := is(fragment, ir.NotFragment, ir.FirstFragment)
	later := is(fragment, ir.LaterFragment, ir.LaterFragment)
	wrong, right := is(invalid, 1, 1), is(invalid, 0, 0)
	never := func(c ...condition) { l.never(append(c, known...)...) }
	of := func(p uint64) condition { return is(protocol, p, p) }

	l.never(later, is(inIP, 1, maxReadable))
	never(wrong, later)
	others := isNot(protocol, icmp, tcp, udp, sctp)
	if icmp == icmp6 {
		others = isNot(protocol, tcp, udp, icmp6, sctp)
	}
	never(wrong, others)
	never(others, is(inLast, 1, maxReadable))
	for _, header := range [...]struct{ protocol, size uint64 }{{icmp, 8}, {tcp, 20}, {udp, 8}, {sctp, 12}} {
		never(right, whole, of(header.protocol), is(inIP, 0, header.size-1))
		never(of(header.protocol), is(inIP, 0, header.size), is(inLast, 1, maxReadable))
	}
	never(wrong, of(icmp), is(inIP, 8, maxReadable))
	never(wrong, of(sctp), is(inIP, 12, maxReadable))

	words, bytes := at(ir.Transport, 12, 1, 0xf0), at(ir.Transport, 4, 2, 0xffff)
	never(right, whole, of(tcp), is(words, 0, 4))
	never(right, whole, of(udp), is(bytes, 0, 7))
	never(wrong, of(tcp), is(inIP, 20, maxReadable), is(words, 5, 15))
	never(wrong, of(udp), is(inIP, 8, maxReadable), is(bytes, 8, 0xffff))
}
