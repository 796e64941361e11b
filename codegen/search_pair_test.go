package codegen

import (
	"math/rand/v2"
	"testing"

	"github.com/cilium/ebpf/asm"

	"xdpfw/codegen/classify"
	"xdpfw/rules"
)

// keyOf64 loads a key of two words into R1.
func keyOf64(b *builder, word func(int, asm.Register) []asm.Instruction) {
	b.emit("", word(0, asm.R1)...)
	b.emit("", word(1, asm.R0)...)
	b.emit("", asm.LSh.Imm(asm.R1, 32), asm.Or.Reg(asm.R1, asm.R0))
}

// newPairProgram looks up keys of a hash of n random pairs, and others.
func newPairProgram(t testing.TB, n, lookups, keyBits int, most uint32) (p *lookupProgram, h *classify.PairHash, keys []rules.Value) {
	r := rand.New(rand.NewPCG(uint64(n), uint64(keyBits)))
	seen := map[uint64]bool{}
	var in []uint64
	var values []uint32
	for len(in) < n {
		if k := r.Uint64() >> (64 - keyBits); !seen[k] {
			seen[k] = true
			in, values = append(in, k), append(values, 1+r.Uint32N(most))
		}
	}
	h = classify.NewPairHash(in, values)
	for range lookups {
		k := in[r.IntN(n)]
		switch r.IntN(4) {
		case 0:
			k = r.Uint64() >> 16
		case 1:
			k ^= 1 << r.IntN(48)
		}
		keys = append(keys, rules.Value{Lo: k})
	}
	p = newLookupProgram(t, 64, keys, func(b *builder, tables *tableSet, word func(int, asm.Register) []asm.Instruction) {
		keyOf64(b, word)
		b.emitPairHash(tables, h, "pair")
	})
	return p, h, keys
}

// The emitted code finds in the kernel what the model finds, which is tested
// against a map where it is defined.
func TestPairHashInKernel(t *testing.T) {
	for _, c := range []struct {
		n, keyBits int
		most       uint32
	}{{1, 48, 1}, {3, 20, 200}, {40, 8, 255}, {1000, 22, 1000}, {1000, 48, 1 << 16}, {5000, 32, 1<<32 - 1}, {5000, 48, 1<<32 - 1}, {200000, 40, 1 << 20}} {
		p, h, keys := newPairProgram(t, c.n, 6000, c.keyBits, c.most)
		found, _ := p.run(t)
		hits := 0
		for i, k := range keys {
			if want := uint64(h.Find(k.Lo)); found[i] != want {
				t.Fatalf("%v, %v: %x: %d, want %d", c, h, k.Lo, found[i], want)
			} else if want != 0 {
				hits++
			}
		}
		if hits < 1000 || hits > 5500 {
			t.Errorf("%v: %d keys are there", c, hits)
		}
		t.Logf("%v: %v, %d hits; %s", c, h, hits, p.effort())
	}
}
