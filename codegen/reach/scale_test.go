package reach_test

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"xdpfw/codegen/reach"
	"xdpfw/loader/workload"
	"xdpfw/rules"
)

// processorTime is what this process has taken so far of the processors.
func processorTime() time.Duration {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		panic(err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

// findIn is what is found in a rule file, which must take no longer.
func findIn(t *testing.T, text []byte, limit time.Duration) rules.Reachability {
	t.Helper()
	if testing.Short() { // the race detector takes its own time
		t.Skip("measures time")
	}
	rs, ds := rules.ParseAndCheck(rules.NewFile("set.fw", text))
	if err := ds.Err(); err != nil {
		t.Fatal(err)
	}
	before := processorTime()
	found := reach.Find(rs)
	took := processorTime() - before
	var together, most int
	for _, u := range found.Unreached {
		most = max(most, len(u.By))
		if len(u.By) > 1 {
			together++
		}
	}
	t.Logf("%d rules: %d are not reached, %d of them by several together (at most %d), %d unknown; %v",
		len(rs.Rules), len(found.Unreached), together, most, len(found.Unknown), took.Round(time.Millisecond))
	if took > limit {
		t.Errorf("it took %v, may take %v", took, limit)
	}
	return found
}

// TestClassBench: of each filter set every rule is found out about, in time.
func TestClassBench(t *testing.T) {
	paths, err := filepath.Glob("../../../shared/data/classbench/*_1*k")
	if err != nil || len(paths) == 0 {
		t.Skip("no filter sets of ClassBench in ../shared/data/classbench beside the repository")
	}
	for _, path := range paths {
		t.Run(filepath.Base(path), func(t *testing.T) {
			f, err := os.Open(path)
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			text, _, err := workload.ClassBench(f)
			if err != nil {
				t.Fatal(err)
			}
			if found := findIn(t, text, 5*time.Second); len(found.Unknown) > 0 {
				t.Errorf("unknown: %v", found.Unknown)
			}
		})
	}
}

// TestShapes: of rules as users have them all is found out, in time: of the
// shape that takes longest for 100,000 of them.
func TestShapes(t *testing.T) {
	for _, shape := range workload.Shapes() {
		t.Run(shape.Name, func(t *testing.T) {
			n, limit := 10_000, 5*time.Second
			if shape.Name == "firewall4" {
				n, limit = 100_000, 30*time.Second
			}
			if found := findIn(t, shape.Text(n, 1), limit); len(found.Unknown) > 0 {
				t.Errorf("%d unknown, the first is rule %d", len(found.Unknown), found.Unknown[0])
			}
		})
	}
}

// TestHostileShapes: of others there is an answer in time, perhaps that it was
// not found out.
func TestHostileShapes(t *testing.T) {
	for _, shape := range workload.HostileShapes() {
		t.Run(shape.Name, func(t *testing.T) { findIn(t, shape.Text(5_000, 1), 30*time.Second) })
	}
}
