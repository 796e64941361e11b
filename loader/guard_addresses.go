package loader

import (
	"errors"
	"maps"
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
	ports     map[int][]int // of bridges and bonds
	addresses []netlink.Addr
	neighbors []netlink.Neigh
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
	neighbors, err := netlink.NeighList(0, netlink.FAMILY_ALL)
	if err != nil && !errors.Is(err, netlink.ErrDumpInterrupted) {
		return nil, err
	}
	s := surroundingsOf(links)
	s.addresses, s.neighbors = addresses, neighbors
	for _, ssh := range sessions {
		client := ssh.client.Addr()
		s.towards[client] = s.hopTo(client)
		s.hops = append(s.hops, s.towards[client])
	}
	return s, s.findRouters()
}

func surroundingsOf(links []netlink.Link) *surroundings {
	s := &surroundings{links: make(map[int]netlink.Link, len(links)), ports: make(map[int][]int), towards: make(map[netip.Addr]hop)}
	for _, l := range links {
		s.links[l.Attrs().Index] = l
		if master := l.Attrs().MasterIndex; master != 0 {
			s.ports[master] = append(s.ports[master], l.Attrs().Index)
		}
	}
	return s
}

// findRouters among the gateways of all routes. These may be a million: each is
// looked at and let go.
func (s *surroundings) findRouters() error {
	found := make(map[gateway]bool)
	err := netlink.RouteListFilteredIter(netlink.FAMILY_ALL, &netlink.Route{}, 0, func(r netlink.Route) bool {
		for _, by := range append(r.MultiPath, &netlink.NexthopInfo{LinkIndex: r.LinkIndex, Gw: r.Gw, Via: r.Via}) {
			if address, ok := gatewayOf(by.Gw, by.Via); ok {
				found[gateway{address, by.LinkIndex, r.Protocol == unix.RTPROT_RA}] = true
			}
		}
		return true
	})
	for _, g := range slices.SortedFunc(maps.Keys(found), func(a, b gateway) int { return a.address.Compare(b.address) }) {
		router := s.neighbor(g.address, g.device)
		router.announces = g.announces
		s.hops = append(s.hops, router)
	}
	if errors.Is(err, netlink.ErrDumpInterrupted) {
		return nil
	}
	return err
}

// A gateway of routes: its address, the index of the interface to it, and
// whether router advertisements made one of them.
type gateway struct {
	address   netip.Addr
	device    int
	announces bool
}

// gatewayOf a route, also one of IPv4 by way of an IPv6 router (RFC 5549).
func gatewayOf(gw net.IP, via netlink.Destination) (netip.Addr, bool) {
	if v, ok := via.(*netlink.Via); ok {
		gw = v.Addr
	}
	address, ok := netip.AddrFromSlice(gw)
	return address.Unmap(), ok
}

// A hop is somebody on the same wire: a client, or the router on the way to it.
type hop struct {
	address netip.Addr
	link    net.HardwareAddr // nil where it is not known
	device  int              // index of the interface to it; 0 where that cannot be told

	router    bool // what is asked for comes from behind it
	announces bool // routes, by router advertisements
	invented  bool // stands for anybody
}

// hopTo is from whom the frames of an address come.
func (s *surroundings) hopTo(address netip.Addr) hop {
	if address.IsLinkLocalUnicast() && address.Is6() { // on any of the wires
		return s.neighbor(address, 0)
	}
	routes, err := netlink.RouteGet(net.IP(address.AsSlice()))
	if err != nil || len(routes) == 0 {
		return hop{address: address}
	}
	by, beyond := gatewayOf(routes[0].Gw, routes[0].Via)
	if !beyond {
		return s.neighbor(address, routes[0].LinkIndex)
	}
	router := s.neighbor(by, routes[0].LinkIndex)
	router.router = true
	return router
}

