package classify

import (
	"math/bits"
	"slices"

	"xdpfw/rules"
)

// records are what some number says to each group, side by side in words of 64
// bits. Most often one word is enough, and is the number itself. Otherwise the
// number counts the different records, and a product finds each word.
type records struct {
	number int
	words  [][]uint64 // by word, then by record

	cuts []*Cut // by group: where its bits are; Number is the word until placed
}

// newRecords lays out records that have so many values for each group.
func newRecords(values []int, cuts []*Cut) *records {
	r := &records{cuts: cuts, words: [][]uint64{nil}}
	taken := 0
	for i, n := range values {
		size := bits.Len(uint(n - 1))
		if taken+size > 64 {
			r.words = append(r.words, nil)
			taken = 0
		}
		*cuts[i] = Cut{len(r.words) - 1, taken, size}
		taken += size
	}
	return r
}

// add a record.
func (r *records) add(value func(group int) uint32) {
	at := len(r.words[0])
	for w := range r.words {
		r.words[w] = append(r.words[w], 0)
	}
	for i, c := range r.cuts {
		if c.Bits > 0 {
			r.words[c.Number][at] |= uint64(value(i)) << c.Shift
		}
	}
}

// merge puts the classes of several partitions of one field side by side: the
// payloads of the field's intervals.
func (r *records) merge(parts []*partition) (starts []rules.Value, payload []uint64) {
	at := make([]int, len(parts))
	for _, start := range allStarts(parts) {
		for i, p := range parts {
			for p != nil && at[i]+1 < len(p.starts) && p.starts[at[i]+1].Compare(start) <= 0 {
				at[i]++
			}
		}
		r.add(func(i int) uint32 { return parts[i].class[at[i]] })
		if r.repeats() {
			for w := range r.words {
				r.words[w] = r.words[w][:len(r.words[w])-1]
			}
			continue
		}
		starts = append(starts, start)
	}
	if len(r.words) == 1 {
		return starts, r.words[0]
	}
	return starts, r.distinct()
}

// repeats says that the last two records are equal.
func (r *records) repeats() bool {
	for _, word := range r.words {
		if n := len(word); n < 2 || word[n-1] != word[n-2] {
			return false
		}
	}
	return true
}

// distinct leaves each record once, and gives the numbers of all.
func (r *records) distinct() (numbers []uint64) {
	all := r.words
	r.words = make([][]uint64, len(all))
	index := map[uint64][]uint64{}
	one := make([]uint64, len(all))
	for i := range all[0] {
		for w := range all {
			one[w] = all[w][i]
		}
		hash := hashOf(one)
		same := func(n uint64) bool {
			for w := range one {
				if r.words[w][n] != one[w] {
					return false
				}
			}
			return true
		}
		at := slices.IndexFunc(index[hash], same)
		if at < 0 {
			at = len(index[hash])
			index[hash] = append(index[hash], uint64(len(r.words[0])))
			for w := range one {
				r.words[w] = append(r.words[w], one[w])
			}
		}
		numbers = append(numbers, index[hash][at])
	}
	return numbers
}

// allStarts are the starts of all partitions, ascending.
func allStarts(parts []*partition) []rules.Value {
	var all []rules.Value
	lists := 0
	for _, p := range parts {
		if p != nil {
			all = append(all, p.starts...)
			lists++
		}
	}
	if lists > 1 {
		slices.SortFunc(all, rules.Value.Compare)
		all = slices.Compact(all)
	}
	return all
}

// place tells the cuts which number they cut.
func (r *records) place(p *Plan) {
	first := r.number
	if len(r.words) > 1 {
		first = len(p.Inputs) + len(p.Products)
		for _, word := range r.words {
			p.Products = append(p.Products, Product{Left: r.number, Right: Nothing, Columns: 1, Table: word})
		}
	}
	for _, c := range r.cuts {
		c.Number += first
	}
}
