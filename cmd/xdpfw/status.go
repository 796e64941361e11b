package main

import (
	"fmt"
	"strings"
	"text/tabwriter"

	"github.com/urfave/cli/v2"

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
	Ours      *bool    `json:"ours"`           // null if that cannot be told
	Gone      bool     `json:"gone,omitempty"` // the link is dead
	Mode      string   `json:"mode"`           // "off" then, "several" of several programs at once
	ProgramID uint32   `json:"program_id"`
	Program   string   `json:"program"`
	Source    string   `json:"source,omitempty"`
	Digest    string   `json:"digest,omitempty"`
	Loaded    string   `json:"loaded,omitempty"` // RFC 3339
	Version   int      `json:"version,omitempty"`
	Strategy  string   `json:"strategy,omitempty"`
	Target    string   `json:"target,omitempty"` // the oldest kernel it is for
	Counters  string   `json:"counters,omitempty"`
	Trial     *float64 `json:"trial_seconds,omitempty"`    // until it is taken back, if it is on trial
	Together  []string `json:"trial_interfaces,omitempty"` // that the same load put on trial
	Rules     *int     `json:"rules"`                      // null if not known, as of other tools' programs
	Packets   *uint64  `json:"packets"`                    // likewise, and if nothing is counted
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
			Interface: s.Interface, Ours: &s.Ours, Gone: s.Gone, Mode: statusMode(s), ProgramID: s.ProgramID, Program: s.Program,
			Source: s.Source, Digest: s.Digest, Loaded: s.Loaded, Version: s.Version,
			Strategy: s.Strategy, Target: s.Target, Counters: s.Counting, Warnings: append([]string{}, s.Warnings...),
		}
		if s.Unknown {
			object.Ours = nil
		}
		if s.Described() {
			object.Rules = &s.Rules
			if s.Counted {
				object.Packets, object.Bytes = &s.Packets, &s.Bytes
			}
		}
		if s.Trial != nil {
			left := max(0, s.Trial.Left.Seconds())
			object.Trial, object.Together = &left, s.Trial.Interfaces
		}
		if err := printJSON(c.App.Writer, object); err != nil {
			return err
		}
	}
	return nil
}

// statusMode is the mode as status calls it.
func statusMode(s loader.Status) string {
	switch {
	case s.Gone:
		return "off"
	case s.Mode == loader.Auto:
		return "several"
	}
	return modeName(s.Mode)
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
		program, rules, packets, bytes, loaded, file := "-", "-", "-", "-", "-", "-"
		switch {
		case s.ProgramID != 0:
			program = strings.TrimSpace(fmt.Sprintf("%s (id %d)", s.Program, s.ProgramID))
		case !s.Gone:
			program = "several"
		}
		switch {
		case s.Described():
			rules, loaded, file = fmt.Sprint(s.Rules), s.Loaded, s.Source
			if s.Counted {
				packets, bytes = fmt.Sprint(s.Packets), fmt.Sprint(s.Bytes)
			}
		case s.Unknown:
			file = "unknown"
		case !s.Ours:
			file = "not xdpfw's"
		}
		fmt.Fprintln(w, strings.Join([]string{s.Interface, statusMode(s), program, rules, packets, bytes, loaded, file}, "\t"))
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
	if s.Trial.Left <= 0 {
		fmt.Fprintf(c.App.ErrWriter, "note: %s: on trial, and the time is over: if they are not taken back within seconds the process that does it was killed; the next load, confirm or unload does it\n",
			s.Interface)
		return
	}
	fmt.Fprintf(c.App.ErrWriter, "note: %s: on trial, taken back in %.0f s unless confirmed: %s\n", s.Interface, s.Trial.Left.Seconds(), confirmLine(c, s.Trial.Interfaces))
}
