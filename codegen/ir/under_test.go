package ir_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"xdpfw/codegen/ir"
	"xdpfw/rules"
)

// A packet is the values of atoms; those that are not there it lacks.
type packet map[ir.Atom]uint64

func (p packet) Read(a ir.Atom) (rules.Value, bool) {
	v, ok := p[a]
	return rules.Value{Lo: v}, ok
}

// decide is what a Decision does with a packet: the rules counted, then the
// one that decides, -1 for the default.
func decide(d *ir.Decision, p packet) (met []int) {
	last := d.Eval(p, func(i int) { met = append(met, d.Steps[i].Rule) })
	if last >= 0 {
		last = d.Steps[last].Rule
	}
	return append(met, last)
}

// TestUnder: for every packet of which what Under was told holds, its Decision
// does what the whole one does; and the steps are shared where nothing is gone.
func TestUnder(t *testing.T) {
	atoms := []ir.Atom{ir.Network, ir.Protocol, ir.Invalid, ir.SourcePort}
	r := rand.New(rand.NewPCG(4, 2026))
	shared := 0
	for range 3000 {
		d := randomDecision(r, atoms)
		known := map[ir.Atom]uint64{ir.Network: r.Uint64N(4)}
		if r.IntN(2) == 0 {
			known[ir.Invalid] = r.Uint64N(2)
		}
		var lacks func(ir.Atom) bool
		if r.IntN(2) == 0 {
			lacks = func(a ir.Atom) bool { return a == ir.SourcePort }
		}
		under := d.Under(known, lacks)
		if err := under.Verify(); err != nil {
			t.Fatalf("%v\nunder %v of\n%v", err, known, d)
		}
		if len(under.Steps) > 0 && &under.Steps[0] == &d.Steps[0] {
			shared++
		}
		for n := range 4 * 4 * 4 * 5 {
			p := packet{ir.Network: uint64(n % 4), ir.Protocol: uint64(n / 4 % 4), ir.Invalid: uint64(n / 16 % 4)}
			if port := uint64(n / 64); port < 4 && lacks == nil {
				p[ir.SourcePort] = port
			}
			for a, v := range known {
				p[a] = v
			}
			if got, want := decide(under, p), decide(d, p); !slices.Equal(got, want) {
				t.Fatalf("%v: met %v, want %v under %v in\n%vof\n%v", p, got, want, known, under, d)
			}
		}
	}
	if shared < 20 {
		t.Errorf("%d of 3000 share their steps", shared)
	}
}

// randomDecision is over values 0 to 3 of the atoms.
func randomDecision(r *rand.Rand, atoms []ir.Atom) *ir.Decision {
	test := func(a ir.Atom) ir.Test {
		lo := r.Uint64N(min(a.Max().Lo, 3) + 1)
		hi := min(lo+r.Uint64N(3), a.Max().Lo)
		return ir.Test{Atom: a, Ranges: []rules.Range{{Lo: rules.Value{Lo: lo}, Hi: rules.Value{Lo: hi}}}}
	}
	d := &ir.Decision{Default: rules.Pass}
	n := r.IntN(8)
	for i := range n {
		var term ir.Term
		for _, a := range slices.SortedFunc(slices.Values(atoms), func(a, b ir.Atom) int {
			return 8*(int(a.Layer)-int(b.Layer)) + int(a.Offset) - int(b.Offset)
		}) {
			if r.IntN(3) > 0 {
				continue
			}
			one := test(a)
			if a == ir.Protocol && r.IntN(2) == 0 {
				one.Or = []ir.Test{test(ir.Invalid)}
			}
			term = append(term, one)
		}
		s := ir.Step{Rule: i, Verdict: rules.Drop, Terms: []ir.Term{term}}
		if r.IntN(4) == 0 {
			s.Verdict, s.Next = rules.Return, i+1+r.IntN(n-i)
		}
		d.Steps = append(d.Steps, s)
	}
	return d
}

func ExampleDecision_Under() {
	text := "drop ip6\ndrop tcp to port 80\npass arp\ndrop len 60\npass\ndrop udp"
	rs, _ := rules.ParseAndCheck(rules.NewFile("rules.fw", []byte(text)))
	d := ir.Lower(rs)
	fmt.Print(d.Under(map[ir.Atom]uint64{ir.Network: ir.IP4Network}, nil))
	// Output:
	// #1 drop: protocol=6 dport=80
	// #3 drop: len=60
	// #4 pass: always
	// default pass
}
