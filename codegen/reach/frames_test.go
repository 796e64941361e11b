package reach

import (
	"math/rand/v2"
	"testing"

	"xdpfw/codegen/ir"
	"xdpfw/loader/difftest"
	"xdpfw/rules"
)

// valueOf a field in a frame, as a point has it: 0 if the frame lacks the bytes.
func valueOf(r *ir.FrameReader, f field) rules.Value {
	there := func(a ir.Atom) bool {
		_, is := r.Read(a)
		return is
	}
	number := func(is bool) rules.Value {
		if is {
			return rules.Value{Lo: 1}
		}
		return rules.Value{}
	}
	switch {
	case f == tagCount:
		return rules.Value{Lo: number(there(ir.VLANID)).Lo + number(there(ir.VLAN2ID)).Lo}
	case f == hasWalked:
		return number(there(ir.Protocol))
	case f == hasType:
		return number(there(ir.EtherType))
	case f.space >= readables && f.space < tags:
		n := uint64(0)
		for there(ir.Atom{Layer: ir.Layer(f.space - readables), Offset: uint16(n), Size: 1, Mask: mask(0xff)}) {
			n++
		}
		return rules.Value{Lo: n}
	case f.space >= derivation:
		whole := ir.Atom{Layer: ir.Meta, Offset: uint16(f.space - derivation), Size: f.size, Mask: f.mask}
		for _, a := range [...]ir.Atom{ir.ProtocolAH, ir.Extensions} { // of which facts read parts
			if a.Offset == whole.Offset {
				whole = a
			}
		}
		v, _ := r.Read(whole)
		behind := 8 * (whole.Size - f.size - uint8(f.offset)) // bits
		return rules.Value{Lo: v.Lo << whole.Shift() >> behind & f.mask.Lo >> f.shift()}
	}
	v, _ := r.Read(ir.Atom{Layer: ir.Layer(f.space - layers), Offset: f.offset, Size: f.size, Mask: f.mask})
	return v
}

// TestFactsAreTrue: no frame, well-formed or not, is as the facts say that none
// is. And they say much: nearly every one is but one condition away from a frame.
func TestFactsAreTrue(t *testing.T) {
	kinds := make([]kind, 4)
	facts := make([]factList, 4)
	near := make([][]bool, 4) // by kind and fact
	for network := range kinds {
		kinds[network] = newKind(uint64(network), 0)
		kinds[network].ends = []uint64{14, 15, 42, 60, 90}
		facts[network] = kinds[network].facts()
		near[network] = make([]bool, len(facts[network]))
	}
	g := difftest.NewGenerator(3, 1)
	random := rand.New(rand.NewPCG(1, 1))
	for range 200 {
		file := g.RuleFile()
		for range 100 {
			frame, _ := g.Frame(file)
			if random.IntN(4) == 0 {
				frame = frame[:random.IntN(len(frame)+1)]
			}
			r := ir.NewFrame(frame, 0)
			network, _ := r.Read(ir.Network)
			values := map[field]rules.Value{}
			for n, fact := range facts[network.Lo] {
				fails := 0
				for _, c := range fact {
					v, known := values[c.field]
					if !known {
						v = valueOf(r, c.field)
						values[c.field] = v
					}
					if !rules.Contains(c.ranges, v) {
						fails++
					}
				}
				near[network.Lo][n] = near[network.Lo][n] || fails == 1
				if fails == 0 {
					t.Fatalf("network %d: fact %d says that there is no frame % x", network.Lo, n, frame)
				}
			}
		}
	}
	for network := range near {
		for n, is := range near[network] {
			if !is {
				t.Errorf("network %d: no frame was near fact %d: %v", network, n, facts[network][n])
			}
		}
	}
}

// TestReachedIsNotCalledUnreached: in random rule files no rule is called
// unreached that decides or counts a frame; and some rules are.
func TestReachedIsNotCalledUnreached(t *testing.T) {
	g := difftest.NewGenerator(5, 1)
	var files, unreached, unknown int
	for files < share(120) {
		file := g.RuleFile()
		rs, ds := rules.ParseAndCheck(rules.NewFile("rules.fw", []byte(file.Text)))
		if ds.Err() != nil {
			continue
		}
		files++
		found := Find(rs)
		unknown += len(found.Unknown)
		is := map[int]bool{}
		for _, u := range found.Unreached {
			is[u.Rule] = true
		}
		unreached += len(is)
		for range 80 {
			frame, _ := g.Frame(file)
			called := func(rule int) {
				if is[rule] {
					t.Fatalf("rule %d is called unreached, but gets the frame % x\n%s", rule, frame, file.Text)
				}
			}
			if d := rs.DecideCounting(rules.NewPacket(frame), called); d.Rule != rules.ByDefault {
				called(d.Rule)
			}
		}
	}
	t.Logf("%d rules of %d files are unreached, of %d it is not known", unreached, files, unknown)
	if unreached < share(50) || unknown > 0 {
		t.Errorf("%d unreached, %d unknown", unreached, unknown)
	}
}
