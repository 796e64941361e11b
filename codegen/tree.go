package codegen

import (
	"encoding/binary"
	"slices"

	"xdpfw/codegen/ir"
	"xdpfw/rules"
)

// A treeNode is a place in the decision tree of a kind: what is known of a
// packet there leaves some rules, each with the tests that are open.
//
//	leaf    the first rule left has no open test: it decides
//	cut     the number of a field says which node comes next
//	ask     one test says which of two nodes comes next
//	chain   the rules left are tried one after another
//
// Nodes with the same rules left are one node, so the tree is none, but a
// graph without cycles.
type treeNode struct {
	items []treeItem // what is left

	cuts []treeCut // of a cut: ascending, the last one without bound
	atom ir.Atom   // that is cut

	ask     *ir.Test
	yes, no *treeNode

	time float64 // about what a packet takes from here, in nanoseconds

	at     label // noLabel until some jump needs it
	placed bool
}

// A treeCut is the node for numbers up to a bound, from that of the cut before it on.
type treeCut struct {
	hi   uint32
	node *treeNode
}

// A treeItem is a term with the tests that are still open, as bits.
type treeItem struct {
	term int32 // index in tree.terms
	open uint64
}

// A tree is the nodes of a kind.
type tree struct {
	f     *family
	terms []treeTerm
	nodes map[string]*treeNode
	room  int // how many more compares nodes may take
	root  *treeNode
}

type treeTerm struct {
	step  int // -1: the default
	tests ir.Term
}

// maxTreeTests is how many tests a term may have.
const maxTreeTests = 64

// maxTreeTerms is how many terms of a kind are made a tree of: with more, chains
// and trees cost more than tables, and code grows.
const maxTreeTerms = 256

// fitsTree says that the rules of a kind are few enough for a tree.
func (k *kind) fitsTree() bool {
	n := 0
	for _, s := range k.left.Steps {
		n += len(s.Terms)
	}
	return n <= maxTreeTerms
}

// newTree makes the tree of a kind; nil if some rules count and go on, of which
// nodes know nothing.
func newTree(f *family) *tree {
	steps := f.kind.left.Steps
	t := &tree{f: f, nodes: map[string]*treeNode{}}
	var all []treeItem
	add := func(step int, tests ir.Term) {
		all = append(all, treeItem{int32(len(t.terms)), uint64(1)<<len(tests) - 1})
		t.terms = append(t.terms, treeTerm{step, tests})
	}
	for i := range steps {
		if !steps[i].Verdict.Decides() {
			return nil
		}
		for _, term := range steps[i].Terms {
			if len(term) >= maxTreeTests {
				return nil
			}
			add(i, term)
		}
	}
	add(-1, nil)
	t.room = 64*len(all) + 1024
	t.root = t.node(all)
	return t
}

// node is the node at which some items are left.
func (t *tree) node(items []treeItem) *treeNode {
	for i, it := range items {
		if it.open == 0 { // decides
			items = items[:i+1]
			break
		}
	}
	key := make([]byte, 0, 12*len(items))
	for _, it := range items {
		key = binary.LittleEndian.AppendUint32(key, uint32(it.term))
		key = binary.LittleEndian.AppendUint64(key, it.open)
	}
	if n, ok := t.nodes[string(key)]; ok {
		return n
	}
	n := &treeNode{items: items, time: chainTime(items), at: noLabel}
	t.nodes[string(key)] = n
	if len(items) > 1 {
		t.divide(n)
	}
	return n
}

// divide makes a node a cut or asks a test, whichever is expected to be
// cheaper than the chain; the chain takes room, and so do compares.
func (t *tree) divide(n *treeNode) {
	least, room := n.time, openTests(n.items)
	var best func()
	try := func(parts [][]treeItem, compares int, then func()) {
		if len(parts) < 2 {
			return
		}
		total := 0
		for _, p := range parts {
			total += openTests(p)
		}
		cost := divisionTime(compares)
		for _, p := range parts {
			cost += chainTime(p) / float64(len(parts))
		}
		if total+compares > t.room || total > 4*openTests(n.items)+16 || cost >= least {
			return
		}
		least, room, best = cost, compares, then
	}
	for _, a := range t.atoms(n.items) {
		bounds, parts := t.cut(n.items, a)
		try(parts, len(parts), func() {
			n.atom = a
			n.time = divisionTime(len(parts))
			for i, p := range parts {
				n.cuts = append(n.cuts, treeCut{bounds[i], t.node(p)})
				n.time += n.cuts[i].node.time / float64(len(parts))
			}
		})
	}
	for _, test := range t.questions(n.items) {
		yes, no := t.asked(n.items, test)
		try([][]treeItem{no, yes}, 1, func() {
			n.ask, n.yes, n.no = test, t.node(yes), t.node(no)
			n.time = divisionTime(1) + (n.yes.time+n.no.time)/2
		})
	}
	t.room -= room
	if best != nil {
		best()
	}
}

