package reach

import (
	"slices"

	"xdpfw/codegen/ir"
	"xdpfw/rules"
)

// A kind is frames of one network protocol: ir.NoNetwork to ir.IP6Network.
type kind struct {
	network    uint64
	interfaces int            // how many the rules name
	undivided  map[string]int // tests that are not taken apart, by their text
	ends       []uint64       // of the bytes of frames that tests read

	all   [][]condition // what boxes gave
	first []condition
	known map[readable]condition // that so many bytes can be read
}

func newKind(network uint64, interfaces int) kind {
	return kind{network: network, interfaces: interfaces, undivided: map[string]int{}, known: map[readable]condition{}}
}

// A readable is bytes of a layer that a test needs.
type readable struct {
	layer ir.Layer
	end   int
}

// manyBoxes is more than the alternatives of a term are taken apart into.
const manyBoxes = 64

// boxes are the conjunctions of which one must hold for the term to, in
// packets of the kind: none if the term is about others. They are valid until
// the next call.
func (k *kind) boxes(t ir.Term) [][]condition {
	k.all = append(k.all[:0], k.first[:0])
	for _, test := range t {
		switch {
		case test.Atom == ir.Network:
			if !rules.Contains(test.Ranges, rules.Value{Lo: k.network}) {
				return nil
			}
		case len(test.Or) == 0:
			for i := range k.all {
				k.all[i] = k.conditions(k.all[i], test)
			}
		case len(k.all)*(1+len(test.Or)) > manyBoxes:
			c := k.whole(test)
			for i := range k.all {
				k.all[i] = append(k.all[i], c)
			}
		default:
			k.all = k.either(k.all, test)
		}
	}
	k.first = k.all[0] // keeps its room
	return k.all
}

// either adds a test with alternatives to each of the boxes.
func (k *kind) either(all [][]condition, test ir.Test) [][]condition {
	first := test
	first.Or = nil
	var out [][]condition
	for _, alternative := range append([]ir.Test{first}, test.Or...) {
		for _, box := range all {
			out = append(out, k.conditions(slices.Clone(box), alternative))
		}
	}
	return out
}

// whole is a test as a field of its own, which knows of no other.
func (k *kind) whole(test ir.Test) condition {
	text := test.String()
	n, is := k.undivided[text]
	if !is {
		n = len(k.undivided)
		k.undivided[text] = n
	}
	yes := []rules.Range{{Lo: rules.Value{Lo: 1}, Hi: rules.Value{Lo: 1}}}
	return condition{field{undivided, uint16(n), 1, rules.Value{Lo: 1}}, yes}
}

// conditions adds what a test without alternatives asks: that the atom is
// there, and its value.
func (k *kind) conditions(to []condition, t ir.Test) []condition {
	if t.Atom == ir.Tagged {
		switch not, yes := rules.Contains(t.Ranges, rules.Value{}), rules.Contains(t.Ranges, rules.Value{Lo: 1}); {
		case not && !yes:
			to = append(to, is(tagCount, 0, 0))
		case yes && !not:
			to = append(to, is(tagCount, 1, 2))
		}
		return to
	}
	f, there := k.field(t.Atom)
	if there.ranges != nil {
		to = append(to, there)
	}
	if !t.Whole() {
		to = append(to, condition{f, values(t)})
	}
	return to
}

// values of the field that a test accepts: those of atoms of 16 bytes are not
// shifted down, those of fields are.
func values(t ir.Test) []rules.Range {
	shift := field{mask: t.Atom.Mask}.shift()
	if t.Atom.Size != 16 || shift == 0 {
		return t.Ranges
	}
	var out []rules.Range
	for _, r := range t.Ranges {
		lo, hi := ir.ShiftRight(r.Lo, shift), ir.ShiftRight(r.Hi, shift)
		if below := low128(shift); r.Lo.Lo&below.Lo != 0 || r.Lo.Hi&below.Hi != 0 {
			lo = next(lo)
		}
		if lo.Compare(hi) <= 0 {
			out = append(out, rules.Range{Lo: lo, Hi: hi})
		}
	}
	return out
}

