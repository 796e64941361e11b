package classify

import (
	"math/rand/v2"
	"reflect"
	"testing"
	"time"
)

// pairs are keys as cross products have them, rows of columns, and others.
func pairs(n int, seed uint64) map[string][]uint64 {
	r := rand.New(rand.NewPCG(seed, 5))
	distinct := func(key func() uint64) []uint64 {
		seen := map[uint64]bool{}
		var out []uint64
		for len(out) < n {
			if k := key(); !seen[k] {
				seen[k] = true
				out = append(out, k)
			}
		}
		return out
	}
	next := uint64(0)
	return map[string][]uint64{
		"in a row":        distinct(func() uint64 { next++; return next }),
		"every 1000th":    distinct(func() uint64 { next += 1000; return next }),
		"random":          distinct(func() uint64 { return r.Uint64() >> 16 }),
		"a product":       distinct(func() uint64 { return r.Uint64N(6000)*1000 + r.Uint64N(1000) }),
		"upper bits":      distinct(func() uint64 { next++; return next << 28 & (1<<48 - 1) }),
		"columns of 2^24": distinct(func() uint64 { return r.Uint64N(2000)<<24 | r.Uint64N(3000) }),
	}
}

func TestPairHash(t *testing.T) {
	for _, n := range []int{0, 1, 2, 3, 10, 1000, 20000} {
		for _, most := range []uint32{1, 0xffff, 0xffffffff} {
			for name, keys := range pairs(n, 1) {
				values := make([]uint32, n)
				want := map[uint64]uint32{}
				for i, k := range keys {
					values[i] = 1 + uint32(i)%most
					want[k] = values[i]
				}
				h := NewPairHash(keys, values)
				if again := NewPairHash(keys, values); !reflect.DeepEqual(h, again) {
					t.Fatalf("%s: the same keys gave another hash", name)
				}
				if n >= 1000 && float64(h.Slots.Len()) > float64(n)/0.8 {
					t.Errorf("%s: %d slots for %d keys", name, h.Slots.Len(), n)
				}
				for _, k := range keys {
					for _, k := range []uint64{k, k ^ 1, k ^ 1<<47, k + 1, ^k & (1<<48 - 1)} {
						if got := h.Find(k); got != want[k] {
							t.Fatalf("%s: %d keys: %d for %d, want %d", name, n, got, k, want[k])
						}
					}
				}
			}
		}
	}
}

// A million keys take about 0.3 s to build, on any machine a few times that.
func TestPairHashBuildTime(t *testing.T) {
	if testing.Short() {
		t.Skip("time is held without -short")
	}
	r := rand.New(rand.NewPCG(2, 5))
	keys := make([]uint64, 1_000_000)
	for i := range keys {
		keys[i] = uint64(i)*250 + r.Uint64N(250) // a product of 250 columns, each in one row
	}
	start := time.Now()
	h := NewPairHash(keys, make([]uint32, len(keys)))
	took := time.Since(start)
	t.Logf("%v, %d bytes, in %v", h, h.Bytes(), took)
	if took > 3*time.Second {
		t.Errorf("%v", took)
	}
}

func TestPairHashRefusesEqualKeys(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("two values for one key")
		}
	}()
	NewPairHash([]uint64{7, 9, 7}, []uint32{1, 2, 3})
}
