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
	rs, ds := rules.ParseAndCheck(rules.NewFile("set.fw", text))
	if err := ds.Err(); err != nil {
		t.Fatal(err)
	}
	before := processorTime()
	found := reach.Find(rs)
	took := processorTime() - before
	var shared, most int
	for _, u := range found.Unreached {
		most = max(most, len(u.By))
		if len(u.By) > 1 {
			shared++
		}
	}
	t.Logf("%d rules: %d are not reached, %d of them by several together (at most %d), %d unknown; %v",
		len(rs.Rules), len(found.Unreached), shared, most, len(found.Unknown), took.Round(time.Millisecond))
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

// TestLargeSets: 100,000 rules of each shape within 30 seconds.
func TestLargeSets(t *testing.T) {
	for name, text := range map[string]func(n, family int, seed uint64) []byte{
		"acl": workload.ACL, "firewall": workload.Firewall, "chain": workload.Chain,
	} {
		for _, family := range [...]int{4, 6} {
			t.Run(name, func(t *testing.T) {
				if found := findIn(t, text(100_000, family, 1), 30*time.Second); len(found.Unknown) > 0 {
					t.Errorf("%d unknown: rule %d first", len(found.Unknown), found.Unknown[0])
				}
			})
		}
	}
}
