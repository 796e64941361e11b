package rules

import (
	"fmt"
	"strings"
)

// LiteralOf is the shortest text by which test blocks and `explain` read a packet
// that may stand for p: one that is like it by the caller's judgement, and not
// the same frame; else p itself, in hexadecimal.
func LiteralOf(p Packet, like func(Packet) bool) string {
	all := literalsOf(p)
	for _, text := range all {
		if packet, ds := ParseLiteral(text); ds.Err() == nil && like(packet) {
			return text
		}
	}
	return all[len(all)-1]
}

// literalsOf are literals that each say more of a packet, the last one all.
func literalsOf(p Packet) (all []string) {
	h := parseHeaders(p)
	on := ""
	if p.Interface != "" {
		on = " on " + p.Interface
	}
	if base := h.literalBase(); base != "" && !h.invalid {
		all = append(all, base+on)
		options := ""
		if h.has[TCPFlags] {
			options += " flags " + tcpFlagsText(h.values[TCPFlags].Lo)
		}
		for _, icmp := range [...][2]Subject{{ICMPType, ICMPCode}, {ICMP6Type, ICMP6Code}} {
			if h.has[icmp[0]] {
				options += fmt.Sprintf(" type %d code %d", h.values[icmp[0]].Lo, h.values[icmp[1]].Lo)
			}
		}
		all = append(all, base+options+on)
		for _, ttl := range [...]Subject{IP4TTL, IP6HopLimit} {
			if h.has[ttl] && h.values[ttl].Lo != 64 {
				options += fmt.Sprintf(" ttl %d", h.values[ttl].Lo)
				all = append(all, base+options+on)
			}
		}
		all = append(all, fmt.Sprintf("%s%s len %d%s", base, options, p.Len, on))
	}
	return append(all, fmt.Sprintf("hex \"%x\"%s", p.Head, on))
}

// literalBase is tags, protocol, addresses and ports; "" if the frame is none
// that a literal of these can be.
func (h *headers) literalBase() string {
	var b strings.Builder
	for _, tag := range [...]Subject{VLANID, VLAN2ID} {
		if h.has[tag] {
			fmt.Fprintf(&b, "vlan %d ", h.values[tag].Lo)
		}
	}
	if h.network == networkARP {
		fmt.Fprintf(&b, "arp who-has %s tell %s", addressText(h.values[ARPTargetIP], true), addressText(h.values[ARPSenderIP], true))
		return b.String()
	}
	if h.network != networkIP && h.network != networkIP6 || !h.hasProtocol {
		return ""
	}
	switch h.fragment {
	case firstFragment:
		b.WriteString("frag first ")
	case laterFragment:
		b.WriteString("frag later ")
	}
	is4 := h.network == networkIP
	source, destination := addressText(h.values[Source], is4), addressText(h.values[Destination], is4)
	if h.has[SourcePort] {
		if !is4 {
			source, destination = "["+source+"]", "["+destination+"]"
		}
		source = fmt.Sprintf("%s:%d", source, h.values[SourcePort].Lo)
		destination = fmt.Sprintf("%s:%d", destination, h.values[DestinationPort].Lo)
	}
	protocol := fmt.Sprint(h.protocol)
	switch name := protocolByNumber[uint64(h.protocol)]; {
	case is4 && uint64(h.protocol) == protocols["icmp"]:
		protocol = "icmp"
	case !is4 && uint64(h.protocol) == protocols["icmp6"]:
		protocol = "icmp6"
	case name != "":
		protocol = name
	}
	fmt.Fprintf(&b, "%s %s > %s", protocol, source, destination)
	return b.String()
}

// tcpFlagsText is flags as a literal has them.
func tcpFlagsText(flags uint64) string {
	var set []string
	for _, name := range flagNames.inOrder {
		if flags&uint64(flagNames.numbers[name]) != 0 {
			set = append(set, name)
		}
	}
	if set == nil {
		return "none"
	}
	return strings.Join(set, ",")
}
