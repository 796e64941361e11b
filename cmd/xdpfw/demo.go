package main

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"os/signal"
	"slices"
	"strings"
	"syscall"

	"github.com/urfave/cli/v2"

	"xdpfw/codegen"
	"xdpfw/loader"
	"xdpfw/rules"
)

// demoRules is the example that the demo runs unless it is given another.
//
//go:embed demo.fw
var demoRules []byte

func demoCommand() *cli.Command {
	return &cli.Command{
		Name:      "demo",
		Usage:     "show the whole thing on this machine, in network namespaces of its own",
		UsageText: "xdpfw demo [--rules FILE]",
		Description: "Makes two network namespaces and a veth pair between them, compiles the rules, attaches them to\n" +
			"one end in native mode, and sends packets of many kinds from the other. Shows what arrived behind\n" +
			"the rules, what the kernel counted, and which rule decided; fails if that is not what the rules\n" +
			"say. Touches no interface and no file of the machine, and leaves nothing behind.\n\n" +
			"Examples:\n   sudo xdpfw demo\n   sudo xdpfw demo --rules rules.fw",
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "rules", Usage: "show what the rules in `FILE` do to the same packets"},
		},
		Action: demo,
	}
}

// errDemoDiffers: the kernel did something else than the rules say.
var errDemoDiffers = errors.New("what happened is not what the rules say, where a line begins with `!`")

func demo(c *cli.Context) error {
	if err := noArguments(c); err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(c.Context, syscall.SIGINT, syscall.SIGTERM)
	defer stop()

	set, err := demoRuleSet(c)
	if err != nil {
		return err
	}
	object, err := codegen.Compile(set, codegen.Options{})
	if err != nil {
		return err
	}
	err = runDemo(ctx, c, set, object)
	switch {
	case errors.Is(err, context.Canceled):
		return errors.New("interrupted; everything is removed")
	case err == nil || errors.Is(err, errDemoDiffers):
		fmt.Fprintln(c.App.Writer, "\nremoved: program, maps, veth pair and both namespaces")
	}
	return err
}

// runDemo does all of it, and has undone it all when it returns.
func runDemo(ctx context.Context, c *cli.Context, set *rules.RuleSet, object *codegen.Object) error {
	bench, err := newDemoBench()
	if err != nil {
		return err
	}
	defer bench.close()
	return bench.show(ctx, c, set, object)
}

// demoRuleSet is what --rules names, else the shipped example.
func demoRuleSet(c *cli.Context) (*rules.RuleSet, error) {
	if path := c.String("rules"); path != "" {
		return readRules(c, path)
	}
	return checkRules(c, rules.NewFile("demo.fw", demoRules))
}

// show loads the rules, sends the traffic, and prints what became of it.
func (b *demoBench) show(ctx context.Context, c *cli.Context, set *rules.RuleSet, object *codegen.Object) (err error) {
	w := c.App.Writer
	attached, err := b.load(set, object)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.unload()) }()
	fmt.Fprintf(w, "%s: %s, compiled to %s, attached in %s mode (program %d)\n\n",
		object.Source, count(object.Rules, "rule"), count(instructionSlots(object), "instruction"), modeName(attached.Mode), attached.ProgramID)

	if err := b.showTraffic(ctx, w, set); err != nil {
		return err
	}
	stats, err := b.stats()
	if err != nil {
		return err
	}
	fmt.Fprintln(w, "\nWhat the kernel counted (xdpfw stats):")
	if err := printStatsTable(c, stats); err != nil {
		return err
	}
	return printListingHead(w, object)
}

// demoRow is the layout of a line of showTraffic.
const demoRow = "%1s %-40s %4v %7v %7v  %s\n"

// showTraffic sends every kind of packet and prints a line for each.
func (b *demoBench) showTraffic(ctx context.Context, w io.Writer, set *rules.RuleSet) error {
	fmt.Fprintf(w, demoRow, "", "", "SENT", "ARRIVED", "DROPPED", "DECIDED BY")
	var complaints []string
	for _, kind := range demoKinds(b) {
		result, err := b.try(ctx, set, kind)
		if err != nil {
			return err
		}
		mark, name := "", kind.name
		if kind.talk != nil && result.answered {
			name += ": " + kind.talk.yes
		} else if kind.talk != nil {
			name += ": " + kind.talk.no
		}
		if complaint := result.complaint(); complaint != "" {
			mark = "!"
			complaints = append(complaints, kind.name+": "+complaint)
		}
		fmt.Fprintf(w, demoRow, mark, name, len(result.sent), result.arrived, result.dropped(), result.deciders())
	}
	for _, complaint := range complaints {
		fmt.Fprintln(w, "!", complaint)
	}
	if complaints != nil {
		return errDemoDiffers
	}
	return nil
}

// printListingHead prints the beginning of what `xdpfw dump` prints.
func printListingHead(w io.Writer, object *codegen.Object) error {
	const head = 30
	var listing strings.Builder
	if err := object.Listing(&listing, false); err != nil {
		return err
	}
	lines := slices.Collect(strings.Lines(listing.String()))
	fmt.Fprintf(w, "\nThe first of the %d lines that `xdpfw dump` prints of this program:\n", len(lines))
	for _, line := range lines[:min(head, len(lines))] {
		fmt.Fprint(w, "  ", line)
	}
	return nil
}

// load attaches the rules to the inner end. The lockout guard is not asked:
// nobody can be locked out of a namespace that lives as long as the demo.
func (b *demoBench) load(set *rules.RuleSet, object *codegen.Object) (attached loader.Attachment, err error) {
	err = b.inside(func() error {
		all, err := loader.Load(object, loader.LoadOptions{
			Interfaces: []string{demoInterface}, Mode: loader.Native, Force: true, Rules: set,
		})
		if err == nil {
			attached = all[0]
		}
		return err
	})
	return attached, err
}

func (b *demoBench) unload() error {
	return b.inside(func() error { return loader.Unload(demoInterface) })
}

func (b *demoBench) stats() (stats *loader.Stats, err error) {
	err = b.inside(func() error {
		stats, err = loader.ReadStats(demoInterface)
		return err
	})
	return stats, err
}
