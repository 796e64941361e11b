package workload

import "fmt"

// Founding is the example that the project began with.
const Founding = `default pass

drop udp
drop tcp to port 80
`

// Mixed16 is sixteen rules over fields of all kinds.
const Mixed16 = `default pass

set trusted = { 10.0.0.0/8, 192.168.0.0/16, fd00::/8 }
set web     = { 80, 443, 8000-8100 }

drop invalid
drop frag
pass arp
pass from @trusted
drop tcp flags syn,fin
drop tcp flags == none
drop icmp type redirect
drop icmp type echo-request len > 1000
pass icmp6 type { nd-neighbor-solicit, nd-neighbor-advert }
drop ip.ttl < 2
drop vlan 100 udp
drop from { 198.51.100.0/24, 203.0.113.7, 2001:db8:bad::/48 }
pass tcp to 192.0.2.0/24 port @web
drop udp to port { 19, 53, 123, 1900, 11211 }
drop tcp to port { 23, 2323, 5555 }
drop ip6 tcp from port 1-1023 to 2001:db8::/32
`

// Ports is n rules over destination ports, and a source port in every fourth.
func Ports(n int, seed uint64) []byte {
	r := newRand(portsShape, seed)
	text := newRuleText()
	ranges := somePorts(r, n)
	for i := range n {
		f := filter{protocol: []int{protoTCP, protoUDP, protoTCP}[i%3], toPort: portRange(1+r.IntN(65535), 65535)}
		if f.toPort = portRange(f.toPort.lo, f.toPort.lo); i%3 == 0 {
			f.toPort = ranges[i]
		}
		if i%4 == 0 {
			f.fromPort = ranges[r.IntN(n)]
		}
		text.rule(f)
	}
	return text.Bytes()
}

// MACs is n rules, each of which drops or passes a source or a destination by
// its MAC address.
func MACs(n int, seed uint64) []byte {
	r := newRand(macsShape, seed)
	text := newRuleText()
	for i := range n {
		a := r.Uint64()&0x0000ffffffff | uint64([]int{0x0200, 0x0250, 0x0a00, 0x5254}[r.IntN(4)])<<32
		mac := fmt.Sprintf("%02x:%02x:%02x:%02x:%02x:%02x", a>>40&255, a>>32&255, a>>24&255, a>>16&255, a>>8&255, a&255)
		text.add([]string{"eth.src ", "eth.src ", "eth.dst "}[i%3] + mac)
	}
	return text.Bytes()
}

// Lengths is n rules, at most 1,000, over lengths of frames, every other with a
// protocol. With more of them no length would be left over.
func Lengths(n int, seed uint64) []byte {
	r := newRand(lengthsShape, seed)
	text := newRuleText()
	for i := range min(n, 1000) {
		lo := 60 + r.IntN(1440)
		clause := fmt.Sprintf("len %d-%d", lo, lo+r.IntN(4))
		if i%2 == 0 {
			clause += []string{" udp", " tcp"}[r.IntN(2)]
		}
		text.add(clause)
	}
	return text.Bytes()
}
