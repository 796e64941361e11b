package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"xdpfw/loader"
	"xdpfw/loader/frames"
)

// A metricsLab is a lab whose metrics are served in its own namespace.
type metricsLab struct {
	*killLab
	client *http.Client
}

func newMetricsLab(t *testing.T) *metricsLab {
	t.Helper()
	lab := newKillLab(t)
	lab.setUp()
	space := fmt.Sprintf("/proc/%d/task/%d/ns/net", unix.Getpid(), unix.Gettid())
	dial := func(_ context.Context, network, address string) (conn net.Conn, err error) {
		err = loader.InNamespace(space, func() error {
			conn, err = net.Dial(network, address)
			return err
		})
		return conn, err
	}
	return &metricsLab{lab, &http.Client{Transport: &http.Transport{DialContext: dial}}}
}

// scrape reads the metrics as Prometheus does.
func (l *metricsLab) scrape(url string) map[string]*dto.MetricFamily {
	t := l.t
	t.Helper()
	answer, err := l.client.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		t.Fatalf("%s: %s", url, answer.Status)
	}
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return families
}

// value of the metric with these labels, -1 if there is none.
func value(families map[string]*dto.MetricFamily, name string, labels map[string]string) float64 {
	for _, m := range families[name].GetMetric() {
		found := 0
		for _, pair := range m.GetLabel() {
			if labels[pair.GetName()] == pair.GetValue() {
				found++
			}
		}
		if found == len(labels) {
			if m.GetCounter() != nil {
				return m.GetCounter().GetValue()
			}
			return m.GetGauge().GetValue()
		}
	}
	return -1
}

// sendFrames puts UDP datagrams to a port on the wire, at the far end of the
// lab's.
func (l *killLab) sendFrames(port uint16, n int) (size int) {
	l.t.Helper()
	far, err := netlink.LinkByName("kill1")
	if err != nil {
		l.t.Fatal(err)
	}
	frame, err := frames.Frame{Network: frames.IPv4{Transport: frames.UDP{From: 4000, To: port, Payload: make([]byte, 30)}}}.Bytes()
	if err != nil {
		l.t.Fatal(err)
	}
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW, 0)
	if err != nil {
		l.t.Fatal(err)
	}
	defer unix.Close(fd)
	for range n {
		if err := unix.Sendto(fd, frame, 0, &unix.SockaddrLinklayer{Ifindex: far.Attrs().Index}); err != nil {
			l.t.Fatal(err)
		}
	}
	return len(frame)
}

// setUp both ends of the wire, and the loopback, on which metrics are served.
func (l *killLab) setUp() {
	l.t.Helper()
	for _, name := range []string{"lo", labInterface, "kill1"} {
		on, err := netlink.LinkByName(name)
		if err != nil {
			l.t.Fatal(err)
		}
		if err := netlink.LinkSetUp(on); err != nil {
			l.t.Fatal(err)
		}
	}
}

// serveMetrics starts the endpoint and gives its URL.
func (l *killLab) serveMetrics(arguments ...string) (url string, command *exec.Cmd) {
	l.t.Helper()
	command = exec.Command("xdpfw", append([]string{"metrics", "--listen", "127.0.0.1:0"}, arguments...)...)
	stderr, err := command.StderrPipe()
	if err != nil {
		l.t.Fatal(err)
	}
	if err := command.Start(); err != nil {
		l.t.Fatal(err)
	}
	l.t.Cleanup(func() { _ = command.Process.Kill() })
	said := bufio.NewScanner(stderr)
	for said.Scan() {
		if url, ok := strings.CutPrefix(said.Text(), "serving "); ok {
			return url, command
		}
		if !strings.HasPrefix(said.Text(), "warning: ") {
			break
		}
	}
	l.t.Fatalf("it says %q, %v", said.Text(), said.Err())
	return "", nil
}

