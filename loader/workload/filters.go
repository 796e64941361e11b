package workload

import (
	"cmp"
	"math/rand/v2"
	"net/netip"
	"slices"
)

// ACL is n rules, the last of which matches every IP packet, as access lists of
// a router have them: most are of a host or two to a few servers and a TCP
// port. Family is 4 or 6, that of the addresses.
//
// ACL, Firewall and Chain follow the shape of the filter sets acl1, fw1 and
// ipc1 of ClassBench: the pairs of prefix lengths, the forms of port ranges, the
// protocols, the order, which is from special to general, and how many
// different networks, pairs of networks, services and sites 10,000 rules are
// about, each within a factor of three. They use none of their values.
func ACL(n, family int, seed uint64) []byte {
	return makeFilters(newRand(aclShape, seed), n, family, &acl)
}

// Firewall is rules as firewalls have them: most are of any source, or nearly
// any, to a server, or the other way round, over many services.
func Firewall(n, family int, seed uint64) []byte {
	return makeFilters(newRand(firewallShape, seed), n, family, &firewall)
}

// Chain is rules as chains of iptables have them: between networks and hosts
// of all sizes, a third without protocol and ports.
func Chain(n, family int, seed uint64) []byte {
	return makeFilters(newRand(chainShape, seed), n, family, &chain)
}

// A style is what the rules of a shape are drawn from.
type style struct {
	lengths      []share[[2]int] // of source and destination, in IPv4
	services     []share[service]
	sources      int // rules for each different source host
	destinations int
	sites        int // rules for each different /16 or, of IPv6, /32
	again        int // of a hundred rules, how many are about the networks of another one
	unusual      int // of a hundred ports, how many are of no well-known service
}

// A service is a protocol and the forms of its ports.
type service struct {
	protocol int
	from, to form
}

// A form of port ranges.
type form uint8

const (
	wildcard form = iota
	high          // 1024-65535
	some          // a range
	exact         // one port
)

var acl = style{
	lengths: []share[[2]int]{
		{[2]int{32, 32}, 29}, {[2]int{31, 32}, 13}, {[2]int{32, 31}, 12}, {[2]int{31, 31}, 4}, {[2]int{32, 30}, 4}, {[2]int{23, 32}, 4},
		{[2]int{32, 22}, 4}, {[2]int{31, 22}, 3}, {[2]int{30, 32}, 2}, {[2]int{31, 23}, 2}, {[2]int{24, 31}, 2}, {[2]int{32, 24}, 2},
		{[2]int{32, 21}, 1}, {[2]int{30, 22}, 1}, {[2]int{24, 32}, 1}, {[2]int{29, 23}, 1}, {[2]int{31, 25}, 1}, {[2]int{22, 28}, 1}, {[2]int{23, 16}, 1},
	},
	services: []share[service]{
		{service{protoTCP, wildcard, exact}, 60}, {service{protoTCP, wildcard, wildcard}, 17}, {service{protoTCP, wildcard, some}, 11},
		{service{0, wildcard, wildcard}, 8}, {service{protoICMP, wildcard, wildcard}, 3}, {service{protoUDP, wildcard, exact}, 1},
	},
	sources: 6, destinations: 24, sites: 40, again: 25, unusual: 40,
}

var firewall = style{
	lengths: []share[[2]int]{
		{[2]int{0, 31}, 17}, {[2]int{0, 32}, 15}, {[2]int{1, 32}, 11}, {[2]int{1, 31}, 7}, {[2]int{0, 30}, 6}, {[2]int{31, 0}, 5},
		{[2]int{32, 0}, 4}, {[2]int{32, 1}, 3}, {[2]int{2, 32}, 3}, {[2]int{30, 0}, 2}, {[2]int{31, 1}, 2}, {[2]int{0, 0}, 1}, {[2]int{1, 0}, 1},
		{[2]int{0, 1}, 1}, {[2]int{32, 2}, 1}, {[2]int{32, 32}, 2}, {[2]int{31, 32}, 1}, {[2]int{32, 31}, 1}, {[2]int{28, 0}, 1}, {[2]int{27, 0}, 1},
		{[2]int{21, 0}, 1}, {[2]int{29, 29}, 3}, {[2]int{28, 29}, 3},
	},
	services: []share[service]{
		{service{protoTCP, wildcard, exact}, 43}, {service{protoUDP, wildcard, exact}, 14}, {service{protoUDP, exact, wildcard}, 10},
		{service{protoTCP, wildcard, wildcard}, 9}, {service{47, wildcard, wildcard}, 6}, {service{protoTCP, high, high}, 4},
		{service{protoICMP, wildcard, wildcard}, 4}, {service{protoUDP, exact, exact}, 3}, {service{protoUDP, high, high}, 2},
		{service{protoUDP, exact, high}, 2}, {service{protoUDP, high, exact}, 2}, {service{0, wildcard, wildcard}, 1},
	},
	sources: 3, destinations: 2, sites: 2, again: 5, unusual: 0,
}

