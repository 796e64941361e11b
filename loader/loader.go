package loader

import (
	"time"

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

// LoadOptions of Load.
type LoadOptions struct {
	Interfaces []string
	Mode       Mode
	Force      bool            // skip the lockout guard, and load rules that read tags where these do not reach XDP
	Evict      bool            // take another tool's program off
	Confirm    time.Duration   // not 0: on trial for so long, see Confirm; what the lockout guard says is a warning then
	Keeper     []string        // arguments with which this program calls KeepTrial, before token and deadline
	DryRun     bool            // do everything but attach and pin; Attachment.Mode is then what was asked for
	Options    codegen.Options // what the Object was compiled with, if Rules is its source
	Rules      *rules.RuleSet  // the source of the Object: what the lockout guard asks, and what the program is checked against
}

// An Attachment is what Load did on one interface.
type Attachment struct {
	Interface string
	Mode      Mode // Native, Generic or Offload: what the kernel did
	Replaced  bool // a rule set of ours was there and was replaced atomically
	ProgramID uint32
	Evicted   string // another tool's program, whose place it took; "" if there was none
	Trial     *Trial // nil unless it is on trial; all interfaces of a load have the same
	Warnings  []string
}

// A CounterStat is the counter of one rule, summed over the CPUs.
type CounterStat struct {
	codegen.Counter
	codegen.CounterValue
	Since time.Time // when it began to count
}

// A VerdictStat is what rules of one verdict decided together.
type VerdictStat struct {
	Verdict rules.Verdict
	codegen.CounterValue
	Since time.Time // when the first of them began to count; zero if there is none
}

// Stats is the counters of one interface.
type Stats struct {
	Interface string
	Source    string // the rule file
	Loaded    string // when, RFC 3339
	Digest    string
	Counting  string        // of codegen.CounterModes
	Default   CounterStat   // what no rule decided; zero with CountNone
	Verdicts  []VerdictStat // of all verdicts that decide, the default apart; nil with CountNone
	Rules     []CounterStat // in the order of the rule file; nil unless with CountRules
}

// A Status is what is on one interface.
type Status struct {
	Interface string
	Ours      bool   // loaded by xdpfw
	Unknown   bool   // whether that is so cannot be told; Ours is false
	Gone      bool   // the link is dead, and nothing attached; what was pinned is removed by the next load
	Mode      Mode   // Native, Generic or Offload; Auto if several programs are attached
	ProgramID uint32 // of the program attached; 0 if there are several
	Program   string // its name in the kernel

	// Only if Ours:
	Source   string // rule file
	Digest   string
	Loaded   string       // when, RFC 3339
	Version  int          // of the pinned state's format
	Trial    *TrialStatus // nil if it is not on trial
	Strategy string       // "" of what was loaded before it was kept
	Target   string       // the oldest kernel that the program is for, likewise
	Counting string       // of codegen.CounterModes
	Rules    int
	Counted  bool   // something is, and can be read:
	Packets  uint64 // decided, all counters together
	Bytes    uint64
	Warnings []string
}

// Described says whether it is known what the rules are.
func (s *Status) Described() bool { return s.Ours && s.Digest != "" }

// A TrialStatus is how rules are on trial.
type TrialStatus struct {
	Left       time.Duration // until they are taken back; not more than zero if the time is over
	Interfaces []string      // of this network namespace that the same load put them on
}
