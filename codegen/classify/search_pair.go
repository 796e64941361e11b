package classify

import (
	"fmt"
	"math/bits"
	"slices"
)

// A PairHash finds the value of a key among fixed ones, zero of any other, with
// two reads and no collision:
//
//	hash   = key × Seed, its halves xored, × Seed
//	bucket = the upper BucketBits of hash
//	slot   = Slots × (lower 32 bits of hash × Multipliers[bucket] mod 2^32) / 2^32
//
// A slot holds its key and value side by side. The multipliers are tried out,
// bucket by bucket, until no two keys share a slot: the hash-and-displace of
// Pagh, with a factor for the displacement.
type PairHash struct {
	Seed        uint64 // odd
	BucketBits  int
	Multipliers Numbers // odd
	Slots       Numbers // key << ValueBits | value; one of zero holds nothing
	ValueBits   int

	// Values are those of the slots if key and value do not fit into 64 bits;
	// then Slots are the keys, plus one.
	Values Numbers
}

// maxKeyBits is what keys of a PairHash may have.
const maxKeyBits = 48

// mostInBucket is how many tenths of keys a bucket has at most, on average: the more,
// the less multipliers take of a cache, which are read first; but of eight in
// each, some find no multiplier.
const mostInBucket = 72

// NewPairHash makes the hash of different keys below 2^48, each with a value.
func NewPairHash(keys []uint64, values []uint32) *PairHash {
	if len(keys) != len(values) {
		panic(fmt.Sprintf("classify: %d keys with %d values", len(keys), len(values)))
	}
	var greatest uint64
	var most uint32
	for i, k := range keys {
		greatest, most = max(greatest, k), max(most, values[i])
	}
	if greatest>>maxKeyBits != 0 {
		panic(fmt.Sprintf("classify: a key of %d bits", bits.Len64(greatest)))
	}
	h := &PairHash{ValueBits: bits.Len32(most)}
	load := 0.85
	for try := uint64(1); ; try++ {
		h.Seed = seed(try)
		h.BucketBits = max(1, bits.Len(uint(len(keys)*10/mostInBucket)))
		slots := max(2, int(float64(len(keys))/load))
		if places := h.displace(keys, slots); places != nil {
			h.fill(keys, values, places, slots, greatest)
			return h
		}
		if try == 8 {
			refuseEqual(keys)
		}
		load *= 0.95
	}
}

// seed is the n-th multiplier: any odd numbers without a pattern do.
func seed(n uint64) uint64 {
	n *= 0x9e3779b97f4a7c15
	n = (n ^ n>>30) * 0xbf58476d1ce4e5b9
	return n ^ n>>27 | 1
}

func refuseEqual(keys []uint64) {
	sorted := slices.Sorted(slices.Values(keys))
	for i := 1; i < len(sorted); i++ {
		if sorted[i] == sorted[i-1] {
			panic(fmt.Sprintf("classify: two values for key %d", sorted[i]))
		}
	}
}

func (h *PairHash) hash(key uint64) uint64 {
	n := key * h.Seed
	return (n ^ n>>32) * h.Seed
}

func place(hash, multiplier uint64, slots int) int {
	return int(uint64(slots) * uint64(uint32(hash)*uint32(multiplier)) >> 32)
}

// displace chooses the multipliers, the fullest buckets first, and gives each
// key's slot; nil if that fails.
func (h *PairHash) displace(keys []uint64, slots int) []int32 {
	h.Multipliers = newNumbers(1<<h.BucketBits, 1<<16-1)
	hashes, from := h.byBucket(keys)
	places := make([]int32, len(keys))
	taken := make([]uint64, slots/64+1)
	for _, bucket := range fullestFirst(from) {
		members := hashes[from[bucket]:from[bucket+1]]
		multiplier := uint64(1)
		for ; !settle(members, multiplier, slots, taken, places); multiplier += 2 {
			if multiplier+2 > 1<<16-1 {
				return nil
			}
		}
		h.Multipliers.Set(int(bucket), multiplier)
	}
	return places
}

