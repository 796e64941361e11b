package oracle

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"

	"xdpfw/codegen"
	"xdpfw/loader"
	"xdpfw/rules"
)

// needs skips a test for which something is missing, with the reason; with
// XDPFW_REQUIRE_BPF=1 that is a failure.
func needs(t *testing.T, err error) {
	t.Helper()
	if err == nil {
		return
	}
	if os.Getenv("XDPFW_REQUIRE_BPF") == "1" {
		t.Fatal(err)
	}
	t.Skip(err)
}

// matching is what one side says of some frames.
type matching struct {
	seen []bool            // by frame: the side could be asked
	by   map[string][]bool // by label and frame: the rule's condition holds
}

func newMatching(k *kase, frames int) *matching {
	m := &matching{seen: make([]bool, frames), by: map[string][]bool{}}
	for _, r := range k.set.Rules {
		m.by[r.Name] = make([]bool, frames)
	}
	return m
}

// first is the label of the first rule that decides the frame, "" for none.
func (m *matching) first(k *kase, frame int) string {
	for _, r := range k.set.Rules {
		if r.Verdict.Decides() && m.by[r.Name][frame] {
			return r.Name
		}
	}
	return ""
}

// evaluate asks the reference evaluator for each rule alone; or, of a ruleset,
// for those that a frame comes to and that match it.
func evaluate(k *kase, frames []*frame) *matching {
	m := newMatching(k, len(frames))
	if k.ruleset != "" {
		for i, f := range frames {
			come := func(rule int) { m.by[k.set.Rules[rule].Name][i] = true }
			if d := k.set.DecideCounting(rules.NewPacket(f.bytes), come); d.Rule != rules.ByDefault {
				come(d.Rule)
			}
		}
		return m
	}
	for _, r := range k.set.Rules {
		rule := alone(r.Clauses)
		for i, f := range frames {
			m.by[r.Name][i] = holds(rule, f)
		}
	}
	return m
}

// alone is a rule set that passes what these clauses match.
func alone(clauses []rules.Clause) *rules.RuleSet {
	rs := &rules.RuleSet{Default: rules.Drop}
	rs.Add(rules.Rule{Verdict: rules.Pass, Clauses: clauses})
	return rs
}

func holds(alone *rules.RuleSet, f *frame) bool {
	return alone.Decide(rules.NewPacket(f.bytes)).Verdict == rules.Pass
}

// totals are figures over all cases.
type totals struct{ cases, rules, frames, pairs, matches, explained, mistakes, noticed int }

// compare holds what the oracle says against the evaluator, frame by frame and
// rule by rule.
func (k *kase) compare(t *testing.T, frames []*frame, theirs *matching, sum *totals) {
	ours := evaluate(k, frames)
	wrong := unexplained{examples: map[string]*frame{}, count: map[string]int{}}
	for i, f := range frames {
		differs := false
		for _, r := range k.set.Rules {
			o, th := ours.by[r.Name][i], theirs.by[r.Name][i]
			if theirs.seen[i] {
				sum.pairs++
			}
			if o {
				sum.matches++
			}
			if !theirs.seen[i] || o == th {
				continue
			}
			differs = true
			if d := k.explained(r.Name, f, o); d != nil {
				d.frames++
				sum.explained++
			} else {
				wrong.add(r.Name, f, o)
			}
		}
		if theirs.seen[i] && !differs && k.ruleset == "" {
			k.compareDecision(t, f, theirs.first(k, i))
		}
	}
	wrong.report(t)
	k.mustMatchBothWays(t, ours, len(frames))
	for _, d := range k.differ {
		if d.frames == 0 && !d.maybe {
			t.Errorf("differs: %q explains no difference", d.line)
		}
	}
	if k.ruleset == "" {
		k.mustNotice(t, frames, ours, theirs, sum)
	}
	sum.cases++
	sum.rules += len(k.set.Rules)
	sum.frames += len(frames)
}

