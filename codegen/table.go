package codegen

import (
	"bytes"
	"encoding/binary"
	"hash/maphash"
	"math/bits"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"

	"xdpfw/codegen/classify"
	"xdpfw/codegen/ir"
	"xdpfw/rules"
)

// tableMap is the name of the frozen map that holds every table.
const tableMap = "tables"

// A tableSet collects the search tables of a program in one map value; equal
// tables are kept once.
//
// Reads at an index that the verifier knows only as a mask may go beyond their
// table, for all that it can tell: reads says how far, and the map value is
// padded to that, once for all tables.
type tableSet struct {
	tables []placedTable
	size   int // of all tables
	reads  int // the end of the farthest read
	seed   maphash.Seed
	at     map[uint64][]int         // tables by the hash of their bytes
	made   map[tableKey]searchTable // by list: a set that many rules read is one list
	lists  map[listKey]*classify.Search
}

// A placedTable is the bytes of a table, which nobody may change any more, and
// where they are.
type placedTable struct {
	offset int
	bytes  []byte
}

// A tableKey is the identity of a list of ranges, and how wide its values are.
type tableKey struct {
	first *rules.Range
	n     int
	words int
}

// A searchTable is the sorted bounds at which membership in a list of ranges
// changes: a key is a member if the number of bounds at or below it is odd
// (even, if it starts inside).
//
//	ranges 3-5, 9        bounds 3 6 9 10        key 4: one bound, odd, member
//
// Each bound is stored less one, as words of 32 bits, most significant first,
// and the table is filled up with the greatest value to 2^steps - 1 bounds.
type searchTable struct {
	words  int // of 32 bits in a bound: 1, 2 or 4
	steps  int
	inside bool // key 0 is a member
	offset uint32
}

func newTableSet() *tableSet {
	return &tableSet{seed: maphash.MakeSeed(), at: map[uint64][]int{}, made: map[tableKey]searchTable{}, lists: map[listKey]*classify.Search{}}
}

// add makes the table of a list of ranges, or gives the one that is there.
func (s *tableSet) add(ranges []rules.Range, words int) searchTable {
	key := tableKey{&ranges[0], len(ranges), words}
	t, ok := s.made[key]
	if !ok {
		t = s.build(ranges, words)
		s.made[key] = t
	}
	return t
}

func (s *tableSet) build(ranges []rules.Range, words int) searchTable {
	top := map[int]rules.Value{1: {Lo: 0xffffffff}, 2: {Lo: ^uint64(0)}, 4: {Hi: ^uint64(0), Lo: ^uint64(0)}}[words]
	var bounds []rules.Value // each less one
	t := searchTable{words: words}
	for _, r := range ranges {
		if r.Lo == (rules.Value{}) {
			t.inside = true
		} else {
			below := r.Lo
			if below.Lo == 0 {
				below.Hi--
			}
			below.Lo--
			bounds = append(bounds, below)
		}
		if r.Hi != top {
			bounds = append(bounds, r.Hi)
		}
	}
	t.steps = bits.Len(uint(len(bounds)))
	for len(bounds) < 1<<t.steps-1 {
		bounds = append(bounds, top)
	}
	blob := make([]byte, 0, len(bounds)*words*4)
	for _, b := range bounds {
		for word := words - 1; word >= 0; word-- {
			blob = binary.LittleEndian.AppendUint32(blob, uint32(ir.ShiftRight(b, 32*word).Lo))
		}
	}
	t.offset = s.place(blob, 4)
	return t
}

// place puts a table of numbers of so many bytes into the map, unless the same
// bytes are there already, and keeps it.
func (s *tableSet) place(table []byte, width int) uint32 {
	hash := maphash.Bytes(s.seed, table)
	for _, i := range s.at[hash] {
		if t := &s.tables[i]; t.offset%width == 0 && bytes.Equal(t.bytes, table) {
			return uint32(t.offset)
		}
	}
	at := (s.size + width - 1) / width * width
	s.at[hash] = append(s.at[hash], len(s.tables))
	s.tables = append(s.tables, placedTable{at, table})
	s.size = at + len(table)
	s.readsUpTo(at, len(table))
	return uint32(at)
}

// readsUpTo notes that code reads at most so many bytes from an offset on.
func (s *tableSet) readsUpTo(offset, n int) { s.reads = max(s.reads, offset+n) }

// placeNumbers puts a table of n numbers into the map, little-endian, so that any
// index below the next power of two can be read.
func (s *tableSet) placeNumbers(n, width int, number func(i int) uint64) uint32 {
	table := make([]byte, 0, n*width+8)
	for i := range n {
		table = binary.LittleEndian.AppendUint64(table, number(i))[:(i+1)*width]
	}
	at := s.place(table, width)
	s.readsUpTo(int(at), width<<bits.Len(uint(n-1)))
	return at
}

