package classify

import (
	"cmp"
	"slices"

	"xdpfw/rules"
)

// A partition cuts the values of a field into intervals, and sorts these into
// classes: two values are of one class if the same lists hold both.
type partition struct {
	starts  []rules.Value // of the intervals; the first is zero
	class   []uint32      // of each interval
	members [][]int32     // of each class: the lists that hold it, ascending
	kept    int           // members of all classes
}

// How many memberships of lists in classes are kept, and looked at, before a
// partition is given up: many ranges that all overlap have no small one.
const (
	maxMembers = 12_000_000
	maxLooked  = 100_000_000
)

// newPartition of a field by some of its lists, given ascending.
func newPartition(f *Field, lists []int32) (*partition, error) {
	p := &partition{}
	index := map[uint64][]uint32{} // classes by hash of their members
	looked := 0
	var active []int32
	err := sweep(f, lists, func(at rules.Value, changed []int32) error {
		for _, l := range changed {
			if i, there := slices.BinarySearch(active, l); there {
				active = slices.Delete(active, i, i+1)
			} else {
				active = slices.Insert(active, i, l)
			}
		}
		class := p.classOf(active, index)
		if looked += len(active) + 1; looked > maxLooked || p.kept > maxMembers {
			return ErrTooLarge
		}
		if n := len(p.class); n == 0 || p.class[n-1] != class {
			p.starts = append(p.starts, at)
			p.class = append(p.class, class)
		}
		return nil
	})
	return p, err
}

// partitionFor some boxes cuts a field by the lists that they ask for; nil if
// they ask for none.
func (p *Problem) partitionFor(boxes []int32, f int) (*partition, error) {
	lists := p.listsOf(boxes, f)
	if len(lists) == 0 {
		return nil, nil
	}
	return newPartition(&p.Fields[f], lists)
}

func (p *partition) classOf(active []int32, index map[uint64][]uint32) uint32 {
	hash := hashOf(active)
	for _, c := range index[hash] {
		if slices.Equal(p.members[c], active) {
			return c
		}
	}
	c := uint32(len(p.members))
	p.members = append(p.members, slices.Clone(active))
	p.kept += len(active)
	index[hash] = append(index[hash], c)
	return c
}

// hashOf some numbers (FNV-1a, a number at a time).
func hashOf[T ~int32 | ~uint32 | ~uint64](numbers []T) uint64 {
	hash := uint64(14695981039346656037)
	for _, n := range numbers {
		hash = (hash ^ uint64(n)) * 1099511628211
		hash ^= hash >> 29
	}
	return hash
}

// classes of each list: the inverse of members, by list.
func (p *partition) classes(lists int) [][]uint32 {
	out := make([][]uint32, lists)
	for c, members := range p.members {
		for _, l := range members {
			out[l] = append(out[l], uint32(c))
		}
	}
	return out
}

// An edge is where a list begins or ends to hold the values.
type edge struct {
	at   rules.Value
	list int32
}

// sweep calls step for zero, and for each greater value at which some lists
// begin or cease to hold, with these lists.
func sweep(f *Field, lists []int32, step func(at rules.Value, changed []int32) error) error {
	edges := edgesOf(f, lists)
	var changed []int32
	at := rules.Value{}
	for len(edges) > 0 {
		if edges[0].at != at {
			if err := step(at, changed); err != nil {
				return err
			}
			at, changed = edges[0].at, changed[:0]
		}
		changed = append(changed, edges[0].list)
		edges = edges[1:]
	}
	return step(at, changed)
}

func edgesOf(f *Field, lists []int32) []edge {
	n := 0
	for _, l := range lists {
		n += 2 * len(f.Lists[l])
	}
	edges := make([]edge, 0, n)
	top := greatest(f.Bits)
	for _, l := range lists {
		for _, r := range f.Lists[l] {
			edges = append(edges, edge{r.Lo, l})
			if r.Hi != top {
				edges = append(edges, edge{next(r.Hi), l})
			}
		}
	}
	if len(lists) > 1 { // one list is sorted
		slices.SortFunc(edges, func(a, b edge) int {
			if c := a.at.Compare(b.at); c != 0 {
				return c
			}
			return cmp.Compare(a.list, b.list)
		})
	}
	return edges
}

// greatest is the greatest number of so many bits.
func greatest(bits int) rules.Value {
	if bits > 64 {
		return rules.Value{Hi: ^uint64(0) >> (128 - bits), Lo: ^uint64(0)}
	}
	return rules.Value{Lo: ^uint64(0) >> (64 - bits)}
}

func next(v rules.Value) rules.Value {
	v.Lo++
	if v.Lo == 0 {
		v.Hi++
	}
	return v
}
