package frames

import (
	"bytes"
	"encoding/hex"
	"net"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
)

// build is the frame's bytes.
func build(t *testing.T, f Frame) []byte {
	t.Helper()
	b, err := f.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// decode has gopacket, which shares nothing with most of this package, read the frame.
func decode(b []byte) gopacket.Packet {
	return gopacket.NewPacket(b, layers.LayerTypeEthernet, gopacket.Default)
}

// layerNames of a packet without payloads, joined by blanks.
func layerNames(p gopacket.Packet) string {
	var names []string
	for _, l := range p.Layers() {
		if l.LayerType() != gopacket.LayerTypePayload {
			names = append(names, l.LayerType().String())
		}
	}
	return strings.Join(names, " ")
}

// verifyChecksums of every layer that has one.
func verifyChecksums(t *testing.T, p gopacket.Packet) {
	t.Helper()
	for _, l := range p.Layers() {
		if upper, ok := l.(interface {
			SetNetworkLayerForChecksum(gopacket.NetworkLayer) error
		}); ok {
			if err := upper.SetNetworkLayerForChecksum(p.NetworkLayer()); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err, wrong := p.VerifyChecksums(); err != nil || len(wrong) != 0 {
		t.Errorf("checksums: %v %+v", err, wrong)
	}
}

// TestDecoded: every form is what another decoder calls it, with right
// lengths and checksums.
func TestDecoded(t *testing.T) {
	payload := []byte("odd payload")
	tests := []struct {
		name    string
		network Network
		tags    []Tag
		want    string // layers behind Ethernet
	}{
		{"TCP", IPv4{Transport: TCP{From: 1, To: 22, Flags: SYN, Payload: payload}}, nil, "IPv4 TCP"},
		{"TCP with options", IPv4{Transport: TCP{Options: []byte{1, 1, 1, 0}}}, nil, "IPv4 TCP"},
		{"TCP over IPv6", IPv6{Transport: TCP{From: 1, To: 22, Flags: SYN | ACK}}, nil, "IPv6 TCP"},
		{"UDP", IPv4{Transport: UDP{To: 9, Payload: payload}}, nil, "IPv4 UDP"},
		{"UDP over IPv6", IPv6{Transport: UDP{To: 5353, Payload: payload}}, nil, "IPv6 UDP"},
		{"SCTP", IPv4{Transport: SCTP{From: 9, To: 3868, Tag: 7}}, nil, "IPv4 SCTP SCTPHeartbeat"},
		{"ICMP", IPv4{Transport: ICMP{Type: 8, Rest: 0x10001, Payload: payload}}, nil, "IPv4 ICMPv4"},
		{"ICMPv6", IPv6{Transport: ICMPv6{Type: 128, Payload: payload}}, nil, "IPv6 ICMPv6 ICMPv6Echo"},
		{"GRE", IPv4{Transport: Other{Protocol: 47, Payload: []byte{0, 0, 0x88, 0xb5}}}, nil, "IPv4 GRE"},
		{"IPv4 options", IPv4{Options: []byte{1, 1, 1, 0}, Transport: UDP{}}, nil, "IPv4 UDP"},
		{"802.1Q", IPv4{Transport: UDP{}}, []Tag{{VID: 100, PCP: 5}}, "Dot1Q IPv4 UDP"},
		{"QinQ", IPv6{Transport: UDP{}}, []Tag{{Type: STag, VID: 1}, {VID: 2}}, "Dot1Q Dot1Q IPv6 UDP"},
		{"ARP", ARP{}, nil, "ARP"},
		{"hop-by-hop", IPv6{Extensions: []Extension{{Kind: HopByHop}}, Transport: UDP{}}, nil, "IPv6 IPv6HopByHop UDP"},
		{"routing", IPv6{Extensions: []Extension{{Kind: Routing, Size: 24}}, Transport: UDP{}}, nil, "IPv6 IPv6Routing UDP"},
		{"destination", IPv6{Extensions: []Extension{{Kind: Destination, Size: 2048}}, Transport: UDP{}}, nil,
			"IPv6 IPv6Destination UDP"},
		{"AH", IPv6{Extensions: []Extension{{Kind: AH, Size: 12}}, Transport: UDP{}}, nil, "IPv6 IPSecAH UDP"},
		{"all stacked", IPv6{Extensions: []Extension{{Kind: HopByHop, Size: 16}, {Kind: Destination}, {Kind: Routing}, {Kind: AH}},
			Transport: TCP{To: 22}}, nil, "IPv6 IPv6HopByHop IPv6Destination IPv6Routing IPSecAH TCP"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			p := decode(build(t, Frame{Network: test.network, Tags: test.tags}))
			if got := layerNames(p); got != "Ethernet "+test.want || p.ErrorLayer() != nil {
				t.Fatalf("layers %s (error %v), want Ethernet %s", got, p.ErrorLayer(), test.want)
			}
			verifyChecksums(t, p)
		})
	}
}

// TestWholeFrames pins two frames byte for byte, as written by hand.
func TestWholeFrames(t *testing.T) {
	tests := []struct {
		name  string
		frame Frame
		want  string
	}{
		{"UDP, tagged, with ID and DF", Frame{
			Tags:    []Tag{{Type: QinQ, VID: 0x123, PCP: 7}},
			Network: IPv4{ID: 0xabcd, DF: true, TTL: 1, Transport: UDP{From: 5, To: 6, Length: new(uint16(3))}},
		}, "020000000002 020000000001 9100 e123 0800" +
			"4500001c abcd4000 01110000 c6336407 cb007101" + "0005 0006 0003 0000"},
		{"fragment header", Frame{Network: IPv6{FlowLabel: 0x12345, TrafficClass: 0xab, HopLimit: 9,
			Extensions: []Extension{{Kind: Fragment, Offset: 0x1fff, More: true, ID: 0x01020304, Length: new(uint8(9))}},
			Transport:  Other{Protocol: 6, Payload: []byte{0xaa}},
		}}, "020000000002 020000000001 86dd 6ab12345 0009 2c 09" +
			"20010db8000000000000000000000007 20010db8000000000000000000000001" + "06 09 fff9 01020304 aa"},
	}
	for _, test := range tests {
		want, err := hex.DecodeString(strings.ReplaceAll(test.want, " ", ""))
		if err != nil {
			t.Fatal(err)
		}
		got := build(t, test.frame)
		if strings.HasPrefix(test.name, "UDP") { // checksums are TestDecoded's
			copy(got[28:30], []byte{0, 0})
			copy(got[44:46], []byte{0, 0})
		}
		if !bytes.Equal(got, want) {
			t.Errorf("%s:\n got %x\nwant %x", test.name, got, want)
		}
	}
}

// TestOverrides: what an override says stands in the frame, and only that.
func TestOverrides(t *testing.T) {
	udp := UDP{From: 1, To: 2, Payload: []byte("payload")}
	const net, ext = 14, 14 + 40
	tests := []struct {
		name    string
		network Network
		off     int
		want    string
	}{
		{"IHL", IPv4{IHL: new(uint8(4)), Transport: udp}, net, "44"},
		{"version 5", IPv4{Version: new(uint8(5)), Transport: udp}, net, "55"},
		{"total length", IPv4{TotalLength: new(uint16(0x50)), Transport: udp}, net + 2, "0050"},
		{"protocol", IPv4{Protocol: new(uint8(99)), Transport: udp}, net + 9, "63"},
		{"reserved, DF, MF, offset", IPv4{Reserved: true, DF: true, More: true, Offset: 0x1234, Transport: udp}, net + 6, "f234"},
		{"limit", IPv4{Limit: new(3), Transport: udp}, net + 2, "0017"},
		{"IPv6 version", IPv6{Version: new(uint8(4)), Transport: udp}, net, "40"},
		{"payload length", IPv6{PayloadLength: new(uint16(0)), Transport: udp}, net + 4, "0000"},
		{"IPv6 protocol", IPv6{Protocol: new(uint8(6)), Transport: udp}, net + 6, "06"},
		{"IPv6 limit", IPv6{Limit: new(10), Extensions: []Extension{{Kind: Routing}}, Transport: udp}, net + 4, "000a2b"},
		{"no next header", IPv6{}, net + 6, "3b"},
		{"extension length", IPv6{Extensions: []Extension{{Kind: HopByHop, Length: new(uint8(255))}}}, ext, "3bff"},
		{"extension next", IPv6{Extensions: []Extension{{Kind: HopByHop, Next: new(uint8(0))}}}, ext, "0000"},
		{"AH of 8 bytes", IPv6{Extensions: []Extension{{Kind: AH, Size: 8}}}, ext, "3b000000"},
		{"AH of 1028 bytes", IPv6{Extensions: []Extension{{Kind: AH, Size: 1028}}}, ext, "3bff0000"},
		{"TCP offset", IPv4{Transport: TCP{Offset: new(uint8(4))}}, net + 20 + 12, "40"},
		{"ARP types", ARP{HardwareType: new(uint16(6)), ProtocolType: new(uint16(0x86dd)),
			HardwareLength: new(uint8(8)), ProtocolLength: new(uint8(16))}, net, "000686dd0810"},
	}
	for _, test := range tests {
		b := build(t, Frame{Network: test.network})
		if got := hex.EncodeToString(b[test.off:][:len(test.want)/2]); got != test.want {
			t.Errorf("%s: at %d stands %s, want %s", test.name, test.off, got, test.want)
		}
	}
}

// TestFrameSize: limit, padding and cut set the frame's length.
func TestFrameSize(t *testing.T) {
	tcp := TCP{To: 22}
	tests := []struct {
		name  string
		frame Frame
		want  int
	}{
		{"whole", Frame{Network: IPv4{Transport: tcp}}, 54},
		{"limit", Frame{Network: IPv4{Transport: tcp, Limit: new(0)}}, 34},
		{"padding", Frame{Network: IPv4{Transport: tcp}, Padding: 6}, 60},
		{"cut", Frame{Network: IPv4{Transport: tcp}, Padding: 6, Cut: 13}, 13},
		{"raw", Frame{EtherType: 0x8847, Network: Raw{1, 2, 3}}, 17},
		{"nothing", Frame{EtherType: 0x88b5}, 14},
	}
	for _, test := range tests {
		b := build(t, test.frame)
		if len(b) != test.want {
			t.Errorf("%s: %d bytes, want %d", test.name, len(b), test.want)
		}
		if test.frame.Padding > 0 && test.frame.Cut == 0 && b[len(b)-1] != PaddingByte {
			t.Errorf("%s: ends with %#x, not with padding", test.name, b[len(b)-1])
		}
	}
}

// TestSplit puts fragments together again, one after another and by gopacket's
// word for offsets, and finds the packet unchanged.
func TestSplit(t *testing.T) {
	tcp := TCP{From: 1, To: 80, Flags: SYN, Payload: []byte("does it all come back?")}
	for name, f := range map[string]Frame{
		"IPv4": {Network: IPv4{ID: 7, Transport: tcp}},
		"IPv6": {Network: IPv6{Extensions: []Extension{{Kind: HopByHop}}, Transport: tcp}},
	} {
		whole := decode(build(t, f)).Layer(layers.LayerTypeTCP)
		parts, err := f.Split(16, 99)
		if err != nil || len(parts) != 3 {
			t.Fatalf("%s: %d parts, error %v; 42 bytes are 3 parts of 16", name, len(parts), err)
		}
		var got []byte
		for i, part := range parts {
			p := decode(build(t, part))
			var off int
			var more bool
			var payload []byte
			if ip, ok := p.Layer(layers.LayerTypeIPv4).(*layers.IPv4); ok {
				off, more, payload = int(ip.FragOffset), ip.Flags&layers.IPv4MoreFragments != 0, ip.Payload
			} else if frag, ok := p.Layer(layers.LayerTypeIPv6Fragment).(*layers.IPv6Fragment); ok {
				off, more, payload = int(frag.FragmentOffset), frag.MoreFragments, frag.Payload
				if frag.Identification != 99 {
					t.Errorf("%s: part %d has ID %d", name, i, frag.Identification)
				}
			}
			if off*8 != len(got) || more != (i < 2) {
				t.Errorf("%s: part %d at %d, more %v", name, i, off*8, more)
			}
			got = append(got, payload...)
		}
		want := slices.Concat(whole.LayerContents(), whole.LayerPayload())
		if !bytes.Equal(got, want) {
			t.Errorf("%s:\n got %x\nwant %x", name, got, want)
		}
	}
}

// TestNeighbors reads back what the lockout guard asks about.
func TestNeighbors(t *testing.T) {
	link := net.HardwareAddr{2, 1, 2, 3, 4, 5}
	peer := net.HardwareAddr{2, 9, 9, 9, 9, 9}
	a, b := netip.MustParseAddr("10.0.0.1"), netip.MustParseAddr("10.0.0.2")
	a6, b6 := netip.MustParseAddr("fe80::1"), netip.MustParseAddr("fe80::ab:cdef")

	request := decode(build(t, ARPRequest(link, a, b))).Layer(layers.LayerTypeARP).(*layers.ARP)
	if request.Operation != layers.ARPRequest || !bytes.Equal(request.DstProtAddress, b.AsSlice()) ||
		!bytes.Equal(request.SourceHwAddress, link) {
		t.Errorf("request: %+v", request)
	}
	reply := decode(build(t, ARPReply(link, a, peer, b))).Layer(layers.LayerTypeARP).(*layers.ARP)
	if reply.Operation != layers.ARPReply || !bytes.Equal(reply.SourceProtAddress, a.AsSlice()) ||
		!bytes.Equal(reply.DstHwAddress, peer) {
		t.Errorf("reply: %+v", reply)
	}

	p := decode(build(t, NeighborSolicit(link, a6, b6)))
	solicit, ok := p.Layer(layers.LayerTypeICMPv6NeighborSolicitation).(*layers.ICMPv6NeighborSolicitation)
	if !ok || !solicit.TargetAddress.Equal(b6.AsSlice()) {
		t.Fatalf("solicit: %v", p)
	}
	ip := p.NetworkLayer().(*layers.IPv6)
	if ip.HopLimit != 255 || ip.DstIP.String() != "ff02::1:ffab:cdef" ||
		p.LinkLayer().(*layers.Ethernet).DstMAC.String() != "33:33:ff:ab:cd:ef" {
		t.Errorf("solicit goes to %v, hop limit %d", ip.DstIP, ip.HopLimit)
	}
	p = decode(build(t, NeighborAdvert(link, a6, peer, b6)))
	advert, ok := p.Layer(layers.LayerTypeICMPv6NeighborAdvertisement).(*layers.ICMPv6NeighborAdvertisement)
	if !ok || !advert.TargetAddress.Equal(a6.AsSlice()) || !advert.Solicited() ||
		!bytes.Equal(advert.Options[0].Data, link) {
		t.Fatalf("advert: %v", p)
	}
	verifyChecksums(t, p)
}

// TestErrors: what does not fit is refused with the reason.
func TestErrors(t *testing.T) {
	v6 := netip.MustParseAddr("::1")
	tests := []struct {
		frame Frame
		want  string
	}{
		{Frame{From: net.HardwareAddr{1}}, "frame from 01 to 02:00:00:00:00:02: Ethernet addresses have 6 bytes"},
		{Frame{Tags: []Tag{{VID: 4096}}}, "VLAN tag {Type:0 VID:4096 PCP:0}: the VID has 12 bits, the PCP 3"},
		{Frame{Cut: 15}, "frame cut at 15: it has only 14 bytes"},
		{Frame{Network: IPv4{From: v6}}, "packet from ::1 to 203.0.113.1: both addresses must be of 32 bits"},
		{Frame{Network: IPv4{Options: make([]byte, 3)}}, "IPv4 options of 3 bytes: at most 40, in units of 4"},
		{Frame{Network: IPv4{Offset: 0x2000}}, "IPv4 fragment offset 8192: it has 13 bits"},
		{Frame{Network: IPv4{Limit: new(1)}}, "limit of 1 bytes: there are 0"},
		{Frame{Network: IPv4{Transport: Other{Payload: make([]byte, 65516)}}}, "IPv4 packet of 65536 bytes: at most 65535"},
		{Frame{Network: IPv6{Transport: Other{Payload: make([]byte, 65536)}}}, "IPv6 payload of 65536 bytes: at most 65535"},
		{Frame{Network: IPv6{FlowLabel: 1 << 20}}, "flow label 0x100000: it has 20 bits"},
		{Frame{Network: IPv6{Extensions: []Extension{{Kind: 50}}}}, "extension header of kind 50: not one of 0, 43, 44, 51, 60"},
		{Frame{Network: IPv6{Extensions: []Extension{{Kind: Routing, Size: 12}}}},
			"extension header 43 of 12 bytes: 8 to 2048 in units of 8"},
		{Frame{Network: IPv6{Extensions: []Extension{{Kind: Fragment, Offset: 0x2000}}}}, "IPv6 fragment offset 8192: it has 13 bits"},
		{Frame{Network: IPv6{Transport: UDP{Payload: make([]byte, 65528)}}}, "UDP datagram of 65536 bytes: at most 65535"},
		{Frame{Network: IPv6{Transport: TCP{Options: make([]byte, 44)}}}, "TCP options of 44 bytes: at most 40, in units of 4"},
		{Frame{Network: ARP{SenderLink: net.HardwareAddr{1}}}, "ARP of 01 to 00:00:00:00:00:00: Ethernet addresses have 6 bytes"},
	}
	for _, test := range tests {
		if _, err := test.frame.Bytes(); err == nil || err.Error() != test.want {
			t.Errorf("got  %v\nwant %s", err, test.want)
		}
	}
}
