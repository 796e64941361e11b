// Package reach finds the rules that no packet reaches, each with the earlier
// ones that together take its packets (Find), and the packets that two rule
// sets decide differently (Compare).
//
//	RuleSet ──ir.Lower──▶ Decision ──▶ a room for each network protocol ──▶ walk, else proof
//
// In a room packets are points and the terms of steps are boxes (room). A step
// is reached if a point of one of its boxes is in no earlier one. For nearly
// every step a short walk finds such a point; else a search decides it, which
// gives up after a fixed amount of work and says so. What is called unreached
// is sure: every packet is a point. A rule that is called reached may be out of
// reach all the same, by what fields have to do with each other and is not
// among the facts of the room.
//
// It must not know instructions or strategies, nor how findings are reported.
package reach

import (
	"slices"

	"xdpfw/codegen/ir"
	"xdpfw/rules"
)

// Limits, so that no rule set takes unbounded time or memory.
const (
	maxSteps   = 150_000   // of a rule set; in a larger one nothing is looked for
	maxClauses = 800_000   // of all steps
	maxRanges  = 3_000_000 // of the lists of values of all clauses, each list once
	maxAsked   = 2_500_000 // fields that boxes ask about, in all rooms
)

// An allowance is how much work may be done: comparisons, more or less.
type allowance struct {
	each  int // for a box, or for the cover of a rule
	boxes int // for all boxes
	cover int // for all covers
}

// usual takes some seconds at most.
var usual = allowance{each: 10_000_000, boxes: 400_000_000, cover: 100_000_000}

// Find the rules that no packet reaches.
func Find(rs *rules.RuleSet) rules.Reachability {
	tried, clauses := make([]bool, len(rs.Rules)), 0
	for i := range rs.Steps {
		tried[rs.Steps[i].Rule] = true
		clauses += len(rs.Steps[i].Clauses)
	}
	var d *ir.Decision
	if len(rs.Steps) <= maxSteps && clauses <= maxClauses && ranges(rs) <= maxRanges {
		d = ir.Lower(rs)
	}
	return find(d, tried, len(rs.Interfaces), usual)
}

// find is Find of rules that are tried, or not, by steps; of nil nothing.
func find(d *ir.Decision, tried []bool, interfaces int, may allowance) rules.Reachability {
	f := &finder{
		decision: d, may: may,
		tried: tried, reached: make([]bool, len(tried)), unknown: make([]bool, len(tried)), claims: map[int][]claim{},
	}
	if d == nil || !f.rooms(interfaces) {
		return f.nothing()
	}
	f.steps = make([][]int, len(tried))
	for i := range d.Steps {
		rule := d.Steps[i].Rule
		f.steps[rule] = append(f.steps[rule], i)
	}
	for i := range d.Steps {
		f.step(i)
	}
	return f.result()
}

// ranges is how many ranges and masks the clauses have, those of a list that
// several share once.
func ranges(rs *rules.RuleSet) (n int) {
	seen := map[*rules.Range]bool{}
	for i := range rs.Steps {
		for c := range rs.Steps[i].Clauses {
			s := &rs.Steps[i].Clauses[c].Set
			n += len(s.Mask4) + len(s.Mask6)
			for _, list := range [...][]rules.Range{s.IP4, s.IP6} {
				if len(list) > 0 && !seen[&list[0]] {
					seen[&list[0]] = true
					n += len(list)
				}
			}
		}
	}
	return n
}

type finder struct {
	decision *ir.Decision
	judges   []*judge // one for each network protocol
	steps    [][]int  // by rule
	may      allowance

	tried, reached, unknown []bool          // by rule
	claims                  map[int][]claim // by rule
}

// A claim is that no point is left to an item.
type claim struct {
	judge *judge
	item  int32
	used  []int32 // items that take all, facts among them

	// While the cover is looked for:
	region []set
	items  []int32 // that may be used
}

// rooms makes them; false if that is too much work.
func (f *finder) rooms(interfaces int) bool {
	if f.decision.Exceeds > 0 {
		return false
	}
	left := maxAsked
	for _, network := range [...]uint64{ir.IP4Network, ir.IP6Network, ir.ARPNetwork, ir.NoNetwork} {
		r := newRoom(f.decision, network, interfaces, &left)
		if r == nil {
			return false
		}
		f.judges = append(f.judges, newJudge(r))
	}
	return true
}

// nothing is the result where nothing was looked for.
func (f *finder) nothing() (result rules.Reachability) {
	for rule, is := range f.tried {
		if is {
			result.Unknown = append(result.Unknown, rule)
		}
	}
	return result
}

