package reach

import (
	"testing"

	"xdpfw/codegen/ir"
	"xdpfw/loader/workload"
	"xdpfw/rules"
)

// frameOf a point, as the examples of changes are made.
func frameOf(b *builder, point []uint32) []byte {
	m := maker{b: b, region: make([]set, len(point)), point: point, plain: true}
	for dim, at := range point {
		m.region[dim] = one(at)
	}
	return m.packet().Head
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
						frame := frameOf(b, j.point)
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
