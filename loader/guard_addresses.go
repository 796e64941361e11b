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
	neighbors map[netip.Addr][]netlink.Neigh
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
	s.addresses = addresses
	for _, n := range neighbors {
		if ip, ok := netip.AddrFromSlice(n.IP); ok && len(n.HardwareAddr) == 6 {
			s.neighbors[ip.Unmap()] = append(s.neighbors[ip.Unmap()], n)
		}
	}
	for _, ssh := range sessions {
		client := ssh.client.Addr()
		s.towards[client] = s.hopTo(client)
		s.hops = append(s.hops, s.towards[client])
	}
	return s, s.findRouters()
}

func surroundingsOf(links []netlink.Link) *surroundings {
	s := &surroundings{links: make(map[int]netlink.Link, len(links)), ports: make(map[int][]int), neighbors: make(map[netip.Addr][]netlink.Neigh), towards: make(map[netip.Addr]hop)}
	for _, l := range links {
		s.links[l.Attrs().Index] = l
		if master := l.Attrs().MasterIndex; master != 0 {
			s.ports[master] = append(s.ports[master], l.Attrs().Index)
		}
	}
	return s
}

// findRouters among the gateways of all routes, of all tables. These may be a million: each is
// looked at and let go.
func (s *surroundings) findRouters() error {
	found := make(map[gateway]bool)
	err := netlink.RouteListFilteredIter(netlink.FAMILY_ALL, &netlink.Route{}, netlink.RT_FILTER_TABLE, func(r netlink.Route) bool {
		for _, by := range append(r.MultiPath, &netlink.NexthopInfo{LinkIndex: r.LinkIndex, Gw: r.Gw, Via: r.Via}) {
			if address, ok := gatewayOf(by.Gw, by.Via); ok {
				found[gateway{address, by.LinkIndex, r.Protocol == unix.RTPROT_RA}] = true
			}
		}
		return true
	})
	for _, g := range slices.SortedFunc(maps.Keys(found), func(a, b gateway) int { return a.address.Compare(b.address) }) {
		router := s.neighbor(g.address, g.device)
		router.router, router.announces = true, g.announces
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

	router    bool // what comes from behind it passes it
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
	for _, n := range s.neighbors[address] {
		if index == 0 || index == n.LinkIndex {
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
	case "vxlan", "geneve", "gre", "gretap", "ip6gre", "ip6gretap", "erspan", "ipip", "sit", "ip6tnl", "vti", "vti6", "wireguard", "tuntap", "tun", "xfrm", "ppp", "macsec":
		return l.Attrs().Name
	}
	return ""
}

// arrives says whether the packets of a session could arrive on an interface,
// and how: on one with the session's local address, or the one on the way to
// the client, or one that carries either (the port of a bridge or bond, the
// interface below a VLAN); where that address is on no wire, also the one
// towards any router. It is yes also where that cannot be told.
func (s *surroundings) arrives(ssh session, device int) (by arrival, yes bool) {
	by = arrival{session: ssh, to: s.linkOf(device), from: s.towards[ssh.client.Addr()], room: s.roomOn(device)}
	var uppers, routers []hop // the interface, and who sends to it
	for _, a := range s.addresses {
		ip, ok := netip.AddrFromSlice(a.IP)
		if !ok || ip.Unmap() != ssh.server.Addr() {
			continue
		}
		owner := by.from
		owner.device = a.LinkIndex
		uppers = append(uppers, owner)
		if l := s.links[a.LinkIndex]; l != nil && (l.Type() == "dummy" || l.Attrs().Flags&net.FlagLoopback != 0) {
			for _, h := range s.hops {
				if h.router {
					routers = append(routers, h)
				}
			}
		}
	}
	if len(uppers) == 0 || by.from.device == 0 {
		return by, true
	}
	for _, upper := range append(append(uppers, by.from), routers...) {
		if tags, yes := s.carries(device, upper.device); yes {
			by.from, by.tags, by.to, by.room = upper, tags, s.linkOf(upper.device), s.roomOn(upper.device)
			return by, true
		}
	}
	return by, false
}

// roomOn is the size of the largest IP packet that an interface takes, in bytes.
func (s *surroundings) roomOn(index int) int {
	if l := s.links[index]; l != nil && l.Attrs().MTU > 0 {
		return min(l.Attrs().MTU, largestPacket)
	}
	return 1500
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
	switch s.links[upper].Type() {
	case "vlan", "macvlan", "macvtap", "ipvlan", "ipvtap":
	default: // what has a parent else is a tunnel, or the end of a veth pair
		return nil, false
	}
	tags, yes := s.carriesWithin(device, s.links[upper].Attrs().ParentIndex, seen)
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
	prefix  netip.Prefix     // of the neighbours; that of the peer, if it has one
	dynamic bool             // from DHCP or a router: gone if it is not renewed
	device  int              // index of the interface that has it
	link    net.HardwareAddr // of that; nil if it has none of six bytes
	tags    []frames.Tag     // of the frames that are for it, the outermost first

	neighbors  []hop      // who is known on its wire, or else somebody in its prefix
	announcers []hop      // the routers that announce prefixes and routes there, to IPv6
	linkLocal  netip.Addr // of the same interface, for IPv6

	instead []localAddress // of one that stands for any, see unconfigured: others that do
}

// on gathers the addresses of an interface; none if it has none yet.
func (s *surroundings) on(device int) []localAddress {
	var own []localAddress
	for _, a := range s.addresses {
		tags, carried := s.carries(device, a.LinkIndex)
		ip, ok := netip.AddrFromSlice(a.IP)
		if !ok || !carried {
			continue
		}
		network := a.IPNet
		if a.Peer != nil {
			network = a.Peer
		}
		bits, _ := network.Mask.Size()
		peer, ok := netip.AddrFromSlice(network.IP)
		if !ok {
			continue
		}
		own = append(own, localAddress{
			address: ip.Unmap(), prefix: netip.PrefixFrom(peer.Unmap(), bits), dynamic: a.Flags&unix.IFA_F_PERMANENT == 0,
			device: a.LinkIndex, link: s.linkOf(a.LinkIndex), tags: tags,
		})
	}
	meetAll(own, s.hops)
	linkLocal := map[int]netip.Addr{} // by interface
	for _, a := range own {
		if a.address.Is6() && a.address.IsLinkLocalUnicast() {
			linkLocal[a.device] = a.address
		}
	}
	for i := range own {
		if own[i].linkLocal = linkLocal[own[i].device]; !own[i].linkLocal.IsValid() {
			own[i].linkLocal = netip.MustParseAddr("fe80::2")
		}
	}
	return own
}

// meetAll gathers the neighbours of addresses: who is in the prefix of one; or, on
// the wire of one, in that of none.
func meetAll(own []localAddress, hops []hop) {
	for _, h := range hops {
		met := false
		for i := range own {
			if a := &own[i]; a.contains(h) {
				a.meet(h)
				met = true
			}
			if own[i].device == h.device && h.announces && own[i].address.Is6() {
				own[i].announcers = append(own[i].announcers, h)
			}
		}
		for i := range own {
			if a := &own[i]; !met && h.device != 0 && h.device == a.device && h.address.Is4() == a.address.Is4() {
				a.meet(h)
				met = true
			}
		}
	}
	for i := range own {
		if a := &own[i]; !slices.ContainsFunc(a.neighbors, func(h hop) bool { return h.link != nil }) {
			a.neighbors = append([]hop{a.somebody()}, a.neighbors...)
		}
	}
}

// meet adds a neighbour, or what else is to be said of one that is known.
func (a *localAddress) meet(h hop) {
	for i := range a.neighbors {
		if known := &a.neighbors[i]; known.address == h.address && known.device == h.device {
			known.router = known.router || h.router
			return
		}
	}
	a.neighbors = append(a.neighbors, h)
}

// contains says whether somebody is in the prefix of an address; those of links
// are the same on all wires.
func (a *localAddress) contains(h hop) bool {
	return h.address != a.address && a.prefix.Contains(h.address) &&
		(!h.address.IsLinkLocalUnicast() || h.device == 0 || h.device == a.device)
}

// somebody is another address in the same prefix: the first one. Of two, either is
// one (RFC 3021, RFC 6164); where there is only one, it is the peer's or beyond.
func (a localAddress) somebody() hop {
	first := a.prefix.Masked().Addr()
	if a.prefix.Bits() < first.BitLen()-1 {
		first = first.Next()
	}
	if first == a.address {
		first = first.Next()
	}
	return hop{address: first, invented: true}
}
