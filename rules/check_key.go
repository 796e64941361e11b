package rules

import (
	"crypto/sha256"
	"fmt"
	"strings"
)

// makeKeys gives every rule the key of its counter: the name, else the
// canonical text, which the rules have so far, and which of those with this
// text it is. A rule keeps its counter when it is moved or written otherwise,
// and when the elements of a set that it names change.
func (c *checker) makeKeys() {
	seen := make(map[string]int, len(c.rs.Rules)-len(c.labels))
	for i := range c.rs.Rules {
		rule := &c.rs.Rules[i]
		if rule.Name != "" {
			rule.Key = rule.Name
			continue
		}
		n := seen[rule.Key] + 1
		if _, is := c.labels[rule.Key]; is && n == 1 {
			n++ // the rule `drop` does not take the key of the rule `drop: pass udp`
		}
		seen[rule.Key] = n
		if n > 1 {
			rule.Key = fmt.Sprintf("%s#%d", rule.Key, n)
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

// short is a canonical text that is put in front of that of many rules: a
// digest, if it is long.
func short(text string) string {
	const long = 200
	if len(text) <= long {
		return text
	}
	return fmt.Sprintf(" (sha256 %x)", sha256.Sum256([]byte(text)))
}

// ruleText is a rule's statement without label and comments, with one blank
// where there are any.
func ruleText(r *Rule) string {
	text := sourceText(r.Span)
	if rest, is := strings.CutPrefix(text, r.Name); is && r.Name != "" {
		text = strings.TrimLeft(strings.TrimPrefix(rest, ":"), " ")
	}
	return text
}

// sourceText is what stands at a span without comments, with one blank where
// there are any.
func sourceText(span Span) string {
	if span.IsZero() {
		return ""
	}
	if text := span.Text(); isSqueezed(text) {
		return text
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

// isSqueezed says whether a text is surely what sourceText would make of it.
func isSqueezed(text string) bool {
	blank := true // in front
	for i := range len(text) {
		switch c := text[i]; {
		case c == ' ' && blank, c < ' ', c == '#', c == '\\':
			return false
		default:
			blank = c == ' '
		}
	}
	return !blank
}
