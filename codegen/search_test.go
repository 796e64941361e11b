package codegen

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/cilium/ebpf/asm"

	"xdpfw/codegen/classify"
	"xdpfw/rules"
)

// Intervals of values below 2^bits, with a payload each.
type intervals struct {
	bits    int
	starts  []rules.Value
	payload []uint64
}

func (s *intervals) find(v rules.Value) uint64 {
	i, ok := slices.BinarySearchFunc(s.starts, v, rules.Value.Compare)
	if !ok {
		i--
	}
	return s.payload[i]
}

func greatestOf(bits int) rules.Value {
	if bits > 64 {
		return rules.Value{Hi: ^uint64(0) >> (128 - bits), Lo: ^uint64(0)}
	}
	return rules.Value{Lo: ^uint64(0) >> (64 - bits)}
}

// newIntervals sorts starts, and gives payload i of some to the interval i.
func newIntervals(bits int, starts []rules.Value, payload func(i int) uint64) *intervals {
	starts = append(starts, rules.Value{})
	slices.SortFunc(starts, rules.Value.Compare)
	s := &intervals{bits: bits, starts: slices.Compact(starts)}
	for i := range s.starts {
		s.payload = append(s.payload, payload(i))
	}
	return s
}

// keys are n of them: each start, its neighbours and the greatest value as far
// as they fit, and random ones near starts and anywhere.
func (s *intervals) keys(n int, r *rand.Rand) []rules.Value {
	top := greatestOf(s.bits)
	keys := []rules.Value{top, {}}
	add := func(v rules.Value, by int64) {
		w := rules.Value{Hi: v.Hi, Lo: v.Lo + uint64(by)}
		if by < 0 && w.Lo > v.Lo {
			w.Hi--
		} else if by > 0 && w.Lo < v.Lo {
			w.Hi++
		}
		keys = append(keys, rules.Value{Hi: w.Hi & top.Hi, Lo: w.Lo & top.Lo})
	}
	for _, i := range r.Perm(len(s.starts))[:min(len(s.starts), n/6)] {
		for by := int64(-1); by <= 1; by++ {
			add(s.starts[i], by)
		}
	}
	for len(keys) < n {
		switch v := s.starts[r.IntN(len(s.starts))]; r.IntN(3) {
		case 0:
			add(v, int64(r.Uint64()>>r.IntN(64)))
		case 1:
			shift := r.IntN(64)
			add(rules.Value{Hi: v.Hi ^ r.Uint64()>>shift, Lo: v.Lo ^ r.Uint64()>>r.IntN(64)}, 0)
		default:
			add(rules.Value{Hi: r.Uint64(), Lo: r.Uint64()}, 0)
		}
	}
	return keys[:n]
}

// someIntervals are sets of intervals that go into every form of a search.
func someIntervals() map[string]*intervals {
	r := rand.New(rand.NewPCG(1, 2))
	classes := func(n uint64) func(int) uint64 { return func(int) uint64 { return r.Uint64() % n } }
	random := func(bits, n int) []rules.Value {
		var out []rules.Value
		for range n {
			out = append(out, rules.Value{Lo: r.Uint64() & greatestOf(bits).Lo})
		}
		return out
	}
	within := func(bits, n int, base uint64) []rules.Value {
		out := random(bits, n)
		for i := range out {
			out[i].Lo |= base
		}
		return out
	}
	member := func(i int) uint64 { return uint64(i & 1) }
	return map[string]*intervals{
		"protocols":                 newIntervals(9, random(9, 6), classes(5)),
		"low ports of 17 bits":      newIntervals(17, random(10, 60), classes(1<<20)),
		"ports":                     newIntervals(16, random(16, 400), classes(300)),
		"ports, few wide payloads":  newIntervals(16, random(16, 4000), func(int) uint64 { return (r.Uint64() % 9) << 60 }),
		"a fragment":                newIntervals(2, random(2, 2), classes(3)),
		"one interval of 32 bits":   newIntervals(32, nil, classes(9)),
		"two":                       newIntervals(32, random(32, 1), member),
		"twenty bits":               newIntervals(20, random(20, 100), classes(70000)),
		"five, wide":                newIntervals(32, random(32, 5), func(int) uint64 { return r.Uint64() }),
		"at the ends":               newIntervals(32, []rules.Value{{Lo: 1}, {Lo: 1<<32 - 1}, {Lo: 1<<32 - 2}, {Lo: 1 << 31}}, classes(1<<32)),
		"a thousand":                newIntervals(32, random(32, 1000), classes(200)),
		"a thousand, two bytes":     newIntervals(32, random(32, 1000), classes(2000)),
		"a thousand, four bytes":    newIntervals(32, random(32, 1000), classes(1<<32)),
		"members":                   newIntervals(32, random(32, 20000), member),
		"no members":                newIntervals(32, random(32, 20000), func(i int) uint64 { return uint64(i&1 ^ 1) }),
		"two in turns":              newIntervals(32, random(32, 20000), func(i int) uint64 { return 7 + uint64(i&1)<<40 }),
		"in one /16":                newIntervals(32, within(16, 30000, 0xc0a80000), classes(1000)),
		"in one /8":                 newIntervals(32, within(24, 100000, 0x0a000000), member),
		"many":                      newIntervals(32, random(32, 200000), classes(60000)),
		"few wide payloads of many": newIntervals(32, random(32, 100000), func(int) uint64 { return (r.Uint64() % 300) << 50 }),
		"aligned to index entries":  newIntervals(32, aligned(3000, 16), classes(1<<16)),
		"aligned, and the next":     newIntervals(32, append(aligned(3000, 20), within(1, 100, 0xffff0000)...), classes(1<<16)),
		"few ports":                 newIntervals(16, random(16, 60), classes(40)),
		"few ports, two bytes":      newIntervals(17, random(17, 60), classes(1<<16)),
		"few ports, up to one":      newIntervals(17, append(random(13, 60), rules.Value{Lo: 60000}), classes(40)),
	}
}

