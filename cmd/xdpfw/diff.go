package main

import (
	"bufio"
	"fmt"
	"io"
	"strings"

	"github.com/urfave/cli/v2"

	"xdpfw/codegen/reach"
	"xdpfw/rules"
)

func diffCommand() *cli.Command {
	return &cli.Command{
		Name:      "diff",
		Usage:     "say for which packets two rule files decide differently",
		UsageText: "xdpfw diff [options] OLD NEW",
		Description: "Every packet is considered, not a sample. What changes is told as conditions, each with a packet that shows\n" +
			"it. Exit status 0: every packet has the same verdict (with --rules: is decided by the same rule); 1: not so.\n" +
			"At most 100 conditions are printed. Neither root nor a kernel with BPF is needed.\n\n" +
			"Examples:\n   xdpfw diff rules.fw edited.fw\n   xdpfw diff --rules --format markdown rules.fw edited.fw",
		Flags: []cli.Flag{
			&cli.BoolFlag{DisableDefaultText: true, Name: "rules", Usage: "compare the rules that decide, not their verdicts only; a rule is the same if its name is, or without names what it says"},
			choiceFlag("format", "text", "print as `FORMAT`: text, markdown (for pull requests) or json", "text", "markdown", "json"),
			&cli.BoolFlag{DisableDefaultText: true, Name: "json", Usage: "the same as --format json"},
		},
		Action: diffFiles,
	}
}

// A difference is what `diff --json` prints.
type difference struct {
	Equivalent bool     `json:"equivalent"` // proved for every packet
	Changes    []change `json:"changes"`
	More       int      `json:"more"`    // changes that are not listed
	Unknown    int      `json:"unknown"` // pairs of rules for which it could not be found out
}

type change struct {
	Old       string       `json:"old"` // verdicts
	New       string       `json:"new"`
	Condition string       `json:"condition"`
	Example   string       `json:"example"`
	Confirmed bool         `json:"confirmed"` // the reference evaluator decides the example so
	OldRule   changedRule  `json:"old_rule"`  // that decides the example
	NewRule   changedRule  `json:"new_rule"`
	Except    []exceptRule `json:"except"` // rules that decide packets of the condition otherwise
	ExceptAll bool         `json:"except_all"`
}

// A changedRule is a rule of one of the files.
type changedRule struct {
	Rule    string `json:"rule"`
	Source  string `json:"source"`
	Line    int    `json:"line"`
	Default bool   `json:"default"`
	Text    string `json:"text"`
}

type exceptRule struct {
	File string `json:"file"` // old or new
	changedRule
}

// mostChanges that are printed.
const mostChanges = 100

func diffFiles(c *cli.Context) error {
	if c.NArg() != 2 {
		return usagef("diff takes two rule files, the old one and the new one")
	}
	if c.Bool("json") && c.IsSet("format") && c.String("format") != "json" {
		return usagef("--json and --format %s contradict each other", c.String("format"))
	}
	old, err := readRules(c, c.Args().Get(0))
	if err != nil {
		return err
	}
	new, err := readRules(c, c.Args().Get(1))
	if err != nil {
		return err
	}
	var same reach.Same
	if c.Bool("rules") {
		same = func(o, n int) bool { return ruleKey(old, o) == ruleKey(new, n) }
	}
	done := working(c, "comparing "+old.File.Name+" with "+new.File.Name)
	d := newDifference(old, new, reach.Compare(old, new, same))
	done()
	w := bufio.NewWriter(c.App.Writer)
	switch {
	case c.Bool("json") || c.String("format") == "json":
		err = printJSON(w, d)
	case c.String("format") == "markdown":
		d.markdown(w, c.Bool("rules"))
	default:
		d.text(w, c.Bool("rules"))
	}
	if flushed := w.Flush(); err == nil {
		err = flushed
	}
	if err == nil && !d.Equivalent {
		err = errReported
	}
	return err
}

// ruleKey is by what a rule is the same in another file.
func ruleKey(set *rules.RuleSet, rule int) string {
	if rule == rules.ByDefault {
		return "default"
	}
	return set.Rules[rule].Key
}

func newDifference(old, new *rules.RuleSet, c reach.Comparison) *difference {
	d := &difference{Equivalent: len(c.Classes) == 0 && c.Unknown == 0, Changes: []change{}, Unknown: c.Unknown}
	for n := range c.Classes {
		if n == mostChanges {
			d.More = len(c.Classes) - mostChanges
			break
		}
		d.Changes = append(d.Changes, newChange(old, new, &c.Classes[n]))
	}
	return d
}

