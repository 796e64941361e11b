package frames

import (
	"fmt"
	"net"
	"net/netip"

	"github.com/gopacket/gopacket/layers"
)

// Operations of ARP (RFC 826).
const (
	Request = 1
	Reply   = 2
)

// ARP is ARP of IPv4 over Ethernet (RFC 826).
type ARP struct {
	Operation              uint16           // zero: Request
	Sender, Target         netip.Addr       // zero: DefaultIP4From, DefaultIP4To
	SenderLink, TargetLink net.HardwareAddr // nil: DefaultFrom, and zeros for the target

	// Overrides; nil is the right value.
	HardwareType   *uint16
	ProtocolType   *uint16
	HardwareLength *uint8
	ProtocolLength *uint8
}

func (ARP) etherType() uint16 { return 0x0806 }

func (a ARP) bytes() ([]byte, error) {
	sender, target, err := addresses(a.Sender, a.Target, DefaultIP4From, DefaultIP4To)
	if err != nil {
		return nil, err
	}
	if a.Operation == 0 {
		a.Operation = Request
	}
	if a.SenderLink == nil {
		a.SenderLink = DefaultFrom
	}
	if a.TargetLink == nil {
		a.TargetLink = make(net.HardwareAddr, 6)
	}
	if len(a.SenderLink) != 6 || len(a.TargetLink) != 6 {
		return nil, fmt.Errorf("ARP of %v to %v: Ethernet addresses have 6 bytes", a.SenderLink, a.TargetLink)
	}
	b, err := serialize(&layers.ARP{
		AddrType:        layers.LinkTypeEthernet,
		Protocol:        layers.EthernetTypeIPv4,
		Operation:       a.Operation,
		SourceHwAddress: a.SenderLink, SourceProtAddress: sender.AsSlice(),
		DstHwAddress: a.TargetLink, DstProtAddress: target.AsSlice(),
	})
	if err != nil {
		return nil, err
	}
	override16(b, a.HardwareType)
	override16(b[2:], a.ProtocolType)
	b[4] = or(a.HardwareLength, b[4])
	b[5] = or(a.ProtocolLength, b[5])
	return b, nil
}

// override16 puts the override, if there is one, in front of b.
func override16(b []byte, override *uint16) {
	if override != nil {
		b[0], b[1] = uint8(*override>>8), uint8(*override)
	}
}

// ARPRequest is the broadcast that asks who has target.
func ARPRequest(link net.HardwareAddr, sender, target netip.Addr) Frame {
	return Frame{
		From: link, To: net.HardwareAddr{0xff, 0xff, 0xff, 0xff, 0xff, 0xff},
		Network: ARP{Operation: Request, SenderLink: link, Sender: sender, Target: target},
	}
}

// ARPReply is the answer of sender, who has link, to target.
func ARPReply(link net.HardwareAddr, sender netip.Addr, targetLink net.HardwareAddr, target netip.Addr) Frame {
	return Frame{
		From: link, To: targetLink,
		Network: ARP{
			Operation:  Reply,
			SenderLink: link, Sender: sender,
			TargetLink: targetLink, Target: target,
		},
	}
}

// Types of ICMPv6 that neighbour discovery uses (RFC 4861).
const (
	typeNeighborSolicit = 135
	typeNeighborAdvert  = 136
	neighborHopLimit    = 255 // receivers drop any other
)

// NeighborSolicit asks, by multicast, who has target (RFC 4861, 4.3).
func NeighborSolicit(link net.HardwareAddr, sender, target netip.Addr) Frame {
	group := netip.MustParseAddr("ff02::1:ff00:0").As16() // RFC 4291, 2.7.1
	last := target.As16()
	copy(group[13:], last[13:])
	return Frame{
		From: link, To: net.HardwareAddr{0x33, 0x33, group[12], group[13], group[14], group[15]},
		Network: IPv6{
			From: sender, To: netip.AddrFrom16(group), HopLimit: neighborHopLimit,
			Transport: ICMPv6{
				Type: typeNeighborSolicit, Payload: neighborPayload(target, 1, link),
			},
		},
	}
}

// NeighborAdvert is the answer of sender, who has link, to target (RFC 4861, 4.4).
func NeighborAdvert(link net.HardwareAddr, sender netip.Addr, targetLink net.HardwareAddr, target netip.Addr) Frame {
	const solicitedOverride = 0x60000000
	return Frame{
		From: link, To: targetLink,
		Network: IPv6{
			From: sender, To: target, HopLimit: neighborHopLimit,
			Transport: ICMPv6{
				Type: typeNeighborAdvert, Rest: solicitedOverride, Payload: neighborPayload(sender, 2, link),
			},
		},
	}
}

// neighborPayload is the target and a link-layer address option: 1 is the
// source's, 2 the target's.
func neighborPayload(target netip.Addr, option uint8, link net.HardwareAddr) []byte {
	if link == nil {
		link = DefaultFrom
	}
	address := target.As16()
	return append(append(address[:], option, 1), link...)
}
