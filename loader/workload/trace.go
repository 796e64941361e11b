package workload

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"

	"xdpfw/rules"
)

// A Kind is what the packets of a trace have to do with the rules.
type Kind uint8

// The kinds.
const (
	// Uniform packets are each within a rule, which is drawn at random, so that
	// every rule is met as often as any other; where in it, is random too: each
	// field is at an end of what the rule accepts, or anywhere inside. An
	// earlier rule may decide the packet.
	Uniform Kind = iota + 1

	// Zipf is Uniform, but the rules are not equal: in an order that the seed
	// shuffles, the k-th is drawn with a probability of about 1/k^1.1.
	Zipf

	// NoMatch packets are decided by the default, or by a rule as filter sets
	// end with: one that asks for no more than protocols and addresses of a
	// prefix of at most /8. They have random values, or are of NearBoundary or
	// Mixed, the more of a sort the more of it qualify.
	NoMatch

	// Worst packets are all decided by one rule: the last that does decide most
	// of what is within it.
	Worst

	// NearBoundary packets are within a random rule but for one field, seldom
	// two: that has the first or last value that the rule accepts, or the one
	// in front of the first or behind the last.
	NearBoundary

	// Mixed packets have each field from another rule.
	Mixed
)

var kindNames = [...]string{"", "uniform", "zipf", "no-match", "worst", "near-boundary", "mixed"}

// Kinds are all of them.
func Kinds() []Kind { return []Kind{Uniform, Zipf, NoMatch, Worst, NearBoundary, Mixed} }

func (k Kind) String() string {
	if int(k) < len(kindNames) {
		return kindNames[k]
	}
	return fmt.Sprintf("kind %d", uint8(k))
}

// ParseKind is the inverse of Kind.String.
func ParseKind(name string) (Kind, error) {
	if i := slices.Index(kindNames[:], name); i > 0 {
		return Kind(i), nil
	}
	return 0, fmt.Errorf("%q is no kind of traffic: there are %s", name, strings.Join(kindNames[1:], ", "))
}

// Trace is n frames, no two of them equal, each of at least 60 bytes unless a
// rule asks for shorter ones, and at most 3,500. Lengths and checksums are
// right unless a rule asks for `invalid` or for raw bytes. What the rule that a
// packet is made for says nothing of is random.
//
// Frames arrive on no interface that rules name: rules with `on` are met as if
// they were not there. It is an error if there are no n such packets to be
// found, as NoMatch behind a rule that matches everything.
func Trace(rs *rules.RuleSet, kind Kind, n int, seed uint64) ([][]byte, error) {
	m := newMaker(rs, seed)
	next, err := m.source(kind)
	if err != nil {
		return nil, err
	}
	frames := make([][]byte, 0, n)
	seen := make(map[string]bool, n)
	for tries := 0; len(frames) < n; tries++ {
		if tries >= firstTries && len(frames) < tries/leastYield {
			return nil, fmt.Errorf("%s traffic: of %d packets that were tried, %d are of that kind", kind, tries, len(frames))
		}
		frame := next()
		if frame == nil || seen[string(frame)] {
			continue
		}
		seen[string(frame)] = true
		frames = append(frames, frame)
	}
	return frames, nil
}

// Trace gives up if, behind the first tries, fewer than one in leastYield is
// of its kind.
const (
	firstTries = 20_000
	leastYield = 100
)

// A maker makes the packets of one trace.
type maker struct {
	*rand.Rand
	rs   *rules.RuleSet
	ip6  float64 // share of packets that are IPv6 where the rule leaves it open
	dead map[int]bool

	one    rules.RuleSet // of one step, see within
	values header
	pinned pin

	arrives string // the interface that packets arrive on, as rules name it; "" for one that they do not
}

func newMaker(rs *rules.RuleSet, seed uint64) *maker {
	return &maker{
		Rand: rand.New(rand.NewPCG(seed, 0x776f726b6c6f6164)), rs: rs, ip6: shareOfIP6(rs), dead: map[int]bool{},
		one: rules.RuleSet{Rules: rs.Rules, Steps: make([]rules.Step, 1), Default: rules.Pass, Interfaces: rs.Interfaces},
	}
}

