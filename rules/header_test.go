package rules_test

import (
	"encoding/hex"
	"strings"
	"testing"

	"xdpfw/loader/frames"
	"xdpfw/rules"
)

// What DescribeHeaders says of frames that name no addresses.
const (
	ip4 = "ip 198.51.100.7 > 203.0.113.1"
	ip6 = "ip6 2001:db8::7 > 2001:db8::1"
)

// A headerTest is a frame and what the evaluator must read in it.
type headerTest struct {
	name  string
	frame frames.Frame
	want  string
}

func runHeaderTests(t *testing.T, tests []headerTest) {
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			frame, err := test.frame.Bytes()
			if err != nil {
				t.Fatal(err)
			}
			if got := rules.DescribeHeaders(rules.NewPacket(frame)); got != test.want {
				t.Errorf("%x\n got %q\nwant %q", frame, got, test.want)
			}
		})
	}
}

var (
	tcp22 = frames.TCP{From: 1, To: 22}
	udp53 = frames.UDP{From: 1, To: 53}
)

func TestEthernet(t *testing.T) {
	tagged := func(types ...uint16) frames.Frame {
		f := frames.Frame{Network: frames.IPv4{Transport: tcp22}}
		for _, tagType := range types {
			f.Tags = append(f.Tags, frames.Tag{Type: tagType, VID: 100, PCP: 7})
		}
		return f
	}
	const tcp = ip4 + " proto 6 ports 1 > 22"
	runHeaderTests(t, []headerTest{
		{"untagged", tagged(), tcp},
		{"802.1Q", tagged(0x8100), tcp},
		{"802.1ad", tagged(0x88a8), tcp},
		{"0x9100", tagged(0x9100), tcp},
		{"QinQ", tagged(0x88a8, 0x8100), tcp},
		{"802.1Q twice", tagged(0x8100, 0x8100), tcp},
		{"0x9100 twice", tagged(0x9100, 0x9100), tcp},
		{"three tags", tagged(0x88a8, 0x8100, 0x8100), "invalid"},
		{"0x9200 is no tag", frames.Frame{Tags: []frames.Tag{{Type: 0x9200}}, Network: frames.IPv4{Transport: tcp22}}, ""},
		{"IEEE 802.3 length", frames.Frame{EtherType: 0x5ff, Network: frames.IPv4{Transport: tcp22}}, ""},
		{"LLC/SNAP", frames.Frame{EtherType: 28, Network: frames.Raw{0xaa, 0xaa, 3, 0, 0, 0, 8, 0, 0x45}}, ""},
		{"MPLS", frames.Frame{EtherType: 0x8847, Network: frames.Raw{0, 0, 1, 0x40, 0x45}}, ""},
		{"PPPoE", frames.Frame{EtherType: 0x8864, Network: frames.Raw{0x11, 0, 0, 1, 0, 2, 0, 0x21}}, ""},
		{"nothing behind the type", frames.Frame{EtherType: 0x88b5}, ""},
	})
}

func TestARP(t *testing.T) {
	arp := func(a frames.ARP) frames.Frame { return frames.Frame{Network: a} }
	runHeaderTests(t, []headerTest{
		{"request", arp(frames.ARP{}), "arp"},
		{"reply, tagged, padded", frames.Frame{Tags: []frames.Tag{{}}, Network: frames.ARP{Operation: frames.Reply}, Padding: 14}, "arp"},
		{"any operation", arp(frames.ARP{Operation: 0xffff}), "arp"},
		{"hardware type 6", arp(frames.ARP{HardwareType: new(uint16(6))}), ""},
		{"hardware type 0x101", arp(frames.ARP{HardwareType: new(uint16(0x101))}), ""},
		{"of IPv6", arp(frames.ARP{ProtocolType: new(uint16(0x86dd))}), ""},
		{"hardware length 8", arp(frames.ARP{HardwareLength: new(uint8(8))}), ""},
		{"protocol length 16", arp(frames.ARP{ProtocolLength: new(uint8(16))}), ""},
		{"RARP is not looked into", frames.Frame{EtherType: 0x8035, Network: frames.ARP{}}, ""},
	})
}

