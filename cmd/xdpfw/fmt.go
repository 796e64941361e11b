package main

import (
	"bytes"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"github.com/rogpeppe/go-internal/diff"
	"github.com/urfave/cli/v2"

	"xdpfw/rules"
)

func fmtCommand() *cli.Command {
	return &cli.Command{
		Name:      "fmt",
		Usage:     "lay rule files out in the canonical form",
		UsageText: "xdpfw fmt [options] FILE…",
		Description: "Comments are kept, and the meaning is the same. Without options the result is printed; `-` is standard\n" +
			"input. Included files are left alone. A file with errors is not formatted.\n\n" +
			"Examples:\n   xdpfw fmt -w rules.fw\n   xdpfw fmt -d rules.fw other.fw",
		Flags: []cli.Flag{
			&cli.BoolFlag{DisableDefaultText: true, Name: "w", Usage: "write the result back to the file"},
			&cli.BoolFlag{DisableDefaultText: true, Name: "d", Usage: "print what would change, as a diff; exit status 1 if there is something"},
		},
		Action: formatFiles,
	}
}

func formatFiles(c *cli.Context) error {
	if c.NArg() == 0 {
		return usagef("the rule file is missing")
	}
	var failed error
	for _, path := range c.Args().Slice() {
		if path == "-" && c.Bool("w") {
			return usagef("-w cannot write to standard input")
		}
		ok, err := formatFile(c, path)
		if err != nil {
			return err
		}
		if !ok {
			failed = errReported
		}
	}
	return failed
}

// formatFile says whether the file has no errors and, with -d, no differences.
func formatFile(c *cli.Context, path string) (ok bool, err error) {
	file, err := readFileOrInput(path)
	if err != nil {
		printError(c, err)
		return false, nil
	}
	formatted, diagnostics := rules.Format(file)
	if diagnostics.Err() != nil {
		w := c.App.ErrWriter
		return false, diagnostics.Format(w, useColor(c.String("color"), w))
	}
	changed := !bytes.Equal(file.Text, formatted)
	if c.Bool("w") && changed {
		if err := replaceFile(path, formatted); err != nil {
			printError(c, err)
			return false, nil
		}
	}
	switch {
	case c.Bool("d"):
		_, err = c.App.Writer.Write(diff.Diff(file.Name+".orig", file.Text, file.Name, formatted))
		return !changed, err
	case !c.Bool("w"):
		_, err = c.App.Writer.Write(formatted)
	}
	return true, err
}

// readFileOrInput reads a rule file, or standard input if it is called "-".
func readFileOrInput(path string) (*rules.File, error) {
	if path == "-" {
		return rules.Read("stdin", os.Stdin)
	}
	return rules.ReadFile(path)
}

// replaceFile writes a file anew, so that at any time either the old text or the
// new one is there, with the mode that it had. Of a symbolic link it is the
// target.
func replaceFile(path string, text []byte) error {
	path, err := filepath.EvalSymlinks(path)
	if err != nil {
		return err
	}
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	if !info.Mode().IsRegular() {
		return fmt.Errorf("%s: not a regular file, which could be written back", path)
	}
	return writeAnew(path, func(file *newFile) error {
		if err := keepOwner(file.File, info); err != nil {
			return err
		}
		if err := file.Chmod(info.Mode().Perm()); err != nil {
			return err
		}
		_, err := file.Write(text)
		return err
	})
}

// keepOwner gives a new file the owner of an old one, if that is somebody else.
func keepOwner(file *os.File, like fs.FileInfo) error {
	info, err := file.Stat()
	if err != nil {
		return err
	}
	is, was := info.Sys().(*syscall.Stat_t), like.Sys().(*syscall.Stat_t)
	if is.Uid == was.Uid && is.Gid == was.Gid {
		return nil
	}
	return file.Chown(int(was.Uid), int(was.Gid))
}
