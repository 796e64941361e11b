package classify

import "slices"

// A Payload is a table of payloads. Where few different ones stand in a large
// table, it holds their index in Values instead. Where two take turns there is
// no table: Values are those of even and odd indexes.
type Payload struct {
	Entries Numbers
	Values  Numbers // none: Entries are the payloads
}

// at is the payload at index i.
func (p *Payload) at(i int) uint64 {
	switch {
	case p.Entries.Len() == 0:
		return p.Values.At(i & 1)
	case p.Values.Len() == 0:
		return p.Entries.At(i)
	}
	return p.Values.At(int(p.Entries.At(i)))
}

// hotTable is the size of a table in bytes from which on it is worth a second
// look-up to make it smaller.
const hotTable = 64 << 10

// newPayload makes the table of n payloads, of which each calls set for runs of
// the same: from … to-1 hold it.
func newPayload(n int, distinct []uint64, fill func(put func(from, to int, payload uint64))) Payload {
	p := Payload{Entries: newNumbers(n, slices.Max(distinct))}
	indexed := newNumbers(0, uint64(len(distinct)-1)).Width
	if indexed < p.Entries.Width && n*p.Entries.Width > hotTable && n*indexed+8*len(distinct) < n*p.Entries.Width*3/4 {
		p.Values = newNumbers(len(distinct), slices.Max(distinct))
		for i, v := range distinct {
			p.Values.Set(i, v)
		}
		p.Entries = newNumbers(n, uint64(len(distinct)-1))
	}
	fill(func(from, to int, payload uint64) {
		if p.Values.Len() > 0 {
			at, _ := slices.BinarySearch(distinct, payload)
			payload = uint64(at)
		}
		for i := from; i < to; i++ {
			p.Entries.Set(i, payload)
		}
	})
	return p
}

// distinctOf lists the different payloads, ascending.
func distinctOf(payload []uint64) []uint64 {
	seen := map[uint64]bool{}
	for i, v := range payload {
		if i < 2 || v != payload[i-2] { // sets have two in turns
			seen[v] = true
		}
	}
	out := make([]uint64, 0, len(seen))
	for v := range seen {
		out = append(out, v)
	}
	slices.Sort(out)
	return out
}

// boundWidth is the bytes of a bound of one word. Payloads of that width lie as
// far from one another as the bounds, so that the place of the bound that a
// search ends at is, but for a constant, that of the payload.
const boundWidth = 4

// payloadByRank is the table of payloads by the number of their interval.
func payloadByRank(payload []uint64) Payload {
	if takeTurns(payload) {
		p := Payload{Values: newNumbers(2, max(payload[0], payload[1]))}
		p.Values.Set(0, payload[0])
		p.Values.Set(1, payload[1])
		return p
	}
	p := newPayload(len(payload), distinctOf(payload), func(put func(from, to int, payload uint64)) {
		for i, v := range payload {
			put(i, i+1, v)
		}
	})
	if p.Values.Len() == 0 && p.Entries.Width < boundWidth && len(payload)*boundWidth <= hotTable {
		p.Entries = p.Entries.widened(boundWidth)
	}
	return p
}

// takeTurns says that there are two payloads, one after the other.
func takeTurns(payload []uint64) bool {
	for i, v := range payload {
		if v != payload[i%2] {
			return false
		}
	}
	return len(payload) > 1
}

func (p *Payload) bytes() int { return len(p.Entries.Bytes) + len(p.Values.Bytes) }

func (p *Payload) cost() float64 {
	return memoryCost(len(p.Entries.Bytes)) + memoryCost(len(p.Values.Bytes))
}

func (p *Payload) String() string {
	switch {
	case p.Entries.Len() == 0:
		return "payloads in turns"
	case p.Values.Len() == 0:
		return p.Entries.String() + " payloads"
	}
	return p.Entries.String() + " to " + p.Values.String() + " payloads"
}
