package main

import (
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/urfave/cli/v2"

	"xdpfw/loader"
	"xdpfw/loader/bench"
	"xdpfw/loader/workload"
	"xdpfw/rules"
)

// What --traffic may be.
const trafficUniform = "uniform"

var (
	trafficNames = []string{trafficUniform, "zipf", "none", "worst"}
	trafficKinds = []workload.Kind{workload.Uniform, workload.Zipf, workload.NoMatch, workload.Worst}
)

// trafficSeed makes the packets the same in each run.
const trafficSeed = 1

// packets to run the rules on.
type benchPackets struct {
	title  string // "65536 packets, uniform over the rules"
	frames [][]byte
}

// benchTraffic is the packets that the options ask for.
func benchTraffic(c *cli.Context, set *rules.RuleSet) (*benchPackets, error) {
	if c.IsSet("pcap") {
		return capturedPackets(c)
	}
	name := c.String("traffic")
	if len(set.Steps) == 0 && !c.IsSet("traffic") { // a default alone
		name = "none"
	}
	frames, err := workload.Trace(set, trafficKinds[slices.Index(trafficNames, name)], bench.TraceLength, trafficSeed)
	if err != nil {
		return nil, err
	}
	made := len(frames)
	frames = slices.DeleteFunc(frames, func(f []byte) bool { return !loader.CanRun(f) })
	return &benchPackets{fmt.Sprintf("%s of %s traffic%s", count(len(frames), "packet"), name, leftOut(made-len(frames))), frames}, nil
}

// capturedPackets are those of the captures that the kernel can run, as
// captured.
func capturedPackets(c *cli.Context) (*benchPackets, error) {
	var frames [][]byte
	cut, unfit := 0, 0
	for _, name := range c.StringSlice("pcap") {
		capture, err := openCapture(name)
		if err != nil {
			return nil, err
		}
		for len(frames) < bench.TraceLength {
			p, err := capture.next()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				capture.Close()
				return nil, err
			}
			if !loader.CanRun(p.Head) {
				unfit++
				continue
			}
			if p.Truncated {
				cut++
			}
			frames = append(frames, slices.Clone(p.Head))
		}
		capture.Close()
	}
	if len(frames) == 0 {
		return nil, &captureError{errors.New("the captures hold no packet that the kernel can run")}
	}
	title := fmt.Sprintf("%s of captures%s", count(len(frames), "packet"), leftOut(unfit))
	if cut > 0 {
		title += fmt.Sprintf(", %d of them cut short", cut)
	}
	return &benchPackets{title, frames}, nil
}

// leftOut says how many packets could not be run.
func leftOut(n int) string {
	if n == 0 {
		return ""
	}
	return fmt.Sprintf(" (and %d that the kernel cannot run, left out)", n)
}
