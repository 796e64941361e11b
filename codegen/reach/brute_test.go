package reach

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"xdpfw/codegen/ir"
	"xdpfw/rules"
)

// A smallPacket is a few bits of an IPv4 header: what decisions of this test
// read. There are 192, so that all can be tried.
type smallPacket struct {
	service, ttl, id byte // 4, 8 and 2 values
	option           int  // -1: the header has none; 2 values
}

var (
	serviceAtom = ir.Atom{Layer: ir.IP4Header, Offset: 1, Size: 1, Mask: mask(0x03)}
	ttlAtom     = ir.Atom{Layer: ir.IP4Header, Offset: 8, Size: 1, Mask: mask(0x70)}
	ttlPart     = ir.Atom{Layer: ir.IP4Header, Offset: 8, Size: 1, Mask: mask(0x50)} // of the same byte
	ttlWide     = ir.Atom{Layer: ir.IP4Header, Offset: 7, Size: 2, Mask: mask(0x60)}
	idAtom      = ir.Atom{Layer: ir.IP4Header, Offset: 4, Size: 2, Mask: mask(0x0100)}
	optionAtom  = ir.Atom{Layer: ir.IP4Header, Offset: 20, Size: 4, Mask: mask(0x00010000)}
	smallAtoms  = []ir.Atom{serviceAtom, ttlAtom, ttlPart, ttlWide, idAtom, optionAtom}
)

func (p smallPacket) Read(a ir.Atom) (rules.Value, bool) {
	var v uint64
	switch a {
	case ir.Network:
		return rules.Value{Lo: ir.IP4Network}, true
	case serviceAtom:
		v = uint64(p.service)
	case ttlAtom, ttlPart, ttlWide:
		v = uint64(p.ttl<<4) & a.Mask.Lo >> a.Shift()
	case idAtom:
		v = uint64(p.id)
	case optionAtom:
		return rules.Value{Lo: uint64(max(p.option, 0))}, p.option >= 0
	}
	return rules.Value{Lo: v}, true
}

func smallPackets() (all []smallPacket) {
	for service := range byte(4) {
		for ttl := range byte(8) {
			for id := range byte(2) {
				for option := -1; option < 2; option++ {
					all = append(all, smallPacket{service, ttl, id, option})
				}
			}
		}
	}
	return all
}

// A smallMaker makes random decisions about small packets.
type smallMaker struct{ *rand.Rand }

func (m smallMaker) test() ir.Test {
	a := smallAtoms[m.IntN(len(smallAtoms))]
	t := ir.Test{Atom: a}
	values := a.Max().Lo + 1
	switch m.IntN(4) {
	case 0: // any values
		for v := range values {
			if m.IntN(2) == 0 {
				t.Ranges = addValue(t.Ranges, v)
			}
		}
	case 1: // all but one
		not := m.Uint64N(values)
		for v := range values {
			if v != not {
				t.Ranges = addValue(t.Ranges, v)
			}
		}
	default:
		lo, hi := m.Uint64N(values), m.Uint64N(values)
		t.Ranges = is(field{}, min(lo, hi), max(lo, hi)).ranges
	}
	if len(t.Ranges) == 0 {
		t.Ranges = is(field{}, 0, values-1).ranges // whether it is there
	}
	return t
}

func addValue(rs []rules.Range, v uint64) []rules.Range {
	if n := len(rs); n > 0 && rs[n-1].Hi.Lo+1 == v {
		rs[n-1].Hi.Lo = v
		return rs
	}
	return append(rs, rules.Range{Lo: rules.Value{Lo: v}, Hi: rules.Value{Lo: v}})
}

func (m smallMaker) term() ir.Term {
	t := ir.Term{{Atom: ir.Network, Ranges: is(field{}, ir.IP4Network, ir.IP4Network).ranges}}
	n := 1 + m.IntN(3)
	if m.IntN(20) == 0 {
		n = 0
	}
	for range n {
		test := m.test()
		for m.IntN(8) == 0 {
			test.Or = append(test.Or, m.test())
		}
		t = append(t, test)
	}
	return t
}

// decision of some steps, with chains in chains that return steps leave.
func (m smallMaker) decision() *ir.Decision {
	d := &ir.Decision{Default: rules.Pass}
	n := 2 + m.IntN(14)
	ends := make([]int, n) // of the innermost chain around each step
	m.chains(ends, 0, n)
	for i := range n {
		s := ir.Step{Rule: i, Verdict: rules.Drop, Terms: []ir.Term{m.term()}}
		if m.IntN(4) == 0 {
			s.Terms = append(s.Terms, m.term())
		}
		if i > 0 && m.IntN(6) == 0 {
			s.Rule = d.Steps[m.IntN(i)].Rule
		}
		switch m.IntN(8) {
		case 0:
			s.Verdict, s.Next = rules.Count, i+1
		case 1, 2:
			s.Verdict, s.Next = rules.Return, ends[i]
		}
		d.Steps = append(d.Steps, s)
	}
	return d
}

func (m smallMaker) chains(ends []int, from, to int) {
	for i := from; i < to; i++ {
		ends[i] = to
	}
	for at := from; at < to; {
		end := at + 1 + m.IntN(to-at)
		if end-at > 1 && end-at < to-from && m.IntN(2) == 0 {
			m.chains(ends, at, end)
		}
		at = end
	}
}

