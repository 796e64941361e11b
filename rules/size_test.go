package rules_test

import (
	"bytes"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strings"
	"syscall"
	"testing"
	"time"

	"xdpfw/rules"
)

var sizeCurve = flag.Bool("size-curve", false, "print seconds and memory of parsing and checking for files of each size (docs/limits.md)")

// processorTime is what this process has taken so far of the processors, which
// other processes do not add to.
func processorTime() time.Duration {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		panic(err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

// manyRules is a file of n rules as block lists and port lists have them.
func manyRules(n int) []byte {
	var b bytes.Buffer
	for i := range n {
		switch i % 4 {
		case 0:
			fmt.Fprintf(&b, "drop from 10.%d.%d.%d\n", i>>16&255, i>>8&255, i&255)
		case 1:
			fmt.Fprintf(&b, "drop tcp to port %d\n", i>>2&0xffff)
		case 2:
			fmt.Fprintf(&b, "drop from 11.%d.%d.0/24\n", i>>16&255, i>>8&255)
		case 3:
			fmt.Fprintf(&b, "drop udp from port %d\n", i>>2&0xffff)
		}
	}
	return b.Bytes()
}

// manyPrefixes is the file of a set of n prefixes.
func manyPrefixes(n int) []byte {
	var b bytes.Buffer
	for i := range n {
		if i%8 == 0 {
			fmt.Fprintf(&b, "2001:db8:%x:%x::/64\n", i*7919%65536, i/16)
			continue
		}
		fmt.Fprintf(&b, "%d.%d.%d.0/24\n", 1+i*7919%220, i/7%256, i%256)
	}
	return b.Bytes()
}

// checkInChild names the environment variable that makes TestChild check a
// rule file.
const checkInChild = "XDPFW_TEST_CHECK"

func TestChild(t *testing.T) {
	path := os.Getenv(checkInChild)
	if path == "" {
		t.Skip("only as the child of TestSizeCurve")
	}
	start := time.Now()
	f, err := rules.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	rs, ds := rules.ParseAndCheck(f)
	if rs == nil {
		t.Fatal(ds)
	}
	fmt.Printf("%.2f\n", time.Since(start).Seconds())
}

// TestSizeCurve prints a line of the table in docs/limits.md for each size: the
// seconds, those of the processors, and the greatest size of a process that
// reads and checks one file, in MiB.
func TestSizeCurve(t *testing.T) {
	if !*sizeCurve {
		t.Skip("-size-curve runs it")
	}
	measure := func(text []byte) string {
		path := filepath.Join(t.TempDir(), "rules.fw")
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
		cmd := exec.Command(os.Args[0], "-test.run=^TestChild$")
		cmd.Env = append(os.Environ(), checkInChild+"="+path)
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("%s", out)
		}
		seconds, _, _ := strings.Cut(string(out), "\n")
		state := cmd.ProcessState
		return fmt.Sprintf("%s | %.2f | %d", seconds, (state.UserTime() + state.SystemTime()).Seconds(), state.SysUsage().(*syscall.Rusage).Maxrss>>10)
	}
	for _, n := range []int{10_000, 20_000, 50_000, 100_000, 200_000, 500_000, 1_000_000} {
		prefixes := filepath.Join(t.TempDir(), "set.txt")
		if err := os.WriteFile(prefixes, manyPrefixes(n), 0o600); err != nil {
			t.Fatal(err)
		}
		fmt.Printf("| %d | %s | %s |\n", n, measure(manyRules(n)), measure([]byte("set a = file \""+prefixes+"\"\ndrop from @a")))
	}
}

// TestCheckedAsRead: statements that are checked one by one, without a tree,
// mean what the tree means, with the same warnings.
func TestCheckedAsRead(t *testing.T) {
	random := rand.New(rand.NewPCG(11, 12))
	w := &fileWriter{random: random, clauses: allFieldClauses()}
	good := 0
	for range 500 {
		f := rules.NewFile("x.fw", []byte("set unused = { 1 }\n"+w.file()+"test \"a\" {\ndrop udp 192.0.2.1:1 > 192.0.2.2:2\n}\n"))
		asRead, warnings := rules.ParseAndCheck(f)
		tree, parsed := rules.Parse(f)
		whole, checked := rules.Check(tree)
		if got, want := format(t, warnings), format(t, append(parsed, checked...)); got != want {
			t.Fatalf("%s\nas read:\n%s\nas a whole:\n%s", f.Text, got, want)
		}
		if !reflect.DeepEqual(asRead, whole) {
			t.Fatalf("%s\nas read:\n%+v\nas a whole:\n%+v", f.Text, asRead, whole)
		}
		if whole != nil {
			good++
		}
	}
	if good < 100 {
		t.Errorf("only %d files were good", good)
	}
}
