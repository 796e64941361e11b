package main

import (
	"fmt"
	"text/tabwriter"

	"github.com/urfave/cli/v2"

	"xdpfw/codegen"
	"xdpfw/loader"
)

func statusCommand() *cli.Command {
	return &cli.Command{
		Name:      "status",
		Usage:     "show which XDP programs are attached where",
		UsageText: "xdpfw status [-i IFACE] [options]",
		Description: "Programs of other tools are shown too.\n\n" +
			"Examples:\n   sudo xdpfw status\n   sudo xdpfw status -i eth0 --json",
		Flags:  []cli.Flag{interfaceFlag("show only `IFACE`"), netnsFlag(), jsonFlag()},
		Action: status,
	}
}

// An interfaceStatus is what `status --json` prints for an interface. What
// follows Program is of xdpfw's own programs only.
type interfaceStatus struct {
	Interface string   `json:"interface"`
	Ours      bool     `json:"ours"`
	Gone      bool     `json:"gone,omitempty"` // the interface is, and the link is dead
	Mode      string   `json:"mode"`
	ProgramID uint32   `json:"program_id"`
	Program   string   `json:"program"`
	Source    string   `json:"source,omitempty"`
	Digest    string   `json:"digest,omitempty"`
	Loaded    string   `json:"loaded,omitempty"` // RFC 3339
	Version   int      `json:"version,omitempty"`
	Strategy  string   `json:"strategy,omitempty"`
	Target    string   `json:"target,omitempty"` // the oldest kernel it is for
	Counters  string   `json:"counters,omitempty"`
	Trial     *float64 `json:"trial_seconds,omitempty"` // until it is taken back, if it is on trial
	Rules     int      `json:"rules"`
	Packets   *uint64  `json:"packets"` // null if nothing is counted
	Bytes     *uint64  `json:"bytes"`
	Warnings  []string `json:"warnings"`
}

func status(c *cli.Context) error {
	if err := noArguments(c); err != nil {
		return err
	}
	iface, err := "", error(nil)
	if c.IsSet("i") {
		if iface, err = oneInterface(c); err != nil {
			return err
		}
	}
	var found []loader.Status
	err = inNamespace(c, func() error {
		found, err = loader.ListStatus(iface)
		return err
	})
	if err != nil {
		return err
	}
	if c.Bool("json") {
		return printStatusJSON(c, found)
	}
	return printStatusTable(c, iface, found)
}

func printStatusJSON(c *cli.Context, found []loader.Status) error {
	for _, s := range found {
		object := interfaceStatus{
			Interface: s.Interface, Ours: s.Ours, Gone: s.Gone, Mode: modeName(s.Mode), ProgramID: s.ProgramID, Program: s.Program,
			Source: s.Source, Digest: s.Digest, Loaded: s.Loaded, Version: s.Version,
			Strategy: s.Strategy, Target: s.Target, Counters: s.Counting,
			Rules: s.Rules, Packets: &s.Packets, Bytes: &s.Bytes, Warnings: append([]string{}, s.Warnings...),
		}
		if s.Counting == codegen.CountNone {
			object.Packets, object.Bytes = nil, nil
		}
		if s.Trial != nil {
			left := max(0, s.Trial.Seconds())
			object.Trial = &left
		}
		if err := printJSON(c.App.Writer, object); err != nil {
			return err
		}
	}
	return nil
}

func printStatusTable(c *cli.Context, iface string, found []loader.Status) error {
	if len(found) == 0 {
		where := "any interface"
		if iface != "" {
			where = iface
		}
		fmt.Fprintf(c.App.Writer, "no XDP program on %s\n", where)
		return nil
	}
	w := tabwriter.NewWriter(c.App.Writer, 0, 8, 2, ' ', 0)
	fmt.Fprintln(w, "INTERFACE\tMODE\tPROGRAM\tRULES\tPACKETS\tBYTES\tLOADED\tFILE")
	for _, s := range found {
		program := fmt.Sprintf("%s (id %d)", s.Program, s.ProgramID)
		if !s.Ours {
			fmt.Fprintf(w, "%s\t%s\t%s\t-\t-\t-\t-\tnot xdpfw's\n", s.Interface, modeName(s.Mode), program)
			continue
		}
		packets, bytes := fmt.Sprint(s.Packets), fmt.Sprint(s.Bytes)
		if s.Counting == codegen.CountNone {
			packets, bytes = "-", "-"
		}
		mode := modeName(s.Mode)
		if s.Gone {
			mode = "gone"
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%d\t%s\t%s\t%s\t%s\n",
			s.Interface, mode, program, s.Rules, packets, bytes, s.Loaded, s.Source)
	}
	for _, s := range found {
		if s.Trial != nil {
			printTrial(c, s)
		}
		printWarnings(c, s.Interface, s.Warnings)
	}
	return w.Flush()
}

// printTrial says of rules on trial how long they are.
func printTrial(c *cli.Context, s loader.Status) {
	if *s.Trial <= 0 {
		fmt.Fprintf(c.App.ErrWriter, "note: %s: on trial, and the time is over: if they are not taken back within seconds the process that does it was killed; the next load, confirm or unload does it\n",
			s.Interface)
		return
	}
	fmt.Fprintf(c.App.ErrWriter, "note: %s: on trial, taken back in %.0f s unless confirmed: xdpfw confirm -i %s\n", s.Interface, s.Trial.Seconds(), s.Interface)
}
