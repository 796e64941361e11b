package loader

import (
	"errors"
	"net"
	"net/netip"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"xdpfw/loader/frames"
)

// surroundings is what the guard has to know of this network namespace.
type surroundings struct {
	links     map[int]netlink.Link
	addresses []netlink.Addr
}

func lookAround() (*surroundings, error) {
	links, err := netlink.LinkList()
	if err != nil && !errors.Is(err, netlink.ErrDumpInterrupted) {
		return nil, err
	}
	addresses, err := netlink.AddrList(nil, netlink.FAMILY_ALL)
	if err != nil && !errors.Is(err, netlink.ErrDumpInterrupted) {
		return nil, err
	}
	s := &surroundings{links: make(map[int]netlink.Link, len(links)), addresses: addresses}
	for _, l := range links {
		s.links[l.Attrs().Index] = l
	}
	return s, nil
}

// arrives says whether the packets of a session could arrive on an interface,
// and with which VLAN tags: on the one with the session's local address, or the
// one on the way to the client, or one that carries either (the port of a bridge
// or bond, the interface below a VLAN). It is yes also where that cannot be told.
func (s *surroundings) arrives(ssh session, device int) (tags []frames.Tag, yes bool) {
	owner := 0
	for _, a := range s.addresses {
		if ip, ok := netip.AddrFromSlice(a.IP); ok && ip.Unmap() == ssh.server.Addr() {
			owner = a.LinkIndex
		}
	}
	if owner == 0 {
		return nil, true
	}
	if tags, yes := s.carries(device, owner); yes {
		return tags, true
	}
	routes, err := netlink.RouteGet(net.IP(ssh.client.Addr().AsSlice()))
	if err != nil {
		return nil, true
	}
	for _, r := range routes {
		if tags, yes := s.carries(device, r.LinkIndex); yes {
			return tags, true
		}
	}
	return nil, false
}

// carries says whether the frames of upper pass through device: it is the
// same, or below it. tags are those that they have there, the outermost first.
func (s *surroundings) carries(device, upper int) (tags []frames.Tag, yes bool) {
	return s.carriesWithin(device, upper, make(map[int]bool))
}

func (s *surroundings) carriesWithin(device, upper int, seen map[int]bool) ([]frames.Tag, bool) {
	if device == upper {
		return nil, true
	}
	if seen[upper] || s.links[upper] == nil {
		return nil, false
	}
	seen[upper] = true
	for index, l := range s.links {
		// The other end of a veth pair has the place of a parent in netlink's
		// message, but its index is of another namespace.
		parent := s.links[upper].Attrs().ParentIndex == index && s.links[upper].Type() != "veth"
		if !parent && l.Attrs().MasterIndex != upper {
			continue
		}
		tags, yes := s.carriesWithin(device, index, seen)
		if !yes {
			continue
		}
		if vlan, ok := s.links[upper].(*netlink.Vlan); ok && parent {
			tags = append(tags, tagOf(vlan))
		}
		return tags, true
	}
	return nil, false
}

// tagOf the frames of a VLAN's interface.
func tagOf(vlan *netlink.Vlan) frames.Tag {
	tag := frames.Tag{VID: uint16(vlan.VlanId)}
	if vlan.VlanProtocol == netlink.VLAN_PROTOCOL_8021AD {
		tag.Type = frames.STag
	}
	return tag
}

// localAddresses is what is configured on an interface, and on those that it
// carries.
type localAddresses struct {
	link     net.HardwareAddr // nil if it has none of six bytes
	prefixes []localAddress
}

type localAddress struct {
	address netip.Addr
	bits    int          // of the prefix
	dynamic bool         // from DHCP or a router: gone if it is not renewed
	tags    []frames.Tag // of the frames that are for it, the outermost first
}

// Where an interface has no address yet the guard asks about these: the
// examples of RFC 5737 and RFC 3849.
var unconfigured = []localAddress{
	{address: netip.MustParseAddr("192.0.2.1"), bits: 24},
	{address: netip.MustParseAddr("2001:db8::1"), bits: 64},
}

// on gathers the addresses of an interface.
func (s *surroundings) on(device int) localAddresses {
	var own localAddresses
	if l := s.links[device]; l != nil && len(l.Attrs().HardwareAddr) == 6 {
		own.link = l.Attrs().HardwareAddr
	}
	for _, a := range s.addresses {
		ip, ok := netip.AddrFromSlice(a.IP)
		tags, carried := s.carries(device, a.LinkIndex)
		if !ok || !carried {
			continue
		}
		bits, _ := a.Mask.Size()
		own.prefixes = append(own.prefixes, localAddress{ip.Unmap(), bits, a.Flags&unix.IFA_F_PERMANENT == 0, tags})
	}
	if own.prefixes == nil {
		own.prefixes = unconfigured
	}
	return own
}

// neighbor is somebody else's address in the same prefix: the first one.
func (a localAddress) neighbor() netip.Addr {
	prefix, err := a.address.Prefix(a.bits)
	if err != nil {
		return a.address
	}
	first := prefix.Addr().Next()
	if first == a.address {
		first = first.Next()
	}
	return first
}
