package difftest

import "xdpfw/rules"

// A Kind is a clause of the language as coverage counts it: the words that it
// begins with, and for some what its value looks like.
type Kind uint8

// The kinds that the generator has to know; those of the plain fields follow
// in kindSpecs.
const (
	KindIP Kind = iota
	KindIP6
	KindARP
	KindFrag
	KindFragFirst
	KindFragLater
	KindInvalid
	KindTagged // bare `vlan`
	KindOn
	KindTCP
	KindUDP
	KindICMP
	KindICMP6
	KindSCTP
	KindGRE
	KindESP
	KindAH
	KindIGMP
	KindIPIP
	KindProto // `proto N` and `proto { … }`
	KindFrom
	KindTo
	KindFromPort
	KindToPort
	KindFlags        // `flags syn,!ack`
	KindFlagsExactly // `flags == syn`
	KindType4        // `type T` of a rule that says `icmp`
	KindCode4
	KindType6 // … `icmp6`
	KindCode6
	KindVLAN // `vlan N`
	KindLen
	KindAtEth
	KindAtNet
	KindAtTransport
	KindAtPayload
	firstField // of `FIELD OP VALUE`
)

const kinds = int(firstField) + 48

// A valueClass says how the value of a clause is written.
type valueClass uint8

const (
	noValue      valueClass = iota
	mixedAddress            // of both families
	address4
	address6
	macAddress
	portNumber
	protocolNumber
	plainNumber
	flagWords
	exactFlagWords
	extensionWords
	rawNumber
	interfaceNames
)

// A kindSpec is what the language page says of a kind of clauses: how it is
// written, and in which frames what it is about can be.
type kindSpec struct {
	name      string
	subject   rules.Subject
	class     valueClass
	networks  networks  // of frames that have the property or the field
	protocols protocols // likewise
	need      need      // what else they need
}

// Numbers of the protocols that words stand for.
var wordProtocols = map[Kind]protocols{
	KindTCP: tcp, KindUDP: udp, KindICMP: icmp, KindICMP6: icmp6, KindSCTP: sctp, KindGRE: gre, KindESP: esp,
	KindIGMP: igmp, KindIPIP: ipip,
}

