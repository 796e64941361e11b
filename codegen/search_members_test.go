package codegen

import (
	"math/rand/v2"
	"testing"

	"xdpfw/codegen/classify"
	"xdpfw/rules"
)

// memberIntervals are those in and out of lists of prefixes.
func memberIntervals() map[string]*intervals {
	r := rand.New(rand.NewPCG(1, 4))
	ends := func(n, from, to int, start func() uint64) (out []rules.Value) {
		for range n {
			size := uint64(1) << (32 - from - r.IntN(to-from+1))
			first := start() & 0xffffffff &^ (size - 1)
			out = append(out, rules.Value{Lo: first}, rules.Value{Lo: (first + size) & 0xffffffff})
		}
		return out
	}
	next := uint64(0)
	row := func() uint64 { next += 2; return next }
	few := func() uint64 { return r.Uint64N(9)<<28 | r.Uint64N(300000) }
	return map[string]*intervals{
		"hosts":                    newSet(32, ends(2000, 32, 32, r.Uint64)),
		"many hosts":               newSet(32, ends(200000, 32, 32, r.Uint64)),
		"/24s":                     newSet(32, ends(2000, 24, 24, r.Uint64)),
		"of /12 to /32":            newSet(32, ends(2000, 12, 32, r.Uint64)),
		"in one /10":               newSet(32, ends(2000, 20, 32, func() uint64 { return 10<<24 | r.Uint64()>>42 })),
		"crowded":                  newSet(32, crowded4(30000)),
		"every second host":        newSet(32, ends(2000, 32, 32, row)),
		"a few crowds":             newSet(32, ends(2000, 30, 32, few)),
		"at the ends":              newSet(32, []rules.Value{{}, {Lo: 1}, {Lo: 1<<32 - 1}, {}, {Lo: 1 << 31}, {Lo: 1<<31 + 16}}),
		"the upper half":           newSet(32, []rules.Value{{Lo: 1 << 31}, {}}),
		"all but a host":           newSet(32, []rules.Value{{}, {Lo: 77}, {Lo: 78}, {}}),
		"of twenty bits":           newIntervals(20, []rules.Value{{Lo: 5}, {Lo: 6}, {Lo: 1 << 19}}, func(i int) uint64 { return 7 + uint64(i&1)<<40 }),
		"a host and all above it":  newSet(32, []rules.Value{{Lo: 1}, {Lo: 2}, {Lo: 3}, {}}),
		"sixteen in one cell each": newSet(32, ends(2000, 32, 32, func() uint64 { next += 2; return next>>5<<24 | next&31 })),
	}
}

// Members find what a binary search over the intervals finds, whether or not
// NewSearch would choose them.
func TestMembers(t *testing.T) {
	for name, set := range memberIntervals() {
		t.Run(name, func(t *testing.T) {
			s := membersOf(set)
			if s == nil {
				t.Fatal("no Members")
			}
			searchOne(t, set, s)
		})
	}
}

// prefixIntervals are those in and out of lists of prefixes of more than 32 bits.
func prefixIntervals() map[string]*intervals {
	r := rand.New(rand.NewPCG(1, 5))
	site := func() rules.Value { // one of few, or any
		v := rules.Value{Hi: 0x2001<<48 | r.Uint64N(40)<<32, Lo: r.Uint64()}
		if r.IntN(2) == 0 {
			v.Hi |= r.Uint64() >> 16
		}
		v.Hi |= r.Uint64N(20)<<16 | r.Uint64N(3)
		return v
	}
	ends := func(n int, start func() rules.Value, lengths ...int) (out []rules.Value) {
		for range n {
			length := lengths[r.IntN(len(lengths))]
			first := shorten(start(), length)
			last := shorten(rules.Value{Hi: ^uint64(0), Lo: ^uint64(0)}, length)
			end := rules.Value{Hi: first.Hi - last.Hi, Lo: first.Lo - last.Lo}
			if first.Lo < last.Lo {
				end.Hi--
			}
			out = append(out, first, end)
		}
		return out
	}
	any128 := func() rules.Value { return rules.Value{Hi: r.Uint64(), Lo: r.Uint64()} }
	few := func() rules.Value { return rules.Value{Hi: 0x20010db8<<32 | r.Uint64N(30)<<8, Lo: r.Uint64()} }
	numbers := func(bits, n int, size uint64) []rules.Value {
		var out []rules.Value
		for range n {
			first := r.Uint64() >> (64 - bits) &^ (size - 1)
			out = append(out, rules.Value{Lo: first}, rules.Value{Lo: (first + size) & greatestOf(bits).Lo})
		}
		return out
	}
	local := append(ends(2, any128, 128), rules.Value{}, rules.Value{Lo: 2}, rules.Value{Hi: 0xfe80 << 48}, rules.Value{Hi: 0xfec0 << 48}, rules.Value{Hi: 0xff << 56}, rules.Value{})
	return map[string]*intervals{
		"/48s":                   newSet(128, ends(2000, site, 48)),
		"hosts":                  newSet(128, ends(2000, site, 128)),
		"hosts in few /64s":      newSet(128, append(ends(200, few, 128), ends(2000, site, 64)...)),
		"many hosts in few /64s": newSet(128, append(ends(100, few, 128), ends(4000, site, 64)...)),
		"/48s, /64s and hosts":   newSet(128, ends(3000, site, 48, 48, 64, 64, 64, 128)),
		"with a few short ones":  newSet(128, append(ends(3000, site, 48, 64, 128), ends(40, site, 32, 36, 40, 44)...)),
		"with local addresses":   newSet(128, append(ends(3000, site, 48, 64, 128), local...)),
		"with halves of a /64":   newSet(128, append(ends(3000, site, 48, 64, 128), ends(60, site, 65, 80, 127)...)),
		"many":                   newSet(128, ends(150000, site, 48, 64, 128)),
		"MACs":                   newSet(48, numbers(48, 2000, 1)),
		"vendors":                newSet(48, numbers(48, 2000, 1<<24)),
		"of 62 bits":             newSet(62, numbers(62, 2000, 1)),
		"of 96 bits":             newSet(96, []rules.Value{{Hi: 7, Lo: 3}, {Hi: 7, Lo: 4}, {Hi: 7, Lo: 1 << 32}, {Hi: 7, Lo: 2 << 32}, {Hi: 9, Lo: 5}, {Hi: 9, Lo: 6}}),
	}
}

// Prefixes find what a binary search over the intervals finds.
func TestPrefixes(t *testing.T) {
	for name, set := range prefixIntervals() {
		t.Run(name, func(t *testing.T) {
			s := prefixesOf(set)
			if s == nil {
				t.Fatal("no Prefixes")
			}
			searchOne(t, set, s)
		})
	}
}

func prefixesOf(set *intervals) *classify.Search {
	p := classify.NewPrefixes((set.bits+31)/32, set.starts, set.payload)
	if p == nil {
		return nil
	}
	return &classify.Search{Bits: set.bits, Prefixes: p}
}

func membersOf(set *intervals) *classify.Search {
	m := classify.NewMembers(set.bits, set.starts, set.payload)
	if m == nil {
		return nil
	}
	return &classify.Search{Bits: set.bits, Members: m}
}
