package main

import (
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"xdpfw/codegen"
	"xdpfw/loader"
)

// choiceFlag takes one of a few words; anything else is wrong usage.
func choiceFlag(name, value, usage string, choices ...string) cli.Flag {
	refuseOthers := func(_ *cli.Context, given string) error {
		if !slices.Contains(choices, given) {
			return usagef("--%s %s: must be %s", name, given, orList(choices))
		}
		return nil
	}
	return &completableFlag{
		&cli.StringFlag{Name: name, Value: value, Usage: usage, Action: refuseOthers}, func() []string { return choices },
	}
}

// orList is "a, b or c".
func orList(words []string) string {
	last := len(words) - 1
	return strings.Join(words[:last], ", ") + " or " + words[last]
}

// compileFlagNames are the names of the options of all verbs that compile.
var compileFlagNames = []string{"strategy", "counters", "table-memory", "target"}

// withCompileFlags adds those options.
func withCompileFlags(flags ...cli.Flag) []cli.Flag {
	return append(flags,
		choiceFlag("strategy", codegen.Auto, "compile with `STRATEGY`: "+orList(codegen.Strategies), codegen.Strategies...),
		choiceFlag("counters", codegen.CountRules, "count packets and bytes of `WHAT`: each of the rules, verdicts only, or none", codegen.CounterModes...),
		&cli.StringFlag{
			Name: "table-memory", Value: sizeText(codegen.DefaultTableMemory), Usage: "let tables take up to `SIZE` (KiB, MiB, GiB)",
			Action: func(_ *cli.Context, given string) error {
				_, err := parseSize(given)
				return err
			},
		},
		&cli.StringFlag{
			Name: "target", Value: codegen.Baseline.Kernel, Usage: "compile for Linux `KERNEL` and later",
			Action: func(_ *cli.Context, given string) error {
				if _, err := codegen.ParseTarget(given); err != nil {
					return usagef("--target %s: %v", given, err)
				}
				return nil
			},
		},
	)
}

// noCompileFlags refuses options of compiling where nothing is compiled.
func noCompileFlags(c *cli.Context, because string) error {
	for _, name := range compileFlagNames {
		if c.IsSet(name) {
			return usagef("--%s %s", name, because)
		}
	}
	return nil
}

// compileOptions are the values of those flags, which are known to be right.
func compileOptions(c *cli.Context) codegen.Options {
	memory, _ := parseSize(c.String("table-memory"))
	target, _ := codegen.ParseTarget(c.String("target"))
	return codegen.Options{Strategy: c.String("strategy"), Counters: c.String("counters"), TableMemory: memory, Target: target}
}

func netnsFlag() cli.Flag {
	return &completableFlag{
		&cli.StringFlag{Name: "netns", Usage: "look for the interface in the network namespace `NAME|PATH`"},
		func() []string { return entryNames("/run/netns") },
	}
}

// inNamespace calls f in the network namespace that the options name.
func inNamespace(c *cli.Context, f func() error) error {
	return loader.InNamespace(c.String("netns"), f)
}

func interfaceFlag(usage string) cli.Flag {
	return &completableFlag{
		&cli.StringFlag{Name: "i", Usage: usage}, func() []string { return entryNames("/sys/class/net") },
	}
}

// oneInterface is the interface that -i must name.
func oneInterface(c *cli.Context) (string, error) {
	names, err := interfaces(c)
	if err == nil && len(names) > 1 {
		err = usagef("%s takes one interface, -i %s names %d", c.Command.Name, c.String("i"), len(names))
	}
	if err != nil {
		return "", err
	}
	return names[0], nil
}

// interfaces are those that -i must name, separated by commas.
func interfaces(c *cli.Context) ([]string, error) {
	if !c.IsSet("i") {
		return nil, usagef("-i IFACE is missing: the interface")
	}
	names := strings.Split(c.String("i"), ",")
	for i, name := range names {
		if name == "" {
			return nil, usagef("-i %s: an interface name is empty", c.String("i"))
		}
		if slices.Contains(names[:i], name) {
			return nil, usagef("-i %s: %s is named twice", c.String("i"), name)
		}
	}
	return names, nil
}

// someInterfaces is what -i names, nil if it is not given.
func someInterfaces(c *cli.Context) ([]string, error) {
	if !c.IsSet("i") {
		return nil, nil
	}
	return interfaces(c)
}

// oneFile is the rule file that must be the only argument.
func oneFile(c *cli.Context) (string, error) {
	switch c.NArg() {
	case 0:
		return "", usagef("the rule file is missing")
	case 1:
		return c.Args().First(), nil
	}
	return "", usagef("one rule file at a time: %q is too many", c.Args().Get(1))
}

// noArguments refuses any.
func noArguments(c *cli.Context) error {
	if c.NArg() > 0 {
		return usagef("%s takes no argument: %q is too many", c.Command.Name, c.Args().First())
	}
	return nil
}
