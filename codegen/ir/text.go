package ir

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"

	"xdpfw/rules"
)

// String is the stable text form: a line a term, in the order of the steps,
// each with its rule; what does not decide says how many steps on it goes on.
//
//	#0 drop: network=ip4|ip6 protocol=17
//	#1 count +1: network=ip4|ip6 protocol=6 dport=80
//	default pass
func (d *Decision) String() string {
	var b strings.Builder
	for i, step := range d.Steps {
		what := step.Verdict.String()
		switch {
		case !step.Verdict.Decides():
			what += fmt.Sprintf(" +%d", step.Next-i)
		case step.Verdict == rules.Redirect:
			what += fmt.Sprintf(" %d", step.Interface)
		}
		for _, t := range step.Terms {
			fmt.Fprintf(&b, "#%d %s: %s\n", step.Rule, what, t)
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
	text := t.Atom.String() + "=" + strings.Join(words, "|")
	for _, other := range t.Or {
		text += " or " + other.String()
	}
	if len(t.Or) > 0 {
		return "(" + text + ")"
	}
	return text
}

var atomNames = map[Atom]string{
	Network: "network", Protocol: "protocol", Fragment: "fragment", Invalid: "invalid",
	IP4Source: "ip.src", IP4Destination: "ip.dst", IP6Source: "ip6.src", IP6Destination: "ip6.dst",
	SourcePort: "sport", DestinationPort: "dport", ICMPType: "type", ICMPCode: "code", TCPFlags: "flags",
	Tagged: "tagged", FrameLength: "len", Interface: "on", EtherType: "eth.type", VLANID: "vlan.id", VLANPCP: "vlan.pcp",
	VLAN2ID: "vlan2.id", Extensions: "ip6.ext", ProtocolAH: "protocol-ah",
}

var layerNames = [...]string{
	Meta: "meta", Frame: "eth", NetHeader: "net", ARPHeader: "arp", IP4Header: "ip", IP6Header: "ip6", Transport: "transport", Payload: "payload",
}

func (a Atom) String() string {
	if name, ok := atomNames[a]; ok {
		return name
	}
	text := fmt.Sprintf("%s+%d:%d", layerNames[a.Layer], a.Offset, a.Size)
	if a == whole(a.Layer, a.Offset, a.Size) {
		return text
	}
	if a.Mask.Hi != 0 {
		return text + fmt.Sprintf("&%x%016x", a.Mask.Hi, a.Mask.Lo)
	}
	return text + fmt.Sprintf("&%x", a.Mask.Lo)
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