// source is what makes packets of a kind; nil where one try gave none.
func (m *maker) source(kind Kind) (func() []byte, error) {
	if len(m.rs.Steps) == 0 && kind != NoMatch {
		return nil, fmt.Errorf("%s traffic: there are no rules", kind)
	}
	switch kind {
	case Uniform:
		return func() []byte { return m.within(m.anyStep()) }, nil
	case Zipf:
		order := m.Perm(len(m.rs.Steps))
		ranks := rand.NewZipf(m.Rand, 1.1, 1, uint64(len(order)-1))
		return func() []byte { return m.within(order[ranks.Uint64()]) }, nil
	case NearBoundary:
		return m.near, nil
	case Mixed:
		return m.mixed, nil
	case NoMatch:
		return m.unmatched(NewIndex(m.rs)), nil
	case Worst:
		return m.worst(NewIndex(m.rs))
	}
	return nil, fmt.Errorf("%v is no kind of traffic", kind)
}

func (m *maker) anyStep() int { return m.IntN(len(m.rs.Steps)) }

func (m *maker) oneIn(n int) bool { return m.IntN(n) == 0 }

// within is a packet that every clause of a step matches; nil if none was
// found in a few tries.
func (m *maker) within(step int) []byte {
	if m.dead[step] {
		return nil
	}
	m.one.Steps[0] = rules.Step{Rule: m.rs.Steps[step].Rule, Clauses: m.rs.Steps[step].Clauses, Next: 1}
	const tries = 40
	for range tries {
		p := m.plan(step)
		if frame := m.frame(&p, inside); frame != nil && m.matches(frame) {
			return frame
		}
	}
	m.dead[step] = true
	return nil
}

// matches says whether the step of m.one matches the frame.
func (m *maker) matches(frame []byte) bool {
	matched := false
	p := rules.NewPacket(frame)
	p.Interface = m.arrives
	d := m.one.DecideCounting(p, func(int) { matched = true })
	return matched || d.Rule != rules.ByDefault
}

// near is a packet at the boundary of a rule.
func (m *maker) near() []byte {
	p := m.plan(m.anyStep())
	return m.frame(&p, atOneEdge)
}

// mixed is a packet whose fields are those of several rules: of each field,
// the first of them that has a clause about it.
func (m *maker) mixed() []byte {
	p := m.plan(m.anyStep())
	const others = 4
	for range others {
		p.addMissing(m, m.anyStep())
	}
	return m.frame(&p, inside)
}

// unmatched is packets that the default decides, or a rule that is like it.
func (m *maker) unmatched(index *Index) func() []byte {
	sorts := []func() []byte{func() []byte { return m.frame(&plan{network: m.anyNetwork()}, inside) }}
	if len(m.rs.Steps) > 0 {
		sorts = append(sorts, m.near, m.mixed)
	}
	shares := make([]share[int], len(sorts))
	for i := range shares {
		shares[i] = share[int]{i, 100}
	}
	return func() []byte {
		sort := choose(m.Rand, shares)
		frame := sorts[sort]()
		if frame != nil {
			rule := index.Decide(frame).Rule
			if rule == rules.ByDefault || isGeneral(&m.rs.Rules[rule]) {
				shares[sort].part = min(100, shares[sort].part+1)
				return frame
			}
		}
		shares[sort].part = max(1, shares[sort].part-1)
		return nil
	}
}

// isGeneral says whether a rule asks for nothing but protocols and addresses
// of short prefixes.
func isGeneral(r *rules.Rule) bool {
	return !slices.ContainsFunc(r.Clauses, func(c rules.Clause) bool {
		switch c.Subject {
		case rules.IP, rules.IP6, rules.Protocol:
			return false
		case rules.Source, rules.Destination:
			isLong := func(r rules.Range) bool { return r.Hi.Hi-r.Lo.Hi < 1<<56-1 && r.Hi.Lo-r.Lo.Lo < 1<<24-1 }
			return c.Not || len(c.Set.Mask4)+len(c.Set.Mask6) > 0 ||
				slices.ContainsFunc(c.Set.IP4, isLong) || slices.ContainsFunc(c.Set.IP6, isLong)
		}
		return true
	})
}

// worst is packets of the last rule that decides at least half of what is
// within it, as a few packets show.
func (m *maker) worst(index *Index) (func() []byte, error) {
	const sample, deepest = 8, 1000
	steps := m.rs.Steps
	for step := len(steps) - 1; step >= max(0, len(steps)-deepest); step-- {
		rule := steps[step].Rule
		if !m.rs.Rules[rule].Verdict.Decides() {
			continue
		}
		made := func() []byte {
			if frame := m.within(step); frame != nil && index.Decide(frame).Rule == rule {
				return frame
			}
			return nil
		}
		decided := 0
		for range sample {
			if made() != nil {
				decided++
			}
		}
		if decided >= sample/2 {
			return made, nil
		}
	}
	return nil, fmt.Errorf("%s traffic: none of the last %d rules decides most of what is within it", Worst, deepest)
}
