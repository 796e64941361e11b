package main

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/urfave/cli/v2"

	"xdpfw/rules"
)

// testedRules are three rules and a test block of which two cases come true.
func testedRules(t *testing.T) *rules.RuleSet {
	t.Helper()
	text := "drop ip6\nno-arp: drop arp\ncount ip\nredirect eth1 invalid\n\npass arp\nredirect eth1 bytes\ndrop ip\nredirect eth2 bytes\n"
	file := rules.NewFile("rules.fw", []byte(text))
	line := func(n int) rules.Span {
		start := 0
		for range n - 1 {
			start += bytes.IndexByte(file.Text[start:], '\n') + 1
		}
		return rules.Span{File: file, Start: start, End: start + len(file.Line(n))}
	}
	clause := func(s rules.Subject, n int) []rules.Clause {
		span := line(n)
		span.Start = span.End - len(s.String())
		return []rules.Clause{{Subject: s, Span: span}}
	}
	set := &rules.RuleSet{File: file, Files: []*rules.File{file}, Default: rules.Pass, Interfaces: []string{"eth1"}}
	set.Add(rules.Rule{Verdict: rules.Drop, Span: line(1), Clauses: clause(rules.IP6, 1)})
	set.Add(rules.Rule{Verdict: rules.Drop, Name: "no-arp", Span: line(2), Clauses: clause(rules.ARP, 2)})
	set.Add(rules.Rule{Verdict: rules.Count, Span: line(3), Clauses: clause(rules.IP, 3)})
	set.Add(rules.Rule{Verdict: rules.Redirect, Span: line(4), Clauses: clause(rules.Invalid, 4)})
	arp := rules.NewPacket(append([]byte("\x02....\x01\x02....\x02\x08\x06\x00\x01\x08\x00\x06\x04\x00\x01"), make([]byte, 20)...))
	ip := rules.NewPacket([]byte("\x02....\x01\x02....\x02\x08\x00\x45\x00\x00\x14\x00\x00\x00\x00\x40\xfd\x00\x00from to "))
	short := rules.NewPacket(make([]byte, 10))
	set.Tests = []rules.TestBlock{{Name: "one # two", Span: line(6), Cases: []rules.TestCase{
		{Expect: rules.Pass, Packet: arp, Text: "arp", Span: line(6)},
		{Expect: rules.Redirect, Interface: "eth1", Packet: short, Text: "bytes", Span: line(7)},
		{Expect: rules.Drop, Packet: ip, Text: "ip", Span: line(8)},
		{Expect: rules.Redirect, Interface: "eth2", Packet: short, Text: "bytes", Span: line(9)},
	}}}
	return set
}

// runTestVerb runs `test` on a rule set and an engine that were made otherwise.
func runTestVerb(e *engine, words ...string) (stdout, stderr string, err error) {
	var out, messages bytes.Buffer
	app := newApp(&out, &messages)
	app.Command("test").Action = func(c *cli.Context) error {
		format, err := testFormat(c)
		if err != nil {
			return err
		}
		return runTests(c, "rules.fw", e.set, e, format)
	}
	err = app.Run(append([]string{"xdpfw", "test"}, words...))
	return out.String(), messages.String(), err
}

func TestCasesText(t *testing.T) {
	stdout, stderr, err := runTestVerb(&engine{name: engineReference, set: testedRules(t)})
	want := `test "one # two"
  FAIL  rules.fw:6: pass arp: drop by no-arp (rules.fw:2)
        rules.fw:1: drop ip6
            no: ` + "`ip6`" + `: not IPv6: the frame is ARP
        rules.fw:2: no-arp: drop arp
            yes: it decides
  ok    rules.fw:7: redirect eth1 bytes: by rules.fw:4
  FAIL  rules.fw:8: drop ip: pass by default
        rules.fw:1: drop ip6
            no: ` + "`ip6`" + `: not IPv6: the frame is IPv4
        rules.fw:2: no-arp: drop arp
            no: ` + "`arp`" + `: not ARP: the frame is IPv4
        rules.fw:3: count ip
            yes: the packet is counted, and the next rule is tried
        rules.fw:4: redirect eth1 invalid
            no: ` + "`invalid`" + `: the packet is not malformed
  FAIL  rules.fw:9: redirect eth2 bytes: redirect eth1 by rules.fw:4
        rules.fw:1: drop ip6
            no: ` + "`ip6`" + `: not IPv6: the frame is shorter than an Ethernet header
        rules.fw:2: no-arp: drop arp
            no: ` + "`arp`" + `: not ARP: the frame is shorter than an Ethernet header
        rules.fw:3: count ip
            no: ` + "`ip`" + `: not IPv4: the frame is shorter than an Ethernet header
        rules.fw:4: redirect eth1 invalid
            yes: it decides
`
	if stdout != want || !errors.Is(err, errReported) {
		t.Errorf("error %v\n%s\nwant\n%s", err, stdout, want)
	}
	if want := "rules.fw: 4 tests, 1 passed, 3 failed; judged by the reference\n"; stderr != want {
		t.Errorf("stderr %q, want %q", stderr, want)
	}
}