// unexplained differences, by rule, traits and who matches.
type unexplained struct {
	examples map[string]*frame
	count    map[string]int
}

func (u *unexplained) add(label string, f *frame, ours bool) {
	who := "theirs"
	if ours {
		who = "ours"
	}
	class := fmt.Sprintf("%s %s %s", label, strings.Join(f.traits, "+"), who)
	u.examples[class] = f
	u.count[class]++
}

func (u *unexplained) report(t *testing.T) {
	const most = 10
	classes := slices.Sorted(maps.Keys(u.count))
	for _, class := range classes[:min(most, len(classes))] {
		t.Errorf("not explained, %d times: %s\n%x", u.count[class], class, u.examples[class].bytes)
	}
	if len(classes) > most {
		t.Errorf("… and %d more classes of frames", len(classes)-most)
	}
}

// explained is the line that explains a difference, or nil.
func (k *kase) explained(label string, f *frame, ours bool) *difference {
	for _, d := range k.differ {
		if d.explains(label, f, ours) {
			return d
		}
	}
	return nil
}

// compareDecision: where all conditions agree, the whole file must decide as
// the first condition that holds.
func (k *kase) compareDecision(t *testing.T, f *frame, first string) {
	d := k.set.Decide(rules.NewPacket(f.bytes))
	decider, verdict := "", k.set.Default
	if d.Rule != rules.ByDefault {
		decider = k.set.Rules[d.Rule].Name
	}
	if at := slices.IndexFunc(k.set.Rules, func(r rules.Rule) bool { return r.Name == first }); first != "" {
		verdict = k.set.Rules[at].Verdict
	}
	if decider != first || d.Verdict != verdict {
		t.Errorf("decided %v by %q, the other's first match is %q, %v\n%x", d.Verdict, decider, first, f.traits, f.bytes)
	}
}

// mustMatchBothWays: a comparison is worth something only if each rule matches
// some frames and not others.
func (k *kase) mustMatchBothWays(t *testing.T, ours *matching, frames int) {
	for _, r := range k.set.Rules {
		n := 0
		for _, matches := range ours.by[r.Name] {
			if matches {
				n++
			}
		}
		if n < 3 || frames-n < 3 && len(r.Clauses) > 0 {
			t.Errorf("%s: matches %d of %d frames: nothing is compared", r.Name, n, frames)
		}
	}
}

// probeKernel is why BPF cannot be used.
var probeKernel = sync.OnceValue(func() error {
	rs, _ := rules.ParseAndCheck(rules.NewFile("probe.fw", []byte("default pass\n")))
	object, err := codegen.Compile(rs, codegen.Options{})
	if err != nil {
		return err
	}
	runner, err := loader.NewRunner(object)
	if err != nil {
		return fmt.Errorf("BPF cannot be used: %w", err)
	}
	return runner.Close()
})

// compareKernel: our program in the kernel decides as the evaluator does.
func (k *kase) compareKernel(t *testing.T, frames []*frame) {
	needs(t, probeKernel())
	object, err := codegen.Compile(k.set, codegen.Options{})
	if err != nil {
		t.Fatal(err)
	}
	runner, err := loader.NewRunner(object)
	if err != nil {
		t.Fatal(err)
	}
	defer runner.Close()
	ran := 0
	for _, f := range frames {
		got, err := runner.Run(f.bytes)
		if errors.Is(err, loader.ErrCannotRun) {
			continue
		}
		if want := k.set.Decide(rules.NewPacket(f.bytes)); err != nil || got != want {
			t.Fatalf("the kernel says %+v (%v), the evaluator %+v, %s\n%x", got, err, want, strings.Join(f.traits, " "), f.bytes)
		}
		ran++
	}
	if ran < len(frames)/2 {
		t.Errorf("the kernel ran only %d of %d frames", ran, len(frames))
	}
}
