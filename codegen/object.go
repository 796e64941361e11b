package codegen

import (
	"slices"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"

	"xdpfw/rules"
)

// An Object is a compiled rule set: inert, a pure function of the rule file,
// the options and the compiler's version. It holds no file descriptor, names
// its maps, and can be printed, compared and loaded any number of times on
// any number of interfaces.
type Object struct {
	Source   string // name of the rule file
	Digest   string // "sha256:…" over the rule text, the options and the format version
	Rules    int
	Strategy string   // of the kind of frame with the most rules
	Choices  []Choice // by kind of frame
	Why      string   // all of them for people, in one line
	Target   Target
	Counting string // of CounterModes

	Programs []Program // the first one is the entry
	Maps     []Map
	Counters []Counter // indexed by slot of the counter map; none if there is no such map
	Origins  []Origin  // what Instruction.Origin counts in; 0 is the common code

	// Interfaces are the names that rules use. What they stand for the loader
	// puts into the map InterfaceMap, by index.
	Interfaces []Interface

	// ReadsTags is the first rule that reads VLAN tags; nil if none does. A card
	// may take tags out of frames before a program sees them.
	ReadsTags *Origin
}

// ProgramName is what the kernel is told that compiled programs are called.
const ProgramName = "xdpfw"

// A Program is one BPF program of an Object.
type Program struct {
	Name    string
	Code    []Instruction
	Longest int // the most instructions that one packet can execute
}

// An Instruction is one BPF instruction with what a reader wants to know of it.
type Instruction struct {
	asm.Instruction        // map references and jump targets by symbol, never resolved
	Origin          int    // index in Object.Origins: the rule it serves
	Comment         string // symbolic meaning: "ip.src", "tcp/udp/sctp dport"
}

// An Origin is a place in the rule file that instructions serve.
type Origin struct {
	Rule     int            `json:"rule"` // index in RuleSet.Rules; rules.ByDefault for the default; CommonCode for neither
	Position rules.Position `json:"position"`
	Text     string         `json:"text"` // the rule as written, or what the common code is for
}

// CommonCode is the Origin.Rule of code that serves no rule alone.
const CommonCode = -2

// A Lifetime says what becomes of a map when a new Object replaces an old one.
type Lifetime uint8

// The lifetimes.
const (
	Frozen  Lifetime = iota + 1 // constant contents, read-only to everyone once loaded, dies with its program
	Count                       // counters: values may carry over to the next Object, by Counter.Key
	Dynamic                     // changes while the program runs, kept over a replace
	Scratch                     // holds nothing from one packet to the next
)

var lifetimeTexts = [...]string{Frozen: "frozen", Count: "counters", Dynamic: "dynamic", Scratch: "scratch"}

func (l Lifetime) String() string { return lifetimeTexts[l] }

// lifetimeNamed is the Lifetime that String calls so, false if there is none.
func lifetimeNamed(name string) (Lifetime, bool) {
	i := slices.Index(lifetimeTexts[1:], name)
	return Lifetime(i + 1), i >= 0
}

// A Map is one map of an Object, with its contents.
type Map struct {
	Lifetime Lifetime
	Spec     *ebpf.MapSpec
}

// CounterMap is the name of the map that counts packets and bytes: a per-CPU
// array whose elements hold one CounterValue or several, as many as fit: slot n
// of elements of k is in element n / k.
const CounterMap = "counters"

// CounterValue is one slot of CounterMap on one CPU, in host byte order.
type CounterValue struct {
	Packets uint64
	Bytes   uint64 // of whole frames, Ethernet header included, without FCS
}

// AnyRule is the Counter.Rule of what is counted for several rules together.
const AnyRule = -2

// A Counter says what one slot of CounterMap counts.
type Counter struct {
	Rule int    // index in RuleSet.Rules, rules.ByDefault or AnyRule
	Key  string // identity over edits of the file; "default" for the default, "verdict drop" for a verdict

	// For people and for `stats`, which has no rule file at hand.
	Name    string // the rule's label, or ""
	Source  string // file that Line counts in
	Line    int    // 0 for an implicit default and for verdicts
	Text    string
	Verdict rules.Verdict
}

// CollectionSpec is the Object in the terms of cilium/ebpf: a fresh copy,
// which the caller may change.
func (o *Object) CollectionSpec() *ebpf.CollectionSpec {
	spec := &ebpf.CollectionSpec{
		Maps:     make(map[string]*ebpf.MapSpec, len(o.Maps)),
		Programs: make(map[string]*ebpf.ProgramSpec, len(o.Programs)),
	}
	for _, m := range o.Maps {
		spec.Maps[m.Spec.Name] = m.Spec.Copy()
	}
	for _, p := range o.Programs {
		spec.Programs[p.Name] = &ebpf.ProgramSpec{
			Name:         p.Name,
			Type:         ebpf.XDP,
			AttachType:   ebpf.AttachXDP,
			Instructions: p.Instructions(),
			Flags:        o.programFlags(),
			License:      programLicense,
		}
	}
	return spec
}

// programFlags of BPF_PROG_LOAD.
func (o *Object) programFlags() uint32 {
	const hasFrags = 1 << 5 // BPF_F_XDP_HAS_FRAGS (include/uapi/linux/bpf.h)
	if o.Target.SpreadsFrames() {
		return hasFrags
	}
	return 0
}

// programLicense is what the emitted program declares to the kernel. The
// helpers it calls need no GPL; a GPL-compatible word keeps those open that do.
const programLicense = "Dual MIT/GPL"

// Instructions of the program in the terms of cilium/ebpf/asm.
func (p *Program) Instructions() asm.Instructions {
	insns := make(asm.Instructions, len(p.Code))
	for i := range p.Code {
		insns[i] = p.Code[i].Instruction
	}
	return insns
}
