package main

import (
	"testing"

	"xdpfw/codegen"
	"xdpfw/loader"
	"xdpfw/rules"
)

// TestAgree: what a program that counts less tells is held against the
// reference as far as it goes.
func TestAgree(t *testing.T) {
	byRule, byDefault := rules.Decision{Verdict: rules.Drop, Rule: 3}, rules.Decision{Verdict: rules.Drop, Rule: rules.ByDefault}
	for _, c := range []struct {
		verdict   rules.Verdict
		rule      int
		reference rules.Decision
		want      bool
	}{
		{rules.Drop, 3, byRule, true},
		{rules.Drop, 4, byRule, false},
		{rules.Drop, rules.ByDefault, byRule, false},
		{rules.Drop, rules.ByDefault, byDefault, true},
		{rules.Drop, codegen.AnyRule, byRule, true},
		{rules.Pass, codegen.AnyRule, byRule, false},
		{rules.Drop, codegen.AnyRule, byDefault, false},
		{rules.Drop, loader.UnknownRule, byRule, true},
		{rules.Drop, loader.UnknownRule, byDefault, true},
		{rules.Pass, loader.UnknownRule, byDefault, false},
	} {
		if got := agree(rules.Decision{Verdict: c.verdict, Rule: c.rule}, c.reference); got != c.want {
			t.Errorf("%v by %d and %+v: %v", c.verdict, c.rule, c.reference, got)
		}
	}
}
