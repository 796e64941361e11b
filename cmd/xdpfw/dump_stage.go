package main

import (
	"bufio"
	"errors"
	"fmt"

	"github.com/urfave/cli/v2"

	"xdpfw/codegen"
	"xdpfw/rules"
)

// The stages that a rule file goes through, each with one text form.
const (
	stageTokens = "tokens" // what the scanner makes of the text
	stageAST    = "ast"    // the tree of statements
	stageRules  = "rules"  // checked, names resolved, blocks and chains written out
	stageIR     = "ir"     // decisions over bits of packets
	stageAsm    = "asm"    // the program
	stageXlated = "xlated" // the program as the verifier has rewritten it
	stageJited  = "jited"  // the machine code
)

var stageNames = []string{stageTokens, stageAST, stageRules, stageIR, stageAsm, stageXlated, stageJited}

// dumpStage prints a stage in front of the program.
func dumpStage(c *cli.Context, stage, path string) error {
	file, err := rules.ReadFile(path)
	switch {
	case err != nil:
		return err
	case codegen.IsObject(file.Text):
		return usagef("--stage %s is for rule files: %s is compiled already", stage, path)
	}
	out := bufio.NewWriter(c.App.Writer)
	switch stage {
	case stageTokens:
		err = rules.WriteTokens(out, file)
	case stageAST:
		tree, diagnostics := rules.Parse(file)
		if diagnostics.Err() != nil {
			w := c.App.ErrWriter
			return errors.Join(diagnostics.Format(w, useColor(c.String("color"), w)), errReported)
		}
		err = tree.Write(out)
	default:
		var set *rules.RuleSet
		if set, err = checkRules(c, file); err != nil {
			return err
		}
		if stage == stageRules {
			_, err = fmt.Fprint(out, set)
		} else {
			_, err = fmt.Fprint(out, codegen.Decisions(set))
		}
	}
	return errors.Join(err, out.Flush())
}
