package rules

import "slices"

// known is what the clauses of a step say of every packet that they all match.
type known struct {
	states states // the packet is in one of these
	facts  []fact
	never  bool // a clause is about an empty set: no packet is matched

	work int // that may still go into comparing: see within
}

// A fact is that a clause holds, be it one of the step's or one that follows
// from them. The subject is the clause's, but ip.src is the source address and
// tcp.sport the source port, as far as values go: see sameField.
type fact struct {
	subject  Subject
	clause   *Clause
	accepted [2]accepted // by family
}

// sameField are the fields that others are, in some packets only.
var sameField = [subjectCount]Subject{
	IP4Source: Source, IP4Destination: Destination, IP4Protocol: Protocol, IP6Source: Source, IP6Destination: Destination,
	TCPSourcePort: SourcePort, UDPSourcePort: SourcePort, SCTPSourcePort: SourcePort,
	TCPDestinationPort: DestinationPort, UDPDestinationPort: DestinationPort, SCTPDestinationPort: DestinationPort,
}

// carriers are, for fields of a transport header, the clause that holds for
// every packet that has one: which protocols it can be of.
var carriers = func() (all [subjectCount]*Clause) {
	of := func(ip4, ip6 []Range) *Clause {
		return &Clause{Subject: Protocol, Set: ValueSet{IP4: ip4, IP6: eitherAH(ip6)}}
	}
	one := func(protocol uint64) []Range { return []Range{{number(protocol), number(protocol)}} }
	withPorts := slices.Concat(one(protoTCP), one(protoUDP), one(protoSCTP))
	for s := SourcePort; s <= DestinationPort; s++ {
		all[s] = of(withPorts, withPorts)
	}
	for s := TCPSourcePort; s <= TCPWindow; s++ {
		all[s] = of(one(protoTCP), one(protoTCP))
	}
	for s := UDPSourcePort; s <= UDPLength; s++ {
		all[s] = of(one(protoUDP), one(protoUDP))
	}
	for s := SCTPSourcePort; s <= SCTPDestinationPort; s++ {
		all[s] = of(one(protoSCTP), one(protoSCTP))
	}
	all[ICMPType], all[ICMPCode] = of(one(protoICMP), nil), of(one(protoICMP), nil)
	all[ICMP6Type], all[ICMP6Code] = of(nil, one(protoICMP6)), of(nil, one(protoICMP6))
	// A payload is found behind those that have ports, and ICMP of either family.
	all[RawBytes] = of(slices.Concat(one(protoICMP), withPorts), slices.Concat(one(protoTCP), one(protoUDP), one(protoICMP6), one(protoSCTP)))
	return all
}()

// carrier is the clause that holds for every packet that has the clause's
// field, nil if there is none.
func (c *Clause) carrier() *Clause {
	if c.Subject == RawBytes && c.Bytes.Base != PayloadBase {
		return nil
	}
	return carriers[c.Subject]
}

// read makes k what is known of packets that all the clauses match. It uses
// the memory that k has.
func (k *known) read(clauses []Clause) {
	k.states, k.facts, k.never = anyState, k.facts[:0], false
	for i := range clauses {
		c := &clauses[i]
		k.add(c)
		if carrier := c.carrier(); carrier != nil {
			k.add(carrier)
		}
	}
}

func (k *known) add(c *Clause) {
	subject := c.Subject
	if same := sameField[subject]; same != noSubject {
		subject = same
	}
	k.facts = append(k.facts, fact{subject, c, [2]accepted{c.accepted(ip4Family), c.accepted(ip6Family)}})
	switch {
	case c.Subject.IsProperty() || !c.isEmpty():
		k.states &= c.states()
	case !c.Not:
		k.never = true
	}
}

// implies says whether a clause surely holds for every packet that k is known
// of. False says nothing.
func (k *known) implies(c *Clause) bool {
	switch {
	case c.Subject.IsProperty() && c.Subject != Interface:
		return k.states&^c.states() == 0
	}
	subject := c.Subject
	if same := sameField[subject]; same != noSubject {
		subject = same
		if carrier := c.carrier(); carrier != nil && !k.implies(carrier) {
			return false
		}
	}
	for _, f := range [...]family{ip4Family, ip6Family} {
		if k.states&f.states() != 0 && !k.within(c, subject, f) {
			return false
		}
	}
	return true
}

// within says whether the packets of a family surely have the clause's field,
// with a value that it accepts.
func (k *known) within(c *Clause, subject Subject, f family) bool {
	want := c.accepted(f)
	if k.has(subject, f) && want.isWhole() {
		return true
	}
	for i := range k.facts {
		fact := &k.facts[i]
		if fact.subject != subject || fact.clause.Bytes != c.Bytes {
			continue
		}
		is := &fact.accepted[f]
		if k.work -= 1 + is.workWithin(&want); is.within(&want) {
			return true
		}
	}
	return false
}

// has says whether all packets of the family have a field, whatever the facts are.
func (k *known) has(subject Subject, f family) bool {
	switch subject {
	case Length:
		return true
	case Source, Destination:
		return f == ip6Family || k.states&f.states()&^ip4States == 0
	case Protocol:
		return f == ip4Family && k.states&f.states()&^ip4States == 0
	}
	return false
}

