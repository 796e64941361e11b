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
// cut short is invalid and yet keeps the ports whose bytes are there, so that
// a tiny fragment cannot slip past a rule about ports.
func (h *headers) parseTransport(f *frame, off, end int) {
	end = min(end, len(f.head))
	off = min(off, end)
	header := f.head[off:end]

	switch h.protocol {
	case protoTCP:
		h.parsePorts(header)
		h.invalid = len(header) < 20 || header[12]>>4 < 5 // data offset, in units of four bytes
	case protoUDP:
		h.parsePorts(header)
		h.invalid = len(header) < 8 || int(header[4])<<8|int(header[5]) < 8 // length, header included
	case protoSCTP:
		h.parsePorts(header)
		h.invalid = len(header) < 12
	case protoICMP:
		h.invalid = h.network == networkIP && len(header) < 8
	case protoICMP6:
		h.invalid = h.network == networkIP6 && len(header) < 8
	}
}

// parsePorts reads source and destination port.
func (h *headers) parsePorts(header []byte) {
	if len(header) < 4 {
		return
	}
	h.hasPorts = true
	h.sourcePort = uint16(header[0])<<8 | uint16(header[1])
	h.destinationPort = uint16(header[2])<<8 | uint16(header[3])
}
