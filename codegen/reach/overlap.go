package reach

import (
	"slices"

	"xdpfw/rules"
)

// An overlap is fields that share bits, seen as one number of all their bits.
type overlap struct {
	bits   int
	tables map[int32][]uint64 // by field: its value in each of the numbers; made when needed
	fields []field
	places []int // of the bits, the most significant first
	known  map[asked][]rules.Range
}

// An asked is a question that was answered: by its list, or its only range.
type asked struct {
	field int32
	list  listKey
	only  rules.Range
}

const (
	overlapBits = 16       // of an overlap at most: every value is looked at for each question
	combineWork = 64 << 20 // values that are looked at
)

// newOverlap of some of the fields; nil if they have too many bits.
func newOverlap(fields []field, group []int32) *overlap {
	var places []int
	for _, f := range group {
		bits := fields[f].bits()
		if bits[len(bits)-1]-bits[0] >= 64 {
			return nil
		}
		for _, p := range bits {
			if !slices.Contains(places, p) {
				places = append(places, p)
			}
		}
		if len(places) > overlapBits {
			return nil
		}
	}
	slices.Sort(places)
	return &overlap{len(places), map[int32][]uint64{}, fields, places, map[asked][]rules.Range{}}
}

func (o *overlap) values() int { return 1 << o.bits }

// table is the values of a field, by number.
func (o *overlap) table(f int32) []uint64 {
	if t := o.tables[f]; t != nil {
		return t
	}
	// Of each bit of the field: where it stands in the number and, from the
	// right, in the field's value, which has zeros where the mask has.
	bits := o.fields[f].bits()
	last := bits[len(bits)-1]
	t := make([]uint64, o.values())
	for _, p := range bits {
		at := o.bits - 1 - slices.Index(o.places, p)
		for n := range t {
			t[n] |= uint64(n>>at&1) << (last - p)
		}
	}
	o.tables[f] = t
	return t
}

// ranges of the number in which the field's value is in one of those given.
func (o *overlap) ranges(f int32, of []rules.Range, left *int) []rules.Range {
	key := asked{field: f}
	if len(of) == 1 {
		key.only = of[0]
	} else if len(of) > 0 {
		key.list = listKey{0, &of[0], len(of)}
	}
	if out, is := o.known[key]; is {
		return out
	}
	*left -= o.values()
	if *left < 0 {
		return nil
	}
	var out []rules.Range
	for n, v := range o.table(f) {
		if !rules.Contains(of, rules.Value{Lo: uint64(v)}) {
			continue
		}
		number := rules.Value{Lo: uint64(n)}
		if last := len(out) - 1; last >= 0 && out[last].Hi.Lo+1 == uint64(n) {
			out[last].Hi = number
		} else {
			out = append(out, rules.Range{Lo: number, Hi: number})
		}
	}
	o.known[key] = out
	return out
}
