package rules

// A RuleSet is a checked rule file: every name resolved, every value in range,
// no rule that contradicts itself. It is what the reference evaluator decides
// by and what the compiler compiles.
type RuleSet struct {
	File        *File   // the main source file
	Rules       []Rule  // in the order they are tried
	Default     Verdict // what happens to packets that no rule decides
	DefaultSpan Span    // the `default` statement; the zero Span if there is none
}

// A Rule decides a packet that all of its clauses match. A rule without
// clauses matches every packet.
type Rule struct {
	Name    string // the label, or ""
	Verdict Verdict
	Clauses []Clause
	Span    Span // the statement, label included, comment excluded

	// Key identifies the rule's counter over edits of the file: the name, or
	// else the canonical text of verdict and clauses, made unique by an
	// occurrence number ("drop udp", "drop udp#2").
	Key string
}

// Text is the statement as written, without the label, blanks collapsed.
func (r *Rule) Text() string { return ruleText(r) }

// A Verdict is what becomes of a packet.
type Verdict uint8

// The verdicts. The zero Verdict is none.
const (
	Pass Verdict = iota + 1 // up the stack
	Drop
)

func (v Verdict) String() string {
	switch v {
	case Pass:
		return "pass"
	case Drop:
		return "drop"
	}
	return "none"
}

// A Clause is one condition of a rule.
//
// A clause about a property (see Subject.IsProperty) holds or does not hold
// for every frame, and Not is the plain complement. A clause about a field
// matches only packets that have that field, negated or not: the packet's
// value is a member of Set, or with Not a value that is not.
type Clause struct {
	Subject Subject
	Not     bool
	Set     ValueSet // for fields; zero for properties
	Span    Span
}

// A Subject is what a clause looks at.
type Subject uint8

// The subjects: first the properties, then the fields.
const (
	_         Subject = iota
	IP                // property: well-formed IPv4
	IP6               // property: an IPv6 header
	ARP               // property: Ethernet/IPv4 ARP
	Frag              // property: any fragment
	FragFirst         // property: offset 0 and more to come
	FragLater         // property: offset > 0
	Invalid           // property: malformed

	Protocol        // 8 bits; of IPv4, or behind the extension headers of IPv6
	Source          // address, 32 bits in ValueSet.IP4, 128 bits in ValueSet.IP6
	Destination     // likewise
	SourcePort      // 16 bits; TCP, UDP, SCTP
	DestinationPort // likewise
)

// IsProperty says whether every frame either has or has not this; otherwise
// the subject is a field that some packets lack.
func (s Subject) IsProperty() bool { return s >= IP && s <= Invalid }

func (s Subject) String() string {
	if int(s) < len(subjectNames) {
		return subjectNames[s]
	}
	return "subject?"
}

var subjectNames = [...]string{
	IP: "ip", IP6: "ip6", ARP: "arp", Frag: "frag", FragFirst: "frag first", FragLater: "frag later",
	Invalid: "invalid", Protocol: "proto", Source: "from", Destination: "to",
	SourcePort: "from port", DestinationPort: "to port",
}

// A ValueSet is the set of values that a clause about a field accepts, apart
// for each address family: `from { 10.0.0.0/8, fd00::/8 }` has a member in
// each, `icmp` is protocol 1 in IP4 and nothing in IP6, `to port 80` is the
// same in both. Each list is sorted, and its ranges neither overlap nor touch.
type ValueSet struct {
	IP4 []Range // the values accepted in IPv4 packets
	IP6 []Range // the values accepted in IPv6 packets
}

// A Range is the values Lo to Hi, both included.
type Range struct{ Lo, Hi Value }

// A Value is an unsigned 128-bit number: an IPv6 address in network order (Hi
// is its first eight bytes), or in Lo alone an IPv4 address, a port, a
// protocol.
type Value struct{ Hi, Lo uint64 }

// Compare is -1, 0 or +1 as v is less than, equal to or greater than w.
func (v Value) Compare(w Value) int {
	switch {
	case v.Hi < w.Hi || v.Hi == w.Hi && v.Lo < w.Lo:
		return -1
	case v == w:
		return 0
	}
	return 1
}

// Contains says whether some range of the sorted list rs holds v.
func Contains(rs []Range, v Value) bool {
	lo, hi := 0, len(rs)
	for lo < hi {
		mid := int(uint(lo+hi) >> 1)
		if rs[mid].Hi.Compare(v) < 0 {
			lo = mid + 1
		} else {
			hi = mid
		}
	}
	return lo < len(rs) && rs[lo].Lo.Compare(v) <= 0
}