// What a Prometheus parser reads is what was sent, by interface and rule; also
// while rules are replaced, and of rules that say the same twice.
func TestMetrics(t *testing.T) {
	lab := newMetricsLab(t)
	text := "default pass\na: drop udp to port 7\ndrop udp to port 8\ncount udp to port 9 # nolint: all\ncount udp to port 9 # nolint: all\n"
	if err := os.WriteFile(lab.first, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	url, command := lab.serveMetrics()
	if families := lab.scrape(url); len(families) != 0 {
		t.Errorf("before anything is loaded: %v", families)
	}
	lab.load(lab.first)
	size := lab.sendFrames(7, 3)
	lab.sendFrames(8, 2)
	lab.sendFrames(9, 1)
	rule := func(name string) map[string]string { return map[string]string{"interface": labInterface, "rule": name} }
	var families map[string]*dto.MetricFamily
	for deadline := time.Now().Add(3 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		if families = lab.scrape(url); value(families, "xdpfw_default_packets_total", nil) == 1 || time.Now().After(deadline) {
			break
		}
	}
	for name, want := range map[string]float64{"a": 3, "drop udp to port 8": 2, "count udp to port 9": 1, "count udp to port 9#2": 1} {
		if got := value(families, "xdpfw_rule_packets_total", rule(name)); got != want {
			t.Errorf("%s: %v packets, want %v", name, got, want)
		}
		if got := value(families, "xdpfw_rule_bytes_total", rule(name)); got != want*float64(size) {
			t.Errorf("%s: %v bytes, want %v of %d", name, got, want, size)
		}
	}
	drops := map[string]string{"interface": labInterface, "verdict": "drop"}
	if got := value(families, "xdpfw_verdict_packets_total", drops); got != 5 {
		t.Errorf("%v packets dropped, want 5", got)
	}
	for _, m := range families["xdpfw_rule_packets_total"].GetMetric() {
		for _, label := range m.GetLabel() {
			if name := label.GetName(); name == "line" || name == "source" { // which would end the series with every edit
				t.Errorf("counters of rules have the label %s", name)
			}
		}
	}
	if value(families, "xdpfw_rule_info", map[string]string{"rule": "a", "source": lab.first, "line": "2"}) != 1 {
		t.Errorf("%v", families["xdpfw_rule_info"])
	}
	info := map[string]string{"source": lab.first, "mode": "native", "counters": "rules"}
	if value(families, "xdpfw_info", info) != 1 || value(families, "xdpfw_up", nil) != 1 || value(families, "xdpfw_rules", nil) != 4 {
		t.Errorf("%v", families)
	}
	if age := float64(time.Now().Unix()) - value(families, "xdpfw_loaded_timestamp_seconds", nil); age < 0 || age > 60 {
		t.Errorf("loaded %v s ago", age)
	}

	var wait sync.WaitGroup
	stop := make(chan struct{})
	for range 3 {
		wait.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				// A rule of this name is in both sets, so its count never goes back.
				if got := value(lab.scrape(url), "xdpfw_rule_packets_total", rule("a")); got != 3 {
					t.Errorf("while rules are replaced: %v packets", got)
					return
				}
			}
		})
	}
	for n := range 10 {
		lab.load([]string{lab.second, lab.first}[n%2])
	}
	close(stop)
	wait.Wait()

	lab.must("unload", "-i", labInterface)
	if families := lab.scrape(url); len(families) != 0 {
		t.Errorf("after it is unloaded: %v", families)
	}
	if err := command.Process.Signal(unix.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := command.Wait(); err != nil {
		t.Errorf("ended by SIGTERM: %v", err)
	}
}

// An interface that was asked for is there, whether or not it has rules.
func TestMetricsOfOneInterface(t *testing.T) {
	lab := newMetricsLab(t)
	url, _ := lab.serveMetrics("-i", labInterface+",gone0") // which is a warning
	lab.load(lab.first)
	families := lab.scrape(url)
	for name, up := range map[string]float64{labInterface: 1, "gone0": 0} {
		if got := value(families, "xdpfw_up", map[string]string{"interface": name}); got != up {
			t.Errorf("%s: up is %v, want %v", name, got, up)
		}
	}
	lab.must("unload", "-i", labInterface)
	if got := value(lab.scrape(url), "xdpfw_up", map[string]string{"interface": labInterface}); got != 0 {
		t.Errorf("unloaded, up is %v", got)
	}
	taken := strings.TrimSuffix(strings.TrimPrefix(url, "http://"), "/metrics")
	for listen, want := range map[string]struct {
		status int
		says   string
	}{
		taken:               {statusRefused, "something is listening there already"},
		"198.51.100.7:9798": {statusRefused, "no interface of this machine has that address"},
		"127.0.0.1:99999":   {statusUsage, `"99999" is no port`},
		"127.0.0.1":         {statusUsage, "must be host and port"},
	} {
		output, err := exec.Command("xdpfw", "metrics", "--listen", listen).CombinedOutput()
		if status := exitStatus(t, err); status != want.status || !strings.Contains(string(output), want.says) {
			t.Errorf("--listen %s: exit status %d\n%s", listen, status, output)
		}
	}
}

// A scrape that can read nothing fails, instead of saying that there is nothing.
func TestMetricsThatCannotBeRead(t *testing.T) {
	lab := newMetricsLab(t)
	lab.load(lab.first)
	url, _ := lab.serveMetrics()
	if value(lab.scrape(url), "xdpfw_up", nil) != 1 {
		t.Error("it is not up")
	}
	if err := unix.Mount("none", filepath.Dir(lab.pins), "tmpfs", 0, ""); err != nil {
		t.Fatal(err)
	}
	answer, err := lab.client.Get(url)
	if err := errors.Join(err, unix.Unmount(filepath.Dir(lab.pins), 0)); err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if answer.StatusCode != http.StatusInternalServerError || !strings.Contains(string(text), "is not on a bpffs") {
		t.Errorf("%s: %s, %v", answer.Status, text, err)
	}
	if value(lab.scrape(url), "xdpfw_up", nil) != 1 {
		t.Error("it does not come up again")
	}
}
