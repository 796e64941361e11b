package codegen

import (
	"errors"
	"math/bits"
	"slices"

	"xdpfw/codegen/classify"
	"xdpfw/codegen/ir"
	"xdpfw/rules"
)

// A field is a number that tables look up: what an atom is loaded as, or
// whether a test holds.
type field struct {
	atom ir.Atom
	term ir.Term  // some term that reads it, by which operand knows how
	test *ir.Test // the test, in which atom is only the first
}

// errNoTables says that the rules of a kind ask for what tables do not do.
var errNoTables = errors.New("the rules ask for what tables cannot do")

// A problem is what the rules of a kind ask of classify.
type problem struct {
	classify.Problem
	fields []field
	last   int // index of the step that decides packets in no box; -1: the default does

	lists  []listIndex // by field
	counts []int       // indexes of the steps that count and decide nothing
	index  map[fieldKey]int
}

// A fieldKey names a field: an atom may be read in two ways, as a port and as
// bytes of any protocol.
type fieldKey struct {
	value value
	atom  ir.Atom
}

// A listIndex finds the lists of ranges that a field has already.
type listIndex struct {
	byIdentity map[tableKey]int32
	byContent  map[uint64][]int32
}

// newProblem makes boxes of the steps of a kind. Steps behind one that always
// decides are not reached, and that one decides what is in no box.
func (f *family) newProblem() (*problem, error) {
	p := &problem{last: -1, index: map[fieldKey]int{}}
	var skips []skip
	for i := range f.kind.left.Steps {
		step := &f.kind.left.Steps[i]
		skips = slices.DeleteFunc(skips, func(s skip) bool { return s.until <= i })
		if step.Always() && step.Verdict.Decides() && len(skips) == 0 {
			p.last = i
			break
		}
		areas := f.areasOf(p, step)
		if !step.Verdict.Decides() {
			if len(p.counts) == maxCounts {
				return nil, errNoTables
			}
			p.counts = append(p.counts, i)
			if step.Next > i+1 {
				for _, s := range skips { // what comes here is not skipped by those
					if s.until < step.Next {
						areas = p.without(areas, s.areas)
					}
				}
				skips = append(skips, skip{step.Next, areas})
			}
			continue
		}
		for _, s := range skips {
			areas = p.without(areas, s.areas)
		}
		for _, a := range areas {
			p.addBox(a, uint32(i))
		}
		if len(p.Boxes) > maxBoxes {
			return nil, errNoTables
		}
	}
	for i := range p.Boxes { // of before the last fields were found
		for len(p.Boxes[i].Lists) < len(p.Fields) {
			p.Boxes[i].Lists = append(p.Boxes[i].Lists, classify.Any)
		}
	}
	return p, nil
}

// maxBoxes bounds what returns make of the rules behind them.
const maxBoxes = 2_000_000

// A skip is a step by which packets in some areas go on at another step.
type skip struct {
	until int
	areas []area
}

// An area is the packets of which the numbers of some fields lie in some
// ranges: by field, nil for any number; fields behind its end are not asked for.
type area [][]rules.Range

// areasOf are the areas of a step's terms.
func (f *family) areasOf(p *problem, step *ir.Step) []area {
	var out []area
	for _, term := range step.Terms {
		if a, ok := f.areaOf(p, term); ok {
			out = append(out, a)
		}
	}
	return out
}

// areaOf a term; false if no packet is in it.
func (f *family) areaOf(p *problem, term ir.Term) (area, bool) {
	var out area
	f.term = term
	for _, test := range term {
		if f.implied(test, term) {
			continue
		}
		at, ranges := f.fieldOfTest(p, test, term)
		for len(out) <= at {
			out = append(out, nil)
		}
		if out[at] != nil { // by another part of the same number
			ranges = ir.Intersect(out[at], ranges)
		}
		if len(ranges) == 0 {
			return nil, false
		}
		out[at] = ranges
	}
	return out, true
}

// without is the areas less those of others, as areas that do not overlap.
func (p *problem) without(areas, others []area) []area {
	for _, other := range others {
		var left []area
		for _, a := range areas {
			left = append(left, p.subtract(a, other)...)
		}
		areas = left
	}
	return areas
}

// subtract cuts off an area, for each field that other asks for, what lies
// outside of other there, and leaves out the rest.
func (p *problem) subtract(a, other area) []area {
	var out []area
	a = slices.Clone(a)
	for f, ranges := range other {
		if ranges == nil {
			continue
		}
		for len(a) <= f {
			a = append(a, nil)
		}
		have := a[f]
		if have == nil {
			have = []rules.Range{{Hi: p.Fields[f].Greatest()}}
		}
		if outside := ir.Subtract(have, ranges, p.Fields[f].Greatest()); len(outside) > 0 {
			piece := slices.Clone(a)
			piece[f] = outside
			out = append(out, piece)
		}
		if a[f] = ir.Intersect(have, ranges); len(a[f]) == 0 {
			return out
		}
	}
	return out
}

func (p *problem) addBox(a area, leaf uint32) {
	lists := make([]int32, len(p.Fields))
	for f := range lists {
		if lists[f] = classify.Any; f < len(a) && a[f] != nil {
			lists[f] = p.list(f, a[f])
		}
	}
	p.Boxes = append(p.Boxes, classify.Box{Lists: lists, Leaf: leaf})
}

