package codegen

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Options of Compile. The zero value is what users get.
type Options struct {
	Target      Target // zero: Baseline
	Strategy    string // one of Strategies; "": Auto
	Counters    string // one of CounterModes; "": CountRules
	TableMemory int64  // bytes that frozen tables may take together; 0: DefaultTableMemory
}

// What a program counts.
const (
	CountRules    = "rules"    // packets and bytes of each rule, and of the default
	CountVerdicts = "verdicts" // of each verdict that rules have, and of the default
	CountNone     = "none"     // nothing: there is no counter map
)

// CounterModes are all of them.
var CounterModes = []string{CountRules, CountVerdicts, CountNone}

// DefaultTableMemory is in bytes.
const DefaultTableMemory = 64 << 20

// withDefaults fills in what the zero values stand for; an error is about a
// value that no option has.
func (o Options) withDefaults() (Options, error) {
	if o.Target == (Target{}) {
		o.Target = Baseline
	}
	if o.Strategy == "" {
		o.Strategy = Auto
	}
	if o.Counters == "" {
		o.Counters = CountRules
	}
	if o.TableMemory == 0 {
		o.TableMemory = DefaultTableMemory
	}
	if _, err := ParseTarget(o.Target.Kernel); err != nil {
		return o, err
	}
	if !slices.Contains(Strategies, o.Strategy) {
		return o, fmt.Errorf("unknown strategy %q: this version has %s", o.Strategy, strings.Join(Strategies, ", "))
	}
	if !slices.Contains(CounterModes, o.Counters) {
		return o, fmt.Errorf("unknown counters %q: they are %s", o.Counters, strings.Join(CounterModes, ", "))
	}
	if o.TableMemory < 0 {
		return o, fmt.Errorf("a table memory of %d bytes", o.TableMemory)
	}
	return o, nil
}

// A Target is the kernel that code is generated for. It is chosen, never
// probed, so that dump and load build the same bytes.
type Target struct {
	Kernel string // the oldest kernel that the code runs on, "5.10"
}

// Baseline is the Target unless another is asked for, and the oldest there is.
var Baseline = Target{Kernel: "5.10"}

// ParseTarget reads a kernel version of two numbers, "6.1".
func ParseTarget(version string) (Target, error) {
	t := Target{version}
	major, minor, ok := t.numbers()
	if !ok {
		return Target{}, fmt.Errorf("%q is not a kernel version such as 5.10 or 6.1", version)
	}
	if oldest, oldestMinor, _ := Baseline.numbers(); major < oldest || major == oldest && minor < oldestMinor {
		return Target{}, fmt.Errorf("kernel %s is too old: %s is the oldest kernel that programs are made for", version, Baseline.Kernel)
	}
	return t, nil
}

// Includes says whether code for the target runs on a kernel. That for the zero
// Target does on any.
func (t Target) Includes(major, minor int) bool {
	oldest, oldestMinor, _ := t.numbers()
	return major > oldest || major == oldest && minor >= oldestMinor
}

// SpreadingKernel is the oldest kernel that takes frames in several buffers
// (xdp.frags), for programs that say so.
const SpreadingKernel = "5.18"

// SpreadsFrames says whether code for the target may meet frames of which it
// sees only the first buffer.
func (t Target) SpreadsFrames() bool {
	major, minor, _ := t.numbers()
	return Target{SpreadingKernel}.Includes(major, minor)
}

func (t Target) numbers() (major, minor int, ok bool) {
	before, after, _ := strings.Cut(t.Kernel, ".")
	major, err := strconv.Atoi(before)
	minor, err2 := strconv.Atoi(after)
	// Written in one way only: it is part of the digest.
	return major, minor, err == nil && err2 == nil && fmt.Sprintf("%d.%d", major, minor) == t.Kernel && minor >= 0
}
