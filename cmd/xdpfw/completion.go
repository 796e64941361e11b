package main

import (
	_ "embed"
	"fmt"
	"slices"

	"github.com/urfave/cli/v2"
)

var (
	//go:embed completion.bash
	completionBash string
	//go:embed completion.zsh
	completionZsh string
	//go:embed completion.fish
	completionFish string
)

// The shells whose completion is known.
var (
	shellNames   = []string{"bash", "zsh", "fish"}
	shellScripts = map[string]string{"bash": completionBash, "zsh": completionZsh, "fish": completionFish}
)

func completionCommand() *cli.Command {
	return &cli.Command{
		Name:      "completion",
		Usage:     "print the script that makes a shell complete xdpfw's words",
		UsageText: "xdpfw completion bash|zsh|fish",
		Description: "Verbs, options, their values, names of interfaces and files are completed.\n\n" +
			"Examples:\n   source <(xdpfw completion bash)      # in ~/.bashrc\n" +
			"   source <(xdpfw completion zsh)       # in ~/.zshrc, behind compinit\n" +
			"   xdpfw completion fish | source       # in ~/.config/fish/config.fish",
		Action: completion,
	}
}

func completion(c *cli.Context) error {
	shell := c.Args().First()
	switch {
	case c.NArg() > 1:
		return usagef("one shell at a time: %q is too many", c.Args().Get(1))
	case !slices.Contains(shellNames, shell):
		return usagef("completion needs the shell: %s", orList(shellNames))
	}
	_, err := fmt.Fprint(c.App.Writer, shellScripts[shell])
	return err
}
