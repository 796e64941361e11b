package workload

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"strings"
)

// HostileShapes are rule files whose fields, each cut into the classes that no
// rule tells apart, have cross products that explode, or whose clauses have no
// ranges. No user needs them to be fast; that they compile, verify and are
// right is another matter.
func HostileShapes() []Shape {
	return []Shape{
		{"pairs", false, func(n int, seed uint64) []byte { return combinations(n, 2, seed) }},
		{"triples", false, func(n int, seed uint64) []byte { return combinations(n, 3, seed) }},
		{"all-fields", false, func(n int, seed uint64) []byte { return combinations(n, 6, seed) }},
		{"star", false, star},
		{"nested4", false, func(n int, seed uint64) []byte { return nested(n, 4, seed) }},
		{"nested6", false, func(n int, seed uint64) []byte { return nested(n, 6, seed) }},
		{"wide-ports", false, widePorts},
		{"wide-addresses", false, wideAddresses},
		{"own-ports", false, ownPorts},
		{"masks", false, masks},
		{"negated", false, negated},
		{"sequences", false, sequences},
	}
}

// A fieldOf draws a clause about some field of TCP over IPv4.
type fieldOf func(r *rand.Rand) string

// interval is lo-hi of numbers up to most, mostly short.
func interval(r *rand.Rand, most int) string {
	lo := r.IntN(most + 1)
	hi := min(most, lo+r.IntN(1+most>>r.IntN(8)))
	return fmt.Sprintf("%d-%d", lo, hi)
}

// network4 is any prefix from /8 on.
func network4(r *rand.Rand) string {
	n := r.Uint32()
	a := netip.AddrFrom4([4]byte{1 + byte(n)%223, byte(n >> 8), byte(n >> 16), byte(n >> 24)})
	p, err := a.Prefix(8 + r.IntN(25))
	if err != nil {
		panic(err) // never: at most 32
	}
	return p.String()
}

var hostileFields = []fieldOf{
	func(r *rand.Rand) string { return "from " + network4(r) },
	func(r *rand.Rand) string { return "to " + network4(r) },
	func(r *rand.Rand) string { return "from port " + interval(r, 65535) },
	func(r *rand.Rand) string { return "to port " + interval(r, 65535) },
	func(r *rand.Rand) string { return "ip.ttl " + interval(r, 255) },
	func(r *rand.Rand) string { return "ip.dscp " + interval(r, 63) },
	func(r *rand.Rand) string { return fmt.Sprintf("len %d-%d", 60+r.IntN(40), 100+r.IntN(1400)) },
	func(r *rand.Rand) string { return "ip.id " + interval(r, 65535) },
	func(r *rand.Rand) string {
		return "tcp flags " + []string{"syn", "ack", "syn,!ack", "!rst", "psh,ack", "fin"}[r.IntN(6)]
	},
	func(r *rand.Rand) string { return "tcp.window " + interval(r, 65535) },
	func(r *rand.Rand) string { return fmt.Sprintf("eth.src 02:00:00:%02x:00:00/32", r.IntN(256)) },
}

// combinations is rules over count fields each, which differ from rule to rule.
func combinations(n, count int, seed uint64) []byte {
	r := newRand(hostileShape+uint64(count), seed)
	text := newRuleText()
	for range n {
		var clauses []string
		for _, field := range r.Perm(len(hostileFields))[:count] {
			clauses = append(clauses, hostileFields[field](r))
		}
		text.add(strings.Join(clauses, " "))
	}
	return text.Bytes()
}

// star is hosts as source of any destination, and as destination of any source.
func star(n int, seed uint64) []byte {
	text := newRuleText()
	for i, host := range Hosts4(n, seed) {
		text.add([]string{"from ", "to "}[i%2] + host.Addr().String())
	}
	return text.Bytes()
}

