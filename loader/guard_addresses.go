package loader

import (
	"errors"
	"net"
	"net/netip"
	"slices"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"xdpfw/loader/frames"
)

// surroundings is what the guard has to know of this network namespace.
type surroundings struct {
	links     map[int]netlink.Link
	addresses []netlink.Addr
	hops      []hop // towards clients, and routers
	towards   map[netip.Addr]hop
}

// lookAround also for the way to the clients of the sessions.
func lookAround(sessions []session) (*surroundings, error) {
	links, err := netlink.LinkList()
	if err != nil && !errors.Is(err, netlink.ErrDumpInterrupted) {
		return nil, err
	}
	addresses, err := netlink.AddrList(nil, netlink.FAMILY_ALL)
	if err != nil && !errors.Is(err, netlink.ErrDumpInterrupted) {
		return nil, err
	}
	s := &surroundings{links: make(map[int]netlink.Link, len(links)), addresses: addresses, towards: make(map[netip.Addr]hop)}
	for _, l := range links {
		s.links[l.Attrs().Index] = l
	}
	for _, ssh := range sessions {
		client := ssh.client.Addr()
		s.towards[client] = s.hopTo(client)
		s.hops = append(s.hops, s.towards[client])
	}
	routes, err := netlink.RouteList(nil, netlink.FAMILY_ALL)
	if err != nil && !errors.Is(err, netlink.ErrDumpInterrupted) {
		return nil, err
	}
	for _, r := range routes {
		if gateway, ok := netip.AddrFromSlice(r.Gw); ok {
			s.hops = append(s.hops, s.neighbor(gateway.Unmap(), r.LinkIndex))
		}
	}
	return s, nil
}

// A hop is somebody on the same wire: a client, or the router on the way to it.
type hop struct {
	address netip.Addr
	link    net.HardwareAddr // frames.DefaultFrom where it is not known
	limit   uint8            // the time to live of what comes from there
	device  int              // index of the interface to it; 0 where that cannot be told
}

// Times to live: what Linux sends with, and some of that behind routers. How
// many these are cannot be told.
const (
	limitOnLink = 64
	limitBeyond = 52
)

// hopTo is from whom the frames of an address come.
func (s *surroundings) hopTo(address netip.Addr) hop {
	routes, err := netlink.RouteGet(net.IP(address.AsSlice()))
	if err != nil || len(routes) == 0 {
		return hop{address: address, link: frames.DefaultFrom, limit: limitOnLink}
	}
	gateway, beyond := netip.AddrFromSlice(routes[0].Gw)
	if !beyond {
		return s.neighbor(address, routes[0].LinkIndex)
	}
	router := s.neighbor(gateway.Unmap(), routes[0].LinkIndex)
	router.limit = limitBeyond
	return router
}

// neighbor looks up whose address it is on the wire.
func (s *surroundings) neighbor(address netip.Addr, index int) hop {
	found := hop{address, frames.DefaultFrom, limitOnLink, index}
	known, err := netlink.NeighList(index, netlink.FAMILY_ALL)
	if err != nil && !errors.Is(err, netlink.ErrDumpInterrupted) {
		return found
	}
	for _, n := range known {
		if ip, ok := netip.AddrFromSlice(n.IP); ok && ip.Unmap() == address && len(n.HardwareAddr) == 6 {
			found.link = n.HardwareAddr
		}
	}
	return found
}

// tunnelOf is the interface by which the packets of a session come, if that is
// a tunnel's; else "".
func (s *surroundings) tunnelOf(ssh session) string {
	l := s.links[s.towards[ssh.client.Addr()].device]
	if l == nil {
		return ""
	}
	switch l.Type() {
	case "vxlan", "geneve", "gre", "gretap", "ip6gre", "ip6gretap", "erspan", "ipip", "sit", "ip6tnl", "vti", "wireguard", "tuntap", "tun", "xfrm":
		return l.Attrs().Name
	}
	return ""
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

	neighbors []hop // in the same prefix: first somebody, then those that are known
}

// unconfigured is what the guard asks about where an interface has no address
// yet: the examples of RFC 5737 and RFC 3849.
func unconfigured() []localAddress {
	return []localAddress{
		{address: netip.MustParseAddr("192.0.2.1"), bits: 24},
		{address: netip.MustParseAddr("2001:db8::1"), bits: 64},
	}
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
		own.prefixes = append(own.prefixes, localAddress{address: ip.Unmap(), bits: bits, dynamic: a.Flags&unix.IFA_F_PERMANENT == 0, tags: tags})
	}
	if own.prefixes == nil {
		own.prefixes = unconfigured()
	}
	for i := range own.prefixes {
		own.prefixes[i].meet(s.hops)
	}
	return own
}

// meet gathers the neighbours of an address.
func (a *localAddress) meet(hops []hop) {
	a.neighbors = []hop{{address: a.somebody(), link: frames.DefaultFrom}}
	prefix, err := a.address.Prefix(a.bits)
	if err != nil {
		return
	}
	for _, h := range hops {
		known := slices.ContainsFunc(a.neighbors[1:], func(n hop) bool { return n.address == h.address })
		if !known && h.address != a.address && prefix.Contains(h.address) {
			a.neighbors = append(a.neighbors, h)
		}
	}
}

// somebody is another address in the same prefix: the first one.
func (a localAddress) somebody() netip.Addr {
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
