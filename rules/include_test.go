package rules_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"xdpfw/rules"
)

// inMemory is a Reader of files by name.
func inMemory(files map[string]string) rules.Reader {
	return func(path string, limit int) ([]byte, error) {
		text, is := files[path]
		if !is {
			return nil, os.ErrNotExist
		}
		return []byte(text)[:min(len(text), limit+1)], nil
	}
}

// TestInclude: what is included means what it would mean at that place.
func TestInclude(t *testing.T) {
	files := map[string]string{
		"rules/common.fw": "set web = { 80, 443 }\r\ndefault drop\r\nchain bad { drop from @spam }\r\ninclude \"sub/more.fw\"\r\n",
		"rules/sub/more.fw": "ssh: pass tcp to port 22\nset spam2 = file \"../spam.txt\"\n" +
			"count from @spam2",
		"rules/spam.txt":   "10.0.0.0/8",
		"rules/spamset.fw": "set spam = { 192.0.2.1 }",
		"/etc/one.fw":      "drop udp",
	}
	main := "include \"spamset.fw\"\ninclude \"common.fw\"\njump bad\ntcp { include \"/etc/one.fw\" }\npass tcp to port @web\ninclude \"/etc/one.fw\""
	rs, ds := rules.ParseAndCheckWith(inMemory(files), rules.NewFile("rules/main.fw", []byte(main)))
	if rs != nil {
		t.Fatal("`drop udp` within a block of `tcp` was accepted")
	}
	if got := ds.Error(); !strings.HasPrefix(got, "/etc/one.fw:1:6: error: `udp` never holds together with `tcp`") {
		t.Error(got)
	}
	main = strings.Replace(main, "tcp {", "ip {", 1)
	rs, ds = rules.ParseAndCheckWith(inMemory(files), rules.NewFile("rules/main.fw", []byte(main)))
	if rs == nil {
		t.Fatal(ds)
	}
	want := "default drop\nssh: pass tcp to port 22\ncount from 10.0.0.0/8\ndrop from 192.0.2.1\ndrop ip udp\npass tcp to port { 80, 443 }\ndrop udp\n"
	if got := describeSteps(rs); got != want {
		t.Errorf("got:\n%s\nwant:\n%s", got, want)
	}
	var names []string
	for _, f := range rs.Files {
		names = append(names, f.Name)
	}
	if got, want := strings.Join(names, " "), "rules/main.fw rules/spamset.fw rules/common.fw rules/sub/more.fw rules/spam.txt /etc/one.fw"; got != want {
		t.Errorf("files %s, want %s", got, want)
	}
	if at := rs.Rules[1].Span.Position().String(); at != "rules/sub/more.fw:1:1" {
		t.Errorf("the rule `ssh` is at %s", at)
	}
}

// TestIncludedNames: labels are unique over all files, and a comment silences
// in the file in which it stands.
func TestIncludedNames(t *testing.T) {
	files := map[string]string{
		"a.fw": "ssh: pass tcp to port 22\nset unused = { 80 } # nolint: unused-set\n",
		"b.fw": "# nolint: unused-set\nset unused2 = { 80 }\n",
	}
	_, ds := rules.ParseAndCheckWith(inMemory(files), rules.NewFile("x", []byte("include \"a.fw\"\nssh: drop udp")))
	if got, want := ds.Error(), "x:2:1: error: the name `ssh` is taken [duplicate-name]"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	_, ds = rules.ParseAndCheckWith(inMemory(files), rules.NewFile("x", []byte("include \"a.fw\"\n# nolint: unused-set\ninclude \"b.fw\"")))
	if len(ds) != 1 || ds[0].Span.Position().String() != "b.fw:2:5" {
		t.Error(format(t, ds))
	}
}

// comments is a text of n bytes that says nothing.
func comments(n int) string {
	line := strings.Repeat("#", 1<<20-1) + "\n"
	return strings.Repeat(line, n/len(line)) + strings.Repeat("#", n%len(line))
}

