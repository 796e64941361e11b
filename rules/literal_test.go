package rules_test

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"xdpfw/loader/frames"
	"xdpfw/rules"
)

func mustParseLiteral(t testing.TB, text string) rules.Packet {
	t.Helper()
	packet, ds := rules.ParseLiteral(text)
	if len(ds) > 0 {
		t.Fatalf("%s:\n%s", text, format(t, ds))
	}
	return packet
}

// TestLiteral compares what the evaluator reads in the frames of literals.
func TestLiteral(t *testing.T) {
	tests := []struct {
		text, want string
		len        int
	}{
		{"tcp 198.51.100.7:5555 > 203.0.113.1:443", "ip 198.51.100.7 > 203.0.113.1 proto 6 ports 5555 > 443", 54},
		{"tcp 198.51.100.7 > 203.0.113.1", "ip 198.51.100.7 > 203.0.113.1 proto 6 ports 0 > 0", 54},
		{"udp 198.51.100.7>203.0.113.1:53", "ip 198.51.100.7 > 203.0.113.1 proto 17 ports 0 > 53", 42},
		{"udp [2001:db8::1]:1 > [2001:db8::2]:53", "ip6 2001:db8::1 > 2001:db8::2 proto 17 ports 1 > 53", 62},
		{"tcp 2001:db8::1 > [::2]", "ip6 2001:db8::1 > ::2 proto 6 ports 0 > 0", 74},
		{"sctp 192.0.2.1:1 > 192.0.2.2:2", "ip 192.0.2.1 > 192.0.2.2 proto 132 ports 1 > 2", 46},
		{"icmp 192.0.2.1 > 192.0.2.2", "ip 192.0.2.1 > 192.0.2.2 proto 1", 42},
		{"icmp6 ::1 > ::2 type packet-too-big", "ip6 ::1 > ::2 proto 58", 62},
		{"gre 192.0.2.1 > 192.0.2.2", "ip 192.0.2.1 > 192.0.2.2 proto 47", 38},
		{"esp ::1 > ::2", "ip6 ::1 > ::2 proto 50", 62},
		{"ah 192.0.2.1 > 192.0.2.2", "ip 192.0.2.1 > 192.0.2.2 proto 51", 46},
		{"ah ::1 > ::2", "ip6 ::1 > ::2 proto 59", 66},
		{"igmp 192.0.2.1 > 224.0.0.1", "ip 192.0.2.1 > 224.0.0.1 proto 2", 42},
		{"ipip 192.0.2.1 > 192.0.2.2", "ip 192.0.2.1 > 192.0.2.2 proto 4", 54},
		{"89 192.0.2.1 > 192.0.2.2", "ip 192.0.2.1 > 192.0.2.2 proto 89", 34},
		{"1 ::1 > ::2", "ip6 ::1 > ::2 proto 1", 54},
		{"vlan 7 tcp 192.0.2.1 > 192.0.2.2:22", "ip 192.0.2.1 > 192.0.2.2 proto 6 ports 0 > 22", 58},
		{"vlan 7 vlan 8 frag first udp 192.0.2.1 > 192.0.2.2:22", "ip 192.0.2.1 > 192.0.2.2 proto 17 ports 0 > 22 frag first", 50},
		{"frag later udp 192.0.2.1 > 192.0.2.2", "ip 192.0.2.1 > 192.0.2.2 proto 17 frag later", 42},
		{"frag first tcp [::1]:1 > [::2]:2", "ip6 ::1 > ::2 proto 6 ports 1 > 2 frag first", 82},
		{"frag later tcp ::1 > ::2", "ip6 ::1 > ::2 proto 6 frag later", 70},
		{"arp who-has 192.0.2.1 tell 192.0.2.2", "arp", 42},
		{"vlan 1 arp who-has 192.0.2.1 tell 192.0.2.2 len 60", "arp", 60},
		{"tcp 192.0.2.1 > 192.0.2.2 len 1514", "ip 192.0.2.1 > 192.0.2.2 proto 6 ports 0 > 0", 1514},
		{"udp ::1 > ::2 len 65557", "ip6 ::1 > ::2 proto 17 ports 0 > 0", 65557},
		{"tcp 192.0.2.1 > 192.0.2.2 len 65549 ttl 1 flags none", "ip 192.0.2.1 > 192.0.2.2 proto 6 ports 0 > 0", 65549},
		{`hex "ff ff ffffffff 020000000001 0806"`, "", 14},
		{`hex "0011"`, "invalid", 2},
	}
	for _, test := range tests {
		packet := mustParseLiteral(t, test.text)
		if got := rules.DescribeHeaders(packet); got != test.want || packet.Len != test.len || len(packet.Head) != test.len {
			t.Errorf("%s: %q, %d bytes, want %q, %d", test.text, got, packet.Len, test.want, test.len)
		}
	}
}

