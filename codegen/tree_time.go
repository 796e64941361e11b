package codegen

// What chains and trees take on packets that nobody foresees, in nanoseconds,
// fitted to sets of 2 to 128 rules (docs/benchmarks).
const (
	testTime = 0.6 // a load and a compare that is foreseen
	missTime = 6.0 // a branch that is not, as often as it is not
)

// chainTime is about what trying items one after another takes: half of them
// are tried, and where that ends is not foreseen.
func chainTime(items []treeItem) float64 {
	return testTime*float64(openTests(items))/2 + missTime*min(1, float64(len(items)-1))
}

// divisionTime is about what a node takes that compares a number as often.
func divisionTime(compares int) float64 {
	time := missTime + testTime*float64(min(compares, maxLinear))/2
	for n := compares; n > maxLinear; n /= 2 {
		time += missTime / 2
	}
	return time
}

// growTree makes the tree of a family, unless a chain is as good, and says what
// its rules take.
func (f *family) growTree() {
	t := newTree(f)
	if t == nil {
		f.codeTime = f.chainTime()
		return
	}
	f.codeTime = t.root.time + f.listsTime()
	if t.root.cuts != nil || t.root.ask != nil {
		f.tree = t
	}
}

// treeTime prepares strategy tree, and says what it takes.
func (f *family) treeTime() float64 {
	if !f.header { // nothing that depends on the network protocol
		f.growTree()
		return f.codeTime
	}
	f.plains = f.plainKinds()
	if len(f.plains) == 0 {
		return f.chainTime()
	}
	time := 0.0
	if len(f.plains) > 1 {
		time = missTime // which protocol it is
	}
	for _, p := range f.plains {
		one := 0.0
		if _, sure := p.verdict(); p.chain != nil {
			one = p.chain.codeTime
		} else if !sure {
			one = f.chainTime()
		}
		time += one / float64(len(f.plains))
	}
	return time
}
