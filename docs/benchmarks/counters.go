package main

import (
	"errors"
	"io/fs"

	"xdpfw/codegen"
	"xdpfw/loader/bench"
	"xdpfw/rules"
)

// counters measures what it costs a packet to be counted.
func counters(b *benchmark) error {
	for _, set := range smallSets {
		rs, err := readRules(set.rules)
		if err != nil {
			return err
		}
		if err := b.countersOf(set.name, rs); err != nil {
			return err
		}
	}
	for _, name := range []string{"acl1_1k", "fw1_1k", "acl1_10k"} {
		text, err := classBench(name)
		if errors.Is(err, fs.ErrNotExist) {
			b.fail(record{Part: "counters", Set: name}, "all", err)
			continue
		}
		if err != nil {
			return err
		}
		rs, err := parse(name, text)
		if err != nil {
			return err
		}
		if err := b.countersOf(name, rs); err != nil {
			return err
		}
	}
	return nil
}

func (b *benchmark) countersOf(name string, rs *rules.RuleSet) error {
	frames, err := varied(rs)
	if err != nil {
		return err
	}
	var modes []candidate
	for _, mode := range codegen.CounterModes {
		o, err := compile(rs, codegen.Options{Counters: mode})
		if err != nil {
			return err
		}
		defer o.Close()
		modes = append(modes, candidate{bench.Subject{Name: mode, Program: o.Program()}, o.describe})
	}
	base := record{Part: "counters", Set: name, Rules: len(rs.Rules)}
	return b.compare(subject{base: base, rs: rs, others: modes}, traffic{"varied", frames})
}
