package main

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"

	"xdpfw/rules"
)

// A reporter prints the results of cases in one of the formats.
type reporter interface {
	start(cases int)
	block(*rules.TestBlock)
	result(*caseResult) error
	bailOut(error) // the run ends before all cases were run
}

func newReporter(w io.Writer, format string, color bool) reporter {
	switch format {
	case formatJSON:
		return jsonReport{w}
	case formatTAP:
		return &tapReport{w: w}
	}
	return textReport{w, color}
}

// expected verdict: "drop", "redirect eth1".
func (r *caseResult) expected() string {
	if r.ExpectInterface != "" {
		return r.Expect + " " + r.ExpectInterface
	}
	return r.Expect
}

// text is the case as written: "drop udp 192.0.2.1:5 > 192.0.2.2:53".
func (r *caseResult) text() string { return r.expected() + " " + r.Packet }

// outcome is what became of the case, in a line.
func (r *caseResult) outcome() string {
	decision := r.decision()
	switch {
	case r.Packets == 0 && r.Error != "":
		return r.Error
	case r.Packets > 0 && r.OK:
		return count(r.Packets, "packet")
	case r.Packets > 0 && r.Failed == 0:
		return fmt.Sprintf("%s, then %s", count(r.Packets, "packet"), r.Error)
	case r.Packets > 0:
		text := fmt.Sprintf("%d of %s: packet %d: %v", r.Failed, count(r.Packets, "packet"), r.failures[0].packet, &decision)
		for _, f := range r.failures[1:] {
			text += fmt.Sprintf("; packet %d: %v", f.packet, &f.decision)
		}
		if left := r.Failed - len(r.failures); left > 0 {
			text += fmt.Sprintf("; and %d more", left)
		}
		if r.Error != "" {
			text += "; then " + r.Error
		}
		return text
	case r.OK:
		return decision.by()
	}
	return decision.String()
}

// detail is what there is to say about a case that fails, a line each.
func (r *caseResult) detail() (lines []string) {
	if r.Reference != nil {
		lines = append(lines, "DIFFERS from the reference: "+r.Reference.differs(r.decision()))
	}
	for i := range r.Steps {
		both := r.Steps[i].lines()
		lines = append(lines, both[:]...)
	}
	if r.MoreSteps > 0 {
		lines = append(lines, fmt.Sprintf("… and %d more; xdpfw explain shows all", r.MoreSteps))
	}
	return lines
}

// A textReport is for people.
type textReport struct {
	w     io.Writer
	color bool
}

func (textReport) start(int) {}

func (t textReport) block(b *rules.TestBlock) { fmt.Fprintf(t.w, "test %q\n", b.Name) }

func (t textReport) result(r *caseResult) error {
	mark := paint(t.color, green, "ok  ")
	if !r.OK {
		mark = paint(t.color, red, "FAIL")
	}
	_, err := fmt.Fprintf(t.w, "  %s  %s:%d: %s: %s\n", mark, r.Source, r.Line, r.text(), r.outcome())
	for _, line := range r.detail() {
		if _, err := fmt.Fprintf(t.w, "        %s\n", line); err != nil {
			return err
		}
	}
	return err
}

func (textReport) bailOut(error) {}

// A jsonReport prints an object a case.
type jsonReport struct{ w io.Writer }

func (jsonReport) start(int)                    {}
func (jsonReport) block(*rules.TestBlock)       {}
func (j jsonReport) result(r *caseResult) error { return printJSON(j.w, r) }
func (jsonReport) bailOut(error)                {}

// A tapReport prints the Test Anything Protocol, version 13, which everything
// that reads TAP understands: testanything.org.
type tapReport struct {
	w      io.Writer
	number int
}

func (t *tapReport) start(cases int) { fmt.Fprintf(t.w, "TAP version 13\n1..%d\n", cases) }

func (t *tapReport) block(b *rules.TestBlock) { fmt.Fprintf(t.w, "# %s\n", tapLine(b.Name)) }

func (t *tapReport) result(r *caseResult) error {
	t.number++
	state := "ok"
	if !r.OK {
		state = "not ok"
	}
	_, err := fmt.Fprintf(t.w, "%s %d - %s: %s\n", state, t.number, tapEscape(r.Test), tapEscape(r.text()))
	if r.OK || err != nil {
		return err
	}
	fmt.Fprintf(t.w, "  ---\n  at: %s\n  expected: %s\n  got: %s\n", yamlText(fmt.Sprintf("%s:%d", r.Source, r.Line)),
		yamlText(r.expected()), yamlText(r.outcome()))
	if lines := r.detail(); len(lines) > 0 {
		fmt.Fprintf(t.w, "  why:\n")
		for _, line := range lines {
			fmt.Fprintf(t.w, "    - %s\n", yamlText(line))
		}
	}
	_, err = fmt.Fprintf(t.w, "  ...\n")
	return err
}

func (t *tapReport) bailOut(err error) { fmt.Fprintf(t.w, "Bail out! %s\n", tapLine(err.Error())) }

// tapLine makes one line of a text.
func tapLine(text string) string { return strings.Join(strings.Fields(text), " ") }

// tapEscape writes a description, in which `#` would begin a directive.
func tapEscape(text string) string {
	return strings.NewReplacer(`\`, `\\`, `#`, `\#`).Replace(tapLine(text))
}

// yamlText is a quoted string: what is JSON is YAML.
func yamlText(text string) string {
	var b strings.Builder
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	_ = e.Encode(text) // of a string it cannot fail
	return strings.TrimSpace(b.String())
}

// summary says on standard error how many cases passed and who judged.
func (r *caseRun) summary(path string) {
	w := r.c.App.ErrWriter
	fmt.Fprintf(w, "%s: %s, %d passed, %d failed", path, count(r.cases, "test"), r.cases-r.failed, r.failed)
	for _, name := range engineNames {
		switch n := r.byEngine[name]; {
		case n == 0:
		case len(r.byEngine) == 1:
			fmt.Fprint(w, "; judged by ", engineTitles[name])
		default:
			fmt.Fprintf(w, "; %s judged by %s", count(n, "packet"), engineTitles[name])
		}
	}
	fmt.Fprintln(w)
	if r.differences > 0 {
		printError(r.c, differ(r.differences, "packet"))
	}
}
