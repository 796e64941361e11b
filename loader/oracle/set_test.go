package oracle

import (
	"net/netip"
	"slices"

	"xdpfw/loader/frames"
	"xdpfw/rules"
)

func setEthernet(s *sketch, subject rules.Subject, v rules.Value) bool {
	switch subject {
	case rules.EtherSource:
		s.frame.From = macOf(v)
		return fits(v, 48)
	case rules.EtherDestination:
		s.frame.To = macOf(v)
		return fits(v, 48)
	case rules.EtherType:
		return setEtherType(s, v)
	case rules.VLANID, rules.VLANPriority, rules.VLAN2ID:
		return setTag(s, subject, v)
	case rules.Length:
		return setLength(s, v)
	}
	return false
}

// setEtherType is only for frames that no header model looks into: the others
// have the type that they are.
func setEtherType(s *sketch, v rules.Value) bool {
	types := map[string]uint64{"ip": 0x0800, "ip6": 0x86dd, "arp": 0x0806}
	if own, ok := types[s.network]; ok {
		return v.Lo == own
	}
	for _, known := range []uint64{0x0800, 0x86dd, 0x0806, 0x8100, 0x88a8, 0x9100} {
		if v.Lo == known {
			return false
		}
	}
	return field(&s.frame.EtherType, v, 16)
}

func setTag(s *sketch, subject rules.Subject, v rules.Value) bool {
	tags := append(slices.Clone(s.frame.Tags), frames.Tag{}, frames.Tag{})[:2]
	n := max(1, len(s.frame.Tags))
	ok := false
	switch subject {
	case rules.VLANID:
		ok = field(&tags[0].VID, v, 12)
	case rules.VLANPriority:
		ok = field(&tags[0].PCP, v, 3)
	case rules.VLAN2ID:
		n = 2
		ok = field(&tags[1].VID, v, 12)
	}
	s.frame.Tags = tags[:n]
	return ok
}

// setLength makes the payload longer.
func setLength(s *sketch, v rules.Value) bool {
	f := s.build()
	if f == nil || v.Hi != 0 || v.Lo < uint64(len(f.bytes)) || v.Lo > 2000 {
		return false
	}
	more := make([]byte, int(v.Lo)-len(f.bytes))
	switch t := s.transport.(type) {
	case frames.TCP:
		t.Payload = append(slices.Clone(t.Payload), more...)
		s.transport = t
	case frames.UDP:
		t.Payload = append(slices.Clone(t.Payload), more...)
		s.transport = t
	case frames.ICMP:
		t.Payload = append(slices.Clone(t.Payload), more...)
		s.transport = t
	case frames.ICMPv6:
		t.Payload = append(slices.Clone(t.Payload), more...)
		s.transport = t
	case frames.Other:
		t.Payload = append(slices.Clone(t.Payload), more...)
		s.transport = t
	default:
		s.frame.Padding = len(more)
	}
	return true
}

func setIP(s *sketch, subject rules.Subject, v rules.Value) bool {
	p := &s.ip
	bit := func(to *bool) bool {
		*to = v.Lo == 1
		return fits(v, 1)
	}
	switch subject {
	case rules.Source, rules.IP4Source:
		p.From = address4(v)
		return fits(v, 32)
	case rules.Destination, rules.IP4Destination:
		p.To = address4(v)
		return fits(v, 32)
	case rules.Protocol, rules.IP4Protocol:
		return setProtocol(s, v)
	case rules.IP4TTL:
		return field(&p.TTL, v, 8) && v.Lo != 0
	case rules.IP4DSCP:
		p.TOS = p.TOS&3 | uint8(v.Lo)<<2
		return fits(v, 6)
	case rules.IP4ECN:
		p.TOS = p.TOS&^3 | uint8(v.Lo)
		return fits(v, 2)
	case rules.IP4Length:
		return setLength(s, rules.Value{Hi: v.Hi, Lo: v.Lo + uint64(s.networkOffset())})
	case rules.IP4ID:
		return field(&p.ID, v, 16)
	case rules.IP4DF:
		return bit(&p.DF)
	case rules.IP4MF:
		return bit(&p.More)
	case rules.IP4Offset:
		return field(&p.Offset, v, 13)
	case rules.IP4HeaderLength:
		if v.Lo < 5 || !fits(v, 4) {
			return false
		}
		return optioned(4 * (int(v.Lo) - 5))(s)
	}
	return false
}

func setIP6(s *sketch, subject rules.Subject, v rules.Value) bool {
	p := &s.ip6
	switch subject {
	case rules.Source, rules.IP6Source:
		p.From = address6(v)
		return true
	case rules.Destination, rules.IP6Destination:
		p.To = address6(v)
		return true
	case rules.Protocol:
		return setProtocol(s, v)
	case rules.IP6Next:
		return setNext(s, v)
	case rules.IP6HopLimit:
		return field(&p.HopLimit, v, 8) && v.Lo != 0
	case rules.IP6DSCP:
		p.TrafficClass = p.TrafficClass&3 | uint8(v.Lo)<<2
		return fits(v, 6)
	case rules.IP6ECN:
		p.TrafficClass = p.TrafficClass&^3 | uint8(v.Lo)
		return fits(v, 2)
	case rules.IP6Flow:
		return field(&p.FlowLabel, v, 20)
	case rules.IP6Length:
		return setLength(s, rules.Value{Hi: v.Hi, Lo: v.Lo + uint64(s.networkOffset()) + 40})
	case rules.IP6Extensions:
		return setExtensions(s, v)
	}
	return false
}

