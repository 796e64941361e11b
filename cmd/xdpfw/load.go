package main

import (
	"fmt"

	"github.com/urfave/cli/v2"

	"xdpfw/codegen"
	"xdpfw/loader"
)

func loadCommand() *cli.Command {
	return &cli.Command{
		Name:      "load",
		Usage:     "compile a rule file and attach it to interfaces",
		UsageText: "xdpfw load -i IFACE[,IFACE…] [options] FILE|OBJECT",
		Description: "Rules that xdpfw has on an interface already are replaced atomically. Of several interfaces\n" +
			"all are attached to, or none. Rules that would cut off the SSH session they are loaded from,\n" +
			"ARP or neighbour discovery are refused, or with --confirm put on trial: what was there before\n" +
			"comes back unless they are confirmed in time, also if the connection is cut.\n\n" +
			"Examples:\n   sudo xdpfw load -i eth0 rules.fw\n   sudo xdpfw load -i eth0 --confirm 30s rules.fw\n" +
			"   sudo xdpfw load -i eth0,eth1 --mode native --dry-run rules.fw",
		Flags: withCompileFlags(
			interfaceFlag("attach to `IFACE[,IFACE…]`"),
			choiceFlag("mode", "auto", "attach in `MODE`: auto (native where the driver has it, else generic), native, generic or offload",
				"auto", "native", "generic", "offload"),
			confirmFlag(),
			&cli.BoolFlag{DisableDefaultText: true, Name: "force", Usage: "load also what would cut off this session, and rules that read VLAN tags where the card hides these"},
			&cli.BoolFlag{DisableDefaultText: true, Name: "evict", Usage: "take off what another tool has on the interface, which passes frames in between"},
			&cli.BoolFlag{DisableDefaultText: true, Name: "dry-run", Usage: "do everything but attach"},
			netnsFlag(),
			jsonFlag(),
		),
		Action: load,
	}
}

// A loadResult is what `load --json` prints for an interface.
type loadResult struct {
	Interface string   `json:"interface"`
	Mode      string   `json:"mode"`
	Replaced  bool     `json:"replaced"`
	Evicted   string   `json:"evicted,omitempty"` // another tool's program, whose place it took
	ProgramID uint32   `json:"program_id"`        // 0 after a dry run
	Source    string   `json:"source"`
	Digest    string   `json:"digest"`
	Rules     int      `json:"rules"`
	Strategy  string   `json:"strategy"`
	Counters  string   `json:"counters"`
	Target    string   `json:"target"` // the oldest kernel it is for
	DryRun    bool     `json:"dry_run"`
	Trial     float64  `json:"trial_seconds,omitempty"` // until it is taken back, if it is on trial
	Warnings  []string `json:"warnings"`
}

func load(c *cli.Context) error {
	names, err := interfaces(c)
	if err != nil {
		return err
	}
	path, err := oneFile(c)
	if err != nil {
		return err
	}
	set, object, err := compileFile(c, path)
	if err != nil {
		return err
	}
	done := working(c, "loading "+path)
	var attached []loader.Attachment
	err = inNamespace(c, func() error {
		attached, err = loader.Load(object, loader.LoadOptions{
			Interfaces: names,
			Mode:       modes[c.String("mode")],
			Force:      c.Bool("force"),
			Evict:      c.Bool("evict"),
			DryRun:     c.Bool("dry-run"),
			Options:    compileOptions(c),
			Rules:      set,
			Confirm:    c.Duration("confirm"),
			Keeper:     []string{keeperVerb},
		})
		return err
	})
	done()
	if err != nil {
		return err
	}
	if err := printAttachments(c, object, attached); err != nil {
		return err
	}
	return awaitConfirmation(c, attached)
}

var modes = map[string]loader.Mode{
	"auto": loader.Auto, "native": loader.Native, "generic": loader.Generic, "offload": loader.Offload,
}

// modeName is the inverse of modes.
func modeName(m loader.Mode) string {
	for name, mode := range modes {
		if mode == m {
			return name
		}
	}
	return "unknown"
}

func printAttachments(c *cli.Context, object *codegen.Object, attached []loader.Attachment) error {
	for _, a := range attached {
		if c.Bool("json") {
			result := loadResult{
				Interface: a.Interface, Mode: modeName(a.Mode), Replaced: a.Replaced, Evicted: a.Evicted, ProgramID: a.ProgramID,
				Source: object.Source, Digest: object.Digest, Rules: object.Rules,
				Strategy: object.Strategy, Counters: object.Counting, Target: object.Target.Kernel,
				DryRun: c.Bool("dry-run"), Warnings: append([]string{}, a.Warnings...),
			}
			if a.Trial != nil {
				result.Trial = a.Trial.Left().Seconds()
			}
			if err := printJSON(c.App.Writer, result); err != nil {
				return err
			}
			continue
		}
		printWarnings(c, a.Interface, a.Warnings)
		did := "loaded"
		switch {
		case c.Bool("dry-run"):
			did = "would load"
		case a.Replaced:
			did = "replaced by"
		}
		mode := modeName(a.Mode)
		if a.Mode == loader.Auto { // of a dry run, which does not try what the driver can do
			mode = "native if the driver can, else generic"
		}
		inPlace := ""
		if a.Evicted != "" {
			inPlace = ", in place of " + a.Evicted
		}
		fmt.Fprintf(c.App.Writer, "%s: %s %s (%s, %s)%s\n", a.Interface, did, object.Source, count(object.Rules, "rule"), mode, inPlace)
	}
	return nil
}

func printWarnings(c *cli.Context, iface string, warnings []string) {
	for _, warning := range warnings {
		fmt.Fprintf(c.App.ErrWriter, "warning: %s: %s\n", iface, warning)
	}
}
