package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strconv"
	"strings"

	"github.com/urfave/cli/v2"

	"xdpfw/rules"
)

func explainCommand() *cli.Command {
	return &cli.Command{
		Name:      "explain",
		Usage:     "say what becomes of a packet, and why each rule before did not match",
		UsageText: "xdpfw explain [options] FILE PACKET",
		Description: "PACKET is written as in test blocks, in quotes because of the shell's `>`; or it is CAPTURE:N, the\n" +
			"Nth packet of a pcap or pcapng file. The reference evaluator answers, which is the meaning of the rules.\n" +
			"With --engine both the compiled program answers too, with the way that the packet takes through it, and the\n" +
			"kernel where that is permitted; exit status 1 if they differ.\n\n" +
			"Examples:\n   xdpfw explain rules.fw 'tcp 198.51.100.7:5555 > 203.0.113.1:443 flags syn'\n" +
			"   xdpfw explain rules.fw 'arp who-has 203.0.113.1 tell 203.0.113.2'\n" +
			"   xdpfw explain --json rules.fw web.pcap:3\n" +
			"   xdpfw explain --engine both --strategy table rules.fw 'udp 198.51.100.7:5555 > 203.0.113.1:53'",
		Flags: withCompileFlags(
			choiceFlag("engine", engineReference, "ask `ENGINE`: reference, or both, the program as well", engineReference, engineBoth),
			jsonFlag(),
		),
		Action: explain,
	}
}

// An explainResult is what `explain --json` prints.
type explainResult struct {
	decisionResult
	Steps   []stepResult      `json:"steps"`             // the rules that were tried, in order
	Program *explainedProgram `json:"program,omitempty"` // with --engine both
}

func explain(c *cli.Context) error {
	switch c.NArg() {
	case 0:
		return usagef("the rule file is missing")
	case 1:
		return usagef("the packet is missing, for example 'tcp 198.51.100.7:5555 > 203.0.113.1:443'")
	}
	set, err := readRules(c, c.Args().First())
	if err != nil {
		return err
	}
	// A packet is also understood in several words, if the shell left the `>` in it.
	packet, err := packetArgument(c, strings.Join(c.Args().Tail(), " "))
	if err != nil {
		return err
	}
	explained := set.Explain(packet)
	var program *explainedProgram
	if c.String("engine") == engineBoth {
		if program, err = explainProgram(c, set, packet, explained.Decision); err != nil {
			return err
		}
	} else if err := noCompileFlags(c, "is for --engine both"); err != nil {
		return err
	}
	out := bufio.NewWriter(c.App.Writer)
	if c.Bool("json") {
		err = printExplanationJSON(out, set, &explained, program)
	} else if err = printExplanation(out, set, &explained); err == nil && program != nil {
		program.print(out)
	}
	if flushed := out.Flush(); err == nil {
		err = flushed
	}
	if err == nil && program != nil && !program.Agrees {
		err = differ(1, "packet")
	}
	return err
}

// ofCapture is the form CAPTURE:N. No other form of a packet is without blanks.
var ofCapture = regexp.MustCompile(`^(\S+):([0-9]+)$`)

// packetArgument is the packet that an argument names. The error is errReported
// if what is wrong has been printed.
func packetArgument(c *cli.Context, text string) (rules.Packet, error) {
	if m := ofCapture.FindStringSubmatch(text); m != nil {
		return packetOfCapture(m[1], m[2])
	}
	packet, diagnostics := rules.ParseLiteral(text)
	if diagnostics.Err() == nil {
		return packet, nil
	}
	w := c.App.ErrWriter
	if err := diagnostics.Format(w, useColor(c.String("color"), w)); err != nil {
		return packet, err
	}
	return packet, errReported
}

// packetOfCapture is the packet of that number, counted from 1.
func packetOfCapture(name, number string) (packet rules.Packet, err error) {
	n, err := strconv.Atoi(number)
	if err != nil || n == 0 {
		return packet, fmt.Errorf("%s:%s: packets are counted from 1", name, number)
	}
	capture, err := openCapture(name)
	if err != nil {
		return packet, err
	}
	defer capture.Close()
	for capture.packets < n {
		packet, err = capture.next()
		if errors.Is(err, io.EOF) {
			return packet, fmt.Errorf("%s has only %s", name, count(capture.packets, "packet"))
		}
		if err != nil {
			return packet, err
		}
	}
	if capture.packets > n {
		return packet, fmt.Errorf("%s: packet %d is no Ethernet frame", name, n)
	}
	return packet, nil
}

func printExplanation(w io.Writer, set *rules.RuleSet, e *rules.Explanation) error {
	decision := describe(set, e.Decision)
	if _, err := fmt.Fprintf(w, "%v\n", &decision); err != nil {
		return err
	}
	for i := range e.Tried {
		step := describeStep(set, &e.Tried[i])
		for _, line := range step.lines() {
			if _, err := fmt.Fprintf(w, "  %s\n", line); err != nil {
				return err
			}
		}
	}
	return nil
}

func printExplanationJSON(w io.Writer, set *rules.RuleSet, e *rules.Explanation, program *explainedProgram) error {
	result := explainResult{decisionResult: describe(set, e.Decision), Steps: []stepResult{}, Program: program}
	for i := range e.Tried {
		result.Steps = append(result.Steps, describeStep(set, &e.Tried[i]))
	}
	return printJSON(w, result)
}
