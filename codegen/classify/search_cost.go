package classify

// The costs below are by the benchmarks of codegen/search_bench_test.go, which
// holds the command.

// memoryCost is what a load at a random place of so many bytes takes, in
// nanoseconds.
func memoryCost(bytes int) float64 {
	last := len(memoryCosts) - 1
	for i := 1; i <= last; i++ {
		if low, high := memoryCosts[i-1], memoryCosts[i]; bytes <= high.bytes {
			part := float64(bytes-low.bytes) / float64(high.bytes-low.bytes)
			return low.ns + part*(high.ns-low.ns)
		}
	}
	return memoryCosts[last].ns
}

// memoryCosts are those of one load, by BenchmarkLoad.
var memoryCosts = []struct {
	bytes int
	ns    float64
}{
	{0, 0}, {16 << 10, 0.4}, {64 << 10, 1.2}, {256 << 10, 2.8}, {512 << 10, 4.9}, {1 << 20, 9.7},
	{2 << 20, 16}, {4 << 20, 26}, {8 << 20, 30}, {16 << 20, 37}, {32 << 20, 39},
}

// cost of an index: of its own loads, and for the clamps of places and the
// shifts of nodes. Ranks count half as much again, since what they take of a
// cache the bounds lack.
func (x *Index) cost() float64 {
	if x.Ranks.Len() == 1 {
		return 0
	}
	cost := 0.5 + 1.5*memoryCost(len(x.Ranks.Bytes))
	if !x.Whole {
		cost += 1.5
	}
	for _, level := range x.Levels {
		cost += 3 + memoryCost(len(level.Bytes))
	}
	return cost
}

// windowCost is that of so many steps among so many bounds.
func windowCost(words, bounds, steps int) float64 {
	if steps == 0 {
		return 0
	}
	cost := float64(steps)*stepCosts[words] + memoryCost(4*words*bounds)
	for step := range steps {
		switch stride := 4 * words << step; { // all windows together read a line in each two strides
		case stride >= 4*cacheLine:
			cost += 0.7 * memoryCost(4*words*bounds*cacheLine/(2*stride))
		case stride >= cacheLine: // neighbours come along
			cost += 0.4 * memoryCost(4*words*bounds*cacheLine/(2*stride))
		}
	}
	return cost
}

// stepCosts are those of a step, by words; more than two are loaded anew for
// each.
var stepCosts = [...]float64{1: 0.6, 2: 1.6, 3: 3, 4: 4}

// cacheLine is in bytes.
const cacheLine = 64
