package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os/signal"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/urfave/cli/v2"
	"golang.org/x/sys/unix"

	"xdpfw/codegen"
	"xdpfw/loader"
)

func metricsCommand() *cli.Command {
	return &cli.Command{
		Name:      "metrics",
		Usage:     "serve the counters to Prometheus",
		UsageText: "xdpfw metrics [--listen ADDRESS] [-i IFACE[,IFACE…]] [options]",
		Description: "The counters are read when they are asked for, at http://ADDRESS/metrics. It is plain HTTP without\n" +
			"authentication, hence on the loopback unless told otherwise.\n\n" +
			"Example:\n   sudo xdpfw metrics --listen 127.0.0.1:9798",
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "listen", Value: "127.0.0.1:9798", Usage: "serve on `ADDRESS`: host and port"},
			interfaceFlag("show those of `IFACE[,IFACE…]` only"), netnsFlag(),
		},
		Action: metrics,
	}
}

func metrics(c *cli.Context) error {
	if err := noArguments(c); err != nil {
		return err
	}
	names, err := someInterfaces(c)
	if err != nil {
		return err
	}
	if err := checkListen(c.String("listen")); err != nil {
		return err
	}
	collector := &counterCollector{namespace: c.String("netns"), names: names}
	if err := collector.try(c); err != nil {
		return err
	}
	listener, err := net.Listen("tcp", c.String("listen"))
	if err != nil {
		return explainListen(c.String("listen"), err)
	}
	registry := prometheus.NewRegistry()
	registry.MustRegister(collector)
	mux := http.NewServeMux()
	mux.Handle("/metrics", promhttp.HandlerFor(registry, promhttp.HandlerOpts{MaxRequestsInFlight: 4, Timeout: scrapePatience}))
	server := &http.Server{Handler: mux, ReadHeaderTimeout: scrapePatience}

	stopped, stop := signal.NotifyContext(context.Background(), unix.SIGINT, unix.SIGTERM)
	defer stop()
	fmt.Fprintf(c.App.ErrWriter, "serving http://%v/metrics\n", listener.Addr())
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	select {
	case err = <-served:
	case <-stopped.Done():
		ending, cancel := context.WithTimeout(context.Background(), scrapePatience)
		defer cancel()
		err = server.Shutdown(ending)
	}
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return err
}

// checkListen refuses what is no address to listen on.
func checkListen(address string) error {
	_, port, err := net.SplitHostPort(address)
	if err != nil {
		return usagef("--listen %s: must be host and port, as 127.0.0.1:9798", address)
	}
	if _, err := net.LookupPort("tcp", port); err != nil {
		return usagef("--listen %s: %q is no port: they are numbers from 1 to 65535, or names as /etc/services has them", address, port)
	}
	return nil
}

func explainListen(address string, err error) error {
	e := &loader.Error{Doing: "listen on " + address, Why: err.Error(), Err: err}
	switch {
	case errors.Is(err, unix.EADDRINUSE):
		e.Why, e.Help = "something is listening there already", "give another port, or end what listens (ss -tlnp)"
	case errors.Is(err, unix.EADDRNOTAVAIL):
		e.Why, e.Help = "no interface of this machine has that address", "give one that `ip address` shows, or 127.0.0.1"
	case errors.Is(err, unix.EACCES):
		e.Why, e.Help = "not permitted: ports below 1024 ask for CAP_NET_BIND_SERVICE", "give a port above 1023"
	case errors.As(err, new(*net.DNSError)):
		e.Why, e.Help = "there is no such host", "give an address, as 127.0.0.1:9798"
	}
	return e
}

// scrapePatience is how long a scrape may take; Prometheus waits for 10 s unless
// told otherwise.
const scrapePatience = 10 * time.Second

// A counterCollector reads the counters of interfaces for each scrape.
type counterCollector struct {
	namespace string
	names     []string // nil: all that have rules of xdpfw
}

