package rules

import (
	"slices"
	"strings"
	"testing"
)

func editorGrammar(t *testing.T) *textMate {
	t.Helper()
	grammar, err := readTextMate("../docs/editors/xdpfw.tmLanguage.json")
	if err != nil {
		t.Fatal(err)
	}
	return grammar
}

// TestEditorGrammarOnFiles: in every rule file the grammar for editors sees what
// the scanner and the parser see, and nothing to complain about.
func TestEditorGrammarOnFiles(t *testing.T) {
	grammar := editorGrammar(t)
	good := 0
	for _, file := range ProjectFiles(t) {
		if _, ds := ParseAndCheck(file); ds.Err() == nil {
			good++
			checkScopes(t, grammar, file)
		}
	}
	if good < 150 {
		t.Errorf("only %d rule files without errors", good)
	}
}

// checkScopes holds the scopes of a file against its tokens and its tree.
func checkScopes(t *testing.T, grammar *textMate, file *File) {
	t.Helper()
	scopes, err := grammar.scopes(string(file.Text))
	if err != nil {
		t.Fatal(err)
	}
	must := func(span Span, scope string) {
		for i := span.Start; i < span.End; i++ {
			if blank := strings.IndexByte(" \t\r\n\\", file.Text[i]) >= 0; !blank && !strings.Contains(scopes[i], " "+scope) {
				t.Errorf("%v: %q is %s, not %s", span.Position(), span.Text(), scopes[i], scope)
				return
			}
		}
	}
	for i := range scopes {
		if strings.Contains(scopes[i], "invalid") {
			t.Errorf("%v is %s", file.Position(i), scopes[i])
		}
	}
	tree, _ := Parse(file)
	for _, c := range tree.Comments {
		must(c, "comment.")
	}
	s := newScanner(file, nil)
	for tok := s.next(); tok.kind != tokenEnd; tok = s.next() {
		span := s.span(tok.start, tok.end)
		switch tok.kind {
		case tokenWord:
			must(span, "")
		case tokenString:
			must(span, "string.")
		case tokenSetName:
			must(span, "variable.")
		case tokenOperator, tokenNot:
			must(span, "keyword.operator.")
		}
	}
	checkStatementScopes(tree.Statements, must)
}

func checkStatementScopes(statements []Statement, must func(Span, string)) {
	firstWord := func(s Span) Span {
		text := s.Text()
		return Span{s.File, s.Start, s.Start + len(text) - len(strings.TrimLeft(text, "abcdefghijklmnopqrstuvwxyz"))}
	}
	for _, statement := range statements {
		var clauses []ClauseNode
		switch s := statement.(type) {
		case *RuleStatement:
			verdict := s.Span
			if !s.Label.IsZero() {
				must(s.Label, "entity.name.")
				behind := s.Label.End + 1
				verdict.Start = behind + strings.IndexFunc(string(s.Span.File.Text[behind:]), func(r rune) bool { return r >= 'a' && r <= 'z' })
			}
			must(firstWord(verdict), "keyword.control.verdict.")
			clauses = s.Clauses
		case *SetStatement:
			must(firstWord(s.Span), "keyword.")
			must(s.Name, "entity.name.")
		case *ChainStatement:
			must(firstWord(s.Span), "keyword.")
			must(s.Name, "entity.name.")
			checkStatementScopes(s.Body, must)
		case *JumpStatement:
			must(firstWord(s.Span), "keyword.")
			must(s.Name, "entity.name.")
			clauses = s.Clauses
		case *BlockStatement:
			clauses = s.Clauses
			checkStatementScopes(s.Body, must)
		default:
			must(firstWord(statement.span()), "keyword.")
		}
		for i := range clauses {
			c := &clauses[i]
			if c.Not {
				must(Span{c.Span.File, c.Span.Start, c.Span.Start + len("not")}, "keyword.")
			}
			if c.Subject != RawBytes { // of which numbers are a part
				must(c.Head, "keyword.")
			}
		}
	}
}

// TestEditorGrammarKnowsWords: every word that the parser knows is a keyword in
// the grammar, so that a new one is not forgotten there.
func TestEditorGrammarKnowsWords(t *testing.T) {
	grammar := editorGrammar(t)
	samples := []string{"default", "set", "chain", "jump", "include", "test"} // each ends with the word
	for word := range verdicts {
		samples = append(samples, word)
	}
	for word := range clauseWords {
		samples = append(samples, "drop "+word)
	}
	for word := range protocols {
		samples = append(samples, "drop "+word)
	}
	for _, info := range subjects[1:] {
		samples = append(samples, "drop "+info.name)
	}
	for _, operator := range operatorText {
		samples = append(samples, "drop to port "+operator)
	}
	for _, base := range baseTexts[1:] {
		samples = append(samples, "drop at "+base)
	}
	for _, text := range samples {
		scopes, err := grammar.scopes(text + " ")
		if err != nil {
			t.Fatal(err)
		}
		if scope := scopes[len(text)-1]; !strings.Contains(scope, " keyword.") {
			t.Errorf("in %q the last word is %s, no keyword", text, scope)
		}
	}
}

// TestEditorGrammarTellsApart: words are what they are by their place.
func TestEditorGrammarTellsApart(t *testing.T) {
	grammar := editorGrammar(t)
	for _, c := range []struct{ text, part, scope string }{
		{"drop: pass tcp", "drop", "entity.name."},
		{"tcp { drop: pass }", "drop", "entity.name."},
		{"jump drop tcp", "drop", "entity.name."},
		{"chain tcp {", "tcp", "entity.name."},
		{"set tcp = { 1 }", "tcp", "entity.name."},
		{"drop from @tcp", "@tcp", "variable."},
		{"drop icmp type redirect", "redirect", "constant."},
		{"drop icmp type { redirect,", "redirect", "constant."},
		{"redirect to-lan tcp", "to-lan", "constant."},
		{"drop icmp code port-unreachable", "port-unreachable", "constant."},
		{"drop from 10.0.0.0/8", "10.0.0.0/8", "constant.numeric."},
		{"drop from fd00::/8", "fd00::/8", "constant.numeric."},
		{"drop eth.src aa:bb:cc:dd:ee:ff", "aa:bb:cc:dd:ee:ff", "constant.numeric."},
		{"drop from ::ffff:1.2.3.4", "::ffff:1.2.3.4", "constant.numeric."},
		{"drop to port 0x50", "0x50", "constant.numeric."},
		{`test "pass" {`, `"pass"`, "string."},
		{"drop # drop \"x\"", "# drop \"x\"", "comment."},
		{"drop tcp & udp", "&", "invalid."},
		{"drop from $x", "$", "invalid."},
		{"drop from [1]", "[", "invalid."},
	} {
		scopes, err := grammar.scopes(c.text)
		if err != nil {
			t.Fatal(err)
		}
		at := strings.Index(c.text, c.part)
		if slices.ContainsFunc(scopes[at:at+len(c.part)], func(s string) bool { return !strings.Contains(s, " "+c.scope) }) {
			t.Errorf("in %q %q is %q", c.text, c.part, scopes[at:at+len(c.part)])
		}
	}
}
