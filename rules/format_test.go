package rules_test

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"

	"xdpfw/rules"
)

var updateFormat = flag.Bool("update-format", false, "write what testdata/fmt should want")

// TestFormatExamples: testdata/fmt holds files as written and as formatted.
func TestFormatExamples(t *testing.T) {
	paths, err := filepath.Glob("../testdata/fmt/*.txtar")
	if err != nil || len(paths) == 0 {
		t.Fatalf("no examples: %v", err)
	}
	for _, path := range paths {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".txtar"), func(t *testing.T) {
			archive, err := txtar.ParseFile(path)
			if err != nil || len(archive.Files) != 2 || archive.Files[0].Name != "input" || archive.Files[1].Name != "want" {
				t.Fatalf("%s must hold the files input and want (%v)", path, err)
			}
			input, want := archive.Files[0].Data, archive.Files[1].Data
			got := checkFormat(t, input)
			if _, ds := rules.ParseAndCheckWith(noFiles, rules.NewFile("want", got)); ds.Err() != nil {
				t.Errorf("an example with errors shows nothing of what it means: %v", ds)
			}
			if *updateFormat {
				archive.Files[1].Data = got
				if err := os.WriteFile(path, txtar.Format(archive), 0o644); err != nil {
					t.Fatal(err)
				}
			} else if !bytes.Equal(got, want) {
				t.Errorf("got\n%s\nwant\n%s", got, want)
			}
		})
	}
}

// checkFormat formats a file and checks what must hold of any: a second time
// changes nothing, all comments are there in their order, rules and warnings
// are the same.
func checkFormat(t *testing.T, text []byte) []byte {
	t.Helper()
	formatted, ds := rules.Format(rules.NewFile("before", text))
	if ds.Err() != nil {
		t.Fatalf("%v in\n%s", ds, text)
	}
	again, ds := rules.Format(rules.NewFile("after", formatted))
	if ds.Err() != nil {
		t.Fatalf("%v\nformatted\n%s\nis\n%s", ds, text, formatted)
	}
	if !bytes.Equal(again, formatted) {
		t.Errorf("formatted once\n%s\ntwice\n%s", formatted, again)
	}
	if was, is := commentsOf(text), commentsOf(formatted); !slices.Equal(was, is) {
		t.Errorf("comments were\n%q\nand are\n%q", was, is)
	}
	before, wasWarned := rules.ParseAndCheckWith(noFiles, rules.NewFile("x", text))
	after, isWarned := rules.ParseAndCheckWith(noFiles, rules.NewFile("x", formatted))
	if was, is := codesOf(wasWarned), codesOf(isWarned); !slices.Equal(was, is) {
		t.Errorf("in\n%s\nis found\n%q\nin\n%s\nis found\n%q", text, was, formatted, is)
	}
	if before != nil && after != nil {
		if was, is := meaningOf(before), meaningOf(after); !slices.Equal(was, is) {
			t.Errorf("the rules were\n%s\nand are\n%s", strings.Join(was, "\n"), strings.Join(is, "\n"))
		}
	}
	if line := strings.Split(string(formatted), "\n"); slices.ContainsFunc(line, func(l string) bool {
		return strings.TrimRight(l, " \t\r") != l
	}) {
		t.Errorf("blanks at a line's end in\n%q", formatted)
	}
	return formatted
}

// noFiles stands in for the files that a rule file names: included ones are
// empty, sets hold an address.
func noFiles(path string, _ int) ([]byte, error) {
	if strings.HasSuffix(path, ".fw") {
		return nil, nil
	}
	return []byte("192.0.2.77\n"), nil
}

// meaningOf is a rule set without its places in the file.
func meaningOf(rs *rules.RuleSet) (all []string) {
	all = append(all, fmt.Sprintf("default %v, interfaces %q", rs.Default, rs.Interfaces))
	for _, rule := range rs.Rules {
		all = append(all, fmt.Sprintf("rule %q %v to %d, counted as %q", rule.Name, rule.Verdict, rule.Interface, rule.Key))
	}
	for _, step := range rs.Steps {
		clauses := slices.Clone(step.Clauses)
		for i := range clauses {
			clauses[i].Span = rules.Span{}
		}
		all = append(all, fmt.Sprintf("step of rule %d, then %d: %+v", step.Rule, step.Next, clauses))
	}
	for _, block := range rs.Tests {
		for _, c := range block.Cases {
			all = append(all, fmt.Sprintf("test %q: %v to %q: %+v %q", block.Name, c.Expect, c.Interface, c.Packet, c.Capture))
		}
	}
	return all
}

