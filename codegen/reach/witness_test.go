package reach

import (
	"encoding/binary"
	"testing"

	"xdpfw/codegen/ir"
	"xdpfw/loader/workload"
	"xdpfw/rules"
)

// frameOf a point: a whole packet of 20 bytes behind the IP header, with the
// values that the point has in those fields of which there are bytes; or of a
// later fragment of IPv6, which has none behind it.
func frameOf(network uint64, b *builder, point []uint32) []byte {
	const behind = 20
	header := 20
	frame := make([]byte, 14, 100)
	if network == ir.IP6Network {
		header = 40
		binary.BigEndian.PutUint16(frame[12:], typeIP6)
		frame = append(frame, make([]byte, header+behind)...)
		frame[14] = 6 << 4
		binary.BigEndian.PutUint16(frame[18:], behind)
	} else {
		binary.BigEndian.PutUint16(frame[12:], typeIP4)
		frame = append(frame, make([]byte, header+behind)...)
		frame[14] = 4<<4 | 5
		binary.BigEndian.PutUint16(frame[16:], uint16(header+behind))
	}
	transport := frame[14+header:]
	put := func(at []byte, v rules.Value, size int) {
		var bytes [16]byte
		binary.BigEndian.PutUint64(bytes[:], v.Hi)
		binary.BigEndian.PutUint64(bytes[8:], v.Lo)
		copy(at[:size], bytes[16-size:])
	}
	var protocol uint64
	later := false
	for n, f := range b.fields {
		dim := b.dimOf[n]
		v := b.room.dims[dim].cuts[point[dim]]
		switch {
		case f == fragment:
			later = v.Lo == ir.LaterFragment
		case f == protocol4:
			protocol = v.Lo
			frame[14+9] = byte(v.Lo)
		case f == protocol6:
			protocol = v.Lo
			frame[14+6] = byte(v.Lo)
		case f.space == layers+space(ir.IP4Header), f.space == layers+space(ir.IP6Header):
			put(frame[14+f.offset:], v, int(f.size))
		case f.space == layers+space(ir.Transport):
			put(transport[f.offset:], v, int(f.size))
		}
	}
	if later && network == ir.IP6Network { // 8 bytes on, of the protocol that the point has
		frame[14+6] = 44
		copy(transport, []byte{byte(protocol), 0, 0, 8})
		return frame
	}
	switch protocol {
	case tcp:
		transport[12] = 5 << 4
	case udp:
		binary.BigEndian.PutUint16(transport[4:], behind)
	}
	return frame
}

// TestWitnesses: of rules over addresses, protocol and ports that are called
// reached, the point that shows it is a packet that the rule decides, asked of
// the reference evaluator.
func TestWitnesses(t *testing.T) {
	for _, shape := range workload.Shapes()[:6] {
		t.Run(shape.Name, func(t *testing.T) {
			rs, ds := rules.ParseAndCheck(rules.NewFile("set.fw", shape.Text(2_000, 3)))
			if err := ds.Err(); err != nil {
				t.Fatal(err)
			}
			d := ir.Lower(rs)
			var n int
			for _, network := range [...]uint64{ir.IP4Network, ir.IP6Network} {
				b, left := newBuilder(network, 0), maxAsked
				if !b.build(d, &left) {
					t.Fatal("too much work")
				}
				j := newJudge(b.room)
				for i := b.room.facts; i < len(b.room.items); i++ {
					w := &work{usual.each} // asked once as always, and once without the walk
					answer, _ := j.ask(int32(i), w)
					if answer != reached {
						continue
					}
					n++
					rule := d.Steps[b.room.items[i].step].Rule
					check := func(how string) {
						frame := frameOf(network, b, j.point)
						if got := rs.Decide(rules.NewPacket(frame)).Rule; got != rule {
							t.Fatalf("by %s rule %d is reached by % x, which rule %d decides\n%v\n%v", how, rule, frame, got, rs.Rules[rule], rs.Rules[got])
						}
					}
					check("asking")
					if answer, _ := j.proveAlone(int32(i), w); answer != reached {
						t.Fatalf("rule %d is reached by a walk, and not by proof", rule)
					}
					check("proof")
				}
			}
			t.Logf("%d packets", n)
			if n < 1_900 {
				t.Errorf("only %d rules were reached", n)
			}
		})
	}
}

// proveAlone is ask without the walk.
func (j *judge) proveAlone(i int32, w *work) (answer, []int32) {
	region := append([]set(nil), j.whole...)
	for _, c := range j.room.cellsOf(i) {
		region[c.dim] = j.room.set(c)
	}
	below := int32(j.room.first[j.room.items[i].step])
	return j.prove(i, region, append(j.room.factItems(), j.meeting(region, below, false, w)...), w)
}
