package workload

import (
	"bytes"
	"math/rand/v2"
	"net/netip"
)

// Prefixes4 are n different IPv4 prefixes as block lists have them: most are
// hosts and /24s, few are wider, none wider than /16; half of them crowd in few
// networks. Some contain others. They are in the order in which they were
// drawn.
func Prefixes4(n int, seed uint64) []netip.Prefix {
	return distinct(newRand(prefixes4Shape, seed), n, blocked4, crowded4)
}

// Prefixes6 are n different IPv6 prefixes likewise, from /32 to /128: most are
// sites and links.
func Prefixes6(n int, seed uint64) []netip.Prefix {
	return distinct(newRand(prefixes6Shape, seed), n, blocked6, crowded6)
}

// Hosts4 are n different IPv4 addresses.
func Hosts4(n int, seed uint64) []netip.Prefix {
	return distinct(newRand(hosts4Shape, seed), n, []share[int]{{32, 1}}, crowded4)
}

// Hosts6 are n different IPv6 addresses.
func Hosts6(n int, seed uint64) []netip.Prefix {
	return distinct(newRand(hosts6Shape, seed), n, []share[int]{{128, 1}}, crowded6)
}

// The lengths, in parts of ten thousand.
var (
	blocked4 = []share[int]{{32, 5500}, {31, 200}, {30, 250}, {29, 250}, {28, 250}, {27, 200}, {26, 200}, {25, 200}, {24, 2300}, {23, 300}, {22, 250},
		{21, 50}, {20, 30}, {19, 10}, {18, 6}, {17, 2}, {16, 2}}
	blocked6 = []share[int]{{128, 1500}, {64, 3900}, {60, 150}, {56, 900}, {52, 150}, {48, 3280}, {44, 90}, {40, 20}, {36, 5}, {32, 5}}
)

// BlockList is a rule file that drops what comes from one of the prefixes, at
// most a million of them.
func BlockList(prefixes []netip.Prefix) []byte {
	var b bytes.Buffer
	b.WriteString("default pass\nset blocked = {\n")
	for _, p := range prefixes {
		if p.IsSingleIP() {
			b.Write(p.Addr().AppendTo(b.AvailableBuffer()))
		} else {
			b.Write(p.AppendTo(b.AvailableBuffer()))
		}
		b.WriteString(",\n")
	}
	b.WriteString("}\ndrop from @blocked\n")
	return b.Bytes()
}

// distinct are n different networks around addresses.
func distinct(r *rand.Rand, n int, lengths []share[int], address func(*rand.Rand, []uint64) netip.Addr) []netip.Prefix {
	crowds := make([]uint64, 16+n/100)
	for i := range crowds {
		crowds[i] = r.Uint64()
	}
	seen := make(map[netip.Prefix]bool, n)
	all := make([]netip.Prefix, 0, n)
	for len(all) < n {
		p, err := address(r, crowds).Prefix(choose(r, lengths))
		if err != nil {
			panic(err) // a length that the table has wrong
		}
		if !seen[p] {
			seen[p] = true
			all = append(all, p)
		}
	}
	return all
}

// crowded4 is any unicast address, or one of a crowded /16.
func crowded4(r *rand.Rand, crowds []uint64) netip.Addr {
	n := r.Uint64()
	if r.IntN(2) == 0 {
		n = n<<16 | crowds[r.IntN(len(crowds))]&0xffff
	}
	return netip.AddrFrom4([4]byte{1 + byte(n&0xff)%223, byte(n >> 8), byte(n >> 16), byte(n >> 24)})
}

// crowded6 is an address of any site, or of a crowded one.
func crowded6(r *rand.Rand, crowds []uint64) netip.Addr {
	site := r.Uint64()
	if r.IntN(2) == 0 {
		site = crowds[r.IntN(len(crowds))]
	}
	a := host6(r, site).As16()
	if r.IntN(2) == 0 { // not of the first few /48 and links
		n := r.Uint32()
		a[4], a[5], a[6], a[7] = byte(n), byte(n>>8), byte(n>>16), byte(n>>24)
	}
	return netip.AddrFrom16(a)
}
