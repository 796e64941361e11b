package main

import (
	"fmt"

	"xdpfw/codegen"
	"xdpfw/loader/bench"
)

// Small sets of rules, and the same written by hand in C.
var smallSets = []struct{ name, rules, c string }{
	{"founding", "../../testdata/rules/founding.fw", "c/founding.c"},
	{"mixed16", "rules/mixed.fw", "c/mixed.c"},
	{"assorted16", "rules/assorted.fw", "c/assorted.c"},
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
		c, err := clang(set.c, nil)
		if err != nil {
			return err
		}
		defer c.Close()
		inC := c.Programs["program"]
		if err := agree(inC, rs, reference(rs), checked(frames), countedIn(c, rs)); err != nil {
			return fmt.Errorf("%s is not what %s says: %w", set.c, set.rules, err)
		}
		subject := subject{
			base: record{Part: "small", Set: set.name, Rules: len(rs.Rules)},
			rs:   rs, strategies: codegen.Strategies, decide: reference(rs),
			others: []candidate{{Subject: bench.Subject{Name: "clang", Program: inC}}},
		}
		if err := b.compare(subject, traffic{"varied", frames}); err != nil {
			return err
		}
	}
	return nil
}
