package bench

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"slices"
)

// TraceLength is how many packets a trace has at least. The branch predictors
// of today's CPUs learn a sequence of some thousand packets by heart, and a
// decision tree then seems five times as fast as it is.
const TraceLength = 64 << 10

// Bounds of a frame that BPF_PROG_RUN takes in one buffer (net/bpf/test_run.c):
// an Ethernet header; a page less XDP_PACKET_HEADROOM and skb_shared_info.
const shortestFrame = 14

var longestFrame = os.Getpagesize() - 256 - 320

// headerBytes are the first bytes of a frame, those that a trace keeps: two
// tags, an IPv6 header, three extension headers and TCP fit in. Behind them all
// frames have zeros.
const headerBytes = 128

// A Trace is packets that the driver hands to programs one after the other. It
// keeps of each packet the columns in which not all agree:
//
//	columns        tables[0]                     tables[1]
//	  packet 0     [length][byte 24…][byte 32…]  [byte 40…][byte 48…][unused]
//	  packet 1     [length][byte 24…][byte 32…]  [byte 40…][byte 48…][unused]
//
// They are in several tables because kernels before 6.1 take no value of a map
// above 4 MiB (kernel/bpf/arraymap.c, array_map_alloc_check).
type Trace struct {
	packets   int
	different int
	template  []byte // what all frames have in common, as long as the longest
	columns   []int  // offsets in the frame of eight bytes, or lengthColumn
	inTable   int    // columns in one table
	tables    [][]byte
}

// lengthColumn, always the first, stands for the frame's length. There is none
// where all have the same.
const lengthColumn = -1

// mostInTable keeps a table of TraceLength packets within 4 MiB.
const mostInTable = 4 << 20 / TraceLength / 8

// NewTrace takes the frames in their order, and again from the first one until
// they are TraceLength. Where their lengths differ the driver takes two calls of
// a helper more a packet, some 23 ns, which are the same for every program.
func NewTrace(frames [][]byte) (*Trace, error) {
	if len(frames) == 0 {
		return nil, errors.New("a trace needs packets, there are none")
	}
	longest, shortest, distinct := 0, len(frames[0]), make(map[string]struct{}, len(frames))
	for i, f := range frames {
		if len(f) < shortestFrame || len(f) > longestFrame {
			return nil, fmt.Errorf("packet %d is %d bytes long: the kernel runs frames of %d to %d", i+1, len(f), shortestFrame, longestFrame)
		}
		longest, shortest = max(longest, len(f)), min(shortest, len(f))
		distinct[string(f)] = struct{}{}
	}
	t := &Trace{packets: max(len(frames), TraceLength), different: len(distinct), template: make([]byte, longest)}
	copy(t.template, head(frames[0]))
	if shortest != longest {
		t.columns = []int{lengthColumn}
	}
	t.columns = append(t.columns, differingWords(frames, min(longest, headerBytes))...)
	tables := (len(t.columns) + mostInTable - 1) / mostInTable
	t.inTable = (len(t.columns) + tables - 1) / tables
	t.tables = make([][]byte, tables)
	for i := range t.tables {
		t.tables[i] = make([]byte, t.packets*t.stride())
	}
	for i := range t.packets {
		t.put(i, frames[i%len(frames)])
	}
	return t, nil
}

// stride is the bytes of a packet in each table.
func (t *Trace) stride() int { return 8 * t.inTable }

// column of a packet in the tables.
func (t *Trace) column(packet, column int) []byte {
	at := packet*t.stride() + column%t.inTable*8
	return t.tables[column/t.inTable][at : at+8]
}

func (t *Trace) put(packet int, frame []byte) {
	var padded [headerBytes]byte
	copy(padded[:], head(frame))
	for c, at := range t.columns {
		if at == lengthColumn {
			binary.NativeEndian.PutUint64(t.column(packet, c), uint64(len(frame)))
		} else {
			copy(t.column(packet, c), padded[at:at+8])
		}
	}
}

// Packets of the trace, those that repeat others included.
func (t *Trace) Packets() int { return t.packets }

// Different packets of the trace.
func (t *Trace) Different() int { return t.different }

// Frame is the packet with that index as programs get it.
func (t *Trace) Frame(i int) []byte {
	frame := slices.Clone(t.template)
	length := len(frame)
	for c, at := range t.columns {
		if at == lengthColumn {
			length = int(binary.NativeEndian.Uint64(t.column(i, c)))
		} else {
			copy(frame[at:], t.column(i, c))
		}
	}
	return frame[:length]
}

// varied says whether frames differ in length.
func (t *Trace) varied() bool { return t.columns[0] == lengthColumn }

func head(frame []byte) []byte { return frame[:min(len(frame), headerBytes)] }

// differingWords are the offsets of the words of eight bytes within the length
// in which not all frames agree, at least one. Behind a frame's end it counts
// as zeros. The last word may overlap the one before.
func differingWords(frames [][]byte, length int) []int {
	differs := make([]bool, length)
	first := make([]byte, length)
	copy(first, frames[0])
	for _, f := range frames {
		f = head(f)
		for i := range f {
			differs[i] = differs[i] || f[i] != first[i]
		}
		for i := len(f); i < length; i++ {
			differs[i] = differs[i] || first[i] != 0
		}
	}
	var words []int
	for at := 0; at < length; at += 8 {
		word := min(at, length-8)
		if slices.Contains(differs[word:word+8], true) {
			words = append(words, word)
		}
	}
	if words == nil {
		words = []int{0}
	}
	return words
}