// mapSpec is the map that holds the tables; nil if there are none.
func (s *tableSet) mapSpec() *ebpf.MapSpec {
	if len(s.tables) == 0 {
		return nil
	}
	value := make([]byte, s.reads)
	for _, t := range s.tables {
		copy(value[t.offset:], t.bytes)
	}
	return &ebpf.MapSpec{
		Name: tableMap, Type: ebpf.Array, KeySize: 4, ValueSize: uint32(len(value)), MaxEntries: 1,
		Contents: []ebpf.MapKV{{Key: uint32(0), Value: value}},
	}
}

// number puts a number of 32 bits into the tables and says where.
func (s *tableSet) number(n uint32) uint32 {
	return s.place(binary.LittleEndian.AppendUint32(nil, n), 4)
}

// search emits a branch-free binary search for an atom's value: R0 becomes 1 if
// the number of bounds at or below it is odd, else 0. It leaves R3 alone.
//
// R5 points to the bounds that are left. A step of size s looks at the last of
// the next s bounds and, if it is at or below the key, moves R5 behind it: the
// sign of (bound - 1) - key, in 64 bits, times the bytes of s bounds. The last
// step moves by one bound, so its sign is the parity of all.
//
// No mask of 0 or -1 is made: the verifier forks on its AND with a constant
// (kernel/bpf/verifier.c, maybe_fork_scalars).
func (f *family) search(t ir.Test) searchTable {
	words := 4
	if t.Atom.Size < 16 {
		words = f.loadKey(t.Atom)
	}
	table := f.tables.add(t.Ranges, words)
	f.emit("table of "+t.Atom.String(), asm.LoadMapValue(asm.R5, 0, table.offset).WithReference(tableMap))
	stride := int32(4 * words)
	for step := table.steps - 1; step >= 0; step-- {
		size := stride << step
		at := size - stride
		far := int32(0)
		if at+stride > 1<<15-1 {
			at, far = 0, at // the load's offset is a signed 16-bit number
			f.emit("", asm.Add.Imm(asm.R5, far))
		}
		f.belowKey(t.Atom, words, int16(at))
		if far != 0 {
			f.emit("", asm.Sub.Imm(asm.R5, far))
		}
		if step > 0 {
			f.emit("", asm.LSh.Imm(asm.R0, int32(bits.TrailingZeros32(uint32(size)))), asm.Add.Reg(asm.R5, asm.R0))
		}
	}
	return table
}

// loadKey puts a number into R1, or if it is wide its halves into R1 and R2,
// and says how many words that are.
func (f *family) loadKey(a ir.Atom) (words int) {
	o := f.operand(a)
	f.emit(a.String(), o.load...)
	if o.network != 0 {
		f.emit("", o.toHost(asm.R0))
	}
	if o.bias != 0 {
		f.emit("", asm.Sub.Imm(asm.R0, int32(o.bias)))
	}
	f.emit("", asm.Mov.Reg(asm.R1, asm.R0))
	if !o.wide {
		return 1
	}
	f.emit("", asm.RSh.Imm(asm.R1, 32), asm.LSh.Imm(asm.R0, 32), asm.RSh.Imm(asm.R0, 32), asm.Mov.Reg(asm.R2, asm.R0))
	return 2
}

// belowKey makes R0 1 if the bound at R5 + at is at or below the key, else 0:
// the borrow of a subtraction, least significant word first. The key is R1, or
// R1 and R2, or the words of an address, which are read anew for each bound:
// five registers are not enough to keep them.
func (f *family) belowKey(a ir.Atom, words int, at int16) {
	bound := func(r asm.Register, word int) asm.Instruction {
		return asm.LoadMem(r, asm.R5, at+4*int16(word), asm.Word)
	}
	switch words {
	case 1:
		f.emit("", bound(asm.R0, 0), asm.Sub.Reg(asm.R0, asm.R1), asm.RSh.Imm(asm.R0, 63))
		return
	case 2:
		f.emit("", bound(asm.R4, 1), asm.Sub.Reg(asm.R4, asm.R2), asm.RSh.Imm(asm.R4, 63))
		f.emit("", bound(asm.R0, 0), asm.Sub.Reg(asm.R0, asm.R1), asm.Sub.Reg(asm.R0, asm.R4), asm.RSh.Imm(asm.R0, 63))
		return
	}
	f.emit("", movImm(asm.R0, 0))
	for i := words - 1; i >= 0; i-- {
		f.emit("", bound(asm.R4, i))
		f.emit(a.String(), asm.LoadMem(asm.R2, regNet, int16(a.Offset)+4*int16(i), asm.Word), asm.HostTo(asm.BE, asm.R2, asm.Word))
		if mask := uint32(ir.ShiftRight(a.Mask, 96-32*i).Lo); mask != ^uint32(0) {
			f.emit("", asm.And.Imm32(asm.R2, int32(mask)))
		}
		f.emit("", asm.Sub.Reg(asm.R4, asm.R2), asm.Sub.Reg(asm.R4, asm.R0), asm.Mov.Reg(asm.R0, asm.R4), asm.RSh.Imm(asm.R0, 63))
	}
}
