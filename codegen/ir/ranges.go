package ir

import "xdpfw/rules"

// complement is the values from 0 to max that are in none of the ranges.
func complement(rs []rules.Range, max rules.Value) []rules.Range {
	var out []rules.Range
	next := rules.Value{}
	for _, r := range rs {
		if r.Lo.Compare(next) > 0 {
			out = append(out, rules.Range{Lo: next, Hi: dec(r.Lo)})
		}
		if r.Hi.Compare(max) >= 0 {
			return out
		}
		next = inc(r.Hi)
	}
	return append(out, rules.Range{Lo: next, Hi: max})
}

// intersect is the values in both lists.
func intersect(a, b []rules.Range) []rules.Range {
	var out []rules.Range
	for len(a) > 0 && len(b) > 0 {
		lo, hi := a[0].Lo, a[0].Hi
		if b[0].Lo.Compare(lo) > 0 {
			lo = b[0].Lo
		}
		if b[0].Hi.Compare(hi) < 0 {
			hi = b[0].Hi
		}
		if lo.Compare(hi) <= 0 {
			out = append(out, rules.Range{Lo: lo, Hi: hi})
		}
		if a[0].Hi.Compare(b[0].Hi) < 0 {
			a = a[1:]
		} else {
			b = b[1:]
		}
	}
	return out
}

// isWithin says that a list is one range, which is part of one of another list.
func isWithin(one, of []rules.Range) bool {
	if len(one) != 1 {
		return false
	}
	for _, r := range of[:min(len(of), shortList)] {
		if r.Lo.Compare(one[0].Lo) <= 0 && r.Hi.Compare(one[0].Hi) >= 0 {
			return true
		}
	}
	return false
}

func inc(v rules.Value) rules.Value {
	v.Lo++
	if v.Lo == 0 {
		v.Hi++
	}
	return v
}

func dec(v rules.Value) rules.Value {
	if v.Lo == 0 {
		v.Hi--
	}
	v.Lo--
	return v
}

func shiftLeft(v rules.Value, n int) rules.Value {
	if n >= 64 {
		return rules.Value{Hi: v.Lo << (n - 64)}
	}
	return rules.Value{Hi: v.Hi<<n | v.Lo>>(64-n), Lo: v.Lo << n}
}

// Intersect is the values in both lists.
func Intersect(a, b []rules.Range) []rules.Range { return intersect(a, b) }

// Subtract is the values up to max that are in a and not in b.
func Subtract(a, b []rules.Range, max rules.Value) []rules.Range {
	return intersect(a, complement(b, max))
}
