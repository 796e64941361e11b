package difftest

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"strings"

	"xdpfw/rules"
)

// A pool is the few values that the rules and the packets of one rule file
// have in common, so that they meet.
type pool struct {
	*rand.Rand
	addresses4 []uint32
	addresses6 [][16]byte
	ports      []uint16
	protocols  []uint8
}

// newPool has n addresses of each family, and six ports.
func newPool(r *rand.Rand, n int) *pool {
	p := &pool{Rand: r}
	for range n {
		p.addresses4 = append(p.addresses4, p.newAddress4())
		p.addresses6 = append(p.addresses6, p.newAddress6())
	}
	for range 6 {
		p.ports = append(p.ports, pick(p, []uint16{0, 22, 53, 80, 255, 256, 443, 0x5000, 8080, 0x7fff, 0x8000, 0xfffe, 0xffff, uint16(r.Uint32())}))
	}
	p.protocols = []uint8{protoICMP, protoTCP, protoUDP, protoSCTP, protoICMP6, uint8(r.Uint32()),
		pick(p, []uint8{extHopByHop, extRouting, extFragment, extAH, extDestOpt, 2, 47, 50, 59, 255})}
	return p
}

// pick any of the values.
func pick[T any](p *pool, values []T) T { return values[p.IntN(len(values))] }

func (p *pool) oneIn(n int) bool { return p.IntN(n) == 0 }

// newAddress4 is often a neighbour of one that is there, or an extreme.
func (p *pool) newAddress4() uint32 {
	switch p.IntN(6) {
	case 0:
		return pick(p, []uint32{0, 1, 0x7fffffff, 0x80000000, 0xfffffffe, 0xffffffff, 0x0a000000})
	case 1, 2:
		if len(p.addresses4) > 0 {
			return pick(p, p.addresses4) ^ 1<<p.IntN(32)
		}
	}
	return p.Uint32()
}

func (p *pool) newAddress6() [16]byte {
	var a [16]byte
	switch p.IntN(6) {
	case 0: // just below or above a 32-bit or 64-bit border
		a = netip.MustParseAddr("2001:db8::").As16()
		if p.oneIn(2) {
			binary.BigEndian.PutUint64(a[8:], pick(p, []uint64{0, 1, 0xffffffff, 0x100000000, ^uint64(0)}))
		}
	case 1, 2:
		if len(p.addresses6) > 0 {
			a = pick(p, p.addresses6)
			a[p.IntN(16)] ^= 1 << p.IntN(8)
			return a
		}
		fallthrough
	default:
		binary.BigEndian.PutUint64(a[:], p.Uint64())
		binary.BigEndian.PutUint64(a[8:], p.Uint64())
	}
	return a
}

// wish is any values of the pool.
func (p *pool) wish() wish {
	return wish{
		src4: pick(p, p.addresses4), dst4: pick(p, p.addresses4),
		src6: pick(p, p.addresses6), dst6: pick(p, p.addresses6),
		proto4: pick(p, p.protocols), proto6: pick(p, p.protocols),
		sport: pick(p, p.ports), dport: pick(p, p.ports),
	}
}

func address4(a uint32) string {
	return netip.AddrFrom4([4]byte{byte(a >> 24), byte(a >> 16), byte(a >> 8), byte(a)}).String()
}

// element4 is an address, a prefix or a range around an address of the pool.
func (p *pool) element4() string {
	a := pick(p, p.addresses4)
	switch p.IntN(3) {
	case 0:
		return address4(a)
	case 1:
		length := 1 + p.IntN(32)
		if p.oneIn(20) {
			length = 0
		}
		prefix, _ := netip.AddrFrom4([4]byte(binary.BigEndian.AppendUint32(nil, a))).Prefix(length)
		return prefix.String()
	}
	lo := a - min(a, uint32(p.IntN(1<<p.IntN(16))))
	hi := a + min(^a, uint32(p.IntN(1<<p.IntN(16))))
	return address4(lo) + p.dash() + address4(hi)
}

func (p *pool) dash() string { return pick(p, []string{"-", " - "}) }

