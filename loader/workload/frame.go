package workload

import (
	"encoding/binary"
	"net"
	"net/netip"

	"xdpfw/loader/frames"
	"xdpfw/rules"
)

// Bounds of a frame: what Ethernet sends at least, without FCS; and what the
// kernel runs in one buffer, with room to spare.
const (
	shortestFrame = 60
	longestFrame  = 3500
)

// frame is a packet as a plan wants it; nil if it cannot be built.
func (m *maker) frame(p *plan, e edge) []byte {
	m.fill(p, e)
	f := frames.Frame{From: m.mac(rules.EtherSource), To: m.mac(rules.EtherDestination)}
	m.tag(&f, p)
	extra := m.reach(p)
	network := 14 + 4*len(f.Tags)
	var transport int
	switch p.network {
	case ip4:
		f.Network, transport = m.ip4Packet(p, network, extra)
	case ip6:
		f.Network, transport = m.ip6Packet(p, network, extra)
	case arp:
		f.Network = m.arpPacket()
	default:
		f.EtherType, f.Network = m.etherType(), frames.Raw(m.bytes(46+extra))
	}
	b, err := f.Bytes()
	if err != nil {
		return nil
	}
	if p.network == ip4 && m.values.wanted[rules.IP4TTL] && m.number(rules.IP4TTL, ip4) == 0 {
		b[network+8] = 0 // which frames takes for the usual one
	}
	if p.network == ip6 && m.values.wanted[rules.IP6HopLimit] && m.number(rules.IP6HopLimit, ip6) == 0 {
		b[network+7] = 0
	}
	if b = m.pad(b); len(b) > longestFrame {
		return nil
	}
	m.writeRaw(p, b, network, transport)
	return b
}

// number is the value of a place: what is wanted, or any, which is kept.
func (m *maker) number(place rules.Subject, n network) uint64 { return m.value(place, n).Lo }

func (m *maker) value(place rules.Subject, n network) rules.Value {
	if !m.values.wanted[place] {
		return m.any(place, n)
	}
	return m.values.values[place]
}

// or is the value of a place if one is wanted, else what packets usually have.
func (m *maker) or(place rules.Subject, usual uint64) uint64 {
	if m.values.wanted[place] {
		return m.values.values[place].Lo
	}
	return usual
}

func (m *maker) mac(place rules.Subject) net.HardwareAddr {
	n := m.number(place, ip4)
	return net.HardwareAddr{byte(n >> 40), byte(n >> 32), byte(n >> 24), byte(n >> 16), byte(n >> 8), byte(n)}
}

func (m *maker) address(place rules.Subject, n network) netip.Addr {
	v := m.value(place, n)
	if n == ip6 {
		var a [16]byte
		binary.BigEndian.PutUint64(a[:], v.Hi)
		binary.BigEndian.PutUint64(a[8:], v.Lo)
		return netip.AddrFrom16(a)
	}
	var a [4]byte
	binary.BigEndian.PutUint32(a[:], uint32(v.Lo))
	return netip.AddrFrom4(a)
}

// bytes are n random ones.
func (m *maker) bytes(n int) []byte {
	b := make([]byte, (n+7)&^7)
	for i := 0; i < n; i += 8 {
		binary.LittleEndian.PutUint64(b[i:], m.Uint64())
	}
	return b[:n]
}

// tag the frame.
func (m *maker) tag(f *frames.Frame, p *plan) {
	if p.untagged {
		return
	}
	outer := frames.Tag{VID: uint16(m.number(rules.VLANID, ip4)), PCP: uint8(m.or(rules.VLANPriority, 0))}
	inner := frames.Tag{VID: uint16(m.number(rules.VLAN2ID, ip4))}
	switch p.tags {
	case 1:
		f.Tags = []frames.Tag{outer}
	case 2:
		outer.Type = frames.STag
		f.Tags = []frames.Tag{outer, inner}
	}
}

// reach is how many bytes behind the headers raw bytes may ask for.
func (m *maker) reach(p *plan) (n int) {
	for _, c := range p.raw {
		n = max(n, int(c.Bytes.Offset)+int(c.Bytes.Length))
	}
	return n
}

func (m *maker) etherType() uint16 {
	const experimental = 0x88b5 // IEEE 802, for local experiments
	return uint16(m.or(rules.EtherType, experimental))
}

func (m *maker) arpPacket() frames.Network {
	return frames.ARP{
		Operation: uint16(m.or(rules.ARPOperation, 1+m.Uint64N(2))),
		Sender:    m.address(rules.ARPSenderIP, arp), Target: m.address(rules.ARPTargetIP, arp),
		SenderLink: m.mac(rules.ARPSenderMAC), TargetLink: m.mac(rules.ARPTargetMAC),
	}
}

// pad to what Ethernet sends, or to the wanted length.
func (m *maker) pad(b []byte) []byte {
	length := shortestFrame
	if m.values.wanted[rules.Length] {
		length = int(min(m.values.values[rules.Length].Lo, longestFrame))
	}
	if length > len(b) {
		b = append(b, m.bytes(length-len(b))...)
	}
	return b
}

// writeRaw writes wanted bytes over those that are there. Transport is the
// offset of the transport header.
func (m *maker) writeRaw(p *plan, b []byte, network, transport int) {
	for _, c := range p.raw {
		size := int(c.Bytes.Length)
		w := want{sets: []values{{c.Set.IP4, c.Set.Mask4, c.Not}}}
		from := w.narrowest()
		v := rules.Value{Lo: m.Uint64() >> (64 - 8*size)}
		if from != nil {
			v = m.rawMember(from, v)
		}
		at := int(c.Bytes.Offset)
		switch c.Bytes.Base {
		case rules.NetworkBase:
			at += network
		case rules.TransportBase:
			at += transport
		case rules.PayloadBase:
			at += transport + m.transportSize(p.network)
		}
		if at+size <= len(b) {
			all := binary.BigEndian.AppendUint64(nil, v.Lo)
			copy(b[at:], all[8-size:])
		}
	}
}

// rawMember is one of the values; otherwise supplies the bits that no mask has.
func (m *maker) rawMember(s *values, otherwise rules.Value) rules.Value {
	i := m.IntN(len(s.ranges) + len(s.masks))
	if i < len(s.ranges) {
		return m.between(&s.ranges[i])
	}
	return agree(s.masks[i-len(s.ranges)], otherwise)
}
