package codegen

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/cilium/ebpf/asm"

	"xdpfw/codegen/classify"
	"xdpfw/rules"
)

// What a look-up of a random key takes in the kernel, over the same program
// without it; the constants of the Cost methods in classify are from here:
//
//	go test -run '^$' -bench 'Load|Search|PairHash' -benchtime 20x ./codegen
//
// Each figure is the least of several runs over 65,536 keys, since all that
// disturbs a run makes it slower.
func BenchmarkSearch(b *testing.B) {
	for _, c := range benchSets() {
		b.Run(c.name, func(b *testing.B) {
			set := c.set()
			s := classify.NewSearch(set.bits, set.starts, set.payload)
			keys := c.keys(set)
			p := newLookupProgram(b, set.bits, keys, func(b *builder, tables *tableSet, word func(int, asm.Register) []asm.Instruction) {
				b.emitSearch(tables, s, "key", word)
			})
			measure(b, p, newLookupProgram(b, set.bits, keys, loadWords(set.bits)))
			b.ReportMetric(float64(s.Bytes())/1e6, "MB")
			b.ReportMetric(s.Cost(), "expected-ns")
			b.Logf("%d intervals: %v", len(set.starts), s)
		})
	}
}

func BenchmarkPairHash(b *testing.B) {
	for _, n := range []int{1000, 10000, 100000, 1000000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			p, h, keys := newPairProgram(b, n, benchKeys, 40, 1<<16)
			measure(b, p, newLookupProgram(b, 64, keys, loadWords(64)))
			b.ReportMetric(float64(h.Bytes())/1e6, "MB")
			b.ReportMetric(h.Cost(), "expected-ns")
		})
	}
}

// What one load at a random place of a table takes.
func BenchmarkLoad(b *testing.B) {
	for kib := 16; kib <= 32<<10; kib *= 2 {
		b.Run(fmt.Sprintf("%dKi", kib), func(b *testing.B) {
			table := classify.Numbers{Width: 4, Bytes: make([]byte, kib<<10)}
			for i := range table.Bytes {
				table.Bytes[i] = byte(i * i >> 5)
			}
			keys, greatest := anyKey(&intervals{bits: 32}), kib<<8-1
			p := newLookupProgram(b, 32, keys, func(b *builder, tables *tableSet, word func(int, asm.Register) []asm.Instruction) {
				b.emit("", append(word(0, asm.R0), asm.And.Imm(asm.R0, int32(greatest)))...)
				b.emitEntry(tables, "", asm.R0, table, greatest)
			})
			measure(b, p, newLookupProgram(b, 32, keys, loadWords(32)))
		})
	}
}

const benchKeys = 1 << 16

// loadWords loads the key and does nothing with it.
func loadWords(bits int) func(*builder, *tableSet, func(int, asm.Register) []asm.Instruction) {
	return func(b *builder, _ *tableSet, word func(int, asm.Register) []asm.Instruction) {
		for i := range (bits + 31) / 32 {
			b.emit("", word(i, asm.R0)...)
		}
	}
}

// measure reports the nanoseconds of a program over those of an empty one.
func measure(b *testing.B, p, empty *lookupProgram) {
	var with, without []float64
	for b.Loop() {
		_, ns := p.run(b)
		_, none := empty.run(b)
		with, without = append(with, ns), append(without, none)
	}
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(slices.Min(with)-slices.Min(without), "ns/lookup")
}

type benchSet struct {
	name string
	set  func() *intervals
	keys func(*intervals) []rules.Value
}

func anyKey(s *intervals) []rules.Value {
	r, out := rand.New(rand.NewPCG(9, 9)), make([]rules.Value, benchKeys)
	for i := range out {
		out[i] = rules.Value{Hi: r.Uint64() & greatestOf(s.bits).Hi, Lo: r.Uint64() & greatestOf(s.bits).Lo}
	}
	return out
}

// nearKey are keys in random intervals, at their start.
func nearKey(s *intervals) []rules.Value {
	r, out := rand.New(rand.NewPCG(9, 9)), make([]rules.Value, benchKeys)
	for i := range out {
		out[i] = s.starts[r.IntN(len(s.starts))]
	}
	return out
}

