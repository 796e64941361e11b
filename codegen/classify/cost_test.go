package classify

import "testing"

// What plans are compared by grows with what packets touch of their tables: with
// all cells, but with no more of the rows than few boxes lead to.
func TestCrowdedCost(t *testing.T) {
	const mib = 1 << 20
	dense := func(n int) []uint32 {
		cells := make([]uint32, n/4)
		cells[0] = 1 << 31
		return cells
	}
	crowd := func(g Group) float64 {
		p := Plan{Groups: []Group{g}}
		return p.crowdedCost() - p.Cost()
	}
	for _, c := range []struct {
		name string
		of   Group
		want float64
	}{
		{"cells of 1 MiB", Group{Boxes: 1000, Dense: dense(mib)}, 0},
		{"cells of 3 MiB", Group{Boxes: 1000, Dense: dense(3 * mib)}, 16},
		{"few boxes with rows of 8 MiB", Group{Boxes: 100, Dense: dense(mib / 2), Rows: dense(8 * mib)}, 0},
		{"many", Group{Boxes: 100_000, Dense: dense(mib), Rows: dense(8 * mib)}, 64},
	} {
		if have := crowd(c.of); have != c.want {
			t.Errorf("%s: %v ns, want %v", c.name, have, c.want)
		}
	}
}
