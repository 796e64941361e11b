package codegen

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"xdpfw/rules"
)

var update = flag.Bool("update", false, "write the listings into testdata/listings; read the diff before committing it")

func compileFile(t *testing.T, path, strategy string) *Object {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return compileWith(t, filepath.Base(path), text, Options{Strategy: strategy})
}

func compileText(t *testing.T, name string, text []byte) *Object {
	t.Helper()
	return compileWith(t, name, text, Options{})
}

func compileWith(t *testing.T, name string, text []byte, opts Options) *Object {
	t.Helper()
	rs, diags := rules.ParseAndCheck(rules.NewFile(name, text))
	if err := diags.Err(); err != nil {
		t.Fatal(err)
	}
	o, err := Compile(rs, opts)
	if err != nil {
		t.Fatal(err)
	}
	return o
}

// listText is the instructions of a rule file's program, with the rules that
// they serve.
func listText(t *testing.T, text string) string {
	t.Helper()
	return listedCode(t, compileText(t, "rules.fw", []byte(text)))
}

func listedCode(t *testing.T, o *Object) string {
	t.Helper()
	var b strings.Builder
	if err := o.Listing(&b, false); err != nil {
		t.Fatal(err)
	}
	code, _, found := strings.Cut(b.String(), objectDirective)
	if !found {
		t.Fatal(b.String())
	}
	return code
}

// TestListings holds the listing of every file in testdata/rules, with what its
// tables hold, against the one beside it in testdata/listings; those of the
// founding example for the strategies that auto does not choose too. It compiles twice: the same input must
// give the same bytes, today and on another day.
func TestListings(t *testing.T) {
	paths, err := filepath.Glob("../testdata/rules/*.fw")
	if err != nil || len(paths) < 2 {
		t.Fatalf("found %d rule files: %v", len(paths), err)
	}
	for _, path := range paths {
		name := strings.TrimSuffix(filepath.Base(path), ".fw")
		t.Run(name, func(t *testing.T) { checkGolden(t, path, name, Auto) })
	}
	for _, strategy := range []string{Chain, Table} {
		name := "founding." + strategy
		t.Run(name, func(t *testing.T) { checkGolden(t, "../testdata/rules/founding.fw", name, strategy) })
	}
}

func checkGolden(t *testing.T, path, name, strategy string) {
	listing := func() []byte {
		o := compileFile(t, path, strategy)
		checkJumps(t, &o.Programs[0])
		return checkIdentity(t, o)
	}
	first := listing()
	if !bytes.Equal(first, listing()) {
		t.Error("two compilations of one file give two listings")
	}
	golden := filepath.Join("../testdata/listings", name+".txt")
	if *update {
		if err := os.WriteFile(golden, first, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if diff := firstDifference(string(first), string(want)); diff != "" {
		t.Errorf("%s: %s\nrun with -update, and read the diff", golden, diff)
	}
}

func firstDifference(got, want string) string {
	g, w := strings.Split(got, "\n"), strings.Split(want, "\n")
	for i := range max(len(g), len(w)) {
		gl, wl := "(end)", "(end)"
		if i < len(g) {
			gl = g[i]
		}
		if i < len(w) {
			wl = w[i]
		}
		if gl != wl {
			return fmt.Sprintf("line %d", i+1) + ":\n got " + gl + "\nwant " + wl
		}
	}
	return ""
}

// TestNothingRead: rule sets that no packet can tell apart from their verdict
// read no byte of the packet.
func TestNothingRead(t *testing.T) {
	for _, text := range []string{"default drop\n", "drop\n", "default pass\ndrop not ip\ndrop\n", "pass ip\npass ip6\npass not invalid\n"} {
		listing := listText(t, text)
		reads := strings.Contains(listing, "eth.type")
		if wants := strings.Contains(text, "ip"); reads != wants {
			t.Errorf("%q: reads the ethertype: %v, want %v\n%s", text, reads, wants, listing)
		}
	}
}

// TestLazyFamilies: what no rule reads is not parsed.
func TestLazyFamilies(t *testing.T) {
	for _, c := range []struct {
		text, has string
		want      bool
	}{
		{"drop from 10.0.0.0/8\n", "ip6.walk", false},
		{"drop from 10.0.0.0/8\n", "sport", false},
		{"drop from fd00::/8\n", "ip6.walk", false},
		{"drop from fd00::/8\n", "ip.hdrlen", false},
		{"drop udp\n", "ip6.walk", true},
		{"drop udp\n", "ports: 4 bytes", false},
		{"drop to port 80\n", "ports: 4 bytes", true},
		{"drop to port 80\n", "source port", false},
		{"drop arp\n", "arp.htype", true},
		{"drop arp\n", "ip.hdrlen", false},
	} {
		if got := strings.Contains(listText(t, c.text), c.has); got != c.want {
			t.Errorf("%q: has %q: %v, want %v", c.text, c.has, got, c.want)
		}
	}
}