var kindSpecs = [kinds]kindSpec{
	KindIP:        {"ip", rules.IP, noValue, ip4, anything, nothing},
	KindIP6:       {"ip6", rules.IP6, noValue, ip6, anything, nothing},
	KindARP:       {"arp", rules.ARP, noValue, arp, anything, nothing},
	KindFrag:      {"frag", rules.Frag, noValue, ip4 | ip6, anything, nothing},
	KindFragFirst: {"frag first", rules.FragFirst, noValue, ip4 | ip6, anything, nothing},
	KindFragLater: {"frag later", rules.FragLater, noValue, ip4 | ip6, anything, nothing},
	KindInvalid:   {"invalid", rules.Invalid, noValue, anyNetwork, anything, nothing},
	KindTagged:    {"vlan", rules.Tagged, noValue, anyNetwork, anything, nothing},
	KindOn:        {"on", rules.Interface, interfaceNames, anyNetwork, anything, nothing},

	KindTCP:   {"tcp", rules.Protocol, noValue, ip4 | ip6, anyProtocol, nothing},
	KindUDP:   {"udp", rules.Protocol, noValue, ip4 | ip6, anyProtocol, nothing},
	KindICMP:  {"icmp", rules.Protocol, noValue, ip4 | ip6, anyProtocol, nothing},
	KindICMP6: {"icmp6", rules.Protocol, noValue, ip4 | ip6, anyProtocol, nothing},
	KindSCTP:  {"sctp", rules.Protocol, noValue, ip4 | ip6, anyProtocol, nothing},
	KindGRE:   {"gre", rules.Protocol, noValue, ip4 | ip6, anyProtocol, nothing},
	KindESP:   {"esp", rules.Protocol, noValue, ip4 | ip6, anyProtocol, nothing},
	KindAH:    {"ah", rules.Protocol, noValue, ip4 | ip6, anyProtocol, nothing},
	KindIGMP:  {"igmp", rules.Protocol, noValue, ip4 | ip6, anyProtocol, nothing},
	KindIPIP:  {"ipip", rules.Protocol, noValue, ip4 | ip6, anyProtocol, nothing},
	KindProto: {"proto", rules.Protocol, protocolNumber, ip4 | ip6, anyProtocol, nothing},

	KindFrom:     {"from", rules.Source, mixedAddress, ip4 | ip6, anything, nothing},
	KindTo:       {"to", rules.Destination, mixedAddress, ip4 | ip6, anything, nothing},
	KindFromPort: {"from port", rules.SourcePort, portNumber, ip4 | ip6, tcp | udp | sctp, transportHeader},
	KindToPort:   {"to port", rules.DestinationPort, portNumber, ip4 | ip6, tcp | udp | sctp, transportHeader},

	KindFlags:        {"flags", rules.TCPFlags, flagWords, ip4 | ip6, tcp, transportHeader},
	KindFlagsExactly: {"flags ==", rules.TCPFlags, exactFlagWords, ip4 | ip6, tcp, transportHeader},
	KindType4:        {"icmp, type", rules.ICMPType, plainNumber, ip4, icmp, transportHeader},
	KindCode4:        {"icmp, code", rules.ICMPCode, plainNumber, ip4, icmp, transportHeader},
	KindType6:        {"icmp6, type", rules.ICMP6Type, plainNumber, ip6, icmp6, transportHeader},
	KindCode6:        {"icmp6, code", rules.ICMP6Code, plainNumber, ip6, icmp6, transportHeader},
	KindVLAN:         {"vlan N", rules.VLANID, plainNumber, anyNetwork, anything, outerTag},
	KindLen:          {"len", rules.Length, plainNumber, anyNetwork, anything, nothing},
	KindAtEth:        {"at eth", rules.RawBytes, rawNumber, anyNetwork, anything, nothing},
	KindAtNet:        {"at net", rules.RawBytes, rawNumber, anyNetwork, anything, etherType},
	KindAtTransport:  {"at transport", rules.RawBytes, rawNumber, ip4 | ip6, anyProtocol, transportHeader},
	KindAtPayload:    {"at payload", rules.RawBytes, rawNumber, ip4 | ip6, tcp | udp | sctp | icmp | icmp6, payload},

	firstField: {"eth.src", rules.EtherSource, macAddress, anyNetwork, anything, nothing},
	{"eth.dst", rules.EtherDestination, macAddress, anyNetwork, anything, nothing},
	{"eth.type", rules.EtherType, plainNumber, anyNetwork, anything, etherType},
	{"vlan.id", rules.VLANID, plainNumber, anyNetwork, anything, outerTag},
	{"vlan.pcp", rules.VLANPriority, plainNumber, anyNetwork, anything, outerTag},
	{"vlan2.id", rules.VLAN2ID, plainNumber, anyNetwork, anything, innerTag},

	{"arp.op", rules.ARPOperation, plainNumber, arp, anything, nothing},
	{"arp.spa", rules.ARPSenderIP, address4, arp, anything, nothing},
	{"arp.tpa", rules.ARPTargetIP, address4, arp, anything, nothing},
	{"arp.sha", rules.ARPSenderMAC, macAddress, arp, anything, nothing},
	{"arp.tha", rules.ARPTargetMAC, macAddress, arp, anything, nothing},

	{"ip.src", rules.IP4Source, address4, ip4, anything, nothing},
	{"ip.dst", rules.IP4Destination, address4, ip4, anything, nothing},
	{"ip.proto", rules.IP4Protocol, plainNumber, ip4, anything, nothing},
	{"ip.ttl", rules.IP4TTL, plainNumber, ip4, anything, nothing},
	{"ip.dscp", rules.IP4DSCP, plainNumber, ip4, anything, nothing},
	{"ip.ecn", rules.IP4ECN, plainNumber, ip4, anything, nothing},
	{"ip.len", rules.IP4Length, plainNumber, ip4, anything, nothing},
	{"ip.id", rules.IP4ID, plainNumber, ip4, anything, nothing},
	{"ip.df", rules.IP4DF, plainNumber, ip4, anything, nothing},
	{"ip.mf", rules.IP4MF, plainNumber, ip4, anything, nothing},
	{"ip.offset", rules.IP4Offset, plainNumber, ip4, anything, nothing},
	{"ip.hdrlen", rules.IP4HeaderLength, plainNumber, ip4, anything, nothing},

	{"ip6.src", rules.IP6Source, address6, ip6, anything, nothing},
	{"ip6.dst", rules.IP6Destination, address6, ip6, anything, nothing},
	{"ip6.next", rules.IP6Next, plainNumber, ip6, anything, nothing},
	{"ip6.hoplimit", rules.IP6HopLimit, plainNumber, ip6, anything, nothing},
	{"ip6.dscp", rules.IP6DSCP, plainNumber, ip6, anything, nothing},
	{"ip6.ecn", rules.IP6ECN, plainNumber, ip6, anything, nothing},
	{"ip6.flow", rules.IP6Flow, plainNumber, ip6, anything, nothing},
	{"ip6.len", rules.IP6Length, plainNumber, ip6, anything, nothing},
	kindExtensions: {"ip6.ext", rules.IP6Extensions, extensionWords, ip6, anyProtocol, nothing},

	{"tcp.sport", rules.TCPSourcePort, portNumber, ip4 | ip6, tcp, transportHeader},
	{"tcp.dport", rules.TCPDestinationPort, portNumber, ip4 | ip6, tcp, transportHeader},
	{"tcp.seq", rules.TCPSequence, plainNumber, ip4 | ip6, tcp, transportHeader},
	{"tcp.ack", rules.TCPAck, plainNumber, ip4 | ip6, tcp, transportHeader},
	{"tcp.off", rules.TCPOffset, plainNumber, ip4 | ip6, tcp, transportHeader},
	{"tcp.flags", rules.TCPFlags, plainNumber, ip4 | ip6, tcp, transportHeader},
	{"tcp.window", rules.TCPWindow, plainNumber, ip4 | ip6, tcp, transportHeader},
	{"udp.sport", rules.UDPSourcePort, portNumber, ip4 | ip6, udp, transportHeader},
	{"udp.dport", rules.UDPDestinationPort, portNumber, ip4 | ip6, udp, transportHeader},
	{"udp.len", rules.UDPLength, plainNumber, ip4 | ip6, udp, transportHeader},
	{"sctp.sport", rules.SCTPSourcePort, portNumber, ip4 | ip6, sctp, transportHeader},
	{"sctp.dport", rules.SCTPDestinationPort, portNumber, ip4 | ip6, sctp, transportHeader},
	{"icmp.type", rules.ICMPType, plainNumber, ip4, icmp, transportHeader},
	{"icmp.code", rules.ICMPCode, plainNumber, ip4, icmp, transportHeader},
	{"icmp6.type", rules.ICMP6Type, plainNumber, ip6, icmp6, transportHeader},
	{"icmp6.code", rules.ICMP6Code, plainNumber, ip6, icmp6, transportHeader},
}

