package rules

import (
	"fmt"
	"strings"
)

// fieldNouns name fields for people; the others go by their name in the language.
var fieldNouns = map[Subject]string{
	Protocol: "protocol", Source: "source address", Destination: "destination address",
	SourcePort: "source port", DestinationPort: "destination port",
	TCPFlags: "TCP flags", ICMPType: "ICMP type", ICMPCode: "ICMP code", ICMP6Type: "ICMPv6 type", ICMP6Code: "ICMPv6 code",
}

// fieldText says which value of a field the packet has.
func (e *explainer) fieldText(c *Clause, v Value) string {
	switch c.Subject {
	case Length:
		return fmt.Sprintf("the frame is %d bytes long", v.Lo)
	case RawBytes:
		return fmt.Sprintf("the packet has %s there", hex(v.Lo, 2*int(c.Bytes.Length)))
	case TCPFlags:
		return "the packet's TCP flags are " + flagsText(v.Lo)
	}
	noun := fieldNouns[c.Subject]
	if noun == "" {
		noun = c.Subject.String()
	}
	return "the packet's " + noun + " is " + e.valueText(c.Subject, v)
}

// valueText writes a value as the language reads it, with its name if it has one.
func (e *explainer) valueText(s Subject, v Value) string {
	known := fieldNames[s]
	switch {
	case s == Protocol:
		text := protocolText(uint8(v.Lo), e.network)
		if v.Lo&withAH != 0 {
			text += ", behind an AH"
		}
		return text
	case s == IP4Protocol:
		return protocolText(uint8(v.Lo), e.network)
	case s == IP6Extensions:
		return extensionsText(v.Lo)
	case s.kind() == addressKind:
		is4 := subjects[s].family == 4 || subjects[s].family == 0 && e.network != networkIP6
		return addressText(v, is4)
	case s.kind() == macKind:
		return macText(v.Lo)
	case s == EtherType:
		return withName(hex(v.Lo, 4), known.name(v.Lo))
	case known == services:
		return fmt.Sprint(v.Lo)
	case s == ICMPCode:
		known = icmpCodes[e.values[ICMPType].Lo]
	case s == ICMP6Code:
		known = icmp6Codes[e.values[ICMP6Type].Lo]
	}
	return named(v.Lo, known)
}

// named is "syn (2)" of a number that has a name.
func named(n uint64, known *names) string {
	if known != nil && known.name(n) != "" {
		return withName(known.name(n), fmt.Sprint(n))
	}
	return fmt.Sprint(n)
}

// withName is "0x0800 (ip)", or the text alone if there is nothing to add.
func withName(text, more string) string {
	if more == "" {
		return text
	}
	return text + " (" + more + ")"
}

// protocolText is the name of a protocol with its number, or the number alone;
// icmp and icmp6 are names in their own families only.
func protocolText(n uint8, in network) string {
	if n == protoICMP && in != networkIP || n == protoICMP6 && in != networkIP6 {
		return fmt.Sprint(n)
	}
	return named(uint64(n), protocolNames)
}

func hex(n uint64, digits int) string { return fmt.Sprintf("0x%0*x", digits, n) }

// flagsText are the TCP flags that are set, lowest bit first.
func flagsText(bits uint64) string {
	var set []string
	for _, name := range flagNames.inOrder {
		if bits&flagNames.numbers[name] != 0 {
			set = append(set, name)
		}
	}
	if set == nil {
		return "none"
	}
	return strings.Join(set, ",")
}

func extensionsText(bits uint64) string {
	var seen []string
	for _, name := range extensionNames.inOrder {
		if bits&extensionBits[uint8(extensionNames.numbers[name])] != 0 {
			seen = append(seen, name)
		}
	}
	if seen == nil {
		return "none"
	}
	return strings.Join(seen, ", ")
}

// absence says why the packet has not the field at all.
func (e *explainer) absence(c *Clause) string {
	if !e.has[EtherDestination] {
		return e.defect
	}
	switch s := c.Subject; {
	case s == RawBytes:
		return e.bytesAbsence(c.Bytes)
	case s == EtherType:
		return e.defect
	case s == VLANID || s == VLANPriority:
		return e.untagged()
	case s == VLAN2ID && e.tagged:
		return "the frame has no second VLAN tag"
	case s == VLAN2ID:
		return e.untagged()
	case s >= ARPOperation && s <= ARPTargetIP:
		return "not ARP: " + e.whatItIs()
	case s >= IP4Source && s <= IP4HeaderLength:
		return "not IPv4: " + e.whatItIs()
	case s >= IP6Source && s <= IP6Length, s == IP6Extensions && e.network != networkIP6:
		return "not IPv6: " + e.whatItIs()
	case s == IP6Extensions:
		return e.defect
	case s == Protocol && e.network == networkIP6:
		return "the packet has no protocol: " + e.defect
	case s == Source || s == Destination || s == Protocol:
		return "not an IP packet: " + e.whatItIs()
	}
	return e.transportAbsence(transportNouns[c.Subject], transportOf[c.Subject])
}

