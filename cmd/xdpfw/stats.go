package main

import (
	"fmt"
	"text/tabwriter"

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
			"Examples:\n   sudo xdpfw stats -i eth0\n   sudo xdpfw stats -i eth0 --json",
		Flags:  []cli.Flag{interfaceFlag("show the counters of `IFACE`"), netnsFlag(), jsonFlag()},
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
	total
}

type total struct {
	Packets uint64 `json:"packets"`
	Bytes   uint64 `json:"bytes"`
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
	var s *loader.Stats
	err = inNamespace(c, func() error {
		s, err = loader.ReadStats(iface)
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
	object := interfaceStats{Interface: s.Interface, Counters: s.Counting, Verdicts: []verdictStats{}, Rules: []ruleStats{}}
	if s.Counting != codegen.CountNone {
		byDefault := totalOf(s.Default.CounterValue)
		object.Default = &byDefault
	}
	for _, v := range s.Verdicts {
		object.Verdicts = append(object.Verdicts, verdictStats{v.Verdict.String(), totalOf(v.CounterValue)})
	}
	for _, r := range s.Rules {
		object.Rules = append(object.Rules, ruleStats{r.Name, r.Source, r.Line, r.Text, totalOf(r.CounterValue)})
	}
	return printJSON(c.App.Writer, object)
}

func totalOf(v codegen.CounterValue) total { return total{v.Packets, v.Bytes} }

func printStatsTable(c *cli.Context, s *loader.Stats) error {
	w := tabwriter.NewWriter(c.App.Writer, 0, 8, 2, ' ', 0)
	fmt.Fprintln(w, "PACKETS\tBYTES\tWHERE\tRULE")
	for _, r := range s.Rules {
		text := r.Text
		if r.Name != "" {
			text = r.Name + ": " + text
		}
		fmt.Fprintf(w, "%d\t%d\t%s:%d\t%s\n", r.Packets, r.Bytes, r.Source, r.Line, text)
	}
	if s.Counting == codegen.CountVerdicts {
		for _, v := range s.Verdicts {
			fmt.Fprintf(w, "%d\t%d\trules\tall that %v\n", v.Packets, v.Bytes, v.Verdict)
		}
	}
	fmt.Fprintf(w, "%d\t%d\tdefault\tdefault %v\n", s.Default.Packets, s.Default.Bytes, s.Default.Verdict)
	return w.Flush()
}
