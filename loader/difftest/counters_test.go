package difftest

import (
	"errors"
	"fmt"
	"testing"

	"xdpfw/codegen"
	"xdpfw/loader"
	"xdpfw/rules"
)

// TestCountingLess: programs that do not count rules decide as the reference
// does, and count what they do count right, which the Runner sees to.
func TestCountingLess(t *testing.T) {
	requireBPF(t)
	const files, frames = 60, 60
	g := NewGenerator(seed(t), 1)
	for n := range files {
		j := g.job(frames)
		for _, counters := range []string{codegen.CountVerdicts, codegen.CountNone} {
			opts := codegen.Options{Counters: counters, Strategy: codegen.Strategies[n%len(codegen.Strategies)]}
			obj, err := codegen.Compile(j.file.Set, opts)
			var limit *codegen.LimitError
			if errors.As(err, &limit) && opts.Strategy != codegen.Auto {
				continue
			}
			if err != nil {
				t.Fatal(err)
			}
			if err := lessThanReference(j.file.Set, obj, j.frames); err != nil {
				t.Fatalf("strategy %s, counters %s: %v\n%s", opts.Strategy, counters, err, j.file.Text)
			}
		}
	}
	if decided := g.Coverage.Pairs - g.Coverage.ByDefault; decided < files*frames/2 {
		t.Errorf("rules decided %d of %d frames only", decided, files*frames)
	}
}

// TestCountingLessFindsDefects: another default, and a default that is counted
// for a rule.
func TestCountingLessFindsDefects(t *testing.T) {
	requireBPF(t)
	rs := mustRead("default pass\ndrop udp\npass tcp\n")
	frames := NewGenerator(seed(t), 1).job(1000).frames
	for text, counters := range map[string]string{
		"default drop\ndrop udp\npass tcp\n":       codegen.CountNone,
		"default pass\ndrop udp\npass tcp\npass\n": codegen.CountVerdicts,
	} {
		wrong, err := codegen.Compile(mustRead(text), codegen.Options{Counters: counters})
		if err != nil {
			t.Fatal(err)
		}
		if lessThanReference(rs, wrong, frames) == nil {
			t.Errorf("%q is taken for the other rule set", text)
		}
	}
}

// lessThanReference is an error if a program that does not count rules says of
// a frame what the reference cannot mean.
func lessThanReference(rs *rules.RuleSet, obj *codegen.Object, frames [][]byte) error {
	runner, err := loader.NewRunner(obj)
	if err != nil {
		return err
	}
	defer runner.Close()
	for _, frame := range frames {
		got, counted, err := runner.RunCounting(packet(frame))
		if errors.Is(err, loader.ErrCannotRun) {
			continue
		}
		if err != nil {
			return fmt.Errorf("frame %x: %w", frame, err)
		}
		want := rs.Decide(packet(frame))
		switch {
		case obj.Counting == codegen.CountNone:
			want.Rule = loader.UnknownRule
		case want.Rule != rules.ByDefault:
			want.Rule = codegen.AnyRule
		}
		if got != want || counted != nil {
			return fmt.Errorf("frame %x: %+v, rules %v counted; want %+v", frame, got, counted, want)
		}
	}
	return nil
}