func TestIPv4(t *testing.T) {
	ip := func(p frames.IPv4) frames.Frame {
		if p.Transport == nil {
			p.Transport = tcp22
		}
		return frames.Frame{Network: p}
	}
	padded := func(p frames.IPv4) frames.Frame {
		f := ip(p)
		f.Padding = 100
		return f
	}
	const tcp = " proto 6 ports 1 > 22"
	runHeaderTests(t, []headerTest{
		{"plain", ip(frames.IPv4{}), ip4 + tcp},
		{"DF and the reserved bit", ip(frames.IPv4{DF: true, Reserved: true}), ip4 + tcp},
		{"options of 4 bytes", ip(frames.IPv4{Options: make([]byte, 4)}), ip4 + tcp},
		{"options of 40 bytes", ip(frames.IPv4{Options: make([]byte, 40)}), ip4 + tcp},
		{"version 5", ip(frames.IPv4{Version: new(uint8(5))}), "invalid"},
		{"version 6", ip(frames.IPv4{Version: new(uint8(6))}), "invalid"},
		{"IHL 0", ip(frames.IPv4{IHL: new(uint8(0))}), "invalid"},
		{"IHL 4", ip(frames.IPv4{IHL: new(uint8(4))}), "invalid"},
		{"IHL 4, total length spells port 22", padded(frames.IPv4{IHL: new(uint8(0)), TotalLength: new(uint16(22))}), "invalid"},
		{"IHL 10 is the whole packet", ip(frames.IPv4{IHL: new(uint8(10))}), ip4 + " proto 6 invalid"},
		{"IHL 11 is more than there is", ip(frames.IPv4{IHL: new(uint8(11))}), "invalid"},
		{"IHL 11 reaches into the padding", padded(frames.IPv4{IHL: new(uint8(11))}), "invalid"},
		{"total length 19", ip(frames.IPv4{TotalLength: new(uint16(19))}), "invalid"},
		{"total length 0", ip(frames.IPv4{TotalLength: new(uint16(0))}), "invalid"},
		{"total length 20", ip(frames.IPv4{TotalLength: new(uint16(20))}), ip4 + " proto 6 invalid"},
		{"total length 23: padding is no port", padded(frames.IPv4{TotalLength: new(uint16(23))}), ip4 + " proto 6 invalid"},
		{"total length 24", padded(frames.IPv4{TotalLength: new(uint16(24))}), ip4 + tcp + " invalid"},
		{"total length 41", ip(frames.IPv4{TotalLength: new(uint16(41))}), "invalid"},
		{"total length 140 of padding", padded(frames.IPv4{TotalLength: new(uint16(140))}), ip4 + tcp},
		{"total length 141", padded(frames.IPv4{TotalLength: new(uint16(141))}), "invalid"},
		{"first fragment", ip(frames.IPv4{More: true}), ip4 + tcp + " frag first"},
		{"tiny first fragment", ip(frames.IPv4{More: true, Limit: new(8)}), ip4 + tcp + " frag first invalid"},
		{"later fragment", ip(frames.IPv4{Offset: 1}), ip4 + " proto 6 frag later"},
		{"middle fragment", ip(frames.IPv4{Offset: 0x1fff, More: true}), ip4 + " proto 6 frag later"},
		{"later fragment of nothing", ip(frames.IPv4{Offset: 0x1000, Limit: new(0)}), ip4 + " proto 6 frag later"},
		{"malformed later fragment", ip(frames.IPv4{Offset: 1, IHL: new(uint8(4))}), "invalid"},
		{"IPv4 in an IPv6 frame", frames.Frame{EtherType: 0x86dd, Network: frames.IPv4{Transport: tcp22}}, "invalid"},
	})
}

func TestTransport(t *testing.T) {
	ip := func(transport frames.Transport) frames.Frame {
		return frames.Frame{Network: frames.IPv4{Transport: transport}}
	}
	v6 := func(transport frames.Transport) frames.Frame {
		return frames.Frame{Network: frames.IPv6{Transport: transport}}
	}
	other := func(protocol uint8, n int) frames.Transport {
		return frames.Other{Protocol: protocol, Payload: make([]byte, n)}
	}
	const ports = " ports 1 > 53"
	runHeaderTests(t, []headerTest{
		{"TCP offset 4", ip(frames.TCP{From: 1, To: 53, Offset: new(uint8(4))}), ip4 + " proto 6" + ports + " invalid"},
		{"TCP offset 15 beyond the end", ip(frames.TCP{From: 1, To: 53, Offset: new(uint8(15))}), ip4 + " proto 6" + ports},
		{"UDP length 7", ip(frames.UDP{From: 1, To: 53, Length: new(uint16(7))}), ip4 + " proto 17" + ports + " invalid"},
		{"UDP length 0", v6(frames.UDP{From: 1, To: 53, Length: new(uint16(0))}), ip6 + " proto 17" + ports + " invalid"},
		{"UDP length 256", ip(frames.UDP{From: 1, To: 53, Length: new(uint16(256))}), ip4 + " proto 17" + ports},
		{"UDP length 9 of 8", ip(frames.UDP{From: 1, To: 53, Length: new(uint16(9))}), ip4 + " proto 17" + ports},
		{"SCTP", v6(frames.SCTP{From: 1, To: 53}), ip6 + " proto 132" + ports},
		{"ports to the last bit", ip(frames.UDP{From: 0xfffe, To: 0x8001}), ip4 + " proto 17 ports 65534 > 32769"},
		{"ICMP", ip(frames.ICMP{Type: 8}), ip4 + " proto 1"},
		{"ICMP of 7 bytes", ip(other(1, 7)), ip4 + " proto 1 invalid"},
		{"ICMPv6", v6(frames.ICMPv6{Type: 128}), ip6 + " proto 58"},
		{"ICMPv6 of 7 bytes", v6(other(58, 7)), ip6 + " proto 58 invalid"},
		{"58 in IPv4 is not ICMPv6", ip(other(58, 7)), ip4 + " proto 58"},
		{"1 in IPv6 is not ICMP", v6(other(1, 7)), ip6 + " proto 1"},
		{"UDP-Lite has no ports", ip(other(136, 20)), ip4 + " proto 136"},
		{"DCCP has no ports", ip(other(33, 20)), ip4 + " proto 33"},
		{"GRE of no bytes", ip(other(47, 0)), ip4 + " proto 47"},
		{"AH in IPv4 is not looked behind", ip(other(51, 24)), ip4 + " proto 51"},
		{"hop-by-hop's number in IPv4", ip(other(0, 8)), ip4 + " proto 0"},
		{"protocol 255", v6(other(255, 0)), ip6 + " proto 255"},
	})
}

