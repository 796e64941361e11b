package rules

// The transports that are looked into (IANA, "Protocol Numbers").
const (
	protoICMP  = 1
	protoTCP   = 6
	protoUDP   = 17
	protoICMP6 = 58
	protoSCTP  = 132
)

// parseTransport reads the transport header at off in a packet that ends at
// end: bytes of the frame behind that are padding and are not read. A header
// cut short is invalid and yet keeps the fields whose bytes are there, so that
// a tiny fragment cannot slip past a rule about ports.
func (h *headers) parseTransport(f *frame, off, end int) {
	end = min(end, len(f.head))
	off = min(off, end)
	t := transport{h, f.head[off:end]}
	h.reach[TransportBase] = t.bytes

	switch h.protocol {
	case protoTCP:
		t.parseTCP()
	case protoUDP:
		t.parseUDP()
	case protoSCTP:
		t.parseSCTP()
	case protoICMP:
		if h.network == networkIP {
			t.parseICMP(ICMPType, ICMPCode)
		}
	case protoICMP6:
		if h.network == networkIP6 {
			t.parseICMP(ICMP6Type, ICMP6Code)
		}
	}
}

// A transport is the bytes from a transport header to the end of its packet.
type transport struct {
	*headers
	bytes []byte
}

// field sets a field of n bytes at off, if they are there.
func (t *transport) field(s Subject, off, n int) {
	if len(t.bytes) < off+n {
		return
	}
	var value uint64
	for _, b := range t.bytes[off : off+n] {
		value = value<<8 | uint64(b)
	}
	t.set(s, value)
}

// ports sets source and destination port, which exist together.
func (t *transport) ports(source, destination Subject) {
	if len(t.bytes) < 4 {
		return
	}
	for _, s := range []Subject{SourcePort, source} {
		t.field(s, 0, 2)
	}
	for _, s := range []Subject{DestinationPort, destination} {
		t.field(s, 2, 2)
	}
}

// payload begins n bytes behind the header's start.
func (t *transport) payload(n int) {
	if n <= len(t.bytes) {
		t.reach[PayloadBase] = t.bytes[n:]
	}
}

// parseTCP reads a TCP header (RFC 9293).
func (t *transport) parseTCP() {
	t.ports(TCPSourcePort, TCPDestinationPort)
	t.field(TCPSequence, 4, 4)
	t.field(TCPAck, 8, 4)
	t.field(TCPFlags, 13, 1)
	t.field(TCPWindow, 14, 2)
	offset := 0 // of the data, in units of four bytes
	if len(t.bytes) > 12 {
		offset = int(t.bytes[12] >> 4)
		t.set(TCPOffset, uint64(offset))
	}
	switch {
	case len(t.bytes) < 20:
		t.malformed("the TCP header is cut short")
	case offset < 5:
		t.malformed("the TCP data offset is less than 5")
	}
	if offset >= 5 {
		t.payload(4 * offset)
	}
}

// parseUDP reads a UDP header (RFC 768). Its length includes the header.
func (t *transport) parseUDP() {
	t.ports(UDPSourcePort, UDPDestinationPort)
	t.field(UDPLength, 4, 2)
	switch {
	case len(t.bytes) < 8:
		t.malformed("the UDP header is cut short")
	case t.values[UDPLength].Lo < 8:
		t.malformed("the UDP length is less than 8")
	}
	t.payload(8)
}

// parseSCTP reads an SCTP common header (RFC 9260).
func (t *transport) parseSCTP() {
	t.ports(SCTPSourcePort, SCTPDestinationPort)
	if len(t.bytes) < 12 {
		t.malformed("the SCTP header is cut short")
	}
	t.payload(12)
}

// parseICMP reads the header that ICMP (RFC 792) and ICMPv6 (RFC 4443) share;
// type and code exist together.
func (t *transport) parseICMP(typ, code Subject) {
	if len(t.bytes) >= 2 {
		t.field(typ, 0, 1)
		t.field(code, 1, 1)
	}
	if len(t.bytes) < 8 {
		t.malformed("the ICMP header is cut short")
	}
	t.payload(8)
}
