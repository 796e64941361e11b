package reach

import (
	"cmp"
	"math"
	"slices"

	"xdpfw/codegen/ir"
	"xdpfw/rules"
)

// A Change is packets for which two rule sets decide differently: all that a
// rule of the old set decides and, after the edit, one of the new.
type Change struct {
	Old, New rules.Decision // by which rule of its own set, or by default, and how

	// Packet is one of them. Confirmed says that the reference evaluator decides
	// it so; if not, no packet could be made that shows the change, which is
	// possible only by what is known of headers here.
	Packet    rules.Packet
	Confirmed bool

	Share float64 // of all packets of its network protocol, as a power of two: an estimate

	steps [2]int // of the joint decision, or byDefault
}

// A Comparison is how two rule sets differ.
type Comparison struct {
	Changes []Change // those of defaults first, then the largest first
	Classes []Class  // the same, put together for people
	Unknown int      // pairs of rules that it could not be found out for
}

// Same says of two rules that they are one to the user, so that packets which
// one of them decided and the other does now have not changed; they have the
// same verdict.
type Same func(old, new int) bool

// Compare finds every change between two rule sets: of the verdict, and, where
// rules are not the same, of the rule that decides. What is not among the
// changes is equal for every packet, unless something is unknown.
func Compare(old, new *rules.RuleSet, same Same) Comparison {
	return compare(old, new, same, comparing)
}

// comparing takes some seconds at most.
var comparing = allowance{each: 4_000_000, boxes: 1_500_000_000}

func compare(old, new *rules.RuleSet, same Same, may allowance) Comparison {
	c := &comparison{same: same, may: may, found: map[[2]int]bool{}, asked: map[[2]int]bool{}}
	if c.joint = newJoint(old, new, same); c.joint == nil {
		return Comparison{Unknown: 1}
	}
	left := maxAsked
	for _, network := range [...]uint64{ir.IP4Network, ir.IP6Network, ir.ARPNetwork, ir.NoNetwork} {
		b := newBuilder(network, c.all)
		if !b.build(c.decision, &left) {
			return Comparison{Unknown: 1}
		}
		c.rooms = append(c.rooms, joined{b, newJudge(b.room)})
		c.joined = &c.rooms[len(c.rooms)-1]
		c.room()
	}
	slices.SortStableFunc(c.result.Changes, func(a, b Change) int {
		return cmp.Or(-cmp.Compare(defaults(&a), defaults(&b)), -cmp.Compare(a.Share, b.Share))
	})
	c.classify()
	return c.result
}

// defaults is how many of both sides the default decides.
func defaults(c *Change) (n int) {
	for _, d := range [...]rules.Decision{c.Old, c.New} {
		if d.Rule == rules.ByDefault {
			n++
		}
	}
	return n
}

type comparison struct {
	*joint
	same    Same
	may     allowance
	result  Comparison
	found   map[[2]int]bool // by steps: there is a change
	asked   map[[2]int]bool // by steps: in vain, in some room
	rooms   []joined        // of the network protocols
	*joined                 // the one at hand
}

// joined is the room of both sets in one network protocol.
type joined struct {
	builder *builder
	judge   *judge
}

// byDefault stands for a step where the default decides.
const byDefault = -1

// room looks for changes among the packets of a network protocol.
func (c *comparison) room() {
	steps := c.decision.Steps
	for i := c.second; i < len(steps); i++ {
		if steps[i].Verdict.Decides() {
			c.decidedBy(i, false)
		}
	}
	c.decidedBy(byDefault, false)
	for i := range c.second {
		if steps[i].Verdict.Decides() && c.partner[i] < 0 {
			c.decidedBy(i, true)
		}
	}
	if !c.defaultsAlike() {
		c.decidedBy(byDefault, true)
	}
}

func (c *comparison) defaultsAlike() bool { return !c.skips && c.old.Default == c.new.Default }

// decidedBy looks for changes of packets that a step decides, or the default: a
// step of the new set that has no partner, with any of the old; or a step of
// the old set that has none, with those of the new that have.
func (c *comparison) decidedBy(step int, isOld bool) {
	if !isOld && c.alike(step) {
		return
	}
	r := c.builder.room
	for _, region := range c.regions(step) {
		w := &work{c.may.boxes}
		items := c.judge.meeting(region, int32(len(r.items)), true, w)
		c.may.boxes = w.left
		for _, i := range items {
			other := int(r.items[i].step)
			if !r.items[i].verdict.Decides() || other < c.second == isOld || isOld && !c.alike(other) {
				continue
			}
			c.pair(step, other, isOld, region, items, i)
		}
		if !isOld || c.defaultsAlike() {
			c.pair(step, byDefault, isOld, region, items, -1)
		}
	}
}

// regions are the boxes of a step; of the default all.
func (j *joined) regions(step int) (all [][]set) {
	if step == byDefault {
		return [][]set{slices.Clone(j.judge.whole)}
	}
	r := j.builder.room
	for from, to := r.of(step); from < to; from++ {
		region, _ := r.within(j.judge.whole, int32(from))
		all = append(all, region)
	}
	return all
}

// within is what a region and an item have in common; false if that is nothing.
func (r *room) within(region []set, i int32) (part []set, some bool) {
	part = slices.Clone(region)
	for _, cell := range r.cellsOf(i) {
		if part[cell.dim], some = part[cell.dim].intersect(r.set(cell)); !some {
			return nil, false
		}
	}
	return part, true
}

