package main

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/features"
	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
	"github.com/gopacket/gopacket/pcapgo"
	"github.com/rogpeppe/go-internal/testscript"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"xdpfw": main})
}

// Scripts call the real command. Besides testscript's own commands they have
//
//	exits N COMMAND…             run it; the exit status must be N
//	capture [OPTION…] OUT HEX    write a capture of the frames in a file, see writeCapture
//	cut FILE N                   keep the first N bytes
//	shape N TYPE                 line N of stdout is a JSON object of that shape, see shapeOf
//	ns NAME IFACE                a network namespace with an interface up, for this script only
//
// and the conditions [bpf], [ip] and [unprivileged]: BPF can be used; there is
// iproute2; capabilities can be dropped. Where XDPFW_REQUIRE_BPF=1 one that does
// not hold is an error.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 "../../testdata/cli",
		RequireExplicitExec: true,
		Condition:           holds,
		Setup: func(env *testscript.Env) error {
			env.Setenv("TERM", "dumb")
			return nil
		},
		Cmds: map[string]func(ts *testscript.TestScript, neg bool, args []string){
			"exits":   cmdExits,
			"capture": cmdCapture,
			"cut":     cmdCut,
			"shape":   cmdShape,
			"ns":      cmdNamespace,
		},
	})
}

func holds(condition string) (bool, error) {
	var err error
	switch condition {
	case "bpf":
		err = features.HaveProgramType(ebpf.XDP)
	case "ip", "tmux", "chromium":
		_, err = exec.LookPath(condition)
	case "processes": // that a test starts of this binary
		if testing.Short() {
			err = errors.New("the race detector sees nothing in other processes, and -short asks for it alone")
		}
	case "unprivileged":
		if _, err = exec.LookPath("setpriv"); os.Geteuid() != 0 {
			err = errors.New("only root can drop capabilities")
		}
	default:
		return false, fmt.Errorf("unknown condition %q", condition)
	}
	if err != nil && os.Getenv("XDPFW_REQUIRE_BPF") == "1" {
		return false, fmt.Errorf("[%s] does not hold, but XDPFW_REQUIRE_BPF=1: %w", condition, err)
	}
	return err == nil, nil
}

func cmdExits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits N COMMAND…")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	got := 0
	err = ts.Exec(args[1], args[2:]...)
	var exit *exec.ExitError
	switch {
	case errors.As(err, &exit):
		got = exit.ExitCode()
	case err != nil:
		ts.Fatalf("%v", err)
	}
	if got != want {
		ts.Fatalf("exit status %d, want %d", got, want)
	}
}

func cmdCut(ts *testscript.TestScript, _ bool, args []string) {
	n, err := strconv.Atoi(args[1])
	ts.Check(err)
	ts.Check(os.Truncate(ts.MkAbs(args[0]), int64(n)))
}

func cmdCapture(ts *testscript.TestScript, _ bool, args []string) {
	if len(args) < 2 {
		ts.Fatalf("usage: capture [OPTION…] OUT HEX")
	}
	files := args[len(args)-2:]
	data, err := writeCapture(args[:len(args)-2], ts.ReadFile(files[1]))
	ts.Check(err)
	ts.Check(os.WriteFile(ts.MkAbs(files[0]), data, 0o644))
}

