package classify

import (
	"slices"
	"testing"

	"xdpfw/rules"
)

// Groups with few cells that split apart only by their number are joined again,
// others are not: those of wide lists of both fields, which would cut the narrow
// ones to pieces.
func TestJoined(t *testing.T) {
	p := &Problem{Fields: []Field{{Name: "from", Bits: 32}, {Name: "to", Bits: 32}}}
	list := func(f int, first, last uint64) int32 {
		p.Fields[f].Lists = append(p.Fields[f].Lists, []rules.Range{{Lo: rules.Value{Lo: first}, Hi: rules.Value{Lo: last}}})
		return int32(len(p.Fields[f].Lists) - 1)
	}
	var some, others, wide, many []int32
	box := func(to *[]int32, lists ...int32) {
		*to = append(*to, int32(len(p.Boxes)))
		p.Boxes = append(p.Boxes, Box{Lists: lists, Leaf: uint32(len(p.Boxes))})
	}
	for i := range uint64(40) {
		box(&some, list(0, 1000*i, 1000*i), Any)
		box(&others, list(0, 1000*i+8, 1000*i+15), Any)
		box(&wide, Any, list(1, 1000*i, 1000*i+500))
	}
	for i := range uint64(4000) {
		box(&many, list(0, 100000+i, 100000+i), list(1, 100000+i, 100000+i))
	}
	var groups []*group
	for _, boxes := range [][]int32{many, some, wide, others} {
		g, err := p.newGroup(boxes, []int{0, 1})
		if err != nil {
			t.Fatal(err)
		}
		groups = append(groups, g)
	}
	var have [][]int32
	for _, g := range p.joined(groups, []int{0, 1}) {
		have = append(have, g.boxes)
	}
	both := slices.Sorted(slices.Values(slices.Concat(some, others)))
	if want := [][]int32{many, both, wide}; !slices.EqualFunc(have, want, slices.Equal) {
		t.Errorf("groups %v, want %v", have, want)
	}
}