// setExtensions adds those whose bits are set.
func setExtensions(s *sketch, v rules.Value) bool {
	for bit, kind := range []uint8{frames.HopByHop, frames.Routing, frames.Fragment, frames.Destination, frames.AH} {
		if v.Lo>>bit&1 == 1 {
			s.extend(frames.Extension{Kind: kind})
		}
	}
	return fits(v, 5)
}

// setNext is about the fixed header: a protocol, or an extension header.
func setNext(s *sketch, v rules.Value) bool {
	if _, ok := extensionTraits[uint8(v.Lo)]; ok && fits(v, 8) {
		s.extend(frames.Extension{Kind: uint8(v.Lo)})
		return true
	}
	return setProtocol(s, v)
}

// setProtocol keeps a frame that has this protocol already, and makes another
// of one that is not looked into.
func setProtocol(s *sketch, v rules.Value) bool {
	named := map[string]uint64{"tcp": 6, "udp": 17, "sctp": 132, "icmp": 1, "icmp6": 58, "ah": 51, "none": 59}
	number := v.Lo
	if s.network == "ip6" && v.Lo >= 0x100 { // behind an AH
		number -= 0x100
		s.extend(frames.Extension{Kind: frames.AH})
	}
	if own, ok := named[s.kind]; ok {
		return own == number
	}
	_, extension := extensionTraits[uint8(number)]
	other, ok := s.transport.(frames.Other)
	if !ok || extension || !fits(rules.Value{Lo: number}, 8) {
		return false
	}
	if own := uint64(other.Protocol); own == number {
		return true
	}
	other.Protocol, s.kind = uint8(number), "other"
	s.transport = other
	return true
}

func setARP(s *sketch, subject rules.Subject, v rules.Value) bool {
	a := &s.arp
	address := func(to *netip.Addr) bool {
		*to = address4(v)
		return fits(v, 32)
	}
	switch subject {
	case rules.ARPOperation:
		return field(&a.Operation, v, 16) && v.Lo != 0
	case rules.ARPSenderIP:
		return address(&a.Sender)
	case rules.ARPTargetIP:
		return address(&a.Target)
	case rules.ARPSenderMAC:
		a.SenderLink = macOf(v)
		return fits(v, 48)
	case rules.ARPTargetMAC:
		a.TargetLink = macOf(v)
		return fits(v, 48)
	}
	return false
}

// setTransport sets what TCP, UDP, SCTP and ICMP say.
func setTransport(s *sketch, subject rules.Subject, v rules.Value) bool {
	ok := false
	switch t := s.transport.(type) {
	case frames.TCP:
		ok = setTCP(&t, subject, v)
		s.transport = t
	case frames.UDP:
		switch subject {
		case rules.SourcePort, rules.UDPSourcePort:
			ok = field(&t.From, v, 16)
		case rules.DestinationPort, rules.UDPDestinationPort:
			ok = field(&t.To, v, 16)
		case rules.UDPLength:
			t.Length = new(uint16(v.Lo))
			ok = fits(v, 16)
		}
		s.transport = t
	case frames.SCTP:
		switch subject {
		case rules.SourcePort, rules.SCTPSourcePort:
			ok = field(&t.From, v, 16)
		case rules.DestinationPort, rules.SCTPDestinationPort:
			ok = field(&t.To, v, 16)
		}
		s.transport = t
	case frames.ICMP:
		ok = s.network == "ip" && setICMP(&t, subject, rules.ICMPType, rules.ICMPCode, v)
		s.transport = t
	case frames.ICMPv6:
		ok = s.network == "ip6" && setICMP((*frames.ICMP)(&t), subject, rules.ICMP6Type, rules.ICMP6Code, v)
		s.transport = t
	}
	return ok
}

func setTCP(t *frames.TCP, subject rules.Subject, v rules.Value) bool {
	switch subject {
	case rules.SourcePort, rules.TCPSourcePort:
		return field(&t.From, v, 16)
	case rules.DestinationPort, rules.TCPDestinationPort:
		return field(&t.To, v, 16)
	case rules.TCPFlags:
		return field(&t.Flags, v, 8)
	case rules.TCPSequence:
		return field(&t.Seq, v, 32)
	case rules.TCPAck:
		return field(&t.Ack, v, 32)
	case rules.TCPWindow:
		return field(&t.Window, v, 16)
	case rules.TCPOffset:
		if v.Lo < 5 || !fits(v, 4) {
			return false
		}
		t.Options = make([]byte, 4*(v.Lo-5))
		return true
	}
	return false
}

func setICMP(m *frames.ICMP, subject, typ, code rules.Subject, v rules.Value) bool {
	switch subject {
	case typ:
		return field(&m.Type, v, 8)
	case code:
		return field(&m.Code, v, 8)
	}
	return false
}