// TestSentShort: transports that end after any number of bytes, as a sender
// that cuts and says so in the IP length makes them.
func TestSentShort(t *testing.T) {
	tests := []struct {
		name      string
		transport frames.Transport
		proto     string
		ports     int // from that many bytes on
		valid     int // likewise
		size      int
	}{
		{"TCP", frames.TCP{From: 1, To: 53}, " proto 6", 4, 20, 20},
		{"UDP", udp53, " proto 17", 4, 8, 8},
		{"SCTP", frames.SCTP{From: 1, To: 53}, " proto 132", 4, 12, 16},
	}
	for _, test := range tests {
		for n := 0; n <= test.size; n++ {
			want := test.proto
			if n >= test.ports {
				want += " ports 1 > 53"
			}
			if n < test.valid {
				want += " invalid"
			}
			for prefix, network := range map[string]frames.Network{
				ip4: frames.IPv4{Transport: test.transport, Limit: &n},
				ip6: frames.IPv6{Transport: test.transport, Limit: &n},
			} {
				// The padding would read as ports and lengths.
				frame, err := frames.Frame{Network: network, Padding: 40}.Bytes()
				if err != nil {
					t.Fatal(err)
				}
				if got := rules.DescribeHeaders(rules.NewPacket(frame)); got != prefix+want {
					t.Errorf("%s, %d bytes: got %q, want %q", test.name, n, got, prefix+want)
				}
			}
		}
	}
}

// A cutTest is a frame cut at every length. Each step is what is read from
// that many bytes on, until the next step.
type cutTest struct {
	name    string
	frame   frames.Frame
	cut     []step // the frame ends there, or a capture has no more
	buffers []step // further bytes are in further buffers; nil: like cut
}

type step struct {
	from int
	want string
}

// at is the step that holds for n bytes.
func at(steps []step, n int) string {
	want := "no step"
	for _, s := range steps {
		if s.from <= n {
			want = s.want
		}
	}
	return want
}

