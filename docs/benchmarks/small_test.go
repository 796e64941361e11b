package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"xdpfw/rules"
)

// What stands in C does what the rules say, and agree finds where it does not.
func TestDefectsInCAreFound(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("loading programs needs root")
	}
	if _, err := exec.LookPath("clang"); err != nil {
		t.Skip(err)
	}
	for _, set := range smallSets {
		rs, err := readRules(set.rules)
		if err != nil {
			t.Fatal(err)
		}
		frames, err := varied(rs)
		if err != nil {
			t.Fatal(err)
		}
		frames = checked(frames)
		for _, defect := range []struct{ file, from, to string }{
			{"xdp.h", "", ""},
			{"xdp.h", "BE16(0x9100)", "BE16(0x9101)"},
			{"xdp.h", "tags == 2 || p + 4 > end", "p + 4 > end"},
			{"xdp.h", "p[0] >> 4 != 4", "p[0] >> 4 == 5"},
			{"xdp.h", "header < 20 || total < header", "total < header"},
			{"xdp.h", "if (length > present)", "if (length > present + 1)"},
			{"xdp.h", "h[1] + 2) * 4", "h[1] + 1) * 4"},
			{"xdp.h", "c->packets++", "c->packets += 2"},
			{"founding.c", "BE16(80)", "BE16(81)"},
			{"assorted.c", "> 1000", "> 10000"},
			{"assorted.c", "p[8] < 2", "p[8] < 1"},
			{"assorted.c", "BE16(0xfff)) == BE16(100)", "BE16(0xffff)) == BE16(100)"},
			{"assorted.c", "from == 0xcb007107", "from >> 1 == 0xcb007107 >> 1"},
			{"assorted.c", "p[5] == 4", "p[5] >= 4"},
			{"mixed.c", "port.to < 1024", "port.to <= 1024"},
			{"mixed.c", "from >> 29 == 7", "from >> 28 == 15"},
		} {
			if defect.file != "xdp.h" && "c/"+defect.file != set.c {
				continue
			}
			t.Run(set.name+" "+defect.to, func(t *testing.T) {
				err := agreeWith(t, rs, frames, set.c, defect.file, defect.from, defect.to)
				if found := err != nil; found != (defect.to != "") {
					t.Errorf("found: %v", err)
				}
			})
		}
	}
}

// agreeWith is agree for a C file, after a change in it or in what it includes.
func agreeWith(t *testing.T, rs *rules.RuleSet, frames [][]byte, c, file, from, to string) error {
	t.Helper()
	folder := t.TempDir()
	for _, name := range []string{"xdp.h", filepath.Base(c)} {
		text, err := os.ReadFile(filepath.Join("c", name))
		if err != nil {
			t.Fatal(err)
		}
		if name == file && to != "" {
			changed := strings.Replace(string(text), from, to, 1)
			if changed == string(text) {
				t.Fatalf("%q is not in %s", from, file)
			}
			text = []byte(changed)
		}
		if err := os.WriteFile(filepath.Join(folder, name), text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	program, err := clang(filepath.Join(folder, filepath.Base(c)), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer program.Close()
	return agree(program.Programs["program"], rs, reference(rs), frames, countedIn(program, rs))
}
