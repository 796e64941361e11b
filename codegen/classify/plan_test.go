package classify

import (
	"errors"
	"math/rand/v2"
	"slices"
	"testing"

	"xdpfw/rules"
)

// A maker makes random problems.
type maker struct{ *rand.Rand }

func newMaker(seed uint64) *maker { return &maker{rand.New(rand.NewPCG(seed, 1))} }

// value of so many bits.
func (m *maker) value(bits int) rules.Value {
	v, top := rules.Value{Hi: m.Uint64(), Lo: m.Uint64()}, greatest(bits)
	return rules.Value{Hi: v.Hi & top.Hi, Lo: v.Lo & top.Lo}
}

// list of one to three ranges of a field, mostly prefixes, some of them nested
// in others of the field.
func (m *maker) list(f *Field) []rules.Range {
	var all []rules.Range
	for range 1 + m.IntN(3)/2*m.IntN(3) {
		v := m.value(f.Bits)
		if len(f.Lists) > 0 && m.IntN(2) == 0 {
			v = f.Lists[m.IntN(len(f.Lists))][0].Lo
		}
		host := greatest(1 + m.IntN(f.Bits))
		r := rules.Range{Lo: rules.Value{Hi: v.Hi &^ host.Hi, Lo: v.Lo &^ host.Lo}, Hi: rules.Value{Hi: v.Hi | host.Hi, Lo: v.Lo | host.Lo}}
		switch m.IntN(4) {
		case 0:
			r.Hi = v
		case 1:
			r.Lo, r.Hi = v, v
		}
		all = append(all, r)
	}
	slices.SortFunc(all, func(a, b rules.Range) int { return a.Lo.Compare(b.Lo) })
	out := all[:1]
	for _, r := range all[1:] {
		if last := &out[len(out)-1]; last.Hi == greatest(f.Bits) || r.Lo.Compare(next(last.Hi)) <= 0 {
			if r.Hi.Compare(last.Hi) > 0 {
				last.Hi = r.Hi
			}
		} else {
			out = append(out, r)
		}
	}
	return out
}

// problem of some fields and boxes; each box asks for a field with a
// probability of its own.
func (m *maker) problem(fields, boxes int) *Problem {
	p := &Problem{}
	sizes := []int{1, 4, 8, 16, 17, 32, 32, 49, 65, 128}
	for range fields {
		p.Fields = append(p.Fields, Field{Name: "field", Bits: sizes[m.IntN(len(sizes))]})
	}
	leaf := uint32(m.IntN(9))
	for range boxes {
		b := Box{Leaf: leaf}
		leaf += uint32(m.IntN(3))
		for f := range p.Fields {
			one := &p.Fields[f]
			l := Any
			switch {
			case m.IntN(3) == 0:
			case len(one.Lists) > 0 && m.IntN(2) == 0:
				l = int32(m.IntN(len(one.Lists)))
			default:
				l = int32(len(one.Lists))
				one.Lists = append(one.Lists, m.list(one))
			}
			b.Lists = append(b.Lists, l)
		}
		p.Boxes = append(p.Boxes, b)
	}
	return p
}

// key near the bounds of a box, some fields of another one, some at random.
func (m *maker) key(p *Problem) []rules.Value {
	var key []rules.Value
	box := &p.Boxes[m.IntN(len(p.Boxes))]
	for f := range p.Fields {
		from := box
		if m.IntN(4) == 0 {
			from = &p.Boxes[m.IntN(len(p.Boxes))]
		}
		bits := p.Fields[f].Bits
		v := m.value(bits)
		if l := from.Lists[f]; l != Any {
			ranges := p.Fields[f].Lists[l]
			r := ranges[m.IntN(len(ranges))]
			switch m.IntN(5) {
			case 0:
				v = r.Lo
			case 1:
				v = r.Hi
			case 2:
				if r.Hi != greatest(bits) {
					v = next(r.Hi)
				}
			case 3:
				if before := r.Lo.Lo - 1; r.Lo.Lo != 0 {
					v = rules.Value{Hi: r.Lo.Hi, Lo: before}
				}
			}
		}
		key = append(key, v)
	}
	return key
}

