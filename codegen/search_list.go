package codegen

import (
	"github.com/cilium/ebpf/asm"

	"xdpfw/codegen/classify"
	"xdpfw/codegen/ir"
	"xdpfw/rules"
)

// maxUnindexed is how many ranges a list may have that a test searches as a whole:
// beyond, the steps of that read more lines than a first level of cache has
// room for, and an index is worth its memory.
const maxUnindexed = 512

// A listKey is a list as one atom is searched for in it.
type listKey struct {
	list tableKey
	bits int
	bias uint64
}

// listSearch is the search of a long list for an atom of the term at hand: its
// payload is 1 in the list, else 0.
func (f *family) listSearch(a ir.Atom, ranges []rules.Range) *classify.Search {
	key := listKey{tableKey{first: &ranges[0], n: len(ranges)}, f.keyBits(a), 0}
	if a.Size < 16 {
		key.bias = f.operand(a).bias
	}
	s, ok := f.tables.lists[key]
	if !ok {
		starts, payload := membership(key.bits, biased(ranges, key.bias))
		s = classify.NewSearch(key.bits, starts, payload)
		f.tables.lists[key] = s
	}
	return s
}

// membership is the intervals of values below 2^bits in and out of a list.
func membership(bits int, ranges []rules.Range) (starts []rules.Value, payload []uint64) {
	starts, payload = make([]rules.Value, 0, 2*len(ranges)+1), make([]uint64, 0, 2*len(ranges)+1)
	add := func(start rules.Value, in uint64) {
		starts, payload = append(starts, start), append(payload, in)
	}
	if ranges[0].Lo != (rules.Value{}) {
		add(rules.Value{}, 0)
	}
	for _, r := range ranges {
		add(r.Lo, 1)
		behind := rules.Value{Hi: r.Hi.Hi, Lo: r.Hi.Lo + 1}
		if behind.Lo == 0 {
			behind.Hi++
		}
		if behind != (rules.Value{}) && (bits > 127 || ir.ShiftRight(behind, bits) == (rules.Value{})) {
			add(behind, 0)
		}
	}
	return starts, payload
}

// unlessListed jumps unless the value of an atom is in a long list.
func (f *family) unlessListed(a ir.Atom, ranges []rules.Range, fail label) {
	one := field{atom: a, term: f.term}
	f.emitSearch(f.tables, f.listSearch(a, ranges), a.String(), func(i int, r asm.Register) []asm.Instruction { return f.keyWord(one, i, r) })
	f.jumpFor(a.String()+" in list", jeq(asm.R0, 0), fail)
}