// alike says that a step of the new set has a partner, or that defaults are equal.
func (c *comparison) alike(step int) bool {
	if step == byDefault {
		return c.defaultsAlike()
	}
	return c.partner[step] >= 0
}

// pair asks whether some packet is decided by both: one step and its region,
// and a box of the other, or the other's default.
func (c *comparison) pair(step, other int, isOld bool, region []set, items []int32, box int32) {
	old, new := other, step
	if isOld {
		old, new = step, other
	}
	key := [2]int{old, new}
	if c.found[key] || c.behind(old, new) || c.unchanged(old, new) {
		return
	}
	r := c.builder.room
	part, some := slices.Clone(region), true
	if box >= 0 {
		if part, some = r.within(region, box); !some {
			return
		}
	}
	steps := [2]int32{int32(old), int32(new)}
	if old == byDefault {
		steps[0] = int32(c.second)
	}
	if new == byDefault {
		steps[1] = int32(len(c.decision.Steps))
	}
	share := r.share(part)
	switch left, known := c.leftOver(part, items, steps); {
	case !known:
		c.unknown(key)
	case left != nil:
		for _, tagged := range [...]bool{false, true} {
			if usual, _ := c.leftOver(c.usual(part, tagged), items, steps); usual != nil {
				left = usual
				break
			}
		}
		c.add(key, left, share)
	}
}

// usual is the part of a region in which packets are well-formed and whole, as
// far as it has one: examples from there say more. They may have tags, or not.
func (c *comparison) usual(region []set, tagged bool) []set {
	region = slices.Clone(region)
	tags, known := c.builder.ids[tagCount]
	for dim := range region {
		if tagged && known && c.builder.dimOf[tags] == int32(dim) {
			continue
		}
		if d := &c.builder.room.dims[dim]; d.tends && region[dim].has(d.usual) {
			region[dim] = one(d.usual)
		}
	}
	return region
}

// leftOver is points of a region that come to a step of each set, past the items
// in front of it; nil if there are none, false if that is not known.
func (c *comparison) leftOver(region []set, items []int32, steps [2]int32) (left []set, known bool) {
	r := c.builder.room
	w := &work{min(c.may.each, c.may.boxes)}
	c.may.boxes -= w.left
	defer func() { c.may.boxes += max(w.left, 0) }()
	before := r.factItems()
	for _, i := range items {
		at := r.items[i].step
		if at < steps[c.side(int(at))] && r.meets(i, region, w) {
			before = append(before, i)
		}
	}
	if w.left <= 0 {
		return nil, false
	}
	p := proof{room: r, steps: steps, second: int32(c.second), work: w}
	covered := p.covered(slices.Clone(region), before, 0)
	return p.left, covered || p.left != nil
}

func (c *comparison) unknown(key [2]int) {
	if !c.asked[key] {
		c.asked[key] = true
		c.result.Unknown++
	}
}

// behind says that no packet is decided by both, as the old step's partner, or
// the new one's, stands in front.
func (c *comparison) behind(old, new int) bool {
	if c.skips {
		return false
	}
	if old != byDefault && c.partner[old] >= 0 && (new == byDefault || c.partner[old] < new) {
		return true
	}
	return new != byDefault && c.partner[new] >= 0 && (old == byDefault || c.partner[new] < old)
}

// unchanged says that it is no change if both steps decide a packet.
func (c *comparison) unchanged(old, new int) bool {
	was, is := c.decisionOf(old, true), c.decisionOf(new, false)
	if was.Verdict != is.Verdict {
		return false
	}
	if was.Verdict == rules.Redirect && c.decision.Steps[old].Interface != c.decision.Steps[new].Interface {
		return false
	}
	return c.same == nil || c.same(was.Rule, is.Rule)
}

// decisionOf a step, in the terms of its own set.
func (c *comparison) decisionOf(step int, isOld bool) rules.Decision {
	switch {
	case step != byDefault:
		s := &c.decision.Steps[step]
		d := rules.Decision{Verdict: s.Verdict, Rule: s.Rule}
		if !isOld {
			d.Rule -= len(c.old.Rules)
		}
		return d
	case isOld:
		return rules.Decision{Verdict: c.old.Default, Rule: rules.ByDefault}
	}
	return rules.Decision{Verdict: c.new.Default, Rule: rules.ByDefault}
}

// add a change; the region is points that show it.
func (c *comparison) add(key [2]int, region []set, share float64) {
	change := Change{Old: c.decisionOf(key[0], true), New: c.decisionOf(key[1], false), Share: share, steps: key}
	change.Packet, change.Confirmed = c.example(region, func(p rules.Packet) bool {
		return c.old.Decide(p) == change.Old && c.new.Decide(p) == change.New
	})
	c.found[key] = true
	c.result.Changes = append(c.result.Changes, change)
}

// share of all points that a region has, as a power of two, as if all values of
// a field were as frequent as any.
func (r *room) share(region []set) (bits float64) {
	var room [1]span
	for dim, s := range region {
		size := r.size(int32(dim))
		if s.list == nil && s.lo == 0 && s.hi == size-1 {
			continue
		}
		cuts := r.dims[dim].cuts
		total, part := number(cuts[size-1])+1, 0.0
		for _, sp := range s.spans(&room) {
			end := total
			if sp.hi+1 < size {
				end = number(cuts[sp.hi+1])
			}
			part += end - number(cuts[sp.lo])
		}
		bits += math.Log2(max(part, 1) / max(total, part))
	}
	return bits
}

func number(v rules.Value) float64 { return float64(v.Hi)*0x1p64 + float64(v.Lo) }
