package oracle

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"testing"
	"time"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
	"github.com/gopacket/gopacket/pcapgo"
)

// TestTcpdump has tcpdump read the frames of each case as a capture.
func TestTcpdump(t *testing.T) {
	if _, err := exec.LookPath("tcpdump"); err != nil {
		needs(t, fmt.Errorf("tcpdump is needed (Debian package tcpdump): %w", err))
	}
	cases := readCases(t, "tcpdump")
	var sum totals
	for _, k := range cases {
		t.Run(k.name, func(t *testing.T) {
			frames := corpus(k)
			theirs, err := matchTcpdump(k, frames)
			if err != nil {
				t.Fatal(err)
			}
			k.compare(t, frames, theirs, &sum)
			t.Run("kernel", func(t *testing.T) { k.compareKernel(t, frames) })
		})
	}
	reportReasons(t, "tcpdump", cases, sum)
}

// matchTcpdump asks tcpdump for each rule's condition.
//
// Its filters see the type behind the Ethernet addresses and no tag, unless
// they say `vlan`, which moves all offsets behind it. So each expression is
// asked of frames without a tag, with one and with two, and tcpdump says which
// a frame is, just as one writes it by hand. A section "as written" has the
// expressions as they are.
func matchTcpdump(k *kase, frames []*frame) (*matching, error) {
	m := newMatching(k, len(frames))
	for i := range m.seen {
		m.seen[i] = true
	}
	all, err := newCapture(frames)
	if err != nil {
		return nil, err
	}
	captures := []*capture{all}
	if !k.plain {
		if captures, err = all.byTags(); err != nil {
			return nil, err
		}
	}
	for _, p := range k.theirs {
		for tags, c := range captures {
			matches, err := c.filter(behindTags(tags, p.text))
			if err != nil {
				return nil, fmt.Errorf("%s: %w", p.label, err)
			}
			for _, i := range matches {
				m.by[p.label][i] = true
			}
		}
	}
	return m, nil
}

// behindTags is an expression for frames of so many tags.
func behindTags(tags int, expression string) string {
	prefix := []string{"", "vlan", "vlan and vlan"}[tags]
	if prefix == "" || expression == "" {
		return prefix + expression
	}
	return prefix + " and (" + expression + ")"
}

// A capture is frames in the format that tcpdump reads. The seconds of their
// times are their numbers.
type capture struct {
	frames  []*frame
	numbers []int // of the frames in the capture
	pcap    []byte
}

func newCapture(frames []*frame) (*capture, error) {
	var numbers []int
	for i := range frames {
		numbers = append(numbers, i)
	}
	return captureOf(frames, numbers)
}

func captureOf(frames []*frame, numbers []int) (*capture, error) {
	var b bytes.Buffer
	w := pcapgo.NewWriter(&b)
	err := w.WriteFileHeader(65535, layers.LinkTypeEthernet)
	for _, i := range numbers {
		n := len(frames[i].bytes)
		info := gopacket.CaptureInfo{Timestamp: time.Unix(int64(i), 0), CaptureLength: n, Length: n}
		err = errors.Join(err, w.WritePacket(info, frames[i].bytes))
	}
	return &capture{frames, numbers, b.Bytes()}, err
}

// byTags are the frames without a tag, with one, and with more.
func (c *capture) byTags() ([]*capture, error) {
	tags := make([]int, len(c.frames))
	for n := 1; n <= 2; n++ {
		matches, err := c.filter(behindTags(n, ""))
		if err != nil {
			return nil, err
		}
		for _, i := range matches {
			tags[i] = n
		}
	}
	var numbers [3][]int
	for i, n := range tags {
		numbers[n] = append(numbers[n], i)
	}
	var all []*capture
	for _, some := range numbers {
		part, err := captureOf(c.frames, some)
		if err != nil {
			return nil, err
		}
		all = append(all, part)
	}
	return all, nil
}

// filter is the numbers of the frames that an expression matches.
func (c *capture) filter(expression string) (matches []int, err error) {
	cmd := exec.Command("tcpdump", "-r", "-", "-w", "-", expression)
	cmd.Stdin = bytes.NewReader(c.pcap)
	out, err := cmd.Output()
	if exit, ok := err.(*exec.ExitError); ok {
		return nil, fmt.Errorf("tcpdump %q: %s", expression, exit.Stderr)
	}
	if err != nil {
		return nil, err
	}
	r, err := pcapgo.NewReader(bytes.NewReader(out))
	if err != nil {
		return nil, fmt.Errorf("tcpdump %q: %w", expression, err)
	}
	for {
		_, info, err := r.ZeroCopyReadPacketData()
		if err == io.EOF {
			return matches, nil
		}
		if err != nil {
			return nil, fmt.Errorf("tcpdump %q: %w", expression, err)
		}
		matches = append(matches, int(info.Timestamp.Unix()))
	}
}
