package rules_test

import (
	"errors"
	"strings"
	"testing"

	"xdpfw/rules"
)

// TestDiagnosticsError: as an error they are one line, and warnings are none.
func TestDiagnosticsError(t *testing.T) {
	tests := map[string]string{
		"drop udp":                       "",
		"drop tpc":                       "x.fw:1:6: error: unknown word `tpc` [unknown-word]",
		"drop udp\ndrop a\nb":            "x.fw:2:6: error: unknown word `a` [unknown-word] (and 1 more error)",
		strings.Repeat("drop a\n", 9):    "x.fw:1:6: error: unknown word `a` [unknown-word] (and 8 more errors)",
		strings.Repeat("drop a\n", 5000): "x.fw:1:6: error: unknown word `a` [unknown-word] (and 4999 more errors)",
	}
	for text, want := range tests {
		rs, ds := rules.ParseAndCheck(rules.NewFile("x.fw", []byte(text)))
		if want == "" {
			if ds.Err() != nil || rs == nil || len(ds) == 0 {
				t.Errorf("%q: %v, %v", text, rs, ds)
			}
			continue
		}
		if ds.Err() == nil || ds.Err().Error() != want {
			t.Errorf("%q:\ngot  %v\nwant %s", text, ds.Err(), want)
		}
	}
}

// TestParseThenCheck: in two steps the file means the same, and a tree with
// mistakes becomes no RuleSet.
func TestParseThenCheck(t *testing.T) {
	for text, want := range map[string]struct{ parse, check int }{
		"drop udp # nolint: no-invalid": {0, 0}, "drop tpc": {1, 0}, "drop tcp udp": {0, 1}, "drop tpc to port 70000": {1, 1},
	} {
		tree, parsed := rules.Parse(rules.NewFile("x", []byte(text)))
		rs, checked := rules.Check(tree)
		if len(parsed) != want.parse || len(checked) != want.check || (rs == nil) != (want.parse+want.check > 0) {
			t.Errorf("%q: %v, %v, %v", text, rs, parsed, checked)
		}
	}
}

// TestFormatColours: colours change nothing but the colours, and a file cannot
// bring its own.
func TestFormatColours(t *testing.T) {
	file := rules.NewFile("\x1b[31mevil.fw", []byte("drop tpc # \x1b[31m\ndefault pass\ndefault drop"))
	_, ds := rules.ParseAndCheck(file)
	var plain, coloured strings.Builder
	if err := errors.Join(ds.Format(&plain, false), ds.Format(&coloured, true)); err != nil {
		t.Fatal(err)
	}
	if strings.Contains(plain.String(), "\x1b") || strings.Contains(ds.Error(), "\x1b") {
		t.Errorf("an escape sequence of the file is printed: %q", plain.String())
	}
	if !strings.Contains(coloured.String(), "\x1b[1;31merror:\x1b[0m") {
		t.Errorf("no colours: %q", coloured.String())
	}
	without := coloured.String()
	for _, code := range []string{"0", "1", "1;31", "1;35", "34", "1;32", "1;36"} {
		without = strings.ReplaceAll(without, "\x1b["+code+"m", "")
	}
	if without != plain.String() {
		t.Errorf("without colours:\n%s\nplain:\n%s", without, plain.String())
	}
}

// TestFormatCaret: the mark stands under the span, whatever stands in front of it.
func TestFormatCaret(t *testing.T) {
	for text, want := range map[string]string{
		"drop 10.0.0.1":                     "     ^~~~~~~~",
		"\tdrop\t10.0.0.1 # ü":              "            ^~~~~~~~",
		"drop ip\t10.0.0.1":                 "        ^~~~~~~~",
		"x\tdrop":                           "^",
		"drop to port { 日本, 70000 }":        "                     ^~~~~",
		"drop to port { e\u0301 é, 70000 }": "                    ^~~~~",
		"drop to port { \x01\xff, 70000 }":  "                   ^~~~~",
	} {
		_, ds := rules.ParseAndCheck(rules.NewFile("x", []byte(text)))
		line := strings.Split(format(t, ds[len(ds)-1:]), "\n")[2] // of what stands last in the line
		if got := strings.TrimPrefix(line, "      | "); got != want {
			t.Errorf("%q: got %q, want %q", text, got, want)
		}
	}
}

type failingWriter struct{}

func (failingWriter) Write([]byte) (int, error) { return 0, errors.New("full") }

func TestFormatFails(t *testing.T) {
	_, ds := rules.ParseAndCheck(rules.NewFile("x", []byte("drop tpc")))
	if err := ds.Format(failingWriter{}, false); err == nil {
		t.Error("what could not be written is no error")
	}
}