func (e *explainer) untagged() string {
	if !e.has[EtherType] {
		return e.defect // a tag that is cut short is none
	}
	return "the frame has no VLAN tag"
}

// transportNouns are what a packet lacks if it has not the transport field.
var transportNouns = map[Subject]string{
	SourcePort: "ports", DestinationPort: "ports",
	TCPSourcePort: "TCP ports", TCPDestinationPort: "TCP ports",
	TCPSequence: "TCP sequence number", TCPAck: "TCP acknowledgement number",
	TCPOffset: "TCP data offset", TCPFlags: "TCP flags", TCPWindow: "TCP window",
	UDPSourcePort: "UDP ports", UDPDestinationPort: "UDP ports", UDPLength: "UDP length",
	SCTPSourcePort: "SCTP ports", SCTPDestinationPort: "SCTP ports",
	ICMPType: "ICMP type", ICMPCode: "ICMP code", ICMP6Type: "ICMPv6 type", ICMP6Code: "ICMPv6 code",
}

// A carrier is a protocol whose header has a field.
type carrier struct {
	protocol uint8
	network  network // networkNone for both
}

var (
	ofTCP     = []carrier{{protoTCP, networkNone}}
	ofUDP     = []carrier{{protoUDP, networkNone}}
	ofSCTP    = []carrier{{protoSCTP, networkNone}}
	ofICMP    = []carrier{{protoICMP, networkIP}}
	ofICMP6   = []carrier{{protoICMP6, networkIP6}}
	withPorts = []carrier{{protoTCP, networkNone}, {protoUDP, networkNone}, {protoSCTP, networkNone}}
)

var transportOf = map[Subject][]carrier{
	SourcePort: withPorts, DestinationPort: withPorts,
	TCPSourcePort: ofTCP, TCPDestinationPort: ofTCP, TCPSequence: ofTCP, TCPAck: ofTCP, TCPOffset: ofTCP, TCPFlags: ofTCP, TCPWindow: ofTCP,
	UDPSourcePort: ofUDP, UDPDestinationPort: ofUDP, UDPLength: ofUDP,
	SCTPSourcePort: ofSCTP, SCTPDestinationPort: ofSCTP,
	ICMPType: ofICMP, ICMPCode: ofICMP, ICMP6Type: ofICMP6, ICMP6Code: ofICMP6,
}

// transportAbsence says why there is no such thing in the transport header, of
// the protocols that have it.
func (e *explainer) transportAbsence(noun string, of []carrier) string {
	lacks := "the packet has no " + noun + ": "
	switch {
	case e.network != networkIP && e.network != networkIP6:
		return lacks + e.whatItIs()
	case !e.hasProtocol:
		return lacks + e.defect
	case !e.carriedBy(of):
		return lacks + "its protocol is " + e.valueText(Protocol, e.values[Protocol])
	case e.fragment == laterFragment:
		return lacks + "it is a later fragment"
	}
	return lacks + e.defect
}

func (e *explainer) carriedBy(of []carrier) bool {
	for _, c := range of {
		if c.protocol == e.protocol && (c.network == networkNone || c.network == e.network) {
			return true
		}
	}
	return false
}

// bytesAbsence says why bytes are not there.
func (e *explainer) bytesAbsence(b Bytes) string {
	have := e.reach[b.Base]
	if have != nil {
		return fmt.Sprintf("the packet ends %d bytes behind %s, in front of these bytes", len(have), baseNouns[b.Base])
	}
	lacks := "the packet has no " + b.Base.String() + " header: "
	if b.Base == PayloadBase {
		lacks = "the packet has no payload: "
	}
	switch {
	case b.Base == NetworkBase:
		return e.defect
	case e.network != networkIP && e.network != networkIP6:
		return lacks + e.whatItIs()
	case !e.hasProtocol:
		return lacks + e.defect
	case e.fragment == laterFragment:
		return lacks + "it is a later fragment"
	case e.invalid:
		return lacks + e.defect
	case e.protocol == protoTCP:
		return lacks + "the TCP data offset points behind its end"
	}
	return "where the payload begins is not known: the packet's protocol is " + e.valueText(Protocol, e.values[Protocol])
}

var baseNouns = [...]string{
	EthernetBase: "its first byte", NetworkBase: "the Ethernet header", TransportBase: "the IP header", PayloadBase: "the transport header",
}