// writeCapture writes frames given as a line of hexadecimal digits each, with
// "/N" behind them if the frame had N bytes before the capture cut it. Options
// are pcap (the default), nano, pcapng; link=N, a link type; and prefixes, for
// each frame cut at every length.
func writeCapture(options []string, frames string) ([]byte, error) {
	var out bytes.Buffer
	format, link, prefixes := "pcap", layers.LinkTypeEthernet, false
	for _, option := range options {
		if number, ok := strings.CutPrefix(option, "link="); ok {
			n, err := strconv.ParseUint(number, 10, 16)
			if err != nil {
				return nil, err
			}
			link = layers.LinkType(n)
		} else if option == "prefixes" {
			prefixes = true
		} else {
			format = option
		}
	}
	var write func(gopacket.CaptureInfo, []byte) error
	flush := func() error { return nil }
	switch format {
	case "pcap", "nano":
		w := pcapgo.NewWriter(&out)
		if format == "nano" {
			w = pcapgo.NewWriterNanos(&out)
		}
		if err := w.WriteFileHeader(65535, link); err != nil {
			return nil, err
		}
		write = w.WritePacket
	case "pcapng":
		w, err := pcapgo.NewNgWriter(&out, link)
		if err != nil {
			return nil, err
		}
		write, flush = w.WritePacket, w.Flush
	default:
		return nil, fmt.Errorf("unknown capture format %q", format)
	}
	for line := range strings.Lines(frames) {
		digits, length, cut := strings.Cut(strings.Join(strings.Fields(line), ""), "/")
		if digits == "" || digits[0] == '#' {
			continue
		}
		data, err := hex.DecodeString(digits)
		if err != nil {
			return nil, err
		}
		info := gopacket.CaptureInfo{CaptureLength: len(data), Length: len(data)}
		if cut {
			if info.Length, err = strconv.Atoi(length); err != nil {
				return nil, err
			}
		}
		for n := range data {
			if short := (gopacket.CaptureInfo{CaptureLength: n, Length: info.Length}); prefixes {
				if err := write(short, data[:n]); err != nil {
					return nil, err
				}
			}
		}
		if err := write(info, data); err != nil {
			return nil, err
		}
	}
	if err := flush(); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}

func cmdShape(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: shape LINE SHAPE")
	}
	n, err := strconv.Atoi(args[0])
	ts.Check(err)
	lines := strings.Split(strings.TrimSuffix(ts.ReadFile("stdout"), "\n"), "\n")
	if n < 1 || n > len(lines) {
		ts.Fatalf("stdout has %d lines", len(lines))
	}
	decoder := json.NewDecoder(strings.NewReader(lines[n-1]))
	got, err := shapeOf(decoder)
	if err != nil || decoder.More() {
		ts.Fatalf("not one JSON value: %s", lines[n-1])
	}
	if got != args[1] {
		ts.Fatalf("line %d is %s\nwant        %s", n, got, args[1])
	}
}

// shapeOf writes a JSON value with its keys in their order and types in place
// of values: `{name:s,ok:b,list:[n]}`. Of a list it is the first element's.
func shapeOf(d *json.Decoder) (string, error) {
	token, err := d.Token()
	if err != nil {
		return "", err
	}
	switch token {
	case json.Delim('{'), json.Delim('['):
	default:
		return map[string]string{"string": "s", "float64": "n", "bool": "b", "<nil>": "null"}[fmt.Sprintf("%T", token)], nil
	}
	var parts []string
	for d.More() {
		part := ""
		if token == json.Delim('{') {
			key, err := d.Token()
			if err != nil {
				return "", err
			}
			part = fmt.Sprint(key, ":")
		}
		value, err := shapeOf(d)
		if err != nil {
			return "", err
		}
		parts = append(parts, part+value)
	}
	if _, err := d.Token(); err != nil {
		return "", err
	}
	if token == json.Delim('[') {
		return "[" + strings.Join(parts[:min(1, len(parts))], "") + "]", nil
	}
	return "{" + strings.Join(parts, ",") + "}", nil
}

var namespaces atomic.Int64 // made so far

// cmdNamespace makes a network namespace whose name ends in the process id,
// told to the script as $NAME, and a dummy pair of interfaces in it.
func cmdNamespace(ts *testscript.TestScript, _ bool, args []string) {
	if len(args) != 2 {
		ts.Fatalf("usage: ns NAME IFACE")
	}
	name := fmt.Sprintf("xdpfw-cli-%s-%d-%d", args[0], os.Getpid(), namespaces.Add(1)) // scripts run side by side
	ip := func(words ...string) {
		if out, err := exec.Command("ip", words...).CombinedOutput(); err != nil {
			ts.Fatalf("ip %s: %v: %s", strings.Join(words, " "), err, out)
		}
	}
	ip("netns", "add", name)
	ts.Defer(func() { _ = exec.Command("ip", "netns", "delete", name).Run() })
	ip("-n", name, "link", "add", args[1], "type", "veth", "peer", "name", args[1]+"p")
	ip("-n", name, "link", "set", args[1], "up")
	ip("-n", name, "link", "set", args[1]+"p", "up")
	ts.Setenv(args[0], name)
}
