package main

import (
	"fmt"

	"github.com/cilium/ebpf"

	"xdpfw/codegen"
	"xdpfw/loader/bench"
	"xdpfw/rules"
)

// Small sets of rules, and the same written by hand in C.
var smallSets = []struct{ name, rules, c string }{
	{"founding", "../../testdata/rules/founding.fw", "c/founding.c"},
	{"mixed16", "rules/mixed.fw", "c/mixed.c"},
}

// small compares every strategy with clang, on small sets.
func small(b *benchmark) error {
	for _, set := range smallSets {
		rs, err := readRules(set.rules)
		if err != nil {
			return err
		}
		frames, err := varied(rs)
		if err != nil {
			return err
		}
		c, err := clang(set.c)
		if err != nil {
			return err
		}
		defer c.Close()
		inC := c.Programs["program"]
		if err := agree(inC, c.Maps[codegen.CounterMap], rs, checked(frames)); err != nil {
			return fmt.Errorf("%s is not what %s says: %w", set.c, set.rules, err)
		}
		base := record{Part: "small", Set: set.name, Rules: len(rs.Rules), Traffic: "varied"}
		clangs := candidate{Subject: bench.Subject{Name: "clang", Program: inC}}
		if err := b.compare(base, rs, frames, codegen.Strategies, []candidate{clangs}); err != nil {
			return err
		}
	}
	return nil
}

// agree runs frames through a program that counts in slots, rule by rule in
// the order of the file and the default in slot 0, and holds verdict and
// counter against the reference evaluator.
func agree(p *ebpf.Program, counters *ebpf.Map, rs *rules.RuleSet, frames [][]byte) error {
	want := make([]codegen.CounterValue, len(rs.Rules)+1)
	for _, f := range frames {
		d := rs.Decide(rules.NewPacket(f))
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
	for slot := range want {
		var perCPU []codegen.CounterValue
		if err := counters.Lookup(uint32(slot), &perCPU); err != nil {
			return err
		}
		var got codegen.CounterValue
		for _, v := range perCPU {
			got.Packets += v.Packets
			got.Bytes += v.Bytes
		}
		if got != want[slot] {
			return fmt.Errorf("rule %d counted %+v, the reference says %+v", slot, got, want[slot])
		}
	}
	return nil
}

const xdpPass = 2 // enum xdp_action
