package oracle

import (
	"encoding/binary"
	"slices"

	"xdpfw/loader/frames"
	"xdpfw/rules"
)

// A frame is bytes with what is known of them because they were built so.
type frame struct {
	bytes  []byte
	traits []string
}

// A sketch is a frame before it is built: its parts, to be changed one by one.
// Copies are independent of each other as long as slices are replaced, never
// written to.
type sketch struct {
	frame   frames.Frame // Network stays nil, but for network == "other"
	network string       // "ip", "ip6", "arp" or "other": which of the next is in use
	ip      frames.IPv4
	ip6     frames.IPv6
	arp     frames.ARP
	// transport of ip or ip6; kind is its name, and a trait.
	transport frames.Transport
	kind      string
	patches   []patch
}

// A patch overwrites bytes of the frame, as far as it has them.
type patch struct {
	base  rules.Base
	at    int
	bytes []byte
}

// has says whether the frame has a trait.
func (f *frame) has(trait string) bool { return slices.Contains(f.traits, trait) }

// build is nil if the parts do not fit together.
func (s sketch) build() *frame {
	f := s.frame
	switch s.network {
	case "ip":
		s.ip.Transport = s.transport
		f.Network = s.ip
	case "ip6":
		s.ip6.Transport = s.transport
		f.Network = s.ip6
	case "arp":
		f.Network = s.arp
	}
	b, err := f.Bytes()
	if err != nil {
		return nil
	}
	for _, p := range s.patches {
		if off, ok := s.offset(p.base); ok && off+p.at < len(b) {
			copy(b[off+p.at:], p.bytes)
		}
	}
	f.Cut = 0
	whole, _ := f.Bytes()
	return &frame{b, s.traits(len(b), len(whole))}
}

func (s *sketch) networkOffset() int { return 14 + 4*len(s.frame.Tags) }

func (s *sketch) transportOffset() (off int, ok bool) {
	switch s.network {
	case "ip":
		return s.networkOffset() + 20 + len(s.ip.Options), true
	case "ip6":
		off := s.networkOffset() + 40
		for _, e := range s.ip6.Extensions {
			off += extensionSize(e)
		}
		return off, true
	}
	return 0, false
}

func (s *sketch) payloadOffset() (off int, ok bool) {
	off, ok = s.transportOffset()
	switch t := s.transport.(type) {
	case frames.TCP:
		return off + 20 + len(t.Options), ok
	case frames.UDP, frames.ICMP, frames.ICMPv6:
		return off + 8, ok
	case frames.SCTP:
		return off + 12, ok
	}
	return 0, false
}

func extensionSize(e frames.Extension) int {
	switch {
	case e.Size != 0:
		return e.Size
	case e.Kind == frames.AH:
		return 16
	}
	return 8
}

// offset of a layer, as the parts say.
func (s *sketch) offset(base rules.Base) (off int, ok bool) {
	switch base {
	case rules.EthernetBase:
		return 0, true
	case rules.NetworkBase:
		return s.networkOffset(), true
	case rules.TransportBase:
		return s.transportOffset()
	}
	return s.payloadOffset()
}

// put overwrites n bytes with a number.
func (s *sketch) put(b rules.Bytes, value uint64) bool {
	bytes := binary.BigEndian.AppendUint64(nil, value)[8-b.Length:]
	s.patches = append(slices.Clone(s.patches), patch{b.Base, int(b.Offset), bytes})
	_, ok := s.offset(b.Base)
	return ok
}

// extend adds extension headers behind those that are there.
func (s *sketch) extend(extensions ...frames.Extension) {
	s.ip6.Extensions = append(slices.Clone(s.ip6.Extensions), extensions...)
}

