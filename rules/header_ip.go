package rules

// parseIP reads an IPv4 header (RFC 791) at off. A malformed one is no IPv4 at
// all: its fields do not exist, for they could say anything.
func (h *headers) parseIP(f *frame, off int) {
	const (
		fixedSize     = 20
		moreFragments = 0x2000
		offsetMask    = 0x1fff
	)
	if len(f.head) < off+fixedSize {
		h.malformed("the IPv4 header is cut short")
		return
	}
	header := f.head[off:]
	version := header[0] >> 4
	headerLength := int(header[0]&0xf) * 4
	totalLength := int(f.be16(off + 2))
	switch {
	case version != 4:
		h.malformed("the version in the IPv4 header is not 4")
		return
	case headerLength < fixedSize:
		h.malformed("the IPv4 header says that it is shorter than 20 bytes")
		return
	case len(header) < headerLength:
		h.malformed("the IPv4 options are cut short")
		return
	case totalLength < headerLength:
		h.malformed("the IPv4 total length is less than the header's")
		return
	case totalLength > f.present-off:
		h.malformed("the IPv4 total length is more than the bytes that are there")
		return
	}

	h.network = networkIP
	h.setProtocol(header[9], 0)
	h.setValue(Source, f.address4(off+12))
	h.setValue(Destination, f.address4(off+16))
	h.parseIPFields(header)

	switch word := f.be16(off + 6); {
	case word&offsetMask != 0:
		h.fragment = laterFragment
		return // what follows is no transport header
	case word&moreFragments != 0:
		h.fragment = firstFragment
	}
	h.parseTransport(f, off+headerLength, off+totalLength)
}

// parseIPFields reads what only rules about IPv4 ask for.
func (h *headers) parseIPFields(header []byte) {
	be16 := func(off int) uint64 { return uint64(header[off])<<8 | uint64(header[off+1]) }
	h.values[IP4Source], h.has[IP4Source] = h.values[Source], true
	h.values[IP4Destination], h.has[IP4Destination] = h.values[Destination], true
	h.set(IP4HeaderLength, uint64(header[0]&0xf))
	h.set(IP4DSCP, uint64(header[1]>>2)) // RFC 2474
	h.set(IP4ECN, uint64(header[1]&3))   // RFC 3168
	h.set(IP4Length, be16(2))
	h.set(IP4ID, be16(4))
	h.set(IP4DF, be16(6)>>14&1)
	h.set(IP4MF, be16(6)>>13&1)
	h.set(IP4Offset, be16(6)&0x1fff)
	h.set(IP4TTL, uint64(header[8]))
	h.set(IP4Protocol, uint64(header[9]))
}
