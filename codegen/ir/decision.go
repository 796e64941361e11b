// Package ir is the decision IR: what a rule set asks of a packet, as ordered
// conjunctions of tests over atoms, before anyone says how to find the answer.
//
//	RuleSet ──Lower──▶ Decision ──Verify──▶ strategies of package codegen
//
// A Decision has one text form (String), checks itself (Verify), and decides
// packets (Eval over a Reader; FrameReader is that of raw bytes). It must not
// know any instruction, table or kernel, and shares no parsing code and no
// offset table with the reference evaluator: they must not share mistakes.
package ir

import (
	"math/bits"

	"xdpfw/rules"
)

// A Decision is a rule set over atoms: the steps are tried in their order; the
// first that matches and has a verdict that decides is the answer, else the
// default.
type Decision struct {
	Steps   []Step
	Default rules.Verdict
	Exceeds int // one more than the index in RuleSet.Rules of the rule at which MaxDerived was met; 0: it was not
}

// A Step is what becomes of the packets that one of its terms holds for: a
// verdict that decides, or count and return, which are noted before trying
// goes on at Next. The terms of a step are pairwise disjoint: no packet
// satisfies two.
type Step struct {
	Rule      int // index in RuleSet.Rules
	Source    int // index in RuleSet.Steps
	Verdict   rules.Verdict
	Interface int    // of Redirect: index in RuleSet.Interfaces
	Terms     []Term // never empty: a step that cannot match is not in a Decision
	Next      int    // of verdicts that do not decide: index in Steps, greater than its own; at most len(Steps)
}

// A Term holds for the packets of which every test holds; without tests, for
// every packet. The tests are sorted by atom; of those without alternatives
// there is one an atom.
type Term []Test

// A Test holds for a packet that has the atom, with a value in one of Ranges:
// sorted, neither overlapping nor touching, never empty, within the atom's
// domain. A test that accepts the whole domain asks whether the atom exists.
//
// With alternatives it holds for a packet also if one of them does, which have
// none themselves: so is a list that is partly of masks, each of which reads
// other bits.
type Test struct {
	Atom   Atom
	Ranges []rules.Range
	Or     []Test
}

// An Atom is some bits of a packet: the bytes Offset to Offset+Size of a
// layer as one big-endian number, the bits of Mask of it, shifted down to bit
// 0. Two clauses that read the same bits read the same atoms, by whatever
// name. An atom exists in packets that have all of its bytes.
//
// Derived atoms (layer Meta) are what a walk over the headers finds out; they
// have no bytes, and Offset says which one it is.
type Atom struct {
	Layer  Layer
	Offset uint16
	Size   uint8       // bytes: 1, 2, 4, 8 or 16
	Mask   rules.Value // of the Size bytes, as a right-aligned number; of 16 bytes they are not shifted
}

// A Layer is where an atom's offset counts from.
type Layer uint8

// The layers, in the order in which packets have them. Bytes of Frame and
// NetHeader, and those of ARPHeader, IP4Header and IP6Header that are behind
// the fixed header, reach to the frame's end; those of Transport and Payload to
// the IP packet's.
const (
	Meta      Layer = iota // derived
	Frame                  // from the frame's first byte, in frames of 14 and more
	NetHeader              // from the first byte behind tags and EtherType, where Network is NoNetwork
	ARPHeader              // from the first byte of ARP of IPv4 over Ethernet
	IP4Header              // from the first byte of a well-formed IPv4 header
	IP6Header              // from the first byte of an IPv6 header
	Transport              // from the first byte behind the IP headers; absent in later fragments
	Payload                // from the first byte behind the header of TCP, UDP, SCTP or ICMP
)

// The derived atoms. Network, Fragment, Invalid, Tagged, FrameLength and
// Interface exist in every frame; Protocol in well-formed IPv4, and in IPv6
// whose headers could be walked, as do ProtocolAH and Extensions.
var (
	Network     = Atom{Meta, 0, 1, low(8)}
	Protocol    = Atom{Meta, 1, 1, low(8)}
	Fragment    = Atom{Meta, 2, 1, low(8)}
	Invalid     = Atom{Meta, 3, 1, low(8)}
	Tagged      = Atom{Meta, 4, 1, low(8)}  // 1: there is a whole VLAN tag
	FrameLength = Atom{Meta, 5, 4, low(32)} // in bytes
	Interface   = Atom{Meta, 6, 1, low(8)}  // received on: index in RuleSet.Interfaces, or one more for none of them
	EtherType   = Atom{Meta, 7, 2, low(16)} // behind the tags; read only where Network is NoNetwork
	VLANID      = Atom{Meta, 8, 2, rules.Value{Lo: 0x0fff}}
	VLANPCP     = Atom{Meta, 8, 2, rules.Value{Lo: 0xe000}}
	VLAN2ID     = Atom{Meta, 9, 2, rules.Value{Lo: 0x0fff}}
	Extensions  = Atom{Meta, 10, 1, low(5)} // of IPv6: bit 0 hop-by-hop, routing, fragment, destination, AH
	ProtocolAH  = Atom{Meta, 11, 2, low(9)} // of IPv6: Protocol, and bit 8 if an AH was passed
)

