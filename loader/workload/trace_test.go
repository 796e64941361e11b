package workload

import (
	"bytes"
	"encoding/binary"
	"os"
	"path/filepath"
	"testing"

	"xdpfw/rules"
)

// read a rule set; any error fails the test.
func read(t testing.TB, text []byte) *rules.RuleSet {
	t.Helper()
	rs, diags := rules.ParseAndCheck(rules.NewFile("rules.fw", text))
	if err := diags.Err(); err != nil {
		t.Fatalf("%v\nin %.2000s", err, text)
	}
	return rs
}

// classBench is a filter set as rules; without the files the test is skipped.
func classBench(t testing.TB, name string) *rules.RuleSet {
	t.Helper()
	f, err := os.Open(filepath.Join("../../../shared/data/classbench", name))
	if err != nil {
		t.Skipf("no ClassBench filter set: %v", err)
	}
	defer f.Close()
	text, n, err := ClassBench(f)
	if err != nil {
		t.Fatal(err)
	}
	rs := read(t, text)
	if len(rs.Rules) != n {
		t.Fatalf("%s: %d rules of %d filters", name, len(rs.Rules), n)
	}
	return rs
}

// everyField is rules over all fields, each of which some packet matches.
const everyField = `default drop
set hosts = { 192.0.2.1, 198.51.100.0/24, 2001:db8::/32 }
drop invalid
drop invalid udp to port 7
drop frag first
drop frag later from 10.0.0.0/8
pass arp arp.op request arp.spa 10.0.0.0/8 arp.tpa 10.0.0.1 arp.sha 02:00:00:00:00:00/32 arp.tha 00:00:00:00:00:00
drop eth.src 06:00:00:00:00:00/16 eth.dst 02:00:00:00:00:00/24
drop eth.type 0x8847
drop eth.type { ip, 0x88cc } len 100-200
drop vlan 100 vlan.pcp 3 tcp
drop vlan vlan2.id 7
drop not vlan udp from port 53
drop tcp flags syn,!ack to port { 22, 80, 8000-8100 }
drop tcp flags == none
drop tcp.off 8 tcp.window 0
drop tcp.seq 1-1000 tcp.ack 0
drop udp udp.len 20
drop udp.dport 123 udp.sport != 123
drop sctp.dport 3868 sctp.sport 1024-65535
pass icmp type echo-request len > 1000
drop icmp type destination-unreachable code port-unreachable
drop icmp6 type nd-neighbor-solicit ip6.hoplimit != 255
drop proto { gre, esp, 89 } from @hosts
drop ah
drop from 10.0.0.1/255.0.0.255 to @hosts
drop ip.ttl < 2
drop ip.ttl 0 ip.dscp ef ip.ecn 1
drop ip.hdrlen > 5 ip.df 1 ip.id 1-9
drop ip.len 300 ip.mf 0 ip.offset 0
drop ip6.ext { routing, hop-by-hop } ip6.dscp af11 ip6.ecn 2
drop ip6.flow 1-5 ip6.next tcp
drop ip6.next hop-by-hop
drop ip6.hoplimit 0 ip6.len 500
drop at payload+4 4 == 0xdeadbeef udp
drop at net+8 1 == 7 ip
drop at transport+2 2 > 60000 tcp
drop at eth+0 2 == 0x0202
`

// Every rule gets packets of its own, of every kind of field.
func TestWithinEveryRule(t *testing.T) {
	rs := read(t, []byte(everyField))
	m := newMaker(rs, 1)
	for i := range rs.Steps {
		for range 50 {
			frame := m.within(i)
			if frame == nil {
				t.Errorf("no packet for %s", rs.Rules[i].Text())
				break
			}
			if !m.matches(frame) {
				t.Fatalf("%s does not match %x", rs.Rules[i].Text(), frame)
			}
		}
	}
}

// What Trace says of its frames holds.
func TestTrace(t *testing.T) {
	const n = 3000
	for name, rs := range map[string]*rules.RuleSet{
		"every field": read(t, []byte(everyField)),
		"filters": read(t, []byte("default pass\ndrop tcp from 10.0.0.0/9 to 192.0.2.0/24 port 80-90\n"+
			"pass udp from 10.0.0.0/16 to port 53\ndrop to 198.51.100.7\ndrop ip\n")),
		"IPv6": read(t, []byte("drop tcp from 2001:db8::/48 to port 22\ndrop from 2001:db8:1::-2001:db8:2::\n")),
	} {
		for _, kind := range Kinds() {
			frames, err := Trace(rs, kind, n, 7)
			if err != nil {
				t.Errorf("%s: %v", name, err)
				continue
			}
			again, err := Trace(rs, kind, n, 7)
			if err != nil || !bytes.Equal(bytes.Join(frames, nil), bytes.Join(again, nil)) {
				t.Errorf("%s: %v is not the same twice (error: %v)", name, kind, err)
			}
			if other, err := Trace(rs, kind, n, 8); err != nil || bytes.Equal(frames[0], other[0]) {
				t.Errorf("%s: %v does not depend on the seed (error: %v)", name, kind, err)
			}
			distinct := map[string]bool{}
			for _, frame := range frames {
				distinct[string(frame)] = true
				if len(frame) < shortestFrame && name != "every field" || len(frame) > longestFrame {
					t.Fatalf("%s: %v: a frame of %d bytes", name, kind, len(frame))
				}
			}
			if len(frames) != n || len(distinct) != n {
				t.Errorf("%s: %v: %d frames, %d different", name, kind, len(frames), len(distinct))
			}
		}
	}
}

