package rules_test

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"os/exec"
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

// inChild names the environment variable that makes TestChild do its work.
const inChild = "XDPFW_TEST_CHILD"

// runChild runs the named piece of work in a process of its own, so that its
// memory is its own, and gives what it printed, the seconds of processor time
// that it took, and its greatest size in bytes.
func runChild(t *testing.T, work string, limit uint64) (out string, seconds float64, peak int64, err error) {
	t.Helper()
	cmd := exec.Command(os.Args[0], "-test.run=^TestChild$", "-test.count=1")
	cmd.Env = append(os.Environ(), inChild+"="+work, fmt.Sprintf("%s_LIMIT=%d", inChild, limit))
	printed, err := cmd.CombinedOutput()
	seconds = (cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()).Seconds()
	return string(printed), seconds, cmd.ProcessState.SysUsage().(*syscall.Rusage).Maxrss << 10, err
}

func TestChild(t *testing.T) {
	work := os.Getenv(inChild)
	if work == "" {
		t.Skip("only as the child of other tests")
	}
	var n int
	fmt.Sscanf(work, "rules %d", &n)
	f := rules.NewFile("x", manyRules(n))
	start := time.Now()
	rs, ds := rules.ParseAndCheck(f)
	if rs == nil {
		t.Fatal(ds)
	}
	fmt.Printf("seconds %.3f\n", time.Since(start).Seconds())
}

func TestSizeCurve(t *testing.T) {
	if !*sizeCurve {
		t.Skip("measures for minutes; -size-curve runs it")
	}
	for _, n := range []int{10_000, 20_000, 50_000, 100_000, 200_000, 500_000, 1_000_000} {
		out, cpu, peak, err := runChild(t, fmt.Sprint("rules ", n), 0)
		if err != nil {
			t.Fatal(out)
		}
		_, rest, _ := strings.Cut(out, "seconds ")
		seconds, _, _ := strings.Cut(rest, "\n")
		fmt.Printf("| %d | %s | %.2f | %d |\n", n, seconds, cpu, peak>>20)
	}
}
