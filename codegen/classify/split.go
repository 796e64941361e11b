package classify

import (
	"math/bits"
	"slices"

	"xdpfw/rules"
)

// Into how many groups boxes are split to be faster, and at most, to be possible
// at all: each costs every key its look-ups.
const (
	fewGroups = 5
	MaxGroups = 12
)

// splitSample is how many boxes are looked at to find where to split.
const splitSample = 4000

// split the group with the most work in two: boxes whose list of one main field
// is wide, and the others. Wide lists hold many of the classes that narrow ones
// make; apart from these they have few. False if nothing is gained.
func (p *Problem) split(groups []*group, mains []int) ([]*group, bool, error) {
	worst := 0
	for i, g := range groups {
		if g.work > groups[worst].work {
			worst = i
		}
	}
	field, limit, ok := p.bestSplit(groups[worst].boxes, mains)
	if !ok {
		return groups, false, nil
	}
	wide, narrow := p.divide(groups[worst].boxes, field, limit)
	var made [2]*group
	for i, boxes := range [][]int32{narrow, wide} {
		g, err := p.newGroup(boxes, mains)
		if err != nil {
			return groups, false, err
		}
		g.tried = groups[worst].tried
		made[i] = g
	}
	if made[0].work+made[1].work >= groups[worst].work {
		return groups, false, nil
	}
	out := slices.Clone(groups)
	out[worst] = made[0]
	return append(out, made[1]), true, nil
}

// A group of less than smallWork of all cells is joined with another such one
// where that makes few more.
const smallWork = 1.0 / 16

// joined are groups of which those that splitting has left with few cells are
// one again: what was wide in one of them alone may not be wide to the other.
func (p *Problem) joined(groups []*group, mains []int) []*group {
	out := slices.Clone(groups)
	small := int(smallWork * float64(workOf(groups)))
	for i := 0; i < len(out); i++ {
		for j := i + 1; j < len(out); j++ {
			a, b := out[i], out[j]
			if a.work > small || b.work > small {
				continue
			}
			boxes := slices.Concat(a.boxes, b.boxes)
			slices.Sort(boxes)
			if g, err := p.newGroup(boxes, mains); err == nil && g.work <= (a.work+b.work)*2 {
				out[i], out = g, slices.Delete(out, j, j+1)
				j = i
			}
		}
	}
	return out
}

// bestSplit tries widths of the lists of both main fields on a sample.
func (p *Problem) bestSplit(boxes []int32, mains []int) (field, limit int, ok bool) {
	sample := p.sample(boxes)
	whole, err := p.newGroup(sample, mains)
	if err != nil {
		return 0, 0, false
	}
	best := whole.work
	for _, f := range mains {
		for _, w := range p.widths(sample, f) {
			wide, narrow := p.divide(sample, f, w)
			a, err := p.newGroup(wide, mains)
			if err != nil {
				continue
			}
			b, err := p.newGroup(narrow, mains)
			if err != nil {
				continue
			}
			if a.work+b.work < best {
				best, field, limit, ok = a.work+b.work, f, w, true
			}
		}
	}
	return field, limit, ok
}

// sample of some boxes, if they are many.
func (p *Problem) sample(boxes []int32) []int32 {
	if len(boxes) <= splitSample {
		return boxes
	}
	var out []int32
	for i := range splitSample {
		out = append(out, boxes[i*len(boxes)/splitSample])
	}
	return out
}

// widths are the different widths of lists but the greatest; not more than 12.
func (p *Problem) widths(boxes []int32, f int) []int {
	var out []int
	for _, b := range boxes {
		out = append(out, p.width(f, p.Boxes[b].Lists[f]))
	}
	slices.Sort(out)
	out = slices.Compact(out)
	out = out[:len(out)-1]
	const most = 12
	for i := 0; len(out) > most; i++ {
		out = slices.Delete(out, i%len(out), i%len(out)+1)
	}
	return out
}

func (p *Problem) divide(boxes []int32, field, limit int) (wide, narrow []int32) {
	for _, b := range boxes {
		if p.width(field, p.Boxes[b].Lists[field]) > limit {
			wide = append(wide, b)
		} else {
			narrow = append(narrow, b)
		}
	}
	return wide, narrow
}

// width of a list is the bits of the number of its values.
func (p *Problem) width(f int, list int32) int {
	if list == Any {
		return p.Fields[f].Bits + 1
	}
	if p.widthOf == nil {
		p.widthOf = make([][]int, len(p.Fields))
	}
	if p.widthOf[f] == nil {
		p.widthOf[f] = make([]int, len(p.Fields[f].Lists))
		for l, ranges := range p.Fields[f].Lists {
			p.widthOf[f][l] = widthOf(ranges)
		}
	}
	return p.widthOf[f][list]
}

func widthOf(ranges []rules.Range) int {
	var sum rules.Value
	for _, r := range ranges {
		lo, borrow := bits.Sub64(r.Hi.Lo, r.Lo.Lo, 0)
		hi, _ := bits.Sub64(r.Hi.Hi, r.Lo.Hi, borrow)
		lo, carry := bits.Add64(lo, sum.Lo, 0)
		hi, _ = bits.Add64(hi, sum.Hi, carry)
		sum = rules.Value{Hi: hi, Lo: lo}
	}
	if sum.Hi != 0 {
		return 64 + bits.Len64(sum.Hi)
	}
	return bits.Len64(sum.Lo)
}
