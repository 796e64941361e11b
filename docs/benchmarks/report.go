package main

import (
	"bytes"
	"fmt"
	"os"
	"strings"
)

// Where the figures stand that people read: between two marks of a page.
const (
	page  = "../benchmarks.md"
	begin = "<!-- what `go run .` measured -->\n"
	end   = "<!-- end of it -->\n"
)

// write the figures into the page.
func (r *results) write(took string) error {
	text, err := os.ReadFile(page)
	if err != nil {
		return err
	}
	before, rest, ok := bytes.Cut(text, []byte(begin))
	_, after, ok2 := bytes.Cut(rest, []byte(end))
	if !ok || !ok2 {
		return fmt.Errorf("%s has no lines %q and %q", page, begin, end)
	}
	out := bytes.Join([][]byte{before, []byte(r.measured(took)), after}, nil)
	return os.WriteFile(page, out, 0o644)
}

func (r *results) measured(took string) string {
	var b strings.Builder
	list := r.targets()
	met := 0
	for _, t := range list {
		if t.met {
			met++
		}
	}
	fmt.Fprintf(&b, "%s\n%s- %s\n\n## Targets\n\n%d of %d are met.\n\n%s", begin, machine(), took, met, len(list), targetTable(list))
	for _, section := range []struct{ part, title string }{
		{"small", "Small sets, and the same in C"},
		{"counters", "What counters cost"},
		{"large", "ClassBench sets"},
		{"lists", "Block lists"},
		{"path", "The whole path, ClassBench sets"},
		{"hosts", "The whole path, a block list of hosts"},
		{"scale", "Growing numbers of rules"},
		{"path-scale", "Growing numbers of rules, the whole path"},
	} {
		fmt.Fprintf(&b, "\n## %s\n\n    sudo go -C docs/benchmarks run . -only %s\n\n%s", section.title, strings.TrimPrefix(section.part, "path-"), r.table(section.part))
	}
	b.WriteString("\n" + end)
	return b.String()
}

// table of a part, in Markdown.
func (r *results) table(part string) string {
	var b strings.Builder
	b.WriteString("| rules | traffic | program | ns | over drop | expected | fastest | slowest | instructions | tables, MiB | to load, s |\n|---|---|---|--:|--:|--:|--:|--:|--:|--:|--:|\n")
	for _, rec := range r.records {
		if rec.Part != part {
			continue
		}
		if rec.Failed != "" {
			fmt.Fprintf(&b, "| %s | %s | %s | %s |\n", rec.Set, rec.Traffic, rec.Program, rec.reason())
			continue
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %.1f | %.1f | %s | %.1f | %.1f |", rec.Set, rec.Traffic, rec.Program, rec.NS, rec.Net, expected(rec), rec.Min, rec.Max)
		if rec.Instructions > 0 {
			fmt.Fprintf(&b, " %d |", rec.Instructions)
		} else {
			b.WriteString(" |")
		}
		if rec.TableBytes > 0 {
			fmt.Fprintf(&b, " %.2f |", mebibytes(rec))
		} else {
			b.WriteString(" |")
		}
		if rec.LoadSeconds > 0 {
			fmt.Fprintf(&b, " %.3f |\n", untilLoaded(rec))
		} else {
			b.WriteString(" |\n")
		}
	}
	return b.String()
}

// expected is what the compiler says that a packet takes, "" of programs that it
// did not make.
func expected(r record) string {
	if r.Expected == 0 {
		return ""
	}
	return fmt.Sprintf("%.0f", r.Expected)
}
