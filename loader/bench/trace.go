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

// A Trace is packets that the driver hands to programs one after the other.
type Trace struct {
	packets   int
	different int
	varied    bool   // in the lengths of frames
	template  []byte // what all frames have in common, as long as the longest
	words     []int  // offsets of the eight bytes of a frame in which not all agree
	records   []byte // of each packet: if varied its length in eight bytes, then the words
}

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
	t := &Trace{
		packets: max(len(frames), TraceLength), different: len(distinct),
		varied: shortest != longest, template: make([]byte, longest),
	}
	t.words = differingWords(frames, min(longest, headerBytes))
	copy(t.template, head(frames[0]))
	t.records = make([]byte, 0, t.packets*t.recordSize())
	var padded [headerBytes]byte
	for i := range t.packets {
		frame := frames[i%len(frames)]
		clear(padded[:])
		copy(padded[:], head(frame))
		if t.varied {
			t.records = binary.NativeEndian.AppendUint64(t.records, uint64(len(frame)))
		}
		for _, at := range t.words {
			t.records = append(t.records, padded[at:at+8]...)
		}
	}
	return t, nil
}

// Packets of the trace, those that repeat others included.
func (t *Trace) Packets() int { return t.packets }

// Different packets of the trace.
func (t *Trace) Different() int { return t.different }

// Frame is the packet with that index as programs get it.
func (t *Trace) Frame(i int) []byte {
	record := t.records[i*t.recordSize() : (i+1)*t.recordSize()]
	frame := slices.Clone(t.template)
	length := len(frame)
	if t.varied {
		length = int(binary.NativeEndian.Uint64(record))
		record = record[8:]
	}
	for w, at := range t.words {
		copy(frame[at:], record[8*w:8*w+8])
	}
	return frame[:length]
}

// recordSize is the bytes of a packet in records.
func (t *Trace) recordSize() int {
	if t.varied {
		return 8 + 8*len(t.words)
	}
	return 8 * len(t.words)
}

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
