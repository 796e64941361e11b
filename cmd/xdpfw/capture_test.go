package main

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
	"github.com/gopacket/gopacket/pcapgo"
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

// A record that holds more than the frame is said to have had is judged whole.
func TestCaptureLongerThanTheFrame(t *testing.T) {
	for _, test := range []struct {
		format string
		length int // its place in the file, little-endian
	}{{"pcap", pcapHeaderLength + recordHeader - 4}, {"nano", pcapHeaderLength + recordHeader - 4}, {"pcapng", -1}} {
		data, err := writeCapture([]string{test.format}, threeFrames)
		if err != nil {
			t.Fatal(err)
		}
		if test.length < 0 { // behind captured and original length, both 15
			test.length = strings.Index(string(data), "\x0f\x00\x00\x00\x0f\x00\x00\x00") + 4
		}
		data[test.length] = 7
		if packets, err := readAll(t, data); packets != 3 || err != nil {
			t.Errorf("%s: %d packets, error %v", test.format, packets, err)
		}
	}
}

// Of a capture on several interfaces the Ethernet frames are judged, and a note
// says what was not; a test that names it fails, for not every packet was judged.
func TestCaptureOfSeveralInterfaces(t *testing.T) {
	var file bytes.Buffer
	w, err := pcapgo.NewNgWriter(&file, layers.LinkTypeEthernet)
	if err != nil {
		t.Fatal(err)
	}
	second, err := w.AddInterface(pcapgo.NgInterface{LinkType: layers.LinkTypeLinuxSLL})
	if err != nil {
		t.Fatal(err)
	}
	for _, iface := range []int{0, second, 0} {
		frame := make([]byte, 20)
		if err := w.WritePacket(gopacket.CaptureInfo{InterfaceIndex: iface, CaptureLength: 20, Length: 20}, frame); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
	t.Chdir(t.TempDir())
	if err := os.WriteFile("two.pcapng", file.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile("rules.fw", []byte("drop udp\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	var stdout, stderr bytes.Buffer
	status := run([]string{"test", "rules.fw", "--pcap", "two.pcapng", "--engine", "reference"}, &stdout, &stderr)
	if want := "two.pcapng:1: pass by default, 20 bytes\ntwo.pcapng:3: pass by default, 20 bytes\n"; status != 0 || stdout.String() != want {
		t.Errorf("status %d\n%s\nwant\n%s", status, &stdout, want)
	}
	const note = "two.pcapng: not judged: 1 of 3 packets, on an interface of link type 113 (Linux SLL), which is not Ethernet\n"
	if !strings.HasPrefix(stderr.String(), "note: "+note) {
		t.Errorf("stderr %q", &stderr)
	}
	set := testedRules(t)
	set.Tests[0].Cases = []rules.TestCase{{Expect: rules.Pass, Capture: "two.pcapng", Text: "pcap", Span: set.Tests[0].Span}}
	text, _, err := runTestVerb(&engine{name: engineReference, set: set})
	if !errors.Is(err, errReported) || !strings.HasSuffix(text, "3 packets, then "+note) {
		t.Errorf("error %v\n%s", err, text)
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

func (f runnerFunc) RunCounting(p rules.Packet) (rules.Decision, []int, error) {
	d, err := f(p.Head)
	return d, nil, err
}

func (runnerFunc) Close() error { return nil }

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
			return judgeCaptures(c, "rules.fw", set, &engine{name: engineBoth, set: set, runner: runnerFunc(kernel)}, formatJSON)
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
