package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"

	"xdpfw/codegen"
	"xdpfw/rules"
)

// need skips a test where a condition does not hold, or fails it where it must.
func need(t *testing.T, condition string) {
	t.Helper()
	ok, err := holds(condition)
	if err != nil {
		t.Fatal(err)
	}
	if !ok {
		t.Skipf("[%s] does not hold", condition)
	}
}

func needBPF(t *testing.T) {
	t.Helper()
	need(t, "bpf")
}

// demoFigures is the line of one kind of packet: sent, arrived, dropped, and
// by which rules.
type demoFigures struct {
	sent, arrived, dropped int
	by                     string
}

var demoLine = regexp.MustCompile(`^([ !]) (\S.*?) +(\d+) +(\d+) +(\d+)  (.*)$`)

// demoTable reads the lines out of what the demo printed.
func demoTable(output string) map[string]demoFigures {
	table := map[string]demoFigures{}
	for line := range strings.Lines(output) {
		m := demoLine.FindStringSubmatch(strings.TrimRight(line, "\n"))
		if m == nil {
			continue
		}
		var n [3]int
		for i := range n {
			n[i], _ = strconv.Atoi(m[3+i])
		}
		table[m[2]] = demoFigures{n[0], n[1], n[2], m[6]}
	}
	return table
}

// runDemoCommand is what `xdpfw demo` prints.
func runDemoCommand(t *testing.T, arguments ...string) string {
	t.Helper()
	command := exec.Command("xdpfw", append([]string{"demo"}, arguments...)...)
	var stderr bytes.Buffer
	command.Stderr = &stderr
	output, err := command.Output()
	if err != nil {
		t.Fatalf("%v\n%s%s", err, output, &stderr)
	}
	return string(output)
}

func TestDemo(t *testing.T) {
	needBPF(t)
	start := time.Now()
	output := runDemoCommand(t)
	if took := time.Since(start); took > 5*time.Second {
		t.Errorf("took %v, more than 5 seconds", took)
	}
	const passes, udp, http = "default pass", "demo.fw:4 drop udp", "demo.fw:5 drop tcp to port 80"
	want := map[string]demoFigures{
		"ARP request":                            {1, 1, 0, passes},
		"ping: answered":                         {1, 1, 0, passes},
		"TCP connect to port 443: connected":     {3, 3, 0, passes}, // SYN, ACK, RST
		"TCP connect to port 80: no answer":      {1, 0, 1, http},
		"UDP datagram to port 53: not received":  {1, 0, 1, udp},
		"UDP with an 802.1Q tag":                 {1, 0, 1, udp},
		"UDP with two tags (QinQ)":               {1, 0, 1, udp},
		"UDP behind IPv4 options":                {1, 0, 1, udp},
		"UDP in two IPv4 fragments":              {2, 0, 2, udp},
		"TCP 80, first fragment of 8 bytes":      {1, 0, 1, http},
		"IPv6 neighbour solicitation":            {1, 1, 0, passes},
		"IPv6 ping":                              {1, 1, 0, passes},
		"UDP over IPv6":                          {1, 0, 1, udp},
		"UDP in two IPv6 fragments":              {2, 0, 2, udp},
		"TCP 443 over IPv6":                      {1, 1, 0, passes},
		"TCP 80 behind 5 IPv6 extension headers": {5, 0, 5, http},
	}
	got := demoTable(output)
	for kind, figures := range want {
		if got[kind] != figures {
			t.Errorf("%s: %+v, want %+v", kind, got[kind], figures)
		}
	}
	if len(got) != len(want) {
		t.Errorf("%d kinds, want %d:\n%s", len(got), len(want), output)
	}
	for _, part := range []string{"native mode", "What the kernel counted", "removed:"} {
		if !strings.Contains(output, part) {
			t.Errorf("%q is missing in:\n%s", part, output)
		}
	}
}

// The shipped example says what testdata/rules/founding.fw says, which go:embed
// cannot reach.
func TestDemoIsFounding(t *testing.T) {
	demo, founding := parseDemoRules(t, string(demoRules)), parseDemoRules(t, readDoc(t, "testdata/rules/founding.fw"))
	keys := func(set *rules.RuleSet) (keys []string) {
		for _, r := range set.Rules {
			keys = append(keys, r.Key)
		}
		return append(keys, set.Default.String())
	}
	if !slices.Equal(keys(demo), keys(founding)) {
		t.Errorf("demo.fw has %q, founding.fw %q", keys(demo), keys(founding))
	}
}

