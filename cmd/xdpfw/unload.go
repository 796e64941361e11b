package main

import (
	"fmt"

	"github.com/urfave/cli/v2"

	"xdpfw/loader"
)

func unloadCommand() *cli.Command {
	return &cli.Command{
		Name:      "unload",
		Usage:     "detach the rules from interfaces and remove every trace",
		UsageText: "xdpfw unload -i IFACE[,IFACE…] [options]",
		Description: "XDP programs that are not xdpfw's are left alone.\n\n" +
			"Example:\n   sudo xdpfw unload -i eth0",
		Flags:  []cli.Flag{interfaceFlag("detach from `IFACE[,IFACE…]`"), netnsFlag(), jsonFlag()},
		Action: unload,
	}
}

func unload(c *cli.Context) error {
	if err := noArguments(c); err != nil {
		return err
	}
	names, err := interfaces(c)
	if err != nil {
		return err
	}
	for _, name := range names {
		if err := inNamespace(c, func() error { return loader.Unload(name) }); err != nil {
			return err
		}
		if err := sayUnloaded(c, name); err != nil {
			return err
		}
	}
	return nil
}

func sayUnloaded(c *cli.Context, iface string) error {
	if c.Bool("json") {
		return printJSON(c.App.Writer, struct {
			Interface string `json:"interface"`
			Unloaded  bool   `json:"unloaded"`
		}{iface, true})
	}
	_, err := fmt.Fprintf(c.App.Writer, "%s: unloaded\n", iface)
	return err
}
