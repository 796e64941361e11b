package rules

import "slices"

// A RuleSet is a checked rule file: every name resolved, every value in range,
// no rule that contradicts itself. It is what the reference evaluator decides
// by and what the compiler compiles.
type RuleSet struct {
	File        *File   // the main source file
	Files       []*File // all that was read: the main file, included ones and those of sets
	Rules       []Rule  // as written, in the order in which they are met; each has one counter
	Steps       []Step  // the rules in the order in which they are tried, chains expanded
	Default     Verdict // what happens to packets that no rule decides
	DefaultSpan Span    // the `default` statement; the zero Span if there is none

	// Interfaces are the names that `on` and `redirect` use, each once. What
	// they stand for is found out when the rules are loaded.
	Interfaces []string

	Tests []TestBlock
}

// A Rule is a statement that packets are counted for: a verdict, or `count` or
// `return`, which decide nothing.
type Rule struct {
	Name      string // the label, or ""
	Verdict   Verdict
	Clauses   []Clause // of the blocks around it, outermost first, then its own
	Interface int      // of Redirect: where to, an index in RuleSet.Interfaces
	Span      Span     // the statement, label included, comment excluded

	// Key identifies the rule's counter over edits of the file: the name, or
	// else the canonical text of verdict and clauses, made unique by an
	// occurrence number ("drop udp", "drop udp#2").
	Key string
}

// A Step is a rule as it is tried. A rule of a chain has one for each jump to
// the chain, any other has one.
//
// A packet that every clause matches is counted for the rule. Then the verdict
// decides, or trying goes on at Next: behind the step for Count, behind the
// chain for Return. Next is greater than the step's own index and may be
// len(Steps), where the default decides.
type Step struct {
	Rule    int      // index in RuleSet.Rules
	Clauses []Clause // all that must hold: of the jumps that led here, of blocks, of the rule; none matches everything
	Next    int
}

// Add a rule that is tried behind those that are there.
func (rs *RuleSet) Add(r Rule) {
	rs.Steps = append(rs.Steps, Step{Rule: len(rs.Rules), Clauses: r.Clauses, Next: len(rs.Steps) + 1})
	rs.Rules = append(rs.Rules, r)
}

// Text is the statement as written, without the label, blanks collapsed.
func (r *Rule) Text() string { return ruleText(r) }

// A Verdict is what becomes of a packet.
type Verdict uint8

// The verdicts. The zero Verdict is none.
const (
	Pass     Verdict = iota + 1 // up the stack
	Drop                        //
	Abort                       // dropped, and the kernel's xdp_exception tracepoint fires
	TX                          // back out of the interface it came from, unchanged
	Redirect                    // out of another interface

	Count  // none: goes on with the next rule
	Return // none: goes on behind the chain
)

var verdictTexts = [...]string{"none", "pass", "drop", "abort", "tx", "redirect", "count", "return"}

func (v Verdict) String() string {
	if int(v) < len(verdictTexts) {
		return verdictTexts[v]
	}
	return "none"
}

// VerdictNamed is the verdict that String calls so, false if there is none.
func VerdictNamed(name string) (Verdict, bool) {
	i := slices.Index(verdictTexts[:], name)
	return Verdict(max(i, 0)), i > 0
}

// Decides says that trying ends with this verdict.
func (v Verdict) Decides() bool { return v >= Pass && v <= Redirect }

// A Clause is one condition of a rule.
//
// A clause about a property (see Subject.IsProperty) holds or does not hold
// for every frame, and Not is the plain complement. A clause about a field
// matches only packets that have that field, negated or not: the packet's
// value is a member of Set, or with Not a value that is not.
type Clause struct {
	Subject Subject
	Not     bool
	Bytes   Bytes    // of RawBytes: which
	Set     ValueSet // for fields and for Interface; zero for other properties
	Span    Span
}

// Bytes are Length bytes (1, 2, 4 or 8) at Offset from Base, read as one
// big-endian number. Offset + Length is at most 256.
type Bytes struct {
	Base   Base
	Offset uint16
	Length uint8
}

// A Base is what the offset of Bytes counts from.
type Base uint8

// The bases. Bytes from Ethernet and Network reach to the frame's end, those
// from Transport and Payload to the end of the IP packet.
const (
	EthernetBase  Base = iota + 1 // the frame's first byte
	NetworkBase                   // behind eth.type and tags
	TransportBase                 // behind the IP headers; not in later fragments
	PayloadBase                   // behind the header of TCP, UDP, SCTP, ICMP
)

var baseTexts = [...]string{"", "eth", "net", "transport", "payload"}

func (b Base) String() string { return baseTexts[b] }

// A ValueSet is the set of values that a clause about a field accepts, apart
// for each address family: `from { 10.0.0.0/8, fd00::/8 }` has a member in
// each, `icmp` is protocol 1 in IP4 and nothing in IP6. Of fields that are the
// same in both families, or belong to none, IP4 and IP6 are equal. A value is
// accepted that is in a range or agrees with a mask.
//
// Each list of ranges is sorted, and its ranges neither overlap nor touch.
type ValueSet struct {
	IP4, IP6     []Range  // the values accepted in IPv4 and other packets, and in IPv6 packets
	Mask4, Mask6 []Masked // likewise
}

// A Range is the values Lo to Hi, both included.
type Range struct{ Lo, Hi Value }

// A Masked is the values of which the bits of Mask are those of Value, which
// has no others.
type Masked struct{ Value, Mask Value }

// A Value is an unsigned 128-bit number: an IPv6 address in network order (Hi
// is its first eight bytes), or in Lo alone an IPv4 address, a port, a
// protocol, a MAC address.
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

// holds says whether v agrees with the mask.
func (m Masked) holds(v Value) bool {
	return Value{v.Hi & m.Mask.Hi, v.Lo & m.Mask.Lo} == m.Value
}

// A TestBlock is a `test` block: packets and what must become of them.
type TestBlock struct {
	Name  string
	Span  Span
	Cases []TestCase
}

// A TestCase is a line of a test block: a packet, or every packet of a capture.
type TestCase struct {
	Expect    Verdict
	Interface string // of Redirect: where to; "" for anywhere
	Packet    Packet // of a literal or of hexadecimal bytes
	Capture   string // the path of a capture, as it can be opened; "" if there is Packet
	Text      string // what stands behind the verdict, blanks collapsed
	Span      Span
}
