package classify

import (
	"math/bits"
	"slices"

	"xdpfw/rules"
)

// maxShared is how many prefixes may share their first bits.
const maxShared = 8

// NewPrefixes makes the set of every second interval of values of so many words,
// as NewSearch has them; nil if the payloads do not take turns, or no length
// leaves few enough prefixes to Others.
func NewPrefixes(words int, starts []rules.Value, payload []uint64) *Prefixes {
	if words < 2 || !takeTurns(payload) {
		return nil
	}
	most := len(starts) * 3 / 4 // half as many again as there are ranges
	out, in := 0, 1
	list := widePrefixesOf(32*words, starts, in, most)
	if other := widePrefixesOf(32*words, starts, out, most); list == nil || other != nil && len(other) < len(list) {
		list, out, in = other, in, out
	}
	p := &Prefixes{Words: words}
	shift := p.bestShift(list)
	if shift < 0 {
		return nil
	}
	p.Shift = shift
	p.fill(list)
	p.Values = newNumbers(2, max(payload[0], payload[1]))
	p.Values.Set(0, payload[out])
	p.Values.Set(1, payload[in])
	return p
}

// hashable says that a prefix can be in a slot or shared, where shift bits of the
// upper 64 are not hashed.
func (p *Prefixes) hashable(w widePrefix, shift int) bool {
	behind := 32*p.Words - 64
	upper, _ := p.split(w.start)
	return upper>>62 == 0 && (w.size == 0 || w.size >= behind && w.size <= behind+shift)
}

// groups calls with each of the runs of prefixes that share their first bits, in
// which others are left out.
func (p *Prefixes) groups(list []widePrefix, shift int, group func(key uint64, of []widePrefix), other func(widePrefix)) {
	var run []widePrefix
	last := uint64(0)
	end := func() {
		switch {
		case len(run) > maxShared:
			for _, w := range run {
				other(w)
			}
		case len(run) > 0:
			group(last, run)
		}
		run = run[:0]
	}
	for _, w := range list {
		if !p.hashable(w, shift) {
			other(w)
			continue
		}
		upper, _ := p.split(w.start)
		if key := upper >> shift; key != last {
			end()
			last = key
		}
		run = append(run, w)
	}
	end()
}

// alone says that a group is one prefix that a slot has room for.
func (p *Prefixes) alone(of []widePrefix) bool {
	return len(of) == 1 && of[0].size >= 32*p.Words-64
}

// bestShift is the one by which the fewest prefixes are shared or others; -1 if
// too many are others by each.
func (p *Prefixes) bestShift(list []widePrefix) int {
	var sizes uint64 // of all prefixes, as bits
	for _, w := range list {
		if size := w.size - (32*p.Words - 64); size >= 0 && size < 62 {
			sizes |= 1 << size
		} else if w.size == 0 {
			sizes |= 1
		}
	}
	best, least := -1, 2*len(list)
	for ; sizes != 0; sizes &= sizes - 1 {
		shift := bits.TrailingZeros64(sizes)
		shared, others := 0, 0
		p.groups(list, shift, func(_ uint64, of []widePrefix) {
			if !p.alone(of) {
				shared += len(of)
			}
		}, func(widePrefix) { others++ })
		if slow := shared + 2*others; others <= len(list)/16 && slow < least {
			best, least = shift, slow
		}
	}
	return best
}

// fill the tables.
func (p *Prefixes) fill(list []widePrefix) {
	var keys, slots, shared []uint64
	var others []widePrefix
	behind := 32*p.Words - 64
	entry := func(w widePrefix) (e, rest uint64) {
		upper, rest := p.split(w.start)
		if w.size < behind {
			return upper<<2 | 1, rest
		}
		return upper<<2 | 2<<(w.size-behind), 0
	}
	p.groups(list, p.Shift, func(key uint64, of []widePrefix) {
		keys = append(keys, key)
		if p.alone(of) {
			e, _ := entry(of[0])
			slots = append(slots, e)
			return
		}
		slots = append(slots, uint64(len(shared)/2)<<2|reference)
		p.Most = max(p.Most, len(of))
		for _, w := range of {
			e, rest := entry(w)
			shared = append(shared, e, rest)
		}
	}, func(w widePrefix) { others = append(others, w) })
	p.shared, p.hashed = len(shared)/2, len(list)-len(others)
	p.place(keys, slots)
	for i := range p.Most - 1 { // to read beyond the last
		shared = append(shared, shared[2*i], shared[2*i+1])
	}
	p.Shared = Numbers{8, make([]byte, 8*len(shared))}
	for i, n := range shared {
		p.Shared.Set(i, n)
	}
	if len(others) > 0 {
		p.Others = searchPrefixes(32*p.Words, others)
	}
}

// place finds a slot for each key. Slots that are left hold what another holds: it
// is true of any value.
func (p *Prefixes) place(keys, slots []uint64) {
	load := 0.85
	for try := uint64(1); ; try++ {
		h := &PairHash{Seed: seed(try), BucketBits: max(1, bits.Len(uint(len(keys)/5)))}
		n := max(2, int(float64(len(keys))/load))
		places := h.displace(keys, n)
		if places == nil {
			load *= 0.95
			continue
		}
		p.Seed, p.BucketBits, p.Multipliers = h.Seed, h.BucketBits, h.Multipliers
		p.Slots = Numbers{8, make([]byte, 8*n)}
		for i := range n {
			p.Slots.Set(i, slots[0])
		}
		for i, at := range places {
			p.Slots.Set(int(at), slots[i])
		}
		return
	}
}

// searchPrefixes is the search that finds 1 for values in a list, else 0. Prefixes
// are disjoint; the list need not be sorted, since groups are told apart late.
func searchPrefixes(width int, list []widePrefix) *Search {
	slices.SortFunc(list, func(a, b widePrefix) int { return a.start.Compare(b.start) })
	starts, payload := []rules.Value{{}}, []uint64{0}
	add := func(start rules.Value, in uint64) {
		if last := len(starts) - 1; starts[last] == start {
			payload[last] = in
			return
		}
		starts, payload = append(starts, start), append(payload, in)
	}
	top := onesBelow(width)
	for _, w := range list {
		add(w.start, 1)
		if last := plus(w.start, onesBelow(w.size)); last != top {
			add(plus(last, rules.Value{Lo: 1}), 0)
		}
	}
	return NewSearch(width, starts, payload)
}
