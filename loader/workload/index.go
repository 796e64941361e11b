package workload

import (
	"encoding/binary"
	"math/bits"
	"slices"

	"xdpfw/rules"
)

// An Index decides packets as the reference evaluator does, and asks it, but
// only of the steps that the packet's addresses leave over: a step that has a
// prefix as its source or destination is found by that prefix. So it is fast
// enough for long traces over many rules, and the meaning of every other clause
// stays where it is.
//
// It is not for concurrent use.
type Index struct {
	rs      *rules.RuleSet
	always  []int32 // steps that every packet is tried against, in order
	source  prefixes
	dest    prefixes
	found   []int32
	part    rules.RuleSet // what is asked
	ordered bool          // all steps decide, so that leaving some out changes nothing for others
}

// prefixes are steps by a prefix, apart for each address family.
type prefixes struct {
	steps   map[prefix][]int32
	lengths [2][]int // in use: of IPv4 and of IPv6
}

type prefix struct {
	bits    rules.Value // of IPv4 the low 32
	length  uint8
	version uint8 // 0 IPv4, 1 IPv6
}

// NewIndex of a rule set.
func NewIndex(rs *rules.RuleSet) *Index {
	x := &Index{
		rs: rs, ordered: true, source: newPrefixes(), dest: newPrefixes(),
		part: rules.RuleSet{Rules: rs.Rules, Default: rs.Default, Interfaces: rs.Interfaces},
	}
	if slices.ContainsFunc(rs.Steps, func(s rules.Step) bool { return !rs.Rules[s.Rule].Verdict.Decides() }) {
		x.ordered = false
		return x
	}
	sources, dests := popularity(rs, rules.Source), popularity(rs, rules.Destination)
	for i := range rs.Steps {
		source, dest := prefixesOf(&rs.Steps[i], rules.Source), prefixesOf(&rs.Steps[i], rules.Destination)
		switch {
		case source == nil && dest == nil:
			x.always = append(x.always, int32(i))
		case dest == nil || source != nil && sources.cost(source) <= dests.cost(dest):
			x.source.add(source, int32(i))
		default:
			x.dest.add(dest, int32(i))
		}
	}
	return x
}

// users is how many steps have a clause about an address with this prefix.
type users map[prefix]int

func popularity(rs *rules.RuleSet, subject rules.Subject) users {
	u := users{}
	for i := range rs.Steps {
		for _, p := range prefixesOf(&rs.Steps[i], subject) {
			u[p]++
		}
	}
	return u
}

// cost of finding a step by one of these prefixes: how many others come along,
// and far more than that for a short prefix, which many packets are in.
func (u users) cost(all []prefix) (cost int) {
	for _, p := range all {
		many := u[p]
		if short := 16 + 16*int(p.version); int(p.length) < short {
			many += (short - int(p.length)) << 20
		}
		cost = max(cost, many)
	}
	return cost
}

func newPrefixes() prefixes { return prefixes{steps: map[prefix][]int32{}} }

// mostPrefixes of a clause that are worth an entry each.
const mostPrefixes = 8

// prefixesOf a step's clause about an address: one of them holds the address of
// every packet that the step matches. Nil if there is no such clause.
func prefixesOf(step *rules.Step, subject rules.Subject) []prefix {
	for i := range step.Clauses {
		c := &step.Clauses[i]
		if c.Subject != subject || c.Not || len(c.Set.Mask4)+len(c.Set.Mask6) > 0 || len(c.Set.IP4)+len(c.Set.IP6) > mostPrefixes {
			continue
		}
		var all []prefix
		for _, r := range c.Set.IP4 {
			all = append(all, around(r, 0))
		}
		for _, r := range c.Set.IP6 {
			all = append(all, around(r, 1))
		}
		if len(all) > 0 {
			return all
		}
	}
	return nil
}

// around is the longest prefix that holds a range.
func around(r rules.Range, version uint8) prefix {
	host := bits.Len64(r.Lo.Lo ^ r.Hi.Lo)
	if high := r.Lo.Hi ^ r.Hi.Hi; high != 0 {
		host = 64 + bits.Len64(high)
	}
	return prefix{cut(r.Lo, host), uint8(size(version) - host), version}
}

func size(version uint8) int { return 32 + 96*int(version) }

// cut clears the low bits.
func cut(v rules.Value, low int) rules.Value {
	if low >= 64 {
		return rules.Value{Hi: v.Hi >> (low - 64) << (low - 64)}
	}
	return rules.Value{Hi: v.Hi, Lo: v.Lo >> low << low}
}

func (ps *prefixes) add(all []prefix, step int32) {
	for _, p := range all {
		if of := ps.steps[p]; len(of) > 0 && of[len(of)-1] == step {
			continue
		}
		ps.steps[p] = append(ps.steps[p], step)
		lengths := &ps.lengths[p.version]
		if !slices.Contains(*lengths, int(p.length)) {
			*lengths = append(*lengths, int(p.length))
		}
	}
}

// find appends the steps whose prefix holds an address.
func (ps *prefixes) find(found []int32, a rules.Value, version uint8) []int32 {
	for _, length := range ps.lengths[version] {
		found = append(found, ps.steps[prefix{cut(a, size(version)-length), uint8(length), version}]...)
	}
	return found
}

// Decide says what becomes of a frame that arrives on no interface that rules
// name.
func (x *Index) Decide(frame []byte) rules.Decision {
	return x.DecideCounting(rules.NewPacket(frame), func(int) {})
}

// DecideCounting says what becomes of a packet, and calls counted for each rule
// that only counted it, as RuleSet.DecideCounting does.
func (x *Index) DecideCounting(p rules.Packet, counted func(rule int)) rules.Decision {
	if !x.ordered {
		return x.rs.DecideCounting(p, counted)
	}
	x.found = x.found[:0]
	if source, dest, version, ok := addresses(p.Head); ok {
		x.found = x.dest.find(x.source.find(x.found, source, version), dest, version)
		slices.Sort(x.found)
		x.found = slices.Compact(x.found)
	}
	x.part.Steps = x.part.Steps[:0]
	found, always := x.found, x.always
	for len(found)+len(always) > 0 {
		from := &found
		if len(found) == 0 || len(always) > 0 && always[0] < found[0] {
			from = &always
		}
		step := x.rs.Steps[(*from)[0]]
		*from = (*from)[1:]
		step.Next = len(x.part.Steps) + 1
		x.part.Steps = append(x.part.Steps, step)
	}
	return x.part.Decide(p)
}

// addresses are the bytes that are the addresses of an IP packet, if it is
// well-formed; ok is false if no clause about addresses can match.
func addresses(frame []byte) (source, dest rules.Value, version uint8, ok bool) {
	at := 12
	for range 3 { // two tags at most
		if len(frame) < at+2 {
			return source, dest, 0, false
		}
		etherType := binary.BigEndian.Uint16(frame[at:])
		switch b := frame[at+2:]; {
		case etherType == 0x0800 && len(b) >= 20:
			word := func(i int) rules.Value { return rules.Value{Lo: uint64(binary.BigEndian.Uint32(b[i:]))} }
			return word(12), word(16), 0, true
		case etherType == 0x86dd && len(b) >= 40:
			words := func(i int) rules.Value {
				return rules.Value{Hi: binary.BigEndian.Uint64(b[i:]), Lo: binary.BigEndian.Uint64(b[i+8:])}
			}
			return words(8), words(24), 1, true
		case etherType != 0x8100 && etherType != 0x88a8 && etherType != 0x9100:
			return source, dest, 0, false
		}
		at += 4
	}
	return source, dest, 0, false
}
