package loader

import (
	"errors"
	"fmt"
	"os"
	"slices"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"

	"xdpfw/codegen"
	"xdpfw/rules"
)

// A Runner runs frames through an Object in the kernel (BPF_PROG_RUN),
// attached to nothing. Where it runs does not matter: the interfaces that
// rules name need not exist. It is not for concurrent use.
type Runner struct {
	object  *codegen.Object
	options ebpf.RunOptions
	loaded  map[string]*loaded // by the interface that frames arrive on; "" for one that no rule names
}

// loaded is the Object in the kernel, for frames that arrive on one interface.
type loaded struct {
	image  *image
	reader *counterReader         // nil if the Object counts nothing
	before []codegen.CounterValue // totals by slot, up to the last run
}

// NewRunner loads the Object; Close unloads it. Errors are *Error.
func NewRunner(obj *codegen.Object) (*Runner, error) {
	r := &Runner{object: obj, options: ebpf.RunOptions{Repeat: 1}, loaded: map[string]*loaded{}}
	if _, err := r.on(""); err != nil {
		return nil, err
	}
	return r, nil
}

// on is the Object loaded for frames that arrive on an interface.
func (r *Runner) on(name string) (*loaded, error) {
	if !slices.ContainsFunc(r.object.Interfaces, func(i codegen.Interface) bool { return i.Name == name }) {
		name = ""
	}
	if l, ok := r.loaded[name]; ok {
		return l, nil
	}
	doing := "load " + r.object.Source + " for test runs"
	img, err := loadImage(doing, r.object, madeUp(r.object, name))
	if err != nil {
		return nil, err
	}
	l := &loaded{image: img, before: make([]codegen.CounterValue, len(r.object.Counters))}
	if len(r.object.Counters) == 0 {
		r.loaded[name] = l
		return l, nil
	}
	if l.reader, err = newCounterReader(img.counters, len(r.object.Counters)); err != nil {
		img.Close()
		return nil, refusal(doing, err)
	}
	r.loaded[name] = l
	return l, nil
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

// UnknownRule is the Decision.Rule of a program that counts nothing: what
// decided, a rule or the default, cannot be told.
const UnknownRule = -3

// Run one frame, which arrives on no interface that rules name.
func (r *Runner) Run(frame []byte) (rules.Decision, error) {
	d, _, err := r.RunCounting(rules.NewPacket(frame))
	return d, err
}

// RunCounting runs the bytes that are there of a packet. What became of it is
// read off the counters: of those of rules that decide exactly one must have
// moved by one packet and the bytes, anything else is an error. counted are
// the rules that only counted the packet, in their order, each as often as it
// did. Of a program that counts less, less is known: with CountVerdicts the
// rule is codegen.AnyRule unless it is the default, with CountNone it is
// UnknownRule and the verdict is what the program returned; counted is nil.
func (r *Runner) RunCounting(p rules.Packet) (d rules.Decision, counted []int, err error) {
	if !CanRun(p.Head) {
		return d, nil, ErrCannotRun
	}
	l, err := r.on(p.Interface)
	if err != nil {
		return d, nil, err
	}
	code, err := r.run(l, p.Head)
	if err != nil {
		return d, nil, err
	}
	if l.reader == nil {
		if d = (rules.Decision{Verdict: returnCode(code).verdict(), Rule: UnknownRule}); !d.Verdict.Decides() {
			return d, nil, fmt.Errorf("the program returned %s", returnCode(code))
		}
		return d, nil, nil
	}
	slot, counted, err := r.movedSlots(l, uint64(len(p.Head)))
	if err != nil {
		return d, nil, fmt.Errorf("after a frame of %d bytes (return code %s): %w", len(p.Head), code, err)
	}
	counter := &r.object.Counters[slot]
	if code.verdict() != counter.Verdict {
		return d, nil, fmt.Errorf("the program returned %s, but counted the frame for %q, whose verdict is %v",
			code, counter.Text, counter.Verdict)
	}
	return rules.Decision{Verdict: counter.Verdict, Rule: counter.Rule}, counted, nil
}

// run a frame that the kernel can run.
func (r *Runner) run(l *loaded, frame []byte) (returnCode, error) {
	r.options.Data = frame
	code, err := l.image.entry.Run(&r.options)
	if errors.Is(err, unix.EINVAL) {
		return 0, ErrCannotRun
	}
	if err != nil {
		return 0, refusal("run a frame in the kernel", err)
	}
	return returnCode(code), nil
}

// Verdict runs a frame, which arrives on no interface that rules name, and says
// only what the program returned. Who counted the frame is left to Counter and
// Counters, since that takes longer than the frame if there are many rules.
func (r *Runner) Verdict(frame []byte) (rules.Verdict, error) {
	if !CanRun(frame) {
		return 0, ErrCannotRun
	}
	code, err := r.run(r.loaded[""], frame)
	return code.verdict(), err
}

// Counter is what Program counted in one slot since the Object was loaded.
func (r *Runner) Counter(slot int) (codegen.CounterValue, error) {
	v, err := r.loaded[""].reader.slot(slot)
	if err != nil {
		return v, refusal("read a counter", err)
	}
	return v, nil
}

// movedSlots are the one slot with a verdict that counted one packet of that
// many bytes since the last run, and the rules of the others that counted it.
func (r *Runner) movedSlots(l *loaded, length uint64) (decided int, counted []int, err error) {
	now, err := l.reader.read()
	if err != nil {
		return 0, nil, refusal("read the counters", err)
	}
	decided = -1
	for slot := range now {
		if now[slot] == l.before[slot] {
			continue
		}
		packets, bytes := now[slot].Packets-l.before[slot].Packets, now[slot].Bytes-l.before[slot].Bytes
		l.before[slot] = now[slot]
		counter := &r.object.Counters[slot]
		if !counter.Verdict.Decides() && packets > 0 && bytes == packets*length {
			for range packets { // several, if its chain is jumped to several times
				counted = append(counted, counter.Rule)
			}
			continue
		}
		if decided >= 0 || packets != 1 || bytes != length {
			err = errors.Join(err, fmt.Errorf("slot %d (%q) moved by %d packets and %d bytes", slot, counter.Text, packets, bytes))
		}
		decided = slot
	}
	if err == nil && decided < 0 {
		err = errors.New("no counter moved")
	}
	return decided, counted, err
}

// Program is the Object in the kernel, for frames that arrive on no interface that rules
// name. It belongs to the Runner.
func (r *Runner) Program() *ebpf.Program { return r.loaded[""].image.entry }

// Counters are by slot what Program counted since the last call of it, or of
// RunCounting. The result is the caller's; nil if nothing is counted.
func (r *Runner) Counters() ([]codegen.CounterValue, error) {
	l := r.loaded[""]
	if l.reader == nil {
		return nil, nil
	}
	now, err := l.reader.read()
	if err != nil {
		return nil, refusal("read the counters", err)
	}
	since := make([]codegen.CounterValue, len(now))
	for slot, v := range now {
		since[slot] = codegen.CounterValue{Packets: v.Packets - l.before[slot].Packets, Bytes: v.Bytes - l.before[slot].Bytes}
	}
	copy(l.before, now)
	return since, nil
}

// CanRun says whether the kernel runs a frame of this length.
func CanRun(frame []byte) bool { return len(frame) >= shortestFrame && len(frame) <= longestFrame }

// Close frees programs and maps.
func (r *Runner) Close() error {
	for _, l := range r.loaded {
		l.image.Close()
	}
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
	verdicts := [...]rules.Verdict{rules.Abort, rules.Drop, rules.Pass, rules.TX, rules.Redirect}
	if int(c) < len(verdicts) {
		return verdicts[c]
	}
	return 0
}
