package classify

import "xdpfw/rules"

// maxDirect is up to how many bits every value has an entry of its own: a port,
// and what stands for a missing one.
const maxDirect = 17

// Direct has an entry for each value. If it ends before the greatest value, the
// last entry is that of all greater ones.
type Direct struct {
	Payload Payload
	Whole   bool // there is an entry for every value
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
	return d
}

func (d *Direct) find(v uint32) uint64 { return d.Payload.at(min(int(v), d.Payload.Entries.Len()-1)) }
