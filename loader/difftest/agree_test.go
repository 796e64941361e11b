package difftest

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/txtar"

	"github.com/cilium/ebpf"

	"xdpfw/codegen"
	"xdpfw/rules"
)

const (
	defaultSeed  = 2026
	defaultFiles = 1200
	defaultPairs = 120_000
	workers      = 2
)

// fromEnvironment is a number that an environment variable may set.
func fromEnvironment(t testing.TB, name string, n uint64) uint64 {
	if text := os.Getenv(name); text != "" {
		var err error
		if n, err = strconv.ParseUint(text, 0, 64); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
	}
	return n
}

// seed is XDPFW_SEED, or always the same.
func seed(t testing.TB) uint64 {
	n := fromEnvironment(t, "XDPFW_SEED", defaultSeed)
	t.Logf("seed %d (XDPFW_SEED chooses another)", n)
	return n
}

// requireBPF skips a test where the kernel's BPF is not to be had, with the
// reason; with XDPFW_REQUIRE_BPF=1 that is a failure.
func requireBPF(t testing.TB) {
	t.Helper()
	if err := probeKernel(); err != nil {
		if os.Getenv("XDPFW_REQUIRE_BPF") == "1" {
			t.Fatalf("BPF cannot be used: %v", err)
		}
		t.Skipf("BPF cannot be used: %v", err)
	}
}

var probeKernel = sync.OnceValue(func() error {
	engines, err := enginesFor(mustRead("default pass\n"))
	if err == nil {
		CloseAll(engines)
	}
	return err
})

func mustRead(text string) *rules.RuleSet {
	rs := read(text)
	if rs == nil {
		panic("difftest: not accepted: " + text)
	}
	return rs
}

// enginesFor are all engines for a rule set, the reference first: the kernel
// with each strategy.
func enginesFor(rs *rules.RuleSet) ([]Engine, error) {
	return enginesOf(rs, codegen.Strategies, nil)
}

// enginesOf are the reference, the IR, and the kernel and the trace with some
// strategies.
// Only auto has to compile every rule set, and where it is what another strategy
// is, it is left out. change may plant a defect in the compiled Objects.
func enginesOf(rs *rules.RuleSet, strategies []string, change func(*codegen.Object)) ([]Engine, error) {
	engines := []Engine{Reference(rs), IR(rs)}
	for _, strategy := range strategies {
		obj, err := codegen.Compile(rs, codegen.Options{Strategy: strategy})
		var limit *codegen.LimitError
		switch {
		case errors.As(err, &limit) && strategy != codegen.Auto:
			continue
		case err == nil && strategy == codegen.Auto && len(strategies) > 1 && slices.Contains(strategies, obj.Strategy):
			continue
		case err == nil && change != nil:
			change(obj)
		}
		var kernel Engine
		if err == nil {
			kernel, err = Kernel(obj)
		}
		if err != nil {
			CloseAll(engines)
			return nil, fmt.Errorf("strategy %s: %w", strategy, err)
		}
		kernel.Name += ", strategy " + strategy
		engines = append(engines, kernel)
		traced := Traced(obj)
		traced.Name += ", strategy " + strategy
		engines = append(engines, traced)
	}
	if change != nil { // the defects are planted where all programs are the same
		return engines, nil
	}
	return withSpreading(rs, engines)
}

// withSpreading adds the program for kernels that spread frames over several
// buffers, where this is one: it finds lengths out in another way.
func withSpreading(rs *rules.RuleSet, engines []Engine) ([]Engine, error) {
	target := codegen.Target{Kernel: codegen.SpreadingKernel}
	obj, err := codegen.Compile(rs, codegen.Options{Target: target})
	var kernel Engine
	if err == nil {
		kernel, err = Kernel(obj)
	}
	if err == nil {
		engines = append(engines, Traced(obj))
	}
	switch {
	case errors.Is(err, ebpf.ErrNotSupported): // an older kernel
		return engines, nil
	case err != nil:
		CloseAll(engines)
		return nil, fmt.Errorf("for Linux %s: %w", target.Kernel, err)
	}
	kernel.Name += ", for Linux " + target.Kernel
	return append(engines, kernel), nil
}

// A job is a rule file and frames for it.
type job struct {
	file   *RuleFile
	frames [][]byte
}

func (g *Generator) job(frames int) job {
	j := job{file: g.RuleFile()}
	for range frames {
		frame, _ := g.Frame(j.file)
		j.frames = append(j.frames, frame)
	}
	return j
}

// A tally is what the workers of TestEnginesAgree find.
type tally struct {
	sync.Mutex
	coverage  Coverage
	rejected  int
	longest   int
	differing int // rule files
}