var chain = style{
	lengths: []share[[2]int]{
		{[2]int{32, 32}, 8}, {[2]int{31, 32}, 4}, {[2]int{23, 32}, 4}, {[2]int{24, 32}, 3}, {[2]int{32, 31}, 3}, {[2]int{23, 24}, 3},
		{[2]int{24, 24}, 2}, {[2]int{24, 23}, 2}, {[2]int{25, 32}, 2}, {[2]int{24, 31}, 2}, {[2]int{0, 31}, 2}, {[2]int{0, 32}, 2}, {[2]int{32, 24}, 2},
		{[2]int{25, 31}, 2}, {[2]int{23, 25}, 2}, {[2]int{1, 32}, 1}, {[2]int{24, 25}, 1}, {[2]int{32, 25}, 1}, {[2]int{23, 0}, 1}, {[2]int{24, 0}, 1},
		{[2]int{25, 23}, 1}, {[2]int{25, 24}, 1}, {[2]int{0, 25}, 1}, {[2]int{16, 24}, 1}, {[2]int{27, 22}, 1}, {[2]int{29, 16}, 1}, {[2]int{8, 32}, 1},
	},
	services: []share[service]{
		{service{0, wildcard, wildcard}, 33}, {service{protoUDP, wildcard, exact}, 21}, {service{protoTCP, wildcard, exact}, 13},
		{service{protoUDP, exact, wildcard}, 8}, {service{protoTCP, exact, wildcard}, 8}, {service{protoUDP, wildcard, high}, 6},
		{service{protoTCP, wildcard, wildcard}, 2}, {service{protoTCP, wildcard, some}, 2}, {service{protoTCP, some, wildcard}, 1},
		{service{protoICMP, wildcard, wildcard}, 1}, {service{protoUDP, wildcard, some}, 1}, {service{protoUDP, exact, exact}, 1},
		{service{50, wildcard, wildcard}, 1}, {service{protoAH, wildcard, wildcard}, 1},
	},
	sources: 40, destinations: 14, sites: 30, again: 15, unusual: 0,
}

// servicePorts are those of services that rules name; the rest of an access
// list are registered or private ones.
var servicePorts = []int{20, 21, 22, 23, 25, 37, 53, 67, 69, 80, 88, 110, 119, 123, 137, 139, 143, 161, 179, 389, 443, 445, 514, 750,
	993, 995, 1433, 1521, 1812, 1999, 2055, 2105, 3306, 3389, 5060, 5432, 6379, 7648, 8080, 8443, 9003, 24032}

// makeFilters draws n - 1 different rules, sorts them from special to general,
// and puts behind them one that matches every packet of the family.
func makeFilters(r *rand.Rand, n, family int, s *style) []byte {
	sites := 8 + n/s.sites
	sources := newHosts(r, family, n/s.sources+8, sites)
	destinations := newHosts(r, family, n/s.destinations+8, sites)
	ranges := somePorts(r, 32)
	seen := make(map[filter]bool, n)
	filters := make([]filter, 0, n)
	for tries := 0; len(filters) < n-1 && tries < 100*n; tries++ {
		lengths, service := choose(r, s.lengths), choose(r, s.services)
		f := filter{
			from: sources.network(r, lengths[0]), to: destinations.network(r, lengths[1]), protocol: service.protocol,
			fromPort: service.from.ports(r, s, ranges), toPort: service.to.ports(r, s, ranges),
		}
		if len(filters) > 0 && r.IntN(100) < s.again {
			other := &filters[r.IntN(len(filters))]
			f.from, f.to = other.from, other.to
		}
		if f.protocol == protoICMP && family == 6 {
			f.protocol = protoICMP6
		}
		if seen[f] {
			continue
		}
		seen[f] = true
		filters = append(filters, f)
	}
	slices.SortStableFunc(filters, func(a, b filter) int { return cmp.Compare(b.weight(), a.weight()) })
	text := newRuleText()
	for _, f := range filters {
		text.rule(f)
	}
	text.add([...]string{4: "ip", 6: "ip6"}[family])
	return text.Bytes()
}

