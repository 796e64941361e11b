package rules

import "encoding/binary"

// parseIP reads an IPv4 header (RFC 791) at off. A malformed one is no IPv4 at
// all: its fields do not exist, for they could say anything.
func (h *headers) parseIP(f *frame, off int) {
	const (
		fixedSize     = 20
		moreFragments = 0x2000
		offsetMask    = 0x1fff
	)
	if len(f.head) < off+fixedSize {
		h.invalid = true
		return
	}
	header := f.head[off:]
	version := header[0] >> 4
	headerLength := int(header[0]&0xf) * 4
	totalLength := int(f.be16(off + 2))
	if version != 4 || headerLength < fixedSize || len(header) < headerLength ||
		totalLength < headerLength || totalLength > f.present-off {
		h.invalid = true
		return
	}

	h.network = networkIP
	h.hasProtocol, h.protocol = true, header[9]
	h.source = Value{Lo: uint64(binary.BigEndian.Uint32(header[12:]))}
	h.destination = Value{Lo: uint64(binary.BigEndian.Uint32(header[16:]))}

	switch word := f.be16(off + 6); {
	case word&offsetMask != 0:
		h.fragment = laterFragment
		return // what follows is no transport header
	case word&moreFragments != 0:
		h.fragment = firstFragment
	}
	h.parseTransport(f, off+headerLength, off+totalLength)
}
