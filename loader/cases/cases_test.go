package cases_test

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"xdpfw/loader/cases"
	"xdpfw/rules"
)

// folder of the case files.
const folder = "../../testdata/cases"

var update = flag.Bool("update", false, "write the case files from the tables in this package")

// TestFamilies: the case files say what the tables of this package say.
func TestFamilies(t *testing.T) {
	for _, f := range families {
		want := f.archive(t)
		path := filepath.Join(folder, f.name+".txtar")
		if *update {
			if err := os.WriteFile(path, want, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		got, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, want) {
			t.Errorf("%s is not what the tables say; go test ./loader/cases -update writes it", path)
		}
	}
}

// archive is the family as a case file.
func (f *family) archive(t *testing.T) []byte {
	t.Helper()
	var b bytes.Buffer
	fmt.Fprintf(&b, "%s\n\nWritten from the tables in loader/cases: go test ./loader/cases -update\n", f.about)
	fmt.Fprintf(&b, "-- rules.fw --\n%s-- packets --\n", f.rules)
	seen := make(map[string]bool)
	for _, e := range f.packets {
		frame, err := e.frame.Bytes()
		if err != nil {
			t.Fatalf("%s, %s: %v", f.name, e.what, err)
		}
		line := fmt.Sprintf("%v %s %x # %s\n", e.verdict, e.decider, frame, e.what)
		if seen[line] {
			t.Errorf("%s: twice %s", f.name, line)
		}
		seen[line] = true
		b.WriteString(line)
	}
	return b.Bytes()
}

// TestParse: what a case file says, and what is wrong with one.
func TestParse(t *testing.T) {
	const good = "about\n-- rules.fw --\ndefault pass\n-- packets --\n# nothing\n\ndrop ssh 0aff # what it is\n"
	c, err := cases.Parse("name", []byte(good))
	if err != nil {
		t.Fatal(err)
	}
	if c.Name != "name" || c.Rules.Name != "name/rules.fw" || string(c.Rules.Text) != "default pass\n" || len(c.Packets) != 1 {
		t.Fatalf("%+v", c)
	}
	p := c.Packets[0]
	if p.Verdict != rules.Drop || p.Decider != "ssh" || !bytes.Equal(p.Frame, []byte{0x0a, 0xff}) || p.What != "what it is" {
		t.Errorf("%+v", p)
	}
	for text, want := range map[string]string{
		"":                                   `expected a file "rules.fw" and a file "packets" with at least one packet`,
		"-- rules.fw --\n-- packets --\n":    `expected a file "rules.fw" and a file "packets" with at least one packet`,
		"-- rules --\n":                      `file "rules": expected one "rules.fw" and one "packets"`,
		"-- rules.fw --\n-- rules.fw --\n":   `file "rules.fw": expected one "rules.fw" and one "packets"`,
		"-- packets --\ndrop 00\n":           "packets, line 1: found 2 words, expected VERDICT DECIDER HEX",
		"-- packets --\n\nreject ssh 00\n":   `packets, line 2: verdict "reject" is neither pass nor drop`,
		"-- packets --\ndrop ssh 0\n":        "packets, line 1: encoding/hex: odd length hex string",
		"-- packets --\ndrop ssh 00 extra\n": "packets, line 1: found 4 words, expected VERDICT DECIDER HEX",
	} {
		if _, err := cases.Parse("name", []byte(text)); err == nil || err.Error() != want {
			t.Errorf("%q:\n got %v\nwant %s", text, err, want)
		}
	}
	if _, err := cases.Read(t.TempDir()); err == nil {
		t.Error("a folder without cases is no error")
	}
}

// TestCheck: a decision meets its expectation only with verdict and rule.
func TestCheck(t *testing.T) {
	file := rules.NewFile("rules.fw", []byte("drop udp\nssh: drop tcp\n"))
	rs := &rules.RuleSet{File: file, Default: rules.Drop, Rules: []rules.Rule{
		{Verdict: rules.Drop, Span: rules.Span{File: file, Start: 0, End: 8}},
		{Verdict: rules.Drop, Name: "ssh", Span: rules.Span{File: file, Start: 9, End: 22}},
	}}
	for decider, rule := range map[string]int{"1": 0, "ssh": 1, "2": 1, "default": rules.ByDefault} {
		for got := rules.ByDefault; got < len(rs.Rules); got++ {
			for _, verdict := range []rules.Verdict{rules.Pass, rules.Drop} {
				p := cases.Packet{Verdict: rules.Drop, Decider: decider}
				err := p.Check(rs, rules.Decision{Verdict: verdict, Rule: got})
				if want := got == rule && verdict == rules.Drop; (err == nil) != want {
					t.Errorf("%s: %v by rule %d: %v", decider, verdict, got, err)
				}
			}
		}
	}
}
