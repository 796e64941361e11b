package loader

import (
	"errors"
	"fmt"
	"os"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"

	"xdpfw/codegen"
	"xdpfw/rules"
)

// A Runner runs frames through an Object in the kernel (BPF_PROG_RUN),
// attached to nothing. It is not for concurrent use.
type Runner struct {
	image    *image
	counters []codegen.Counter
	options  ebpf.RunOptions
	reader   *counterReader
	before   []codegen.CounterValue // totals by slot, up to the last run
}

// NewRunner loads the Object; Close unloads it. Errors are *Error.
func NewRunner(obj *codegen.Object) (*Runner, error) {
	doing := "load " + obj.Source + " for test runs"
	img, err := loadImage(doing, obj)
	if err != nil {
		return nil, err
	}
	r := &Runner{
		image:    img,
		counters: obj.Counters,
		options:  ebpf.RunOptions{Repeat: 1},
		before:   make([]codegen.CounterValue, len(obj.Counters)),
	}
	if r.reader, err = newCounterReader(img.counters, len(obj.Counters)); err != nil {
		img.Close()
		return nil, refusal(doing, err)
	}
	return r, nil
}

// ErrCannotRun: the kernel does not run such a frame (shorter than 14 bytes,
// or longer than its linear test buffer); ask the reference evaluator.
var ErrCannotRun = errors.New("the kernel cannot run a frame of this length")

// Bounds of a frame that BPF_PROG_RUN takes in one buffer (net/bpf/test_run.c,
// bpf_prog_test_run_xdp): at least an Ethernet header; at most a page less
// XDP_PACKET_HEADROOM and the skb_shared_info at its end. Longer ones are
// spread over further buffers, of which a program without xdp.frags knows
// nothing.
const (
	shortestFrame  = 14
	packetHeadroom = 256
	sharedInfoRoom = 320 // SKB_DATA_ALIGN(sizeof(struct skb_shared_info))
)

var longestFrame = os.Getpagesize() - packetHeadroom - sharedInfoRoom

// Run one frame. The deciding rule is read off the counters: exactly one slot
// must have moved by one packet and len(frame) bytes, anything else is an error.
func (r *Runner) Run(frame []byte) (rules.Decision, error) {
	if len(frame) < shortestFrame || len(frame) > longestFrame {
		return rules.Decision{}, ErrCannotRun
	}
	r.options.Data = frame
	code, err := r.image.entry.Run(&r.options)
	if errors.Is(err, unix.EINVAL) {
		return rules.Decision{}, ErrCannotRun
	}
	if err != nil {
		return rules.Decision{}, refusal("run a frame in the kernel", err)
	}
	slot, err := r.movedSlot(uint64(len(frame)))
	if err != nil {
		return rules.Decision{}, fmt.Errorf("after a frame of %d bytes (return code %s): %w", len(frame), returnCode(code), err)
	}
	counter := &r.counters[slot]
	if verdict := returnCode(code).verdict(); verdict != counter.Verdict {
		return rules.Decision{}, fmt.Errorf("the program returned %s, but counted the frame for %q, whose verdict is %v",
			returnCode(code), counter.Text, counter.Verdict)
	}
	return rules.Decision{Verdict: counter.Verdict, Rule: counter.Rule}, nil
}

// movedSlot is the one slot that counted one packet of that many bytes since
// the last run.
func (r *Runner) movedSlot(length uint64) (int, error) {
	now, err := r.reader.read()
	if err != nil {
		return 0, refusal("read the counters", err)
	}
	moved := -1
	for slot := range now {
		if now[slot] == r.before[slot] {
			continue
		}
		packets, bytes := now[slot].Packets-r.before[slot].Packets, now[slot].Bytes-r.before[slot].Bytes
		r.before[slot] = now[slot]
		if moved >= 0 || packets != 1 || bytes != length {
			err = errors.Join(err, fmt.Errorf("slot %d (%q) moved by %d packets and %d bytes", slot, r.counters[slot].Text, packets, bytes))
		}
		moved = slot
	}
	if err == nil && moved < 0 {
		err = errors.New("no counter moved")
	}
	return moved, err
}

// Close frees programs and maps.
func (r *Runner) Close() error {
	r.image.Close()
	return nil
}

// A returnCode is what an XDP program returns (enum xdp_action).
type returnCode uint32

func (c returnCode) String() string {
	names := [...]string{"XDP_ABORTED", "XDP_DROP", "XDP_PASS", "XDP_TX", "XDP_REDIRECT"}
	if int(c) < len(names) {
		return names[c]
	}
	return fmt.Sprintf("unknown (%d)", uint32(c))
}

// verdict of the language that the code stands for; none for codes that no
// rule of the language yields.
func (c returnCode) verdict() rules.Verdict {
	switch c {
	case 1:
		return rules.Drop
	case 2:
		return rules.Pass
	}
	return 0
}