// kindExtensions is where `ip6.ext` stands among the fields.
const kindExtensions = firstField + 31

// bases of the raw bytes.
var bases = map[Kind]rules.Base{
	KindAtEth: rules.EthernetBase, KindAtNet: rules.NetworkBase,
	KindAtTransport: rules.TransportBase, KindAtPayload: rules.PayloadBase,
}

func (k Kind) spec() *kindSpec  { return &kindSpecs[k] }
func (k Kind) String() string   { return kindSpecs[k].name }
func (k Kind) isProperty() bool { return k <= KindOn }

// A Condition is a clause kind, negated or not: one column of Coverage.
type Condition struct {
	Kind Kind
	Not  bool
}

func (c Condition) String() string {
	if c.Not {
		return "not " + c.Kind.String()
	}
	return c.Kind.String()
}

// conditions is the number of columns; column and conditionAt convert.
const conditions = 2 * kinds

func (c Condition) column() int {
	n := 2 * int(c.Kind)
	if c.Not {
		n++
	}
	return n
}

func conditionAt(column int) Condition { return Condition{Kind(column / 2), column%2 == 1} }

// holdsIn says of which networks and protocols frames can be that the
// condition holds for.
func (c Condition) holdsIn() (networks, protocols) {
	spec := c.Kind.spec()
	word, isWord := wordProtocols[c.Kind]
	switch {
	case c.Kind == KindICMP && !c.Not:
		return ip4, icmp
	case c.Kind == KindICMP6 && !c.Not:
		return ip6, icmp6
	case isWord && c.Not && c.Kind != KindICMP && c.Kind != KindICMP6:
		return spec.networks, spec.protocols &^ word
	case isWord && !c.Not:
		return spec.networks, word
	case c.Not && c.Kind <= KindARP:
		return anyNetwork &^ spec.networks, anything
	case c.Not && c.Kind.isProperty():
		return anyNetwork, anything
	}
	return spec.networks, spec.protocols
}