// low128 is the n lowest of 128 bits.
func low128(n int) rules.Value {
	if n <= 64 {
		return rules.Value{Lo: 1<<n - 1}
	}
	return rules.Value{Hi: 1<<(n-64) - 1, Lo: ^uint64(0)}
}

// next is v + 1, which there must be.
func next(v rules.Value) rules.Value {
	v.Lo++
	if v.Lo == 0 {
		v.Hi++
	}
	return v
}

// field of an atom, and the condition under which packets have it; without
// ranges, if all do.
func (k *kind) field(a ir.Atom) (f field, there condition) {
	if a.Layer == ir.Meta {
		return k.derived(a)
	}
	f = newField(layers+space(a.Layer), a.Offset, a.Size, a.Mask)
	end := int(a.Offset) + int(a.Size)
	switch a.Layer {
	case ir.Frame:
		if end = max(end, 14); end == 14 && k.network != ir.NoNetwork {
			return f, there
		}
		if !slices.Contains(k.ends, uint64(end)) {
			k.ends = append(k.ends, uint64(end))
		}
	case ir.ARPHeader, ir.IP4Header, ir.IP6Header:
		if end <= fixed[a.Layer] {
			return f, there
		}
	}
	need := readable{a.Layer, end}
	if _, is := k.known[need]; !is {
		k.known[need] = readsTo(a.Layer, end)
	}
	return f, k.known[need]
}

// readsTo is that so many bytes of a layer can be read.
func readsTo(l ir.Layer, end int) condition { return is(bytesOf(l), uint64(end), maxReadable) }

// fixed is how many bytes every well-formed header has.
var fixed = map[ir.Layer]int{ir.ARPHeader: 28, ir.IP4Header: 20, ir.IP6Header: 40}

const maxReadable = 1<<16 - 1

var (
	tagCount  = whole(tags, 1)
	hasType   = whole(typed, 1)
	hasWalked = whole(walked, 1)
	protocol4 = field{layers + space(ir.IP4Header), 9, 1, rules.Value{Lo: 0xff}}
	protocol6 = derived(ir.Atom{Offset: ir.ProtocolAH.Offset, Size: 2, Mask: rules.Value{Lo: 0xff}})

	isTyped, isWalked     = is(hasType, 1, 1), is(hasWalked, 1, 1)
	isTagged, isTwoTagged = is(tagCount, 1, 2), is(tagCount, 2, 2)
)

// derived is field for atoms that have no bytes.
func (k *kind) derived(a ir.Atom) (f field, there condition) {
	f = derived(a)
	switch a.Offset {
	case ir.Protocol.Offset:
		if k.network == ir.IP4Network {
			return newField(protocol4.space, protocol4.offset, 1, a.Mask), there
		}
		return newField(protocol6.space, protocol6.offset, 1, a.Mask), isWalked
	case ir.ProtocolAH.Offset, ir.Extensions.Offset:
		return f, isWalked
	case ir.VLANID.Offset:
		return f, isTagged
	case ir.VLAN2ID.Offset:
		return f, isTwoTagged
	case ir.EtherType.Offset:
		return f, isTyped
	}
	return f, there
}

// most is the greatest value that packets have of a field.
func (k *kind) most(f field) rules.Value {
	switch f {
	case fragment:
		return rules.Value{Lo: ir.LaterFragment}
	case invalid, hasType, hasWalked:
		return rules.Value{Lo: 1}
	case derived(ir.Interface):
		return rules.Value{Lo: uint64(k.interfaces)}
	case tagCount:
		return rules.Value{Lo: 2}
	}
	return f.max()
}

// usual is a value that makes the header model say that more is there: what a
// packet is likely to be reached with.
func (k *kind) usual(f field) (rules.Value, bool) {
	switch {
	case f == fragment, f == invalid, f == tagCount, f == inLast:
		return rules.Value{}, true
	case f.space >= readables && f.space < tags:
		return rules.Value{Lo: maxReadable}, true
	case f == hasType, f == hasWalked:
		return rules.Value{Lo: 1}, true
	}
	return rules.Value{}, false
}