// cuttable says that the number that a test reads can be compared with bounds.
func (t *tree) cuttable(test *ir.Test) bool {
	return len(test.Or) == 0 && len(test.Ranges) <= maxInline && test.Atom.Size <= 4 && !t.f.isWide(test.Atom)
}

// atoms are those that can be cut, in the order in which items ask for them.
func (t *tree) atoms(items []treeItem) []ir.Atom {
	var out []ir.Atom
	t.eachOpen(items, func(test *ir.Test) {
		if t.cuttable(test) && !slices.Contains(out, test.Atom) {
			out = append(out, test.Atom)
		}
	})
	return out
}

// questions are tests that cannot be cut and that more than one item asks.
func (t *tree) questions(items []treeItem) []*ir.Test {
	var once, out []*ir.Test
	same := func(test *ir.Test) func(*ir.Test) bool { return func(o *ir.Test) bool { return o.Equal(*test) } }
	t.eachOpen(items, func(test *ir.Test) {
		switch {
		case t.cuttable(test) || slices.ContainsFunc(out, same(test)):
		case slices.ContainsFunc(once, same(test)):
			out = append(out, test)
		default:
			once = append(once, test)
		}
	})
	return out
}

func (t *tree) eachOpen(items []treeItem, do func(*ir.Test)) {
	for _, it := range items {
		tests := t.terms[it.term].tests
		for i := range tests {
			if it.open>>i&1 != 0 {
				do(&tests[i])
			}
		}
	}
}

// cut says what is left of items by the number of an atom: for numbers up to
// each of the bounds.
func (t *tree) cut(items []treeItem, a ir.Atom) (bounds []uint32, parts [][]treeItem) {
	o := t.f.operand(a)
	most, bias := o.top, o.bias
	var ends []uint64 // the last number before something changes
	for _, it := range items {
		if test, _ := t.find(it, a); test != nil {
			for _, r := range test.Ranges {
				if lo := r.Lo.Lo + bias; lo > 0 {
					ends = append(ends, lo-1)
				}
				ends = append(ends, r.Hi.Lo+bias)
			}
		}
	}
	slices.Sort(ends)
	n, _ := slices.BinarySearch(ends, most)
	ends = append(slices.Compact(ends[:n]), most)
	for _, end := range ends {
		var left []treeItem
		for _, it := range items {
			test, bit := t.find(it, a)
			if test != nil {
				if end < bias || !rules.Contains(test.Ranges, rules.Value{Lo: end - bias}) {
					continue
				}
				it.open &^= bit
			}
			if left = append(left, it); it.open == 0 {
				break
			}
		}
		if last := len(parts) - 1; last >= 0 && slices.Equal(parts[last], left) {
			bounds[last] = uint32(end)
			continue
		}
		bounds, parts = append(bounds, uint32(end)), append(parts, left)
	}
	return bounds, parts
}

// find the open test of an atom, and its bit.
func (t *tree) find(it treeItem, a ir.Atom) (*ir.Test, uint64) {
	tests := t.terms[it.term].tests
	for i := range tests {
		if bit := uint64(1) << i; it.open&bit != 0 && tests[i].Atom == a && t.cuttable(&tests[i]) {
			return &tests[i], bit
		}
	}
	return nil, 0
}

// asked says what is left of items if a test holds, and if it does not.
func (t *tree) asked(items []treeItem, test *ir.Test) (yes, no []treeItem) {
	for _, it := range items {
		bit := uint64(0)
		for i, other := range t.terms[it.term].tests {
			if it.open>>i&1 != 0 && other.Equal(*test) {
				bit |= 1 << i
			}
		}
		if bit == 0 {
			no = append(no, it)
		}
		it.open &^= bit
		yes = append(yes, it)
	}
	return yes, no
}

func openTests(items []treeItem) int {
	n := 0
	for _, it := range items {
		for open := it.open; open != 0; open &= open - 1 {
			n++
		}
	}
	return n
}