// XDPFW_PAIRS and XDPFW_FILES make it a long run: 5,000,000 over 20,000 is
// what a release must have behind it.
func TestEnginesAgree(t *testing.T) {
	requireBPF(t)
	start := time.Now()
	pairs, files := fromEnvironment(t, "XDPFW_PAIRS", defaultPairs), fromEnvironment(t, "XDPFW_FILES", defaultFiles)
	frames := int(pairs / files)
	enough := int(pairs / 5000)
	var all tally
	var done sync.WaitGroup
	first := seed(t)
	for worker := range uint64(workers) {
		done.Go(func() {
			g := NewGenerator(first+worker<<32, enough/workers)
			for range files / workers {
				all.run(t, g.job(frames))
			}
			all.Lock()
			defer all.Unlock()
			all.coverage.Merge(&g.Coverage)
			all.rejected += g.Rejected
		})
	}
	done.Wait()

	var table strings.Builder
	all.coverage.Print(&table)
	t.Logf("%d rule files of up to %d rules, %d statements rejected for contradictions, %d rule files with differences, %.0f s\n%s",
		files, all.longest, all.rejected, all.differing, time.Since(start).Seconds(), table.String())
	if share := float64(all.coverage.ByDefault) / float64(all.coverage.Pairs); share > 0.20 {
		t.Errorf("the default decided %.1f %% of the pairs, at most 20 %% may be", 100*share)
	}
	for _, fault := range all.coverage.Faults() {
		t.Error(fault)
	}
}

// run a job; of the first differences there are reports.
func (a *tally) run(t *testing.T, j job) {
	d := firstDifference(j.file.Set, j.frames)
	a.Lock()
	defer a.Unlock()
	a.longest = max(a.longest, len(j.file.Set.Rules))
	if d == nil {
		return
	}
	if a.differing++; a.differing <= 3 {
		t.Error(report(j.file.Text, d))
	}
}

// Rule sets beyond what the verifier can keep pending: the compiler joins
// compares, and leads jumps over islands.
func TestEnginesAgreeOnManyRules(t *testing.T) {
	requireBPF(t)
	t.Parallel()
	for _, c := range []struct {
		name string
		make func(*Generator) *RuleFile
	}{
		{"addresses and ports", func(g *Generator) *RuleFile { return g.ManyRules(5000) }},
		{"any clauses and statements", func(g *Generator) *RuleFile { return g.ManyStatements(2000) }},
	} {
		t.Run(c.name, func(t *testing.T) {
			const frames = 1500
			g := NewGenerator(seed(t), 100)
			j := job{file: c.make(g)}
			for range frames {
				frame, _ := g.Frame(j.file)
				j.frames = append(j.frames, frame)
			}
			requireLargeForms(t, j.file.Set)
			if d := firstDifference(j.file.Set, j.frames); d != nil {
				t.Error(d)
			}
			if decided := g.Coverage.Pairs - g.Coverage.ByDefault; decided < frames/2 {
				t.Errorf("rules decided %d of %d frames only", decided, frames)
			}
		})
	}
}

// requireLargeForms fails unless the rules compile to what only many rules
// do: compares that are joined into one branch, and jumps over islands.
func requireLargeForms(t *testing.T, rs *rules.RuleSet) {
	t.Helper()
	obj, err := codegen.Compile(rs, codegen.Options{Strategy: codegen.Chain})
	if err != nil {
		t.Fatal(err)
	}
	var listing strings.Builder
	if err := obj.Listing(&listing, false); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(obj.Why, "joined") || !strings.Contains(listing.String(), ".via:") {
		t.Fatalf("%d instructions, %s: no joined compares or no islands", obj.Programs[0].Slots(), obj.Why)
	}
}

// firstDifference is nil if all engines agree on all frames. A rule set that
// cannot be compiled and loaded is a difference as well.
func firstDifference(rs *rules.RuleSet, frames [][]byte) *Difference {
	return firstDifferenceOf(rs, codegen.Strategies, frames)
}

// firstDifferenceOf is firstDifference with some strategies.
func firstDifferenceOf(rs *rules.RuleSet, strategies []string, frames [][]byte) *Difference {
	engines, err := enginesOf(rs, strategies, nil)
	if err != nil {
		return &Difference{Frame: frames[0], Answers: []string{fmt.Sprintf("cannot be compiled and loaded: %v", err)}}
	}
	defer CloseAll(engines)
	return firstOf(engines, frames)
}

// firstOf the frames that the engines do not agree on; nil if there is none.
func firstOf(engines []Engine, frames [][]byte) *Difference {
	for _, frame := range frames {
		if d := Compare(engines, frame); d != nil {
			return d
		}
	}
	return nil
}

// report shrinks a difference and keeps the small one for later runs.
func report(text string, d *Difference) string {
	small, frame := Shrink(text, d.Frame, func(text string, frame []byte) bool {
		rs := read(text)
		return rs != nil && firstDifference(rs, [][]byte{frame}) != nil
	})
	smaller := firstDifference(mustRead(small), [][]byte{frame})
	if smaller == nil {
		return fmt.Sprintf("not reproduced alone: %v\n%s", d, text)
	}
	archive := txtar.Format(&txtar.Archive{Comment: []byte(smaller.String() + "\n"), Files: []txtar.File{
		{Name: "rules.fw", Data: []byte(small)}, {Name: "frame.hex", Data: fmt.Appendf(nil, "%x\n", frame)},
	}})
	path := filepath.Join("testdata", "differences", fmt.Sprintf("%.6x.txtar", sha256.Sum256(archive)))
	kept := "kept as " + path
	if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
		kept = err.Error()
	} else if err := os.WriteFile(path, archive, 0o666); err != nil {
		kept = err.Error()
	}
	return fmt.Sprintf("%s\nfound with %v\nin %s\nshrunk to\n%s", kept, d, text, archive)
}
