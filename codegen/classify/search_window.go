package classify

import (
	"encoding/binary"
	"fmt"
	"math/bits"

	"xdpfw/rules"
)

// A Window searches values of one to four words of 32 bits. An index finds a
// short window of bounds by the value's place, and steps search that:
//
//	place ──Index──▶ rank of the first bound of the window ──Steps──▶ rank ──▶ payload
//
// Bounds are the starts but the first. The rank is how many of them the value is
// not below: the number of its interval. In Steps steps it grows by
// 2^(Steps-1), …, 2, 1 where as many more bounds are at or below the value. All
// bounds ascend in one array, so that steps that reach beyond the window find
// greater bounds, which is right.
type Window struct {
	Words   int
	Index   Index
	Bounds  Numbers // Words for each bound, less one, most significant first; behind them greatest ones to read beyond
	Steps   int
	Payload Payload // by rank
}

func newWindow(width, words int, starts []rules.Value, payload []uint64) *Window {
	places := newPlaces(width, words, starts[1:])
	index := places.choose(func(most int) float64 { return windowCost(words, len(places.at), bits.Len(uint(most))) })
	w := &Window{Words: words, Index: index.Index, Steps: bits.Len(uint(index.most))}
	size := 4 * words * (len(starts) - 1 + 1<<w.Steps - 1)
	w.Bounds = Numbers{4, make([]byte, 0, size)}
	for _, b := range starts[1:] {
		w.Bounds.Bytes = appendWords(w.Bounds.Bytes, b, words)
	}
	for len(w.Bounds.Bytes) < size {
		w.Bounds.Bytes = append(w.Bounds.Bytes, 0xff)
	}
	w.Payload = payloadByRank(payload)
	return w
}

// appendWords appends a bound less one.
func appendWords(to []byte, bound rules.Value, words int) []byte {
	if bound.Lo == 0 {
		bound.Hi--
	}
	bound.Lo--
	for i := words - 1; i >= 0; i-- {
		to = binary.LittleEndian.AppendUint32(to, uint32(shiftRight(bound, 32*i).Lo))
	}
	return to
}

func (w *Window) find(v rules.Value) uint64 {
	rank := w.Index.rank(placeOf(v, w.Words))
	for step := w.Steps - 1; step >= 0; step-- {
		if w.bound(rank+1<<step-1).Compare(v) < 0 {
			rank += 1 << step
		}
	}
	return w.Payload.at(rank)
}

// bound is a bound less one.
func (w *Window) bound(i int) rules.Value {
	var v rules.Value
	for word := range w.Words {
		v = shiftLeft(v, 32)
		v.Lo |= w.Bounds.At(i*w.Words + word)
	}
	return v
}

// Len is how many bounds there are.
func (w *Window) Len() int { return w.Bounds.Len()/w.Words - 1<<w.Steps + 1 }

func (w *Window) bytes() int { return w.Index.bytes() + len(w.Bounds.Bytes) + w.Payload.bytes() }

func (w *Window) cost() float64 {
	return w.Index.cost() + windowCost(w.Words, w.Len(), w.Steps) + w.Payload.cost()
}

func (w *Window) String() string {
	return fmt.Sprintf("%v, %d steps of %d bounds of %d bits, %v", &w.Index, w.Steps, w.Len(), 32*w.Words, &w.Payload)
}