// groupings of a problem: the ways that New may build it in.
func groupings(t *testing.T, p *Problem) []*Plan {
	mains, others, err := p.fields()
	if err != nil {
		t.Fatal(err)
	}
	rest, err := p.rest(others, p.allBoxes())
	if err != nil {
		t.Fatal(err)
	}
	whole, err := p.newGroup(p.allBoxes(), mains)
	if err != nil {
		t.Fatal(err)
	}
	b := &builder{Problem: p, mains: mains, others: others, rest: rest, limit: manyRows, groups: []*group{whole}}
	var out []*Plan
	for more := true; more; {
		plan, err := b.build()
		if err == nil {
			out = append(out, plan)
		} else if !errors.Is(err, ErrTooLarge) {
			t.Fatal(err)
		}
		if more = len(b.groups) < MaxGroups; more {
			if b.groups, more, err = p.split(b.groups, mains); err != nil {
				t.Fatal(err)
			}
		}
	}
	if plan, err := p.inTests(mains, others, 64<<20); err == nil {
		out = append(out, plan)
	} else if err != ErrTooLarge {
		t.Fatal(err)
	}
	if plan, err := p.inTrials(mains, others, 0, 64<<20); err == nil {
		out = append(out, plan)
	} else if !errors.Is(err, ErrTooLarge) {
		t.Fatal(err)
	}
	return out
}

// Whatever way the boxes are grouped, the tables find what the boxes mean.
func TestPlansFindTheFirstBox(t *testing.T) {
	const seed = 2026
	plans, several, tried, listed, keys := 0, 0, 0, 0, 0
	for n := range uint64(400) {
		m := newMaker(seed + n)
		p := m.problem(1+m.IntN(5), 1+m.IntN(40))
		if n%20 == 0 {
			p = m.problem(1+m.IntN(4), 300)
		}
		for _, plan := range groupings(t, p) {
			plans++
			if len(plan.Groups) > 1 {
				several++
			}
			if slices.ContainsFunc(plan.Groups, func(g Group) bool { return g.Trials > 0 }) {
				tried++
			}
			if slices.ContainsFunc(plan.Groups, func(g Group) bool { return g.Tests > 1 }) {
				listed++
			}
			for range 100 {
				key := m.key(p)
				keys++
				if want, got := p.Find(key), plan.Find(key); got != want {
					t.Fatalf("problem %d of seed %d: key %v: leaf %d, tables %d\n%v", n, seed, key, want, got, plan)
				}
			}
		}
	}
	t.Logf("%d plans, %d of several groups, %d with boxes that are tried, %d with lists of demands, %d keys", plans, several, tried, listed, keys)
	if several < 100 || tried < 100 || listed < 100 {
		t.Errorf("only %d plans have several groups, %d try boxes, and %d have lists of demands", several, tried, listed)
	}
}

// A table with one wrong entry is found out by the keys of that test.
func TestWrongEntriesAreFound(t *testing.T) {
	m := newMaker(1)
	found, tried := 0, 0
	for range 50 {
		p := m.problem(3, 30)
		plan, err := New(p, 1<<20)
		if err != nil {
			t.Fatal(err)
		}
		g := &plan.Groups[0]
		table := g.Dense
		if len(g.Rows) > 0 {
			table = g.Rows
		}
		i, j := m.IntN(len(table)), m.IntN(len(table))
		if table[i] == table[j] {
			continue
		}
		table[i], table[j] = table[j], table[i]
		tried++
		for range 5000 {
			if key := m.key(p); p.Find(key) != plan.Find(key) {
				found++
				break
			}
		}
	}
	if t.Logf("%d of %d", found, tried); found < tried*2/3 { // entries that no key of a box meets exist
		t.Errorf("only %d of %d swapped entries were found", found, tried)
	}
}

func TestPlansAreTheSameEachTime(t *testing.T) {
	for n := range uint64(20) {
		one, err := New(newMaker(n).problem(4, 200), 64<<20)
		if err != nil {
			t.Fatal(err)
		}
		other, err := New(newMaker(n).problem(4, 200), 64<<20)
		if err != nil {
			t.Fatal(err)
		}
		if one.String() != other.String() || !slices.Equal(one.Groups[0].Rows, other.Groups[0].Rows) {
			t.Fatalf("problem %d: first\n%vthen\n%v", n, one, other)
		}
	}
}

func TestMemoryIsKept(t *testing.T) {
	p := newMaker(3).problem(4, 300)
	plan, err := New(p, 64<<20)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := New(p, plan.Bytes()/20); !errors.Is(err, ErrTooLarge) {
		t.Errorf("a twentieth of %d bytes: %v", plan.Bytes(), err)
	}
}