func newChange(old, new *rules.RuleSet, class *reach.Class) change {
	was, is := old.Decide(class.Packet), new.Decide(class.Packet)
	alike := func(p rules.Packet) bool { return old.Decide(p) == was && new.Decide(p) == is }
	h := change{
		Old: verdictText(old, class.Old), New: verdictText(new, class.New), Condition: class.Condition,
		Example: rules.LiteralOf(class.Packet, alike), Confirmed: class.Confirmed,
		OldRule: ruleOf(old, class.Old), NewRule: ruleOf(new, class.New), Except: []exceptRule{}, ExceptAll: !class.More,
	}
	if h.Condition == "" {
		h.Condition = "what no rule decides"
	}
	for _, e := range class.ExceptOld {
		h.Except = append(h.Except, exceptRule{"old", ruleOf(old, e)})
	}
	for _, e := range class.ExceptNew {
		h.Except = append(h.Except, exceptRule{"new", ruleOf(new, e)})
	}
	return h
}

// verdictText is "drop", or "redirect eth0".
func verdictText(set *rules.RuleSet, d rules.Decision) string {
	if target := redirectTarget(set, d); target != "" {
		return d.Verdict.String() + " " + target
	}
	return d.Verdict.String()
}

func ruleOf(set *rules.RuleSet, d rules.Decision) changedRule {
	r := describe(set, d)
	out := changedRule{Rule: r.Rule, Source: r.Source, Line: r.Line, Default: r.Default, Text: "default " + r.Verdict}
	if !r.Default {
		out.Text = set.Rules[d.Rule].Text()
	}
	return out
}

func (r *changedRule) String() string {
	if r.Default {
		return r.Source + ": " + r.Text
	}
	return fmt.Sprintf("%s:%d: %s", r.Source, r.Line, r.Text)
}

// shownExceptions of a change are printed one by one.
const shownExceptions = 3

// exceptions in words, "" if there are none.
func (h *change) exceptions() string {
	var texts []string
	for i := range h.Except {
		if i == shownExceptions {
			break
		}
		texts = append(texts, h.Except[i].String())
	}
	switch more := len(h.Except) - len(texts); {
	case !h.ExceptAll && texts == nil:
		return "other rules that stand in front"
	case !h.ExceptAll:
		texts = append(texts, "or others")
	case more > 0:
		texts = append(texts, "or "+count(more, "other"))
	}
	return strings.Join(texts, "; ")
}

func (d *difference) text(w io.Writer, byRule bool) {
	for i := range d.Changes {
		h := &d.Changes[i]
		fmt.Fprintf(w, "%s → %s: %s\n", h.Old, h.New, h.Condition)
		if text := h.exceptions(); text != "" {
			fmt.Fprintf(w, "  unless decided by %s\n", text)
		}
		if h.Confirmed {
			fmt.Fprintf(w, "  for example %s\n", h.Example)
		} else {
			fmt.Fprintf(w, "  though no packet was found that shows it; it would be like %s\n", h.Example)
		}
		fmt.Fprintf(w, "    old: %v\n    new: %v\n", &h.OldRule, &h.NewRule)
	}
	fmt.Fprintln(w, d.summary(byRule))
}

func (d *difference) summary(byRule bool) string {
	what := "every packet has the same verdict"
	if byRule {
		what = "every packet is decided by the same rule"
	}
	var texts []string
	switch n := len(d.Changes) + d.More; {
	case d.Equivalent:
		return "equal: " + what
	case d.More > 0:
		texts = append(texts, fmt.Sprintf("%s, of which %d are listed", count(n, "change"), mostChanges))
	case n > 0:
		texts = append(texts, count(n, "change"))
	}
	if d.Unknown > 0 {
		texts = append(texts, fmt.Sprintf("of %s of rules it could not be found out whether they decide differently: too many rules overlap", count(d.Unknown, "pair")))
	}
	return strings.Join(texts, "; ")
}

// markdown is for pull requests.
func (d *difference) markdown(w io.Writer, byRule bool) {
	fmt.Fprintf(w, "**%s**\n", d.summary(byRule))
	if len(d.Changes) == 0 {
		return
	}
	fmt.Fprint(w, "\n| was | is | packets | for example | old rule | new rule |\n|---|---|---|---|---|---|\n")
	for i := range d.Changes {
		h := &d.Changes[i]
		condition := code(h.Condition)
		if text := h.exceptions(); text != "" {
			condition += ", unless decided by " + code(text)
		}
		example := code(h.Example)
		if !h.Confirmed {
			example += " (not confirmed)"
		}
		fmt.Fprintf(w, "| %s | %s | %s | %s | %s | %s |\n", h.Old, h.New, condition, example, code(h.OldRule.String()), code(h.NewRule.String()))
	}
}

// code is a text that Markdown shows as it is, in a cell of a table.
func code(text string) string {
	return "`" + strings.NewReplacer("|", "\\|", "`", "'").Replace(text) + "`"
}
