package rules_test

import (
	"testing"

	"xdpfw/loader/frames"
)

// Extension headers by the names that the tests below read best with.
var (
	hop     = frames.Extension{Kind: frames.HopByHop}
	routing = frames.Extension{Kind: frames.Routing}
	dest    = frames.Extension{Kind: frames.Destination}
	ah      = frames.Extension{Kind: frames.AH}
	atomic  = frames.Extension{Kind: frames.Fragment}
	first   = frames.Extension{Kind: frames.Fragment, More: true}
	later   = frames.Extension{Kind: frames.Fragment, Offset: 1}
	middle  = frames.Extension{Kind: frames.Fragment, Offset: 0x1fff, More: true}
)

func behind(extensions ...frames.Extension) frames.Frame {
	return frames.Frame{Network: frames.IPv6{Extensions: extensions, Transport: tcp22}}
}

// sized is an extension header of a size in bytes.
func sized(e frames.Extension, size int) frames.Extension {
	e.Size = size
	return e
}

// length is an extension header whose length byte says something else.
func length(e frames.Extension, says uint8) frames.Extension {
	e.Length = &says
	return e
}

func TestExtensions(t *testing.T) {
	const tcp = ip6 + " proto 6 ports 1 > 22"
	runHeaderTests(t, []headerTest{
		{"none", behind(), tcp},
		{"hop-by-hop", behind(hop), tcp},
		{"routing", behind(routing), tcp},
		{"destination", behind(dest), tcp},
		{"AH", behind(ah), tcp},
		{"atomic fragment", behind(atomic), tcp},
		{"hop-by-hop of 16 bytes", behind(sized(hop, 16)), tcp},
		{"destination of 2048 bytes", behind(sized(dest, 2048)), tcp},
		{"AH of 8 bytes", behind(sized(ah, 8)), tcp},
		{"AH of 12 bytes", behind(sized(ah, 12)), tcp},
		{"AH of 1028 bytes", behind(sized(ah, 1028)), tcp},
		{"in an order that no RFC has", behind(ah, routing, hop, dest), tcp},
		{"8", behind(hop, dest, routing, atomic, ah, dest, hop, routing), tcp},
		{"9", behind(hop, dest, routing, atomic, ah, dest, hop, routing, dest), ip6 + " invalid"},
		{"20", behind(append(make([]frames.Extension, 12), hop, dest, routing, atomic, ah, dest, hop, routing)...), ip6 + " invalid"},
		{"ESP is a protocol", frames.Frame{Network: frames.IPv6{Extensions: []frames.Extension{hop},
			Transport: frames.Other{Protocol: 50, Payload: make([]byte, 8)}}}, ip6 + " proto 50"},
		{"mobility is a protocol", frames.Frame{Network: frames.IPv6{
			Transport: frames.Other{Protocol: 135, Payload: make([]byte, 8)}}}, ip6 + " proto 135"},
		{"nothing follows", frames.Frame{Network: frames.IPv6{Extensions: []frames.Extension{dest}}}, ip6 + " proto 59"},
		{"a length beyond the packet", behind(length(hop, 3)), ip6 + " invalid"},
		{"a length up to the packet's end", frames.Frame{Network: frames.IPv6{Extensions: []frames.Extension{length(routing, 3)},
			Transport: frames.TCP{Options: make([]byte, 4)}}}, ip6 + " proto 6 invalid"},
		{"AH beyond the packet", behind(length(ah, 8)), ip6 + " invalid"},
		{"the fragment header's second byte is no length", behind(length(atomic, 255)), tcp},
	})
}