// weight is how special a rule is.
func (f filter) weight() int {
	w := f.from.Bits() + f.to.Bits()
	for _, p := range []ports{f.fromPort, f.toPort} {
		if !p.isAny() {
			w++
		}
	}
	if f.protocol != 0 {
		w++
	}
	return w
}

// somePorts are n ranges of ports.
func somePorts(r *rand.Rand, n int) []ports {
	widths := []int{2, 8, 10, 11, 20, 50, 100, 1000}
	all := make([]ports, n)
	for i := range all {
		lo := 10 * (1 + r.IntN(6000))
		all[i] = portRange(lo, lo+widths[r.IntN(len(widths))]-1)
	}
	return all
}

func (f form) ports(r *rand.Rand, s *style, ranges []ports) ports {
	switch f {
	case high:
		return portRange(1024, 65535)
	case some:
		return ranges[r.IntN(len(ranges))]
	case exact:
		p := servicePorts[int(r.Float64()*r.Float64()*float64(len(servicePorts)))]
		if r.IntN(100) < s.unusual {
			p = ranges[r.IntN(len(ranges))].lo + r.IntN(3)
		}
		return portRange(p, p)
	}
	return ports{}
}

// hosts are what the networks of a rule set are around: a few sites, in each
// of which some subnets have most of the hosts.
type hosts struct {
	family int
	all    []netip.Addr
}

func newHosts(r *rand.Rand, family, n, sites int) hosts {
	h := hosts{family, make([]netip.Addr, n)}
	prefixes := make([]uint64, sites)
	for i := range prefixes {
		prefixes[i] = r.Uint64()
	}
	for i := range h.all {
		site := prefixes[int(r.Float64()*r.Float64()*float64(sites))]
		if family == 4 {
			h.all[i] = host4(r, site)
		} else {
			h.all[i] = host6(r, site)
		}
	}
	return h
}

// network of so many bits (of IPv4) around one of the hosts.
func (h *hosts) network(r *rand.Rand, length int) netip.Prefix {
	if h.family == 6 {
		length = lengths6[length]
	}
	p, err := h.all[r.IntN(len(h.all))].Prefix(length)
	if err != nil {
		panic(err) // a length that the style has wrong
	}
	return p
}

// lengths6 are lengths in IPv6 for what has some length in IPv4: what an
// Internet registry, a provider, a site and a link have.
var lengths6 = [33]int{
	0: 0, 1: 4, 2: 8, 8: 20, 16: 32, 21: 40, 22: 44, 23: 48, 24: 48, 25: 56, 27: 60, 28: 64, 29: 64, 30: 96, 31: 127, 32: 128,
}

// host4 is 8 bits or, seldom, 16 within the site's /16.
func host4(r *rand.Rand, site uint64) netip.Addr {
	a := 1 + byte(site%223) // unicast
	subnet := byte(site>>16) + byte(r.IntN(16))
	if r.IntN(8) == 0 {
		subnet = byte(r.Uint32())
	}
	return netip.AddrFrom4([4]byte{a, byte(site >> 8), subnet, byte(r.Uint32())})
}

// host6 is in one of few subnets of one of few /48 of the site's /32, with an
// interface identifier that was given by hand, or made of a MAC address, or at
// random.
func host6(r *rand.Rand, site uint64) netip.Addr {
	first := [...]uint16{0x2001, 0x2400, 0x2600, 0x2800, 0x2a00, 0x2a01, 0x2a02}[site%7]
	b := [16]byte{byte(first >> 8), byte(first), byte(site >> 8), byte(site >> 16)}
	b[5] = byte(r.IntN(24))
	b[7] = byte(r.IntN(6))
	random := r.Uint64()
	switch r.IntN(4) {
	case 0, 1:
		b[15] = byte(random)
	case 2:
		b[8], b[9], b[10], b[11], b[12] = 2, byte(site>>24), byte(site>>32), 0xff, 0xfe
		b[13], b[14], b[15] = byte(random), byte(random>>8), byte(random>>16)
	default:
		for i := range 8 {
			b[8+i] = byte(random >> (8 * i))
		}
	}
	return netip.AddrFrom16(b)
}
