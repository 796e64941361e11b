package rules

import (
	"math/bits"
	"slices"
)

// A coverSearch looks for steps that never match, because one earlier step takes every
// packet that they match. It compares a step with few others: with those that
// have a list, or few values, in which the step's own first value is.
type coverSearch struct {
	rs    *RuleSet
	known known // of the step looked at

	buckets map[uint64]bucket // by a block of values, the zero block for steps that have no such
	entries []coverEntry
	lengths [subjectCount][2]prefixLengths // of the blocks that there are, by family

	returns []int // where the return steps go on that may have been taken, outermost first

	seen   []uint64   // bits, by the last bits of a key: there may be such a bucket; most keys have none
	blocks [2][]block // of the clause looked at, and of the best so far
}

// A bucket is a list of entries, newest first.
type bucket struct{ newest, size int32 }

// A coverEntry is a step that ends trying for all packets that it matches, at
// least as far as the step until.
type coverEntry struct{ step, until, older int32 }

const (
	coverBucket = 32        // entries of a bucket that are looked at
	coverWork   = 5_000_000 // comparisons in a file: half a second
	fewRanges   = 16        // in each family, of a clause that is looked for by its values
)

// findCovered gives for each rule that never matches the rule that takes its
// packets (for its first step, if it has several), for each other rule -1. It
// may miss some, but what it gives is sure. Left is of the work that may go into it.
func (rs *RuleSet) findCovered() (by []int32, left int) {
	const unknown = -2
	by = make([]int32, len(rs.Rules))
	for i := range by {
		by[i] = unknown
	}
	s := &coverSearch{rs: rs, buckets: make(map[uint64]bucket, len(rs.Steps)), known: known{work: coverWork},
		seen: make([]uint64, 1<<bits.Len(uint(len(rs.Steps)/4))), entries: make([]coverEntry, 0, len(rs.Steps))}
	for i := range rs.Steps {
		first := &by[rs.Steps[i].Rule]
		switch cover := s.next(i); {
		case cover < 0:
			*first = -1
		case *first == unknown:
			*first = int32(rs.Steps[cover].Rule)
		}
	}
	for i := range by {
		by[i] = max(by[i], -1) // a chain that nothing jumps to has rules without steps
	}
	return by, s.known.work
}

// next looks at the step behind those looked at so far, and gives the one that
// covers it, or -1.
func (s *coverSearch) next(i int) int {
	for n := len(s.returns); n > 0 && s.returns[n-1] <= i; n-- {
		s.returns = s.returns[:n-1]
	}
	step := &s.rs.Steps[i]
	if s.known.work <= 0 {
		return -1
	}
	s.known.read(step.Clauses)
	if s.known.never || s.known.states == 0 { // as under a jump that excludes it
		return -1
	}
	cover := s.find(i)
	verdict := s.rs.Rules[step.Rule].Verdict
	if verdict == Count {
		return cover
	}
	if cover < 0 { // what it covers is else covered by the same
		s.add(i)
	}
	if verdict == Return {
		s.returns = append(s.returns, step.Next)
	}
	return cover
}

// until is the first step behind i that a packet may come to which has not been
// tried by step i.
func (s *coverSearch) until(i int) int {
	until := len(s.rs.Steps)
	if n := len(s.returns); n > 0 {
		until = s.returns[n-1]
	}
	if step := &s.rs.Steps[i]; s.rs.Rules[step.Rule].Verdict == Return {
		until = min(until, step.Next)
	}
	return until
}

// find is the step that covers step i, of which s knows all that there is to
// know, or -1.
func (s *coverSearch) find(i int) int {
	if cover := s.findIn(block{}.key(), i); cover >= 0 {
		return cover
	}
	for n := range s.known.facts {
		f := &s.known.facts[n]
		if f.subject.IsProperty() {
			continue
		}
		family, value, ok := s.firstValue(f)
		if !ok {
			continue
		}
		lengths := s.lengths[f.subject][family]
		for length := lengths.next(0); length >= 0; length = lengths.next(length + 1) {
			if cover := s.findIn(newBlock(f.subject, f.clause.Bytes, family, value, length).key(), i); cover >= 0 {
				return cover
			}
		}
	}
	return -1
}

// firstValue is the lowest value that a fact leaves, in a family that packets
// can be of. A step that covers has it, too.
func (s *coverSearch) firstValue(f *fact) (family, Value, bool) {
	for _, family := range [...]family{ip4Family, ip6Family} {
		if s.known.states&family.states() != 0 {
			if v, ok := f.accepted[family].first(); ok {
				return indexFamily(f.subject, family), v, true
			}
		}
	}
	return 0, Value{}, false
}

// first is some value that is accepted.
func (a *accepted) first() (v Value, ok bool) {
	switch {
	case a.none() || a.not && len(a.masks) > 0:
		return v, false
	case a.not && (len(a.ranges) == 0 || a.ranges[0].Lo != a.domain[0].Lo):
		return a.domain[0].Lo, true
	case a.not:
		v, ok = a.ranges[0].Hi.next()
		return v, ok && v.Compare(a.domain[0].Hi) <= 0
	case len(a.ranges) > 0:
		return a.ranges[0].Lo, true
	}
	return a.masks[0].Value, true
}

