package loader

import (
	"encoding/hex"
	"fmt"
	"time"

	"github.com/cilium/ebpf"

	"xdpfw/codegen"
	"xdpfw/loader/workload"
	"xdpfw/rules"
)

// Before a program is attached, it decides witness packets (of each rule, and
// at the boundaries of what rules ask for) as it is loaded, and the reference
// evaluator must agree. That is the last of several nets: it holds what the
// compiler, the verifier, the JIT and this very kernel have made of the rules.

// Bounds of the self-check: packets of an interface, and how long they may
// take.
const (
	mostWitnesses   = 2048
	witnessPatience = 500 * time.Millisecond
)

// selfCheck runs witnesses through the program of an attempt and refuses it if
// it differs from the rules, if these are known. Its counters are zero
// afterwards.
func (a *attempt) selfCheck(obj *codegen.Object, rs *rules.RuleSet) error {
	if rs == nil {
		return nil
	}
	if err := a.img.agrees(obj, rs, a.tested); err != nil {
		return err
	}
	if a.img.counters != nil {
		if err := zeroCounters(a.img.counters); err != nil {
			return fmt.Errorf("set the counters to zero: %w", err)
		}
	}
	if a.named == a.tested {
		return nil
	}
	// Test runs arrive on the loopback, which the program of this interface
	// does not take for it; its twin does.
	twin, err := loadImage("load "+obj.Source+" for its self-check", obj, madeUp(obj, a.named))
	if err != nil {
		return err
	}
	defer twin.Close()
	return twin.agrees(obj, rs, a.named)
}

// agrees asks the program and the reference about packets that arrive on an
// interface that rules call arrives. What counts a packet is compared at the
// end, for all packets together, since reading the counters takes longer than
// running a packet.
func (img *image) agrees(obj *codegen.Object, rs *rules.RuleSet, arrives string) error {
	index := workload.NewIndex(rs)
	counted := map[int]codegen.CounterValue{} // by rule, as the reference says
	until := time.Now().Add(witnessPatience)
	for frame := range workload.Witnesses(rs, arrives, mostWitnesses, 1) {
		if time.Now().After(until) {
			break
		}
		if !CanRun(frame) {
			continue
		}
		p := rules.NewPacket(frame)
		p.Interface = arrives
		count := func(rule int) {
			c := counted[rule]
			counted[rule] = codegen.CounterValue{Packets: c.Packets + 1, Bytes: c.Bytes + uint64(len(frame))}
		}
		want := index.DecideCounting(p, count)
		count(want.Rule)
		code, err := img.entry.Run(&ebpf.RunOptions{Data: frame, Repeat: 1})
		if err != nil {
			return refusal("run a packet through the program of "+obj.Source, err)
		}
		if got := returnCode(code); got.verdict() != want.Verdict {
			return disagreement(obj, fmt.Sprintf("of the packet `hex %q` the program says %v, but %s would %v it",
				hex.EncodeToString(frame), got, ruleName(rs, want.Rule), want.Verdict))
		}
	}
	if img.counters == nil || obj.Counting != codegen.CountRules {
		return nil
	}
	return img.counted(obj, rs, counted)
}

// counted compares the counters of rules with what the reference counted.
func (img *image) counted(obj *codegen.Object, rs *rules.RuleSet, want map[int]codegen.CounterValue) error {
	reader, err := newCounterReader(img.counters, len(obj.Counters))
	if err != nil {
		return err
	}
	got, err := reader.read()
	if err != nil {
		return refusal("read the counters", err)
	}
	for slot, c := range obj.Counters {
		if got[slot] != want[c.Rule] {
			return disagreement(obj, fmt.Sprintf("it counted %d packets and %d bytes for %s, and the rules say %d and %d",
				got[slot].Packets, got[slot].Bytes, ruleName(rs, c.Rule), want[c.Rule].Packets, want[c.Rule].Bytes))
		}
	}
	return nil
}

func disagreement(obj *codegen.Object, what string) error {
	return &Error{
		Doing: "check the loaded program of " + obj.Source + " before it is attached",
		Why:   "the program does not do what the rules say: " + what + "; nothing was attached",
		Help: "the rules are not to blame: please report this, with the rule file, `uname -a` and the output of `xdpfw dump`; " +
			"another --strategy may do meanwhile",
	}
}

// zeroCounters of a program that is not attached yet.
func zeroCounters(counters *ebpf.Map) error {
	cpus, err := ebpf.PossibleCPU()
	if err != nil {
		return err
	}
	zero := make([][]byte, cpus)
	for i := range zero {
		zero[i] = make([]byte, counters.ValueSize())
	}
	for i := range counters.MaxEntries() {
		if err := counters.Update(i, zero, ebpf.UpdateExist); err != nil {
			return err
		}
	}
	return nil
}
