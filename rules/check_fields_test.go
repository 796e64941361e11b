package rules_test

import (
	"fmt"
	"strings"
	"testing"

	"xdpfw/rules"
)

// fieldRules are clauses about fields, and how String writes what they mean.
var fieldRules = []struct{ name, text, want string }{
	{"flags", "drop flags syn,!ack\ndrop flags syn , ! ack\ndrop tcp flags cwr\ndrop flags cwr,ece\ndrop flags !fin,!syn,!rst,!psh,!ack,!urg,!ece,!cwr",
		"drop tcp.flags 0x2/0x12\ndrop tcp.flags 0x2/0x12\ndrop tcp tcp.flags 128-255\ndrop tcp.flags 192-255\ndrop tcp.flags 0"},
	{"exact flags", "drop flags == syn\ndrop flags == syn,ack\ndrop flags != syn\ndrop flags == none\ndrop flags none\ndrop flags != none\ndrop not flags == syn\ndrop not flags syn",
		"drop tcp.flags 2\ndrop tcp.flags 18\ndrop not tcp.flags 2\ndrop tcp.flags 0\ndrop tcp.flags 0\ndrop not tcp.flags 0\ndrop not tcp.flags 2\ndrop not tcp.flags 0x2/0x2"},
	{"flags as a field", "drop tcp.flags 0x02/0x12\ndrop tcp.flags == syn\ndrop tcp.flags { syn, ack, 0x04/0x04 }\ndrop tcp.flags < 4",
		"drop tcp.flags 0x2/0x12\ndrop tcp.flags 2\ndrop tcp.flags { 2, 16, 0x4/0x4 }\ndrop tcp.flags 0-3"},
	{"types", "drop icmp type echo-request\ndrop icmp6 type echo-request\ndrop type 8 icmp\ndrop icmp.type echo-request\ndrop icmp type != { redirect, 0, 9-10 }\ndrop proto { icmp, tcp } type 8",
		"drop icmp icmp.type 8\ndrop icmp6 icmp6.type 128\ndrop icmp.type 8 icmp\ndrop icmp.type 8\ndrop icmp not icmp.type { 0, 5, 9-10 }\ndrop proto { icmp, tcp } icmp.type 8"},
	{"codes", "drop icmp type destination-unreachable code port-unreachable\ndrop icmp6 type 1 code { no-route, 4 }\ndrop icmp code 3\ndrop icmp.type 3 icmp.code frag-needed\ndrop icmp type time-exceeded code != ttl-exceeded",
		"drop icmp icmp.type 3 icmp.code 3\ndrop icmp6 icmp6.type 1 icmp6.code { 0, 4 }\ndrop icmp icmp.code 3\ndrop icmp.type 3 icmp.code 4\ndrop icmp icmp.type 11 not icmp.code 0"},
	{"types over lines", "drop icmp type {\n redirect,\n echo-reply\n}", "drop icmp icmp.type { 0, 5 }"},
	{"types in blocks", "icmp6 {\n drop type nd-redirect\n type destination-unreachable { drop code no-route }\n}",
		"drop icmp6 icmp6.type 137\ndrop icmp6 icmp6.type 1 icmp6.code 0"},
	{"vlan", "drop vlan\ndrop vlan 100\ndrop vlan { 1-10, 20 }\ndrop vlan != 5\ndrop vlan in { 5 }\ndrop not vlan\ndrop vlan tcp\ndrop vlan < 5\ndrop vlan {\n 7 }",
		"drop vlan\ndrop vlan.id 100\ndrop vlan.id { 1-10, 20 }\ndrop not vlan.id 5\ndrop vlan.id 5\ndrop not vlan\ndrop vlan tcp\ndrop vlan.id 0-4\ndrop vlan.id 7"},
	{"vlan blocks", "set ids = { 1, 2 }\nvlan { drop udp }\nvlan { @ids } { drop udp }\nvlan { 5 } { drop udp }\nvlan @ids { drop tcp }",
		"drop vlan udp\ndrop vlan.id 1-2 udp\ndrop vlan.id 5 udp\ndrop vlan.id 1-2 tcp"},
	{"len", "drop len > 1000\ndrop len 60\ndrop len { 60-64, 1514 }\ndrop len != 60", "drop len 1001-4294967295\ndrop len 60\ndrop len { 60-64, 1514 }\ndrop not len 60"},
	{"on", "drop on eth0\ndrop on { eth1, \"eth1.5\" }\ndrop on != eth0\ndrop not on eth0 udp\ndrop on \"ip\"\ndrop on eth0-lan",
		"drop on eth0\ndrop on { eth1, \"eth1.5\" }\ndrop on != eth0\ndrop not on eth0 udp\ndrop on \"ip\"\ndrop on eth0-lan"},
	{"ah", "drop ah\ndrop proto { ah, tcp }\ndrop not ah\ndrop proto { ah, 51 }\ndrop proto { 0-255, ah }\ndrop proto { 50-52, ah, icmp }\ndrop proto { 255, ah }",
		"drop ah\ndrop proto { ah, tcp }\ndrop not ah\ndrop proto { ah, 51 }\ndrop proto 0-255\ndrop proto { icmp, ah, 50-52 }\ndrop proto { ah, 255 }"},
	{"protocol masks", "drop proto 0/0xfc\ndrop proto 0x02/0x06 ip", "drop proto 0-3\ndrop proto { " + everyEighth() + " } ip"},
	{"at", "drop at eth+0 1 1\ndrop at net + 0x10 4 == 0x0a000001\ndrop at transport +4 8 != 0\ndrop at payload+ 0 2 0x34/0xff\ndrop at net+248 8 0-0xffffffffffffffff\ndrop at net+255 1 > 3",
		"drop at eth+0 1 1\ndrop at net+16 4 167772161\ndrop not at transport+4 8 0\ndrop at payload+0 2 0x34/0xff\ndrop at net+248 8 0-18446744073709551615\ndrop at net+255 1 4-255"},
	{"masks", "drop from 10.0.0.1/255.0.0.255\ndrop from 10.0.0.0/255.0.0.0\ndrop to { 10.0.0.1/255.0.0.255, fd00::1/ff00::ff, ::/0 }\ndrop not from 0.0.0.0/0.0.0.0",
		"drop from 10.0.0.1/255.0.0.255\ndrop from 10.0.0.0/8\ndrop to { 10.0.0.1/255.0.0.255, ::/0, fd00::1/ff00::ff }\ndrop not from 0.0.0.0/0"},
	{"masks of numbers", "drop ip.id 5/0xff\ndrop ip.id 0x1200/0xff00\ndrop ip.ttl 4/7\ndrop tcp.seq 0/1", "drop ip.id 0x5/0xff\ndrop ip.id 4608-4863\ndrop ip.ttl 0x4/0x7\ndrop tcp.seq 0x0/0x1"},
	{"MAC addresses", "drop eth.src 02:00:5E:10:00:01\ndrop eth.dst ff:ff:ff:ff:ff:ff\ndrop eth.src 02:00:5e:00:00:00/24\ndrop eth.dst 01:00:00:00:00:00/01:00:00:00:00:00\ndrop arp.sha 02:00:00:00:00:01-02:00:00:00:00:09",
		"drop eth.src 02:00:5e:10:00:01\ndrop eth.dst ff:ff:ff:ff:ff:ff\ndrop eth.src 02:00:5e:00:00:00/24\ndrop eth.dst 01:00:00:00:00:00/01:00:00:00:00:00\ndrop arp.sha 02:00:00:00:00:01-02:00:00:00:00:09"},
	{"names of values", "drop eth.type { ip, ip6, arp }\ndrop arp.op request\ndrop ip.dscp { ef, cs1, af11 }\ndrop ip6.ecn ce\ndrop ip.proto udp\ndrop ip6.next { hop-by-hop, tcp, ah }\ndrop ip6.next icmp6",
		"drop eth.type { 2048, 2054, 34525 }\ndrop arp.op 1\ndrop ip.dscp { 8, 10, 46 }\ndrop ip6.ecn 3\ndrop ip.proto 17\ndrop ip6.next { 0, 6, 51 }\ndrop ip6.next 58"},
	{"services", "drop to port ssh\ndrop from port { domain, ntp, 1000-2000 }\ndrop tcp.dport https\ndrop to port != ssh\nset web = { http, https, 8000-8100 }\ndrop to port @web udp.sport @web",
		"drop to port 22\ndrop from port { 53, 123, 1000-2000 }\ndrop tcp.dport 443\ndrop not to port 22\ndrop to port { 80, 443, 8000-8100 } udp.sport { 80, 443, 8000-8100 }"},
	{"extension headers", "drop ip6.ext routing\ndrop ip6.ext in { routing, hop-by-hop }\ndrop ip6.ext != { fragment, ah }\ndrop not ip6.ext 60", "drop ip6.ext routing\ndrop ip6.ext { hop-by-hop, routing }\ndrop not ip6.ext { fragment, ah }\ndrop not ip6.ext destination"},
	{"sets", "set m = { 02:00:00:00:00:01, 02:00:00:00:00:00/24, 01:00:00:00:00:00/01:00:00:00:00:00 }\nset n = { 5, 0x10-0x20 }\nset a = { 10.0.0.1/255.0.0.255, fd00::/8 }\ndrop eth.src @m\ndrop ip.ttl @n\ndrop from @a\ndrop ip.src @a\ndrop ip6.dst { @a, ::1 }\ndrop arp.spa @a",
		"drop eth.src { 02:00:00:00:00:00/24, 01:00:00:00:00:00/01:00:00:00:00:00 }\ndrop ip.ttl { 5, 16-32 }\ndrop from { 10.0.0.1/255.0.0.255, fd00::/8 }\ndrop ip.src 10.0.0.1/255.0.0.255\ndrop ip6.dst { ::1, fd00::/8 }\ndrop arp.spa 10.0.0.1/255.0.0.255"},
	{"addresses of one family", "drop ip.src 10.0.0.0/8\ndrop ip6.src fd00::/8\ndrop ip.dst any\ndrop not ip6.dst ::1", "drop ip.src 10.0.0.0/8\ndrop ip6.src fd00::/8\ndrop ip.dst 0.0.0.0/0\ndrop not ip6.dst ::1"},
}

