package bench

import (
	"fmt"
	"slices"
	"testing"
)

func TestTraceRepeatsUntilItIsLong(t *testing.T) {
	packets := somePackets(1000, 3, false)
	trace, err := NewTrace(append(packets, packets[5]))
	if err != nil {
		t.Fatal(err)
	}
	if trace.Packets() != TraceLength || trace.Different() != 1000 {
		t.Errorf("%d packets, %d different", trace.Packets(), trace.Different())
	}
	if got := trace.Frame(1001); !slices.Equal(got, packets[0]) {
		t.Errorf("behind the last is % x, not the first", got)
	}
}

// Only words in which packets differ are written.
func TestDifferingWords(t *testing.T) {
	frame := func(length int, at ...int) []byte {
		f := make([]byte, length)
		for _, i := range at {
			f[i] = 1
		}
		return f
	}
	for _, c := range []struct {
		frames [][]byte
		want   []int
	}{
		{[][]byte{frame(60), frame(60)}, []int{0}},
		{[][]byte{frame(60, 30), frame(60, 30)}, []int{0}},
		{[][]byte{frame(60, 30), frame(60, 31)}, []int{24}},
		{[][]byte{frame(60), frame(60, 55), frame(60, 59)}, []int{48, 52}},
		{[][]byte{frame(15), frame(15, 14)}, []int{7}},
		{[][]byte{frame(60, 40), frame(20)}, []int{40}},
		{[][]byte{frame(20), frame(60, 40)}, []int{40}},
		{[][]byte{frame(200, 127), frame(200, 128)}, []int{120}},
	} {
		longest := 0
		for _, f := range c.frames {
			longest = max(longest, len(f))
		}
		if got := differingWords(c.frames, min(longest, headerBytes)); !slices.Equal(got, c.want) {
			t.Errorf("%v: words at %v, want %v", c.frames, got, c.want)
		}
	}
}

func TestTraceRefuses(t *testing.T) {
	ok := make([]byte, 60)
	for _, c := range []struct {
		frames [][]byte
		want   string
	}{
		{nil, "a trace needs packets, there are none"},
		{[][]byte{ok, make([]byte, 13)}, fmt.Sprintf("packet 2 is 13 bytes long: the kernel runs frames of 14 to %d", longestFrame)},
		{[][]byte{make([]byte, longestFrame+1)}, fmt.Sprintf("packet 1 is %d bytes long: the kernel runs frames of 14 to %d", longestFrame+1, longestFrame)},
	} {
		if _, err := NewTrace(c.frames); err == nil || err.Error() != c.want {
			t.Errorf("error %v, want %s", err, c.want)
		}
	}
}