func TestCasesTAP(t *testing.T) {
	stdout, _, err := runTestVerb(&engine{name: engineReference, set: testedRules(t)}, "--tap")
	want := `TAP version 13
1..4
# one # two
not ok 1 - one \# two: pass arp
  ---
  at: "rules.fw:6"
  expected: "pass"
  got: "drop by no-arp (rules.fw:2)"
  why:
    - "rules.fw:1: drop ip6"
    - "    no: ` + "`ip6`" + `: not IPv6: the frame is ARP"
    - "rules.fw:2: no-arp: drop arp"
    - "    yes: it decides"
  ...
ok 2 - one \# two: redirect eth1 bytes
`
	if len(stdout) < len(want) || stdout[:len(want)] != want || !errors.Is(err, errReported) {
		t.Errorf("error %v\n%s\nwant\n%s…", err, stdout, want)
	}
}

// A kernel that decides otherwise fails a case with --engine both, also where
// the verdict is the one expected; one that cannot go on ends the run.
func TestCasesBothDiffer(t *testing.T) {
	set := testedRules(t)
	set.Tests[0].Cases = set.Tests[0].Cases[1:3]
	kernel := func(frame []byte) (rules.Decision, error) {
		return rules.Decision{Verdict: rules.Drop, Rule: 0}, nil
	}
	stdout, stderr, err := runTestVerb(&engine{name: engineBoth, set: set, runner: runnerFunc(kernel)}, "--json")
	for _, want := range []string{
		`"line":7,"source":"rules.fw","packet":"bytes","expect":"redirect","expect_interface":"eth1","verdict":"drop","rule":"","rule_source":"rules.fw","rule_line":1,"default":false,"ok":false,"engine":"both","reference":{"verdict":"redirect","interface":"eth1","rule":"","source":"rules.fw","line":4,"default":false},"steps":[`,
		`"line":8,"source":"rules.fw","packet":"ip","expect":"drop","verdict":"drop","rule":"","rule_source":"rules.fw","rule_line":1,"default":false,"ok":false,"engine":"both","reference":{"verdict":"pass",`,
	} {
		if !strings.Contains(stdout, want) {
			t.Errorf("%s\nwant …%s…", stdout, want)
		}
	}
	if !errors.Is(err, errReported) || !strings.Contains(stderr, "error: kernel and reference differ on 2 packets") {
		t.Errorf("error %v, stderr %q", err, stderr)
	}

	// the right verdicts, but `count ip` has not counted
	forgets := func(frame []byte) (rules.Decision, error) { return set.Decide(rules.NewPacket(frame)), nil }
	set.Tests[0].Cases[1].Expect = rules.Pass
	stdout, _, err = runTestVerb(&engine{name: engineBoth, set: set, runner: runnerFunc(forgets)})
	const differs = "FAIL  rules.fw:8: pass ip: pass by default\n        DIFFERS from the reference: pass by default, but other rules counted the packet\n"
	if !errors.Is(err, errReported) || !strings.Contains(stdout, differs) || strings.Count(stdout, "DIFFERS") != 1 {
		t.Errorf("error %v\n%s", err, stdout)
	}

	broken := errors.New("no counter moved")
	stop := func(frame []byte) (rules.Decision, error) { return rules.Decision{}, broken }
	stdout, _, err = runTestVerb(&engine{name: engineKernel, set: set, runner: runnerFunc(stop)}, "--tap")
	if !errors.Is(err, broken) || stdout != "TAP version 13\n1..2\n# one # two\nBail out! no counter moved\n" {
		t.Errorf("error %v\n%s", err, stdout)
	}
}

// Every packet of a capture must have the verdict; the first that have not are named.
func TestCasesCapture(t *testing.T) {
	folder := t.TempDir()
	write := func(name, frames string) string {
		data, err := writeCapture(nil, frames)
		if err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(folder, name)
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	const passed, dropped = "020000000001 020000000002 88b5\n", "020000000001 020000000002 0806 0001080006040001 0000000000000000000000000000000000000000\n"
	right, wrong, none := write("right.pcap", passed+passed), write("wrong.pcap", passed+dropped+passed+dropped+dropped+dropped), write("none.pcap", "")
	set := testedRules(t)
	span := set.Tests[0].Span
	set.Tests[0].Cases = nil
	for _, path := range []string{right, wrong, none, filepath.Join(folder, "missing.pcap")} {
		set.Tests[0].Cases = append(set.Tests[0].Cases, rules.TestCase{Expect: rules.Pass, Capture: path, Text: "pcap", Span: span})
	}
	stdout, stderr, err := runTestVerb(&engine{name: engineReference, set: set})
	want := `test "one # two"
  ok    rules.fw:6: pass pcap: 2 packets
  FAIL  rules.fw:6: pass pcap: 4 of 6 packets: packet 2: drop by no-arp (rules.fw:2); packet 4: drop by no-arp (rules.fw:2); packet 5: drop by no-arp (rules.fw:2); and 1 more
        rules.fw:1: drop ip6
            no: ` + "`ip6`" + `: not IPv6: the frame is ARP
        rules.fw:2: no-arp: drop arp
            yes: it decides
  FAIL  rules.fw:6: pass pcap: ` + none + `: the capture holds no packet
  FAIL  rules.fw:6: pass pcap: open ` + filepath.Join(folder, "missing.pcap") + `: no such file or directory
`
	if stdout != want || !errors.Is(err, errReported) {
		t.Errorf("error %v\n%s\nwant\n%s", err, stdout, want)
	}
	if want := "rules.fw: 4 tests, 1 passed, 3 failed; judged by the reference\n"; stderr != want {
		t.Errorf("stderr %q, want %q", stderr, want)
	}
}
