package rules

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"strings"
)

// DescribeHeaders is all that the evaluator reads in a frame, for tests:
// "ip 198.51.100.7 > 203.0.113.1 proto 6 ports 1 > 22 frag first invalid",
// without the parts that the frame does not have.
func DescribeHeaders(p Packet) string {
	h := parseHeaders(p)
	var parts []string
	add := func(format string, args ...any) { parts = append(parts, fmt.Sprintf(format, args...)) }
	switch h.network {
	case networkARP:
		add("arp")
	case networkIP:
		add("ip %v > %v", address4(h.values[Source]), address4(h.values[Destination]))
	case networkIP6:
		add("ip6 %v > %v", address6(h.values[Source]), address6(h.values[Destination]))
	}
	if h.hasProtocol {
		add("proto %d", h.protocol)
	}
	if h.has[SourcePort] {
		add("ports %d > %d", h.values[SourcePort].Lo, h.values[DestinationPort].Lo)
	}
	switch h.fragment {
	case firstFragment:
		add("frag first")
	case laterFragment:
		add("frag later")
	}
	if h.invalid {
		add("invalid")
	}
	return strings.Join(parts, " ")
}

func address4(v Value) netip.Addr {
	return netip.AddrFrom4([4]byte(binary.BigEndian.AppendUint32(nil, uint32(v.Lo))))
}

func address6(v Value) netip.Addr {
	return netip.AddrFrom16([16]byte(binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint64(nil, v.Hi), v.Lo)))
}

// Covered is for each rule the one that covers it, or -1, and how much of the
// work that may go into it was done.
func Covered(rs *RuleSet) (by []int32, work float64) {
	by, left := rs.findCovered()
	return by, 1 - float64(left)/coverWork
}

// Domains are the values that a clause's field can have in each family; none in
// one that has not the field, and of a property.
func Domains(c Clause) (in4, in6 []Range) {
	if !c.hasValues() {
		return nil, nil
	}
	return c.accepted(ip4Family).domain, c.accepted(ip6Family).domain
}

// FieldWords are the fields with a dot in their name.
var FieldWords = fieldWords

// NameTables are the names of values and their numbers, by the heads of the
// rows on the language page.
func NameTables() map[string]string {
	tables := map[string]string{}
	add := func(head, format string, n *names) {
		var pairs []string
		for _, name := range n.inOrder {
			pairs = append(pairs, fmt.Sprintf("%s "+format, name, n.numbers[name]))
		}
		tables[head] = strings.Join(pairs, ", ")
	}
	add("`proto`, `ip.proto`", "%d", fieldNames[Protocol])
	add("`ip6.next`", "%d", fieldNames[IP6Next])
	add("`ip6.ext`", "%d", fieldNames[IP6Extensions])
	add("`flags`, `tcp.flags`", "0x%02x", fieldNames[TCPFlags])
	add("`eth.type`", "0x%04x", fieldNames[EtherType])
	add("`arp.op`", "%d", fieldNames[ARPOperation])
	add("`ip.dscp`, `ip6.dscp`", "%d", fieldNames[IP4DSCP])
	add("`ip.ecn`, `ip6.ecn`", "%d", fieldNames[IP4ECN])
	add("`icmp type`, `icmp.type`", "%d", icmpTypes)
	add("`icmp6 type`, `icmp6.type`", "%d", icmp6Types)
	for number, codes := range icmpCodes {
		add(fmt.Sprintf("`icmp type %s code`", icmpTypes.name(number)), "%d", codes)
	}
	for number, codes := range icmp6Codes {
		add(fmt.Sprintf("`icmp6 type %s code`", icmp6Types.name(number)), "%d", codes)
	}
	add("ports", "%d", services)
	return tables
}

// WarningCodes are the codes that comments can silence.
var WarningCodes = warningCodes