func commentsOf(text []byte) (comments []string) {
	tree, _ := rules.Parse(rules.NewFile("x", text))
	for _, c := range tree.Comments {
		comments = append(comments, strings.TrimRight(c.Text(), " \t"))
	}
	return comments
}

// codesOf are the kinds of mistakes, which quote what was written, sorted.
func codesOf(ds rules.Diagnostics) (codes []string) {
	for _, d := range ds {
		codes = append(codes, d.Code)
	}
	slices.Sort(codes)
	return codes
}

// TestFormatFiles: what must hold does hold of every rule file of the project.
func TestFormatFiles(t *testing.T) {
	good := 0
	for _, file := range rules.ProjectFiles(t) {
		if _, ds := rules.Parse(file); ds.Err() == nil {
			good++
			checkFormat(t, file.Text)
		} else if text, ds := rules.Format(file); ds.Err() == nil || text != nil {
			t.Errorf("%s has errors, and was formatted", file.Name)
		}
	}
	if good < 150 {
		t.Errorf("only %d files without errors", good)
	}
}

// TestFormatBytes: what an archive of examples cannot show.
func TestFormatBytes(t *testing.T) {
	for _, c := range []struct{ name, text, want string }{
		{"nothing", "", ""},
		{"blank lines only", "\n\n \n", ""},
		{"byte order mark", "\uFEFFdrop udp\n", "drop udp\n"},
		{"byte order mark and comment", "\uFEFF# x\n", "# x\n"},
		{"CRLF", "drop udp # x\r\n\r\ndrop \\\r\n tcp\r\n", "drop udp  # x\n\ndrop tcp\n"},
		{"no line end", "drop udp", "drop udp\n"},
		{"no line end behind a comment", "drop udp # x", "drop udp  # x\n"},
		{"tabs", "drop\tudp\t# a\tb\t\n", "drop udp  # a\tb\n"},
		{"joined with nothing", "drop udp \\\n\ndrop arp\n", "drop udp\ndrop arp\n"},
		{"joined with a comment", "drop udp \\\n# x\n", "drop udp  # x\n"},
		{"a comment behind a brace only", "tcp { # x\n\n}\n", "tcp {  # x\n}\n"},
		{"an operator that keeps a list from being a block", "drop vlan in {}\n", "drop vlan in { }\n"},
		{"no range", "drop to port http - https\n", "drop to port http - https\n"},
		{"a keyword in a list with comments", "drop on { drop, # x\neth0}\n", "drop on { drop,  # x\n    eth0,\n}\n"},
		{"semicolons only", ";;\n;drop udp;;\n", "drop udp\n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := checkFormat(t, []byte(c.text)); string(got) != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

// TestFormatWidth: a statement of 100 columns stays in its line, whatever its
// comment, and one more breaks it.
func TestFormatWidth(t *testing.T) {
	rule := "drop from { " + strings.Repeat("10.0.0.1, ", 6) + "10.0.0.2 } port 1"
	fits := strings.Repeat("n", 100-len(rule)-2) + ": " + rule
	if got := checkFormat(t, []byte(fits)); string(got) != fits+"\n" {
		t.Errorf("100 columns became\n%s", got)
	}
	commented := fits + "  # a comment\n"
	if got := checkFormat(t, []byte(commented)); string(got) != commented {
		t.Errorf("a comment made a difference:\n%s", got)
	}
	if got := checkFormat(t, []byte("n"+fits)); strings.Count(string(got), "\n") != 3 {
		t.Errorf("101 columns became\n%s", got)
	}
}

// TestFormatKeywordInList: a line of a list never begins like a statement, for
// which it would be taken.
func TestFormatKeywordInList(t *testing.T) {
	for n := range 40 {
		text := "drop on { eth0" + strings.Repeat("0", n%10) + strings.Repeat(", eth1", 10+n/10) + ", count, drop, eth2, eth3, eth4 }\n"
		if got := checkFormat(t, []byte(text)); !strings.Contains(string(got), ", count, drop,") {
			t.Errorf("%s became\n%s", text, got)
		}
	}
}

// FuzzFormat: what must hold of a formatted file holds of any.
func FuzzFormat(f *testing.F) {
	for _, file := range rules.ProjectFiles(f) {
		if len(file.Text) < 4096 {
			f.Add(file.Text)
		}
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		if _, ds := rules.Parse(rules.NewFile("x", text)); ds.Err() == nil {
			checkFormat(t, text)
		}
	})
}
