package main

import (
	"fmt"

	"github.com/urfave/cli/v2"

	"xdpfw/loader"
)

func unloadCommand() *cli.Command {
	return &cli.Command{
		Name:      "unload",
		Usage:     "detach the rules from an interface and remove every trace",
		UsageText: "xdpfw unload -i IFACE [options]",
		Description: "XDP programs that are not xdpfw's are left alone.\n\n" +
			"Example:\n   sudo xdpfw unload -i eth0",
		Flags:  []cli.Flag{interfaceFlag("detach from `IFACE`"), netnsFlag(), jsonFlag()},
		Action: unload,
	}
}

func unload(c *cli.Context) error {
	if err := noArguments(c); err != nil {
		return err
	}
	iface, err := oneInterface(c)
	if err != nil {
		return err
	}
	if err := inNamespace(c, func() error { return loader.Unload(iface) }); err != nil {
		return err
	}
	if c.Bool("json") {
		return printJSON(c.App.Writer, struct {
			Interface string `json:"interface"`
			Unloaded  bool   `json:"unloaded"`
		}{iface, true})
	}
	fmt.Fprintf(c.App.Writer, "%s: unloaded\n", iface)
	return nil
}
