package classify

import (
	"encoding/binary"
	"fmt"
	"math/bits"
	"slices"
)

// Numbers are the entries of a table, each of Width bytes (1, 2, 4 or 8),
// little-endian.
type Numbers struct {
	Width int
	Bytes []byte
}

// Len is how many there are.
func (n Numbers) Len() int {
	if n.Width == 0 {
		return 0
	}
	return len(n.Bytes) / n.Width
}

// At is the number at index i.
func (n Numbers) At(i int) uint64 {
	at := n.Bytes[i*n.Width:]
	switch n.Width {
	case 1:
		return uint64(at[0])
	case 2:
		return uint64(binary.LittleEndian.Uint16(at))
	case 4:
		return uint64(binary.LittleEndian.Uint32(at))
	}
	return binary.LittleEndian.Uint64(at)
}

func (n Numbers) set(i int, v uint64) {
	at := n.Bytes[i*n.Width:]
	switch n.Width {
	case 1:
		at[0] = byte(v)
	case 2:
		binary.LittleEndian.PutUint16(at, uint16(v))
	case 4:
		binary.LittleEndian.PutUint32(at, uint32(v))
	default:
		binary.LittleEndian.PutUint64(at, v)
	}
}

// newNumbers makes a table of zeros that has room for a greatest number.
func newNumbers(n int, greatest uint64) Numbers {
	width := 8
	switch have := bits.Len64(greatest); {
	case have <= 8:
		width = 1
	case have <= 16:
		width = 2
	case have <= 32:
		width = 4
	}
	return Numbers{width, make([]byte, n*width)}
}

func (n Numbers) String() string {
	count := fmt.Sprint(n.Len())
	if n.Len() >= 4096 && n.Len()%1024 == 0 {
		count = fmt.Sprintf("%dKi", n.Len()/1024)
	}
	return fmt.Sprintf("%s × %d byte", count, n.Width)
}

// A Payload is a table of payloads. Where few different ones stand in a large
// table, it holds their index in Values instead.
type Payload struct {
	Entries Numbers
	Values  Numbers // no entries: Entries are the payloads
}

// At is the payload at index i.
func (p *Payload) At(i int) uint64 {
	if p.Values.Len() == 0 {
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
			p.Values.set(i, v)
		}
		p.Entries = newNumbers(n, uint64(len(distinct)-1))
	}
	fill(func(from, to int, payload uint64) {
		if p.Values.Len() > 0 {
			at, _ := slices.BinarySearch(distinct, payload)
			payload = uint64(at)
		}
		for i := from; i < to; i++ {
			p.Entries.set(i, payload)
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

func (p *Payload) bytes() int { return len(p.Entries.Bytes) + len(p.Values.Bytes) }

func (p *Payload) cost() float64 {
	cost := memoryCost(len(p.Entries.Bytes))
	if p.Values.Len() > 0 {
		cost += memoryCost(len(p.Values.Bytes))
	}
	return cost
}

func (p *Payload) String() string {
	if p.Values.Len() == 0 {
		return p.Entries.String()
	}
	return p.Entries.String() + " to " + p.Values.String()
}

// memoryCost is what a load at a random place of so many bytes takes, in
// nanoseconds, when the address of the next one depends on it.
func memoryCost(bytes int) float64 {
	for _, level := range []struct {
		bytes int
		ns    float64
	}{{32 << 10, 1}, {256 << 10, 1.5}, {1 << 20, 3}, {8 << 20, 6}, {32 << 20, 11}} {
		if bytes <= level.bytes {
			return level.ns
		}
	}
	return 25
}
