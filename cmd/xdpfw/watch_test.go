package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"xdpfw/codegen"
	"xdpfw/loader"
	"xdpfw/rules"
)

// countersOf n rules, each with some packets.
func countersOf(digest string, packets ...uint64) *loader.Stats {
	s := &loader.Stats{Interface: "eth0", Source: "rules.fw", Digest: digest, Counting: codegen.CountRules}
	for i, n := range packets {
		s.Rules = append(s.Rules, loader.CounterStat{
			Counter:      codegen.Counter{Rule: i, Key: fmt.Sprint("rule ", i), Text: fmt.Sprint("rule ", i), Source: "rules.fw", Line: i + 1},
			CounterValue: codegen.CounterValue{Packets: n, Bytes: 100 * n},
		})
	}
	s.Default = loader.CounterStat{Counter: codegen.Counter{Rule: rules.ByDefault, Verdict: rules.Pass}}
	return s
}

func TestWatchedRates(t *testing.T) {
	m, start := new(watched), time.Unix(1000, 0)
	m.sample(countersOf("a", 100, 50, 7), start)
	if m.rows[0].packetRate != 0 {
		t.Errorf("a rate of one sample: %v", m.rows[0].packetRate)
	}
	m.sample(countersOf("a", 100, 250, 9), start.Add(2*time.Second))
	for i, want := range []float64{0, 100, 1, 0} {
		if m.rows[i].packetRate != want || m.rows[i].byteRate != 100*want {
			t.Errorf("row %d: %v packets, %v bytes a second, want %v", i, m.rows[i].packetRate, m.rows[i].byteRate, want)
		}
	}
	m.sample(countersOf("a", 3, 250, 9), start.Add(3*time.Second)) // reset
	if m.rows[0].packetRate != 0 {
		t.Errorf("a counter that went back grows by %v", m.rows[0].packetRate)
	}
	m.sample(countersOf("b", 500, 0, 0), start.Add(4*time.Second)) // other rules
	if m.rows[0].packetRate != 0 {
		t.Errorf("rules that are new grow by %v", m.rows[0].packetRate)
	}
}

func TestWatchedOrder(t *testing.T) {
	m, start := new(watched), time.Unix(1000, 0)
	m.sample(countersOf("a", 1, 2, 900), start)
	m.sample(countersOf("a", 11, 32, 900), start.Add(time.Second))
	for order, want := range map[watchOrder][]string{
		byRate:  {"rule 1", "rule 0", "rule 2", "default pass"},
		byTotal: {"rule 2", "rule 1", "rule 0", "default pass"},
		byFile:  {"rule 0", "rule 1", "rule 2", "default pass"},
	} {
		m.order = order
		var got []string
		for _, r := range m.sorted() {
			got = append(got, r.text)
		}
		if !slices.Equal(got, want) {
			t.Errorf("by %v: %v, want %v", order, got, want)
		}
	}
}

// Whatever the size, the lines fit, and every row can be scrolled to.
func TestWatchedFits(t *testing.T) {
	m := new(watched)
	m.sample(countersOf("a", make([]uint64, 100)...), time.Unix(1000, 0))
	for _, size := range [][2]int{{40, 10}, {80, 24}, {200, 60}, {20, 6}, {1, 1}, {0, 0}, {10, 3}, {300, 200}} {
		width, height := size[0], size[1]
		seen := map[string]bool{}
		m.offset = 0
		for range 120 {
			lines := m.lines(width, height)
			if len(lines) > height {
				t.Fatalf("%v: %d lines", size, len(lines))
			}
			for _, l := range lines {
				if n := utf8.RuneCountInString(l.text); n > width {
					t.Fatalf("%v: a line of %d characters: %q", size, n, l.text)
				}
				fields := strings.Fields(l.text)
				if len(fields) > 1 && fields[len(fields)-2] == "rule" {
					seen[fields[len(fields)-1]] = true
				}
			}
			m.scroll(1, height)
		}
		if height >= 10 && width >= 40 && len(seen) != 100 {
			t.Errorf("%v: only %d rules can be seen", size, len(seen))
		}
	}
	m.fail(fmt.Errorf("no rule set is loaded"))
	if lines := m.lines(80, 24); lines[0].kind != failedLine || !strings.Contains(lines[0].text, "no rule set") {
		t.Errorf("%+v", lines[0])
	}
}

