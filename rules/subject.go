package rules

// A Subject is what a clause looks at.
type Subject uint8

// The subjects: first the properties, then the fields.
const (
	_         Subject = iota
	IP                // property: well-formed IPv4
	IP6               // property: an IPv6 header
	ARP               // property: Ethernet/IPv4 ARP
	Frag              // property: any fragment
	FragFirst         // property: offset 0 and more to come
	FragLater         // property: offset > 0
	Invalid           // property: malformed
	Tagged            // property: at least one whole VLAN tag
	Interface         // property: received on one of Set, which are indexes in RuleSet.Interfaces

	Protocol        // of IPv4, or behind the extension headers of IPv6: see withAH
	Source          // address, 32 bits in ValueSet.IP4, 128 bits in ValueSet.IP6
	Destination     // likewise
	SourcePort      // TCP, UDP, SCTP
	DestinationPort // likewise
	Length          // of the frame in bytes, without FCS
	RawBytes        // see Clause.Bytes

	EtherSource
	EtherDestination
	EtherType // behind the tags; below 0x600 it is a length
	VLANID    // of the outer tag
	VLANPriority
	VLAN2ID // of the inner tag

	ARPOperation // these exist where ARP holds
	ARPSenderMAC
	ARPSenderIP
	ARPTargetMAC
	ARPTargetIP

	IP4Source // these exist where IP holds
	IP4Destination
	IP4Protocol
	IP4TTL
	IP4DSCP
	IP4ECN
	IP4Length // total length
	IP4ID
	IP4DF
	IP4MF
	IP4Offset       // of a fragment, in units of 8 bytes
	IP4HeaderLength // in units of 4 bytes

	IP6Source // these exist where IP6 holds
	IP6Destination
	IP6Next // of the fixed header, an extension header's number included
	IP6HopLimit
	IP6DSCP
	IP6ECN
	IP6Flow
	IP6Length
	IP6Extensions // those that were seen, as bits: see extensionBits

	TCPSourcePort // these exist where the protocol is TCP and their bytes are there
	TCPDestinationPort
	TCPSequence
	TCPAck
	TCPOffset // of the data, in units of 4 bytes
	TCPFlags
	TCPWindow

	UDPSourcePort // likewise
	UDPDestinationPort
	UDPLength

	SCTPSourcePort // likewise
	SCTPDestinationPort

	ICMPType // likewise, in IPv4
	ICMPCode
	ICMP6Type // likewise, in IPv6
	ICMP6Code

	subjectCount = iota
)

// IsProperty says whether every frame either has or has not this; otherwise
// the subject is a field that some packets lack.
func (s Subject) IsProperty() bool { return s >= IP && s <= Interface }

// IsOfTags says of a subject that it is about VLAN tags.
func (s Subject) IsOfTags() bool {
	return s == Tagged || s == VLANID || s == VLANPriority || s == VLAN2ID
}

// A kind of values can be compared with some fields and not with others.
type kind uint8

const (
	noKind kind = iota // of an empty set: fits everywhere
	addressKind
	numberKind
	macKind
	portKind // of a set: numbers, with names of services among them
)

func (k kind) String() string {
	switch k {
	case addressKind:
		return "addresses"
	case macKind:
		return "MAC addresses"
	case portKind:
		return "ports"
	}
	return "numbers"
}

// A subjectInfo is what the language knows of a subject.
type subjectInfo struct {
	name string
	kind kind // of values
	bits int  // of the greatest value; of addresses see family
	// family is 4 or 6 if the field belongs to packets of one address family,
	// so that its addresses have one size; 0 for both or none.
	family int
}