// With rules of the user's own, what is expected follows from them.
func TestDemoOtherRules(t *testing.T) {
	needBPF(t)
	path := filepath.Join(t.TempDir(), "mine.fw")
	text := "default drop\nweb: pass tcp to port 80\npass udp\npass icmp\n"
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	output := runDemoCommand(t, "--rules", path)
	got := demoTable(output)
	for kind, want := range map[string]demoFigures{
		"ARP request":                        {1, 0, 1, "default drop"},
		"ping: answered":                     {1, 1, 0, path + ":4 pass icmp"},
		"TCP connect to port 443: no answer": {1, 0, 1, "default drop"},
		"TCP connect to port 80: connected":  {3, 3, 0, path + ":2 pass tcp to port 80"},
		"UDP datagram to port 53: received":  {1, 1, 0, path + ":3 pass udp"},
		"UDP with an 802.1Q tag":             {1, 1, 0, path + ":3 pass udp"},
		"IPv6 ping":                          {1, 0, 1, "default drop"},
	} {
		if got[kind] != want {
			t.Errorf("%s: %+v, want %+v", kind, got[kind], want)
		}
	}
	if t.Failed() {
		t.Log(output)
	}
}

// The demo must notice when the kernel does something else than the rules it
// judges by: here they are not those that it loaded.
func TestDemoNotices(t *testing.T) {
	needBPF(t)
	loaded, judge := parseDemoRules(t, "drop udp"), parseDemoRules(t, "drop udp to port 54")
	object, err := codegen.Compile(loaded, codegen.Options{})
	if err != nil {
		t.Fatal(err)
	}
	bench, err := newDemoBench()
	if err != nil {
		t.Fatal(err)
	}
	defer bench.close()
	if _, err := bench.load(loaded, object); err != nil {
		t.Fatal(err)
	}
	for _, kind := range demoKinds(bench) {
		for _, test := range []struct {
			rules *rules.RuleSet
			agree bool
		}{{loaded, true}, {judge, !strings.HasPrefix(kind.name, "UDP")}} {
			result, err := bench.try(t.Context(), test.rules, kind)
			if err != nil {
				t.Fatal(err)
			}
			if complaint := result.complaint(); (complaint == "") != test.agree {
				t.Errorf("%s, judged by %q: complaint %q", kind.name, test.rules.Rules[0].Text(), complaint)
			}
		}
	}
}

func parseDemoRules(t *testing.T, text string) *rules.RuleSet {
	t.Helper()
	set, diagnostics := rules.ParseAndCheck(rules.NewFile("test.fw", []byte(text)))
	if err := diagnostics.Err(); err != nil {
		t.Fatal(err)
	}
	return set
}

// However the demo ends, nothing of it stays: neither its program, nor its
// namespaces, nor a mount.
func TestDemoInterrupted(t *testing.T) {
	needBPF(t)
	for _, signal := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM, syscall.SIGKILL} {
		t.Run(unix.SignalName(signal), func(t *testing.T) {
			command := exec.Command("xdpfw", "demo")
			// So that its mounts, if it made any, are seen apart from those of other tests.
			command.SysProcAttr = &syscall.SysProcAttr{Unshareflags: syscall.CLONE_NEWNS, Pdeathsig: syscall.SIGKILL}
			var stderr bytes.Buffer
			command.Stderr = &stderr
			stdout, err := command.StdoutPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := command.Start(); err != nil {
				t.Fatal(err)
			}
			defer command.Process.Kill()
			program := untilTraffic(t, stdout)
			traces := tracesOf(t, command.Process.Pid, program)
			if err := command.Process.Signal(signal); err != nil {
				t.Fatal(err)
			}
			rest, _ := io.ReadAll(stdout)
			status := exitStatus(t, command.Wait())
			if signal != syscall.SIGKILL && (status != statusInput || !strings.Contains(stderr.String(), "interrupted; everything is removed")) {
				t.Errorf("exit status %d, stdout %s, stderr %s", status, rest, &stderr)
			}
			traces.mustVanish(t)
		})
	}
}

// untilTraffic reads the demo's output until it sends packets, and returns the
// id of its program.
func untilTraffic(t *testing.T, stdout io.Reader) ebpf.ProgramID {
	t.Helper()
	var program ebpf.ProgramID
	lines := bufio.NewReader(stdout)
	for {
		line, err := lines.ReadString('\n')
		if err != nil {
			t.Fatalf("the demo ended before it was interrupted: %v", err)
		}
		if _, after, ok := strings.Cut(line, "(program "); ok {
			fmt.Sscanf(after, "%d)", &program)
		}
		if demoLine.MatchString(strings.TrimRight(line, "\n")) {
			return program
		}
	}
}