// TestLiteralBytes compares frames with those of another builder, checksums
// included, and one with what was written by hand.
func TestLiteralBytes(t *testing.T) {
	from, to := netip.MustParseAddr("198.51.100.7"), netip.MustParseAddr("203.0.113.1")
	from6, to6 := netip.MustParseAddr("2001:db8::7"), netip.MustParseAddr("2001:db8::1")
	tests := []struct {
		text    string
		network frames.Network
		start   int // of what is compared, the transport layer
	}{
		{"udp 198.51.100.7:5 > 203.0.113.1:53", frames.IP(from, to, frames.UDP{From: 5, To: 53}), 34},
		{"udp [2001:db8::7]:5 > [2001:db8::1]:53", frames.IP(from6, to6, frames.UDP{From: 5, To: 53}), 54},
		{"icmp 198.51.100.7 > 203.0.113.1", frames.IP(from, to, frames.ICMP{Type: 8}), 34},
		{"icmp6 2001:db8::7 > 2001:db8::1", frames.IP(from6, to6, frames.ICMPv6{Type: 128}), 54},
	}
	for _, test := range tests {
		want, err := frames.Frame{Network: test.network}.Bytes()
		if err != nil {
			t.Fatal(err)
		}
		got := mustParseLiteral(t, test.text).Head
		if len(got) != len(want) || !bytes.Equal(got[test.start:], want[test.start:]) {
			t.Errorf("%s:\n%x, want\n%x", test.text, got, want)
		}
	}
	got := hex.EncodeToString(mustParseLiteral(t, "vlan 100 tcp 10.0.0.1:1 > 10.0.0.2:80 flags syn,ack ttl 3").Head)
	want := "020000000002" + "020000000001" + "8100" + "0064" + "0800" +
		"4500" + "0028" + "0000" + "0000" + "0306" + "a3ce" + "0a000001" + "0a000002" +
		"0001" + "0050" + "00000001" + "00000000" + "5012" + "ffff" + "9b7e" + "0000"
	if got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

// TestLiteralFields: what a literal says is what clauses about it match.
func TestLiteralFields(t *testing.T) {
	tests := []struct{ literal, rule string }{
		{"tcp 10.0.0.1 > 10.0.0.2", "drop flags == syn"},
		{"tcp 10.0.0.1 > 10.0.0.2 flags none", "drop flags == none"},
		{"tcp 10.0.0.1 > 10.0.0.2 flags fin , urg", "drop flags == fin,urg"},
		{"tcp 10.0.0.1 > 10.0.0.2", "drop ip.ttl 64"},
		{"tcp ::1 > ::2 ttl 1", "drop ip6.hoplimit 1"},
		{"icmp 10.0.0.1 > 10.0.0.2", "drop icmp type echo-request code 0"},
		{"icmp 10.0.0.1 > 10.0.0.2 code port-unreachable type destination-unreachable", "drop icmp type 3 code 3"},
		{"icmp6 ::1 > ::2 type 1 code no-route", "drop icmp6 type destination-unreachable code no-route"},
		{"icmp6 ::1 > ::2", "drop icmp6 type echo-request"},
		{"vlan 5 udp 10.0.0.1 > 10.0.0.2", "drop vlan 5"},
		{"vlan 5 vlan 6 udp 10.0.0.1 > 10.0.0.2", "drop vlan 5 vlan2.id 6"},
		{"arp who-has 192.0.2.1 tell 192.0.2.2", "drop arp.op request arp.tpa 192.0.2.1 arp.spa 192.0.2.2"},
		{"udp 10.0.0.1 > 10.0.0.2 on eth1.5", `drop on "eth1.5"`},
		{"udp 10.0.0.1 > 10.0.0.2 on \"eth0\"", "drop on eth0"},
		{`hex "00" on eth0`, "drop invalid on eth0"},
		{"udp 10.0.0.1 > 10.0.0.2 len 100", "drop len 100 udp.len 66"},
		{"ah ::1 > ::2", "drop ah not invalid"},
		{"gre 10.0.0.1 > 10.0.0.2", "drop gre not invalid"},
		{"frag later udp 10.0.0.1 > 10.0.0.2", "drop ip.offset 185 not invalid"},
	}
	for _, test := range tests {
		packet := mustParseLiteral(t, test.literal)
		if d := mustCheck(t, test.rule).Decide(packet); d.Verdict != rules.Drop {
			t.Errorf("%s is not dropped by %s (%s)", test.literal, test.rule, rules.DescribeHeaders(packet))
		}
	}
}

// TestLiteralErrors: what ParseLiteral alone refuses, and what is about limits.
func TestLiteralErrors(t *testing.T) {
	for text, want := range map[string]string{
		"":                                           "packet:1:1: error: the end of the packet begins no packet [bad-packet]",
		"tcp 10.0.0.1 > 10.0.0.2; drop":              "packet:1:24: error: `;` behind the packet [bad-packet]",
		"tcp 10.0.0.1 > 10.0.0.2\n":                  "packet:1:24: error: the end of the line behind the packet [bad-packet]",
		`pcap "x.pcap"`:                              "packet:1:1: error: a capture holds many packets: this must be one [bad-packet]",
		"tcp 10.0.0.1 > 10.0.0.2 }":                  "packet:1:25: error: `}` in a packet [bad-packet]",
		"tcp 10.0.0.1 > 10.0.0.2 len 53":             "packet:1:25: error: a packet like this has at least 54 bytes [bad-length]",
		"udp 10.0.0.1 > 10.0.0.2 len 65550":          "packet:1:25: error: an IP packet has at most 65535 bytes, and this one would have 65536 [bad-length]",
		"udp 10.0.0.1 > 10.0.0.2 len 65558":          "packet:1:29: error: `65558` is not the length of a frame: 14 to 65557 [bad-number]",
		"tcp 10.0.0.1 > 10.0.0.2 \x01":               "packet:1:25: error: control character U+0001 [bad-character]",
		strings.Repeat("x", rules.MaxLineLength+1):   fmt.Sprintf("packet:1:1: error: the packet has %d characters (limit: %d) [limit]", rules.MaxLineLength+1, rules.MaxLineLength),
		`hex "` + strings.Repeat("0", 2*65558) + `"`: "packet:1:5: error: 65558 bytes are more than a frame may have (limit: 65557) [bad-length]",
	} {
		_, ds := rules.ParseLiteral(text)
		if len(ds) != 1 || ds.Error() != want {
			t.Errorf("%.60q: got %v, want %s", text, ds, want)
		}
	}
}

// TestTestBlocks compares what test blocks hold.
func TestTestBlocks(t *testing.T) {
	text := `pass
test "one" {
    pass tcp 10.0.0.1:1 > 10.0.0.2:80 flags  syn   # comment
    drop hex "00 11"; abort pcap "x.pcap" on eth0
    redirect tcp 10.0.0.1 > 10.0.0.2
    redirect eth1 udp [::1]:1 > [::2]:2
    redirect "tcp" arp who-has 10.0.0.1 \
        tell 10.0.0.2
}
test "two" { tx 89 10.0.0.1 > 10.0.0.2 }
`
	rs, ds := rules.ParseAndCheck(rules.NewFile("dir/x.fw", []byte(text)))
	if len(ds) > 0 {
		t.Fatal(format(t, ds))
	}
	var got []string
	for _, block := range rs.Tests {
		for _, c := range block.Cases {
			got = append(got, fmt.Sprintf("%s:%d %v %q %s %q %q", block.Name, c.Span.Position().Line, c.Expect, c.Interface, c.Text, c.Capture, rules.DescribeHeaders(c.Packet)))
		}
	}
	want := []string{
		`one:3 pass "" tcp 10.0.0.1:1 > 10.0.0.2:80 flags syn "" "ip 10.0.0.1 > 10.0.0.2 proto 6 ports 1 > 80"`,
		`one:4 drop "" hex "00 11" "" "invalid"`,
		`one:4 abort "" pcap "x.pcap" on eth0 "dir/x.pcap" "invalid"`,
		`one:5 redirect "" tcp 10.0.0.1 > 10.0.0.2 "" "ip 10.0.0.1 > 10.0.0.2 proto 6 ports 0 > 0"`,
		`one:6 redirect "eth1" udp [::1]:1 > [::2]:2 "" "ip6 ::1 > ::2 proto 17 ports 1 > 2"`,
		`one:7 redirect "tcp" arp who-has 10.0.0.1 tell 10.0.0.2 "" "arp"`,
		`two:10 tx "" 89 10.0.0.1 > 10.0.0.2 "" "ip 10.0.0.1 > 10.0.0.2 proto 89"`,
	}
	if g, w := strings.Join(got, "\n"), strings.Join(want, "\n"); g != w {
		t.Errorf("got:\n%s\nwant:\n%s", g, w)
	}
	if rs.Tests[0].Cases[2].Packet.Interface != "eth0" {
		t.Error("the packets of the capture do not arrive on eth0")
	}
	checkSpans(t, rules.NewFile("x", []byte(text)))
}

// FuzzLiteral holds for every text: no panic, an end, a frame with the length
// that it says, and nothing invalid unless it is given byte by byte.
func FuzzLiteral(f *testing.F) {
	for _, seed := range []string{
		"tcp 198.51.100.7:5555 > 203.0.113.1:443 flags syn,ack len 100 ttl 3 on eth0", "vlan 5 frag later 89 ::1 > ::2",
		"arp who-has 192.0.2.1 tell 192.0.2.2", `hex "00 11"`, `pcap "x"`, "icmp6 [::1] > [::2] type nd-redirect code 0", "icmp ::1 > 1.2.3.4",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		packet, ds := rules.ParseLiteral(text)
		checkDiagnostics(t, ds)
		if ds.Err() != nil {
			return
		}
		if packet.Len != len(packet.Head) || packet.Len == 0 {
			t.Errorf("%d bytes of %d", len(packet.Head), packet.Len)
		}
		if got := rules.DescribeHeaders(packet); strings.Contains(got, "invalid") && !strings.Contains(text, "hex") {
			t.Errorf("%q: %s", text, got)
		}
	})
}
