package main

import (
	"fmt"

	"github.com/urfave/cli/v2"

	"xdpfw/rules"
)

func testCommand() *cli.Command {
	return &cli.Command{
		Name:      "test",
		Usage:     "run the tests of a rule file, or report the verdict for each packet of a capture",
		UsageText: "xdpfw test FILE [options]\n       xdpfw test FILE --pcap CAPTURE [--pcap CAPTURE]… [options]",
		Description: "Without --pcap every line of the file's test blocks must come true; of one that does not it is said\n" +
			"why each rule in front of the deciding one did not match. Captures are pcap or pcapng files of\n" +
			"Ethernet frames, also compressed with gzip; a verdict alone never makes their test fail.\n\n" +
			"The kernel runs the compiled program on each frame where that is permitted, else the reference\n" +
			"evaluator says what the rules mean. Nothing is attached.\n\n" +
			"Examples:\n   xdpfw test rules.fw\n   xdpfw test rules.fw --tap\n   sudo xdpfw test rules.fw --pcap web.pcap --engine both --json\n" +
			"   xdpfw test rules.fw --pcap attack.pcap.gz --by-rule --write-passed rest.pcap",
		Flags: withCompileFlags(
			&cli.StringSliceFlag{Name: "pcap", Usage: "read packets from `CAPTURE`; may be given several times"},
			&cli.BoolFlag{DisableDefaultText: true, Name: "by-rule", Usage: "of captures print how many packets each rule decides, not the packets one by one"},
			&cli.StringFlag{Name: "write-dropped", Usage: "write packets of captures that are dropped to the pcap file `OUT`"},
			&cli.StringFlag{Name: "write-passed", Usage: "write packets of captures that are passed to the pcap file `OUT`"},
			choiceFlag("engine", "", "judge by `ENGINE`: kernel, reference, or both, which fails where they differ "+
				"(default: kernel where that is permitted, else reference)", engineNames...),
			choiceFlag("format", formatText, "print as `FORMAT`: text, json (one object a line) or tap (of test blocks)",
				formatText, formatJSON, formatTAP),
			&cli.BoolFlag{DisableDefaultText: true, Name: "json", Usage: "the same as --format json"},
			&cli.BoolFlag{DisableDefaultText: true, Name: "tap", Usage: "the same as --format tap: the Test Anything Protocol, for CI systems"},
		),
		Action: test,
	}
}

// What results of tests are printed as.
const (
	formatText = "text"
	formatJSON = "json"
	formatTAP  = "tap"
)

// testFormat is the format that the options ask for.
func testFormat(c *cli.Context) (string, error) {
	format, chosen := c.String("format"), c.IsSet("format")
	for _, name := range []string{formatJSON, formatTAP} {
		if !c.Bool(name) {
			continue
		}
		if chosen && format != name {
			return "", usagef("--%s and --format %s contradict each other", name, format)
		}
		format, chosen = name, true
	}
	if format == formatTAP && c.IsSet("pcap") {
		return "", usagef("--format tap is for the tests of a file: of captures nothing says what the verdicts should be")
	}
	return format, nil
}

func test(c *cli.Context) error {
	path, err := oneFile(c)
	if err != nil {
		return err
	}
	format, err := testFormat(c)
	if err != nil {
		return err
	}
	for _, name := range []string{"by-rule", "write-dropped", "write-passed"} {
		if c.IsSet(name) && !c.IsSet("pcap") {
			return usagef("--%s is for captures: --pcap CAPTURE is missing", name)
		}
	}
	set, err := readRules(c, path)
	if err != nil {
		return err
	}
	if !c.IsSet("pcap") && countCases(set) == 0 {
		return fmt.Errorf("%s has no test blocks: write some, or give packets with --pcap CAPTURE", path)
	}
	engine, err := newEngine(c, set)
	if err != nil {
		return err
	}
	defer engine.Close()
	if c.IsSet("pcap") {
		return judgeCaptures(c, path, set, engine, format)
	}
	return runTests(c, path, set, engine, format)
}

// differ is the error of engines that disagree on so many packets or tests.
func differ(n int, noun string) error {
	return fmt.Errorf("kernel and reference differ on %s: please report this with the rules and the packets", count(n, noun))
}

func countCases(set *rules.RuleSet) (n int) {
	for i := range set.Tests {
		n += len(set.Tests[i].Cases)
	}
	return n
}
