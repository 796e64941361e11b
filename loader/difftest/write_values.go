package difftest

import (
	"fmt"
	"strings"

	"xdpfw/rules"
)

// numberElement is a number, a word for one, a range, or a number and a mask.
func (w *writer) numberElement(s rules.Subject) string {
	spec, n := numberSpecs[s], w.anyValue(s).Lo
	switch w.IntN(6) {
	case 0:
		if word := spec.words[n]; word != "" {
			return word
		}
	case 1:
		lo := n - min(n, w.Uint64()&(1<<w.IntN(spec.bits)-1))
		hi := n + min(spec.max()-n, w.Uint64()&(1<<w.IntN(spec.bits)-1))
		return fmt.Sprint(lo) + w.dash() + fmt.Sprint(hi)
	case 2:
		mask := w.mask(spec.bits)
		return fmt.Sprintf("%s/0x%x", w.spelled(n&mask), mask)
	}
	return w.spelled(n)
}

// mask has some bits of so many, never none.
func (w *writer) mask(bits int) uint64 {
	all := ^uint64(0) >> (64 - bits)
	mask := uint64(1) << w.IntN(bits)
	switch w.IntN(3) {
	case 0: // a prefix
		return all &^ (mask - 1)
	case 1:
		mask |= w.Uint64() & w.Uint64()
	}
	return (mask | 1<<w.IntN(bits)) & all
}

// flags are words for one to three flags, some of which must not be set.
func (w *writer) flags(negated bool) string {
	words := []string{"fin", "syn", "rst", "psh", "ack", "urg", "ece", "cwr"}
	w.Shuffle(len(words), func(i, j int) { words[i], words[j] = words[j], words[i] })
	words = words[:1+w.IntN(3)]
	for i := range words {
		if negated && w.oneIn(3) {
			words[i] = "!" + words[i]
		}
	}
	return strings.Join(words, ",")
}

// exactFlags are compared with all eight bits.
func (w *writer) exactFlags() string {
	return pick(w.pool, []string{"syn", "syn,ack", "ack", "psh,ack", "none", "fin,psh,urg", w.flags(false)})
}

func (w *writer) extensions() value {
	words := []string{"hop-by-hop", "routing", "fragment", "destination", "ah"}
	if w.oneIn(2) {
		return one(pick(w.pool, words))
	}
	return many(w.list(1+w.IntN(3), func() string { return pick(w.pool, words) }))
}

// raw is a clause's head and value for the bytes of a base.
func (w *writer) raw(k Kind) (head string, v value) {
	length := 1 << w.IntN(4)
	reach := map[Kind]int{KindAtEth: 20, KindAtNet: 44, KindAtTransport: 24, KindAtPayload: 16}[k]
	if w.oneIn(10) {
		reach = 256 - length + 1
	}
	head = fmt.Sprintf("%v+%d %d", k, w.IntN(reach), length)
	bits := 8 * length
	limit := ^uint64(0) >> (64 - bits)
	n := w.Uint64() & limit
	switch w.IntN(6) {
	case 0, 1: // something that half of all bytes are
		return head, w.ordered(n, limit)
	case 2:
		lo, hi := min(n, n^limit), max(n, n^limit)
		return head, many(fmt.Sprintf("%d-%d", lo, hi))
	case 3:
		mask := uint64(1) << w.IntN(bits)
		mask |= 1 << w.IntN(bits)
		return head, one(fmt.Sprintf("0x%x/0x%x", n&mask, mask))
	case 4:
		return head, many(w.list(w.listSize(), func() string { return w.spelled(w.Uint64() & limit) }))
	}
	return head, one(w.spelled(w.typicalBytes(length, n)))
}

// typicalBytes are what frames often have somewhere, if there is such a number
// of that length; else n.
func (w *writer) typicalBytes(length int, n uint64) uint64 {
	if w.oneIn(3) {
		return n
	}
	switch length {
	case 1:
		return pick(w.pool, []uint64{0x45, 0x46, 0x60, 6, 17, 64, 0, 8, uint64(pick(w.pool, w.protocols))})
	case 2:
		return pick(w.pool, []uint64{typeIPv4, typeIPv6, typeARP, 0x8100, 0x4500, uint64(pick(w.pool, w.ports))})
	case 4:
		return uint64(pick(w.pool, w.addresses4))
	}
	return n
}

// arrivesOn is the interface that every frame arrives on.
const arrivesOn = "lo"

// interfaces are names: with the one that frames arrive on where that makes
// the rule match, mostly.
func (w *writer) interfaces(not bool) value {
	name := func() string { return pick(w.pool, []string{"eth7", `"eth1.5"`, "wan0", `"lo0"`, "lo1"}) }
	if w.oneIn(8) != not {
		if w.oneIn(2) {
			return one(name())
		}
		return many(w.list(1+w.IntN(4), name))
	}
	if w.oneIn(2) {
		return one(arrivesOn)
	}
	return many("{ " + name() + ", " + arrivesOn + ", " + name() + " }")
}
