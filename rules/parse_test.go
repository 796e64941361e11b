package rules_test

import (
	"os"
	"slices"
	"testing"
	"unicode/utf8"

	"xdpfw/rules"
)

// checkSpans walks a tree and a rule set: children lie in their parents and
// one behind the other, and what stands at a span reads as what it is.
func checkSpans(t testing.TB, file *rules.File) {
	t.Helper()
	tree, _ := rules.Parse(file)
	whole := rules.Span{File: file, Start: 0, End: len(file.Text)}
	checkWithin(t, whole, checkStatements(t, tree.Statements))
	checkWithin(t, whole, tree.Comments)
	for _, c := range tree.Comments {
		if c.Text()[0] != '#' {
			t.Errorf("comment %q", c.Text())
		}
	}
}

// checkStatements walks statements and gives their spans.
func checkStatements(t testing.TB, list []rules.Statement) (statements []rules.Span) {
	t.Helper()
	for _, statement := range list {
		switch s := statement.(type) {
		case *rules.DefaultStatement:
			statements = append(statements, s.Span)
		case *rules.SetStatement:
			statements = append(statements, s.Span)
			spans := []rules.Span{s.Name}
			if s.Value != nil {
				spans = append(spans, s.Value.Span)
				checkList(t, s.Value)
			}
			checkWithin(t, s.Span, spans)
		case *rules.RuleStatement:
			statements = append(statements, s.Span)
			checkRule(t, s)
		case *rules.BlockStatement:
			statements = append(statements, s.Span)
			checkWithin(t, s.Span, append(checkClauses(t, s.Clauses), append(braceOf(s.Open), checkStatements(t, s.Body)...)...))
		case *rules.ChainStatement:
			statements = append(statements, s.Span)
			parts := append([]rules.Span{s.Name}, braceOf(s.Open)...)
			checkWithin(t, s.Span, append(parts, checkStatements(t, s.Body)...))
		case *rules.JumpStatement:
			statements = append(statements, s.Span)
			checkWithin(t, s.Span, append([]rules.Span{s.Name}, checkClauses(t, s.Clauses)...))
		case *rules.IncludeStatement:
			statements = append(statements, s.Span)
			checkWithin(t, s.Span, []rules.Span{s.Path})
		case *rules.TestStatement:
			statements = append(statements, s.Span)
			parts := append([]rules.Span{s.Name}, braceOf(s.Open)...)
			for _, c := range s.Cases {
				parts = append(parts, c.Span)
				checkWithin(t, c.Span, []rules.Span{c.Packet})
			}
			checkWithin(t, s.Span, parts)
		default:
			t.Fatalf("a statement of type %T", s)
		}
	}
	return statements
}

// braceOf is the place of a `{`, if it is there: else that of its lack is empty.
func braceOf(open rules.Span) []rules.Span {
	if open.Start == open.End {
		return nil
	}
	return []rules.Span{open}
}

func checkRule(t testing.TB, s *rules.RuleStatement) {
	t.Helper()
	var parts []rules.Span
	if !s.Label.IsZero() {
		parts = append(parts, s.Label)
	}
	if !s.Target.IsZero() {
		parts = append(parts, s.Target)
	}
	checkWithin(t, s.Span, append(parts, checkClauses(t, s.Clauses)...))
}

// checkClauses walks clauses and gives their spans.
func checkClauses(t testing.TB, list []rules.ClauseNode) (clauses []rules.Span) {
	t.Helper()
	for i := range list {
		c := &list[i]
		clauses = append(clauses, c.Span)
		parts := []rules.Span{c.Head}
		if c.Value != nil {
			checkList(t, c.Value)
			if c.Value.Span != c.Head {
				parts = append(parts, c.Value.Span)
			}
		}
		checkWithin(t, c.Span, parts)
		if text := c.Span.Text(); c.Not != (len(text) > 3 && text[:3] == "not" || text[0] == '!') {
			t.Errorf("clause %q: not is %v", text, c.Not)
		}
	}
	return clauses
}

func checkList(t testing.TB, l *rules.List) {
	t.Helper()
	var elements []rules.Span
	for _, e := range l.Elements {
		elements = append(elements, e.Span)
		switch e.Kind {
		case rules.ElementSet:
			if e.Span.Text()[0] != '@' {
				t.Errorf("set %q", e.Span.Text())
			}
		case rules.ElementRange:
			if e.LoEnd <= e.Span.Start || e.HiStart <= e.LoEnd || e.Span.End <= e.HiStart {
				t.Errorf("range %q: %+v", e.Span.Text(), e)
			}
		}
	}
	checkWithin(t, l.Span, elements)
	if l.Braces != (l.Span.Text()[0] == '{') {
		t.Errorf("list %q: braces %v", l.Span.Text(), l.Braces)
	}
}

// checkWithin: spans that are not empty, in order, within their parent.
func checkWithin(t testing.TB, parent rules.Span, spans []rules.Span) {
	t.Helper()
	last := parent.Start
	for _, s := range spans {
		if s.File != parent.File || s.Start < last || s.End <= s.Start || s.End > parent.End {
			t.Errorf("span %d to %d, behind %d in %d to %d", s.Start, s.End, last, parent.Start, parent.End)
			return
		}
		last = s.End
	}
}

