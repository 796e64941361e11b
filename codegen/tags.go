package codegen

import (
	"slices"

	"xdpfw/rules"
)

// readsTags is the first rule that reads VLAN tags; nil if none does.
func readsTags(rs *rules.RuleSet) *Origin {
	for _, step := range rs.Steps {
		if slices.ContainsFunc(step.Clauses, clauseReadsTags) {
			r := &rs.Rules[step.Rule]
			return &Origin{Rule: step.Rule, Position: r.Span.Position(), Text: r.Text()}
		}
	}
	return nil
}

func clauseReadsTags(c rules.Clause) bool {
	const tag = 12 // where the first tag begins
	return c.Subject.IsOfTags() ||
		c.Subject == rules.RawBytes && c.Bytes.Base == rules.EthernetBase && int(c.Bytes.Offset)+int(c.Bytes.Length) > tag
}