// low is a mask of the n lowest bits.
func low(n int) rules.Value { return rules.Value{Lo: 1<<n - 1} }

// MaxInterface is the greatest number of interfaces that rules can name.
const MaxInterface = 254

// Values of Network: the network protocol that the frame carries whole.
const (
	NoNetwork = iota // neither of the others, or malformed
	ARPNetwork
	IP4Network
	IP6Network
)

// Values of Fragment.
const (
	NotFragment = iota
	FirstFragment
	LaterFragment
)

// Atoms that have a name of their own. Both ports are bits of one four-byte
// word: either exists when all four bytes do; likewise type and code of ICMP.
var (
	IP4Source       = Atom{IP4Header, 12, 4, low(32)}
	IP4Destination  = Atom{IP4Header, 16, 4, low(32)}
	IP6Source       = Atom{IP6Header, 8, 16, rules.Value{Hi: ^uint64(0), Lo: ^uint64(0)}}
	IP6Destination  = Atom{IP6Header, 24, 16, rules.Value{Hi: ^uint64(0), Lo: ^uint64(0)}}
	SourcePort      = Atom{Transport, 0, 4, rules.Value{Lo: 0xffff0000}}
	DestinationPort = Atom{Transport, 0, 4, rules.Value{Lo: 0x0000ffff}}
	ICMPType        = Atom{Transport, 0, 2, rules.Value{Lo: 0xff00}}
	ICMPCode        = Atom{Transport, 0, 2, rules.Value{Lo: 0x00ff}}
	TCPFlags        = Atom{Transport, 13, 1, low(8)}
)

// PortProtocols are the protocols whose first four bytes are ports: TCP, UDP,
// SCTP.
var PortProtocols = []rules.Range{number(6), number(17), number(132)}

// Bytes is the atom of all bits of the bytes that a is in.
func (a Atom) Bytes() Atom { return whole(a.Layer, a.Offset, a.Size) }

// Max is the greatest value that the atom can have.
func (a Atom) Max() rules.Value {
	return ShiftRight(a.Mask, a.Shift())
}

// Shift is by how many bits the value is shifted down.
func (a Atom) Shift() int {
	if a.Size == 16 {
		return 0
	}
	if a.Mask.Lo != 0 {
		return bits.TrailingZeros64(a.Mask.Lo)
	}
	return 64 + bits.TrailingZeros64(a.Mask.Hi)
}

// value of the atom, given its bytes.
func (a Atom) value(b []byte) rules.Value {
	var v rules.Value
	for _, c := range b[:a.Size] {
		v.Hi, v.Lo = v.Hi<<8|v.Lo>>56, v.Lo<<8|uint64(c)
	}
	v.Hi &= a.Mask.Hi
	v.Lo &= a.Mask.Lo
	return ShiftRight(v, a.Shift())
}

// compare orders atoms as terms list them.
func (a Atom) compare(b Atom) int {
	switch {
	case a.Layer != b.Layer:
		return int(a.Layer) - int(b.Layer)
	case a.Offset != b.Offset:
		return int(a.Offset) - int(b.Offset)
	case a.Size != b.Size:
		return int(a.Size) - int(b.Size)
	}
	return b.Mask.Compare(a.Mask)
}

// Whole says whether the test accepts every value: it asks for existence only.
func (t Test) Whole() bool {
	return len(t.Or) == 0 && len(t.Ranges) == 1 && t.Ranges[0] == rules.Range{Hi: t.Atom.Max()}
}

// Find the test of an atom in a term; nil if there is none.
func (t Term) Find(a Atom) *Test {
	for i := range t {
		if t[i].Atom == a {
			return &t[i]
		}
	}
	return nil
}

// A Reader gives the value of atoms in one packet; false if the packet lacks it.
type Reader interface {
	Read(Atom) (rules.Value, bool)
}

// Eval is the index in Steps of the one that decides, or -1 for the default.
// It calls counted for each step on the way that only counts.
func (d *Decision) Eval(r Reader, counted func(step int)) int {
	for i := 0; i < len(d.Steps); {
		switch {
		case !d.Steps[i].holds(r):
			i++
		case d.Steps[i].Verdict.Decides():
			return i
		default:
			counted(i)
			i = d.Steps[i].Next
		}
	}
	return -1
}

func (s *Step) holds(r Reader) bool {
	for _, term := range s.Terms {
		if term.holds(r) {
			return true
		}
	}
	return false
}

func (t Term) holds(r Reader) bool {
	for _, test := range t {
		if !test.holds(r) {
			return false
		}
	}
	return true
}

func (t Test) holds(r Reader) bool {
	if v, ok := r.Read(t.Atom); ok && rules.Contains(t.Ranges, v) {
		return true
	}
	for _, other := range t.Or {
		if other.holds(r) {
			return true
		}
	}
	return false
}

func number(n uint64) rules.Range {
	return rules.Range{Lo: rules.Value{Lo: n}, Hi: rules.Value{Lo: n}}
}

// ShiftRight is v divided by 2 to the n.
func ShiftRight(v rules.Value, n int) rules.Value {
	if n >= 64 {
		return rules.Value{Lo: v.Hi >> (n - 64)}
	}
	return rules.Value{Hi: v.Hi >> n, Lo: v.Lo>>n | v.Hi<<(64-n)}
}