// comesTo says whether some packet comes to a step and matches it, if of the
// steps in front of it there are those for which there says so.
func comesTo(d *ir.Decision, step int, there func(int) bool, all []smallPacket) bool {
	part := &ir.Decision{Default: d.Default}
	at := make([]int, len(d.Steps)+1)
	for i := range step {
		at[i] = len(part.Steps)
		if there(i) {
			part.Steps = append(part.Steps, d.Steps[i])
		}
	}
	for i := step; i < len(at); i++ {
		at[i] = len(part.Steps) + min(i-step, 1)
	}
	last := d.Steps[step]
	last.Verdict, last.Next = rules.Abort, 0
	part.Steps = append(part.Steps, last)
	for i := range part.Steps {
		if next := &part.Steps[i].Next; *next != 0 {
			*next = at[*next]
		}
	}
	for _, p := range all {
		if part.Eval(p, func(int) {}) == len(part.Steps)-1 {
			return true
		}
	}
	return false
}

// A smallFinding is what is wrong with a result, "" if nothing is; and how many
// rules were not reached, and how many of those by several others, and of how
// many it was not found out.
type smallFinding struct {
	wrong             string
	unreached, shared int
	unknown           int
}

// judgeSmall holds a result against all small packets; full is that there was
// time to make covers small.
func judgeSmall(d *ir.Decision, result rules.Reachability, all []smallPacket, full bool) (f smallFinding) {
	reached := map[int]bool{}
	steps := map[int][]int{}
	for i, s := range d.Steps {
		steps[s.Rule] = append(steps[s.Rule], i)
	}
	for _, p := range all {
		note := func(step int) { reached[d.Steps[step].Rule] = true }
		if at := d.Eval(p, note); at >= 0 {
			note(at)
		}
	}
	found := map[int]bool{}
	for _, u := range result.Unreached {
		found[u.Rule] = true
	}
	for rule := range steps {
		if slices.Contains(result.Unknown, rule) {
			f.unknown++
			continue
		}
		if found[rule] == reached[rule] {
			f.wrong = fmt.Sprintf("rule %d: called unreached %v, reached %v", rule, found[rule], reached[rule])
			return f
		}
	}
	for _, u := range result.Unreached {
		f.unreached++
		if len(u.By) > 1 {
			f.shared++
		}
		comes := func(by []int) bool {
			return slices.ContainsFunc(steps[u.Rule], func(step int) bool {
				return comesTo(d, step, func(i int) bool {
					next := d.Steps[i].Next
					return next != 0 && next <= step || slices.Contains(by, d.Steps[i].Rule)
				}, all)
			})
		}
		if comes(u.By) {
			f.wrong = fmt.Sprintf("rule %d: %v do not cover it", u.Rule, u.By)
		}
		for n := range u.By {
			if full && !comes(slices.Delete(slices.Clone(u.By), n, n+1)) {
				f.wrong = fmt.Sprintf("rule %d: of %v, %d is not needed", u.Rule, u.By, u.By[n])
			}
		}
	}
	return f
}

// share is a tenth of n under the race detector, which takes its own time.
func share(n int) int {
	if testing.Short() {
		return n / 10
	}
	return n
}

// TestBruteForce holds what is found in random decisions against all packets.
func TestBruteForce(t *testing.T) {
	all := smallPackets()
	m := smallMaker{rand.New(rand.NewPCG(7, 8))}
	var unreached, shared int
	for n := range share(20_000) {
		d := m.decision()
		tried := make([]bool, len(d.Steps))
		for _, s := range d.Steps {
			tried[s.Rule] = true
		}
		f := judgeSmall(d, find(d, tried, 0, usual), all, true)
		if f.wrong != "" || f.unknown > 0 {
			t.Fatalf("decision %d: %s, %d unknown\n%v", n, f.wrong, f.unknown, d)
		}
		unreached += f.unreached
		shared += f.shared
	}
	t.Logf("%d rules were not reached, %d of them by several others together", unreached, shared)
	if shared < share(5_000) {
		t.Errorf("only %d rules were covered by several others", shared)
	}
}

// TestNoGuess: where the work comes to its end, what is not called unknown is
// right all the same.
func TestNoGuess(t *testing.T) {
	all := smallPackets()
	m := smallMaker{rand.New(rand.NewPCG(9, 10))}
	var unknown, unreached int
	for n := range share(5_000) {
		d := m.decision()
		tried := make([]bool, len(d.Steps))
		for _, s := range d.Steps {
			tried[s.Rule] = true
		}
		may := allowance{each: 1 + m.IntN(200), boxes: 1 + m.IntN(2_000), cover: m.IntN(200)}
		f := judgeSmall(d, find(d, tried, 0, may), all, false)
		if f.wrong != "" {
			t.Fatalf("decision %d, %+v: %s\n%v", n, may, f.wrong, d)
		}
		unknown += f.unknown
		unreached += f.unreached
	}
	t.Logf("%d rules are unknown, %d unreached", unknown, unreached)
	if unknown < share(1_000) || unreached < share(1_000) {
		t.Errorf("%d rules are unknown, %d unreached, want some of each", unknown, unreached)
	}
}