// wideIntervals are those of values of more than 32 bits: prefixes in every
// arrangement, and bounds anywhere.
func wideIntervals() map[string]*intervals {
	r := rand.New(rand.NewPCG(1, 3))
	classes := func(n uint64) func(int) uint64 { return func(int) uint64 { return r.Uint64() % n } }
	member := func(i int) uint64 { return uint64(i & 1) }
	any128 := func() rules.Value { return rules.Value{Hi: r.Uint64(), Lo: r.Uint64()} }
	starts := func(n int, value func() rules.Value) (out []rules.Value) {
		for range n {
			out = append(out, value())
		}
		return out
	}
	in := func(bits int, base uint64) func() rules.Value { // random bits below the first of an address
		return func() rules.Value {
			v := any128()
			if bits < 64 {
				return rules.Value{Hi: base | v.Hi>>bits, Lo: v.Lo}
			}
			return rules.Value{Hi: base, Lo: v.Lo >> (bits - 64)}
		}
	}
	clusters := func() rules.Value { // of clusters of clusters
		v := rules.Value{Hi: 0x2001<<48 | r.Uint64N(3)<<40 | r.Uint64N(4)<<20, Lo: r.Uint64N(5)<<50 | r.Uint64N(100)}
		return v
	}
	ends := []rules.Value{{Lo: 1}, {Hi: 1}, {Hi: ^uint64(0), Lo: ^uint64(0)}, {Hi: ^uint64(0), Lo: ^uint64(1)}, {Hi: 1 << 63}, {Hi: 1<<63 - 1, Lo: ^uint64(0)}, {Lo: 1 << 32}, {Lo: 1 << 63}}
	return map[string]*intervals{
		"one interval":        newIntervals(128, nil, classes(9)),
		"two":                 newIntervals(128, []rules.Value{{Hi: 5 << 40, Lo: 7}}, classes(1<<50)),
		"the upper half":      newIntervals(128, []rules.Value{{Hi: 1 << 63}}, member),
		"at the ends":         newIntervals(128, ends, classes(1<<20)),
		"MACs":                newIntervals(48, starts(3000, func() rules.Value { return rules.Value{Lo: r.Uint64() >> 16} }), classes(1<<16)),
		"MACs of a vendor":    newIntervals(48, starts(500, func() rules.Value { return rules.Value{Lo: 0x0012ab<<24 | r.Uint64()>>40} }), member),
		"vendors":             newIntervals(48, starts(500, func() rules.Value { return rules.Value{Lo: r.Uint64() >> 40 << 24} }), member),
		"33 bits":             newIntervals(33, starts(500, func() rules.Value { return rules.Value{Lo: r.Uint64() >> 31} }), classes(60)),
		"64 bits":             newIntervals(64, starts(20000, func() rules.Value { return rules.Value{Lo: r.Uint64()} }), classes(1<<40)),
		"65 bits":             newIntervals(65, starts(2000, func() rules.Value { return rules.Value{Hi: r.Uint64() & 1, Lo: r.Uint64()} }), classes(1<<10)),
		"96 bits":             newIntervals(96, starts(2000, func() rules.Value { return rules.Value{Hi: r.Uint64() >> 32, Lo: r.Uint64()} }), classes(1<<10)),
		"random":              newIntervals(128, starts(20000, any128), classes(1<<12)),
		"random members":      newIntervals(128, starts(20000, any128), member),
		"/32s":                newIntervals(128, starts(20000, func() rules.Value { return rules.Value{Hi: r.Uint64() >> 3 >> 32 << 32} }), member),
		"/48s":                newIntervals(128, starts(20000, func() rules.Value { return rules.Value{Hi: 1<<61 | r.Uint64()>>3>>16<<16} }), classes(1<<12)),
		"/64s":                newIntervals(128, starts(20000, func() rules.Value { return rules.Value{Hi: 1<<61 | r.Uint64()>>3} }), classes(1<<12)),
		"/64s in one /32":     newIntervals(128, starts(20000, func() rules.Value { return rules.Value{Hi: 0x20010db8<<32 | r.Uint64()>>32} }), classes(1<<12)),
		"in one /32":          newIntervals(128, append(starts(20000, in(32, 0x20010db8<<32)), rules.Value{Hi: 0x20010db8 << 32}), classes(1<<17)),
		"in one /64":          newIntervals(128, starts(20000, in(64, 0x20010db800000001)), member),
		"in one /96":          newIntervals(128, append(starts(2000, in(96, 0x20010db800000001)), rules.Value{Hi: 0x20010db800000001}), classes(9)),
		"clusters":            newIntervals(128, starts(20000, clusters), classes(1<<12)),
		"clusters of members": newIntervals(128, append(starts(3000, clusters), starts(3000, any128)...), member),
		"all lengths":         newIntervals(128, starts(20000, func() rules.Value { return shorten(any128(), r.IntN(129)) }), classes(1<<12)),
		"200,000 in all":      newIntervals(128, starts(200000, func() rules.Value { return shorten(any128(), 20+r.IntN(45)) }), classes(1<<12)),
		"a ladder":            newIntervals(128, powers(), classes(1<<12)),
	}
}