// A family of packets has one of the two lists of a ValueSet.
type family uint8

const (
	ip4Family family = iota // IPv4 and all that is not IPv6
	ip6Family
)

func (f family) states() states {
	if f == ip6Family {
		return ip6States
	}
	return anyState &^ ip6States
}

// accepted are the values of a field that a clause accepts in a family: those
// in ranges and masks, or with not all others in the domain, which is nil if no
// packet of the family has the field.
type accepted struct {
	ranges []Range
	masks  []Masked
	not    bool
	domain []Range
}

// domains are those of the subjects.
var domains = func() (all [subjectCount]ValueSet) {
	for s := range Subject(subjectCount) {
		all[s] = s.domain()
	}
	all[Interface] = RawBytes.domain() // of interfaces that no rule names there may be any number
	return all
}()

func (c *Clause) accepted(f family) accepted {
	domain := domains[c.Subject]
	if c.Subject == RawBytes {
		domain.IP4 = wholeRange[8*int(c.Bytes.Length)]
		domain.IP6 = domain.IP4
	}
	if f == ip6Family {
		return accepted{c.Set.IP6, c.Set.Mask6, c.Not, domain.IP6}
	}
	return accepted{c.Set.IP4, c.Set.Mask4, c.Not, domain.IP4}
}

// none says that no packet of the family is accepted.
func (a *accepted) none() bool {
	return len(a.domain) == 0 || !a.not && len(a.ranges)+len(a.masks) == 0
}

// isWhole says that every value is accepted.
func (a *accepted) isWhole() bool {
	switch {
	case len(a.domain) == 0:
		return false
	case a.not:
		return len(a.ranges)+len(a.masks) == 0
	}
	return len(a.ranges) == 1 && a.ranges[0] == a.domain[0]
}

// within says whether b surely accepts every value that a accepts.
func (a *accepted) within(b *accepted) bool {
	switch {
	case a.none():
		return true
	case b.none():
		return false
	case len(a.masks)+len(b.masks) > 0:
		if a.isSmall() {
			as, bs := a.bits(), b.bits()
			return as[0]&^bs[0]|as[1]&^bs[1]|as[2]&^bs[2]|as[3]&^bs[3] == 0
		}
		switch {
		case !a.not && !b.not:
			return a.eachIn(b)
		case a.not && b.not:
			return b.eachIn(a)
		}
		return false
	case a.not == b.not && sameList(a.ranges, b.ranges):
		return true
	case !a.not && !b.not:
		return covers(b.ranges, a.ranges)
	case a.not && b.not:
		return covers(a.ranges, b.ranges)
	case b.not:
		return !overlap(a.ranges, b.ranges)
	}
	return touchesEnds(a.ranges, b.ranges, a.domain) &&
		covers(mergeRanges(append(append([]Range(nil), a.ranges...), b.ranges...)), a.domain)
}

// workWithin is how long within takes, as a number of short comparisons.
func (a *accepted) workWithin(b *accepted) int {
	const rangesPerComparison = 4
	if len(a.masks)+len(b.masks) > 0 {
		return (len(a.ranges) + len(a.masks)) * (len(b.ranges) + len(b.masks))
	}
	switch {
	case a.not != b.not:
		return (len(a.ranges) + len(b.ranges)) / rangesPerComparison
	case a.not:
		a, b = b, a
	}
	if len(a.ranges) < rangesPerComparison {
		return 0
	}
	if sameList(a.ranges, b.ranges) || !covers(b.ranges, a.ranges[:1]) {
		return 0
	}
	return len(a.ranges) / rangesPerComparison
}

// sameList says whether two lists are the same in memory, as those of one set are.
func sameList(as, bs []Range) bool {
	return len(as) == len(bs) && (len(as) == 0 || &as[0] == &bs[0])
}

// isSmall says whether the field has at most eight bits.
func (a *accepted) isSmall() bool { return a.domain[0].Hi.Compare(number(255)) <= 0 }

// bits are the values of a field of at most eight bits, one bit each.
func (a *accepted) bits() (bits [4]uint64) {
	for v := uint64(0); v <= a.domain[0].Hi.Lo; v++ {
		if (Contains(a.ranges, number(v)) || anyHolds(a.masks, number(v))) != a.not {
			bits[v/64] |= 1 << (v % 64)
		}
	}
	return bits
}

func anyHolds(masks []Masked, v Value) bool {
	for _, m := range masks {
		if m.holds(v) {
			return true
		}
	}
	return false
}

// eachIn says whether each range and mask of a is in one of b's; not of both
// is left out of account.
func (a *accepted) eachIn(b *accepted) bool {
	for i, r := range a.ranges {
		single := r.Lo == r.Hi && anyHolds(b.masks, r.Lo)
		if !single && !covers(b.ranges, a.ranges[i:i+1]) {
			return false
		}
	}
	for _, m := range a.masks {
		if !m.inOneOf(b.masks) {
			return false
		}
	}
	return true
}

// inOneOf says whether one of the masks holds for all values that m holds for.
func (m Masked) inOneOf(masks []Masked) bool {
	for _, o := range masks {
		if o.Mask.Hi&^m.Mask.Hi == 0 && o.Mask.Lo&^m.Mask.Lo == 0 && o.holds(m.Value) {
			return true
		}
	}
	return false
}
