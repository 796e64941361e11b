package rules_test

import (
	"testing"

	"xdpfw/loader/cases"
	"xdpfw/rules"
)

// TestCases: the evaluator decides every packet of the case files as written
// there, verdict and rule.
func TestCases(t *testing.T) {
	all, err := cases.Read("../testdata/cases")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range all {
		t.Run(c.Name, func(t *testing.T) {
			rs, found := rules.ParseAndCheck(c.Rules)
			if err := found.Err(); err != nil {
				t.Fatal(err)
			}
			for _, p := range c.Packets {
				if err := p.Check(rs, rs.Decide(rules.NewPacket(p.Frame))); err != nil {
					t.Error(err)
				}
			}
		})
	}
}
