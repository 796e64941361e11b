package oracle

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"

	"xdpfw/rules"
)

// A kase is a case file: rules, what they are in the language of an oracle,
// and the differences that are chosen. It is a txtar archive:
//
//	-- rules.fw --
//	web: drop tcp to port 80             every rule has a label
//	-- tcpdump --
//	web: tcp dst port 80                 lines of one label are joined by "or"
//	-- differs --
//	web ext ours extension-headers       RULE TRAITS WHO REASON
//
// A line of differs says: among the frames that have all TRAITS (see
// sketch.traits; a+b is both, !a is without), those that only WHO (ours or
// theirs) matches, do so for REASON. With a question mark behind WHO there are
// such frames on some kernels only.
type kase struct {
	name   string
	set    *rules.RuleSet
	theirs []phrase
	plain  bool // of tcpdump: the section is "tcpdump as written"
	// ruleset is the section "nft ruleset": the table's chains, `verdicts` the
	// one that frames come to first, and "LABEL: CONDITION => VERDICT" for a
	// rule. What is compared then is not which conditions hold, but which rules
	// a frame comes to.
	ruleset string
	differ  []*difference
}

// A phrase is a rule's condition, or a part of it, in the oracle's language.
type phrase struct{ label, text string }

// A difference is a line of differs.
type difference struct {
	line   string
	label  string // of a rule; "*" for any
	traits []string
	ours   bool // only ours matches, or else only theirs
	maybe  bool // not on every kernel
	reason string
	frames int // that it explained
}

// leastCases of each oracle.
const leastCases = 50

// readCases reads the case files of one oracle.
func readCases(t *testing.T, oracle string) []*kase {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join("../../testdata/oracle", oracle, "*.txtar"))
	if err != nil {
		t.Fatal(err)
	}
	if len(paths) < leastCases {
		t.Fatalf("%d case files for %s, want at least %d", len(paths), oracle, leastCases)
	}
	var all []*kase
	for _, path := range paths {
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		k, err := parseCase(strings.TrimSuffix(filepath.Base(path), ".txtar"), oracle, data)
		if err != nil {
			t.Errorf("%s: %v", path, err)
			continue
		}
		all = append(all, k)
	}
	return all
}

func parseCase(name, oracle string, data []byte) (*kase, error) {
	k := &kase{name: name}
	for _, file := range txtar.Parse(data).Files {
		var err error
		switch file.Name {
		case "rules.fw":
			err = k.readRules(file.Data)
		case oracle, oracle + " as written":
			k.plain = file.Name != oracle
			err = k.readPhrases(string(file.Data))
		case "nft ruleset":
			k.ruleset = string(file.Data)
		case "differs":
			err = k.readDiffers(string(file.Data))
		default:
			err = fmt.Errorf("file %q is not known", file.Name)
		}
		if err != nil {
			return nil, err
		}
	}
	return k, k.check()
}

func (k *kase) readRules(text []byte) error {
	rs, diagnostics := rules.ParseAndCheck(rules.NewFile(k.name+"/rules.fw", text))
	if err := diagnostics.Err(); err != nil {
		return err
	}
	k.set = rs
	return nil
}

// textLines are the lines that are neither empty nor a comment.
func textLines(text string) []string {
	var lines []string
	for line := range strings.Lines(text) {
		if line = strings.TrimSpace(line); line != "" && line[0] != '#' {
			lines = append(lines, line)
		}
	}
	return lines
}

func (k *kase) readPhrases(text string) error {
	for _, line := range textLines(text) {
		label, phrased, ok := strings.Cut(line, ":")
		if !ok {
			return fmt.Errorf("%q: expected LABEL: CONDITION", line)
		}
		k.theirs = append(k.theirs, phrase{label, strings.TrimSpace(phrased)})
	}
	return nil
}

func (k *kase) readDiffers(text string) error {
	for _, line := range textLines(text) {
		f := strings.Fields(line)
		if len(f) != 4 {
			return fmt.Errorf("%q: expected RULE TRAITS WHO REASON", line)
		}
		who, maybe := strings.CutSuffix(f[2], "?")
		if who != "ours" && who != "theirs" {
			return fmt.Errorf("%q: WHO is ours, theirs, ours? or theirs?", line)
		}
		k.differ = append(k.differ, &difference{
			line: line, label: f[0], traits: strings.Split(f[1], "+"), ours: who == "ours", maybe: maybe, reason: f[3],
		})
	}
	return nil
}

// check that both languages say something of every rule.
func (k *kase) check() error {
	switch {
	case k.set == nil || (k.theirs == nil) == (k.ruleset == ""):
		return errors.New("expected rules.fw and its translation")
	case k.ruleset != "":
		return nil
	case len(k.set.Steps) != len(k.set.Rules):
		return errors.New("rules in chains need a section `nft ruleset`")
	}
	for _, r := range k.set.Rules {
		if !slices.ContainsFunc(k.theirs, func(p phrase) bool { return r.Name != "" && p.label == r.Name }) {
			return fmt.Errorf("rule %q has no translation", r.Text())
		}
	}
	for _, p := range k.theirs {
		if !slices.ContainsFunc(k.set.Rules, func(r rules.Rule) bool { return r.Name == p.label }) {
			return fmt.Errorf("translation of %q, which is no rule", p.label)
		}
	}
	return nil
}

// explains says whether the line is about this difference.
func (d *difference) explains(label string, f *frame, ours bool) bool {
	if d.ours != ours || d.label != "*" && d.label != label {
		return false
	}
	for _, trait := range d.traits {
		without, negated := strings.CutPrefix(trait, "!")
		if slices.Contains(f.traits, without) == negated {
			return false
		}
	}
	return true
}

// reportReasons prints the figures, and holds the reasons that the case files
// give against those that the table in docs/oracles.md has for this oracle.
func reportReasons(t *testing.T, oracle string, cases []*kase, sum totals) {
	t.Helper()
	by := map[string]int{}
	for _, k := range cases {
		for _, d := range k.differ {
			by[d.reason] += d.frames
		}
	}
	t.Logf("%d case files, %d rules, %d frames, %d pairs of a rule and a frame, %d of them matched, %d explained differences %v; "+
		"%d of %d planted mistakes noticed, no frame shows the others",
		sum.cases, sum.rules, sum.frames, sum.pairs, sum.matches, sum.explained, by, sum.noticed, sum.mistakes)
	if sum.cases < len(cases) {
		return // not all were run
	}
	if float64(sum.noticed) < 0.75*float64(sum.mistakes) {
		t.Errorf("the frames show only %d of %d planted mistakes", sum.noticed, sum.mistakes)
	}
	documented := documentedReasons(t, oracle)
	for reason := range by {
		if !documented[reason] {
			t.Errorf("docs/oracles.md has no reason %q for %s", reason, oracle)
		}
		delete(documented, reason)
	}
	for reason := range documented {
		t.Errorf("docs/oracles.md: no case of %s gives the reason %q", oracle, reason)
	}
}

// documentedReasons are those in rows "| `reason` | oracles | …".
func documentedReasons(t *testing.T, oracle string) map[string]bool {
	t.Helper()
	text, err := os.ReadFile("../../docs/oracles.md")
	if err != nil {
		t.Fatal(err)
	}
	reasons := map[string]bool{}
	for _, line := range textLines(string(text)) {
		cells := strings.Split(line, "|")
		if len(cells) > 2 && strings.HasPrefix(cells[1], " `") && strings.Contains(cells[2], oracle) {
			reasons[strings.Trim(cells[1], " `")] = true
		}
	}
	return reasons
}
