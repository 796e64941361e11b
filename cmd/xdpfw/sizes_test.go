package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"text/tabwriter"

	"xdpfw/codegen"
	"xdpfw/loader"
	"xdpfw/loader/workload"
	"xdpfw/rules"
)

// A sizedSet is a rule set whose program is held in testdata/sizes.txt.
type sizedSet struct {
	name string
	text []byte
}

func sizedSets(t *testing.T) (sets []sizedSet) {
	t.Helper()
	for _, path := range []string{"testdata/rules/founding.fw", "docs/benchmarks/rules/mixed.fw", "testdata/rules/example.fw"} {
		text := readDoc(t, path)
		sets = append(sets, sizedSet{strings.TrimSuffix(filepath.Base(path), ".fw"), []byte(text)})
	}
	sizes := map[string]int{"block-list4": 10_000, "block-list6": 10_000, "hosts4": 10_000, "hosts6": 10_000, "lengths": 100}
	for _, shape := range workload.Shapes() {
		n, given := sizes[shape.Name]
		if !given {
			n = 1000
		}
		sets = append(sets, sizedSet{fmt.Sprintf("%s-%d", shape.Name, n), shape.Text(n, 1)})
	}
	return sets
}

// TestSizes holds the figures of fixed rule sets that no clock has a part in:
// what a strategy emits may not grow unnoticed. Map bytes are those of one CPU.
// Where the kernel can be asked, its verifier must take each program with work
// that is linear in the program.
func TestSizes(t *testing.T) {
	if testing.Short() {
		t.Skip("compiles and verifies dozens of rule sets")
	}
	verifies, err := holds("bpf")
	if err != nil {
		t.Fatal(err)
	}
	var table bytes.Buffer
	w := tabwriter.NewWriter(&table, 0, 8, 2, ' ', tabwriter.AlignRight|tabwriter.TabIndent)
	fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t\n", "set", "strategy", "counters", "instructions", "longest", "map bytes")
	add := func(set sizedSet, opts codegen.Options) {
		row := fmt.Sprintf("%s\t%s\t%s", set.name, opts.Strategy, opts.Counters)
		rs, diagnostics := rules.ParseAndCheck(rules.NewFile(set.name, set.text))
		if err := diagnostics.Err(); err != nil {
			t.Fatal(err)
		}
		object, err := codegen.Compile(rs, opts)
		if err != nil {
			fmt.Fprintf(w, "%s\trefused\t\t\t\n", row)
			return
		}
		slots := instructionSlots(object)
		fmt.Fprintf(w, "%s\t%d\t%d\t%d\t\n", row, slots, object.Programs[0].Longest, mapBytes(object, 1))
		if !verifies {
			return
		}
		stats, err := loader.Verify(object)
		if err != nil {
			t.Errorf("%s: %v", row, err)
		} else if limit := slots*verifierWork(opts.Strategy)/10 + walkWork; stats.Processed > limit {
			t.Errorf("%s: the verifier processed %d instructions for a program of %d, more than %d", row, stats.Processed, slots, limit)
		}
	}
	for _, set := range sizedSets(t) {
		for _, strategy := range codegen.Strategies {
			add(set, codegen.Options{Strategy: strategy, Counters: codegen.CountRules})
		}
		if set.name == "founding" || set.name == "acl4-1000" {
			add(set, codegen.Options{Strategy: codegen.Auto, Counters: codegen.CountVerdicts})
			add(set, codegen.Options{Strategy: codegen.Auto, Counters: codegen.CountNone})
		}
	}
	w.Flush()
	const golden = "../../testdata/sizes.txt"
	if *update {
		if err := os.WriteFile(golden, table.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	compareRows(t, table.String(), string(want))
	needBPF(t) // or the verifier was not asked
}

// verifierWork is how many tenths of a program's length the verifier may
// process. Chains are allowed more: the kernel keeps no state within eight
// instructions of the last one, so often none at the start of a short rule, and
// comes to that over each test that failed.
func verifierWork(strategy string) int {
	if strategy == codegen.Chain || strategy == codegen.Tree {
		return 20
	}
	return 13
}

// walkWork is what the verifier may process besides: it goes through the walk
// over IPv6 extension headers once for each turn.
const walkWork = 3500

// compareRows says which rows differ, since one change moves many.
func compareRows(t *testing.T, got, want string) {
	t.Helper()
	known := map[string]bool{}
	for _, row := range strings.Split(want, "\n") {
		known[strings.Join(strings.Fields(row), " ")] = true
	}
	for _, row := range strings.Split(got, "\n") {
		fields := strings.Join(strings.Fields(row), " ")
		if !known[fields] {
			t.Errorf("not in testdata/sizes.txt: %s", fields)
		}
		delete(known, fields)
	}
	for row := range known {
		t.Errorf("only in testdata/sizes.txt: %s", row)
	}
	if t.Failed() {
		t.Log("where this is what was meant: go test ./cmd/xdpfw -run TestSizes -update, and read the diff")
	}
}