func TestIPv6Fragments(t *testing.T) {
	const tcp = " proto 6 ports 1 > 22"
	runHeaderTests(t, []headerTest{
		{"first", behind(first), ip6 + tcp + " frag first"},
		{"later", behind(later), ip6 + " proto 6 frag later"},
		{"middle", behind(middle), ip6 + " proto 6 frag later"},
		{"behind others", behind(hop, routing, later), ip6 + " proto 6 frag later"},
		{"first, then headers", behind(first, dest, ah), ip6 + tcp + " frag first"},
		{"the walk stops at a later one", behind(later, dest), ip6 + " proto 60 frag later"},
		{"later, named a fragment again", behind(later, first), ip6 + " proto 44 frag later"},
		{"first, then later", behind(first, later), ip6 + " proto 6 frag later"},
		{"first, then atomic", behind(first, atomic), ip6 + tcp + " frag first"},
		{"atomic, then first", behind(atomic, first), ip6 + tcp + " frag first"},
		{"atomic, then later", behind(atomic, later), ip6 + " proto 6 frag later"},
		{"the eighth header", behind(hop, dest, routing, ah, dest, hop, routing, later), ip6 + " proto 6 frag later"},
		{"the ninth header", behind(hop, dest, routing, ah, dest, hop, routing, dest, later), ip6 + " invalid"},
		{"seen before the walk failed", behind(first, length(dest, 200)), ip6 + " frag first invalid"},
		{"seen before the ninth", behind(first, dest, dest, dest, dest, dest, dest, dest, dest), ip6 + " frag first invalid"},
		{"reserved bits are not the offset", frames.Frame{Network: frames.IPv6{Transport: frames.Other{Protocol: 44,
			Payload: append([]byte{6, 0xff, 0, 6, 0, 0, 0, 0}, make([]byte, 20)...)}}}, ip6 + " proto 6 ports 0 > 0 invalid"},
		{"tiny first", frames.Frame{Network: frames.IPv6{Extensions: []frames.Extension{first}, Transport: tcp22,
			Limit: new(16)}}, ip6 + tcp + " frag first invalid"},
	})
}

func TestIPv6Lengths(t *testing.T) {
	const tcp = " proto 6 ports 1 > 22"
	ip := func(p frames.IPv6, padding int) frames.Frame {
		if p.Transport == nil {
			p.Transport = tcp22
		}
		return frames.Frame{Network: p, Padding: padding}
	}
	withHop := []frames.Extension{hop}
	runHeaderTests(t, []headerTest{
		{"version 4", ip(frames.IPv6{Version: new(uint8(4))}, 0), "invalid"},
		{"version 7", ip(frames.IPv6{Version: new(uint8(7))}, 0), "invalid"},
		{"IPv6 in an IPv4 frame", frames.Frame{EtherType: 0x0800, Network: frames.IPv6{Transport: tcp22}}, "invalid"},
		{"traffic class and flow label", ip(frames.IPv6{TrafficClass: 0xff, FlowLabel: 0xfffff}, 0), ip6 + tcp},
		{"payload beyond the frame", ip(frames.IPv6{PayloadLength: new(uint16(21))}, 0), ip6 + " invalid"},
		{"payload beyond the frame, no walk", ip(frames.IPv6{PayloadLength: new(uint16(99)), Extensions: []frames.Extension{first}}, 0),
			ip6 + " invalid"},
		{"payload into the padding", ip(frames.IPv6{PayloadLength: new(uint16(26))}, 6), ip6 + tcp},
		{"payload 0", ip(frames.IPv6{PayloadLength: new(uint16(0))}, 0), ip6 + " proto 6 invalid"},
		{"payload 3: the rest is padding", ip(frames.IPv6{PayloadLength: new(uint16(3))}, 0), ip6 + " proto 6 invalid"},
		{"payload 4", ip(frames.IPv6{PayloadLength: new(uint16(4))}, 0), ip6 + tcp + " invalid"},
		{"payload ends in an extension header", ip(frames.IPv6{PayloadLength: new(uint16(7)), Extensions: withHop}, 0), ip6 + " invalid"},
		{"payload ends behind an extension header", ip(frames.IPv6{PayloadLength: new(uint16(8)), Extensions: withHop}, 0),
			ip6 + " proto 6 invalid"},
		{"jumbogram", ip(frames.IPv6{PayloadLength: new(uint16(0)), Extensions: withHop}, 0), ip6 + tcp},
		{"payload 0 before a routing header is no jumbogram",
			ip(frames.IPv6{PayloadLength: new(uint16(0)), Extensions: []frames.Extension{routing, hop}}, 0), ip6 + " invalid"},
	})
}
