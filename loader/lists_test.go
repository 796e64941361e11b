package loader_test

import (
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"strings"
	"testing"

	"xdpfw/codegen"
	"xdpfw/loader"
	"xdpfw/loader/frames"
	"xdpfw/rules"
)

// Lists so long that code searches them by an index: of IPv4 and IPv6
// addresses, MACs, ports that a packet may lack, and eight bytes of payload.
func TestLongLists(t *testing.T) {
	requireBPF(t)
	r := rand.New(rand.NewPCG(11, 12))
	list := func(n int, element func() string) string {
		var out []string
		for range n {
			out = append(out, element())
		}
		return "{ " + strings.Join(out, ", ") + " }"
	}
	addr4 := func() netip.Addr { return netip.AddrFrom4([4]byte{10, 0, byte(r.IntN(64)), byte(r.IntN(256))}) }
	addr6 := func() netip.Addr {
		return netip.AddrFrom16([16]byte{0x20, 1, 0xd, 0xb8, 7: byte(r.IntN(2)), 14: byte(r.IntN(16)), 15: byte(r.IntN(256))})
	}
	mac := func() net.HardwareAddr { return net.HardwareAddr{2, 0, 0, 0, byte(r.IntN(16)), byte(r.IntN(256))} }
	text := "default pass\n" +
		"drop eth.src " + list(1500, func() string { return mac().String() }) + "\n" +
		"drop from " + list(4000, func() string { return addr4().String() }) + "\n" +
		"drop to " + list(1500, func() string { return addr6().String() }) + "\n" +
		"drop udp to port " + list(3000, func() string { return fmt.Sprint(r.IntN(6000)) }) + "\n" +
		"drop at payload+0 8 == " + list(1500, func() string { return fmt.Sprint(r.IntN(5000)) }) + "\n"
	rs, diags := rules.ParseAndCheck(rules.NewFile("lists.fw", []byte(text)))
	if err := diags.Err(); err != nil {
		t.Fatal(err)
	}
	var packets [][]byte
	for range 4000 {
		var network frames.Network
		transport := frames.UDP{From: 5, To: uint16(r.IntN(7000)), Payload: []byte{0, 0, 0, 0, 0, 0, byte(r.IntN(20)), byte(r.IntN(256))}}
		if network = frames.IP(addr4(), addr4(), transport); r.IntN(2) == 0 {
			network = frames.IP(addr6(), addr6(), transport)
		}
		frame, err := frames.Frame{From: mac(), To: mac(), Network: network}.Bytes()
		if err != nil {
			t.Fatal(err)
		}
		if r.IntN(5) == 0 {
			frame = frame[:14+r.IntN(len(frame)-13)]
		}
		packets = append(packets, frame)
	}
	for _, strategy := range codegen.Strategies {
		obj, err := codegen.Compile(rs, codegen.Options{Strategy: strategy})
		if err != nil {
			t.Fatal(err)
		}
		runner, err := loader.NewRunner(obj)
		if err != nil {
			t.Fatal(err)
		}
		defer runner.Close()
		decided := map[int]int{}
		for _, frame := range packets {
			want := rs.Decide(rules.NewPacket(frame))
			decided[want.Rule]++
			if got, err := runner.Run(frame); err != nil || got != want {
				t.Fatalf("%s: %x: %v, %v; want %v", strategy, frame, got, err, want)
			}
		}
		for rule := rules.ByDefault; rule < len(rs.Rules); rule++ {
			if decided[rule] < 20 {
				t.Errorf("rule %d decides %d packets", rule, decided[rule])
			}
		}
	}
}
