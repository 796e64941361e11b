package rules_test

import (
	"fmt"
	"strings"
	"testing"

	"xdpfw/rules"
)

// found makes a ReachFinder of lines: what it says of the rules of a file.
func found(r rules.Reachability) rules.ReachFinder {
	return func(*rules.RuleSet) rules.Reachability { return r }
}

// TestReachWarnings: what is said of what a finder says.
func TestReachWarnings(t *testing.T) {
	const text = "drop from 10.0.0.0/9\ndrop from 10.128.0.0/9\npass udp from 10.0.0.0/8\n" +
		"drop tcp from 10.0.0.0/8\ncount arp\npass ip6 # nolint: shadowed-rule\ndrop arp # nolint: reachability-unknown\ndefault drop"
	set := func(r rules.Reachability) string {
		_, ds := rules.ParseAndCheckReach(rules.NewFile("x.fw", []byte(text)), found(r))
		var b strings.Builder
		for _, d := range ds {
			switch d.Code {
			case "unreachable-rule", "shadowed-rule", "reachability-unknown":
				fmt.Fprintf(&b, "%d %s: %s; %s", d.Span.Position().Line, d.Code, d.Message, d.Help)
				for _, n := range d.Notes {
					fmt.Fprintf(&b, "; %d %s", n.Span.Position().Line, n.Message)
				}
				b.WriteByte('\n')
			}
		}
		return b.String()
	}
	for _, c := range []struct {
		name string
		r    rules.Reachability
		want string
	}{
		{"others decide otherwise", rules.Reachability{Unreached: []rules.Unreached{{Rule: 2, By: []int{0, 1}}}},
			"3 shadowed-rule: this `pass` never happens: 2 earlier rules together match all that it matches; " +
				"move it in front of the earlier rules, or leave it out; 1 one of the earlier rules; 2 one of the earlier rules\n"},
		{"others decide the same", rules.Reachability{Unreached: []rules.Unreached{{Rule: 3, By: []int{0, 1}}}},
			"4 unreachable-rule: this rule is never reached: 2 earlier rules together match all that it matches; " +
				"leave it out, or move it up; 1 one of the earlier rules; 2 one of the earlier rules\n"},
		{"one, and it counts", rules.Reachability{Unreached: []rules.Unreached{{Rule: 4, By: []int{0}}}},
			"5 unreachable-rule: this rule is never reached: an earlier one matches all that it matches; leave it out, or move it up; 1 the earlier rule\n"},
		{"no packet", rules.Reachability{Unreached: []rules.Unreached{{Rule: 4}}},
			"5 unreachable-rule: this rule is never reached: no packet matches it; leave it out\n"},
		{"silenced", rules.Reachability{Unreached: []rules.Unreached{{Rule: 5, By: []int{0, 1}}}, Unknown: []int{6}}, ""},
		{"unknown", rules.Reachability{Unknown: []int{2, 3}},
			"3 reachability-unknown: it takes too long to find out whether packets reach this rule: they may, or not; \n" +
				"4 reachability-unknown: it takes too long to find out whether packets reach this rule: they may, or not; \n"},
	} {
		if got := set(c.r); got != c.want {
			t.Errorf("%s:\n%s\nwant\n%s", c.name, got, c.want)
		}
	}
}

// TestReachNamesFew: of many rules that have to do with a warning the first are
// named, and the others counted.
func TestReachNamesFew(t *testing.T) {
	text := ""
	for i := range 10 {
		text += fmt.Sprintf("drop from 10.0.0.%d\n", i)
	}
	for _, c := range []struct {
		r    rules.Reachability
		last string
		n    int
	}{
		{rules.Reachability{Unreached: []rules.Unreached{{Rule: 0, By: []int{1, 2, 3, 4, 5, 6, 7, 8}}}}, "one of the earlier rules", 8},
		{rules.Reachability{Unreached: []rules.Unreached{{Rule: 0, By: []int{1, 2, 3, 4, 5, 6, 7, 8, 9}}}}, "and 2 more, this one the first", 8},
		{rules.Reachability{Unknown: []int{0, 1, 2, 3, 4, 5, 6, 7, 8, 9}}, "and 2 more, this one the first", 8},
	} {
		_, ds := rules.ParseAndCheckReach(rules.NewFile("x.fw", []byte(text)), found(c.r))
		for _, d := range ds {
			if d.Span.Start != 0 || d.Code != "reachability-unknown" && d.Code != "unreachable-rule" {
				continue
			}
			if n := len(d.Notes); n != c.n || d.Notes[n-1].Message != c.last {
				t.Errorf("%s: %d notes, the last %q, want %d, %q", d.Code, n, d.Notes[n-1].Message, c.n, c.last)
			}
		}
	}
}
