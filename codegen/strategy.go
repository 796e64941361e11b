package codegen

import (
	"math/bits"

	"xdpfw/codegen/classify"
	"xdpfw/codegen/ir"
)

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
	code := Chain
	f.codeTime = f.chainTime()
	alone := len(f.kind.left.Steps) == 1 // tables would do what its code does, and more
	if wanted == Auto && alone && f.listsTime() > 0 {
		return code // so would a tree
	}
	if wanted != Chain && wanted != Table && f.kind.fitsTree() {
		code, f.codeTime = Tree, f.treeTime()
	}
	if wanted == Chain || wanted == Tree || wanted == Auto && (alone || f.codeTime < worthTables) {
		return code
	}
	plan, err := f.newTablePlan(f.memory - f.planned)
	if err != nil {
		f.noTables = err
		return code
	}
	if wanted == Auto && tableTime(plan.plan)+tableRisk > f.codeTime {
		return code
	}
	f.plan = plan
	f.planned += plan.plan.Bytes()
	return Table
}

// What decides between code and tables, as measured with sets of 2 to 128
// rules on packets of which half are near the rules (docs/benchmarks).
const (
	worthTables = 8.5 // nanoseconds of code below which no tables are tried
	tableRisk   = 1.0 // nanoseconds that tables must be better by: other work may push them out of the caches
	overlap     = 0.6 // of the time of a look-up that is alone, since those of several packets overlap
)

// tableTime is about how many nanoseconds a packet takes in tables, as measured
// with lists and with sets of 12 to 100,000 rules: the more look-ups there are,
// the less a processor sees of the next packet meanwhile.
func tableTime(p *classify.Plan) float64 {
	const alone, each, most = 3, 0.12, 0.95
	look := p.Lookups()
	if look <= alone {
		return overlap * p.Cost()
	}
	return min(most, overlap+each*float64(look-alone))*p.Cost() + p.Crowding()
}

// chainTime is about how many nanoseconds a packet takes that meets the last
// rule of a chain.
func (f *family) chainTime() float64 {
	cost := 0.0
	for _, s := range f.kind.left.Steps {
		for _, t := range s.Terms {
			for i := range t {
				cost += f.listTime(t, &t[i])
			}
			cost += 0.5
		}
	}
	return cost
}

// listsTime is about what a packet takes for lists that are searched, if half of
// the rules that have any are met.
func (f *family) listsTime() float64 {
	sum, lists := 0.0, 0.0
	for _, s := range f.kind.left.Steps {
		for _, t := range s.Terms {
			for i := range t {
				if time := f.listTime(t, &t[i]); time > 0 {
					sum, lists = sum+time, lists+1
				}
			}
		}
	}
	if lists == 0 {
		return 0
	}
	return sum * (lists + 1) / (2 * lists)
}

// listTime is about how many nanoseconds a test of a term takes whose list is
// searched: a step for each time that a short one can be halved.
func (f *family) listTime(of ir.Term, t *ir.Test) float64 {
	switch n := len(t.Ranges); {
	case n > maxUnindexed:
		f.term = of
		return overlap * f.listSearch(t.Atom, t.Ranges).Cost()
	case n > maxInline:
		const step, ends, word = 0.7, 2, 4
		return step * float64(max(1, int(t.Atom.Size)/word)*bits.Len(uint(ends*n)))
	}
	return 0
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
