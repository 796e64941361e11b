package codegen

import (
	"bytes"
	"testing"
)

// Tables lie where they are aligned, equal ones once, and only the end of them
// all is padded for reads at masked indexes.
func TestTableSet(t *testing.T) {
	s := newTableSet()
	if s.mapSpec() != nil {
		t.Error("a map without a table")
	}
	three := s.place([]byte{1, 2, 3}, 1)
	five := s.placeNumbers(5, 8, func(i int) uint64 { return uint64(i) << 40 })
	word := s.place([]byte{1, 2, 3, 4}, 4)
	again := s.place([]byte{1, 2, 3, 4}, 4)
	if three != 0 || five != 8 || word != 48 || again != word {
		t.Errorf("tables at %d, %d, %d, %d; want 0, 8, 48, 48", three, five, word, again)
	}
	want := make([]byte, 8+8*8) // eight entries can be read of the five
	copy(want, []byte{1, 2, 3})
	for i := range 5 {
		want[8+8*i+5] = byte(i)
	}
	copy(want[48:], []byte{1, 2, 3, 4})
	spec := s.mapSpec()
	if got := spec.Contents[0].Value.([]byte); !bytes.Equal(got, want) || spec.ValueSize != uint32(len(want)) {
		t.Errorf("%d bytes:\n%x\nwant\n%x", spec.ValueSize, got, want)
	}
	// Bytes that are there, but not where such numbers may lie.
	if at := s.place([]byte{1, 2, 3}, 1); at != three {
		t.Errorf("three bytes at %d", at)
	}
	if at := s.place([]byte{9}, 1); at != 52 {
		t.Errorf("one byte more at %d", at)
	}
	if at := s.place([]byte{9}, 2); at%2 != 0 {
		t.Errorf("aligned to two at %d", at)
	}
}
