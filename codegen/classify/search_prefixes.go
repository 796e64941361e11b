package classify

import (
	"fmt"
	"math/bits"

	"xdpfw/rules"
)

// Prefixes says which values of 33 to 128 bits are in a long list of prefixes, by
// a perfect hash of the first bits of a value:
//
//	first bits ──Multipliers──▶ slot ─┬─ a prefix
//	                                  └─ reference ──▶ Shared, a few prefixes and single values
//	and of what is not found there, Others: short prefixes, and where too many share their first bits
//
// Whatever is read is a prefix of the list and held against the whole value, so
// that it does no harm to read one that is meant for others.
//
// The upper 64 bits of a value are below 2^62 for all but Others: addresses that
// are in use begin with 001. A slot is twice those of a prefix and a one that
// ends it, as in Members, and then a zero; in Shared that is a one if the rest of
// the bits have to be the same as well. Two ones in the end make a reference.
type Prefixes struct {
	Words       int // 2, 3 or 4 of 32 bits in a value
	Shift       int // how many of the upper 64 bits are not hashed
	Seed        uint64
	BucketBits  int
	Multipliers Numbers
	Slots       Numbers // 8 bytes: start << 2 | 2 << size, or number of the first of Shared << 2 | 3
	Shared      Numbers // 8 bytes: a prefix, or start << 2 | 1; and then the rest of the bits
	Most        int     // from the first on, so many of Shared are held against a value
	Others      *Search // 1 if a value is in the list; nil: there are no others
	Values      Numbers // payload of values that are not in the list, and of those that are
	shared      int     // prefixes that are in Shared
	hashed      int     // prefixes that are not in Others
}

// reference are the bits that end one.
const reference = 3

// split gives the first 64 bits of a value and the rest.
func (p *Prefixes) split(v rules.Value) (upper, rest uint64) {
	behind := 32*p.Words - 64
	return shiftRight(v, behind).Lo, v.Lo & (1<<behind - 1)
}

func (p *Prefixes) find(v rules.Value) uint64 {
	if p.holds(v) {
		return p.Values.At(1)
	}
	return p.Values.At(0)
}

func (p *Prefixes) holds(v rules.Value) bool {
	upper, rest := p.split(v)
	if upper>>62 == 0 {
		key := upper<<2 | 1
		slot := p.Slots.At(p.slot(upper))
		if slot^key <= slot^(slot-1) {
			return true
		}
		if slot&reference == reference {
			for i := range p.Most {
				at := 2 * (int(slot>>2) + i)
				if e := p.Shared.At(at); e^key <= e^(e-1) && (e&1 == 0 || p.Shared.At(at+1) == rest) {
					return true
				}
			}
		}
	}
	return p.Others != nil && p.Others.Find(v) != 0
}

// slot is the number of the one that a value's upper bits may be in.
func (p *Prefixes) slot(upper uint64) int {
	h := PairHash{Seed: p.Seed}
	hash := h.hash(upper >> p.Shift)
	return place(hash, p.Multipliers.At(int(hash>>(64-p.BucketBits))), p.Slots.Len())
}

func (p *Prefixes) bytes() int {
	n := len(p.Multipliers.Bytes) + len(p.Slots.Bytes) + len(p.Shared.Bytes)
	if p.Others != nil {
		n += p.Others.Bytes()
	}
	return n
}

// cost is that of a value of which one time in three nothing is found in the slots,
// by lists of 600 to 200,000 prefixes in whole programs (xdpfw bench).
func (p *Prefixes) cost() float64 {
	const base, shared = 6, 16
	part := float64(p.shared) / float64(p.hashed)
	cost := base + 1.5*memoryCost(len(p.Multipliers.Bytes)) + memoryCost(len(p.Slots.Bytes)) + part*(shared+memoryCost(len(p.Shared.Bytes)))
	if p.Others != nil {
		cost += p.Others.Cost() / 3
	}
	return cost
}

func (p *Prefixes) String() string {
	text := fmt.Sprintf("hash of %d bits, %v prefixes", 64-p.Shift, p.Slots)
	if p.Shared.Len() > 0 {
		text += fmt.Sprintf(", %d of them shared", p.shared)
	}
	if p.Others != nil {
		text += fmt.Sprintf("; others: %v", p.Others)
	}
	return text
}

// A widePrefix is 2^size values from start on.
type widePrefix struct {
	start rules.Value
	size  int
}

// widePrefixesOf is prefixesOf for values of more than 32 bits.
func widePrefixesOf(width int, starts []rules.Value, first, most int) []widePrefix {
	var out []widePrefix
	for i := first; i < len(starts); i += 2 {
		last := shiftRight(rules.Value{Hi: ^uint64(0), Lo: ^uint64(0)}, 128-width)
		if i+1 < len(starts) {
			last = minus(starts[i+1], rules.Value{Lo: 1})
		}
		for at := starts[i]; ; {
			if len(out) == most {
				return nil
			}
			size := min(trailingZeros(at), width)
			for size > 0 && minus(last, at).Compare(onesBelow(size)) < 0 {
				size--
			}
			out = append(out, widePrefix{at, size})
			end := plus(at, onesBelow(size))
			if end == last {
				break
			}
			at = plus(end, rules.Value{Lo: 1})
		}
	}
	return out
}

func trailingZeros(v rules.Value) int {
	if v.Lo != 0 {
		return bits.TrailingZeros64(v.Lo)
	}
	return 64 + bits.TrailingZeros64(v.Hi)
}

// onesBelow is 2^n - 1.
func onesBelow(n int) rules.Value {
	return shiftRight(rules.Value{Hi: ^uint64(0), Lo: ^uint64(0)}, 128-n)
}

func plus(a, b rules.Value) rules.Value {
	lo, carry := bits.Add64(a.Lo, b.Lo, 0)
	hi, _ := bits.Add64(a.Hi, b.Hi, carry)
	return rules.Value{Hi: hi, Lo: lo}
}

func minus(a, b rules.Value) rules.Value {
	lo, borrow := bits.Sub64(a.Lo, b.Lo, 0)
	hi, _ := bits.Sub64(a.Hi, b.Hi, borrow)
	return rules.Value{Hi: hi, Lo: lo}
}
