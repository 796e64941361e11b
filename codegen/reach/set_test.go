package reach

import (
	"math/rand/v2"
	"testing"
)

// TestSets holds every operation against the numbers one by one.
func TestSets(t *testing.T) {
	const size = 12
	random := rand.New(rand.NewPCG(1, 2))
	some := func() (uint32, set) {
		for {
			bits := random.Uint32N(1 << size)
			if random.IntN(2) == 0 { // long spans too
				bits |= 1<<random.IntN(size) - 1
			}
			if s, ok := ofBits(bits, size); ok {
				return bits, s
			}
		}
	}
	for range 100_000 {
		a, s := some()
		b, u := some()
		want := across
		switch {
		case a&b == 0:
			want = apart
		case a&^b == 0:
			want = within
		}
		if got := s.to(u); got != want {
			t.Fatalf("%v to %v: %d, want %d", s, u, got, want)
		}
		both, ok := s.intersect(u)
		if bitsOf(both, ok, size) != a&b {
			t.Fatalf("%v and %v: %v", s, u, both)
		}
		rest, ok := s.without(u)
		if bitsOf(rest, ok, size) != a&^b {
			t.Fatalf("%v without %v: %v", s, u, rest)
		}
		var roomS, roomU [1]span
		joined, ok := makeSet(union(append(append([]span{}, s.spans(&roomS)...), u.spans(&roomU)...)))
		if bitsOf(joined, ok, size) != a|b {
			t.Fatalf("%v or %v: %v", s, u, joined)
		}
	}
}

func ofBits(bits uint32, size int) (set, bool) {
	var spans []span
	for n := range uint32(size) {
		if bits>>n&1 == 1 {
			spans = append(spans, span{n, n})
		}
	}
	return makeSet(union(spans))
}

func bitsOf(s set, ok bool, size int) (bits uint32) {
	for n := range uint32(size) {
		if ok && s.has(n) {
			bits |= 1 << n
		}
	}
	return bits
}
