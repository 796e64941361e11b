package classify

import (
	"errors"

	"xdpfw/rules"
)

// A Problem asks for the first box that a key lies in. A key has one number
// for each field.
type Problem struct {
	Fields []Field
	Boxes  []Box // in order of precedence

	widthOf [][]int // of lists, by field; made when first asked for
}

// A Field is one number of a key.
type Field struct {
	Name  string
	Bits  int             // the number is below 2^Bits; at most 128
	Lists [][]rules.Range // the sets of values that boxes ask for, sorted and disjoint ranges; each once
}

// Greatest is the greatest number that the field can have.
func (f *Field) Greatest() rules.Value { return greatest(f.Bits) }

// A Box holds the keys of which every number is in the list that it asks for.
type Box struct {
	Lists []int32 // by field: index in Field.Lists, or Any
	Leaf  uint32  // what is found in it; leaves ascend with the boxes
}

// Any is the list of a field that a box does not ask for.
const Any int32 = -1

// None is the leaf of keys that lie in no box: greater than any other.
const None = ^uint32(0)

// ErrTooLarge says that the tables would take too much memory or time to
// build.
var ErrTooLarge = errors.New("the tables would be too large")

// Find is the meaning of a Problem: the leaf of the first box that the key
// lies in, or None.
func (p *Problem) Find(key []rules.Value) uint32 {
	for i := range p.Boxes {
		if p.holds(&p.Boxes[i], key) {
			return p.Boxes[i].Leaf
		}
	}
	return None
}

func (p *Problem) holds(b *Box, key []rules.Value) bool {
	for f, list := range b.Lists {
		if list != Any && !rules.Contains(p.Fields[f].Lists[list], key[f]) {
			return false
		}
	}
	return true
}
