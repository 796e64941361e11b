package loader

import (
	"errors"

	"xdpfw/codegen"
	"xdpfw/rules"
)

// A Mode is where in the receive path a program is attached.
type Mode uint8

// The modes.
const (
	Auto    Mode = iota // native where the driver has it, else generic
	Native              // in the driver
	Generic             // in the network stack, after the socket buffer is made
	Offload             // on the card
)

// An Error is a refusal by the kernel or the system: what was being done, why
// it was refused, and what would help. The command line exits 3 for it.
type Error struct {
	Doing string // "attach to eth0"
	Why   string // "another XDP program holds the interface: id 7, name xdp_pass"
	Help  string // "detach it first: ip link set dev eth0 xdp off", or ""
	Err   error  // the underlying error, or nil
}

func (e *Error) Error() string { panic("not built yet") }
func (e *Error) Unwrap() error { return e.Err }

// VerifierStats is what the kernel's verifier says of an accepted program.
type VerifierStats struct {
	Processed  int // instructions processed, all paths counted
	PeakStates int
}

// Verify runs the kernel's verifier over every program of the Object and
// unloads it again. A refusal is an *Error that names the rule.
func Verify(obj *codegen.Object) (VerifierStats, error) {
	return VerifierStats{}, errors.New("not built yet")
}

// A Runner runs frames through an Object in the kernel (BPF_PROG_RUN),
// attached to nothing.
type Runner struct{}

// NewRunner loads the Object; Close unloads it.
func NewRunner(obj *codegen.Object) (*Runner, error) { return nil, errors.New("not built yet") }

// ErrCannotRun: the kernel does not run such a frame (shorter than 14 bytes,
// or longer than its linear test buffer); ask the reference evaluator.
var ErrCannotRun = errors.New("the kernel cannot run a frame of this length")

// Run one frame. The deciding rule is read off the counters: exactly one slot
// must have moved by one packet and len(frame) bytes, anything else is an error.
func (r *Runner) Run(frame []byte) (rules.Decision, error) {
	return rules.Decision{}, errors.New("not built yet")
}

// Close frees programs and maps.
func (r *Runner) Close() error { return nil }

// LoadOptions of Load.
type LoadOptions struct {
	Interfaces []string
	Mode       Mode
	Force      bool           // skip the lockout guard
	DryRun     bool           // do everything but attach and pin
	Rules      *rules.RuleSet // what the lockout guard asks; the source of the Object
}

// An Attachment is what Load did on one interface.
type Attachment struct {
	Interface string
	Mode      Mode // Native, Generic or Offload: what the kernel did
	Replaced  bool // a rule set of ours was there and was replaced atomically
	ProgramID uint32
	Warnings  []string
}

// Load verifies the Object and attaches it to every interface, or to none.
func Load(obj *codegen.Object, opts LoadOptions) ([]Attachment, error) {
	return nil, errors.New("not built yet")
}

// Unload detaches what Load put on the interface and removes every trace.
func Unload(iface string) error { return errors.New("not built yet") }

// A CounterStat is the counter of one rule, summed over the CPUs.
type CounterStat struct {
	codegen.Counter
	codegen.CounterValue
}

// Stats is the counters of one interface.
type Stats struct {
	Interface string
	Default   CounterStat
	Rules     []CounterStat // in the order of the rule file
}

// ReadStats reads the counters of the rule set on an interface.
func ReadStats(iface string) (*Stats, error) { return nil, errors.New("not built yet") }

// A Status is what is on one interface.
type Status struct {
	Interface string
	Ours      bool   // loaded by xdpfw
	Mode      Mode   // Native, Generic or Offload
	ProgramID uint32 // of the program attached
	Program   string // its name in the kernel

	// Only if Ours:
	Source   string // rule file
	Digest   string
	Loaded   string // when, RFC 3339
	Version  int    // of the pinned state's format
	Rules    int
	Packets  uint64 // decided, all counters together
	Bytes    uint64
	Warnings []string
}

// ListStatus says what is attached to an interface, or to all ("") that hold
// any XDP program.
func ListStatus(iface string) ([]Status, error) { return nil, errors.New("not built yet") }

// InNamespace calls f on a thread that has entered a network namespace, given
// by name (as `ip netns` keeps them) or by path; "" is the caller's own.
// Nothing else is entered: mounts stay the caller's.
func InNamespace(namespace string, f func() error) error { return errors.New("not built yet") }
