package reach_test

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"xdpfw/codegen/reach"
	"xdpfw/loader/workload"
	"xdpfw/rules"
)

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
			text, n, err := workload.ClassBench(f)
			if err != nil {
				t.Fatal(err)
			}
			rs, ds := rules.ParseAndCheck(rules.NewFile("set.fw", text))
			if err := ds.Err(); err != nil {
				t.Fatal(err)
			}
			start := time.Now()
			found := reach.Find(rs)
			took := time.Since(start)
			shared := 0
			for _, u := range found.Unreached {
				if len(u.By) > 1 {
					shared++
				}
			}
			t.Logf("%d rules: %d are not reached, %d of them by several together, %d unknown; %v", n, len(found.Unreached), shared, len(found.Unknown), took)
			if len(found.Unknown) > 0 {
				t.Errorf("unknown: %v", found.Unknown)
			}
		})
	}
}
