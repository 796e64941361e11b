package main

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"strconv"
	"time"

	"github.com/urfave/cli/v2"
	"golang.org/x/sys/unix"

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
	var names []string
	if c.IsSet("i") {
		var err error
		if names, err = interfaces(c); err != nil {
			return err
		}
	}
	var kept []string
	err := inNamespace(c, func() (err error) {
		kept, err = loader.Confirm(names)
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
	return err
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

// errTakenBack: rules on trial were not kept. What is to say was said.
var errTakenBack = errReported

// awaitConfirmation asks at a terminal whether to keep what was put on trial,
// and elsewhere says how to.
func awaitConfirmation(c *cli.Context, attached []loader.Attachment, deadline time.Time) error {
	names := make([]string, len(attached))
	for i, a := range attached {
		names[i] = a.Interface
	}
	if !isTerminal(os.Stdin) || !isTerminal(os.Stderr) || c.Bool("json") {
		fmt.Fprintf(c.App.ErrWriter, "on trial until %s: keep the rules with `xdpfw confirm`, or they are taken back\n", deadline.Local().Format(time.TimeOnly))
		return nil
	}
	kept, err := askToKeep(c, deadline)
	if err != nil {
		return err
	}
	act, said := loader.TakeBack, "taken back"
	if kept {
		act, said = loader.Confirm, "kept"
	}
	return inNamespace(c, func() error {
		_, err := act(names)
		var refused *loader.Error
		if errors.As(err, &refused) && !time.Now().Before(deadline) {
			kept, err, said = false, nil, "taken back"
		}
		if err != nil {
			return err
		}
		for _, name := range names {
			fmt.Fprintf(c.App.Writer, "%s: %s\n", name, said)
		}
		if !kept {
			return errTakenBack
		}
		return nil
	})
}

// askToKeep waits for Enter, or for Ctrl-C, or for the deadline.
func askToKeep(c *cli.Context, deadline time.Time) (bool, error) {
	line := make(chan bool, 1)
	go func() { // ends with the process, if nothing is typed
		_, err := bufio.NewReader(os.Stdin).ReadString('\n')
		line <- err == nil // the end of input is no answer
	}()
	interrupted := make(chan os.Signal, 1)
	signal.Notify(interrupted, unix.SIGINT, unix.SIGTERM)
	defer signal.Stop(interrupted)
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	w := c.App.ErrWriter
	defer fmt.Fprint(w, "\r\x1b[K")
	for {
		left := time.Until(deadline)
		if left <= 0 {
			return false, nil
		}
		fmt.Fprintf(w, "\rEnter keeps the rules, Ctrl-C takes them back: %.0f s left \x1b[K", left.Seconds())
		select {
		case answer := <-line:
			if answer {
				return true, nil
			}
			line = nil // the terminal is gone; the time runs on
		case <-interrupted:
			return false, nil
		case <-tick.C:
		}
	}
}