// traits are what case files call frames by:
//
//	ip ip6 arp other              what stands behind the Ethernet header
//	tcp udp icmp esp none …       what stands behind the IP headers
//	tag tag2 tag3                 at least one, two, three tags
//	stag qinq inner-qinq          the outermost has type 0x88a8, 0x9100; the second has type 0x9100
//	options                       IPv4 options
//	first later                   fragments
//	atomic fragments              an IPv6 fragment header that makes no fragment; two fragment headers and more
//	later-ext                     a later fragment whose fragment header names another extension header
//	hop routing destination ah6 fragment   extension headers; any of them: ext
//	short                         the IP packet ends early, as its length says
//	padding                       bytes behind the IP packet
//	cut cut-tag                   the frame ends early; within Ethernet header or tags
//	broken                        a version or IPv4 length is wrong, or the IP header is cut
//	lost                          IPv6, not broken, whose length is wrong or whose extension headers cannot be walked
//	jumbo                         IPv6 payload length 0 in front of a hop-by-hop header
//	tcp-offset udp-length         these are wrong
//	odd-arp                       ARP of other networks, or cut
//	patched                       some bytes were set whatever they mean
//
// length is the frame's, whole what it was before it was cut.
func (s *sketch) traits(length, whole int) []string {
	all := []string{s.network, s.kind}
	add := func(trait string, has bool) {
		if has && !slices.Contains(all, trait) {
			all = append(all, trait)
		}
	}
	tags := s.frame.Tags
	add("tag", len(tags) >= 1)
	add("tag2", len(tags) >= 2)
	add("tag3", len(tags) >= 3)
	add("stag", len(tags) > 0 && tags[0].Type == frames.STag)
	add("qinq", len(tags) > 0 && tags[0].Type == frames.QinQ)
	add("inner-qinq", len(tags) > 1 && tags[1].Type == frames.QinQ)
	add("padding", s.frame.Padding > 0)
	add("cut", length < whole)
	add("cut-tag", length < s.networkOffset())
	add("patched", len(s.patches) > 0)
	switch s.network {
	case "ip":
		s.addIP(add, length < whole-s.frame.Padding)
	case "ip6":
		s.addIP6(add, length < s.networkOffset()+40, length < whole-s.frame.Padding)
	case "arp":
		a := s.arp
		add("odd-arp", length < whole-s.frame.Padding || a.HardwareType != nil || a.ProtocolType != nil || a.HardwareLength != nil || a.ProtocolLength != nil)
	}
	switch t := s.transport.(type) {
	case frames.TCP:
		add("tcp-offset", t.Offset != nil)
	case frames.UDP:
		add("udp-length", t.Length != nil)
	}
	return all
}

func (s *sketch) addIP(add func(string, bool), cut bool) {
	p := s.ip
	add("options", len(p.Options) > 0)
	add("first", p.More && p.Offset == 0)
	add("later", p.Offset > 0)
	add("short", p.Limit != nil)
	add("broken", cut || p.Version != nil || p.IHL != nil || p.TotalLength != nil || s.frame.EtherType != 0)
}

// extensionTraits by the kind of the header.
var extensionTraits = map[uint8]string{
	frames.HopByHop: "hop", frames.Routing: "routing", frames.Destination: "destination",
	frames.AH: "ah6", frames.Fragment: "fragment",
}

func (s *sketch) addIP6(add func(string, bool), headerCut, cut bool) {
	p := s.ip6
	zero := p.PayloadLength != nil && *p.PayloadLength == 0
	hop := len(p.Extensions) > 0 && p.Extensions[0].Kind == frames.HopByHop
	lost := cut || p.PayloadLength != nil && !zero || zero && !hop && len(p.Extensions) > 0
	add("jumbo", zero && hop)
	add("short", p.Limit != nil || zero && !hop)
	add("ext", len(p.Extensions) > 0)
	walked := 0 // bytes of extension headers
	fragments := 0
	for i, e := range p.Extensions {
		add(extensionTraits[e.Kind], true)
		walked += extensionSize(e)
		lost = lost || i == 8 || e.Length != nil || p.Limit != nil && *p.Limit < walked
		if e.Kind != frames.Fragment {
			continue
		}
		fragments++
		add("fragments", fragments > 1)
		add("first", e.More && e.Offset == 0)
		add("later", e.Offset > 0)
		add("atomic", !e.More && e.Offset == 0)
		if e.Offset > 0 {
			add("later-ext", i+1 < len(p.Extensions))
			break // what follows is no header
		}
	}
	broken := headerCut || p.Version != nil || s.frame.EtherType != 0
	add("broken", broken)
	add("lost", lost && !broken)
}
