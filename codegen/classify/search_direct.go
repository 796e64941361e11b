package classify

import (
	"fmt"
	"slices"

	"xdpfw/rules"
)

// maxDirect is up to how many bits every value has an entry of its own: a port,
// and what stands for a missing one.
const maxDirect = 17

// Direct has an entry for each value. If it ends before the greatest value, the
// last entry is that of all greater ones.
//
// Where most of a large table is the same over and over, its different pages, of
// 2^PageBits entries each, stand in Payload once, and Pages say which one it is:
// two loads from the first level of caches instead of one from the second.
type Direct struct {
	Pages    Numbers // by the upper bits of the value; none: Payload is by the value
	PageBits int
	Payload  Payload
	Whole    bool // there is an entry for every value
	last     int  // value that has an entry
}

// smallTable is a size in bytes that is not worth an instruction to lessen.
const smallTable = 4 << 10

func newDirect(bits int, starts []rules.Value, payload []uint64) *Direct {
	n := 1 << bits
	d := &Direct{Whole: true}
	if last := int(starts[len(starts)-1].Lo) + 1; n > smallTable && last <= n/2 {
		n, d.Whole = last, false
	}
	d.Payload = newPayload(n, distinctOf(payload), func(put func(from, to int, payload uint64)) {
		for i, v := range payload {
			end := n
			if i+1 < len(starts) {
				end = int(starts[i+1].Lo)
			}
			put(int(starts[i].Lo), end, v)
		}
	})
	d.last = n - 1
	d.turnPages()
	return d
}

// turnPages makes pages of the table if that makes it much smaller.
func (d *Direct) turnPages() {
	whole := d.Payload.Entries
	size := len(whole.Bytes)
	if size <= smallTable {
		return
	}
	size /= 4
	for pageBits := 3; pageBits <= 8; pageBits++ {
		pages, entries := paged(whole, pageBits)
		if n := len(pages.Bytes) + len(entries.Bytes); n < size {
			size = n
			d.Pages, d.PageBits, d.Payload.Entries = pages, pageBits, entries
		}
	}
}

// paged is the pages of a table, each once, and their numbers. The last page is
// filled up with the last entry.
func paged(table Numbers, pageBits int) (pages, entries Numbers) {
	bytes := table.Width << pageBits
	number := map[string]uint64{}
	var numbers []uint64
	entries.Width = table.Width
	for at := 0; at < len(table.Bytes); at += bytes {
		page := slices.Clone(table.Bytes[at:min(at+bytes, len(table.Bytes))])
		for len(page) < bytes {
			page = append(page, page[len(page)-table.Width:]...)
		}
		n, ok := number[string(page)]
		if !ok {
			n = uint64(len(number))
			number[string(page)] = n
			entries.Bytes = append(entries.Bytes, page...)
		}
		numbers = append(numbers, n)
	}
	pages = newNumbers(len(numbers), uint64(len(number)-1))
	for i, n := range numbers {
		pages.Set(i, n)
	}
	return pages, entries
}

// Last is the greatest value that has an entry.
func (d *Direct) Last() int { return d.last }

func (d *Direct) find(v uint32) uint64 {
	at := min(int(v), d.last)
	if d.Pages.Len() > 0 {
		at = int(d.Pages.At(at>>d.PageBits))<<d.PageBits | at&(1<<d.PageBits-1)
	}
	return d.Payload.at(at)
}

func (d *Direct) bytes() int { return len(d.Pages.Bytes) + d.Payload.bytes() }

func (d *Direct) cost() float64 {
	cost := 0.5 + d.Payload.cost()
	if d.Pages.Len() > 0 {
		cost += 1 + memoryCost(len(d.Pages.Bytes))
	}
	return cost
}

func (d *Direct) String() string {
	if d.Pages.Len() > 0 {
		return fmt.Sprintf("%v pages of %d, %v", d.Pages, 1<<d.PageBits, &d.Payload)
	}
	return d.Payload.String()
}
