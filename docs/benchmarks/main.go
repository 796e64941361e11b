// Command benchmarks compares programs of xdpfw with others that do the same,
// in one run:
//
//	sudo go -C docs/benchmarks run .
//
// It needs clang, and the tools that it compares with (Debian: clang nftables
// iptables ipset xdp-tools); what is not there is left out, and named. Figures go
// to results/results.jsonl, one program a line, to plots beside it, and into
// docs/benchmarks.md. With -only they are only printed.
package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"
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
	{"scale", scale},
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
	start := time.Now()
	steal, all := stolen()
	b := &benchmark{rounds: *rounds}
	var failed error
	for _, p := range parts {
		if !slices.Contains(chosen, p.name) {
			continue
		}
		if err := p.run(b); err != nil {
			b.report(record{Part: p.name, Failed: err.Error()})
			failed = errors.Join(failed, fmt.Errorf("%s: %w", p.name, err))
		}
	}
	if len(chosen) < len(names) {
		fmt.Print(targetTable(b.targets()))
		return failed
	}
	stealNow, allNow := stolen()
	took := fmt.Sprintf("run: %d rounds at most, in %.0f s; the hypervisor took %.1f %% of the CPUs' time for others", *rounds, time.Since(start).Seconds(), 100*(stealNow-steal)/(allNow-all))
	return errors.Join(failed, b.save("results"), draws("results", b.records), b.write(took))
}