// A hashedKey is the hash of the key of that number.
type hashedKey struct {
	hash uint64
	key  int32
}

// byBucket sorts the hashes by bucket; those of bucket i are from[i] … from[i+1]-1.
func (h *PairHash) byBucket(keys []uint64) (hashes []hashedKey, from []int32) {
	from = make([]int32, 1<<h.BucketBits+1)
	for _, k := range keys {
		from[h.hash(k)>>(64-h.BucketBits)+1]++
	}
	for i := 1; i < len(from); i++ {
		from[i] += from[i-1]
	}
	hashes = make([]hashedKey, len(keys))
	next := slices.Clone(from)
	for i, k := range keys {
		hash := h.hash(k)
		at := &next[hash>>(64-h.BucketBits)]
		hashes[*at] = hashedKey{hash, int32(i)}
		*at++
	}
	return hashes, from
}

// fullestFirst are the buckets that hold keys, by how many.
func fullestFirst(from []int32) []int32 {
	most := int32(0)
	for i := range len(from) - 1 {
		most = max(most, from[i+1]-from[i])
	}
	bySize := make([][]int32, most+1)
	for i := range len(from) - 1 {
		size := from[i+1] - from[i]
		bySize[size] = append(bySize[size], int32(i))
	}
	var out []int32
	for size := most; size > 0; size-- {
		out = append(out, bySize[size]...)
	}
	return out
}

// settle takes the slots of a bucket's keys, unless one is taken.
func settle(members []hashedKey, multiplier uint64, slots int, taken []uint64, places []int32) bool {
	for i, m := range members {
		at := place(m.hash, multiplier, slots)
		if taken[at/64]>>(at%64)&1 != 0 {
			for _, m := range members[:i] {
				at := places[m.key]
				taken[at/64] &^= 1 << (at % 64)
			}
			return false
		}
		taken[at/64] |= 1 << (at % 64)
		places[m.key] = int32(at)
	}
	return true
}

func (h *PairHash) fill(keys []uint64, values []uint32, places []int32, slots int, greatest uint64) {
	if bits.Len64(greatest)+h.ValueBits > 64 {
		h.Slots, h.Values = newNumbers(slots, greatest+1), newNumbers(slots, 1<<h.ValueBits-1)
		for i, at := range places {
			h.Slots.Set(int(at), keys[i]+1)
			h.Values.Set(int(at), uint64(values[i]))
		}
		return
	}
	h.Slots = newNumbers(slots, greatest<<h.ValueBits|(1<<h.ValueBits-1))
	for i, at := range places {
		h.Slots.Set(int(at), keys[i]<<h.ValueBits|uint64(values[i]))
	}
}

// Find the value of a key below 2^48; zero if it is not among the keys.
func (h *PairHash) Find(key uint64) uint32 {
	hash := h.hash(key)
	at := place(hash, h.Multipliers.At(int(hash>>(64-h.BucketBits))), h.Slots.Len())
	slot := h.Slots.At(at)
	if h.Values.Len() > 0 {
		if slot != key+1 {
			return 0
		}
		return uint32(h.Values.At(at))
	}
	if slot>>h.ValueBits != key {
		return 0
	}
	return uint32(slot & (1<<h.ValueBits - 1))
}

// Bytes of its tables.
func (h *PairHash) Bytes() int {
	return len(h.Multipliers.Bytes) + len(h.Slots.Bytes) + len(h.Values.Bytes)
}

// Cost is about how many nanoseconds a look-up of a random key takes.
func (h *PairHash) Cost() float64 {
	return 3 + memoryCost(len(h.Multipliers.Bytes)) + memoryCost(len(h.Slots.Bytes)+len(h.Values.Bytes))
}

// String is "hash of 1000 slots × 8 byte".
func (h *PairHash) String() string {
	text := "hash of " + h.Slots.String()
	if h.Values.Len() > 0 {
		text += " and " + h.Values.String()
	}
	return text
}
