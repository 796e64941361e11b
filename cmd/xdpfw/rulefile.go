package main

import (
	"fmt"
	"unicode/utf8"

	"github.com/urfave/cli/v2"

	"xdpfw/codegen"
	"xdpfw/rules"
)

// readRules reads and checks a rule file and prints what is wrong with it. The
// error is errReported if it has been printed.
func readRules(c *cli.Context, path string) (*rules.RuleSet, error) {
	file, err := rules.ReadFile(path)
	if err != nil {
		return nil, err
	}
	if codegen.IsObject(file.Text) {
		return nil, fmt.Errorf("%s: an object file, compiled already; `%s` takes a rule file", path, c.Command.Name)
	}
	return checkRules(c, file)
}

// checkRules checks a file that was read already.
func checkRules(c *cli.Context, file *rules.File) (*rules.RuleSet, error) {
	done := working(c, "checking "+file.Name)
	set, diagnostics := rules.ParseAndCheck(file)
	done()
	return printChecked(c, set, diagnostics)
}

// printChecked prints what is wrong with rules that were checked.
func printChecked(c *cli.Context, set *rules.RuleSet, diagnostics rules.Diagnostics) (*rules.RuleSet, error) {
	failed := diagnostics.Err() != nil
	if failed || warns[c.Command.Name] {
		w := c.App.ErrWriter
		if err := diagnostics.Format(w, useColor(c.String("color"), w)); err != nil {
			return nil, err
		}
	}
	if failed {
		return nil, errReported
	}
	return set, nil
}

// warns are the verbs that also print the warnings of rules without errors:
// those that answer for the rules. Others are asked something else.
var warns = map[string]bool{"check": true, "compile": true, "load": true}

// compileFile takes a rule file to an Object, or reads an object file, of which
// there are no rules.
func compileFile(c *cli.Context, path string) (*rules.RuleSet, *codegen.Object, error) {
	if object, err := readObject(c, path); object != nil || err != nil {
		return nil, object, err
	}
	set, err := readRules(c, path)
	if err != nil {
		return nil, nil, err
	}
	object, err := compileRules(c, set)
	return set, object, err
}

// compileRules compiles with the options that are given.
func compileRules(c *cli.Context, set *rules.RuleSet) (*codegen.Object, error) {
	defer working(c, "compiling "+set.File.Name)()
	return codegen.Compile(set, compileOptions(c))
}

// count is "1 rule", "2 rules".
func count[T int | uint32 | uint64](n T, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprint(n, " ", noun, "s")
}

// place is a span as JSON gives it: endCol is behind its last character, or
// behind the line's where the span goes on.
func place(s rules.Span) (file string, line, col, endCol int) {
	if s.IsZero() {
		return "", 0, 0, 0
	}
	start, end := s.Position(), s.File.Position(s.End)
	if end.Line > start.Line {
		return start.File, start.Line, start.Col, utf8.RuneCountInString(s.File.Line(start.Line)) + 1
	}
	return start.File, start.Line, start.Col, end.Col
}
