package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"

	"github.com/urfave/cli/v2"

	"xdpfw/rules"
)

func testCommand() *cli.Command {
	return &cli.Command{
		Name:      "test",
		Usage:     "report the verdict of the rules for each packet of a capture",
		UsageText: "xdpfw test FILE --pcap CAPTURE [--pcap CAPTURE]… [options]",
		Description: "Captures are pcap or pcapng files of Ethernet frames, also compressed with gzip. The kernel\n" +
			"runs the compiled program on each frame where that is permitted, else the reference evaluator\n" +
			"says what the rules mean. Nothing is attached. A verdict alone never makes the test fail.\n\n" +
			"Examples:\n   xdpfw test rules.fw --pcap web.pcap\n   sudo xdpfw test rules.fw --pcap web.pcap --engine both --json",
		Flags: []cli.Flag{
			&cli.StringSliceFlag{Name: "pcap", Usage: "read packets from `CAPTURE`; may be given several times"},
			choiceFlag("engine", "", "judge by `ENGINE`: kernel, reference, or both, which fails where they differ "+
				"(default: kernel where that is permitted, else reference)", engineNames...),
			strategyFlag(),
			jsonFlag(),
		},
		Action: test,
	}
}

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

type decisionResult struct {
	Verdict string `json:"verdict"`
	Rule    string `json:"rule"` // its label, or ""
	Source  string `json:"source"`
	Line    int    `json:"line"` // 0 for the default
	Default bool   `json:"default"`
}

// A testRun goes through captures.
type testRun struct {
	c      *cli.Context
	set    *rules.RuleSet
	engine *engine
	out    *bufio.Writer

	packets, differences int
	verdicts             map[rules.Verdict]int
	byDefault            int
	byEngine             map[string]int
}

func test(c *cli.Context) error {
	path, err := oneFile(c)
	if err != nil {
		return err
	}
	if len(c.StringSlice("pcap")) == 0 {
		return usagef("--pcap CAPTURE is missing: the packets to test")
	}
	set, err := readRules(c, path)
	if err != nil {
		return err
	}
	engine, err := newEngine(c, set)
	if err != nil {
		return err
	}
	defer engine.Close()
	return judgeCaptures(c, path, set, engine)
}

// judgeCaptures is the test once it is known who judges.
func judgeCaptures(c *cli.Context, path string, set *rules.RuleSet, engine *engine) error {
	run := &testRun{c: c, set: set, engine: engine, out: bufio.NewWriter(c.App.Writer),
		verdicts: make(map[rules.Verdict]int), byEngine: make(map[string]int)}
	failed, err := run.captures(c.StringSlice("pcap"))
	if err != nil {
		return err
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
func (r *testRun) captures(names []string) (failed bool, err error) {
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
func (r *testRun) capture(name string) error {
	capture, err := openCapture(name)
	if err != nil {
		return err
	}
	defer capture.Close()
	for !unread(r.c.App.Writer) {
		packet, err := capture.next()
		if err == io.EOF {
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
func (r *testRun) print(capture *capture, packet rules.Packet, judged judgement) error {
	result := packetResult{
		File: capture.name, Packet: capture.packets, Len: packet.Len,
		decisionResult: r.describe(judged.decision), Engine: judged.engine, Truncated: packet.Truncated,
	}
	r.packets++
	r.verdicts[judged.decision.Verdict]++
	r.byEngine[judged.engine]++
	if result.Default {
		r.byDefault++
	}
	if judged.differs {
		r.differences++
		reference := r.describe(judged.reference)
		result.Reference = &reference
	}
	if r.c.Bool("json") {
		return printJSON(r.out, result)
	}
	_, err := fmt.Fprintf(r.out, "%s:%d: %v, %d bytes%s\n",
		result.File, result.Packet, &result.decisionResult, result.Len, r.remarks(result))
	return err
}

// remarks are what is unusual about a packet.
func (r *testRun) remarks(result packetResult) string {
	text := ""
	if result.Truncated {
		text += ", cut short by the capture"
	}
	if r.engine.runner != nil && result.Engine == engineReference {
		text += ", by the reference: the kernel does not run frames of this length"
	}
	if result.Reference != nil {
		text += fmt.Sprintf(", DIFFERS from the reference: %v", result.Reference)
	}
	return text
}

// describe a decision in the terms of the rule file.
func (r *testRun) describe(d rules.Decision) decisionResult {
	if d.Rule == rules.ByDefault {
		return decisionResult{Verdict: d.Verdict.String(), Source: r.set.File.Name, Default: true}
	}
	rule := &r.set.Rules[d.Rule]
	at := rule.Span.Position()
	return decisionResult{Verdict: d.Verdict.String(), Rule: rule.Name, Source: at.File, Line: at.Line}
}

func (d *decisionResult) String() string {
	switch {
	case d.Default:
		return d.Verdict + " by default"
	case d.Rule != "":
		return fmt.Sprintf("%s by %s (%s:%d)", d.Verdict, d.Rule, d.Source, d.Line)
	}
	return fmt.Sprintf("%s by %s:%d", d.Verdict, d.Source, d.Line)
}

func (r *testRun) summary(path string) {
	w := r.c.App.ErrWriter
	fmt.Fprintf(w, "%s: %s: %d passed, %d dropped, %d of them by default", path, count(r.packets, "packet"),
		r.verdicts[rules.Pass], r.verdicts[rules.Drop], r.byDefault)
	for _, name := range engineNames {
		if n := r.byEngine[name]; n > 0 {
			fmt.Fprintf(w, "; %d judged by %s", n, engineTitles[name])
		}
	}
	fmt.Fprintln(w)
	if r.differences > 0 {
		printError(r.c, fmt.Errorf("kernel and reference differ on %s: please report this with the rules and the capture",
			count(r.differences, "packet")))
	}
}
