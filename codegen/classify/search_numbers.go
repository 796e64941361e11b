package classify

import (
	"encoding/binary"
	"fmt"
	"math/bits"
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

// Set the number at index i, which must fit.
func (n Numbers) Set(i int, v uint64) {
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

// widened are the same numbers in more bytes each.
func (n Numbers) widened(width int) Numbers {
	out := Numbers{width, make([]byte, n.Len()*width)}
	for i := range n.Len() {
		out.Set(i, n.At(i))
	}
	return out
}

func (n Numbers) String() string {
	count := fmt.Sprint(n.Len())
	if n.Len() >= 4096 && n.Len()%1024 == 0 {
		count = fmt.Sprintf("%dKi", n.Len()/1024)
	}
	return fmt.Sprintf("%s × %d byte", count, n.Width)
}