// element6 is the same for IPv6; ranges may cross every border of a word.
func (p *pool) element6() string {
	a := pick(p, p.addresses6)
	switch p.IntN(3) {
	case 0:
		return netip.AddrFrom16(a).String()
	case 1:
		return p.prefix6()
	}
	lo, hi := a, a
	i := p.IntN(16)
	lo[i] -= min(lo[i], byte(p.Uint32()))
	hi[i] += min(^hi[i], byte(p.Uint32()))
	for j := i + 1; j < 16; j++ {
		if p.oneIn(2) {
			lo[j] = 0
		}
		if p.oneIn(2) {
			hi[j] = 255
		}
	}
	if string(lo[:]) > string(hi[:]) {
		lo, hi = hi, lo
	}
	return netip.AddrFrom16(lo).String() + p.dash() + netip.AddrFrom16(hi).String()
}

func (p *pool) prefix6() string {
	prefix, _ := netip.AddrFrom16(pick(p, p.addresses6)).Prefix(1 + p.IntN(128))
	return prefix.String()
}

func (p *pool) portElement() string {
	port := int(pick(p, p.ports))
	if p.oneIn(2) {
		return fmt.Sprint(port)
	}
	lo := max(0, port-p.IntN(1<<p.IntN(12)))
	hi := min(0xffff, port+p.IntN(1<<p.IntN(12)))
	return fmt.Sprint(lo) + p.dash() + fmt.Sprint(hi)
}

func (p *pool) protocolElement() string {
	n := pick(p, p.protocols)
	if p.oneIn(2) {
		if names := map[uint8]string{1: "icmp", 6: "tcp", 17: "udp", 58: "icmp6", 132: "sctp"}; names[n] != "" {
			return names[n]
		}
	}
	if p.oneIn(6) {
		return fmt.Sprint(n) + p.dash() + fmt.Sprint(min(255, int(n)+p.IntN(30)))
	}
	return fmt.Sprint(n)
}

// list is n elements in braces, on one line.
func (p *pool) list(n int, element func() string) string {
	items := make([]string, n)
	for i := range items {
		items[i] = element()
	}
	comma := ""
	if p.oneIn(6) {
		comma = ","
	}
	return "{ " + strings.Join(items, ", ") + comma + " }"
}

// listSize is mostly small, sometimes above the 16 elements from which a list
// is searched in a table.
func (p *pool) listSize() int {
	if p.oneIn(6) {
		return 17 + p.IntN(20)
	}
	return 1 + p.IntN(5)
}

// meet is a value that a rule's clauses about one field accept in packets of
// one family, or a value just beyond one of their ranges; have is what to
// return when they say nothing. The last try may well be refused.
func (p *pool) meet(clauses []rules.Clause, of func(rules.ValueSet) []rules.Range, have func() rules.Value, limit rules.Value) rules.Value {
	v := have()
	if len(clauses) == 0 {
		return v
	}
	miss := p.oneIn(12)
	for range 8 {
		if ranges := of(clauses[p.IntN(len(clauses))].Set); len(ranges) > 0 && !p.oneIn(4) {
			v = p.near(ranges[p.IntN(len(ranges))], limit)
		} else {
			v = have()
		}
		if miss || accepted(clauses, of, v) {
			break
		}
	}
	return v
}

func accepted(clauses []rules.Clause, of func(rules.ValueSet) []rules.Range, v rules.Value) bool {
	for _, c := range clauses {
		if rules.Contains(of(c.Set), v) == c.Not {
			return false
		}
	}
	return true
}

// near is an end of the range, its middle, or just outside.
func (p *pool) near(r rules.Range, limit rules.Value) rules.Value {
	v := r.Lo
	switch p.IntN(6) {
	case 0:
		v = below(r.Lo)
	case 1:
		v = r.Hi
	case 2:
		v = above(r.Hi)
	case 3:
		if v.Hi == r.Hi.Hi {
			v.Lo += (r.Hi.Lo - v.Lo) / 2
		} else {
			v.Hi += (r.Hi.Hi - v.Hi) / 2
		}
	case 4:
		v = above(r.Lo)
	}
	v.Hi &= limit.Hi
	v.Lo &= limit.Lo
	return v
}

func below(v rules.Value) rules.Value {
	if v.Lo == 0 {
		v.Hi--
	}
	v.Lo--
	return v
}

func above(v rules.Value) rules.Value {
	v.Lo++
	if v.Lo == 0 {
		v.Hi++
	}
	return v
}
