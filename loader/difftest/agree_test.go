package difftest

import (
	"crypto/sha256"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/txtar"

	"xdpfw/codegen"
	"xdpfw/rules"
)

const (
	defaultSeed = 2026
	ruleFiles   = 2400
	framesEach  = 100
	workers     = 2
)

// seed is XDPFW_SEED, or always the same.
func seed(t testing.TB) uint64 {
	n := uint64(defaultSeed)
	if text := os.Getenv("XDPFW_SEED"); text != "" {
		var err error
		if n, err = strconv.ParseUint(text, 0, 64); err != nil {
			t.Fatalf("XDPFW_SEED: %v", err)
		}
	}
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
	engines, err := enginesFor(mustRead("default pass\n"), nil)
	if err == nil {
		CloseAll(engines)
	}
	return err
})

// read is the rule set of a text; nil if the language does not accept it.
func read(text string) *rules.RuleSet {
	rs, diagnostics := rules.ParseAndCheck(rules.NewFile("rules.fw", []byte(text)))
	if diagnostics.Err() != nil {
		return nil
	}
	return rs
}

func mustRead(text string) *rules.RuleSet {
	rs := read(text)
	if rs == nil {
		panic("difftest: not accepted: " + text)
	}
	return rs
}

// enginesFor are all engines for a rule set, the reference first. change may
// plant a defect in the compiled Object.
func enginesFor(rs *rules.RuleSet, change func(*codegen.Object)) ([]Engine, error) {
	obj, err := codegen.Compile(rs, codegen.Options{})
	if err != nil {
		return nil, err
	}
	if change != nil {
		change(obj)
	}
	kernel, err := Kernel(obj)
	if err != nil {
		return nil, err
	}
	return []Engine{Reference(rs), IR(rs), kernel}, nil
}

// A job is a rule file and frames for it.
type job struct {
	file   *RuleFile
	frames [][]byte
}

func (g *Generator) job() job {
	j := job{file: g.RuleFile()}
	for range framesEach {
		frame, _ := g.Frame(j.file)
		j.frames = append(j.frames, frame)
	}
	return j
}

func TestEnginesAgree(t *testing.T) {
	requireBPF(t)
	start := time.Now()
	g := NewGenerator(seed(t))
	jobs := make(chan job, workers)
	var done sync.WaitGroup
	var differences sync.Mutex
	differing := 0
	for range workers {
		done.Go(func() {
			for j := range jobs {
				d := firstDifference(j.file.Set, j.frames, nil)
				if d == nil {
					continue
				}
				differences.Lock()
				if differing++; differing <= 3 {
					t.Error(report(j.file.Text, d))
				}
				differences.Unlock()
			}
		})
	}
	longest := 0
	for range ruleFiles {
		j := g.job()
		longest = max(longest, len(j.file.Set.Rules))
		jobs <- j
	}
	close(jobs)
	done.Wait()

	var table strings.Builder
	g.Coverage.Print(&table)
	t.Logf("%d rule files of up to %d rules, %d rules rejected for contradictions, %d rule files with differences, %.0f s\n%s",
		ruleFiles, longest, g.Rejected, differing, time.Since(start).Seconds(), table.String())
	if share := float64(g.Coverage.ByDefault) / float64(g.Coverage.Pairs); share > 0.20 {
		t.Errorf("the default decided %.1f %% of the pairs, at most 20 %% may be", 100*share)
	}
	for _, fault := range g.Coverage.Faults() {
		t.Error(fault)
	}
}

// A rule set beyond what the verifier can keep pending: the compiler joins
// compares, and leads jumps over islands.
func TestEnginesAgreeOnManyRules(t *testing.T) {
	requireBPF(t)
	const count, frames = 5000, 4000
	g := NewGenerator(seed(t))
	j := job{file: g.ManyRules(count)}
	for range frames {
		frame, _ := g.Frame(j.file)
		j.frames = append(j.frames, frame)
	}
	requireLargeForms(t, j.file.Set)
	if d := firstDifference(j.file.Set, j.frames, nil); d != nil {
		t.Error(d)
	}
	if decided := g.Coverage.Pairs - g.Coverage.ByDefault; decided < frames/2 {
		t.Errorf("rules decided %d of %d frames only", decided, frames)
	}
}

// requireLargeForms fails unless the rules compile to what only many rules
// do: compares that are joined into one branch, and jumps over islands.
func requireLargeForms(t *testing.T, rs *rules.RuleSet) {
	t.Helper()
	obj, err := codegen.Compile(rs, codegen.Options{})
	if err != nil {
		t.Fatal(err)
	}
	var listing strings.Builder
	if err := obj.Listing(&listing); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(obj.Why, "joined") || !strings.Contains(listing.String(), ".via:") {
		t.Fatalf("%d instructions, %s: no joined compares or no islands", obj.Programs[0].Slots(), obj.Why)
	}
}

// firstDifference is nil if all engines agree on all frames. A rule set that
// cannot be compiled and loaded is a difference as well.
func firstDifference(rs *rules.RuleSet, frames [][]byte, change func(*codegen.Object)) *Difference {
	engines, err := enginesFor(rs, change)
	if err != nil {
		return &Difference{Frame: frames[0], Answers: []string{fmt.Sprintf("cannot be compiled and loaded: %v", err)}}
	}
	defer CloseAll(engines)
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
		return rs != nil && firstDifference(rs, [][]byte{frame}, nil) != nil
	})
	smaller := firstDifference(mustRead(small), [][]byte{frame}, nil)
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
