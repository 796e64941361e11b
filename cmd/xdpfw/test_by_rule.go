package main

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"text/tabwriter"
	"time"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
	"github.com/gopacket/gopacket/pcapgo"

	"xdpfw/codegen"
	"xdpfw/loader"
	"xdpfw/rules"
)

// A ruleTally is what `test --pcap --by-rule --json` prints for a rule, the
// default included.
type ruleTally struct {
	decisionResult
	Text    string `json:"text"`
	Packets uint64 `json:"packets"`
	Bytes   uint64 `json:"bytes"` // of whole frames, as they were on the wire
}

// table prints what each rule decided, in the order of the file; those that
// decided nothing too, for that is often the question.
func (r *captureRun) table() error {
	w := tabwriter.NewWriter(r.out, 0, 0, 2, ' ', 0)
	if !r.json {
		fmt.Fprintln(w, "packets\tbytes\trule")
	}
	line := func(d rules.Decision, text string) error {
		t := ruleTally{decisionResult: describe(r.set, d), Text: text}
		if n := r.decided[d.Rule]; n != nil {
			t.Packets, t.Bytes = n.packets, n.bytes
		}
		if r.json {
			return printJSON(r.out, t)
		}
		at := t.Source
		if t.Line > 0 {
			at = fmt.Sprintf("%s:%d", t.Source, t.Line)
		}
		if t.Rule != "" {
			at += ": " + t.Rule
		}
		_, err := fmt.Fprintf(w, "%d\t%d\t%s: %s\n", t.Packets, t.Bytes, at, t.Text)
		return err
	}
	for i := range r.set.Rules {
		rule := &r.set.Rules[i]
		if !rule.Verdict.Decides() {
			continue
		}
		if err := line(rules.Decision{Verdict: rule.Verdict, Rule: i}, rule.Text()); err != nil {
			return err
		}
	}
	for _, unknown := range []int{codegen.AnyRule, loader.UnknownRule} { // of programs that do not count rules
		if r.decided[unknown] == nil {
			continue
		}
		if err := line(rules.Decision{Rule: unknown}, "by which rule is not known, since the program does not count rules"); err != nil {
			return err
		}
	}
	if err := line(rules.Decision{Verdict: r.set.Default, Rule: rules.ByDefault}, "default "+r.set.Default.String()); err != nil {
		return err
	}
	return errors.Join(w.Flush(), r.out.Flush())
}

// A captureWriter writes packets to a pcap file, which has its name once it is
// whole.
type captureWriter struct {
	file   *newFile
	buffer *bufio.Writer
	pcap   *pcapgo.Writer
}

func newCaptureWriter(name string, captures []string) (*captureWriter, error) {
	if out, err := os.Stat(name); err == nil {
		for _, capture := range captures {
			if in, err := os.Stat(capture); err == nil && os.SameFile(in, out) {
				return nil, usagef("%s is read: it cannot be written too", name)
			}
		}
	}
	file, err := createNew(name)
	if err != nil {
		return nil, err
	}
	buffer := bufio.NewWriterSize(file, 1<<18)
	w := &captureWriter{file, buffer, pcapgo.NewWriterNanos(buffer)}
	if err := errors.Join(file.public(), w.pcap.WriteFileHeader(longestRecord, layers.LinkTypeEthernet)); err != nil {
		file.abandon()
		return nil, err
	}
	return w, nil
}

func (w *captureWriter) packet(at time.Time, p rules.Packet) error {
	return w.pcap.WritePacket(gopacket.CaptureInfo{Timestamp: at, CaptureLength: len(p.Head), Length: p.Len}, p.Head)
}

// finish gives the file its name.
func (w *captureWriter) finish() error {
	if err := w.buffer.Flush(); err != nil {
		return err
	}
	return w.file.keep()
}