// step finds out whether it is reached, unless its rule is known to be.
func (f *finder) step(i int) {
	rule := f.decision.Steps[i].Rule
	for _, j := range f.judges {
		from, to := j.room.of(i)
		for n := int32(from); n < int32(to) && !f.reached[rule]; n++ {
			w := &work{min(f.may.each, f.may.boxes)}
			f.may.boxes -= w.left
			switch answer, used := j.ask(n, w); answer {
			case reached:
				f.reached[rule] = true
			case unknown:
				f.unknown[rule] = true
			case covered:
				it := &j.room.items[n]
				it.dead = it.next == 0 // what a return that nothing comes to would skip is part of why
				f.claims[rule] = append(f.claims[rule], claim{judge: j, item: n, used: used})
			}
			f.may.boxes += max(w.left, 0)
		}
	}
}

func (f *finder) result() (result rules.Reachability) {
	for rule, tried := range f.tried {
		switch {
		case !tried || f.reached[rule]:
		case f.unknown[rule]:
			result.Unknown = append(result.Unknown, rule)
		default:
			result.Unreached = append(result.Unreached, rules.Unreached{Rule: rule, By: f.cover(f.claims[rule])})
		}
	}
	return result
}

// cover is rules that the claims need, none of which they could do without
// (unless that is too much work to find out).
func (f *finder) cover(claims []claim) []int {
	by := f.rulesOf(claims)
	w := &work{min(f.may.each, f.may.cover)}
	f.may.cover -= w.left
	defer func() { f.may.cover += max(w.left, 0) }()
	for i := range claims {
		f.pose(&claims[i], by, w)
	}
	if w.left <= 0 { // not all items that skip may be known
		return by
	}
	// Most of many are not needed: large parts are tried first.
	for part := (len(by) + 1) / 2; part > 0; part /= 2 {
		for end := len(by); end > 0; end = min(end-part, len(by)) {
			from := max(end-part, 0)
			proved, ok := f.prove(claims, by[from:end], slices.Concat(by[:from], by[end:]), w)
			if ok {
				claims = proved
				by = f.rulesOf(claims)
			}
		}
	}
	return by
}

func (f *finder) ruleOf(it *item) int { return f.decision.Steps[it.step].Rule }

// rulesOf the items that claims rest on.
func (f *finder) rulesOf(claims []claim) (by []int) {
	for _, c := range claims {
		for _, i := range c.used {
			if it := &c.judge.room.items[i]; it.step != isFact {
				by = append(by, f.ruleOf(it))
			}
		}
	}
	slices.Sort(by)
	return slices.Compact(by)
}

// pose is what a claim is about: its region, and the items in front of it that
// are facts, of some rules, or skip.
func (f *finder) pose(c *claim, of []int, w *work) {
	r := c.judge.room
	c.region = slices.Clone(c.judge.whole)
	for _, cell := range r.cellsOf(c.item) {
		c.region[cell.dim] = r.set(cell)
	}
	step := int(r.items[c.item].step)
	c.items = r.factItems()
	switch {
	case len(of) <= 1: // whether facts are enough: what skips takes nothing
	case r.returns:
		c.items = append(c.items, c.judge.meeting(c.region, int32(r.first[step]), true, w)...)
		c.items = f.only(c, of)
	default:
		for _, rule := range of {
			for _, s := range f.steps[rule] {
				for i := r.first[s]; s < step && i < r.first[s+1]; i++ {
					if r.meets(int32(i), c.region, w) {
						c.items = append(c.items, int32(i))
					}
				}
			}
		}
		slices.Sort(c.items)
	}
}

// only is the items of a claim that are facts, of some rules, or skip.
func (f *finder) only(c *claim, of []int) (items []int32) {
	r := c.judge.room
	for _, i := range c.items {
		it := &r.items[i]
		if it.step == isFact || it.next != 0 && it.next <= r.items[c.item].step {
			items = append(items, i)
		} else if _, is := slices.BinarySearch(of, f.ruleOf(it)); is {
			items = append(items, i)
		}
	}
	return items
}

// prove the claims once more with a few rules, those that rest on a rule that
// is gone.
func (f *finder) prove(claims []claim, gone, with []int, w *work) ([]claim, bool) {
	out := slices.Clone(claims)
	for n := range out {
		c := &out[n]
		if !slices.ContainsFunc(f.rulesOf(out[n:n+1]), func(rule int) bool { return slices.Contains(gone, rule) }) {
			continue
		}
		answer, used := c.judge.prove(c.item, slices.Clone(c.region), f.only(c, with), w)
		if answer != covered {
			return nil, false
		}
		c.used = used
	}
	return out, true
}