func TestCut(t *testing.T) {
	const tcp = " proto 6 ports 1 > 22"
	tests := []cutTest{
		{"Ethernet", frames.Frame{EtherType: 0x88b5, Network: frames.Raw{1, 2}}, []step{{0, "invalid"}, {14, ""}}, nil},
		{"802.1Q", frames.Frame{Tags: []frames.Tag{{}}, EtherType: 0x88b5, Network: frames.Raw{1}},
			[]step{{0, "invalid"}, {18, ""}}, nil},
		{"QinQ", frames.Frame{Tags: []frames.Tag{{Type: frames.STag}, {}}, EtherType: 0x88b5, Network: frames.Raw{1}},
			[]step{{0, "invalid"}, {22, ""}}, nil},
		{"ARP", frames.Frame{Network: frames.ARP{}}, []step{{0, "invalid"}, {14, ""}, {42, "arp"}},
			[]step{{0, "invalid"}, {42, "arp"}}},
		{"TCP", frames.Frame{Network: frames.IPv4{Transport: tcp22}},
			[]step{{0, "invalid"}, {54, ip4 + tcp}},
			[]step{{0, "invalid"}, {34, ip4 + " proto 6 invalid"}, {38, ip4 + tcp + " invalid"}, {54, ip4 + tcp}}},
		{"TCP, padded", frames.Frame{Network: frames.IPv4{Transport: tcp22}, Padding: 6},
			[]step{{0, "invalid"}, {54, ip4 + tcp}},
			[]step{{0, "invalid"}, {34, ip4 + " proto 6 invalid"}, {38, ip4 + tcp + " invalid"}, {54, ip4 + tcp}}},
		{"TCP behind IPv4 options and a tag", frames.Frame{Tags: []frames.Tag{{}},
			Network: frames.IPv4{Options: make([]byte, 8), Transport: tcp22}},
			[]step{{0, "invalid"}, {66, ip4 + tcp}},
			[]step{{0, "invalid"}, {46, ip4 + " proto 6 invalid"}, {50, ip4 + tcp + " invalid"}, {66, ip4 + tcp}}},
		{"ICMP", frames.Frame{Network: frames.IPv4{Transport: frames.ICMP{Type: 8}}},
			[]step{{0, "invalid"}, {42, ip4 + " proto 1"}},
			[]step{{0, "invalid"}, {34, ip4 + " proto 1 invalid"}, {42, ip4 + " proto 1"}}},
		{"GRE", frames.Frame{Network: frames.IPv4{Transport: frames.Other{Protocol: 47, Payload: make([]byte, 8)}}},
			[]step{{0, "invalid"}, {42, ip4 + " proto 47"}},
			[]step{{0, "invalid"}, {34, ip4 + " proto 47"}}},
		{"later fragment", frames.Frame{Network: frames.IPv4{Offset: 1, Transport: tcp22}},
			[]step{{0, "invalid"}, {54, ip4 + " proto 6 frag later"}},
			[]step{{0, "invalid"}, {34, ip4 + " proto 6 frag later"}}},
		{"UDP over IPv6", frames.Frame{Network: frames.IPv6{Transport: frames.UDP{From: 1, To: 22}}},
			[]step{{0, "invalid"}, {54, ip6 + " invalid"}, {62, ip6 + " proto 17 ports 1 > 22"}},
			[]step{{0, "invalid"}, {54, ip6 + " proto 17 invalid"}, {58, ip6 + " proto 17 ports 1 > 22 invalid"},
				{62, ip6 + " proto 17 ports 1 > 22"}}},
		{"IPv6 extension headers", frames.Frame{Network: frames.IPv6{Transport: tcp22,
			Extensions: []frames.Extension{{Kind: frames.HopByHop}, {Kind: frames.Fragment, More: true}, {Kind: frames.AH}}}},
			[]step{{0, "invalid"}, {54, ip6 + " invalid"}, {106, ip6 + tcp + " frag first"}},
			[]step{{0, "invalid"}, {54, ip6 + " invalid"}, {70, ip6 + " frag first invalid"},
				{86, ip6 + " proto 6 frag first invalid"}, {90, ip6 + tcp + " frag first invalid"}, {106, ip6 + tcp + " frag first"}}},
		{"jumbogram", frames.Frame{Network: frames.IPv6{PayloadLength: new(uint16(0)), Transport: tcp22,
			Extensions: []frames.Extension{{Kind: frames.HopByHop}}}},
			[]step{{0, "invalid"}, {54, ip6 + " invalid"}, {62, ip6 + " proto 6 invalid"}, {66, ip6 + tcp + " invalid"}, {82, ip6 + tcp}},
			nil},
	}
	for _, test := range tests {
		whole, err := test.frame.Bytes()
		if err != nil {
			t.Fatal(err)
		}
		if test.buffers == nil {
			test.buffers = test.cut
		}
		for n := 0; n <= len(whole); n++ {
			for how, c := range map[string]struct {
				packet rules.Packet
				want   string
			}{
				"cut":      {rules.NewPacket(whole[:n]), at(test.cut, n)},
				"captured": {rules.Packet{Head: whole[:n], Len: len(whole), Truncated: true}, at(test.cut, n)},
				"buffers":  {rules.Packet{Head: whole[:n], Len: len(whole)}, at(test.buffers, n)},
			} {
				if got := rules.DescribeHeaders(c.packet); got != c.want {
					t.Errorf("%s, %d bytes, %s: got %q, want %q", test.name, n, how, got, c.want)
				}
			}
		}
	}
}

// TestHexFrame holds the evaluator against a frame that no builder made.
func TestHexFrame(t *testing.T) {
	frame := unhex(t, `
		ffffffffffff 0a0b0c0d0e0f 8100 0064 0800
		46 00 0024 0001 2000 40 11 0000 0a000001 0a000002 01010100
		14e9 0035 000c 0000 deadbeef`)
	want := "ip 10.0.0.1 > 10.0.0.2 proto 17 ports 5353 > 53 frag first"
	if got := rules.DescribeHeaders(rules.NewPacket(frame)); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// unhex reads hexadecimal bytes with blanks anywhere.
func unhex(t *testing.T, text string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.Join(strings.Fields(text), ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}
