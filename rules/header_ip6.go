package rules

import "encoding/binary"

// The extension headers that are walked (IANA, "IPv6 Extension Header Types").
const (
	extHopByHop    = 0
	extRouting     = 43
	extFragment    = 44
	extAH          = 51
	extDestination = 60
)

// parseIP6 reads an IPv6 header (RFC 8200) at off and walks the extension
// headers behind it. Addresses hold even if what follows is malformed.
func (h *headers) parseIP6(f *frame, off int) {
	const fixedSize = 40
	if len(f.head) < off+fixedSize {
		h.malformed("the IPv6 header is cut short")
		return
	}
	if f.head[off]>>4 != 6 {
		h.malformed("the version in the IPv6 header is not 6")
		return
	}
	header := f.head[off:]
	h.network = networkIP6
	h.setValue(Source, f.address6(off+8))
	h.setValue(Destination, f.address6(off+24))
	h.parseIP6Fields(header)

	payload := int(f.be16(off + 4))
	next := header[6]
	off += fixedSize
	end := off + payload
	if payload == 0 && next == extHopByHop {
		end = f.present // a jumbogram (RFC 2675) ends with the frame, as in Linux
	}
	if end > f.present {
		h.malformed("the IPv6 payload length is more than the bytes that are there")
		return
	}
	h.parseExtensions(f, off, end, next)
}

// parseExtensions walks the extension headers from off on; next is the type of
// the first, the packet ends at end. The first header of another type is the
// transport. A walk that fails leaves no protocol, but what was seen of
// fragments until then stands.
func (h *headers) parseExtensions(f *frame, off, end int, next uint8) {
	const (
		maxExtensions = 8
		smallest      = 8 // bytes of the smallest header of any of these types
		moreFragments = 0x0001
		offsetMask    = 0xfff8
	)
	readable := min(end, len(f.head))
	var passed, bits uint64
	for seen := 0; isExtension(next); seen++ {
		if seen == maxExtensions {
			h.malformed("there are more than 8 IPv6 extension headers")
			return
		}
		if off+smallest > readable {
			h.malformed("an IPv6 extension header is cut short")
			return
		}
		header := f.head[off:]
		size := extensionSize(next, header[1])
		if off+size > readable {
			h.malformed("an IPv6 extension header runs past the packet")
			return
		}
		bits |= extensionBits[next]
		if next == extAH {
			passed = withAH
		}
		if next == extFragment {
			switch word := f.be16(off + 2); {
			case word&offsetMask != 0:
				h.fragment = laterFragment
				h.setProtocol(header[0], passed)
				h.set(IP6Extensions, bits)
				return // what follows is the middle of something
			case word&moreFragments != 0:
				h.fragment = firstFragment
			}
		}
		next = header[0]
		off += size
	}
	h.setProtocol(next, passed)
	h.set(IP6Extensions, bits)
	h.parseTransport(f, off, end)
}

// isExtension says whether a next-header value is walked over.
func isExtension(next uint8) bool {
	switch next {
	case extHopByHop, extRouting, extFragment, extAH, extDestination:
		return true
	}
	return false
}

// extensionSize is the bytes of an extension header, from its length byte.
func extensionSize(next, length uint8) int {
	switch next {
	case extFragment:
		return 8 // the byte is reserved
	case extAH:
		return 4 * (int(length) + 2) // RFC 4302: in units of four bytes, less two
	}
	return 8 * (int(length) + 1)
}

// parseIP6Fields reads what only rules about IPv6 ask for.
func (h *headers) parseIP6Fields(header []byte) {
	h.values[IP6Source], h.has[IP6Source] = h.values[Source], true
	h.values[IP6Destination], h.has[IP6Destination] = h.values[Destination], true
	word := uint64(binary.BigEndian.Uint32(header)) // version 4, DSCP 6, ECN 2, flow label 20
	h.set(IP6DSCP, word>>22&0x3f)
	h.set(IP6ECN, word>>20&3)
	h.set(IP6Flow, word&0xfffff)
	h.set(IP6Length, uint64(header[4])<<8|uint64(header[5]))
	h.set(IP6Next, uint64(header[6]))
	h.set(IP6HopLimit, uint64(header[7]))
}
