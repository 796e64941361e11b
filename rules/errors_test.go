package rules_test

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"xdpfw/rules"
)

var update = flag.Bool("update", false, "write the .want files of testdata/errors anew")

// errorFiles are the must-fail files.
func errorFiles(t testing.TB) []string {
	t.Helper()
	paths, err := filepath.Glob("../testdata/errors/*.fw")
	if err != nil {
		t.Fatal(err)
	}
	if len(paths) < 300 {
		t.Fatalf("%d must-fail files, want at least 300", len(paths))
	}
	return paths
}

// readTestFile reads a file under its base name, as messages show it.
func readTestFile(t testing.TB, path string) *rules.File {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return rules.NewFile(filepath.Base(path), text)
}

func format(t testing.TB, ds rules.Diagnostics) string {
	t.Helper()
	var b strings.Builder
	if err := ds.Format(&b, false); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// readErrorFile reads a file that a must-fail file names.
func readErrorFile(path string, limit int) ([]byte, error) {
	text, err := rules.ReadRegular(filepath.Join("../testdata/errors", path), limit)
	if err, is := err.(*os.PathError); is { // without the folder in it
		err.Path = path
	}
	return text, err
}

// TestErrors compares all that is said about each must-fail file, to the letter.
func TestErrors(t *testing.T) {
	codes := map[string]bool{}
	for _, path := range errorFiles(t) {
		name := strings.TrimSuffix(filepath.Base(path), ".fw")
		t.Run(name, func(t *testing.T) {
			file := readTestFile(t, path)
			rs, ds := rules.ParseAndCheckWith(readErrorFile, file)
			for _, d := range ds {
				if d.Severity == rules.Error {
					codes[d.Code] = true
				}
			}
			warnsOnly := strings.HasPrefix(name, "warnings") && name != "warnings-silenced" || name == "default-name" || name == "tag-type"
			if failed := rs == nil && ds.Err() != nil; failed == warnsOnly {
				t.Errorf("RuleSet %v, error %v", rs, ds.Err())
			}
			wantPath := strings.TrimSuffix(path, ".fw") + ".want"
			got := format(t, ds)
			if *update {
				if err := os.WriteFile(wantPath, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(wantPath)
			if err != nil {
				t.Fatal(err)
			}
			if got != string(want) {
				t.Errorf("got:\n%s\nwant:\n%s", got, want)
			}
		})
	}
	if t.Logf("%d files, %d codes of errors", len(errorFiles(t)), len(codes)); len(codes) < 60 {
		t.Errorf("the files show %d codes of errors, want at least 60", len(codes))
	}
}

// TestOneMessageEach: twenty mistakes in a file, one in each line, give twenty
// messages, one for each line.
func TestOneMessageEach(t *testing.T) {
	_, ds := rules.ParseAndCheck(readTestFile(t, "../testdata/errors/one-message-each.fw"))
	if len(ds) != 20 {
		t.Errorf("%d messages, want 20", len(ds))
	}
	for i, d := range ds {
		if line := d.Span.Position().Line; line != i+1 || d.Severity != rules.Error {
			t.Errorf("message %d is a %v in line %d: %s", i+1, d.Severity, line, d.Message)
		}
	}
}
