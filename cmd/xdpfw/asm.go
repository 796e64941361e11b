package main

import (
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/urfave/cli/v2"

	"xdpfw/codegen"
	"xdpfw/rules"
)

func asmCommand() *cli.Command {
	return &cli.Command{
		Name:      "asm",
		Usage:     "turn a listing back into an object file",
		UsageText: "xdpfw asm LISTING -o OUT",
		Description: "What `dump --tables` prints is assembler source: asm makes the same object of it, byte for byte, so that\n" +
			"what was reviewed is what is loaded. A listing may be changed by hand; the object then says that it was, and\n" +
			"the kernel verifies it like any other. Of a changed line, take offset and raw bytes away: the mnemonic counts,\n" +
			"and bytes that say something else are a mistake. LISTING `-` is standard input.\n\n" +
			"Examples:\n   xdpfw dump --tables rules.fw > rules.lst\n   xdpfw asm rules.lst -o rules.xo\n   sudo xdpfw load -i eth0 rules.xo",
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "o", Usage: "write the object file `OUT`"},
		},
		Action: assemble,
	}
}

func assemble(c *cli.Context) error {
	if c.NArg() != 1 {
		return usagef("asm takes one listing")
	}
	if c.String("o") == "" {
		return usagef("-o OUT is missing: the object file to write")
	}
	path := c.Args().First()
	listing, err := readListing(path)
	if err != nil {
		return err
	}
	object, diagnostics := codegen.Assemble(listing)
	if diagnostics != nil {
		if err := diagnostics.Format(c.App.ErrWriter, useColor(c.String("color"), c.App.ErrWriter)); err != nil {
			return err
		}
		return errReported
	}
	if err := writeObject(c.String("o"), object); err != nil {
		return err
	}
	if strings.HasPrefix(object.Digest, codegen.EditedDigest) {
		fmt.Fprintf(c.App.ErrWriter, "%s was changed by hand: the object is another than what was compiled, and says so\n", listing.Name)
	}
	return nil
}

// mostListingBytes are more than a listing of the largest tables has.
const mostListingBytes = 1 << 30

// readListing is a listing, or what comes on standard input.
func readListing(path string) (*rules.File, error) {
	in, name := os.Stdin, "stdin"
	if path != "-" {
		f, err := os.Open(path)
		if err != nil {
			return nil, err
		}
		defer f.Close()
		in, name = f, path
	}
	text, err := io.ReadAll(io.LimitReader(in, mostListingBytes+1))
	switch {
	case err != nil:
		return nil, err
	case codegen.IsObject(text):
		return nil, fmt.Errorf("%s: an object file, assembled already", path)
	case len(text) > mostListingBytes:
		return nil, fmt.Errorf("%s: more than a listing may have (limit: %d bytes)", path, mostListingBytes)
	}
	return rules.NewText(name, text), nil
}
