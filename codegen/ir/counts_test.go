package ir_test

import (
	"testing"

	"xdpfw/codegen/ir"
	"xdpfw/rules"
)

// TestWithoutCounts: rules that only count are gone, and with them a return
// that skips nothing else; the others skip what they did.
func TestWithoutCounts(t *testing.T) {
	lower := func(text string) string {
		t.Helper()
		rs, diags := rules.ParseAndCheck(rules.NewFile("rules.fw", []byte(text)))
		if err := diags.Err(); err != nil {
			t.Fatal(err)
		}
		d := ir.Lower(rs).WithoutCounts()
		if err := d.Verify(); err != nil {
			t.Error(err)
		}
		// Of the text form all but the numbers of the rules, which differ.
		for i := range d.Steps {
			d.Steps[i].Rule = 0
		}
		return d.String()
	}
	for with, without := range map[string]string{
		"count udp\ndrop tcp\n":                                  "drop tcp\n",
		"drop tcp\ncount udp\n":                                  "drop tcp\n",
		"chain c { return udp; count icmp }\njump c\ndrop tcp\n": "drop tcp\n",
		"chain c { count icmp; return udp; count icmp; drop icmp }\njump c\ncount ip\ndrop tcp\n": "chain c { return udp; drop icmp }\njump c\ndrop tcp\n",
	} {
		if got, want := lower(with), lower(without); got != want {
			t.Errorf("%q is\n%s\nwant\n%s", with, got, want)
		}
	}
}
