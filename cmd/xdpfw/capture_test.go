package main

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/urfave/cli/v2"

	"xdpfw/rules"
)

// Three frames of different lengths, one of them cut by the capture.
const threeFrames = "0200000000010200000000020800 45\n" +
	"020000000001020000000002080600 /60\n" +
	"02000000000102000000000286dd600000\n"

// readAll counts the packets of a capture and returns what ended it, nil at its end.
func readAll(t *testing.T, data []byte) (packets int, err error) {
	t.Helper()
	name := filepath.Join(t.TempDir(), "capture")
	if err := os.WriteFile(name, data, 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := openCapture(name)
	if err != nil {
		return 0, err
	}
	defer c.Close()
	for {
		p, err := c.next()
		if err == io.EOF {
			return c.packets, nil
		}
		if err != nil {
			return c.packets, err
		}
		if p.Len < len(p.Head) || p.Truncated != (p.Len > len(p.Head)) {
			t.Fatalf("packet %d: %d bytes of %d, truncated %v", c.packets, len(p.Head), p.Len, p.Truncated)
		}
	}
}

// However a capture is cut, the packets in front of the cut are read, and only
// a cut between two packets goes unnoticed.
func TestCaptureCutAnywhere(t *testing.T) {
	for _, format := range []string{"pcap", "nano", "pcapng"} {
		lines := strings.SplitAfter(threeFrames, "\n")
		var whole []byte
		packetsAt := map[int]int{} // by the length of the file up to there
		for n := range len(lines) {
			data, err := writeCapture([]string{format}, strings.Join(lines[:n], ""))
			if err != nil {
				t.Fatal(err)
			}
			packetsAt[len(data)] = n
			whole = data
		}
		read := 0
		for n := 0; n <= len(whole); n++ {
			packets, err := readAll(t, whole[:n])
			if at, boundary := packetsAt[n]; boundary {
				read = at
				if err != nil {
					t.Errorf("%s of %d bytes: %v", format, n, err)
				}
			} else if bad := (*captureError)(nil); !errors.As(err, &bad) {
				// pcapng: behind the section header, before the first interface, is a block boundary too
				if format != "pcapng" || packets > 0 || read > 0 {
					t.Errorf("%s of %d bytes, cut within a packet: error %v", format, n, err)
				}
			}
			if packets != read {
				t.Errorf("%s of %d bytes: %d packets, want %d", format, n, packets, read)
			}
		}
	}
}

// A damaged file is an error, never a panic, and takes no more memory than it has bytes.
func FuzzCapture(f *testing.F) {
	for _, format := range []string{"pcap", "nano", "pcapng"} {
		data, err := writeCapture([]string{format}, threeFrames)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		packets, err := readAll(t, data)
		if bad := (*captureError)(nil); err != nil && !errors.As(err, &bad) {
			t.Errorf("%T: %v", err, err)
		}
		if packets > len(data) {
			t.Errorf("%d packets in %d bytes", packets, len(data))
		}
	})
}

// A runnerFunc stands for the kernel.
type runnerFunc func(frame []byte) (rules.Decision, error)

func (f runnerFunc) Run(frame []byte) (rules.Decision, error) { return f(frame) }
func (runnerFunc) Close() error                               { return nil }

// With --engine both a kernel that decides otherwise than the reference is
// found, be it another verdict or only another rule.
func TestBothEnginesDiffer(t *testing.T) {
	capture := filepath.Join(t.TempDir(), "a.pcap")
	data, err := writeCapture(nil, threeFrames)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(capture, data, 0o600); err != nil {
		t.Fatal(err)
	}
	set := &rules.RuleSet{
		File:    rules.NewFile("rules.fw", []byte("drop arp\ndrop arp\n")),
		Default: rules.Pass,
	}
	for i := range 2 {
		span := rules.Span{File: set.File, Start: 9 * i, End: 9*i + 8}
		set.Add(rules.Rule{
			Verdict: rules.Drop, Span: span, Clauses: []rules.Clause{{Subject: rules.Invalid, Span: span}},
		})
	}
	right := set.Decide(rules.NewPacket(make([]byte, 10))) // shorter than an Ethernet header: invalid
	if right != (rules.Decision{Verdict: rules.Drop, Rule: 0}) {
		t.Fatalf("the reference says %+v", right)
	}
	for _, test := range []struct {
		name   string
		answer rules.Decision
		want   string
	}{
		{"same", right, ""},
		{"other rule", rules.Decision{Verdict: rules.Drop, Rule: 1},
			`"verdict":"drop","rule":"","source":"rules.fw","line":2,"default":false,"engine":"both",` +
				`"reference":{"verdict":"drop","rule":"","source":"rules.fw","line":1,"default":false}}`},
		{"other verdict", rules.Decision{Verdict: rules.Pass, Rule: rules.ByDefault},
			`"verdict":"pass","rule":"","source":"rules.fw","line":0,"default":true,"engine":"both",` +
				`"reference":{"verdict":"drop","rule":"","source":"rules.fw","line":1,"default":false}}`},
	} {
		var stdout, stderr bytes.Buffer
		kernel := func(frame []byte) (rules.Decision, error) {
			if d := set.Decide(rules.NewPacket(frame)); d != right {
				return d, nil
			}
			return test.answer, nil
		}
		app := newApp(&stdout, &stderr)
		app.Command("test").Action = func(c *cli.Context) error {
			return judgeCaptures(c, "rules.fw", set, &engine{engineBoth, set, runnerFunc(kernel)}, formatJSON)
		}
		err := app.Run([]string{"xdpfw", "test", "--pcap", capture})
		if test.want == "" {
			if err != nil || strings.Contains(stdout.String(), `"reference":`) {
				t.Errorf("%s: error %v\n%s", test.name, err, &stdout)
			}
			continue
		}
		if !errors.Is(err, errReported) || !strings.Contains(stdout.String(), test.want) {
			t.Errorf("%s: error %v\n%s\nwant …%s", test.name, err, &stdout, test.want)
		}
		if !strings.Contains(stderr.String(), "kernel and reference differ on ") {
			t.Errorf("%s: stderr %q", test.name, &stderr)
		}
	}
}
