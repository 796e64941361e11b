// Package ir is the decision IR: what a rule set asks of a packet, as ordered
// conjunctions of tests over atoms, before anyone says how to find the answer.
//
//	RuleSet ──Lower──▶ Decision ──Verify──▶ strategies of package codegen
//
// A Decision has one text form (String), checks itself (Verify), and decides
// packets (Eval over a Reader; Frame is the Reader of raw bytes). It must not
// know any instruction, table or kernel, and shares no parsing code and no
// offset table with the reference evaluator: they must not share mistakes.
package ir

import (
	"math/bits"

	"xdpfw/rules"
)

// A Decision is a rule set over atoms: the first rule that matches decides,
// else the default.
//
// Terminal holds the rules that end the decision. Rules that may not end it
// (counts, limits, logs) get a list of their own, run up to the terminal rule
// that was found; the language has none yet.
type Decision struct {
	Terminal []Rule
	Default  rules.Verdict
}

// A Rule is a verdict for the packets that one of its terms holds for. The
// terms of one rule are pairwise disjoint: no packet satisfies two.
type Rule struct {
	ID      int // index in RuleSet.Rules
	Verdict rules.Verdict
	Terms   []Term // never empty: a rule that cannot match is not in a Decision
}

// A Term holds for the packets of which every test holds; without tests, for
// every packet. The tests are sorted by atom, one an atom.
type Term []Test

// A Test holds for a packet that has the atom, with a value in one of Ranges:
// sorted, neither overlapping nor touching, never empty, within the atom's
// domain. A test that accepts the whole domain asks whether the atom exists.
type Test struct {
	Atom   Atom
	Ranges []rules.Range
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
	Mask   rules.Value // of the Size bytes, as a right-aligned number
}

// A Layer is where an atom's offset counts from.
type Layer uint8

// The layers, in the order in which packets have them.
const (
	Meta      Layer = iota // derived
	IP4Header              // from the first byte of a well-formed IPv4 header
	IP6Header              // from the first byte of an IPv6 header
	Transport              // from the first byte behind the IP headers to the packet's IP end; absent in later fragments
)

// The derived atoms. Network, Fragment and Invalid exist in every frame;
// Protocol in well-formed IPv4, and in IPv6 whose headers could be walked.
var (
	Network  = Atom{Meta, 0, 1, rules.Value{Lo: 0xff}}
	Protocol = Atom{Meta, 1, 1, rules.Value{Lo: 0xff}}
	Fragment = Atom{Meta, 2, 1, rules.Value{Lo: 0xff}}
	Invalid  = Atom{Meta, 3, 1, rules.Value{Lo: 0xff}}
)

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

// The atoms of named fields. Both ports are bits of one four-byte word: either
// exists when all four bytes do.
var (
	IP4Source       = Atom{IP4Header, 12, 4, rules.Value{Lo: 0xffffffff}}
	IP4Destination  = Atom{IP4Header, 16, 4, rules.Value{Lo: 0xffffffff}}
	IP6Source       = Atom{IP6Header, 8, 16, rules.Value{Hi: ^uint64(0), Lo: ^uint64(0)}}
	IP6Destination  = Atom{IP6Header, 24, 16, rules.Value{Hi: ^uint64(0), Lo: ^uint64(0)}}
	SourcePort      = Atom{Transport, 0, 4, rules.Value{Lo: 0xffff0000}}
	DestinationPort = Atom{Transport, 0, 4, rules.Value{Lo: 0x0000ffff}}
)

// PortProtocols are the protocols whose first four bytes are ports: TCP, UDP,
// SCTP.
var PortProtocols = []rules.Range{number(6), number(17), number(132)}

// Max is the greatest value that the atom can have.
func (a Atom) Max() rules.Value {
	return shiftRight(a.Mask, a.shift())
}

func (a Atom) shift() int {
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
	return shiftRight(v, a.shift())
}

// less orders atoms as terms list them.
func (a Atom) less(b Atom) bool {
	if a.Layer != b.Layer {
		return a.Layer < b.Layer
	}
	if a.Offset != b.Offset {
		return a.Offset < b.Offset
	}
	if a.Size != b.Size {
		return a.Size < b.Size
	}
	return a.Mask.Compare(b.Mask) > 0
}

// Whole says whether the test accepts every value: it asks for existence only.
func (t Test) Whole() bool {
	return len(t.Ranges) == 1 && t.Ranges[0] == rules.Range{Hi: t.Atom.Max()}
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

// Eval is the index in Terminal of the rule that decides, or -1 for the
// default.
func (d *Decision) Eval(r Reader) int {
	for i := range d.Terminal {
		for _, term := range d.Terminal[i].Terms {
			if term.holds(r) {
				return i
			}
		}
	}
	return -1
}

func (t Term) holds(r Reader) bool {
	for _, test := range t {
		v, ok := r.Read(test.Atom)
		if !ok || !rules.Contains(test.Ranges, v) {
			return false
		}
	}
	return true
}

func number(n uint64) rules.Range {
	return rules.Range{Lo: rules.Value{Lo: n}, Hi: rules.Value{Lo: n}}
}

func shiftRight(v rules.Value, n int) rules.Value {
	if n >= 64 {
		return rules.Value{Lo: v.Hi >> (n - 64)}
	}
	return rules.Value{Hi: v.Hi >> n, Lo: v.Lo>>n | v.Hi<<(64-n)}
}
