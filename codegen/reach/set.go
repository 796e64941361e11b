package reach

import (
	"cmp"
	"slices"
	"sort"
)

// A span is the coordinates lo to hi of a dimension, both included.
type span struct{ lo, hi uint32 }

// A set is coordinates of one dimension, at least one: lo to hi, or those of
// list, which has two spans or more, sorted and not touching, if there is one.
type set struct {
	lo, hi uint32
	list   []span
}

func one(n uint32) set { return set{lo: n, hi: n} }

// makeSet of spans that are sorted and neither overlap nor touch; false if
// there are none. It keeps them.
func makeSet(spans []span) (set, bool) {
	switch len(spans) {
	case 0:
		return set{}, false
	case 1:
		return set{lo: spans[0].lo, hi: spans[0].hi}, true
	}
	return set{spans[0].lo, spans[len(spans)-1].hi, spans}, true
}

// spans of the set; room is for one that has no list.
func (s set) spans(room *[1]span) []span {
	if s.list != nil {
		return s.list
	}
	room[0] = span{s.lo, s.hi}
	return room[:]
}

func (s set) has(n uint32) bool {
	if n < s.lo || n > s.hi {
		return false
	}
	if s.list == nil {
		return true
	}
	i := firstEndingAt(s.list, n)
	return s.list[i].lo <= n
}

// firstEndingAt is the first span that does not end before n.
func firstEndingAt(list []span, n uint32) int {
	return sort.Search(len(list), func(i int) bool { return list[i].hi >= n })
}

// A relation is how a set lies to another.
type relation uint8

const (
	apart  relation = iota // they have nothing in common
	within                 // it is a part of the other
	across                 // neither
)

func (s set) to(t set) relation {
	switch {
	case s.hi < t.lo || t.hi < s.lo:
		return apart
	case s.list == nil && t.list == nil:
		if t.lo <= s.lo && s.hi <= t.hi {
			return within
		}
		return across
	case len(s.list) == len(t.list) && len(s.list) > 0 && &s.list[0] == &t.list[0]:
		return within
	}
	return s.compare(t)
}

// compare is to for sets that have lists.
func (s set) compare(t set) relation {
	var roomS, roomT [1]span
	left, right := s.spans(&roomS), t.spans(&roomT)
	skipped := firstEndingAt(left, t.lo)
	inside, outside := false, skipped > 0
	for _, l := range left[skipped:] {
		right = right[firstEndingAt(right, l.lo):]
		switch {
		case len(right) == 0 || right[0].lo > l.hi:
			outside = true
		case right[0].lo <= l.lo && l.hi <= right[0].hi:
			inside = true
		default:
			return across
		}
		if inside && outside {
			return across
		}
	}
	if inside {
		return within
	}
	return apart
}

// intersect is what both have; false if that is nothing.
func (s set) intersect(t set) (set, bool) {
	if s.list == nil && t.list == nil {
		lo, hi := max(s.lo, t.lo), min(s.hi, t.hi)
		return set{lo: lo, hi: hi}, lo <= hi
	}
	var roomS, roomT [1]span
	a, b := s.spans(&roomS), t.spans(&roomT)
	var out []span
	for len(a) > 0 && len(b) > 0 {
		if lo, hi := max(a[0].lo, b[0].lo), min(a[0].hi, b[0].hi); lo <= hi {
			out = append(out, span{lo, hi})
		}
		if a[0].hi < b[0].hi {
			a = a[1:]
		} else {
			b = b[1:]
		}
	}
	return makeSet(out)
}

// without is what t has not; false if that is nothing.
func (s set) without(t set) (set, bool) {
	var roomS, roomT [1]span
	b := t.spans(&roomT)
	var out []span
	for _, a := range s.spans(&roomS) {
		b = b[firstEndingAt(b, a.lo):]
		lo, left := a.lo, true
		for i := 0; left && i < len(b) && b[i].lo <= a.hi; i++ {
			if b[i].lo > lo {
				out = append(out, span{lo, b[i].lo - 1})
			}
			lo, left = b[i].hi+1, b[i].hi < a.hi
		}
		if left {
			out = append(out, span{lo, a.hi})
		}
	}
	return makeSet(out)
}

// size is how many spans it takes to look at.
func (s set) size() int { return 1 + len(s.list) }

// union sorts spans and joins those that overlap or touch.
func union(spans []span) []span {
	slices.SortFunc(spans, func(a, b span) int { return cmp.Compare(a.lo, b.lo) })
	out := spans[:0]
	for _, s := range spans {
		if n := len(out); n > 0 && (s.lo == 0 || out[n-1].hi >= s.lo-1) {
			out[n-1].hi = max(out[n-1].hi, s.hi)
			continue
		}
		out = append(out, s)
	}
	return out
}