// nested is prefixes around few addresses: every length of the source with
// every length of the destination.
func nested(n, family int, seed uint64) []byte {
	r := newRand(hostileShape+20+uint64(family), seed)
	around := newHosts(r, family, 4, 4)
	bits := around.all[0].BitLen()
	network := func() netip.Prefix {
		p, err := around.all[r.IntN(len(around.all))].Prefix(1 + r.IntN(bits))
		if err != nil {
			panic(err) // never: at most the bits of the address
		}
		return p
	}
	text := newRuleText()
	for range n {
		text.rule(filter{from: network(), to: network(), protocol: []int{protoTCP, protoUDP, 0}[r.IntN(3)]})
	}
	return text.Bytes()
}

// widePorts is wide ranges of both ports, so that any two overlap.
func widePorts(n int, seed uint64) []byte {
	r := newRand(hostileShape+30, seed)
	text := newRuleText()
	for i := range n {
		f := filter{protocol: []int{protoTCP, protoUDP}[i%2]}
		f.fromPort = portRange(r.IntN(32768), 32768+r.IntN(32767))
		f.toPort = portRange(r.IntN(32768), 32768+r.IntN(32767))
		text.rule(f)
	}
	return text.Bytes()
}

// wideAddresses is ranges of both addresses that are no prefixes, and a port.
func wideAddresses(n int, seed uint64) []byte {
	r := newRand(hostileShape+31, seed)
	text := newRuleText()
	address := func() string {
		lo, hi := r.Uint32()>>1, r.Uint32()>>1|1<<31
		word := func(n uint32) netip.Addr {
			return netip.AddrFrom4([4]byte{byte(n >> 24), byte(n >> 16), byte(n >> 8), byte(n)})
		}
		return fmt.Sprintf("%v-%v", word(lo), word(hi))
	}
	for range n {
		text.add(fmt.Sprintf("from %s to %s port %d", address(), address(), r.IntN(65536)))
	}
	return text.Bytes()
}

// masks is addresses with masks that are no prefixes; a rule file may have
// 20,000.
func masks(n int, seed uint64) []byte {
	r := newRand(hostileShape+32, seed)
	text := newRuleText()
	for range min(n, 20_000) {
		mask := [4]byte{255, byte(r.IntN(2) * 255), byte(r.IntN(2) * 0xf0), 255}
		address := [4]byte{byte(1 + r.IntN(223)), byte(r.IntN(4)), byte(r.Uint32()), byte(r.IntN(4))}
		for i := range address {
			address[i] &= mask[i]
		}
		text.add(fmt.Sprintf("from %v/%v to port %d", netip.AddrFrom4(address), netip.AddrFrom4(mask), r.IntN(100)))
	}
	return text.Bytes()
}

// negated is clauses that most packets match.
func negated(n int, seed uint64) []byte {
	r := newRand(hostileShape+33, seed)
	text := newRuleText()
	for range n {
		text.add(fmt.Sprintf("tcp not from %s not to %s to port %s ip.ttl != %d", network4(r), network4(r), interval(r, 65535), r.IntN(256)))
	}
	return text.Bytes()
}

// sequences is fields of 32 bits that are no addresses, and raw bytes.
func sequences(n int, seed uint64) []byte {
	r := newRand(hostileShape+34, seed)
	text := newRuleText()
	for i := range n {
		lo := r.Uint32() >> 1
		clause := fmt.Sprintf("tcp.seq %d-%d tcp.ack > %d", lo, lo+r.Uint32()>>1, r.Uint32())
		if i%2 == 0 {
			clause = fmt.Sprintf("at net+4 2 %d-%d at transport+%d 2 > %d", lo>>16, 0xffff, 2*r.IntN(8), r.IntN(65536))
		}
		text.add(clause)
	}
	return text.Bytes()
}

// ownPorts is rules between networks, each with pairs of port ranges that no
// other rule has.
func ownPorts(n int, seed uint64) []byte {
	r := newRand(hostileShape+100, seed)
	text := newRuleText()
	for range n {
		text.add("tcp from " + network4(r) + " port " + interval(r, 65535) + " to " + network4(r) + " port " + interval(r, 65535))
	}
	return text.Bytes()
}