// powers are the powers of two and their neighbours.
func powers() []rules.Value {
	var out []rules.Value
	for i := range 64 {
		for by := range uint64(3) {
			out = append(out, rules.Value{Hi: 1<<i - 1 + by}, rules.Value{Lo: 1<<i - 1 + by})
		}
	}
	return out
}

// shorten clears all but the first bits.
func shorten(v rules.Value, bits int) rules.Value {
	switch {
	case bits == 0:
		return rules.Value{}
	case bits <= 64:
		return rules.Value{Hi: v.Hi >> (64 - bits) << (64 - bits)}
	}
	return rules.Value{Hi: v.Hi, Lo: v.Lo >> (128 - bits) << (128 - bits)}
}

// aligned are the first n multiples of 2^shift.
func aligned(n, shift int) []rules.Value {
	var out []rules.Value
	for i := range n {
		out = append(out, rules.Value{Lo: uint64(i) << shift & (1<<32 - 1)})
	}
	return out
}

// The model and the emitted code, in the kernel, find what a binary search over
// the intervals finds.
func TestSearch(t *testing.T) { searchAll(t, someIntervals()) }

func TestWideSearch(t *testing.T) { searchAll(t, wideIntervals()) }

func searchAll(t *testing.T, sets map[string]*intervals) {
	for name, set := range sets {
		t.Run(name, func(t *testing.T) { searchOne(t, set, classify.NewSearch(set.bits, set.starts, set.payload)) })
	}
}

func searchOne(t *testing.T, set *intervals, s *classify.Search) {
	keys := set.keys(6000, rand.New(rand.NewPCG(3, 4)))
	p := newLookupProgram(t, set.bits, keys, func(b *builder, tables *tableSet, word func(int, asm.Register) []asm.Instruction) {
		b.emitSearch(tables, s, "key", word)
	})
	found, _ := p.run(t)
	wrong := 0
	for i, key := range keys {
		want := set.find(key)
		if model := s.Find(key); model != want || found[i] != want {
			if wrong++; wrong < 5 {
				t.Errorf("%x: %d in the kernel, %d in the model; want %d", key, found[i], model, want)
			}
		}
	}
	t.Logf("%d intervals: %v; %d bytes, %.1f ns expected; %s", len(set.starts), s, s.Bytes(), s.Cost(), p.effort())
	if wrong > 0 {
		t.Errorf("%d of %d keys", wrong, len(keys))
	}
}

