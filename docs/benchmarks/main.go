// Command benchmarks compares programs of xdpfw with others that do the same,
// in one run. It needs root, clang, and the tools that it compares with; what is
// not there is left out, and named.
//
//	cd docs/benchmarks && go run .
//
// Figures go to results.jsonl, one program a line.
package main

import (
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
)

var parts = []struct {
	name string
	run  func(*benchmark) error
}{
	{"small", small},
	{"large", large},
	{"lists", lists},
	{"path", path},
	{"hosts", hosts},
	{"counters", counters},
}

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "benchmarks:", err)
		os.Exit(1)
	}
}

func run() error {
	var names []string
	for _, p := range parts {
		names = append(names, p.name)
	}
	rounds := flag.Int("rounds", 15, "rounds of each comparison")
	only := flag.String("only", strings.Join(names, ","), "parts to run")
	flag.Parse()
	chosen := strings.Split(*only, ",")
	for _, name := range chosen {
		if !slices.Contains(names, name) {
			return fmt.Errorf("no part is named %q: they are %s", name, strings.Join(names, ", "))
		}
	}
	out, err := os.Create("results.jsonl")
	if err != nil {
		return err
	}
	b := &benchmark{results: results{out: out}, rounds: *rounds}
	for _, p := range parts {
		if !slices.Contains(chosen, p.name) {
			continue
		}
		if err := p.run(b); err != nil {
			return fmt.Errorf("%s: %w", p.name, err)
		}
	}
	return out.Close()
}
