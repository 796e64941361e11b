package rules

import "encoding/binary"

// headers is all that clauses can ask of a frame.
type headers struct {
	network  network
	fragment fragment
	invalid  bool
	defect   string // why it is invalid, in words
	tagged   bool   // there is a whole VLAN tag

	values [subjectCount]Value // of fields
	has    [subjectCount]bool  // the fields that the frame has

	// hasProtocol and protocol are also in values, without the bit withAH.
	hasProtocol bool
	protocol    uint8

	reach [PayloadBase + 1]window // by Base
}

// A window is the bytes that RawBytes can read from a base on; the base is not
// there if it is nil.
type window []byte

// malformed makes the frame invalid; the defect is for people.
func (h *headers) malformed(defect string) { h.invalid, h.defect = true, defect }

// set a field.
func (h *headers) set(s Subject, n uint64) { h.setValue(s, number(n)) }

func (h *headers) setValue(s Subject, v Value) { h.values[s], h.has[s] = v, true }

// setProtocol notes the protocol; passed is withAH if an AH was walked over.
func (h *headers) setProtocol(protocol uint8, passed uint64) {
	h.hasProtocol, h.protocol = true, protocol
	h.set(Protocol, uint64(protocol)|passed)
}

// A network is the network protocol of a frame whose header is as it should be.
type network uint8

const (
	networkNone network = iota
	networkARP
	networkIP
	networkIP6
)

// A fragment says which part of a datagram a packet is.
type fragment uint8

const (
	notFragment   fragment = iota
	firstFragment          // offset 0 and more to come
	laterFragment          // offset > 0
)

// A frame is the bytes of a packet while its headers are parsed. Offsets count
// from the first byte of the Ethernet header.
type frame struct {
	// head is the bytes that can be read. Every header must lie in it.
	head []byte

	// present is how many bytes there are. Lengths in IP headers may reach up
	// to here: beyond head if the frame has further buffers, never beyond what
	// a capture kept.
	present int
}

// be16 is the two bytes at off, which must lie in head.
func (f *frame) be16(off int) uint16 { return binary.BigEndian.Uint16(f.head[off:]) }

// mac is the six bytes at off, which must lie in head.
func (f *frame) mac(off int) uint64 {
	return uint64(f.be16(off))<<32 | uint64(binary.BigEndian.Uint32(f.head[off+2:]))
}

// address4 is the four bytes at off, which must lie in head.
func (f *frame) address4(off int) Value { return number(uint64(binary.BigEndian.Uint32(f.head[off:]))) }

// address6 is the sixteen bytes at off, which must lie in head.
func (f *frame) address6(off int) Value {
	return Value{Hi: binary.BigEndian.Uint64(f.head[off:]), Lo: binary.BigEndian.Uint64(f.head[off+8:])}
}

// parseHeaders reads a frame, from the Ethernet header to the transport header.
func parseHeaders(p Packet) headers {
	f := frame{head: p.Head, present: len(p.Head)}
	if !p.Truncated && p.Len > f.present {
		f.present = p.Len
	}
	var h headers
	h.set(Length, uint64(p.Len))
	h.parseEthernet(&f)
	return h
}

// What stands in front of the network header.
const (
	ethernetSize = 14 // destination, source, type
	tagSize      = 4  // behind a tag's own type: TCI and the next type
	maxTags      = 2

	typeIP   = 0x0800
	typeARP  = 0x0806
	typeIP6  = 0x86dd
	typeCTag = 0x8100 // IEEE 802.1Q
	typeSTag = 0x88a8 // IEEE 802.1ad
	typeQinQ = 0x9100 // what came before 802.1ad
)

// isTag says whether a type announces a VLAN tag.
func isTag(etherType uint16) bool {
	return etherType == typeCTag || etherType == typeSTag || etherType == typeQinQ
}

// parseEthernet steps over up to two VLAN tags to the network header. Types
// that are not looked into, lengths of IEEE 802.3 frames among them, have no
// network layer and are not invalid.
func (h *headers) parseEthernet(f *frame) {
	if len(f.head) < ethernetSize {
		h.malformed("the frame is shorter than an Ethernet header")
		return
	}
	h.set(EtherDestination, f.mac(0))
	h.set(EtherSource, f.mac(6))
	h.reach[EthernetBase] = f.head
	off := ethernetSize
	etherType := f.be16(off - 2)
	for tags := 0; isTag(etherType); tags++ {
		if tags == maxTags {
			h.malformed("there is a third VLAN tag")
			return
		}
		if len(f.head) < off+tagSize {
			h.malformed("the VLAN tag is cut short")
			return
		}
		h.parseTag(f.be16(off), tags)
		off += tagSize
		etherType = f.be16(off - 2)
	}
	h.set(EtherType, uint64(etherType))
	h.reach[NetworkBase] = f.head[off:]
	switch etherType {
	case typeARP:
		h.parseARP(f, off)
	case typeIP:
		h.parseIP(f, off)
	case typeIP6:
		h.parseIP6(f, off)
	}
}

// parseTag reads the control information of a whole tag (IEEE 802.1Q: three
// bits of priority, one to mark what may be dropped, twelve of identifier).
func (h *headers) parseTag(control uint16, before int) {
	h.tagged = true
	id := uint64(control & 0xfff)
	if before > 0 {
		h.set(VLAN2ID, id)
		return
	}
	h.set(VLANID, id)
	h.set(VLANPriority, uint64(control>>13))
}

// parseARP knows ARP of IPv4 over Ethernet (RFC 826). Any other ARP is left
// alone: it is neither `arp` nor invalid.
func (h *headers) parseARP(f *frame, off int) {
	const (
		arpSize       = 28
		hardwareType  = 1 // Ethernet
		hardwareBytes = 6
		protocolBytes = 4
	)
	if f.present < off+arpSize {
		return
	}
	if len(f.head) < off+arpSize { // there, but not in the first buffer
		h.malformed("the ARP packet is not in the first buffer")
		return
	}
	if f.be16(off) != hardwareType || f.be16(off+2) != typeIP ||
		f.head[off+4] != hardwareBytes || f.head[off+5] != protocolBytes {
		return
	}
	h.network = networkARP
	h.set(ARPOperation, uint64(f.be16(off+6)))
	h.set(ARPSenderMAC, f.mac(off+8))
	h.setValue(ARPSenderIP, f.address4(off+14))
	h.set(ARPTargetMAC, f.mac(off+18))
	h.setValue(ARPTargetIP, f.address4(off+24))
}