var (
	upMetric = prometheus.NewDesc("xdpfw_up", "Whether rules of xdpfw are on the interface and their counters could be read.", []string{"interface"}, nil)

	infoMetric = prometheus.NewDesc("xdpfw_info", "What is loaded; the value is 1.",
		[]string{"interface", "source", "digest", "mode", "strategy", "counters"}, nil)
	loadedMetric = prometheus.NewDesc("xdpfw_loaded_timestamp_seconds", "When the rules were loaded.", []string{"interface"}, nil)
	rulesMetric  = prometheus.NewDesc("xdpfw_rules", "How many rules are loaded.", []string{"interface"}, nil)

	rulePackets = prometheus.NewDesc("xdpfw_rule_packets_total", "Packets by rule. The label rule is its name, or else its text.", ruleLabels, nil)
	ruleBytes   = prometheus.NewDesc("xdpfw_rule_bytes_total", "Bytes of whole frames by rule.", ruleLabels, nil)

	defaultPackets = prometheus.NewDesc("xdpfw_default_packets_total", "Packets that no rule decided.", verdictLabels, nil)
	defaultBytes   = prometheus.NewDesc("xdpfw_default_bytes_total", "Bytes of whole frames that no rule decided.", verdictLabels, nil)
	verdictPackets = prometheus.NewDesc("xdpfw_verdict_packets_total", "Packets that rules decided, by verdict.", verdictLabels, nil)
	verdictBytes   = prometheus.NewDesc("xdpfw_verdict_bytes_total", "Bytes of whole frames that rules decided, by verdict.", verdictLabels, nil)

	// Where a rule stands changes with others, and is none of its counters' labels.
	ruleInfo = prometheus.NewDesc("xdpfw_rule_info", "Where a rule stands; the value is 1.", append(ruleLabels, "source", "line"), nil)

	ruleLabels    = []string{"interface", "rule", "verdict"}
	verdictLabels = []string{"interface", "verdict"}
)

// try says what no scrape could read, and of which interfaces there is nothing to
// read yet.
func (m *counterCollector) try(c *cli.Context) error {
	return loader.InNamespace(m.namespace, func() error {
		if err := loader.CanRead(); err != nil {
			return err
		}
		for _, name := range m.names {
			if _, err := loader.ReadStats(name); err != nil {
				printWarnings(c, name, []string{fmt.Sprintf("%v; xdpfw_up is 0 until that changes", err)})
			}
		}
		return nil
	})
}

// Describe tells the registry nothing: which metrics there are is found out by
// each scrape.
func (*counterCollector) Describe(chan<- *prometheus.Desc) {}

// Collect reads the counters.
func (m *counterCollector) Collect(to chan<- prometheus.Metric) {
	err := loader.InNamespace(m.namespace, func() error {
		if err := loader.CanRead(); err != nil {
			return err
		}
		found, err := loader.ListStatus("")
		if err != nil {
			return err
		}
		ours := map[string]loader.Status{}
		names := m.names
		for _, s := range found {
			if !s.Ours || s.Gone {
				continue
			}
			ours[s.Interface] = s
			if m.names == nil {
				names = append(names, s.Interface)
			}
		}
		for _, name := range names {
			status, is := ours[name]
			if !is { // it may be another of its names
				if list, err := loader.ListStatus(name); err == nil && len(list) > 0 {
					status = ours[list[0].Interface]
				}
			}
			collectInterface(to, name, status)
		}
		return nil
	})
	if err != nil { // nothing can be read: the scrape fails
		to <- prometheus.NewInvalidMetric(upMetric, err)
	}
}

// collectInterface sends what there is of one interface; status is zero if there
// is nothing of ours on it.
func collectInterface(to chan<- prometheus.Metric, name string, status loader.Status) {
	send := func(d *prometheus.Desc, kind prometheus.ValueType, value float64, labels []string) {
		var valid []string
		for _, label := range append([]string{name}, labels...) {
			valid = append(valid, strings.ToValidUTF8(label, "\uFFFD")) // Prometheus takes no others
		}
		to <- prometheus.MustNewConstMetric(d, kind, value, valid...)
	}
	gauge := func(d *prometheus.Desc, value float64, labels ...string) {
		send(d, prometheus.GaugeValue, value, labels)
	}
	var stats *loader.Stats
	if status.Ours {
		stats, _ = loader.ReadStats(name)
	}
	if stats == nil {
		gauge(upMetric, 0)
		return
	}
	gauge(upMetric, 1)
	gauge(infoMetric, 1, status.Source, status.Digest, modeName(status.Mode), status.Strategy, stats.Counting)
	gauge(rulesMetric, float64(status.Rules))
	if loaded, err := time.Parse(time.RFC3339, status.Loaded); err == nil {
		gauge(loadedMetric, float64(loaded.Unix()))
	}
	if stats.Counting == codegen.CountNone {
		return
	}
	pair := func(packets, bytes *prometheus.Desc, v codegen.CounterValue, labels ...string) {
		send(packets, prometheus.CounterValue, float64(v.Packets), labels)
		send(bytes, prometheus.CounterValue, float64(v.Bytes), labels)
	}
	pair(defaultPackets, defaultBytes, stats.Default.CounterValue, stats.Default.Verdict.String())
	for _, v := range stats.Verdicts {
		pair(verdictPackets, verdictBytes, v.CounterValue, v.Verdict.String())
	}
	for _, r := range stats.Rules { // the key is the name or the text, and no other rule's
		pair(rulePackets, ruleBytes, r.CounterValue, r.Key, r.Verdict.String())
		gauge(ruleInfo, 1, r.Key, r.Verdict.String(), r.Source, strconv.Itoa(r.Line))
	}
}
