package classify

import (
	"cmp"
	"encoding/binary"
	"maps"
	"slices"
)

// mainClasses is above how many classes a field is worth to be a main one.
const mainClasses = 24

// How many cells the groups may have together: up to easyWork for each box no
// further split is waited for, up to maxWork if there is none.
const (
	easyWork = 20
	minWork  = 100_000
	maxWork  = 6 << 20
)

// largeRows is above how many bytes of a plan with rows another one is looked
// for.
const largeRows = 1 << 20

// New makes the Plan of a Problem that should be fastest among those that stay
// within a number of bytes.
func New(p *Problem, memory int) (*Plan, error) {
	mains, others, err := p.fields()
	if err != nil {
		return nil, err
	}
	plan, err := p.inRows(mains, others, fewRows, memory)
	if err == ErrTooLarge || err == nil && plan.Bytes() > largeRows {
		tests, failed := p.inTests(mains, others, memory)
		if failed == nil && (plan == nil || tests.crowdedCost() < plan.crowdedCost()) {
			plan, err = tests, nil
		}
	}
	for _, common := range []int{0, 400} {
		if err == ErrTooLarge {
			plan, err = p.inTrials(mains, others, common, memory)
		}
	}
	if err == ErrTooLarge {
		plan, err = p.inRows(mains, others, manyRows, memory)
	}
	return plan, err
}

// fields are the main ones, and the others that some box asks for.
func (p *Problem) fields() (mains, others []int, err error) {
	classes := make([]int, len(p.Fields))
	for f := range p.Fields {
		part, err := p.partitionFor(p.allBoxes(), f)
		if err == nil && part == nil {
			continue
		}
		if err != nil {
			return nil, nil, err
		}
		classes[f] = len(part.members)
		others = append(others, f)
	}
	slices.SortStableFunc(others, func(a, b int) int { return cmp.Compare(classes[b], classes[a]) })
	mains = p.mainsOf(others, classes)
	return mains, slices.DeleteFunc(others, func(f int) bool { return slices.Contains(mains, f) }), nil
}

// mainsOf the fields, given the most classes first, are the first two. Where
// others have about as many, the two of which boxes lie in the fewest cells.
func (p *Problem) mainsOf(fields []int, classes []int) []int {
	n := 0
	for n < len(fields) && n < 4 && classes[fields[n]] > mainClasses && (n < 2 || classes[fields[n]] > classes[fields[1]]/4) {
		n++
	}
	best := slices.Clone(fields[:min(n, 2)])
	if slices.Sort(best); n <= 2 {
		return best
	}
	least := -1
	for i := range n {
		for j := range i {
			mains := []int{fields[j], fields[i]}
			slices.Sort(mains)
			if g, err := p.newGroup(p.sample(p.allBoxes()), mains); err == nil && (least < 0 || g.work < least) {
				best, least = mains, g.work
			}
		}
	}
	return best
}

func (p *Problem) allBoxes() []int32 {
	all := make([]int32, len(p.Boxes))
	for i := range all {
		all[i] = int32(i)
	}
	return all
}

// inRows makes the plan in which all boxes are found by rows.
func (p *Problem) inRows(mains, others []int, limit rowLimit, memory int) (*Plan, error) {
	rest, err := p.rest(others, p.allBoxes())
	if err != nil {
		return nil, err
	}
	b := &builder{Problem: p, mains: mains, others: others, rest: rest, limit: limit}
	whole, err := p.newGroup(p.allBoxes(), mains)
	if err != nil {
		return nil, err
	}
	b.groups = []*group{whole}
	return b.best(memory)
}

// inTrials makes the plan in which only boxes are found by rows whose demand on
// the rest is one of the most common ones.
func (p *Problem) inTrials(mains, others []int, demands, memory int) (*Plan, error) {
	rare, common := p.byRest(others, demands)
	if len(rare) == 0 {
		return nil, ErrTooLarge
	}
	b := &builder{Problem: p, mains: mains, others: others, limit: fewRows}
	var err error
	if b.ranks, err = p.rankFields(rare, others); err != nil {
		return nil, err
	}
	tried, more, err := b.triedGroups(rare)
	if err != nil {
		return nil, err
	}
	common = append(common, more...)
	slices.Sort(common)
	if b.rest, err = p.rest(others, common); err != nil {
		return nil, err
	}
	b.groups = tried
	if len(common) > 0 {
		g, err := p.newGroup(common, mains)
		if err != nil {
			return nil, err
		}
		b.groups = append(b.groups, g)
	}
	return b.best(memory)
}

