package reach

// A quietness tells of the coordinates in a span of a dimension the one that
// fewest items name: where a point is most likely to be left over.
type quietness struct {
	named []uint32 // by coordinate: how many items
	least []uint32 // a tree of the coordinates that fewest name: leaves behind inner nodes
}

// newQuietness of each dimension, by the items.
func newQuietness(r *room) []quietness {
	all := make([]quietness, len(r.dims))
	for dim := range all {
		all[dim].named = make([]uint32, r.size(int32(dim))+1)
	}
	type use struct {
		dim   int32
		first *span
	}
	lists := map[use]uint32{} // each is gone through once, however many items have it
	add := func(dim int32, s span, times uint32) {
		all[dim].named[s.lo] += times // of the difference to the coordinate before
		all[dim].named[s.hi+1] -= times
	}
	for _, c := range r.cells {
		if c.list >= 0 {
			lists[use{c.dim, &r.lists[c.list][0]}]++
		} else {
			add(c.dim, span{c.lo, c.hi}, 1)
		}
	}
	done := map[use]bool{}
	for _, c := range r.cells {
		if c.list < 0 {
			continue
		}
		list := r.lists[c.list]
		u := use{c.dim, &list[0]}
		if done[u] {
			continue
		}
		done[u] = true
		for _, s := range list {
			add(c.dim, s, lists[u])
		}
	}
	for dim := range all {
		all[dim].build()
	}
	return all
}

func (q *quietness) build() {
	n := len(q.named) - 1
	for i := 1; i <= n; i++ {
		q.named[i] += q.named[i-1]
	}
	q.named = q.named[:n]
	q.least = make([]uint32, 2*n)
	for i := range n {
		q.least[n+i] = uint32(i)
	}
	for i := n - 1; i > 0; i-- {
		q.least[i] = q.quieter(q.least[2*i], q.least[2*i+1])
	}
}

func (q *quietness) quieter(a, b uint32) uint32 {
	if q.named[b] < q.named[a] || q.named[b] == q.named[a] && b < a {
		return b
	}
	return a
}

// in is the coordinate of a span that fewest items name.
func (q *quietness) in(s span) uint32 {
	n := len(q.named)
	best := s.lo
	for lo, hi := int(s.lo)+n, int(s.hi)+n+1; lo < hi; lo, hi = lo/2, hi/2 {
		if lo&1 == 1 {
			best = q.quieter(best, q.least[lo])
			lo++
		}
		if hi&1 == 1 {
			hi--
			best = q.quieter(best, q.least[hi])
		}
	}
	return best
}
