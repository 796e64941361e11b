package workload

import (
	"iter"

	"xdpfw/rules"
)

// Witnesses are at most most different frames that show whether a program does
// what the rules say: of each rule one that it matches, then for every field
// that it asks for one at each boundary: in front of a range, its first value,
// its last one, and behind it. With more rules than leave room for that, the
// rules are those at even distances, the last one among them. The frames arrive
// on an interface that rules call arrives; "" is one that they do not name.
func Witnesses(rs *rules.RuleSet, arrives string, most int, seed uint64) iter.Seq[[]byte] {
	return func(yield func([]byte) bool) {
		w := witnesses{maker: newMaker(rs, seed), left: most, seen: map[string]bool{}, yield: yield}
		w.arrives = arrives
		w.make()
	}
}

type witnesses struct {
	*maker
	left  int
	seen  map[string]bool
	yield func([]byte) bool
}

func (w *witnesses) make() {
	steps := w.chosen()
	for _, step := range steps {
		if !w.add(w.within(step)) {
			return
		}
	}
	for _, n := range []network{ip4, ip6} { // what no rule asks for
		if !w.add(w.frame(&plan{network: n}, inside)) {
			return
		}
	}
	for _, step := range steps {
		if !w.atBoundaries(step) {
			return
		}
	}
}

// chosen are the steps that get witnesses: no more than leave room for some
// boundaries of each.
func (w *witnesses) chosen() []int {
	n := len(w.rs.Steps)
	steps := make([]int, min(n, max(1, w.left/4)))
	for i := range steps {
		steps[i] = (i+1)*n/len(steps) - 1
	}
	return steps
}

// add says whether more are wanted.
func (w *witnesses) add(frame []byte) bool {
	if frame == nil || w.seen[string(frame)] {
		return true
	}
	if w.left == 0 {
		return false
	}
	w.seen[string(frame)] = true
	w.left--
	return w.yield(frame)
}

// atBoundaries adds a packet for each boundary of each field of a step, of a
// field with several ranges at those of one of them; and says as add does.
func (w *witnesses) atBoundaries(step int) bool {
	p := w.plan(step)
	for i := range p.wants {
		place := p.wants[i].place
		for _, set := range p.wants[i].sets {
			if len(set.ranges) == 0 {
				continue
			}
			for _, value := range edgesOf(set.ranges[w.IntN(len(set.ranges))], place, p.network) {
				w.pinned = pin{i, value}
				if !w.add(w.frame(&p, atPinned)) {
					return false
				}
			}
		}
	}
	return true
}
