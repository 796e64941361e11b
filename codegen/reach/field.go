package reach

import (
	"math/bits"

	"xdpfw/codegen/ir"
	"xdpfw/rules"
)

// A field is bits of a packet, or something that is known of it: what a
// dimension is about. Every packet has a value of every field, any if it lacks
// the bytes: whether it has them is a field of its own (bytesOf).
type field struct {
	space  space
	offset uint16      // of the bytes in the space
	size   uint8       // bytes; as few as hold the mask
	mask   rules.Value // of the bytes, as a right-aligned number
}

// A space is what the offsets of fields count in: fields of different spaces
// have no bits in common.
type space uint16

const (
	layers     space = 0   // + ir.Layer: bytes of a layer
	readables  space = 16  // + ir.Layer: how many bytes of the layer there are
	tags       space = 32  // how many whole VLAN tags there are, 0 to 2
	walked     space = 33  // 1: the protocol is known, of IPv6 whose headers could be walked
	typed      space = 34  // 1: there is an EtherType
	undivided  space = 35  // + offset: 1 if a test holds that is not taken apart
	derivation space = 100 // + offset of the atom: what is derived
)

func bytesOf(l ir.Layer) field { return whole(readables+space(l), 2) }

func whole(s space, size uint8) field {
	return field{s, 0, size, rules.Value{Lo: 1<<(8*size) - 1}}
}

func derived(a ir.Atom) field {
	return newField(derivation+space(a.Offset), 0, a.Size, a.Mask)
}

// newField leaves out bytes at either end that the mask does not read, so that
// equal bits are equal fields.
func newField(s space, offset uint16, size uint8, mask rules.Value) field {
	for size > 1 && mask.Lo&0xff == 0 {
		mask = ir.ShiftRight(mask, 8)
		size--
	}
	for size > 1 && ir.ShiftRight(mask, 8*int(size-1)).Lo&0xff == 0 {
		offset, size = offset+1, size-1
	}
	return field{s, offset, size, mask}
}

// max is the greatest value: that of all bits of the mask, shifted down.
func (f field) max() rules.Value { return ir.ShiftRight(f.mask, f.shift()) }

func (f field) shift() int {
	if f.mask.Lo != 0 {
		return bits.TrailingZeros64(f.mask.Lo)
	}
	return 64 + bits.TrailingZeros64(f.mask.Hi)
}

// dense says that there is no gap between the bits of the mask: that all values
// up to the greatest are possible.
func (f field) dense() bool {
	max := f.max()
	return bits.OnesCount64(max.Hi)+bits.OnesCount64(max.Lo) == bits.Len64(max.Lo)+bits.Len64(max.Hi) && (max.Hi == 0 || max.Lo == ^uint64(0))
}

// bits are the places of the field's bits in its space, the most significant
// first; those of another field are the same if the bits are.
func (f field) bits() []int {
	var out []int
	for i := 8*int(f.size) - 1; i >= 0; i-- {
		if ir.ShiftRight(f.mask, i).Lo&1 == 1 {
			out = append(out, 8*(int(f.offset)+int(f.size))-1-i)
		}
	}
	return out
}

// A condition holds for packets whose value of a field is in one of the ranges,
// which are sorted and do not touch.
type condition struct {
	field  field
	ranges []rules.Range
}

func is(f field, lo, hi uint64) condition {
	return condition{f, []rules.Range{{Lo: rules.Value{Lo: lo}, Hi: rules.Value{Lo: hi}}}}
}

// isNot is the values of the field that are none of those, which are sorted.
func isNot(f field, values ...uint64) condition {
	c := condition{field: f}
	next := uint64(0)
	for _, v := range values {
		if v > next {
			c.ranges = append(c.ranges, rules.Range{Lo: rules.Value{Lo: next}, Hi: rules.Value{Lo: v - 1}})
		}
		next = v + 1
	}
	if max := f.max(); next <= max.Lo {
		c.ranges = append(c.ranges, rules.Range{Lo: rules.Value{Lo: next}, Hi: max})
	}
	return c
}
