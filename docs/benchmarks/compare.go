package main

import (
	"fmt"
	"os"

	"xdpfw/codegen"
	"xdpfw/loader/bench"
	"xdpfw/rules"
)

// A benchmark is one run of this command.
type benchmark struct {
	results
	rounds int
}

// A candidate is a program to compare, with what is known of it.
type candidate struct {
	bench.Subject
	describe func(*record)
}

// compare rules compiled by strategies with other candidates, in turns, through
// BPF_PROG_RUN, and with the programs to measure others against.
func (b *benchmark) compare(base record, rs *rules.RuleSet, frames [][]byte, strategies []string, others []candidate) error {
	trace, err := bench.NewTrace(frames)
	if err != nil {
		return err
	}
	baselines, err := bench.NewBaselines()
	if err != nil {
		return err
	}
	defer baselines.Close()
	var all []candidate
	for _, s := range baselines.Subjects() {
		all = append(all, candidate{Subject: s})
	}
	all = append(all, others...)
	for _, strategy := range strategies {
		o, err := compile(rs, codegen.Options{Strategy: strategy})
		if err != nil {
			rec := base
			rec.Program, rec.Failed = strategy, err.Error()
			b.report(rec)
			continue
		}
		defer o.Close()
		all = append(all, candidate{bench.Subject{Name: strategy, Program: o.Program()}, o.describe})
	}
	subjects := make([]bench.Subject, len(all))
	for i, c := range all {
		subjects[i] = c.Subject
	}
	timed, err := bench.Run(trace, subjects, b.rounds)
	if err != nil {
		return err
	}
	for i, c := range all {
		rec := base
		rec.Program = c.Name
		rec.timed(timed[i], timed[0])
		if c.describe != nil {
			c.describe(&rec)
		}
		b.report(rec)
	}
	return nil
}

// report a record: to the results, and to who looks on.
func (b *benchmark) report(r record) {
	b.add(r)
	fmt.Fprintf(os.Stderr, "%-8s %-14s %-10s %-12s", r.Part, r.Set, r.Traffic, r.Program)
	if r.Failed != "" {
		fmt.Fprintf(os.Stderr, " %s\n", r.Failed)
		return
	}
	fmt.Fprintf(os.Stderr, " %8.1f ns, %8.1f over empty (%.1f–%.1f)\n", r.NS, r.Net, r.Min, r.Max)
}