// TestIncludeLimits from both sides.
func TestIncludeLimits(t *testing.T) {
	skipIfShort(t)
	tests := []struct {
		name  string
		limit int
		files func(n int) map[string]string // "main" includes the others
	}{
		{"depth", rules.MaxIncludeDepth, func(n int) map[string]string {
			files := map[string]string{"main": `include "1"`}
			for i := 1; i < n; i++ {
				files[fmt.Sprint(i)] = fmt.Sprintf("include %q", fmt.Sprint(i+1))
			}
			files[fmt.Sprint(n)] = "drop"
			return files
		}},
		{"files", rules.MaxFiles, func(n int) map[string]string {
			files := map[string]string{"main": "drop"}
			for i := 1; i < n; i++ {
				name := fmt.Sprint(i)
				files[name] = "drop"
				files["main"] += "\ninclude \"" + name + "\""
			}
			return files
		}},
		{"bytes", rules.MaxFileSize, func(n int) map[string]string {
			main := "include \"half\"\ninclude \"half\"\ndrop\n"
			return map[string]string{"main": main + comments(n-2*(n/4)-len(main)), "half": comments(n / 4)}
		}},
		{"lines", rules.MaxLines, func(n int) map[string]string {
			return map[string]string{"main": "include \"half\"\ndrop\ninclude \"half\"" + strings.Repeat("\n", n-3-2*(n/2-2)), "half": strings.Repeat("\n", n/2-2)}
		}},
		{"bytes of sets", rules.MaxSetFileSize, func(n int) map[string]string {
			return map[string]string{"main": "set a = file \"a\"\nset b = file \"b\"\ndrop", "a": comments(n / 2), "b": comments(n - n/2)}
		}},
		{"lines of sets", rules.MaxLines, func(n int) map[string]string {
			return map[string]string{"main": "set a = file \"a\"\ndrop", "a": strings.Repeat("\n", n-1)}
		}},
		{"elements of sets", rules.MaxFileElements, func(n int) map[string]string {
			return map[string]string{"main": "set a = file \"a\"\nset b = file \"b\"\ndrop", "a": strings.Repeat("1\n", n/2), "b": strings.Repeat("::1\n", n-n/2)}
		}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			check := func(n int) rules.Diagnostics {
				files := test.files(n)
				_, ds := rules.ParseAndCheckWith(inMemory(files), rules.NewFile("main", []byte(files["main"])))
				return ds
			}
			if ds := check(test.limit); ds.Err() != nil {
				t.Errorf("at the limit: %v", ds)
			}
			ds := check(test.limit + 1)
			if got, want := ds.Error(), fmt.Sprintf("limit: %d", test.limit); !strings.Contains(got, "[limit]") || !strings.Contains(got, want) {
				t.Errorf("got %q, want %q in it", got, want)
			}
		})
	}
}

// TestIncludeBomb: files that include the next one twice are read once each,
// and end at the limits of what they come to.
func TestIncludeBomb(t *testing.T) {
	files := map[string]string{"30": "drop udp\n"}
	for i := range 30 {
		files[fmt.Sprint(i)] = strings.Repeat(fmt.Sprintf("include %q\n", fmt.Sprint(i+1)), 2)
	}
	_, ds := rules.ParseAndCheckWith(inMemory(files), rules.NewFile("0", []byte(files["0"])))
	if len(ds) != 1 || ds[0].Code != "limit" {
		t.Error(format(t, ds))
	}
}

// TestReadRegular: of what is on the disk only regular files are read, and none
// beyond the limit.
func TestReadRegular(t *testing.T) {
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	if err := os.WriteFile(at("good"), []byte("0123456789"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mkfifo(at("pipe"), 0o600); err != nil {
		t.Fatal(err)
	}
	if text, err := rules.ReadRegular(at("good"), 10); err != nil || string(text) != "0123456789" {
		t.Errorf("%q, %v", text, err)
	}
	for path, want := range map[string]string{at("pipe"): "no regular file", dir: "no regular file", "/dev/zero": "no regular file", at("none"): "no such file"} {
		if _, err := rules.ReadRegular(path, 10); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", path, err, want)
		}
	}
	if _, err := rules.ReadRegular(at("good"), 9); err == nil {
		t.Error("ten bytes where nine are the limit")
	}
	main := filepath.Join(dir, "main.fw")
	if err := os.WriteFile(main, []byte("include \"more.fw\"\nset a = file \"pipe\""), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(at("more.fw"), []byte("drop udp"), 0o600); err != nil {
		t.Fatal(err)
	}
	file, err := rules.ReadFile(main)
	if err != nil {
		t.Fatal(err)
	}
	if _, ds := rules.ParseAndCheck(file); len(ds) != 1 || ds[0].Code != "unreadable" || ds[0].Span.Text() != `"pipe"` {
		t.Error(format(t, ds))
	}
}
