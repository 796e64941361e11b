package rules_test

import (
	"fmt"
	"strings"
	"testing"

	"xdpfw/rules"
)

// TestLint compares which warnings a file has, and where.
func TestLint(t *testing.T) {
	const quiet = "drop invalid\ndrop frag\n"
	tests := []struct{ name, text, want string }{
		{"malformed", "pass arp\ndrop udp\ndrop tcp", "no-invalid 2"},
		{"malformed, known", "drop invalid\ndrop udp", ""},
		{"malformed, too late", "drop udp\ndrop invalid", "no-invalid 1"},
		{"malformed, passed", "pass invalid\ndrop udp", "no-invalid 2"},
		{"malformed, not", "drop not invalid", "no-invalid 1"},
		{"malformed, some", "drop invalid ip\ndrop udp", "no-invalid 1"},
		{"malformed, dropped at last", "default drop\ndrop udp\ndrop tcp to port 80", ""},
		{"malformed, dropped by a rule at last", "drop udp\ndrop tcp to port 80\ndrop", ""},
		{"malformed, passed by a rule at last", "default drop\ndrop udp\npass\ndrop", "no-invalid 2, unreachable-rule 4"},
		{"no drop", "pass udp\npass tcp to port 80", ""},
		{"fragments", "drop invalid\npass to port 80\ndrop udp\ndrop to port 80\ndrop from port 80", "no-frag 4, shadowed-rule 4"},
		{"fragments, known", "drop invalid\ndrop frag\ndrop to port 80", ""},
		{"fragments, later ones known", "drop invalid\ndrop frag later\ndrop to port 80", ""},
		{"fragments, first ones known", "drop invalid\ndrop frag first\ndrop to port 80", "no-frag 3"},
		{"fragments, too late", "drop invalid\ndrop to port 80\ndrop frag", "no-frag 2"},
		{"fragments first", "drop frag\ndrop invalid\ndrop to port 80", ""},
		{"scope", quiet + "drop not tcp to port 80\ndrop not proto { tcp, 17 } from 10.0.0.0/8 from port 80", "not-scope 3, not-scope 4"},
		{"no scope", quiet + "drop to port 80 not tcp\ndrop tcp not to port 80\ndrop proto != tcp from port 80\ndrop not tcp from 10.0.0.0/8", ""},
		{"unused", quiet + "set a = { 80 }\nset b = { 80 }\nset c = { @b }\ndrop to port @a", "unused-set 5"},
		{"empty", quiet + "set a = { }\nset b = { @a }\ndrop from @b", "empty-set 3, empty-set 4"},
		{"none beside an error", "set a = { 80 }\ndrop udp\ndrop tpc", "unknown-word 3"},
		{"silenced", "drop udp # nolint: no-invalid", ""},
		{"silenced among others", "drop to port 80 #nolint:no-frag,x no-invalid", ""},
		{"silenced in another line", "drop udp\npass # nolint: no-invalid", "no-invalid 1"},
		{"silenced by another code", "drop udp # nolint: no-frag", "no-invalid 1"},
		{"silenced by a word", "drop udp # nolint no-invalid", "no-invalid 1"},
		{"silenced in a joined line", "drop udp \\\n to \\\n port 80 # nolint: no-invalid, no-frag", ""},
		{"silenced within braces", quiet + "set a = { # one\n80, # nolint: unused-set\n443 }", ""},
		{"silenced behind braces", quiet + "set a = {\n80\n}\n# nolint: unused-set", "unused-set 3"},
		{"errors are not silenced", "drop tpc # nolint: unknown-word", "unknown-word 1"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			_, ds := rules.ParseAndCheck(rules.NewFile("x", []byte(test.text)))
			var got []string
			for _, d := range ds {
				got = append(got, fmt.Sprint(d.Code, " ", d.Span.Position().Line))
			}
			if got := strings.Join(got, ", "); got != test.want {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}

// TestManyWarnings: they are counted beyond their limit, and hide no error.
func TestManyWarnings(t *testing.T) {
	var b strings.Builder
	for i := range 5000 {
		fmt.Fprintf(&b, "set s%d = { 80 }\n", i)
	}
	_, ds := rules.ParseAndCheck(rules.NewFile("x", []byte(b.String()+"drop invalid")))
	if last := ds[len(ds)-1]; len(ds) != rules.MaxWarnings+1 || last.Message != "and 4900 more warnings" || ds.Err() != nil {
		t.Errorf("%d diagnostics, the last %q", len(ds), last.Message)
	}
}
