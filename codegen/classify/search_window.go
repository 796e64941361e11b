package classify

import (
	"fmt"
	"math/bits"

	"xdpfw/rules"
)

// A Window searches values of at most 32 bits:
//
//	Index[value >> Shift]   how many bounds lie at or below the first value of that kind
//	Bounds                  the starts but the first, less one, ascending, and greatest values to read beyond
//	rank                    how many bounds are below the value: the number of its interval
//
// In Steps steps the rank grows by 2^(Steps-1), …, 2, 1 where as many more
// bounds are below the value. All bounds ascend in one array, so that a window
// that reaches into the bounds of the next index entry is not wrong there.
type Window struct {
	Shift  int
	Index  Numbers // none: the first bound
	Bounds Numbers
	Steps  int

	Payload Payload // by rank
}

// maxIndexBits is how many bits the index takes at most: more entries cost
// more misses than they save steps.
const maxIndexBits = 18

func newWindow(width int, starts []rules.Value, payload []uint64) *Window {
	below := make([]uint32, len(starts)-1) // each bound less one
	for i, s := range starts[1:] {
		below[i] = uint32(s.Lo - 1)
	}
	w := chooseIndex(width, below)
	w.fillIndex(width, below)
	w.Bounds = Numbers{4, make([]byte, 4*(len(below)+1<<w.Steps-1))}
	for i := range w.Bounds.Len() {
		bound := uint64(1)<<32 - 1
		if i < len(below) {
			bound = uint64(below[i])
		}
		w.Bounds.set(i, bound)
	}
	w.Payload = payloadByRank(payload)
	return w
}

// chooseIndex sets Shift and Steps, and what Index will cost.
func chooseIndex(width int, below []uint32) *Window {
	best, least := &Window{Shift: width, Steps: bits.Len(uint(len(below)))}, 0.0
	least = best.searchCost(len(below), 0)
	for indexBits := 4; indexBits <= min(maxIndexBits, width); indexBits++ {
		w := &Window{Shift: width - indexBits}
		w.Steps = bits.Len(uint(mostPerEntry(below, w.Shift)))
		if cost := w.searchCost(len(below), indexBits); cost < least {
			best, least = w, cost
		}
	}
	return best
}

// mostPerEntry is the most bounds that are inside of what one index entry stands for.
func mostPerEntry(below []uint32, shift int) int {
	most, run, of := 0, 0, uint32(0)
	for _, b := range below {
		if (b+1)&(1<<shift-1) == 0 {
			continue // at or below the first value
		}
		if entry := b >> shift; entry != of {
			run, of = 0, entry
		}
		run++
		most = max(most, run)
	}
	return most
}

func (w *Window) fillIndex(width int, below []uint32) {
	if w.Shift == width {
		return
	}
	w.Index = newNumbers(1<<(width-w.Shift), uint64(len(below)))
	rank := 0
	for i := range w.Index.Len() {
		first := uint64(i) << w.Shift
		for rank < len(below) && uint64(below[rank]) < first {
			rank++
		}
		w.Index.set(i, uint64(rank))
	}
}

func (w *Window) find(v uint32) uint64 {
	rank := 0
	if w.Index.Len() > 0 {
		rank = int(w.Index.At(int(v >> w.Shift)))
	}
	for step := w.Steps - 1; step >= 0; step-- {
		if w.Bounds.At(rank+1<<step-1) < uint64(v) {
			rank += 1 << step
		}
	}
	return w.Payload.at(rank)
}

func (w *Window) bytes() int {
	return len(w.Index.Bytes) + len(w.Bounds.Bytes) + w.Payload.bytes()
}

// stepCost is what a step takes in nanoseconds whose bound is in the first
// cache.
const stepCost = 1.1

// cacheLine is in bytes.
const cacheLine = 64

// searchCost is that of the index and the steps, with so many bounds.
func (w *Window) searchCost(bounds, indexBits int) float64 {
	cost := 0.0
	if indexBits > 0 {
		entry := 4
		if bounds <= 1<<16-1 {
			entry = 2
		}
		cost += memoryCost(entry<<indexBits) + 1
	}
	for step := range w.Steps {
		cost += stepCost
		if 4<<step >= cacheLine { // all windows together read a line in each 2<<step bounds
			cost += memoryCost(cacheLine*bounds>>(step+1)) - memoryCost(0)
		}
	}
	if w.Steps > 0 {
		cost += memoryCost(4*bounds) - memoryCost(0)
	}
	return cost
}

func (w *Window) cost() float64 {
	indexBits := 0
	if n := w.Index.Len(); n > 0 {
		indexBits = bits.TrailingZeros(uint(n))
	}
	return w.searchCost(w.Bounds.Len(), indexBits) + w.Payload.cost()
}

func (w *Window) String() string {
	index := "no index"
	if n := w.Index.Len(); n > 0 {
		index = fmt.Sprintf("%d-bit index", bits.TrailingZeros(uint(n)))
	}
	return fmt.Sprintf("%s, %d steps of %d bounds, %v", index, w.Steps, w.Bounds.Len()-1<<w.Steps+1, &w.Payload)
}