// The kinds differ in who decides.
func TestKinds(t *testing.T) {
	text := newRuleText()
	for i := range 200 {
		text.rule(filter{protocol: protoTCP, toPort: portRange(1000+10*i, 1004+10*i)})
	}
	rs := read(t, text.Bytes())
	const n = 20_000
	decided := func(kind Kind) map[int]int {
		frames, err := Trace(rs, kind, n, 3)
		if err != nil {
			t.Fatal(err)
		}
		by := map[int]int{}
		for _, frame := range frames {
			by[rs.Decide(rules.NewPacket(frame)).Rule]++
		}
		return by
	}
	most := func(by map[int]int) (most int) {
		for rule, count := range by {
			if rule != rules.ByDefault {
				most = max(most, count)
			}
		}
		return most
	}
	if by := decided(Uniform); len(by) != 200 || by[rules.ByDefault] != 0 || most(by) > 2*n/200 {
		t.Errorf("uniform: %d rules, one with %d of %d packets, %d by default", len(by), most(by), n, by[rules.ByDefault])
	}
	if by := decided(Zipf); by[rules.ByDefault] != 0 || most(by) < n/10 {
		t.Errorf("zipf: the most frequent rule has %d of %d packets, %d by default", most(by), n, by[rules.ByDefault])
	}
	if by := decided(NoMatch); by[rules.ByDefault] != n {
		t.Errorf("no-match: %d of %d by default", by[rules.ByDefault], n)
	}
	if by := decided(Worst); by[199] != n {
		t.Errorf("worst: %d of %d by the last rule", by[199], n)
	}
	if by := decided(NearBoundary); by[rules.ByDefault] < n/3 || by[rules.ByDefault] > n*2/3 || len(by) != 201 {
		t.Errorf("near-boundary: %d of %d by default, %d rules", by[rules.ByDefault], n, len(by)-1)
	}
}

// Each of the four values at a boundary is met.
func TestBoundary(t *testing.T) {
	rs := read(t, []byte("drop tcp to port 1000-2000\n"))
	frames, err := Trace(rs, NearBoundary, 1000, 1)
	if err != nil {
		t.Fatal(err)
	}
	met := map[uint16]int{}
	for _, frame := range frames {
		if binary.BigEndian.Uint16(frame[12:]) == 0x0800 {
			met[binary.BigEndian.Uint16(frame[36:])]++
		}
	}
	for _, port := range []uint16{999, 1000, 2000, 2001} {
		if met[port] < 50 {
			t.Errorf("port %d in %d packets of %d", port, met[port], len(frames))
		}
	}
}

// There is no traffic that rules do not leave room for.
func TestNoSuchTraffic(t *testing.T) {
	for text, kind := range map[string]Kind{
		"default pass\n":                 NearBoundary,
		"drop to port 0-65535\ndrop\n":   99,
		"drop len > 5\n":                 NoMatch,
		"drop on eth0\ndrop on eth1\n":   Uniform,
		"drop\ndrop udp # nolint: all\n": Mixed + 1,
	} {
		if frames, err := Trace(read(t, []byte(text)), kind, 10, 1); err == nil {
			t.Errorf("%v traffic for %q: %d frames", kind, text, len(frames))
		}
	}
}

// The index decides as the reference does.
func TestIndex(t *testing.T) {
	sets := map[string]*rules.RuleSet{
		"every field": read(t, []byte(everyField)),
		"counting":    read(t, []byte("count from 10.0.0.0/8\nchain c { return to port 1; drop udp }\njump c from 10.0.0.0/8\npass\n")),
		"both": read(t, []byte("drop from { 10.0.0.0/8, 2001:db8::/32 } to 192.0.2.1\npass to { 192.0.2.0-192.0.2.9, 2001:db8:1::7 }\n"+
			"drop not from 10.0.0.0/9\npass from any\ndrop vlan\n")),
	}
	for name, rs := range sets {
		sameAsReference(t, name, rs, 2000)
	}
	for _, name := range []string{"acl1_1k", "fw1_1k", "ipc1_1k"} {
		t.Run(name, func(t *testing.T) { sameAsReference(t, name, classBench(t, name), 1000) })
	}
}

func sameAsReference(t *testing.T, name string, rs *rules.RuleSet, n int) {
	t.Helper()
	index := NewIndex(rs)
	for _, kind := range []Kind{Uniform, NearBoundary, Mixed} {
		frames, err := Trace(rs, kind, n, 5)
		if err != nil {
			t.Fatal(err)
		}
		for _, frame := range frames {
			if got, want := index.Decide(frame), rs.Decide(rules.NewPacket(frame)); got != want {
				t.Fatalf("%s: %v, the reference says %v of %x", name, got, want, frame)
			}
		}
	}
}
