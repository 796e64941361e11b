package rules

import (
	"fmt"
	"strings"
)

// String is the rule in the language, with the values of its clauses.
func (r Rule) String() string { return r.text(r.Name, r.Clauses) }

func (r *Rule) text(name string, clauses []Clause) string {
	var b strings.Builder
	if name != "" {
		b.WriteString(name + ": ")
	}
	b.WriteString(r.Verdict.String())
	if r.Verdict == Redirect {
		b.WriteString(" " + r.target())
	}
	for _, c := range clauses {
		b.WriteString(" " + c.String())
	}
	return b.String()
}

// target is the interface of `redirect` as it is written: what interfaces are
// called is only known where the rule stands.
func (r *Rule) target() string {
	words := strings.Fields(ruleText(r))
	if len(words) < 2 {
		return ""
	}
	return words[1]
}

// String is a rule file that means the same: the default and the rules, one a
// line, with values instead of the names of sets. Blocks and chains are written
// out, but for what `return` needs.
func (rs *RuleSet) String() string {
	w := ruleWriter{rs: rs, named: make([]bool, len(rs.Rules))}
	body := w.steps(0, len(rs.Steps))
	return "default " + rs.Default.String() + "\n" + w.chains.String() + body
}

type ruleWriter struct {
	rs     *RuleSet
	named  []bool          // rules that were written with their name
	chains strings.Builder // of what stands between a `return` and where it goes
	count  int
}

// steps writes those from first to end, which is where a `return` among them
// may go without a chain of its own.
func (w *ruleWriter) steps(first, end int) string {
	var b strings.Builder
	for i := first; i < end; i++ {
		next := w.rs.Steps[i].Next
		if !w.isReturn(i) || first > 0 && next == end {
			b.WriteString(w.step(i) + "\n")
			continue
		}
		body := w.step(i) + "\n" + w.steps(i+1, next)
		w.count++
		fmt.Fprintf(&w.chains, "chain chain%d {\n%s}\n", w.count, body)
		fmt.Fprintf(&b, "jump chain%d\n", w.count)
		i = next - 1
	}
	return b.String()
}

func (w *ruleWriter) isReturn(i int) bool { return w.rs.Rules[w.rs.Steps[i].Rule].Verdict == Return }

func (w *ruleWriter) step(i int) string {
	s := &w.rs.Steps[i]
	rule, name := &w.rs.Rules[s.Rule], ""
	if !w.named[s.Rule] {
		name, w.named[s.Rule] = rule.Name, true
	}
	return rule.text(name, s.Clauses)
}