// Defects of tables and code, each of which the keys of TestSearch must find.
func TestSearchFindsDefects(t *testing.T) {
	sets := someIntervals()
	for name, set := range wideIntervals() {
		sets["wide "+name] = set
	}
	for name, set := range memberIntervals() {
		sets["members "+name] = set
	}
	for name, set := range prefixIntervals() {
		sets["prefixes "+name] = set
	}
	members := func(table func(*classify.Members) classify.Numbers) func(*classify.Search) bool {
		const many = 1000 // of few, most are where nothing is
		return func(s *classify.Search) bool {
			return s.Members != nil && s.Members.Entries.Len() >= many && swapEntries(table(s.Members))
		}
	}
	prefixes := func(table func(*classify.Prefixes) classify.Numbers) func(*classify.Search) bool {
		return func(s *classify.Search) bool { return s.Prefixes != nil && swapEntries(table(s.Prefixes)) }
	}
	for name, plant := range map[string]func(*classify.Search) bool{
		"two nodes swapped":       members(func(m *classify.Members) classify.Numbers { return m.Nodes }),
		"two cells swapped":       members(func(m *classify.Members) classify.Numbers { return m.Cells }),
		"two entries swapped":     members(func(m *classify.Members) classify.Numbers { return m.Entries }),
		"two slots swapped":       prefixes(func(p *classify.Prefixes) classify.Numbers { return p.Slots }),
		"two multipliers swapped": prefixes(func(p *classify.Prefixes) classify.Numbers { return p.Multipliers }),
		"two shared swapped":      prefixes(func(p *classify.Prefixes) classify.Numbers { return p.Shared }),
		"one less of those that share a slot": func(s *classify.Search) bool {
			ok := s.Prefixes != nil && s.Prefixes.Most > 1
			if ok {
				s.Prefixes.Most--
			}
			return ok
		},
		"others forgotten": func(s *classify.Search) bool {
			ok := s.Prefixes != nil && s.Prefixes.Others != nil
			if ok {
				s.Prefixes.Others = nil
			}
			return ok
		},
		"in is out": members(func(m *classify.Members) classify.Numbers { return m.Values }),
		"two ranks of the index swapped": func(s *classify.Search) bool {
			return s.Window != nil && swapEntries(s.Window.Index.Ranks)
		},
		"two bounds swapped": func(s *classify.Search) bool { return s.Window != nil && swapEntries(s.Window.Bounds) },
		"two payloads swapped": func(s *classify.Search) bool {
			return s.Window != nil && swapEntries(s.Window.Payload.Entries)
		},
		"two direct payloads swapped": func(s *classify.Search) bool {
			return s.Direct != nil && swapEntries(s.Direct.Payload.Entries)
		},
		"two pages swapped": func(s *classify.Search) bool {
			return s.Direct != nil && s.Direct.Pages.Len() > 0 && swapEntries(s.Direct.Pages)
		},
		"a step less": func(s *classify.Search) bool {
			ok := s.Window != nil && s.Window.Steps > 0
			if ok {
				s.Window.Steps--
			}
			return ok
		},
		"nothing is outside of the prefix": func(s *classify.Search) bool {
			ok := len(s.Prefix) > 0 && s.Outside[0] != s.Outside[1]
			s.Outside[0] = s.Outside[1]
			return ok
		},
	} {
		planted, found := 0, 0
		for name, set := range sets {
			if len(set.starts) > 5000 {
				continue
			}
			s := classify.NewSearch(set.bits, set.starts, set.payload)
			switch kind, _, _ := strings.Cut(name, " "); kind {
			case "members":
				s = membersOf(set)
			case "prefixes":
				s = prefixesOf(set)
			}
			if !plant(s) {
				continue
			}
			planted++
			keys := set.keys(6*5000, rand.New(rand.NewPCG(3, 4)))
			p := newLookupProgram(t, set.bits, keys, func(b *builder, tables *tableSet, word func(int, asm.Register) []asm.Instruction) {
				b.emitSearch(tables, s, "key", word)
			})
			got, _ := p.run(t)
			for i, key := range keys {
				if got[i] != set.find(key) {
					found++
					break
				}
			}
		}
		if t.Logf("%s: found in %d of %d sets", name, found, planted); planted == 0 || found < planted*3/4 { // what is swapped may be what no key comes to
			t.Errorf("%s: found in %d of %d sets", name, found, planted)
		}
	}
}

// swapEntries swaps the first two neighbours that are not the same.
func swapEntries(n classify.Numbers) bool {
	for i := 1; i < n.Len(); i++ {
		if a, b := n.At(i-1), n.At(i); a != b {
			n.Set(i-1, b)
			n.Set(i, a)
			return true
		}
	}
	return false
}

// effort is what the verifier and the tables took.
func (p *lookupProgram) effort() string {
	return fmt.Sprintf("%s; tables of %d bytes", lastLine(p.collection.Programs["lookup"].VerifierLog), p.collection.Maps[tableMap].ValueSize())
}
