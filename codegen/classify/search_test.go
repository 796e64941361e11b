package classify

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"xdpfw/rules"
)

// A set of a million prefixes takes less than a second to build, and 32 MiB at
// the most.
func TestSearchOfMany(t *testing.T) {
	if testing.Short() {
		t.Skip("time is held without -short")
	}
	r := rand.New(rand.NewPCG(1, 1))
	for name, start := range map[string]func() rules.Value{
		"anywhere":   func() rules.Value { return rules.Value{Lo: uint64(r.Uint32())} },
		"in one /8":  func() rules.Value { return rules.Value{Lo: 10<<24 | uint64(r.Uint32()>>8)} },
		"in one /12": func() rules.Value { return rules.Value{Lo: 10<<24 | uint64(r.Uint32()>>12)} },
	} {
		starts := []rules.Value{{}}
		for range 2_000_000 {
			starts = append(starts, start())
		}
		slices.SortFunc(starts, rules.Value.Compare)
		starts = slices.Compact(starts)
		payload := make([]uint64, len(starts))
		for i := range payload {
			payload[i] = uint64(i & 1)
		}
		begin := time.Now()
		s := NewSearch(32, starts, payload)
		took := time.Since(begin)
		t.Logf("%s: %d intervals: %v, %d bytes, %.1f ns expected, in %v", name, len(starts), s, s.Bytes(), s.Cost(), took)
		if took > 3*time.Second || s.Bytes() > 32<<20 {
			t.Errorf("%s: %v, %d bytes", name, took, s.Bytes())
		}
	}
}
