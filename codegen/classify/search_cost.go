package classify

// memoryCost is what a load at a random place of so many bytes takes, in
// nanoseconds, when the address of the next one depends on it.
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

// memoryCosts are by BenchmarkLoad in codegen, one load of four bytes.
var memoryCosts = []struct {
	bytes int
	ns    float64
}{
	{0, 0}, {16 << 10, 0.4}, {64 << 10, 1.2}, {256 << 10, 2.8}, {512 << 10, 4.9}, {1 << 20, 9.7},
	{2 << 20, 16}, {4 << 20, 26}, {8 << 20, 30}, {16 << 20, 37}, {32 << 20, 39},
}