// triedGroups splits boxes into groups that try them, and leaves over those
// that stand in some cell behind too many others.
func (b *builder) triedGroups(boxes []int32) (groups []*group, left []int32, err error) {
	for range 2 {
		g, err := b.newGroup(boxes, b.mains)
		if err != nil {
			return nil, nil, err
		}
		g.tried = true
		made := []*group{g}
		for more := true; more && len(made) < fewGroups && workOf(made) > max(minWork, easyWork*len(boxes)); {
			if made, more, err = b.split(made, b.mains); err != nil {
				return nil, nil, err
			}
		}
		if workOf(made) > maxWork {
			return nil, nil, ErrTooLarge
		}
		var over []int32
		for _, g := range made {
			some, err := b.overflow(g)
			if err != nil {
				return nil, nil, err
			}
			over = append(over, some...)
			if g, err = b.newGroup(without(g.boxes, some), b.mains); err != nil {
				return nil, nil, err
			}
			if g.tried = true; len(g.boxes) > 0 {
				groups = append(groups, g)
			}
		}
		slices.Sort(over)
		if boxes = over; len(boxes) == 0 {
			break
		}
	}
	return groups, boxes, nil
}

// without is the boxes that are not among some others, both ascending.
func without(boxes, others []int32) []int32 {
	var out []int32
	for _, b := range boxes {
		if _, found := slices.BinarySearch(others, b); !found {
			out = append(out, b)
		}
	}
	return out
}

// byRest parts the boxes whose demand on the rest is one of the most common
// ones, or that cannot be tried, from the others.
func (p *Problem) byRest(others []int, demands int) (rare, common []int32) {
	demand := func(box int32) string { return p.restKey(box, others) }
	counts := map[string]int{}
	for i := range p.Boxes {
		counts[demand(int32(i))]++
	}
	all := slices.Sorted(maps.Values(counts))
	least := all[len(all)-1] + 1 // so many make a demand common
	if demands > 0 {
		least = all[max(0, len(all)-demands)] + 1
	}
	for i := range p.Boxes {
		if box := int32(i); counts[demand(box)] < least && p.canTry(box, others) {
			rare = append(rare, box)
		} else {
			common = append(common, box)
		}
	}
	return rare, common
}

// restKey is the same for boxes that ask the same of some fields.
func (p *Problem) restKey(box int32, fields []int) string {
	var key []byte
	for _, f := range fields {
		key = binary.LittleEndian.AppendUint32(key, uint32(p.Boxes[box].Lists[f]))
	}
	return string(key)
}

// rest is the product of the fields that some boxes ask for; nil if there is
// none. Of other boxes it knows nothing.
func (p *Problem) rest(fields []int, boxes []int32) (*node, error) {
	var nodes []*node
	for _, f := range fields {
		part, err := p.partitionFor(boxes, f)
		if err == nil && part == nil {
			continue
		}
		if err != nil {
			return nil, err
		}
		nodes = append(nodes, p.fieldNode(f, part, boxes))
	}
	if len(nodes) == 0 {
		return nil, nil
	}
	return combine(nodes)
}

// best splits the groups as long as that makes the plan faster.
func (b *builder) best(memory int) (*Plan, error) {
	var best *Plan
	for worse := 0; worse < 2; {
		more := false
		if workOf(b.groups) <= max(minWork, easyWork*len(b.Boxes)) {
			plan := b.joinedPlan(memory)
			if plan != nil && (best == nil || plan.crowdedCost() < best.crowdedCost()) {
				best = plan
			} else {
				worse++
			}
		}
		if len(b.groups) < fewGroups || best == nil && len(b.groups) < MaxGroups {
			var err error
			if b.groups, more, err = b.split(b.groups, b.mains); err != nil {
				return nil, err
			}
		}
		if !more {
			break
		}
	}
	if best == nil && workOf(b.groups) <= maxWork {
		best = b.buildWithin(memory)
	}
	if best == nil {
		return nil, ErrTooLarge
	}
	return best, nil
}

// joinedPlan is the plan of the groups, and where demands are tested, of as few as
// have no more cells: to test costs each packet the same for each group.
func (b *builder) joinedPlan(memory int) *Plan {
	if b.demands == nil {
		return b.buildWithin(memory)
	}
	split := b.groups
	defer func() { b.groups = split }()
	b.groups = b.joined(split, b.mains)
	return b.buildWithin(memory)
}

// buildWithin builds the tables; nil if they are too large.
func (b *builder) buildWithin(memory int) *Plan {
	plan, err := b.build()
	if err != nil || plan.Bytes() > memory {
		return nil
	}
	return plan
}

func workOf(groups []*group) int {
	n := 0
	for _, g := range groups {
		n += g.work
	}
	return n
}
