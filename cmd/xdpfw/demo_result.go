package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"xdpfw/codegen"
	"xdpfw/loader"
	"xdpfw/rules"
)

// A demoResult is what became of the packets of one kind.
type demoResult struct {
	sent      [][]byte       // the frames that left the outer end
	arrived   int            // frames that came up behind the rules
	decisions []demoDecision // by counter: the rules in their order, the default last

	talked      bool // by sockets, which
	answered    bool // were answered, and
	wantsAnswer bool // should have been: the rules pass the first frame
}

// A demoDecision is one counter over the packets of one kind.
type demoDecision struct {
	codegen.Counter
	counted codegen.CounterValue // by the kernel
	wanted  codegen.CounterValue // by the reference evaluator, of the frames sent
}

// try sends one kind, and waits a little for all of it to have been decided.
func (b *demoBench) try(ctx context.Context, set *rules.RuleSet, kind demoKind) (*demoResult, error) {
	before, err := b.stats()
	if err != nil {
		return nil, err
	}
	r := &demoResult{talked: kind.talk != nil}
	if r.answered, err = b.send(kind); err != nil {
		return nil, fmt.Errorf("send %s: %w", kind.name, err)
	}
	for deadline := time.Now().Add(demoPatience); ; time.Sleep(time.Millisecond) {
		if err := b.look(r, set, before); err != nil {
			return nil, err
		}
		settled := r.complaint() == "" && len(r.sent) >= max(1, len(kind.frames))
		if settled || time.Now().After(deadline) || ctx.Err() != nil {
			break
		}
	}
	if len(r.sent) < max(1, len(kind.frames)) {
		return nil, fmt.Errorf("send %s: %d of the frames left the interface", kind.name, len(r.sent))
	}
	return r, ctx.Err()
}

// look brings a result up to date; before are the counters at its beginning.
func (b *demoBench) look(r *demoResult, set *rules.RuleSet, before *loader.Stats) error {
	sent, err := b.outerTap.seen()
	if err != nil {
		return err
	}
	r.sent = append(r.sent, sent...)
	r.wantsAnswer = len(r.sent) > 0 && set.Decide(demoPacket(r.sent[0])).Verdict == rules.Pass
	arrived, err := b.innerTap.seen()
	if err != nil {
		return err
	}
	r.arrived += len(arrived)
	now, err := b.stats()
	if err != nil {
		return err
	}
	r.decisions = decisionsOf(set, r.sent, before, now)
	return nil
}

// demoPacket is a frame as it arrives in the demonstration.
func demoPacket(frame []byte) rules.Packet {
	packet := rules.NewPacket(frame)
	packet.Interface = demoInterface
	return packet
}

// decisionsOf puts what the kernel counted between two readings beside what
// the reference evaluator makes of the frames.
func decisionsOf(set *rules.RuleSet, sent [][]byte, before, now *loader.Stats) []demoDecision {
	wanted := map[int]codegen.CounterValue{}
	for _, frame := range sent {
		count := func(rule int) {
			value := wanted[rule]
			wanted[rule] = codegen.CounterValue{Packets: value.Packets + 1, Bytes: value.Bytes + uint64(len(frame))}
		}
		count(set.DecideCounting(demoPacket(frame), count).Rule)
	}
	var decisions []demoDecision
	add := func(now, before loader.CounterStat) {
		decisions = append(decisions, demoDecision{
			Counter: now.Counter,
			counted: codegen.CounterValue{Packets: now.Packets - before.Packets, Bytes: now.Bytes - before.Bytes},
			wanted:  wanted[now.Rule],
		})
	}
	for i := range now.Rules {
		add(now.Rules[i], before.Rules[i])
	}
	add(now.Default, before.Default)
	return decisions
}

// dropped is how many packets the kernel counted for rules that drop or abort.
func (r *demoResult) dropped() (packets uint64) {
	for _, d := range r.decisions {
		if d.Verdict == rules.Drop || d.Verdict == rules.Abort {
			packets += d.counted.Packets
		}
	}
	return packets
}

// deciders are the rules that the kernel counted packets for.
func (r *demoResult) deciders() string {
	var all []string
	for _, d := range r.decisions {
		switch {
		case d.counted.Packets == 0 || !d.Verdict.Decides():
		case d.Rule == rules.ByDefault:
			all = append(all, fmt.Sprintf("default %v", d.Verdict))
		default:
			all = append(all, fmt.Sprintf("%s:%d %s", d.Source, d.Line, d.Text))
		}
	}
	return strings.Join(all, ", ")
}

// complaint says where the kernel did not do what the reference evaluator says
// of the frames that were sent; "" if it did.
func (r *demoResult) complaint() string {
	passed := uint64(0)
	for _, d := range r.decisions {
		if d.counted != d.wanted {
			return fmt.Sprintf("%s counted %d packets (%d bytes), the rules say %d packets (%d bytes)", d.Key,
				d.counted.Packets, d.counted.Bytes, d.wanted.Packets, d.wanted.Bytes)
		}
		if d.Verdict == rules.Pass {
			passed += d.wanted.Packets
		}
	}
	if uint64(r.arrived) != passed {
		return fmt.Sprintf("%d frames arrived, the rules pass %d", r.arrived, passed)
	}
	if r.talked && r.answered != r.wantsAnswer {
		return fmt.Sprintf("answered: %v, by the rules it should be: %v", r.answered, r.wantsAnswer)
	}
	return ""
}
