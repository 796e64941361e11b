package main

import (
	"fmt"
	"os"
	"time"

	"xdpfw/codegen"
	"xdpfw/loader/bench"
	"xdpfw/rules"
)

// A benchmark is one run of this command.
type benchmark struct {
	results
	rounds int
}

// A subject is a rule set, and what is known of it.
type subject struct {
	base       record
	rs         *rules.RuleSet
	decide     func([]byte) rules.Decision // the reference
	strategies []string
	memory     int64 // for tables, in bytes; 0: what users get
	others     []candidate
}

// A candidate is a program to compare, with what is known of it.
type candidate struct {
	bench.Subject
	describe func(*record)
}

// traffic is the frames to measure with.
type traffic struct {
	name   string
	frames [][]byte
}

// compare rules compiled by strategies with other candidates, in turns, through
// BPF_PROG_RUN, and with the programs to measure others against.
func (b *benchmark) compare(s subject, traffics ...traffic) error {
	baselines, err := bench.NewBaselines()
	if err != nil {
		return err
	}
	defer baselines.Close()
	var all []candidate
	for _, s := range baselines.Subjects() {
		all = append(all, candidate{Subject: s})
	}
	all = append(all, s.others...)
	for _, strategy := range s.strategies {
		o, err := compile(s.rs, codegen.Options{Strategy: strategy, TableMemory: s.memory})
		if err != nil {
			b.fail(s.base, strategy, err)
			continue
		}
		defer o.Close()
		const some = 2000
		frames := traffics[0].frames
		if err := agree(o.Program(), s.rs, s.decide, frames[:min(some, len(frames))], o.counted); err != nil {
			return fmt.Errorf("strategy %s: %w", strategy, err)
		}
		all = append(all, candidate{bench.Subject{Name: strategy, Program: o.Program()}, o.describe})
	}
	subjects := make([]bench.Subject, len(all))
	for i, c := range all {
		subjects[i] = c.Subject
	}
	for _, t := range traffics {
		trace, err := bench.NewTrace(t.frames)
		if err != nil {
			return err
		}
		const budget, least = 2 * time.Second, 3
		timed, err := bench.RunFor(trace, subjects, budget, least, max(b.rounds, least))
		if err != nil {
			return err
		}
		for i, c := range all {
			rec := s.base
			rec.Traffic, rec.Program = t.name, c.Name
			rec.timed(timed[i], timed[0])
			if c.describe != nil {
				c.describe(&rec)
			}
			b.report(rec)
		}
	}
	return nil
}

// fail reports a program that there is not.
func (b *benchmark) fail(base record, program string, why error) {
	base.Program, base.Failed = program, why.Error()
	b.report(base)
}

// report a record: for the results, and for who looks on.
func (b *benchmark) report(r record) {
	b.records = append(b.records, r)
	fmt.Fprintf(os.Stderr, "%-8s %-16s %-10s %-13s", r.Part, r.Set, r.Traffic, r.Program)
	if r.Failed != "" {
		fmt.Fprintf(os.Stderr, " %s\n", r.reason())
		return
	}
	fmt.Fprintf(os.Stderr, " %8.1f ns, %8.1f over empty (%.1f–%.1f)", r.NS, r.Net, r.Min, r.Max)
	if r.Instructions > 0 {
		fmt.Fprintf(os.Stderr, ", %d instructions, %.1f MiB, compiled in %.3f s, loaded in %.3f s", r.Instructions, float64(r.TableBytes)/(1<<20), r.CompileSeconds, r.LoadSeconds)
	}
	fmt.Fprintln(os.Stderr)
}
