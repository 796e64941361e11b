package ir_test

import (
	"math/rand/v2"
	"slices"
	"testing"

	"xdpfw/codegen/ir"
	"xdpfw/rules"
)

// TestWithin: for every packet of which what Within was told holds, its
// Decision does what the whole one does, and asks for nothing that is known.
func TestWithin(t *testing.T) {
	atoms := []ir.Atom{ir.Network, ir.Protocol, ir.Invalid, ir.SourcePort}
	r := rand.New(rand.NewPCG(5, 2026))
	shorter := 0
	for range 3000 {
		d := randomDecision(r, atoms)
		others := ir.Without([]rules.Range{{Hi: rules.Value{Lo: 3}}}, r.Uint64N(4))
		known := map[ir.Atom][]rules.Range{ir.Protocol: others, ir.Invalid: {{}}}
		within := d.Within(known)
		if err := within.Verify(); err != nil {
			t.Fatalf("%v\nwithin %v of\n%v", err, known, d)
		}
		if len(within.String()) < len(d.String()) {
			shorter++
		}
		for _, step := range within.Steps {
			for _, term := range step.Terms {
				if test := term.Find(ir.Invalid); test != nil {
					t.Fatalf("%v is asked for still in\n%v", test, within)
				}
			}
		}
		for n := range 4 * 4 * 5 {
			p := packet{ir.Network: uint64(n % 4), ir.Protocol: uint64(n / 4 % 4), ir.Invalid: 0}
			if port := uint64(n / 16); port < 4 {
				p[ir.SourcePort] = port
			}
			if !rules.Contains(others, rules.Value{Lo: p[ir.Protocol]}) {
				continue
			}
			if got, want := decide(within, p), decide(d, p); !slices.Equal(got, want) {
				t.Fatalf("%v: met %v, want %v within %v in\n%vof\n%v", p, got, want, known, within, d)
			}
		}
	}
	if shorter < 1000 {
		t.Errorf("%d of 3000 are shorter", shorter)
	}
}
