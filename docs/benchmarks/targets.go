package main

import (
	"fmt"
	"strings"
)

// A target is a bound that was set before anything was built, and what a run
// says of it.
type target struct {
	what     string
	bound    string
	measured string
	met      bool
}

// targets of the run.
func (r *results) targets() []target {
	t := targets{results: r}
	for _, set := range []string{"founding", "mixed16", "assorted16"} {
		t.ratio(set+" against clang", "small", set, "varied", "auto", "clang", 1.05)
	}
	for _, set := range []string{"acl1", "fw1", "ipc1"} {
		bound := 1.25
		if set == "acl1" {
			bound = 1
		}
		one, ten := set+"_1k", set+"_10k"
		t.ratio(one+", uniform, in H", "large", one, "uniform", "auto", "hash", bound)
		t.ratio(one+" against chain", "large", one, "uniform", "auto", "chain", 1./6)
		t.memory(one, "large", one, 20e6)
		t.ratio(ten+", Zipf, in H", "large", ten, "zipf", "auto", "hash", 2.5)
		t.ratio(ten+", uniform, in H", "large", ten, "uniform", "auto", "hash", 4)
		t.memory(ten, "large", ten, 64<<20)
	}
	for _, set := range []string{"acl", "fw", "ipc"} {
		hundred := set + " 100k"
		t.growth(hundred+", uniform, against "+set+"1_10k", hundred, set+"1_10k", 2.5)
		t.memory(hundred, "large", hundred, 128<<20)
	}
	t.ratio("1M IPv4 prefixes against the LPM trie", "lists", "1M IPv4", "uniform", "auto", "LPM trie", 1./30)
	t.memory("1M IPv4 prefixes", "lists", "1M IPv4", 32<<20)
	t.ratio("200k IPv6 prefixes against the LPM trie", "lists", "200k IPv6", "uniform", "auto", "LPM trie", 1./20)
	t.memory("200k IPv6 prefixes", "lists", "200k IPv6", 32<<20)
	for _, set := range []string{"acl1_1k", "fw1_1k", "ipc1_1k"} {
		t.slower(set, "drop", 1.2)
		t.slower(set, "parse", 1.05)
		t.faster(set, "nft in a line", 80)
		t.faster(set, "nft sets", 10)
		t.faster(set, "iptables raw", 10)
	}
	for _, set := range []string{"acl1_1k", "fw1_1k", "ipc1_1k"} {
		t.loaded("large", set, 0.1)
	}
	for _, set := range []string{"acl1_10k", "fw1_10k", "ipc1_10k"} {
		t.loaded("large", set, 1)
	}
	for _, set := range []string{"acl 100k", "fw 100k", "ipc 100k"} {
		t.loaded("large", set, 8)
	}
	t.loaded("lists", "1M IPv4", 3)
	for _, set := range []string{"acl1_10k", "fw1_10k", "ipc1_10k", "acl 100k", "fw 100k", "ipc 100k"} {
		t.instructions(set, 1500)
	}
	for _, of := range []struct{ part, set, program string }{
		{"small", "mixed16", "tree"}, {"small", "mixed16", "chain"}, {"large", "acl1_1k", "chain"}, {"large", "fw1_1k", "chain"},
	} {
		t.processed(of.part, of.set, of.program, 1.3)
	}
	return t.list
}

type targets struct {
	*results
	list []target
}

func (t *targets) add(what, bound, measured string, met bool) {
	t.list = append(t.list, target{what, bound, measured, met})
}

// find a record; if there is none with a figure, a target that is not met says
// why.
func (t *targets) find(what, bound, part, set, traffic, program string) (record, bool) {
	why := notMeasured
	for _, r := range t.records {
		if r.Part != part || r.Set != set || r.Program != program {
			continue
		}
		if r.Failed != "" {
			why = "no program: " + r.reason()
		} else if traffic == "" || r.Traffic == traffic {
			return r, true
		}
	}
	t.add(what, bound, why, false)
	return record{}, false
}

const notMeasured = "not measured"

// ratio of what two programs take over an empty one.
func (t *targets) ratio(what, part, set, traffic, program, other string, bound float64) {
	text := "≤ " + share(bound)
	a, ok := t.find(what, text, part, set, traffic, program)
	if !ok {
		return
	}
	b, ok := t.find(what, text, part, set, traffic, other)
	if !ok {
		return
	}
	empty, ok := t.find(what, text, part, set, traffic, "empty")
	if !ok {
		return
	}
	t.add(what, text, fmt.Sprintf("%s (%.1f of %.1f ns; fastest rounds %s)",
		share(a.Net/b.Net), a.Net, b.Net, share((a.Min-empty.Min)/(b.Min-empty.Min))), a.Net/b.Net <= bound)
}

