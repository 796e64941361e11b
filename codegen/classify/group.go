package classify

import (
	"cmp"
	"slices"
)

// A group is boxes that share tables. The two main fields, by which most boxes
// differ, give a cell: what is left of the boxes when their numbers are known.
// The class of all other fields, the rest, then picks a leaf of the cell.
type group struct {
	boxes []int32
	parts [2]*partition // of the main fields, by the lists of these boxes; nil where none asks
	tried bool          // cells are lists of boxes to try: see trial.go
	work  int           // cells that the boxes lie in, counted for each main projection
}

// classes of a main field that the group tells apart.
func (g *group) classes(side int) int {
	if g.parts[side] == nil {
		return 1
	}
	return len(g.parts[side].members)
}

// newGroup partitions the main fields for some boxes and counts the work of
// its cells.
func (p *Problem) newGroup(boxes []int32, mains []int) (*group, error) {
	g := &group{boxes: boxes}
	var counts [2][]int
	for side, f := range mains {
		part, err := p.partitionFor(boxes, f)
		if err == nil && part == nil {
			continue
		}
		if err != nil {
			return nil, err
		}
		g.parts[side] = part
		counts[side] = make([]int, len(p.Fields[f].Lists))
		for _, members := range part.members {
			for _, l := range members {
				counts[side][l]++
			}
		}
	}
	seen := map[[2]int32]bool{}
	for _, b := range boxes {
		pair := p.mainLists(b, mains)
		if seen[pair] {
			continue
		}
		seen[pair] = true
		n := 1
		for side, list := range pair {
			if list == Any {
				n *= g.classes(side)
			} else {
				n *= counts[side][list]
			}
		}
		g.work += n
	}
	return g, nil
}

// listsOf are the lists of a field that some boxes ask for, ascending.
func (p *Problem) listsOf(boxes []int32, f int) []int32 {
	used := make([]bool, len(p.Fields[f].Lists))
	for _, b := range boxes {
		if l := p.Boxes[b].Lists[f]; l != Any {
			used[l] = true
		}
	}
	var out []int32
	for l, is := range used {
		if is {
			out = append(out, int32(l))
		}
	}
	return out
}

// mainLists are the lists of a box in the main fields; Any where there are
// fewer than two.
func (p *Problem) mainLists(box int32, mains []int) [2]int32 {
	out := [2]int32{Any, Any}
	for side, f := range mains {
		out[side] = p.Boxes[box].Lists[f]
	}
	return out
}

// A cellEntry says that boxes of a main projection lie in a cell.
type cellEntry struct {
	key        uint64 // class of the first main field × classes of the second + its class
	projection int32
}

// cells lists the cells that boxes lie in, sorted by key, then by projection;
// boxes are those of each projection, in order.
func (p *Problem) cells(g *group, mains []int) (entries []cellEntry, boxes [][]int32) {
	index := map[[2]int32]int32{}
	var pairs [][2]int32
	for _, b := range g.boxes {
		pair := p.mainLists(b, mains)
		id, ok := index[pair]
		if !ok {
			id = int32(len(pairs))
			index[pair] = id
			pairs = append(pairs, pair)
			boxes = append(boxes, nil)
		}
		boxes[id] = append(boxes[id], b)
	}
	var classes [2][][]uint32
	for side, f := range mains {
		if g.parts[side] != nil {
			classes[side] = g.parts[side].classes(len(p.Fields[f].Lists))
		}
	}
	entries = make([]cellEntry, 0, g.work)
	columns := uint64(g.classes(1))
	for id, pair := range pairs {
		for _, row := range g.classesOf(classes, 0, pair[0]) {
			for _, column := range g.classesOf(classes, 1, pair[1]) {
				entries = append(entries, cellEntry{uint64(row)*columns + uint64(column), int32(id)})
			}
		}
	}
	slices.SortFunc(entries, func(a, b cellEntry) int {
		if a.key != b.key {
			return cmp.Compare(a.key, b.key)
		}
		return cmp.Compare(a.projection, b.projection)
	})
	return entries, boxes
}

func (g *group) classesOf(classes [2][][]uint32, side int, list int32) []uint32 {
	if list != Any {
		return classes[side][list]
	}
	all := make([]uint32, g.classes(side))
	for i := range all {
		all[i] = uint32(i)
	}
	return all
}
