package main

import (
	"errors"
	"fmt"

	"github.com/urfave/cli/v2"

	"xdpfw/codegen/reach"
	"xdpfw/rules"
)

func checkCommand() *cli.Command {
	return &cli.Command{
		Name:      "check",
		Usage:     "check rule files and print what is wrong with them",
		UsageText: "xdpfw check [options] FILE…",
		Description: "Warnings alone do not fail. Every file is checked, also behind one that has errors.\n\n" +
			"Examples:\n   xdpfw check rules.fw\n   xdpfw check --json rules.fw other.fw",
		Flags:  []cli.Flag{jsonFlag()},
		Action: check,
	}
}

// A diagnosticLine is what `check --json` prints for an error or a warning. A
// file that cannot be read is an error on line 0.
type diagnosticLine struct {
	File     string     `json:"file"`
	Line     int        `json:"line"`
	Col      int        `json:"col"`     // from 1, in characters
	EndCol   int        `json:"end_col"` // behind the last character, on the same line
	Severity string     `json:"severity"`
	Code     string     `json:"code"`
	Message  string     `json:"message"`
	Help     string     `json:"help"`
	Notes    []noteLine `json:"notes"`
	Source   string     `json:"source"` // File once more: line always comes with source
}

// A noteLine points at another place that has to do with it.
type noteLine struct {
	File    string `json:"file"`
	Line    int    `json:"line"`
	Col     int    `json:"col"`
	EndCol  int    `json:"end_col"`
	Message string `json:"message"`
	Source  string `json:"source"`
}

func check(c *cli.Context) error {
	if c.NArg() == 0 {
		return usagef("the rule file is missing")
	}
	var failed error
	for _, path := range c.Args().Slice() {
		ok, err := checkFile(c, path)
		if err != nil {
			return err
		}
		if !ok {
			failed = errReported
		}
	}
	return failed
}

// checkFile says whether the file is free of errors.
func checkFile(c *cli.Context, path string) (ok bool, err error) {
	file, err := rules.ReadFile(path)
	if err != nil {
		return false, printUnreadable(c, path, err)
	}
	if c.Bool("json") {
		_, diagnostics := rules.ParseAndCheckReach(file, reach.Find)
		return diagnostics.Err() == nil, printDiagnosticLines(c, diagnostics)
	}
	set, diagnostics := rules.ParseAndCheckReach(file, reach.Find)
	set, err = printChecked(c, set, diagnostics)
	if errors.Is(err, errReported) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	fmt.Fprintf(c.App.Writer, "%s: %s, ok\n", path, count(len(set.Rules), "rule"))
	return true, nil
}

func printUnreadable(c *cli.Context, path string, err error) error {
	if c.Bool("json") {
		return printJSON(c.App.Writer, diagnosticLine{
			File: path, Severity: "error", Code: "unreadable", Message: err.Error(), Notes: []noteLine{}, Source: path,
		})
	}
	printError(c, err)
	return nil
}

func printDiagnosticLines(c *cli.Context, diagnostics rules.Diagnostics) error {
	for _, d := range diagnostics {
		line := diagnosticLine{
			Severity: d.Severity.String(), Code: d.Code, Message: d.Message, Help: d.Help, Notes: []noteLine{},
		}
		line.File, line.Line, line.Col, line.EndCol = place(d.Span)
		line.Source = line.File
		for _, n := range d.Notes {
			note := noteLine{Message: n.Message}
			note.File, note.Line, note.Col, note.EndCol = place(n.Span)
			note.Source = note.File
			line.Notes = append(line.Notes, note)
		}
		if err := printJSON(c.App.Writer, line); err != nil {
			return err
		}
	}
	return nil
}
