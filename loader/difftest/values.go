package difftest

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"net"
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
	macs       []uint64
	ports      []uint16
	protocols  []uint8
	numbers    map[rules.Subject][]uint64 // of other fields, by place
}

// newPool has n addresses of each family, and six ports.
func newPool(r *rand.Rand, n int) *pool {
	p := &pool{Rand: r, numbers: map[rules.Subject][]uint64{}}
	for range n {
		p.addresses4 = append(p.addresses4, p.newAddress4())
		p.addresses6 = append(p.addresses6, p.newAddress6())
	}
	for range 6 {
		p.ports = append(p.ports, pick(p, []uint16{0, 22, 53, 80, 255, 256, 443, 0x5000, 8080, 0x7fff, 0x8000, 0xfffe, 0xffff, uint16(r.Uint32())}))
	}
	for range 4 {
		p.macs = append(p.macs, p.newMAC())
	}
	p.protocols = []uint8{protoICMP, protoTCP, protoUDP, protoSCTP, protoICMP6, uint8(r.Uint32()),

		pick(p, []uint8{extHopByHop, extRouting, extFragment, extAH, extDestOpt, 59, 255}), pick(p, []uint8{2, 4, 47, 50, 51})}
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

// newMAC is often a neighbour of one that is there, or an extreme.
func (p *pool) newMAC() uint64 {
	switch p.IntN(5) {
	case 0:
		return pick(p, []uint64{0, 1<<48 - 1, 0x01005e000001, 0x3333000000fb, 0x0180c2000000})
	case 1, 2:
		if len(p.macs) > 0 {
			return pick(p, p.macs) ^ 1<<p.IntN(48)
		}
	}
	return p.Uint64() >> 16
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

func text4(a uint32) string {
	return netip.AddrFrom4([4]byte{byte(a >> 24), byte(a >> 16), byte(a >> 8), byte(a)}).String()
}

// element4 is an address, a prefix, an address with a mask, or a range around
// an address of the pool.
func (p *pool) element4() string {
	a := pick(p, p.addresses4)
	switch p.IntN(10) {
	case 0, 1, 2:
		return text4(a)
	case 3:
		mask := p.Uint32() | p.Uint32()<<p.IntN(32)
		return text4(a&mask) + "/" + text4(mask)
	case 4, 5, 6:
		length := 1 + p.IntN(32)
		if p.oneIn(20) {
			length = 0
		}
		prefix, _ := netip.AddrFrom4([4]byte(binary.BigEndian.AppendUint32(nil, a))).Prefix(length)
		return prefix.String()
	}
	lo := a - min(a, uint32(p.IntN(1<<p.IntN(16))))
	hi := a + min(^a, uint32(p.IntN(1<<p.IntN(16))))
	return text4(lo) + p.dash() + text4(hi)
}

func (p *pool) dash() string { return pick(p, []string{"-", " - "}) }

// element6 is the same for IPv6; ranges may cross every border of a word.
func (p *pool) element6() string {
	a := pick(p, p.addresses6)
	switch p.IntN(10) {
	case 0, 1, 2:
		return netip.AddrFrom16(a).String()
	case 3:
		return p.masked6(a)
	case 4, 5, 6:
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

// masked6 is an address with a mask that has bits in either half, or in one.
func (p *pool) masked6(a [16]byte) string {
	var mask [16]byte
	for range 1 + p.IntN(12) {
		mask[p.IntN(16)] |= pick(p, []byte{0xff, 0xf0, 0x0f, 1 << p.IntN(8)})
	}
	for i := range a {
		a[i] &= mask[i]
	}
	return netip.AddrFrom16(a).String() + "/" + netip.AddrFrom16(mask).String()
}

var portWords = map[uint16]string{22: "ssh", 53: "domain", 80: "http", 443: "https"}

func (p *pool) portElement() string {
	port := int(pick(p, p.ports))
	if word := portWords[uint16(port)]; word != "" && p.oneIn(3) {
		return word
	}
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
		if word := protocolWords[uint64(n)]; word != "" {
			return word
		}
		if n == extAH {
			return "ah"
		}
	}
	if p.oneIn(6) {
		return fmt.Sprint(n) + p.dash() + fmt.Sprint(min(255, int(n)+p.IntN(30)))
	}
	return fmt.Sprint(n)
}

// macElement is a MAC address, at times with a mask or as the first of a range.
func (p *pool) macElement() string {
	mac := pick(p, p.macs)
	switch p.IntN(5) {
	case 0:
		mask := pick(p, []uint64{0xffffff000000, 1 << 40, p.Uint64() >> 16})
		return macText(mac&mask) + "/" + macText(mask)
	case 1:
		return macText(mac) + p.dash() + macText(mac+min(1<<48-1-mac, p.Uint64()&(1<<p.IntN(48)-1)))
	}
	return macText(mac)
}

func macText(mac uint64) string {
	return net.HardwareAddr(appendMAC(nil, mac)).String()
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
