package ir

import "xdpfw/rules"

// A place is where a field is: an atom, in packets of some protocols.
type place struct {
	atom     Atom
	protocol []rules.Range // nil: of any, or of none
}

var (
	tcpOnly   = []rules.Range{number(6)}
	udpOnly   = []rules.Range{number(17)}
	sctpOnly  = []rules.Range{number(132)}
	icmpOnly  = []rules.Range{number(1)}
	icmp6Only = []rules.Range{number(58)}
)

// whole is all bits of the bytes at an offset of a layer.
func whole(l Layer, offset uint16, size uint8) Atom {
	if size == 16 {
		return Atom{l, offset, size, IP6Source.Mask}
	}
	return Atom{l, offset, size, rules.Value{Lo: ^uint64(0) >> (64 - 8*uint(size))}}
}

func part(l Layer, offset uint16, size uint8, mask uint64) Atom {
	return Atom{l, offset, size, rules.Value{Lo: mask}}
}

// anyNetwork are the fields that are at one place in all frames that have them.
var anyNetwork = map[rules.Subject]place{
	rules.Length:           {atom: FrameLength},
	rules.EtherDestination: {atom: whole(Frame, 0, 6)},
	rules.EtherSource:      {atom: whole(Frame, 6, 6)},
	rules.EtherType:        {atom: EtherType},
	rules.VLANID:           {atom: VLANID},
	rules.VLANPriority:     {atom: VLANPCP},
	rules.VLAN2ID:          {atom: VLAN2ID},
}

// anyIP are those of both IP families.
var anyIP = map[rules.Subject]place{
	rules.SourcePort:          {SourcePort, PortProtocols},
	rules.DestinationPort:     {DestinationPort, PortProtocols},
	rules.TCPSourcePort:       {SourcePort, tcpOnly},
	rules.TCPDestinationPort:  {DestinationPort, tcpOnly},
	rules.TCPSequence:         {whole(Transport, 4, 4), tcpOnly},
	rules.TCPAck:              {whole(Transport, 8, 4), tcpOnly},
	rules.TCPOffset:           {part(Transport, 12, 1, 0xf0), tcpOnly},
	rules.TCPFlags:            {TCPFlags, tcpOnly},
	rules.TCPWindow:           {whole(Transport, 14, 2), tcpOnly},
	rules.UDPSourcePort:       {SourcePort, udpOnly},
	rules.UDPDestinationPort:  {DestinationPort, udpOnly},
	rules.UDPLength:           {whole(Transport, 4, 2), udpOnly},
	rules.SCTPSourcePort:      {SourcePort, sctpOnly},
	rules.SCTPDestinationPort: {DestinationPort, sctpOnly},
}

// byNetwork are those of one network protocol.
var byNetwork = map[uint64]map[rules.Subject]place{
	NoNetwork: {},
	ARPNetwork: {
		rules.ARPOperation: {atom: whole(ARPHeader, 6, 2)},
		rules.ARPSenderMAC: {atom: whole(ARPHeader, 8, 6)},
		rules.ARPSenderIP:  {atom: whole(ARPHeader, 14, 4)},
		rules.ARPTargetMAC: {atom: whole(ARPHeader, 18, 6)},
		rules.ARPTargetIP:  {atom: whole(ARPHeader, 24, 4)},
	},
	IP4Network: {
		rules.Protocol:        {atom: Protocol},
		rules.Source:          {atom: IP4Source},
		rules.Destination:     {atom: IP4Destination},
		rules.IP4Source:       {atom: IP4Source},
		rules.IP4Destination:  {atom: IP4Destination},
		rules.IP4Protocol:     {atom: Protocol},
		rules.IP4HeaderLength: {atom: part(IP4Header, 0, 1, 0x0f)},
		rules.IP4DSCP:         {atom: part(IP4Header, 1, 1, 0xfc)},
		rules.IP4ECN:          {atom: part(IP4Header, 1, 1, 0x03)},
		rules.IP4Length:       {atom: whole(IP4Header, 2, 2)},
		rules.IP4ID:           {atom: whole(IP4Header, 4, 2)},
		rules.IP4DF:           {atom: part(IP4Header, 6, 2, 0x4000)},
		rules.IP4MF:           {atom: part(IP4Header, 6, 2, 0x2000)},
		rules.IP4Offset:       {atom: part(IP4Header, 6, 2, 0x1fff)},
		rules.IP4TTL:          {atom: whole(IP4Header, 8, 1)},
		rules.ICMPType:        {ICMPType, icmpOnly},
		rules.ICMPCode:        {ICMPCode, icmpOnly},
	},
	IP6Network: {
		rules.Protocol:       {atom: ProtocolAH},
		rules.Source:         {atom: IP6Source},
		rules.Destination:    {atom: IP6Destination},
		rules.IP6Source:      {atom: IP6Source},
		rules.IP6Destination: {atom: IP6Destination},
		rules.IP6DSCP:        {atom: part(IP6Header, 0, 2, 0x0fc0)},
		rules.IP6ECN:         {atom: part(IP6Header, 0, 2, 0x0030)},
		rules.IP6Flow:        {atom: part(IP6Header, 0, 4, 0x000fffff)},
		rules.IP6Length:      {atom: whole(IP6Header, 4, 2)},
		rules.IP6Next:        {atom: whole(IP6Header, 6, 1)},
		rules.IP6HopLimit:    {atom: whole(IP6Header, 7, 1)},
		rules.IP6Extensions:  {atom: Extensions},
		rules.ICMP6Type:      {ICMPType, icmp6Only},
		rules.ICMP6Code:      {ICMPCode, icmp6Only},
	},
}

// netLayers are what NetHeader is called where the network protocol is known.
var netLayers = map[uint64]Layer{NoNetwork: NetHeader, ARPNetwork: ARPHeader, IP4Network: IP4Header, IP6Network: IP6Header}

// place of the field that a clause is about; false if no frame of the network
// protocol has it.
func (c *conjunction) place(clause *rules.Clause) (place, bool) {
	if clause.Subject == rules.RawBytes {
		return c.rawBytes(clause.Bytes)
	}
	if p, ok := anyNetwork[clause.Subject]; ok {
		return p, true
	}
	if p, ok := anyIP[clause.Subject]; ok {
		return p, c.network == IP4Network || c.network == IP6Network
	}
	p, ok := byNetwork[c.network][clause.Subject]
	return p, ok
}

func (c *conjunction) rawBytes(b rules.Bytes) (place, bool) {
	isIP := c.network == IP4Network || c.network == IP6Network
	switch b.Base {
	case rules.EthernetBase:
		return place{atom: whole(Frame, b.Offset, b.Length)}, true
	case rules.NetworkBase:
		return place{atom: whole(netLayers[c.network], b.Offset, b.Length)}, true
	case rules.TransportBase:
		return place{atom: whole(Transport, b.Offset, b.Length)}, isIP
	}
	return place{atom: whole(Payload, b.Offset, b.Length)}, isIP
}
