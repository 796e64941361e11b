package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"

	"github.com/urfave/cli/v2"

	"xdpfw/loader"
	"xdpfw/rules"
)

// A packetResult is what `test --pcap --json` prints for a packet.
type packetResult struct {
	File   string `json:"file"`
	Packet int    `json:"packet"` // from 1
	Len    int    `json:"len"`    // of the frame on the wire
	decisionResult
	Engine    string          `json:"engine"`
	Truncated bool            `json:"truncated,omitempty"` // the capture holds less than Len
	Reference *decisionResult `json:"reference,omitempty"` // where the reference differs from the kernel
}

// A captureRun goes through captures.
type captureRun struct {
	c      *cli.Context
	set    *rules.RuleSet
	engine *engine
	json   bool
	byRule bool // a table in place of the packets
	out    *bufio.Writer
	write  map[rules.Verdict]*captureWriter

	packets, differences int
	verdicts             map[rules.Verdict]int
	byDefault, unknown   int // unknown: by default or not, which a program that counts nothing does not tell
	byEngine             map[string]int
	decided              map[int]*tally // by rule, rules.ByDefault and what is below
}

// A tally is how many packets a rule decides.
type tally struct{ packets, bytes uint64 }

// judgeCaptures reports the verdicts once it is known who judges.
func judgeCaptures(c *cli.Context, path string, set *rules.RuleSet, engine *engine, format string) error {
	run := &captureRun{c: c, set: set, json: format == formatJSON, byRule: c.Bool("by-rule"), engine: engine, out: bufio.NewWriter(c.App.Writer),
		write: map[rules.Verdict]*captureWriter{}, verdicts: make(map[rules.Verdict]int), byEngine: make(map[string]int), decided: map[int]*tally{}}
	if out := c.String("write-passed"); out != "" && out == c.String("write-dropped") {
		return usagef("%s cannot hold both what is dropped and what is passed", out)
	}
	for name, verdicts := range map[string][]rules.Verdict{
		"write-dropped": {rules.Drop, rules.Abort}, "write-passed": {rules.Pass},
	} {
		if !c.IsSet(name) {
			continue
		}
		w, err := newCaptureWriter(c.String(name), c.StringSlice("pcap"))
		if err != nil {
			return err
		}
		defer w.file.abandon()
		for _, v := range verdicts {
			run.write[v] = w
		}
	}
	failed, err := run.captures(c.StringSlice("pcap"))
	if err != nil {
		return err
	}
	for _, v := range [...]rules.Verdict{rules.Drop, rules.Pass} {
		if w := run.write[v]; w != nil && (run.packets > 0 || !failed) { // else the file of that name stays
			if err := w.finish(); err != nil {
				return err
			}
		}
	}
	if run.byRule {
		if err := run.table(); err != nil {
			return err
		}
	}
	if !unread(c.App.Writer) { // else it would be of a part only
		run.summary(path)
	}
	if failed || run.differences > 0 {
		return errReported
	}
	return nil
}

// captures tests the packets of all files; failed says that one of them was
// bad, after the message.
func (r *captureRun) captures(names []string) (failed bool, err error) {
	for _, name := range names {
		err := r.capture(name)
		if flushed := r.out.Flush(); err == nil {
			err = flushed
		}
		var bad *captureError
		switch {
		case errors.As(err, &bad):
			printError(r.c, err)
			failed = true
		case err != nil:
			return failed, err
		}
	}
	return failed, nil
}

// capture tests every packet of a file.
func (r *captureRun) capture(name string) error {
	capture, err := openCapture(name)
	if err != nil {
		return err
	}
	defer capture.Close()
	if r.byRule || !isTerminal(r.c.App.Writer) {
		defer workingOn(r.c, func() string { return name + ": " + capture.share() })()
	}
	for !unread(r.c.App.Writer) {
		packet, err := capture.next()
		if err == io.EOF {
			if capture.skipped > 0 {
				fmt.Fprintf(r.c.App.ErrWriter, "note: %s: not judged: %s\n", name, capture.passedOver())
			}
			return nil
		}
		if err != nil {
			return err
		}
		judged, err := r.engine.judge(packet)
		if err != nil {
			return fmt.Errorf("%s: packet %d: %w", name, capture.packets, err)
		}
		if err := r.print(capture, packet, judged); err != nil {
			return err
		}
	}
	return nil
}

// print the result for a packet, and count it.
func (r *captureRun) print(capture *capture, packet rules.Packet, judged judgement) error {
	result := packetResult{
		File: capture.name, Packet: capture.packets, Len: packet.Len,
		decisionResult: describe(r.set, judged.decision), Engine: judged.engine, Truncated: packet.Truncated,
	}
	r.packets++
	r.verdicts[judged.decision.Verdict]++
	r.byEngine[judged.engine]++
	t := r.decided[judged.decision.Rule]
	if t == nil {
		t = &tally{}
		r.decided[judged.decision.Rule] = t
	}
	t.packets++
	t.bytes += uint64(packet.Len)
	if w := r.write[judged.decision.Verdict]; w != nil {
		if err := w.packet(capture.time, packet); err != nil {
			return err
		}
	}
	switch {
	case result.Default:
		r.byDefault++
	case judged.decision.Rule == loader.UnknownRule:
		r.unknown++
	}
	if judged.differs {
		r.differences++
		reference := describe(r.set, judged.reference)
		result.Reference = &reference
	}
	switch {
	case r.byRule && !judged.differs:
		return nil
	case r.json && !r.byRule:
		return printJSON(r.out, result)
	}
	_, err := fmt.Fprintf(r.out, "%s:%d: %v, %d bytes%s\n",
		result.File, result.Packet, &result.decisionResult, result.Len, remarks(result, judged.why))
	return err
}

// remarks are what is unusual about a packet.
func remarks(result packetResult, why string) string {
	text := ""
	if result.Truncated {
		text += ", cut short by the capture"
	}
	if why != "" {
		text += ", by the reference: " + why
	}
	if result.Reference != nil {
		text += ", DIFFERS from the reference: " + result.Reference.differs(result.decisionResult)
	}
	return text
}

func (r *captureRun) summary(path string) {
	w := r.c.App.ErrWriter
	fmt.Fprintf(w, "%s: %s: %d passed, %d dropped", path, count(r.packets, "packet"), r.verdicts[rules.Pass], r.verdicts[rules.Drop])
	for _, other := range []struct {
		verdict rules.Verdict
		did     string
	}{{rules.Abort, "aborted"}, {rules.TX, "sent back"}, {rules.Redirect, "redirected"}} {
		if n := r.verdicts[other.verdict]; n > 0 {
			fmt.Fprintf(w, ", %d %s", n, other.did)
		}
	}
	fmt.Fprintf(w, ", %d of them by default", r.byDefault)
	if r.unknown > 0 {
		fmt.Fprintf(w, ", of %d it is not known", r.unknown)
	}
	for _, name := range engineNames {
		if n := r.byEngine[name]; n > 0 {
			fmt.Fprintf(w, "; %d judged by %s", n, engineTitles[name])
		}
	}
	fmt.Fprintln(w)
	if r.differences > 0 {
		printError(r.c, differ(r.differences, "packet"))
	}
}