// indexFamily: numbers are the same in both families.
func indexFamily(s Subject, f family) family {
	if s.kind() == addressKind {
		return f
	}
	return ip4Family
}

// findIn looks among the steps of a bucket.
func (s *coverSearch) findIn(key uint64, i int) int {
	if word, bit := s.seenAt(key); s.seen[word]&bit == 0 {
		return -1
	}
	b, is := s.buckets[key]
	if !is {
		return -1
	}
	at := b.newest
	for range min(b.size, coverBucket) {
		entry := &s.entries[at]
		if int(entry.until) > i && s.covers(&s.rs.Steps[entry.step]) {
			return int(entry.step)
		}
		at = entry.older
	}
	return -1
}

func (s *coverSearch) seenAt(key uint64) (word int, bit uint64) {
	return int(key>>6) & (len(s.seen) - 1), 1 << (key & 63)
}

// covers says whether a step surely matches all packets of which s knows.
func (s *coverSearch) covers(step *Step) bool {
	s.known.work--
	for i := range step.Clauses {
		if !s.known.implies(&step.Clauses[i]) {
			return false
		}
	}
	return true
}

// add step i to those that may cover others: under each of the values of one
// of its clauses, the one with the shortest lists so far.
func (s *coverSearch) add(i int) {
	step := &s.rs.Steps[i]
	best, fewest := []block{{}}, int32(-1)
	for c := range step.Clauses {
		blocks := s.blocksOf(&step.Clauses[c], s.blocks[0][:0])
		if s.blocks[0] = blocks; len(blocks) == 0 {
			continue
		}
		most := int32(0)
		for _, b := range blocks {
			most = max(most, s.buckets[b.key()].size)
		}
		if fewest < 0 || most < fewest {
			best, fewest = blocks, most
			s.blocks[0], s.blocks[1] = s.blocks[1], s.blocks[0]
		}
	}
	until := int32(s.until(i))
	for _, b := range best {
		if b.subject != noSubject {
			s.lengths[b.subject][b.family].add(b.length)
		}
		key := b.key()
		bucket, is := s.buckets[key]
		if !is {
			bucket.newest = -1
		}
		s.entries = append(s.entries, coverEntry{int32(i), until, bucket.newest})
		bucket.newest, bucket.size = int32(len(s.entries)-1), bucket.size+1
		s.buckets[key] = bucket
		word, bit := s.seenAt(key)
		s.seen[word] |= bit
	}
}

// A block is all values of a field that agree in their first bits, of 128. The
// zero block is for steps without values to look for.
type block struct {
	subject Subject
	bytes   Bytes
	family  family
	length  int
	value   Value
}

func newBlock(s Subject, bytes Bytes, f family, v Value, length int) block {
	host := hostBits(length)
	return block{s, bytes, f, length, Value{v.Hi &^ host.Hi, v.Lo &^ host.Lo}}
}

// key is a hash. Different blocks with one key cost time only.
func (b block) key() uint64 {
	key := uint64(b.subject)<<16 | uint64(b.family)<<8 | uint64(b.length)
	for _, word := range [...]uint64{b.value.Hi, b.value.Lo, uint64(b.bytes.Base)<<32 | uint64(b.bytes.Offset)<<8 | uint64(b.bytes.Length)} {
		high, low := bits.Mul64(key^word^0x9e3779b97f4a7c15, 0xd6e8feb86659fd93)
		key = high ^ low
	}
	return key
}

// blocksOf appends to none the smallest around each range of a clause; it
// appends none if there are many ranges, or all values are in one.
func (s *coverSearch) blocksOf(c *Clause, none []block) (all []block) {
	if c.Subject.IsProperty() || c.Not || len(c.Set.Mask4)+len(c.Set.Mask6) > 0 || c.Set.size() > 2*fewRanges {
		return none
	}
	subject := c.Subject
	if same := sameField[subject]; same != noSubject {
		subject = same
	}
	all = none
	for _, f := range [...]family{ip4Family, ip6Family} {
		a := c.accepted(f)
		if a.isWhole() {
			return none
		}
		for _, r := range a.ranges {
			b := newBlock(subject, c.Bytes, indexFamily(subject, f), r.Lo, commonLength(r))
			if !slices.Contains(all, b) {
				all = append(all, b)
			}
		}
	}
	return all
}

// commonLength is how many of the first bits all values of a range have in common.
func commonLength(r Range) int {
	if different := r.Lo.Hi ^ r.Hi.Hi; different != 0 {
		return bits.LeadingZeros64(different)
	}
	return 64 + bits.LeadingZeros64(r.Lo.Lo^r.Hi.Lo)
}

// prefixLengths are a set of numbers from 0 to 128.
type prefixLengths [3]uint64

func (p *prefixLengths) add(length int) { p[length/64] |= 1 << (length % 64) }

// next is the first number in the set from a number on, or -1.
func (p *prefixLengths) next(from int) int {
	for word := from / 64; word < len(p); word++ {
		if rest := p[word] >> (from % 64); rest != 0 {
			return from + bits.TrailingZeros64(rest)
		}
		from = (word + 1) * 64
	}
	return -1
}