// TestComments: all of them are kept, with their places.
func TestComments(t *testing.T) {
	file := rules.NewFile("x", []byte("# one\ndrop to port { # two\n80 } # three\r\n#\n# last"))
	tree, ds := rules.Parse(file)
	if ds.Err() != nil {
		t.Fatal(ds)
	}
	var got []string
	for _, c := range tree.Comments {
		got = append(got, c.Text())
	}
	if want := []string{"# one", "# two", "# three", "#", "# last"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

// TestPosition: columns count characters, lines end with LF or CRLF.
func TestPosition(t *testing.T) {
	file := rules.NewFile("x.fw", []byte("# ü\r\nlast"))
	for offset, want := range map[int]string{0: "x.fw:1:1", 4: "x.fw:1:4", 6: "x.fw:2:1", 10: "x.fw:2:5"} {
		if got := file.Position(offset).String(); got != want {
			t.Errorf("offset %d: %s, want %s", offset, got, want)
		}
	}
	if file.Line(1) != "# ü" || file.Line(2) != "last" {
		t.Errorf("lines %q and %q", file.Line(1), file.Line(2))
	}
}

// fuzzFile is what files there are for fuzzed texts to name.
func fuzzFile(path string, limit int) ([]byte, error) {
	files := map[string]string{"a.fw": "pass arp\nset a = { 80 }\n", "b.fw": "include \"b.fw\"\ndrop tpc", "c.txt": "10.0.0.1/8 ; x\n::1\r\n", "d.txt": "80\n::1\nx y"}
	if text, is := files[path]; is {
		return []byte(text), nil
	}
	return nil, os.ErrNotExist
}

// FuzzParse holds for every text: no panic, an end, the same answer twice, a
// RuleSet or an error, spans that lie where they should, and a rule set that
// is read again as what it was.
func FuzzParse(f *testing.F) {
	for _, path := range errorFiles(f) {
		f.Add(readTestFile(f, path).Text)
	}
	f.Add(readTestFile(f, "../testdata/rules/example.fw").Text)
	f.Add([]byte("drop not from { 10.0.0.0/8, @a } port != 80-90, \\\n# x\nset a = { ::1 - ::2 }"))
	for _, test := range fieldRules {
		f.Add([]byte(test.text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		file := rules.NewFile("fuzz.fw", text)
		rs, ds := rules.ParseAndCheckWith(fuzzFile, file)
		if (rs == nil) != (ds.Err() != nil) {
			t.Fatalf("RuleSet %v, error %v", rs, ds.Err())
		}
		checkDiagnostics(t, ds)
		if _, again := rules.ParseAndCheckWith(fuzzFile, rules.NewFile("fuzz.fw", text)); format(t, again) != format(t, ds) {
			t.Error("two runs, two answers")
		}
		checkSpans(t, file)
		if rs == nil {
			return
		}
		checkValueSets(t, rs)
		keys := map[string]bool{}
		for i := range rs.Rules {
			r := &rs.Rules[i]
			if keys[r.Key] {
				t.Errorf("two rules with the key %q", r.Key)
			}
			keys[r.Key] = true
			written := *r
			written.Verdict = rules.Drop // others may stand in a chain only, or need an interface
			one, ds := rules.ParseAndCheck(rules.NewFile("one.fw", []byte(written.String())))
			if hasEmptySet(r) {
				continue
			}
			if ds.Err() != nil || !slices.EqualFunc(one.Rules[0].Clauses, r.Clauses, func(a, b rules.Clause) bool { return a.String() == b.String() }) {
				t.Errorf("%q is written as %q, which is read as %v (%v)", r.Text(), r.String(), one, ds.Err())
			}
		}
	})
}

func hasEmptySet(r *rules.Rule) bool {
	return slices.ContainsFunc(r.Clauses, func(c rules.Clause) bool {
		return !c.Subject.IsProperty() && len(c.Set.IP4)+len(c.Set.IP6) == 0
	})
}

// checkDiagnostics: in order, with places in the file, codes and printable text.
func checkDiagnostics(t testing.TB, ds rules.Diagnostics) {
	t.Helper()
	out := format(t, ds)
	if !utf8.ValidString(out) {
		t.Error("what is printed is not UTF-8")
	}
	for _, c := range out {
		if c < ' ' && c != '\n' || c == 0x7f {
			t.Errorf("control character %q is printed", c)
		}
	}
	for _, d := range ds {
		spans := []rules.Span{d.Span}
		for _, n := range d.Notes {
			spans = append(spans, n.Span)
		}
		for _, s := range spans {
			if s.Start < 0 || s.End < s.Start || s.End > len(s.File.Text) {
				t.Errorf("%s: span %d to %d of %d", d.Code, s.Start, s.End, len(s.File.Text))
			}
		}
		if d.Code == "" || d.Message == "" {
			t.Errorf("diagnostic without code or message: %+v", d)
		}
	}
}
