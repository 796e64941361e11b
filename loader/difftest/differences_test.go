package difftest

import (
	"errors"
	"math/rand/v2"
	"strings"
	"testing"

	"xdpfw/codegen"
	"xdpfw/codegen/reach"
	"xdpfw/loader"
	"xdpfw/rules"
)

// edited is a rule file's text with some of its lines taken away or moved.
func edited(text string, random *rand.Rand) string {
	lines := strings.SplitAfter(text, "\n")
	for range 1 + random.IntN(2) {
		at, to := random.IntN(len(lines)), random.IntN(len(lines))
		if random.IntN(2) == 0 {
			lines[at] = ""
		} else {
			lines[at], lines[to] = lines[to], lines[at]
		}
	}
	return strings.Join(lines, "")
}

// TestDifferencesInTheKernel: of random rule files over the whole language and
// edits of them, no frame is decided otherwise without a change that is known,
// and the packets of the changes have the verdicts that they are said to have,
// in the kernel.
func TestDifferencesInTheKernel(t *testing.T) {
	requireBPF(t)
	t.Parallel()
	g := NewGenerator(seed(t), 1)
	random := rand.New(rand.NewPCG(seed(t), 7))
	var pairs, changes, confirmed, ran, unknown, framesMoved int
	for pairs < 400 {
		file := g.RuleFile()
		text := edited(file.Text, random)
		new := read(text)
		if new == nil {
			continue
		}
		pairs++
		c := reach.Compare(file.Set, new, nil)
		unknown += c.Unknown
		known := map[[2]rules.Decision]bool{}
		runners := runnersOf(t, file.Set, new)
		for i := range c.Changes {
			h := &c.Changes[i]
			known[[2]rules.Decision{h.Old, h.New}] = true
			changes++
			if !h.Confirmed {
				continue
			}
			confirmed++
			for n, want := range []rules.Decision{h.Old, h.New} {
				got, _, err := runners[n].RunCounting(h.Packet)
				if errors.Is(err, loader.ErrCannotRun) {
					continue
				}
				if err != nil {
					t.Fatal(err)
				}
				ran++
				if got != want {
					t.Fatalf("the kernel says %v, not %v, of % x\n%s", got, want, h.Packet.Head, []string{file.Text, text}[n])
				}
			}
		}
		for _, r := range runners {
			r.Close()
		}
		for range 60 {
			frame, _ := g.Frame(file)
			p := packet(frame)
			was, is := file.Set.Decide(p), new.Decide(p)
			if was.Verdict == is.Verdict && was.Verdict != rules.Redirect {
				continue
			}
			framesMoved++
			if c.Unknown == 0 && was.Verdict != is.Verdict && !known[[2]rules.Decision{was, is}] {
				t.Fatalf("the change from %v to %v is not found, of % x\n%s\n%s", was, is, frame, file.Text, text)
			}
		}
	}
	t.Logf("%d pairs, %d changes, %d with a packet, %d run in the kernel, %d pairs of rules unknown, %d frames decided otherwise",
		pairs, changes, confirmed, ran, unknown, framesMoved)
	// Rules of this generator ask for many fields at once, about which they
	// often say what no packet can be.
	if 100*confirmed < 60*changes || ran < confirmed {
		t.Errorf("of %d changes %d have a packet, and the kernel ran %d", changes, confirmed, ran)
	}
}

// runnersOf rule sets, as they are compiled by default.
func runnersOf(t *testing.T, sets ...*rules.RuleSet) (runners []*loader.Runner) {
	t.Helper()
	for _, set := range sets {
		o, err := codegen.Compile(set, codegen.Options{})
		if err != nil {
			t.Fatal(err)
		}
		r, err := loader.NewRunner(o)
		if err != nil {
			t.Fatal(err)
		}
		runners = append(runners, r)
	}
	return runners
}
