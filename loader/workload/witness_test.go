package workload

import (
	"encoding/binary"
	"slices"
	"testing"

	"xdpfw/rules"
)

// Each rule is met, and each of the four values at a boundary.
func TestWitnesses(t *testing.T) {
	rs := read(t, []byte(everyField+"drop on eth7 udp to port 5000\n"))
	frames := slices.Collect(Witnesses(rs, "eth7", 2048, 1))
	met := map[int]bool{}
	for _, frame := range frames {
		p := rules.NewPacket(frame)
		p.Interface = "eth7"
		met[rs.Decide(p).Rule] = true
	}
	shadowed := []string{"drop invalid udp to port 7", "drop ip.ttl 0 ip.dscp ef ip.ecn 1"} // by earlier rules
	for i := range rs.Rules {
		if text := rs.Rules[i].Text(); met[i] == slices.Contains(shadowed, text) {
			t.Errorf("decides a witness: %v: %s", met[i], text)
		}
	}

	rs = read(t, []byte("drop tcp to port 1000-2000\n"))
	ports := map[uint16]bool{}
	for frame := range Witnesses(rs, "", 2048, 1) {
		if binary.BigEndian.Uint16(frame[12:]) == 0x0800 && frame[23] == protoTCP {
			ports[binary.BigEndian.Uint16(frame[36:])] = true
		}
	}
	for _, port := range []uint16{999, 1000, 2000, 2001} {
		if !ports[port] {
			t.Errorf("no witness with port %d", port)
		}
	}
}

// Of many rules some are asked about, up to the last; never more packets than
// are wanted, and the same every time.
func TestWitnessesOfMany(t *testing.T) {
	rs := read(t, Ports(10_000, 1))
	const most = 500
	frames := slices.Collect(Witnesses(rs, "", most, 1))
	if len(frames) != most {
		t.Errorf("%d frames, want %d", len(frames), most)
	}
	if again := slices.Collect(Witnesses(rs, "", most, 1)); !slices.EqualFunc(frames, again, slices.Equal) {
		t.Error("not the same twice")
	}
	w := witnesses{maker: newMaker(rs, 1), left: most}
	if steps := w.chosen(); steps[len(steps)-1] != len(rs.Steps)-1 || len(steps) != most/4 {
		t.Errorf("%d rules, up to step %d of %d", len(steps), steps[len(steps)-1], len(rs.Steps))
	}
}
