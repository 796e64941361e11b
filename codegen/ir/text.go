package ir

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"

	"xdpfw/rules"
)

// String is the stable text form: a line a term, in the order of the rules.
//
//	#0 drop: network=ip4|ip6 protocol=17
//	#1 drop: network=ip4|ip6 protocol=6 dport=80
//	default pass
func (d *Decision) String() string {
	var b strings.Builder
	for _, r := range d.Terminal {
		for _, t := range r.Terms {
			fmt.Fprintf(&b, "#%d %s: %s\n", r.ID, r.Verdict, t)
		}
	}
	fmt.Fprintf(&b, "default %s\n", d.Default)
	return b.String()
}

func (t Term) String() string {
	if len(t) == 0 {
		return "always"
	}
	words := make([]string, len(t))
	for i, test := range t {
		words[i] = test.String()
	}
	return strings.Join(words, " ")
}

func (t Test) String() string {
	if t.Whole() {
		return t.Atom.String() + "=any"
	}
	words := make([]string, len(t.Ranges))
	for i, r := range t.Ranges {
		words[i] = t.Atom.FormatRange(r)
	}
	return t.Atom.String() + "=" + strings.Join(words, "|")
}

var atomNames = map[Atom]string{
	Network: "network", Protocol: "protocol", Fragment: "fragment", Invalid: "invalid",
	IP4Source: "ip.src", IP4Destination: "ip.dst", IP6Source: "ip6.src", IP6Destination: "ip6.dst",
	SourcePort: "sport", DestinationPort: "dport",
}

var layerNames = [...]string{Meta: "meta", IP4Header: "ip", IP6Header: "ip6", Transport: "transport"}

func (a Atom) String() string {
	if name, ok := atomNames[a]; ok {
		return name
	}
	return fmt.Sprintf("%s+%d:%d&%x%016x", layerNames[a.Layer], a.Offset, a.Size, a.Mask.Hi, a.Mask.Lo)
}

// FormatRange is a range of the atom's values for people.
func (a Atom) FormatRange(r rules.Range) string {
	if a == Network { // few values with names: list them
		var names []string
		for n := r.Lo.Lo; n <= r.Hi.Lo; n++ {
			names = append(names, []string{"none", "arp", "ip4", "ip6"}[n])
		}
		return strings.Join(names, "|")
	}
	lo, hi := a.formatValue(r.Lo), a.formatValue(r.Hi)
	if lo == hi {
		return lo
	}
	return lo + "-" + hi
}

func (a Atom) formatValue(v rules.Value) string {
	switch a {
	case Fragment:
		return []string{"none", "first", "later"}[v.Lo]
	case IP4Source, IP4Destination:
		return netip.AddrFrom4([4]byte{byte(v.Lo >> 24), byte(v.Lo >> 16), byte(v.Lo >> 8), byte(v.Lo)}).String()
	case IP6Source, IP6Destination:
		var b [16]byte
		for i := range 8 {
			b[i], b[8+i] = byte(v.Hi>>(56-8*i)), byte(v.Lo>>(56-8*i))
		}
		return netip.AddrFrom16(b).String()
	}
	if v.Hi != 0 {
		return fmt.Sprintf("0x%x%016x", v.Hi, v.Lo)
	}
	return strconv.FormatUint(v.Lo, 10)
}
