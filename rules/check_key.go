package rules

import (
	"crypto/sha256"
	"fmt"
	"strings"
)

// makeKeys gives every rule the key of its counter: the name, else the
// canonical text, which the rules have so far, and which of those with this text it is. A rule keeps its
// counter when it is moved or written otherwise, and when the elements of a
// set that it names change.
func (c *checker) makeKeys() {
	seen := make(map[string]int, len(c.rs.Rules))
	for i := range c.rs.Rules {
		if name := c.rs.Rules[i].Name; name != "" {
			seen[name]++ // so that the rule `drop` does not take the key of the rule `drop: pass udp`
		}
	}
	for i := range c.rs.Rules {
		rule := &c.rs.Rules[i]
		if rule.Name != "" {
			rule.Key = rule.Name
			continue
		}
		if seen[rule.Key]++; seen[rule.Key] > 1 {
			rule.Key = fmt.Sprintf("%s#%d", rule.Key, seen[rule.Key])
		}
	}
}

// digest is the elements themselves, if they are few.
func digest(elements []string) []string {
	const few = 16
	if len(elements) <= few {
		return elements
	}
	sum := sha256.New()
	for _, e := range elements {
		sum.Write([]byte(e + "\n"))
	}
	return []string{fmt.Sprintf("%d values, sha256 %x", len(elements), sum.Sum(nil)[:8])}
}

// ruleText is a rule's statement without label and comments, with one blank
// where there are any.
func ruleText(r *Rule) string {
	text := sourceText(r.Span)
	if r.Name != "" {
		text = strings.TrimLeft(strings.TrimPrefix(text, r.Name+":"), " ")
	}
	return text
}

// sourceText is what stands at a span without comments, with one blank where
// there are any.
func sourceText(span Span) string {
	if span.IsZero() {
		return ""
	}
	s := scanner{file: span.File, text: span.File.Text[:span.End], off: span.Start}
	t := s.next()
	var b strings.Builder
	for end := t.start; t.kind != tokenEnd; t = s.next() {
		if t.kind == tokenLine {
			continue
		}
		if t.start > end {
			b.WriteByte(' ')
		}
		b.Write(s.text[t.start:t.end])
		end = t.end
	}
	return b.String()
}
