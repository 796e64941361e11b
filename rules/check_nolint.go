package rules

import (
	"slices"
	"strings"
)

// warningCodes are the codes that comments can silence.
var warningCodes = []string{
	"bad-nolint", "duplicate-test", "empty-set", "empty-test", "exact-flags", "host-bits", "name-default", "no-arp", "no-frag", "no-invalid", "no-nd",
	"no-replies", "not-scope", "reachability-unknown", "redundant-clause", "shadowed-rule", "tag-type", "unreachable-rule", "unused-chain", "unused-set",
	"vlan-interface",
}

// nolint are the codes that comments silence, by line.
type nolint map[fileLine][]string

// A fileLine is a line (from 0) of a file.
type fileLine struct {
	file *File
	line int
}

// nolintComments reads the comments `# nolint: code, code`.
func (c *checker) nolintComments() nolint {
	found := nolint{}
	for _, tree := range c.trees {
		for _, comment := range tree.Comments {
			text := strings.TrimSpace(strings.TrimLeft(comment.Text(), "#"))
			behind, is := strings.CutPrefix(text, "nolint")
			if !is {
				continue
			}
			codes, colon := strings.CutPrefix(behind, ":")
			names := strings.FieldsFunc(codes, func(r rune) bool { return r == ',' || r == ' ' || r == '\t' })
			if colon {
				line := fileLine{tree.File, tree.File.lineAt(comment.Start)}
				found[line] = append(found[line], names...)
			}
			if !c.failed() {
				c.badNolint(comment, behind, names, colon)
			}
		}
	}
	return found
}

// badNolint warns of a comment that does not do what it seems to.
func (c *checker) badNolint(comment Span, behind string, codes []string, colon bool) {
	switch {
	case behind == "" || colon && len(codes) == 0:
		c.warning("bad-nolint", comment, "%s names no warning, and silences none", quoteSpan(comment)).
			help("write the code that stands in brackets behind the warning: `# nolint: no-frag`").in(comment)
	case !colon && len(codes) > 0 && slices.Contains(warningCodes, codes[0]): // other words are prose
		c.warning("bad-nolint", comment, "%s silences nothing: it lacks the `:`", quoteSpan(comment)).
			help("write %s", quote("# nolint: "+strings.Join(codes, ", "))).in(comment)
	}
	if !colon {
		return
	}
	for _, code := range codes {
		if slices.Contains(warningCodes, code) {
			continue
		}
		at := comment.Start + strings.Index(comment.Text(), code)
		d := c.warning("bad-nolint", Span{comment.File, at, at + len(code)}, "%s is not the code of a warning", quote(code)).in(comment)
		if d.Help = didYouMean(code, warningCodes); d.Help == "" {
			d.help("it stands in brackets behind the warning")
		}
		return
	}
}

// silences says whether a comment in one of the lines of a warning's statement
// names its code.
func (n nolint) silences(d *Diagnostic) bool {
	file := d.statement.File
	first := file.lineAt(d.statement.Start)
	last := file.lineAt(max(d.statement.End-1, d.statement.Start))
	for line := first; line <= last; line++ {
		for _, code := range n[fileLine{file, line}] {
			if code == d.Code {
				return true
			}
		}
	}
	return false
}
