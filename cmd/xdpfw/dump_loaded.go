package main

import (
	"fmt"
	"io/fs"

	"github.com/urfave/cli/v2"

	"xdpfw/codegen"
	"xdpfw/loader"
	"xdpfw/rules"
)

// dumpLoaded lists what is loaded on an interface. What it was compiled from
// is kept with it and is compiled again; where that gives another program than
// the one that is there, the kernel is asked for that one.
func dumpLoaded(c *cli.Context) error {
	if err := noArguments(c); err != nil {
		return err
	}
	iface, err := oneInterface(c)
	if err != nil {
		return err
	}
	if err := noCompileFlags(c, "is for rule files: what is loaded is compiled already"); err != nil {
		return err
	}
	var loaded *loader.Loaded
	var counted *loader.Stats
	err = inNamespace(c, func() error {
		if loaded, err = loader.ReadLoaded(iface); err == nil && c.String("format") == "html" {
			counted, err = loader.ReadStats(iface)
		}
		return err
	})
	if err != nil {
		return err
	}
	set, object, why := compileLoaded(loaded)
	stage := c.String("stage")
	switch {
	case (stage == stageXlated || stage == stageJited) && object != nil:
		return dumpTranslated(c, stage, object) // the same program, by its tag
	case stage == stageXlated || stage == stageJited:
		t, err := loaded.Translation()
		if err != nil {
			return err
		}
		return printTranslation(c, stage, nil, t)
	case stage != stageAsm:
		return usagef("--stage %s is for rule files", stage)
	case object == nil:
		return dumpXlated(c, loaded, why)
	}
	for _, named := range loaded.Interfaces {
		fmt.Fprintf(c.App.ErrWriter, "note: %s is the interface with index %d, as it was when the rules were loaded\n", named.Name, named.Index)
	}
	return printObject(c, set, object, counted)
}

// compileLoaded makes the Object that was loaded once more; nil if that cannot
// be, and why not.
func compileLoaded(loaded *loader.Loaded) (set *rules.RuleSet, object *codegen.Object, why string) {
	switch {
	case loaded.Object != nil:
		object = loaded.Object
	case !loaded.Kept:
		return nil, nil, "its rules were not kept: they are too large, or another xdpfw loaded them, or somebody removed their pin"
	default:
		var err error
		if set, object, err = compileKept(loaded); err != nil {
			return nil, nil, fmt.Sprintf("its rules, which were kept, cannot be compiled by this xdpfw: %v", err)
		}
	}
	if object.Digest != loaded.Digest {
		return nil, nil, fmt.Sprintf("its digest is %s, and what this xdpfw compiles of the rules that were kept has %s: another version loaded them", loaded.Digest, object.Digest)
	}
	switch same, err := loaded.Runs(object); {
	case err != nil:
		return nil, nil, fmt.Sprintf("it cannot be compared with what is compiled of the rules that were kept: %v", err)
	case !same:
		return nil, nil, "this xdpfw compiles the rules that were kept to another program: another version loaded them"
	}
	return set, object, ""
}

func compileKept(loaded *loader.Loaded) (*rules.RuleSet, *codegen.Object, error) {
	read := func(path string, _ int) ([]byte, error) {
		for _, f := range loaded.Files {
			if f.Name == path {
				return f.Text, nil
			}
		}
		return nil, fs.ErrNotExist
	}
	main := loaded.Files[0]
	set, diagnostics := rules.ParseAndCheckWith(read, rules.NewFile(main.Name, main.Text))
	if err := diagnostics.Err(); err != nil {
		return nil, nil, err
	}
	object, err := codegen.Compile(set, loaded.Options)
	return set, object, err
}

// dumpXlated prints the program as the kernel has it.
func dumpXlated(c *cli.Context, loaded *loader.Loaded, why string) error {
	doing := "list what is loaded on " + loaded.Interface
	if c.Bool("json") || c.String("format") != "text" {
		return &loader.Error{Doing: doing, Why: why, Help: "as text, the program is listed as the kernel has it: leave out --json and --format"}
	}
	t, err := loaded.Translation()
	if err != nil {
		return &loader.Error{Doing: doing, Why: fmt.Sprintf("%s; and the kernel does not show the program: %v", why, err), Help: "run it as root (sudo), or load the rules again with this xdpfw", Err: err}
	}
	if _, err := fmt.Fprintf(c.App.Writer, "; program id %d on %s as the kernel has it, rewritten by the verifier, since\n; %s\n; source    %s, %d rules\n; digest    %s\n",
		loaded.ProgramID, loaded.Interface, why, loaded.Source, loaded.Rules, loaded.Digest); err != nil {
		return err
	}
	return printTranslation(c, stageXlated, nil, t)
}