var subjects = [subjectCount]subjectInfo{
	IP: {name: "ip"}, IP6: {name: "ip6"}, ARP: {name: "arp"}, Frag: {name: "frag"}, FragFirst: {name: "frag first"},
	FragLater: {name: "frag later"}, Invalid: {name: "invalid"}, Tagged: {name: "vlan"}, Interface: {name: "on"},

	Protocol: {"proto", numberKind, 8, 0},
	Source:   {"from", addressKind, 0, 0}, Destination: {"to", addressKind, 0, 0},
	SourcePort: {"from port", numberKind, 16, 0}, DestinationPort: {"to port", numberKind, 16, 0},
	Length: {"len", numberKind, 32, 0}, RawBytes: {"at", numberKind, 64, 0},

	EtherSource: {"eth.src", macKind, 48, 0}, EtherDestination: {"eth.dst", macKind, 48, 0},
	EtherType: {"eth.type", numberKind, 16, 0},
	VLANID:    {"vlan.id", numberKind, 12, 0}, VLANPriority: {"vlan.pcp", numberKind, 3, 0}, VLAN2ID: {"vlan2.id", numberKind, 12, 0},

	ARPOperation: {"arp.op", numberKind, 16, 0},
	ARPSenderMAC: {"arp.sha", macKind, 48, 0}, ARPSenderIP: {"arp.spa", addressKind, 0, 4},
	ARPTargetMAC: {"arp.tha", macKind, 48, 0}, ARPTargetIP: {"arp.tpa", addressKind, 0, 4},

	IP4Source: {"ip.src", addressKind, 0, 4}, IP4Destination: {"ip.dst", addressKind, 0, 4},
	IP4Protocol: {"ip.proto", numberKind, 8, 4}, IP4TTL: {"ip.ttl", numberKind, 8, 4}, IP4DSCP: {"ip.dscp", numberKind, 6, 4},
	IP4ECN: {"ip.ecn", numberKind, 2, 4}, IP4Length: {"ip.len", numberKind, 16, 4}, IP4ID: {"ip.id", numberKind, 16, 4},
	IP4DF: {"ip.df", numberKind, 1, 4}, IP4MF: {"ip.mf", numberKind, 1, 4}, IP4Offset: {"ip.offset", numberKind, 13, 4},
	IP4HeaderLength: {"ip.hdrlen", numberKind, 4, 4},

	IP6Source: {"ip6.src", addressKind, 0, 6}, IP6Destination: {"ip6.dst", addressKind, 0, 6},
	IP6Next: {"ip6.next", numberKind, 8, 6}, IP6HopLimit: {"ip6.hoplimit", numberKind, 8, 6}, IP6DSCP: {"ip6.dscp", numberKind, 6, 6},
	IP6ECN: {"ip6.ecn", numberKind, 2, 6}, IP6Flow: {"ip6.flow", numberKind, 20, 6}, IP6Length: {"ip6.len", numberKind, 16, 6},
	IP6Extensions: {"ip6.ext", numberKind, 5, 6},

	TCPSourcePort: {"tcp.sport", numberKind, 16, 0}, TCPDestinationPort: {"tcp.dport", numberKind, 16, 0},
	TCPSequence: {"tcp.seq", numberKind, 32, 0}, TCPAck: {"tcp.ack", numberKind, 32, 0}, TCPOffset: {"tcp.off", numberKind, 4, 0},
	TCPFlags: {"tcp.flags", numberKind, 8, 0}, TCPWindow: {"tcp.window", numberKind, 16, 0},
	UDPSourcePort: {"udp.sport", numberKind, 16, 0}, UDPDestinationPort: {"udp.dport", numberKind, 16, 0},
	UDPLength:      {"udp.len", numberKind, 16, 0},
	SCTPSourcePort: {"sctp.sport", numberKind, 16, 0}, SCTPDestinationPort: {"sctp.dport", numberKind, 16, 0},
	ICMPType: {"icmp.type", numberKind, 8, 4}, ICMPCode: {"icmp.code", numberKind, 8, 4},
	ICMP6Type: {"icmp6.type", numberKind, 8, 6}, ICMP6Code: {"icmp6.code", numberKind, 8, 6},
}

func (s Subject) String() string {
	if int(s) < len(subjects) && subjects[s].name != "" {
		return subjects[s].name
	}
	return "subject?"
}

// kind of values that a field has.
func (s Subject) kind() kind { return subjects[s].kind }

// values says what the values of a field are.
func (s Subject) values() string {
	switch {
	case s == IP6Extensions:
		return "extension headers"
	case s == Interface:
		return "names of interfaces"
	}
	return s.kind().String()
}

// withAH is what is added to a protocol number if the walk over IPv6 extension
// headers passed an AH: so `ah` is a value of the one field Protocol, in lists
// and negated as any other. Every other protocol is itself with and without.
const withAH = 0x100

// The bits of IP6Extensions.
const (
	hasHopByHop = 1 << iota
	hasRouting
	hasFragment
	hasDestination
	hasAH
)

// extensionBits are the bits by number of the header (IANA, "IPv6 Extension
// Header Types").
var extensionBits = map[uint8]uint64{
	extHopByHop: hasHopByHop, extRouting: hasRouting, extFragment: hasFragment, extDestination: hasDestination, extAH: hasAH,
}

// domain is every value that a field can have, apart for IPv4 (or neither) and IPv6.
func (s Subject) domain() ValueSet {
	info := subjects[s]
	if s == Protocol {
		return ValueSet{IP4: allProtocols, IP6: allProtocols6}
	}
	if info.kind == addressKind {
		switch info.family {
		case 4:
			return ValueSet{IP4: allIP4}
		case 6:
			return ValueSet{IP6: allIP6}
		}
		return ValueSet{IP4: allIP4, IP6: allIP6}
	}
	all := wholeRange[info.bits]
	switch info.family {
	case 4:
		return ValueSet{IP4: all}
	case 6:
		return ValueSet{IP6: all}
	}
	return ValueSet{IP4: all, IP6: all}
}

// wholeRange is every value of so many bits.
var wholeRange = func() (all [65][]Range) {
	for bits := range all {
		all[bits] = []Range{{Hi: number(^uint64(0) >> (64 - bits))}}
	}
	return all
}()

// The full range of each kind of field, for one address family.
var (
	allIP4        = wholeRange[32]
	allIP6        = []Range{{Value{}, Value{1<<64 - 1, 1<<64 - 1}}}
	allProtocols  = wholeRange[8]
	allProtocols6 = wholeRange[9]
)