// maxWhole is up to how many bits a number is looked up whole where tests read
// some of its bits, or one set of bits or another.
const (
	maxWhole   = 8
	maxWholeOr = 16
)

// fieldOfTest is the field that a test is about, and the numbers that it wants.
func (f *family) fieldOfTest(p *problem, test ir.Test, term ir.Term) (int, []rules.Range) {
	whole := test.Atom.Bytes()
	if v, ok := f.valueOf(test.Atom, term); ok {
		whole = v
	}
	size := bits.Len64(whole.Max().Lo)
	partial := test.Atom != whole && test.Atom.Layer != ir.Meta && size <= maxWhole
	switch {
	case partial || len(test.Or) > 0 && size <= maxWholeOr && whole.Size <= 4 && test.Atom.Layer != ir.Meta:
		return f.fieldOf(p, whole, term), matching(test, whole)
	case len(test.Or) > 0:
		return f.fieldOfWhether(p, test, term), []rules.Range{{Lo: rules.Value{Lo: 1}, Hi: rules.Value{Lo: 1}}}
	case test.Atom.Size == 16:
		return f.fieldOf(p, test.Atom, term), test.Ranges
	}
	return f.fieldOf(p, test.Atom, term), biased(test.Ranges, f.operand(test.Atom).bias)
}

// matching are the values of all bytes for which a test of some of their bits
// holds.
func matching(test ir.Test, whole ir.Atom) []rules.Range {
	var out []rules.Range
	holds := func(n uint64) bool {
		for _, t := range alternatives(test) {
			mask, shift := t.Atom.Mask.Lo>>whole.Shift(), t.Atom.Shift()-whole.Shift()
			if rules.Contains(t.Ranges, rules.Value{Lo: n & mask >> shift}) {
				return true
			}
		}
		return false
	}
	for n := uint64(0); n <= whole.Max().Lo; n++ {
		if !holds(n) {
			continue
		}
		if last := len(out) - 1; last >= 0 && out[last].Hi.Lo+1 == n {
			out[last].Hi.Lo = n
		} else {
			out = append(out, rules.Range{Lo: rules.Value{Lo: n}, Hi: rules.Value{Lo: n}})
		}
	}
	return out
}

// fieldOf is the index of the field that an atom of a term is.
func (f *family) fieldOf(p *problem, a ir.Atom, term ir.Term) int {
	key := fieldKey{atom: a}
	if v, ok := f.valueOf(a, term); ok {
		key.value = v
	}
	i, ok := p.index[key]
	if !ok {
		i = p.addField(field{atom: a, term: term}, f.keyBits(a))
		p.index[key] = i
	}
	return i
}

// fieldOfWhether is the index of the field that says whether a test holds.
func (f *family) fieldOfWhether(p *problem, test ir.Test, term ir.Term) int {
	for i, one := range p.fields {
		if one.test != nil && one.test.Equal(test) {
			return i
		}
	}
	return p.addField(field{test.Atom, term, &test}, 1)
}

func (p *problem) addField(one field, size int) int {
	p.Fields = append(p.Fields, classify.Field{Name: one.atom.String(), Bits: size})
	p.fields = append(p.fields, one)
	p.lists = append(p.lists, listIndex{map[tableKey]int32{}, map[uint64][]int32{}})
	return len(p.fields) - 1
}

// keyBits is how many bits the number has that an atom is loaded as. Where a
// word says apart whether the atom is there, that word is a bit above it.
func (f *family) keyBits(a ir.Atom) int {
	if a.Size == 16 {
		return 128
	}
	o := f.operand(a)
	if o.absent != nil {
		return 65
	}
	return bits.Len64(o.top)
}

// biased adds to the ranges what a value is loaded with.
func biased(rs []rules.Range, bias uint64) []rules.Range {
	if bias == 0 {
		return rs
	}
	out := slices.Clone(rs)
	for i := range out {
		out[i].Lo.Lo += bias
		out[i].Hi.Lo += bias
	}
	return out
}

// list is the index of a list of ranges of a field.
func (p *problem) list(at int, ranges []rules.Range) int32 {
	index := &p.lists[at]
	identity := tableKey{first: &ranges[0], n: len(ranges)}
	if l, ok := index.byIdentity[identity]; ok {
		return l
	}
	all := &p.Fields[at].Lists
	hash := uint64(len(ranges))
	for _, r := range ranges {
		hash = (hash ^ r.Lo.Lo ^ r.Lo.Hi<<1) * 1099511628211
		hash = (hash ^ hash>>31 ^ r.Hi.Lo ^ r.Hi.Hi<<1) * 1099511628211
		hash ^= hash >> 29
	}
	for _, l := range index.byContent[hash] {
		if slices.Equal((*all)[l], ranges) {
			index.byIdentity[identity] = l
			return l
		}
	}
	l := int32(len(*all))
	*all = append(*all, ranges)
	index.byIdentity[identity] = l
	index.byContent[hash] = append(index.byContent[hash], l)
	return l
}