func TestShortNumbers(t *testing.T) {
	for v, want := range map[float64]string{
		0: "0", 1: "1", 0.25: "0.25", 9.5: "9.50", 42.4: "42", 950: "950", 999.4: "999", 999.9: "1k", 1234: "1.23k", 12_345: "12.3k",
		123_456: "123k", 4_560_000: "4.56M", 1e18: "1E", 2e19: "20.0E",
	} {
		if got := short(v); got != want {
			t.Errorf("%v is %q, want %q", v, got, want)
		}
	}
}

// Without a terminal there is an object for each interval.
func TestWatchWithoutTerminal(t *testing.T) {
	lab := newKillLab(t)
	lab.setUp()
	lab.load(lab.first)
	command := exec.Command("xdpfw", "stats", "-i", labInterface, "--watch", "--interval", "200ms", "--json")
	var output bytes.Buffer
	command.Stdout = &output
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	time.Sleep(250 * time.Millisecond)
	lab.sendFrames(7, 20)
	time.Sleep(500 * time.Millisecond)
	if err := command.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	if err := command.Wait(); err != nil {
		t.Errorf("ended by SIGINT: %v", err)
	}
	objects, sum := 0, 0.0
	for d := json.NewDecoder(&output); d.More(); objects++ {
		var s watchedStats
		if err := d.Decode(&s); err != nil {
			t.Fatal(err)
		}
		if len(s.Rates) != 2 || len(s.Rules) != 1 {
			t.Fatalf("%+v", s)
		}
		sum += s.Rates[0].Packets * 0.2
	}
	if objects < 2 || sum < 10 || sum > 40 {
		t.Errorf("%d objects, whose rates come to %v packets of 20", objects, sum)
	}
}

// tmux runs a command of a server of the test's own.
func tmux(t *testing.T, socket string, arguments ...string) string {
	t.Helper()
	output, err := exec.Command("tmux", append([]string{"-S", socket, "-f", "/dev/null"}, arguments...)...).CombinedOutput()
	if err != nil {
		t.Fatalf("tmux %v: %v\n%s", arguments, err, output)
	}
	return string(output)
}

// In a real terminal: the table is there, sorts, fits after a resize, tells that
// the rules are gone, and leaves the terminal as it was.
func TestWatchInTerminal(t *testing.T) {
	need(t, "tmux")
	lab := newKillLab(t)
	lab.setUp()
	var text strings.Builder
	text.WriteString("default pass\n")
	for port := range 50 {
		fmt.Fprintf(&text, "drop udp to port %d\n", 1+port)
	}
	if err := os.WriteFile(lab.first, []byte(text.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	lab.load(lab.first)
	socket := filepath.Join(t.TempDir(), "tmux")
	tmux(t, socket, "new-session", "-d", "-c", t.TempDir(), "-x", "90", "-y", "24", "sh")
	t.Cleanup(func() { tmux(t, socket, "kill-server") })
	shows := func(parts ...string) string {
		t.Helper()
		screen := ""
		for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
			screen = tmux(t, socket, "capture-pane", "-p")
			if !slices.ContainsFunc(parts, func(part string) bool { return !strings.Contains(screen, part) }) {
				return screen
			}
		}
		t.Fatalf("the screen does not show %q:\n%s", parts, screen)
		return ""
	}
	keys := func(words ...string) { t.Helper(); tmux(t, socket, append([]string{"send-keys"}, words...)...) }

	keys("stty -g > before; xdpfw stats -i "+labInterface+" --watch --interval 200ms; stty -g > after; cmp before after && echo the\"\" same", "Enter")
	shows("PACKETS/S", "by rate", "drop udp to port 1", labInterface)
	for range 20 {
		lab.sendFrames(40, 10)
		time.Sleep(20 * time.Millisecond)
	}
	shows("drop udp to port 40") // of 50 rules it has come up
	keys("s")
	shows("by total", "drop udp to port 40")
	keys("s")
	shows("by file order")
	tmux(t, socket, "resize-window", "-x", "40", "-y", "10")
	screen := shows("by file order", "drop udp to po")
	for line := range strings.Lines(screen) {
		if n := utf8.RuneCountInString(strings.TrimSuffix(line, "\n")); n > 40 {
			t.Errorf("a line of %d characters on a screen of 40: %q", n, line)
		}
	}
	tmux(t, socket, "resize-window", "-x", "120", "-y", "30")
	shows("first.fw:2", "by file order")
	keys("End")
	shows("default pass", "drop udp to port 50")
	lab.must("unload", "-i", labInterface)
	shows("no rule set is loaded on " + labInterface)
	lab.load(lab.first)
	shows("loaded 20")
	keys("q")
	shows("the same")
}
