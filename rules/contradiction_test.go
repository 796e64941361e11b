package rules_test

import (
	"math/rand/v2"
	"net/netip"
	"strings"
	"testing"

	"xdpfw/loader/frames"
	"xdpfw/rules"
)

// Clauses over few values, so that a frame of each kind can be made: values
// that no clause names included.
var smallClauses = strings.Split(`ip;ip6;arp;frag;frag first;frag later;invalid
tcp;udp;icmp;icmp6;gre;sctp;proto 1;proto { tcp, icmp };proto { icmp, icmp6 };proto != 17;proto < 7;proto > 50;proto { 6, 17, 132 }
from any;from 10.0.0.1;from fd00::1;from { 10.0.0.1, fd00::1 };from 0.0.0.0/0;from ::/0;from { 10.0.0.2, fd00::/8 };from 10.0.0.1-10.255.255.255
to 10.0.0.1;to fd00::1;to { 10.0.0.1, fd00::1 }
from port 1;from port != 1;from port { 1, 3 }
to port 1;to port 2;to port < 2;to port > 1;to port { 1, 2 };to port 0-65535`, ";")

func init() {
	var all []string
	for _, c := range smallClauses {
		for _, c := range strings.Split(c, "\n") {
			all = append(all, c, "not "+c)
		}
	}
	smallClauses = all
}

// smallFrames are frames of every kind that the small clauses tell apart.
func smallFrames(t *testing.T) [][]byte {
	t.Helper()
	var all [][]byte
	add := func(n frames.Network, cut int) {
		frame, err := frames.Frame{Network: n}.Bytes()
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, frame[:len(frame)-cut])
	}
	add(frames.ARP{}, 0)
	add(nil, 0)
	add(nil, 3)                                          // too short for Ethernet
	add(frames.IPv4{IHL: new(uint8(4))}, 0)              // invalid and no IPv4
	add(frames.IPv6{PayloadLength: new(uint16(999))}, 0) // invalid and without a protocol
	addresses := map[bool][]netip.Addr{true: {}, false: {}}
	for _, text := range []string{"10.0.0.1", "10.0.0.2", "192.0.2.1", "fd00::1", "fd00::2", "2001:db8::1"} {
		a := netip.MustParseAddr(text)
		addresses[a.Is4()] = append(addresses[a.Is4()], a)
	}
	for is4, of := range addresses {
		for _, from := range of {
			for _, to := range of {
				for _, transport := range smallTransports() {
					for frag := range 3 {
						more, offset := frag == 1, uint16(frag/2)
						if is4 {
							add(frames.IPv4{From: from, To: to, More: more, Offset: offset, Transport: transport}, 0)
							continue
						}
						n := frames.IPv6{From: from, To: to, Transport: transport}
						if frag > 0 {
							n.Extensions = []frames.Extension{{Kind: frames.Fragment, More: more, Offset: offset}}
						}
						add(n, 0)
					}
				}
			}
		}
	}
	return all
}

// smallTransports: with ports whole and cut short, and without.
func smallTransports() []frames.Transport {
	all := []frames.Transport{
		frames.ICMP{Type: 8}, frames.ICMPv6{Type: 128}, frames.Other{Protocol: 47}, frames.Other{Protocol: 99}, frames.Other{Protocol: 1},
		frames.Other{Protocol: 58}, frames.Other{Protocol: 6}, frames.Other{Protocol: 0xfe},
	}
	for _, from := range []uint16{1, 2, 3} {
		for _, to := range []uint16{0, 1, 2, 9} {
			all = append(all, frames.TCP{From: from, To: to}, frames.UDP{From: from, To: to}, frames.SCTP{From: from, To: to},
				frames.TCP{From: from, To: to, Offset: new(uint8(4))})
		}
	}
	return all
}

// TestContradictions: a rule is called a contradiction only if no frame matches
// it, asked of the evaluator clause by clause; and of two clauses always then,
// but for `invalid`, about which the checker knows less.
func TestContradictions(t *testing.T) {
	all := smallFrames(t)
	matched := make([][]bool, len(smallClauses))
	for i, clause := range smallClauses {
		rs, ds := rules.ParseAndCheck(rules.NewFile("one.fw", []byte("drop "+clause)))
		if ds.Err() != nil {
			if clause != "not from any" && clause != "not to port 0-65535" {
				t.Fatal(ds.Err())
			}
			matched[i] = make([]bool, len(all))
			continue
		}
		for _, frame := range all {
			matched[i] = append(matched[i], rs.Decide(rules.NewPacket(frame)).Rule == 0)
		}
	}
	possible := func(clauses []int) bool {
	frame:
		for f := range all {
			for _, c := range clauses {
				if !matched[c][f] {
					continue frame
				}
			}
			return true
		}
		return false
	}
	random := rand.New(rand.NewPCG(1, 2))
	accepted, refused, missed := 0, 0, 0
	try := func(clauses ...int) {
		var text []string
		for _, c := range clauses {
			text = append(text, smallClauses[c])
		}
		rule := "drop " + strings.Join(text, " ")
		_, ds := rules.ParseAndCheck(rules.NewFile("rule.fw", []byte(rule)))
		can := possible(clauses)
		switch {
		case ds.Err() == nil && can:
			accepted++
		case ds.Err() != nil && !can:
			refused++
		case ds.Err() != nil:
			t.Errorf("%s\nbut a frame matches", format(t, ds))
		case len(clauses) == 2 && !strings.Contains(rule, "invalid"):
			t.Errorf("%q: accepted, but no frame matches", rule)
		default:
			missed++
		}
	}
	for i := range smallClauses {
		for j := range smallClauses {
			try(i, j)
		}
	}
	for range 5000 {
		try(random.IntN(len(smallClauses)), random.IntN(len(smallClauses)), random.IntN(len(smallClauses)))
	}
	t.Logf("%d frames, %d rules accepted, %d refused, %d contradictions not seen", len(all), accepted, refused, missed)
	if accepted < 2000 || refused < 2000 || missed > (refused+missed)/20 {
		t.Errorf("%d rules accepted, %d refused, %d contradictions not seen", accepted, refused, missed)
	}
}
