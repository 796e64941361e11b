package rules

import "slices"

// next is the value behind v; ok is false behind the last of 128 bits.
func (v Value) next() (w Value, ok bool) {
	w = Value{v.Hi, v.Lo + 1}
	if w.Lo == 0 {
		w.Hi++
		return w, w.Hi != 0
	}
	return w, true
}

// mergeRanges makes a list that is sorted and whose ranges neither overlap nor
// touch. It may reuse the list that it is given.
func mergeRanges(rs []Range) []Range {
	byLo := func(a, b Range) int { return a.Lo.Compare(b.Lo) }
	if !slices.IsSortedFunc(rs, byLo) {
		slices.SortFunc(rs, byLo)
	}
	merged := rs[:0]
	for _, r := range rs {
		if n := len(merged); n > 0 && joins(merged[n-1], r) {
			if merged[n-1].Hi.Compare(r.Hi) < 0 {
				merged[n-1].Hi = r.Hi
			}
			continue
		}
		merged = append(merged, r)
	}
	return merged
}

// joins says whether b, which begins no earlier than a, overlaps or touches it.
func joins(a, b Range) bool {
	behind, ok := a.Hi.next()
	return !ok || b.Lo.Compare(behind) <= 0
}

// overlap says whether two lists have a value in common.
func overlap(as, bs []Range) bool {
	if len(as) > len(bs) {
		as, bs = bs, as
	}
	const muchLonger = 16
	if len(bs) < muchLonger*len(as) {
		return overlapSide(as, bs)
	}
	for _, a := range as {
		// the first range of bs that ends no earlier than a begins
		i, _ := slices.BinarySearchFunc(bs, a.Lo, func(b Range, v Value) int { return b.Hi.Compare(v) })
		if i < len(bs) && bs[i].Lo.Compare(a.Hi) <= 0 {
			return true
		}
	}
	return false
}

// overlapSide walks side by side through two lists of similar length.
func overlapSide(as, bs []Range) bool {
	for len(as) > 0 && len(bs) > 0 {
		switch {
		case as[0].Hi.Compare(bs[0].Lo) < 0:
			as = as[1:]
		case bs[0].Hi.Compare(as[0].Lo) < 0:
			bs = bs[1:]
		default:
			return true
		}
	}
	return false
}

// covers says whether every value of inner is in outer.
func covers(outer, inner []Range) bool {
	for _, r := range inner {
		i, _ := slices.BinarySearchFunc(outer, r.Lo, func(o Range, v Value) int { return o.Hi.Compare(v) })
		if i == len(outer) || outer[i].Lo.Compare(r.Lo) > 0 || outer[i].Hi.Compare(r.Hi) < 0 {
			return false
		}
	}
	return true
}

// number is a value of 64 bits at most.
func number(n uint64) Value { return Value{Lo: n} }
