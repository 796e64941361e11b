package rules

import "strings"

// ConditionText is what two rules have in common, as a rule has it: the clauses
// of both as they are written, without those that another one makes needless;
// "any" if there are none.
func ConditionText(one, two []Clause) string {
	var all []Clause
	for _, c := range append(append([]Clause{}, one...), two...) {
		needed := true
		for i := 0; i < len(all) && needed; i++ {
			switch {
			case all[i].implies(&c), all[i].Subject == c.Subject && sourceText(all[i].Span) == sourceText(c.Span) && !c.Span.IsZero():
				needed = false
			case c.implies(&all[i]):
				all = append(all[:i], all[i+1:]...)
				i--
			}
		}
		if needed {
			all = append(all, c)
		}
	}
	texts := make([]string, len(all))
	for i := range all {
		texts[i] = sourceText(all[i].Span)
		if texts[i] == "" {
			texts[i] = all[i].String()
		}
	}
	if len(all) == 0 {
		return "any"
	}
	return strings.Join(texts, " ")
}

// implies says that every packet which c matches other matches too, as is seen
// from their values; false if that is not so or not seen.
func (c *Clause) implies(other *Clause) bool {
	if c.Subject != other.Subject || c.Bytes != other.Bytes || c.Not != other.Not || c.Subject == Interface {
		return false
	}
	if c.Subject.IsProperty() {
		return true
	}
	inner, outer := &c.Set, &other.Set
	if c.Not {
		inner, outer = outer, inner
	}
	if len(inner.Mask4)+len(inner.Mask6) > 0 {
		return false
	}
	return covers(outer.IP4, inner.IP4) && covers(outer.IP6, inner.IP6)
}