// neighbor looks up whose address it is on the wire of an interface, or, if that
// is 0, on all.
func (s *surroundings) neighbor(address netip.Addr, index int) hop {
	found := hop{address: address, device: index}
	for _, n := range s.neighbors {
		ip, ok := netip.AddrFromSlice(n.IP)
		if ok && ip.Unmap() == address && len(n.HardwareAddr) == 6 && (index == 0 || index == n.LinkIndex) {
			found.link, found.device = n.HardwareAddr, n.LinkIndex
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
// and how: on one with the session's local address, or the one on the way to
// the client, or one that carries either (the port of a bridge or bond, the
// interface below a VLAN). It is yes also where that cannot be told.
func (s *surroundings) arrives(ssh session, device int) (by arrival, yes bool) {
	by = arrival{session: ssh, to: s.linkOf(device), from: s.towards[ssh.client.Addr()]}
	var uppers []int
	for _, a := range s.addresses {
		if ip, ok := netip.AddrFromSlice(a.IP); ok && ip.Unmap() == ssh.server.Addr() {
			uppers = append(uppers, a.LinkIndex)
		}
	}
	if len(uppers) == 0 || by.from.device == 0 {
		return by, true
	}
	for _, upper := range append(uppers, by.from.device) {
		if tags, yes := s.carries(device, upper); yes {
			by.tags, by.to = tags, s.linkOf(upper)
			return by, true
		}
	}
	return by, false
}

// linkOf is the link address of an interface; nil if it has none of six bytes.
func (s *surroundings) linkOf(index int) net.HardwareAddr {
	if l := s.links[index]; l != nil && len(l.Attrs().HardwareAddr) == 6 {
		return l.Attrs().HardwareAddr
	}
	return nil
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
	for _, port := range s.ports[upper] {
		if tags, yes := s.carriesWithin(device, port, seen); yes {
			return tags, true
		}
	}
	// The other end of a veth pair has the place of a parent in netlink's
	// message, but its index is of another namespace.
	parent := s.links[upper].Attrs().ParentIndex
	if parent == 0 || s.links[upper].Type() == "veth" {
		return nil, false
	}
	tags, yes := s.carriesWithin(device, parent, seen)
	if vlan, ok := s.links[upper].(*netlink.Vlan); ok && yes {
		tags = append(tags, tagOf(vlan))
	}
	return tags, yes
}

// tagOf the frames of a VLAN's interface.
func tagOf(vlan *netlink.Vlan) frames.Tag {
	tag := frames.Tag{VID: uint16(vlan.VlanId)}
	if vlan.VlanProtocol == netlink.VLAN_PROTOCOL_8021AD {
		tag.Type = frames.STag
	}
	return tag
}

// A localAddress is what is configured on an interface, or on one that it
// carries.
type localAddress struct {
	address netip.Addr
	bits    int              // of the prefix
	dynamic bool             // from DHCP or a router: gone if it is not renewed
	device  int              // index of the interface that has it
	link    net.HardwareAddr // of that; nil if it has none of six bytes
	tags    []frames.Tag     // of the frames that are for it, the outermost first

	neighbors []hop // who is known on its wire, or else somebody in its prefix
	announcer hop   // the router that announces prefixes and routes there
}

// unconfigured is what the guard asks about where an interface has no address
// yet: the examples of RFC 5737 and RFC 3849.
func unconfigured(link net.HardwareAddr) []localAddress {
	return []localAddress{
		{address: netip.MustParseAddr("192.0.2.1"), bits: 24, link: link},
		{address: netip.MustParseAddr("2001:db8::1"), bits: 64, link: link},
	}
}

// on gathers the addresses of an interface.
func (s *surroundings) on(device int) []localAddress {
	var own []localAddress
	for _, a := range s.addresses {
		ip, ok := netip.AddrFromSlice(a.IP)
		tags, carried := s.carries(device, a.LinkIndex)
		if !ok || !carried {
			continue
		}
		bits, _ := a.Mask.Size()
		own = append(own, localAddress{
			address: ip.Unmap(), bits: bits, dynamic: a.Flags&unix.IFA_F_PERMANENT == 0,
			device: a.LinkIndex, link: s.linkOf(a.LinkIndex), tags: tags,
		})
	}
	if own == nil {
		own = unconfigured(s.linkOf(device))
	}
	for i := range own {
		own[i].meet(s.hops, own)
	}
	return own
}

// meet gathers the neighbours of an address: who is in its prefix, or in none of
// those of all addresses, but on the same wire.
func (a *localAddress) meet(hops []hop, all []localAddress) {
	a.announcer = hop{address: netip.MustParseAddr("fe80::1"), invented: true}
	resolved := false
	for _, h := range hops {
		if h.announces && h.device == a.device && a.address.Is6() {
			a.announcer = h
		}
		known := slices.ContainsFunc(a.neighbors, func(n hop) bool { return n.address == h.address })
		if !known && h.address != a.address && h.address.Is4() == a.address.Is4() && a.reaches(h, all) {
			a.neighbors = append(a.neighbors, h)
			resolved = resolved || h.link != nil
		}
	}
	if !resolved {
		a.neighbors = append([]hop{{address: a.somebody(), invented: true}}, a.neighbors...)
	}
}

// reaches says whether somebody is in the prefix of an address; or, on the same
// wire, in that of no address at all.
func (a *localAddress) reaches(h hop, all []localAddress) bool {
	if a.contains(h.address) {
		return !h.address.IsLinkLocalUnicast() || h.device == 0 || h.device == a.device
	}
	contained := slices.ContainsFunc(all, func(other localAddress) bool { return other.device == h.device && other.contains(h.address) })
	return h.device == a.device && h.device != 0 && !contained
}

func (a *localAddress) contains(address netip.Addr) bool {
	prefix, err := a.address.Prefix(a.bits)
	return err == nil && prefix.Contains(address)
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