// TestFieldRules compares what clauses about fields mean, as TestRules does.
func TestFieldRules(t *testing.T) {
	for _, test := range fieldRules {
		t.Run(test.name, func(t *testing.T) {
			rs := mustCheck(t, test.text)
			if got, want := rs.String(), "default pass\n"+test.want+"\n"; got != want {
				t.Errorf("got:\n%s\nwant:\n%s", got, want)
			}
			if again := mustCheck(t, rs.String()); !sameMeaning(rs, again) {
				t.Errorf("what String writes is read as\n%s\ninstead of\n%s", again, rs)
			}
			checkValueSets(t, rs)
			checkSpans(t, rules.NewFile("rules.fw", []byte(test.text)))
		})
	}
}

// everyEighth are the protocols of which the bits 0x06 are 0x02: two of each eight.
func everyEighth() string {
	var all []string
	for n := 2; n < 256; n += 8 {
		all = append(all, fmt.Sprintf("%d-%d", n, n+1))
	}
	return strings.Join(all, ", ")
}

// TestFieldKeys: what clauses about fields mean, not how they are written, is
// in the key of a rule's counter.
func TestFieldKeys(t *testing.T) {
	for _, same := range [][]string{
		{"drop tcp.flags 0x2/0x12", "drop flags syn,!ack", "drop flags !ack,syn", "drop tcp.flags 2/18"},
		{"drop not tcp.flags 2", "drop flags != syn", "drop not flags == syn"},
		{"drop icmp icmp.type 8", "drop icmp type echo-request", "icmp { drop type 8 }"},
		{"drop vlan.id 1-3", "drop vlan { 3, 1-2 }", "drop vlan.id in { 1, 2, 3 }"},
		{"drop on { eth0, eth1 }", "drop on { \"eth1\", eth0 }"},
		{"drop at net+4 2 4608-4863", "drop at net + 0x4 2 == 0x1200/0xff00"},
		{"drop ip6.ext { hop-by-hop, routing }", "drop ip6.ext in { 43, 0 }"},
		{"drop to port { 22, 53 }", "drop to port { dns, ssh, domain }"},
		{"drop eth.src 02:00:5e:00:00:00/24", "drop eth.src 02:00:5E:00:00:00-02:00:5e:ff:ff:ff"},
	} {
		for _, text := range same {
			if key := mustCheck(t, text).Rules[0].Key; key != same[0] {
				t.Errorf("%s: key %q, want %q", text, key, same[0])
			}
		}
	}
}