// share as a number, or as a fraction where it is small.
func share(x float64) string {
	if x > 0 && x < 0.5 {
		return fmt.Sprintf("1/%.3g", 1/x)
	}
	return fmt.Sprintf("%.2f", x)
}

func (t *targets) growth(what, set, than string, bound float64) {
	text := fmt.Sprintf("≤ %.1f ×", bound)
	a, ok := t.find(what, text, "large", set, "uniform", "auto")
	if !ok {
		return
	}
	b, ok := t.find(what, text, "large", than, "uniform", "auto")
	if !ok {
		return
	}
	t.add(what, text, fmt.Sprintf("%.2f × (%.1f and %.1f ns)", a.Net/b.Net, a.Net, b.Net), a.Net <= bound*b.Net)
}

func (t *targets) memory(what, part, set string, bound float64) {
	what += ", tables"
	text := fmt.Sprintf("≤ %.0f MiB", bound/(1<<20))
	if r, ok := t.find(what, text, part, set, "", "auto"); ok {
		t.add(what, text, fmt.Sprintf("%.1f MiB", mebibytes(r)), float64(r.TableBytes) <= bound)
	}
}

func (t *targets) slower(set, than string, bound float64) {
	what := fmt.Sprintf("whole path, %s, against %s", set, than)
	text := fmt.Sprintf("≤ %.2f ×", bound)
	if ours, other, ok := t.path(what, text, set, than); ok {
		t.add(what, text, fmt.Sprintf("%.2f × (%.0f and %.0f ns; fastest rounds %.2f ×)", ours.NS/other.NS, ours.NS, other.NS, ours.Min/other.Min), ours.NS <= bound*other.NS)
	}
}

func (t *targets) faster(set, than string, bound float64) {
	what := fmt.Sprintf("whole path, %s, against %s", set, than)
	text := fmt.Sprintf("≥ %.0f × as fast", bound)
	if ours, other, ok := t.path(what, text, set, than); ok {
		t.add(what, text, fmt.Sprintf("%.1f × (%.0f and %.0f ns; fastest rounds %.1f ×)", other.NS/ours.NS, ours.NS, other.NS, other.Min/ours.Min), other.NS >= bound*ours.NS)
	}
}

func (t *targets) path(what, text, set, than string) (ours, other record, ok bool) {
	if ours, ok = t.find(what, text, "path", set, "", "auto"); !ok {
		return
	}
	other, ok = t.find(what, text, "path", set, "", than)
	return
}

func (t *targets) loaded(part, set string, bound float64) {
	what := set + ", from text to kernel"
	text := fmt.Sprintf("≤ %.1f s", bound)
	if r, ok := t.find(what, text, part, set, "", "auto"); ok {
		t.add(what, text, fmt.Sprintf("%.3f s (read %.3f, compile %.3f, verify and load %.3f)", untilLoaded(r), r.ParseSeconds, r.CompileSeconds, r.LoadSeconds), untilLoaded(r) <= bound)
	}
}

func (t *targets) instructions(set string, bound int) {
	what, text := set+", instructions", fmt.Sprintf("≤ %d", bound)
	if r, ok := t.find(what, text, "large", set, "", "auto"); ok {
		t.add(what, text, fmt.Sprint(r.Instructions), r.Instructions <= bound)
	}
}

func (t *targets) processed(part, set, program string, bound float64) {
	what, text := fmt.Sprintf("%s, %s, processed by the verifier", set, program), fmt.Sprintf("≤ %.1f × instructions", bound)
	if r, ok := t.find(what, text, part, set, "", program); ok {
		ratio := float64(r.Processed) / float64(r.Instructions)
		t.add(what, text, fmt.Sprintf("%.2f × (%d of %d)", ratio, r.Processed, r.Instructions), ratio <= bound)
	}
}

// targetTable is a table of Markdown, of what was measured.
func targetTable(list []target) string {
	var b strings.Builder
	b.WriteString("| case | target | measured | |\n|---|---|---|---|\n")
	for _, t := range list {
		if t.measured == notMeasured {
			continue
		}
		met := "missed"
		if t.met {
			met = "met"
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %s |\n", t.what, t.bound, t.measured, met)
	}
	return b.String()
}
