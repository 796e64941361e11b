package main

import (
	"fmt"
	"slices"
	"text/tabwriter"
	"time"

	"github.com/urfave/cli/v2"

	"xdpfw/codegen"
	"xdpfw/loader"
)

func statsCommand() *cli.Command {
	return &cli.Command{
		Name:      "stats",
		Usage:     "show how many packets and bytes each rule decided",
		UsageText: "xdpfw stats -i IFACE [options]",
		Description: "Bytes are those of whole frames, Ethernet header included.\n\n" +
			"Rules that stay the same over a new load of the interface go on counting; since when each counts is shown.\n\n" +
			"Examples:\n   sudo xdpfw stats -i eth0\n   sudo xdpfw stats -i eth0 --json\n   sudo xdpfw stats -i eth0 --watch\n   sudo xdpfw stats -i eth0 --reset",
		Flags: []cli.Flag{
			interfaceFlag("show the counters of `IFACE`"),
			&cli.BoolFlag{DisableDefaultText: true, Name: "watch", Usage: "show them again and again, with what is counted a second, until q or Ctrl-C"},
			intervalFlag(),
			&cli.BoolFlag{DisableDefaultText: true, Name: "reset", Usage: "show the counters, then let all of them start at zero again"},
			netnsFlag(), jsonFlag(),
		},
		Action: stats,
	}
}

// An interfaceStats is what `stats --json` prints.
type interfaceStats struct {
	Interface string         `json:"interface"`
	Counters  string         `json:"counters"` // what is counted: rules, verdicts or none
	Default   *total         `json:"default"`  // null if nothing is counted
	Verdicts  []verdictStats `json:"verdicts"` // of rules, the default apart; empty if nothing is counted
	Rules     []ruleStats    `json:"rules"`    // empty if rules are not counted one by one
}

type verdictStats struct {
	Verdict string `json:"verdict"`
	Packets uint64 `json:"packets"`
	Bytes   uint64 `json:"bytes"`
	Since   string `json:"since,omitempty"` // when the first of them began to count; none if no rule has the verdict
}

type total struct {
	Packets uint64 `json:"packets"`
	Bytes   uint64 `json:"bytes"`
	Since   string `json:"since"` // when it began to count, RFC 3339
}

type ruleStats struct {
	Name   string `json:"name"`
	Source string `json:"source"`
	Line   int    `json:"line"`
	Text   string `json:"text"`
	total
}

func stats(c *cli.Context) error {
	if err := noArguments(c); err != nil {
		return err
	}
	iface, err := oneInterface(c)
	if err != nil {
		return err
	}
	switch {
	case c.Bool("watch") && c.Bool("reset"):
		return usagef("--watch and --reset are two things: reset first, then watch")
	case c.Bool("watch"):
		return watchStats(c, iface)
	case c.IsSet("interval"):
		return usagef("--interval is for --watch")
	}
	var s *loader.Stats
	read := loader.ReadStats
	if c.Bool("reset") {
		read = loader.ResetStats
	}
	err = inNamespace(c, func() error {
		s, err = read(iface)
		return err
	})
	if err != nil {
		return err
	}
	switch {
	case c.Bool("json"):
		return printStatsJSON(c, s)
	case s.Counting == codegen.CountNone:
		_, err := fmt.Fprintf(c.App.Writer, "%s: nothing is counted: the rules were loaded with --counters none\n", s.Interface)
		return err
	case s.Counting == codegen.CountVerdicts:
		fmt.Fprintln(c.App.ErrWriter, "note: rules are not counted one by one: they were loaded with --counters verdicts")
	}
	return printStatsTable(c, s)
}

func printStatsJSON(c *cli.Context, s *loader.Stats) error {
	return printJSON(c.App.Writer, statsJSON(s))
}

func statsJSON(s *loader.Stats) interfaceStats {
	object := interfaceStats{Interface: s.Interface, Counters: s.Counting, Verdicts: []verdictStats{}, Rules: []ruleStats{}}
	if s.Counting != codegen.CountNone {
		byDefault := totalOf(s.Default)
		object.Default = &byDefault
	}
	for _, v := range s.Verdicts {
		object.Verdicts = append(object.Verdicts, verdictStats{v.Verdict.String(), v.Packets, v.Bytes, stamp(v.Since)})
	}
	for _, r := range s.Rules {
		object.Rules = append(object.Rules, ruleStats{r.Name, r.Source, r.Line, r.Text, totalOf(r)})
	}
	return object
}

func totalOf(s loader.CounterStat) total {
	return total{s.Packets, s.Bytes, stamp(s.Since)}
}

// stamp is a time as RFC 3339 has it, "" if there is none.
func stamp(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.Format(time.RFC3339)
}

// printStatsTable has a column of times only if not all count since the same.
func printStatsTable(c *cli.Context, s *loader.Stats) error {
	all := since(s.Default.Since)
	differ := slices.ContainsFunc(s.Rules, func(r loader.CounterStat) bool { return since(r.Since) != all })
	if s.Counting == codegen.CountVerdicts {
		differ = slices.ContainsFunc(s.Verdicts, func(v loader.VerdictStat) bool { return !v.Since.IsZero() && since(v.Since) != all })
	}
	w := tabwriter.NewWriter(c.App.Writer, 0, 8, 2, ' ', 0)
	row := func(packets, bytes any, since, where, rule string) {
		if differ {
			where = since + "\t" + where
		}
		fmt.Fprintf(w, "%v\t%v\t%s\t%s\n", packets, bytes, where, rule)
	}
	row("PACKETS", "BYTES", "SINCE", "WHERE", "RULE")
	for _, r := range s.Rules {
		text := r.Text
		if r.Name != "" {
			text = r.Name + ": " + text
		}
		row(r.Packets, r.Bytes, since(r.Since), fmt.Sprintf("%s:%d", r.Source, r.Line), text)
	}
	if s.Counting == codegen.CountVerdicts {
		for _, v := range s.Verdicts {
			row(v.Packets, v.Bytes, since(v.Since), "rules", fmt.Sprintf("all that %v", v.Verdict))
		}
	}
	row(s.Default.Packets, s.Default.Bytes, all, "default", fmt.Sprintf("default %v", s.Default.Verdict))
	if err := w.Flush(); err != nil || differ {
		return err
	}
	_, err := fmt.Fprintf(c.App.Writer, "all since %s\n", all)
	return err
}

// since is when a counter began to count, in local time; "-" if there is none.
func since(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return t.Local().Format(time.DateTime)
}
