package codegen

import "math/bits"

// The strategies: how the rules of a kind of frame become instructions.
const (
	Auto  = "auto"  // for each kind the one that is expected to be the fastest
	Chain = "chain" // one rule after another
	Tree  = "tree"  // each field tested once, by what the rules that are left say of it
	Table = "table" // look-ups whose cost does not grow with the rules
)

// Strategies are all of them.
var Strategies = []string{Auto, Chain, Tree, Table}

// choose the strategy of a kind; it is made for this kind alone, others may
// have other ones.
func (f *family) choose() string {
	wanted := f.chain.strategy
	switch {
	case f.plain != nil:
		return Tree
	case wanted == Tree && !f.kind.fitsTree():
		return Chain
	case wanted == Tree || wanted == Chain:
		return wanted
	}
	chain := f.chainCost()
	if wanted == Auto && chain < worthTables {
		return Chain
	}
	plan, err := f.newTablePlan(f.memory - f.planned)
	if err != nil {
		f.noTables = err
		return Chain
	}
	if wanted == Auto && plan.plan.Cost() > chain {
		return Chain
	}
	f.plan = plan
	f.planned += plan.plan.Bytes()
	return Table
}

// worthTables is the cost of a chain, in nanoseconds, below which no tables
// are tried.
const worthTables = 12

// chainCost is about how many nanoseconds a packet takes that meets the last
// rule of a chain.
func (f *family) chainCost() float64 {
	cost := 0.0
	for _, s := range f.kind.left.Steps {
		for _, t := range s.Terms {
			for _, test := range t {
				if len(test.Ranges) > maxInline {
					cost += 3 * float64(bits.Len(uint(len(test.Ranges))))
				}
			}
			cost += 0.5
		}
	}
	return cost
}

// emitRules emits what decides packets by the rules of the kind, behind the
// checks of its header.
func (f *family) emitRules() {
	switch {
	case f.tree != nil:
		f.emitTree()
	case f.plan != nil:
		f.emitTable()
	default:
		f.emitChain()
	}
}

// mainStrategy is that of the kind that has the most rules; the chain, if none
// needs any.
func (c *chain) mainStrategy() string {
	strategy, most := Chain, 0
	for _, f := range c.families {
		if n := len(f.kind.left.Steps); n > most {
			strategy, most = f.strategy, n
		}
	}
	return strategy
}
