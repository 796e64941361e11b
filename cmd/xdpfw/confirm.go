package main

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"xdpfw/loader"
)

func confirmCommand() *cli.Command {
	return &cli.Command{
		Name:      "confirm",
		Usage:     "keep the rules that load --confirm put on trial",
		UsageText: "xdpfw confirm [-i IFACE[,IFACE…]] [options]",
		Description: "Without -i it keeps what is on trial on any interface. What is not kept in time is taken back.\n\n" +
			"Example:\n   sudo xdpfw load -i eth0 rules.fw --confirm 30s && sudo xdpfw confirm -i eth0",
		Flags:  []cli.Flag{interfaceFlag("keep those on `IFACE[,IFACE…]` only"), netnsFlag(), jsonFlag()},
		Action: confirm,
	}
}

func confirm(c *cli.Context) error {
	if err := noArguments(c); err != nil {
		return err
	}
	names, err := someInterfaces(c)
	if err != nil {
		return err
	}
	var kept, waiting []string
	err = inNamespace(c, func() (err error) {
		kept, waiting, err = loader.Confirm(names)
		return err
	})
	for _, name := range kept { // also if others were not on trial
		if c.Bool("json") {
			if err := printJSON(c.App.Writer, struct {
				Interface string `json:"interface"`
				Kept      bool   `json:"kept"`
			}{name, true}); err != nil {
				return err
			}
			continue
		}
		fmt.Fprintf(c.App.Writer, "%s: kept\n", name)
	}
	if len(kept) > 0 && len(waiting) > 0 {
		fmt.Fprintf(c.App.ErrWriter, "note: the same load put rules on trial on %s, which are taken back unless confirmed: %s\n",
			strings.Join(waiting, ", "), confirmLine(c, waiting))
	}
	return err
}

// confirmLine is the command that keeps what is on trial on interfaces.
func confirmLine(c *cli.Context, names []string) string {
	return loader.ConfirmCommand(c.String("netns"), names)
}

// keeperVerb is what `load --confirm` starts a copy of this program with.
const keeperVerb = "keep-trial"

func keeperCommand() *cli.Command {
	return &cli.Command{
		Name: keeperVerb, Hidden: true, Usage: "take back what is on trial when its time is over",
		UsageText:   "xdpfw " + keeperVerb + " TOKEN DEADLINE",
		Description: "Started by `xdpfw load --confirm` only.\n\nExample:\n   xdpfw load -i eth0 --confirm 30s rules.fw",
		Action: func(c *cli.Context) error {
			if c.NArg() != 2 {
				return usagef("it is started by `xdpfw load --confirm` only")
			}
			deadline, err := strconv.ParseInt(c.Args().Get(1), 10, 64)
			if err != nil {
				return usagef("%q is no time", c.Args().Get(1))
			}
			return loader.KeepTrial(c.Args().First(), deadline)
		},
	}
}

// Bounds of --confirm.
const (
	shortestTrial = time.Second
	longestTrial  = 24 * time.Hour
)

func confirmFlag() cli.Flag {
	return &cli.DurationFlag{
		Name: "confirm", DefaultText: "not on trial", Usage: "take the rules back after `DURATION` (30s, 2m) unless they are confirmed",
		Action: func(_ *cli.Context, given time.Duration) error {
			if given < shortestTrial || given > longestTrial {
				return usagef("--confirm %v: must be from %v to %v", given, shortestTrial, longestTrial)
			}
			return nil
		},
	}
}