func benchSets() []benchSet {
	classes := func(n uint64) func(int) uint64 {
		r := rand.New(rand.NewPCG(1, 9))
		return func(int) uint64 { return r.Uint64N(n) }
	}
	var sets []benchSet
	for _, bits := range []int{8, 16, 17} {
		sets = append(sets, benchSet{fmt.Sprintf("direct %d bits", bits), func() *intervals {
			return newIntervals(bits, prefixes4(bits, 60, 0, 0, bits), classes(50))
		}, anyKey})
	}
	for _, n := range []int{1, 7, 31, 100, 1000, 10000, 100000} {
		sets = append(sets, benchSet{fmt.Sprintf("%d prefixes to 2-byte classes", n), func() *intervals {
			return newIntervals(32, prefixes4(32, n, 0, 16, 32), classes(1<<16))
		}, nearKey})
	}
	for _, n := range []int{10000, 100000, 1000000} {
		sets = append(sets, benchSet{fmt.Sprintf("set of %d prefixes, any key", n), func() *intervals {
			return newSet(32, crowded4(n))
		}, anyKey})
	}
	sets = append(sets,
		benchSet{"set of 1000000 prefixes, members", func() *intervals { return newSet(32, crowded4(1000000)) }, nearKey},
		benchSet{"set of 1000000 hosts", func() *intervals { return newSet(32, prefixes4(32, 1000000, 0, 32, 32)) }, nearKey},
		benchSet{"set of 1000000 prefixes in one /8", func() *intervals {
			return newSet(32, prefixes4(32, 1000000, 0x0a000000, 24, 32))
		}, nearKey},
		benchSet{"100000 prefixes in one /8 to 2-byte classes", func() *intervals {
			return newIntervals(32, prefixes4(32, 100000, 0x0a000000, 20, 32), classes(1<<16))
		}, nearKey},
		benchSet{"5000 hosts in one /16 to 2-byte classes", func() *intervals {
			return newIntervals(32, prefixes4(32, 5000, 0xc0a80000, 32, 32), classes(1<<16))
		}, nearKey},
	)
	for _, c := range []struct {
		name           string
		base           rules.Value
		keep, from, to int
	}{
		{"/32s", rules.Value{Hi: 1 << 61}, 3, 32, 32},
		{"/48s", rules.Value{Hi: 1 << 61}, 3, 48, 48},
		{"/64s", rules.Value{Hi: 1 << 61}, 3, 64, 64},
		{"of /20 to /64", rules.Value{Hi: 1 << 61}, 3, 20, 64},
		{"/64s in one /32", rules.Value{Hi: 0x20010db8 << 32}, 32, 64, 64},
		{"in one /32", rules.Value{Hi: 0x20010db8 << 32}, 32, 40, 128},
		{"hosts", rules.Value{Hi: 1 << 61}, 3, 128, 128},
		{"hosts in one /64", rules.Value{Hi: 0x20010db8 << 32}, 64, 128, 128},
	} {
		bounds := func() []rules.Value { return prefixes6(200000, c.base, c.keep, c.from, c.to) }
		sets = append(sets,
			benchSet{"set of 200000 IPv6 prefixes " + c.name, func() *intervals { return newSet(128, bounds()) }, nearKey},
			benchSet{"200000 IPv6 prefixes " + c.name + " to 2-byte classes", func() *intervals { return newIntervals(128, bounds(), classes(1<<16)) }, nearKey})
	}
	return sets
}

// prefixes6 are the starts of n random prefixes that have the first bits of a
// base, and what follows them.
func prefixes6(n int, base rules.Value, keep, from, to int) []rules.Value {
	r := rand.New(rand.NewPCG(6, uint64(n)))
	var out []rules.Value
	for range n {
		length := from + r.IntN(to-from+1)
		v := rules.Value{Hi: base.Hi, Lo: r.Uint64()}
		if keep < 64 {
			v.Hi |= r.Uint64() >> keep
		}
		v = shorten(v, length)
		out = append(out, v)
		if length <= 64 {
			v.Hi += 1 << (64 - length)
		} else if v.Lo += 1 << (128 - length); v.Lo == 0 {
			v.Hi++
		}
		out = append(out, v)
	}
	return out
}

// prefixes4 are the starts of n random prefixes, of lengths from … to, and what
// follows them; all within a base of 8 or 16 bits if it is not zero.
func prefixes4(bits, n int, base uint64, from, to int) []rules.Value {
	r := rand.New(rand.NewPCG(4, uint64(n)))
	keep := uint64(1)<<bits - 1
	switch {
	case base&0xffffff == 0 && base != 0:
		keep = 1<<24 - 1
	case base != 0:
		keep = 1<<16 - 1
	}
	var out []rules.Value
	for range n {
		length := from + r.IntN(to-from+1)
		size := uint64(1) << (bits - length)
		start := (base | r.Uint64()&keep) &^ (size - 1)
		out = append(out, rules.Value{Lo: start}, rules.Value{Lo: (start + size) & (1<<bits - 1)})
	}
	return out
}

// crowded4 are the starts of n prefixes and what follows them, as block lists
// have them: half of them in crowded /16s.
func crowded4(n int) []rules.Value {
	r := rand.New(rand.NewPCG(4, uint64(n)))
	crowds := make([]uint64, 16+n/100)
	for i := range crowds {
		crowds[i] = r.Uint64() >> 48 << 16
	}
	lengths := []int{32, 32, 32, 32, 32, 32, 24, 24, 28, 22}
	var out []rules.Value
	for range n {
		start := uint64(r.Uint32())
		if r.IntN(2) == 0 {
			start = crowds[r.IntN(len(crowds))] | start&0xffff
		}
		size := uint64(1) << (32 - lengths[r.IntN(len(lengths))])
		start &^= size - 1
		out = append(out, rules.Value{Lo: start}, rules.Value{Lo: (start + size) & 0xffffffff})
	}
	return out
}

// newSet is the intervals in and out of ranges: each from a start to the next of
// the values, which is zero if there is none behind the range.
func newSet(bits int, ends []rules.Value) *intervals {
	depth := map[rules.Value]int{}
	for i := 0; i < len(ends); i += 2 {
		depth[ends[i]]++
		if ends[i+1] != (rules.Value{}) {
			depth[ends[i+1]]--
		}
	}
	all, s := newIntervals(bits, ends, func(int) uint64 { return 0 }), &intervals{bits: bits}
	in := 0
	for i, start := range all.starts {
		was := in > 0
		if in += depth[start]; i == 0 || in > 0 != was {
			s.starts = append(s.starts, start)
			s.payload = append(s.payload, uint64(min(in, 1)))
		}
	}
	return s
}
