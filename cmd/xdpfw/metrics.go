package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os/signal"
	"strconv"
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
	if _, _, err := net.SplitHostPort(c.String("listen")); err != nil {
		return usagef("--listen %s: must be host and port, as 127.0.0.1:9798", c.String("listen"))
	}
	listener, err := net.Listen("tcp", c.String("listen"))
	if err != nil {
		return &loader.Error{Doing: "listen on " + c.String("listen"), Why: err.Error(), Help: "is something listening there already?", Err: err}
	}
	registry := prometheus.NewRegistry()
	registry.MustRegister(&counterCollector{namespace: c.String("netns"), names: names})
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

	ruleLabels    = []string{"interface", "rule", "verdict", "source", "line"}
	verdictLabels = []string{"interface", "verdict"}
)

// Describe tells the registry nothing: which metrics there are is found out by
// each scrape.
func (*counterCollector) Describe(chan<- *prometheus.Desc) {}

// Collect reads the counters.
func (m *counterCollector) Collect(to chan<- prometheus.Metric) {
	// An error is that nothing can be read at all: every interface is down then.
	_ = loader.InNamespace(m.namespace, func() error {
		found, err := loader.ListStatus("")
		ours := map[string]loader.Status{}
		for _, s := range found {
			if s.Ours {
				ours[s.Interface] = s
			}
		}
		names := m.names
		if names == nil {
			for _, s := range found {
				if s.Ours {
					names = append(names, s.Interface)
				}
			}
		}
		for _, name := range names {
			collectInterface(to, name, ours[name])
		}
		return err
	})
}

// collectInterface sends what there is of one interface; status is zero if there
// is nothing of ours on it.
func collectInterface(to chan<- prometheus.Metric, name string, status loader.Status) {
	gauge := func(d *prometheus.Desc, value float64, labels ...string) {
		to <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, value, append([]string{name}, labels...)...)
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
		labels = append([]string{name}, labels...)
		to <- prometheus.MustNewConstMetric(packets, prometheus.CounterValue, float64(v.Packets), labels...)
		to <- prometheus.MustNewConstMetric(bytes, prometheus.CounterValue, float64(v.Bytes), labels...)
	}
	pair(defaultPackets, defaultBytes, stats.Default.CounterValue, stats.Default.Verdict.String())
	for _, v := range stats.Verdicts {
		pair(verdictPackets, verdictBytes, v.CounterValue, v.Verdict.String())
	}
	for _, r := range stats.Rules { // the key is the name or the text, and no other rule's
		pair(rulePackets, ruleBytes, r.CounterValue, r.Key, r.Verdict.String(), r.Source, strconv.Itoa(r.Line))
	}
}