// demoTraces is what a running demo has in the kernel.
type demoTraces struct {
	program    ebpf.ProgramID
	namespaces []string // as "net:[4026532281]"
}

// tracesOf looks into the running demo, which must have mounted nothing.
func tracesOf(t *testing.T, pid int, program ebpf.ProgramID) *demoTraces {
	t.Helper()
	traces := &demoTraces{program: program}
	running, err := ebpf.NewProgramFromID(program)
	if err != nil {
		t.Fatalf("the demo says that its program is %d: %v", program, err)
	}
	running.Close()
	own, _ := os.Readlink("/proc/thread-self/ns/net")
	for _, namespace := range namespacesHeld(fmt.Sprint(pid)) {
		if namespace != own && !slices.Contains(traces.namespaces, namespace) {
			traces.namespaces = append(traces.namespaces, namespace)
		}
	}
	if len(traces.namespaces) != 2 {
		t.Fatalf("the demo has the network namespaces %v, want two", traces.namespaces)
	}
	mounts, err := os.ReadFile(fmt.Sprintf("/proc/%d/mountinfo", pid))
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(mounts), "xdp-fw") || strings.Contains(string(mounts), traces.namespaces[0]) {
		t.Errorf("the demo mounts something:\n%s", mounts)
	}
	return traces
}

// mustVanish waits for the kernel to take everything away, which it does a
// little later.
func (traces *demoTraces) mustVanish(t *testing.T) {
	t.Helper()
	var left string
	for deadline := time.Now().Add(5 * time.Second); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		if left = traces.left(); left == "" {
			return
		}
	}
	t.Errorf("left behind: %s", left)
}

// left is what there still is, "" if nothing.
func (traces *demoTraces) left() string {
	program, err := ebpf.NewProgramFromID(traces.program)
	if err == nil {
		program.Close()
		return fmt.Sprintf("program %d", traces.program)
	}
	if !errors.Is(err, os.ErrNotExist) {
		return err.Error()
	}
	for _, namespace := range append(namespacesHeld("*"), mountedNamespaces()...) {
		if namespace == traces.namespaces[0] || namespace == traces.namespaces[1] {
			return namespace
		}
	}
	return ""
}

// namespacesHeld are the network namespaces that processes live in or have
// open.
func namespacesHeld(pid string) (all []string) {
	for _, pattern := range []string{"/proc/%s/task/*/ns/net", "/proc/%s/fd/*"} {
		paths, _ := filepath.Glob(fmt.Sprintf(pattern, pid))
		for _, path := range paths {
			if target, err := os.Readlink(path); err == nil && strings.HasPrefix(target, "net:[") {
				all = append(all, target)
			}
		}
	}
	return all
}

// mountedNamespaces are those that a mount keeps, as `ip netns add` does.
func mountedNamespaces() (all []string) {
	mounts, _ := os.ReadFile("/proc/self/mountinfo")
	for line := range strings.Lines(string(mounts)) {
		if fields := strings.Fields(line); strings.HasPrefix(fields[3], "net:[") {
			all = append(all, fields[3])
		}
	}
	return all
}

func exitStatus(t *testing.T, err error) int {
	t.Helper()
	var exit *exec.ExitError
	switch {
	case err == nil:
		return 0
	case errors.As(err, &exit):
		return exit.ExitCode()
	}
	t.Fatal(err)
	return 0
}

// Without root the demo says what is missing.
func TestDemoNeedsRoot(t *testing.T) {
	command := exec.Command("xdpfw", "demo")
	if os.Geteuid() == 0 {
		command.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
		command.Path = readableByAll(t, command.Path)
	}
	output, err := command.CombinedOutput()
	if status := exitStatus(t, err); status != statusRefused {
		t.Errorf("exit status %d, want %d", status, statusRefused)
	}
	for _, part := range []string{"CAP_SYS_ADMIN", "sudo xdpfw demo"} {
		if !strings.Contains(string(output), part) {
			t.Errorf("%q is missing in:\n%s", part, output)
		}
	}
}

// readableByAll copies a program to where everybody may run it.
func readableByAll(t *testing.T, path string) string {
	t.Helper()
	program, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	folder, err := os.MkdirTemp("", "xdpfw")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(folder) })
	copied := filepath.Join(folder, "xdpfw")
	if err := errors.Join(os.WriteFile(copied, program, 0o755), os.Chmod(folder, 0o755), os.Chmod(copied, 0o755)); err != nil {
		t.Fatal(err)
	}
	return copied
}
