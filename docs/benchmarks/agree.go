package main

import (
	"fmt"

	"github.com/cilium/ebpf"

	"xdpfw/codegen"
	"xdpfw/rules"
)

const xdpPass = 2 // enum xdp_action

// agree runs frames through a program, and holds what it returns and what it
// counts for each rule against the reference. counted is by rule, the default
// first; nil if the program counts nothing.
func agree(p *ebpf.Program, rs *rules.RuleSet, decide func([]byte) rules.Decision, frames [][]byte, counted func() ([]codegen.CounterValue, error)) error {
	want := make([]codegen.CounterValue, len(rs.Rules)+1)
	for _, f := range frames {
		d := decide(f)
		code, err := p.Run(&ebpf.RunOptions{Data: f, Repeat: 1})
		if err != nil {
			return err
		}
		if pass := code == xdpPass; pass != (d.Verdict == rules.Pass) {
			return fmt.Errorf("frame % x: it returns %d, the reference says %v (rule %d)", f, code, d.Verdict, d.Rule+1)
		}
		want[d.Rule+1].Packets++
		want[d.Rule+1].Bytes += uint64(len(f))
	}
	if counted == nil {
		return nil
	}
	got, err := counted()
	if err != nil {
		return err
	}
	for rule := range want {
		if got[rule] != want[rule] {
			return fmt.Errorf("rule %d counted %+v, the reference says %+v", rule, got[rule], want[rule])
		}
	}
	return nil
}

// reference decides by the evaluator, one rule after the other.
func reference(rs *rules.RuleSet) func([]byte) rules.Decision {
	return func(f []byte) rules.Decision { return rs.Decide(rules.NewPacket(f)) }
}

// countedIn a map of a C program, by rule.
func countedIn(c *ebpf.Collection, rs *rules.RuleSet) func() ([]codegen.CounterValue, error) {
	return func() ([]codegen.CounterValue, error) {
		out := make([]codegen.CounterValue, len(rs.Rules)+1)
		for slot := range out {
			var perCPU []codegen.CounterValue
			if err := c.Maps[codegen.CounterMap].Lookup(uint32(slot), &perCPU); err != nil {
				return nil, err
			}
			for _, v := range perCPU {
				out[slot].Packets += v.Packets
				out[slot].Bytes += v.Bytes
			}
		}
		return out, nil
	}
}

// counted by rule.
func (o *ours) counted() ([]codegen.CounterValue, error) {
	slots, err := o.Counters()
	if err != nil {
		return nil, err
	}
	out := make([]codegen.CounterValue, o.object.Rules+1)
	for slot, c := range o.object.Counters {
		out[c.Rule+1] = slots[slot]
	}
	return out, nil
}
