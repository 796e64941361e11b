package classify

import "slices"

// mainClasses is above how many classes a field is worth to be a main one.
const mainClasses = 24

// How many cells the groups may have together: up to easyWork for each box no
// further split is waited for, up to maxWork if there is none.
const (
	easyWork = 20
	minWork  = 100_000
	maxWork  = 6 << 20
)

// New makes the Plan of a Problem that should be fastest among those that stay
// within a number of bytes.
func New(p *Problem, memory int) (*Plan, error) {
	mains, rest, err := p.fields()
	if err != nil {
		return nil, err
	}
	b := &builder{Problem: p, mains: mains, rest: rest}
	whole, err := p.newGroup(p.allBoxes(), mains)
	if err != nil {
		return nil, err
	}
	b.groups = []*group{whole}
	var best *Plan
	for worse := 0; worse < 2; {
		more := false
		if b.work() <= max(minWork, easyWork*len(p.Boxes)) {
			plan := b.buildWithin(memory)
			if plan != nil && (best == nil || plan.Cost() < best.Cost()) {
				best = plan
			} else {
				worse++
			}
		}
		if len(b.groups) < fewGroups || best == nil && len(b.groups) < MaxGroups {
			if b.groups, more, err = p.split(b.groups, mains); err != nil {
				return nil, err
			}
		}
		if !more {
			break
		}
	}
	if best == nil && b.work() <= maxWork {
		best = b.buildWithin(memory)
	}
	if best == nil {
		return nil, ErrTooLarge
	}
	return best, nil
}

// buildWithin builds the tables; nil if they are too large.
func (b *builder) buildWithin(memory int) *Plan {
	plan, err := b.build()
	if err != nil || plan.Bytes() > memory {
		return nil
	}
	return plan
}

func (b *builder) work() int {
	n := 0
	for _, g := range b.groups {
		n += g.work
	}
	return n
}

// fields finds the main fields, and makes the rest of the others.
func (p *Problem) fields() (mains []int, rest *node, err error) {
	parts := make([]*partition, len(p.Fields))
	var order []int
	for f := range p.Fields {
		lists := p.listsOf(p.allBoxes(), f)
		if len(lists) == 0 {
			continue
		}
		if parts[f], err = newPartition(&p.Fields[f], lists); err != nil {
			return nil, nil, err
		}
		order = append(order, f)
	}
	slices.SortStableFunc(order, func(a, b int) int { return len(parts[b].members) - len(parts[a].members) })
	for _, f := range order {
		if len(mains) < 2 && len(parts[f].members) > mainClasses {
			mains = append(mains, f)
		}
	}
	slices.Sort(mains)
	var nodes []*node
	for _, f := range order {
		if !slices.Contains(mains, f) {
			nodes = append(nodes, p.fieldNode(f, parts[f]))
		}
	}
	if len(nodes) > 0 {
		rest, err = combine(nodes)
	}
	return mains, rest, err
}

func (p *Problem) allBoxes() []int32 {
	all := make([]int32, len(p.Boxes))
	for i := range all {
		all[i] = int32(i)
	}
	return all
}
