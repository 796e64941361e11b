package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"
)

func manCommand() *cli.Command {
	return &cli.Command{
		Name:      "man",
		Usage:     "print the manual page",
		UsageText: "xdpfw man",
		Description: "The page is made of the same definitions as the help of the verbs.\n\n" +
			"Examples:\n   xdpfw man | man -l -\n   xdpfw man | sudo tee /usr/local/share/man/man8/xdpfw.8",
		Action: func(c *cli.Context) error {
			if err := noArguments(c); err != nil {
				return err
			}
			_, err := fmt.Fprint(c.App.Writer, manPage(c.App))
			return err
		},
	}
}

// A page is a manual page while it is written, in roff with the macros of man(7).
type page struct{ strings.Builder }

// macro writes a line with a macro and its arguments.
func (p *page) macro(name string, arguments ...string) {
	p.WriteString("." + name)
	for _, a := range arguments {
		p.WriteString(` "` + strings.ReplaceAll(roff(a), `"`, `\(dq`) + `"`)
	}
	p.WriteString("\n")
}

// line writes a line of text.
func (p *page) line(text string) {
	if strings.HasPrefix(text, ".") || strings.HasPrefix(text, "'") {
		p.WriteString(`\&`) // else it would be a macro
	}
	p.WriteString(roff(text) + "\n")
}

// text writes paragraphs; lines that begin with blanks stay as they are.
func (p *page) text(text string) {
	exact := false
	for line := range strings.SplitSeq(text, "\n") {
		indented := strings.HasPrefix(line, " ")
		if indented != exact {
			p.macro(map[bool]string{true: "EX", false: "EE"}[indented])
			exact = indented
		}
		if line == "" {
			p.macro("PP")
		} else {
			p.line(line)
		}
	}
	if exact {
		p.macro("EE")
	}
}

// options writes a paragraph for each option.
func (p *page) options(flags []cli.Flag) {
	for _, f := range flags {
		words, usage, _ := strings.Cut(f.String(), "\t")
		p.macro("TP")
		p.macro("B", words)
		p.line(strings.TrimSpace(usage))
	}
}

// roff escapes what would have a meaning in roff, and all that is not ASCII.
func roff(text string) string {
	var b strings.Builder
	for _, r := range text {
		switch {
		case r == '\\':
			b.WriteString(`\e`)
		case r == '-':
			b.WriteString(`\-`) // else it may become a hyphen that cannot be copied
		case r > '~':
			fmt.Fprintf(&b, `\[u%04X]`, r)
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}

// manPage is the manual page of the command. It has no date, so that the same
// version always prints the same page.
func manPage(app *cli.App) string {
	p := &page{}
	p.macro("TH", "XDPFW", "8", "", "xdpfw "+app.Version, "System Administration")
	p.macro("SH", "NAME")
	p.line(app.Name + " - " + app.Usage)
	p.macro("SH", "SYNOPSIS")
	p.line("xdpfw VERB [options] ARGUMENTS")
	p.macro("SH", "DESCRIPTION")
	p.text("xdpfw compiles a readable file of rules into an XDP program of its own and attaches it to network\n" +
		"interfaces. Options stand anywhere behind the verb. Results go to standard output, messages to\n" +
		"standard error.")
	p.macro("SH", "VERBS")
	for _, verb := range app.VisibleCommands() {
		p.macro("SS", verb.Name)
		p.line(strings.ToUpper(verb.Usage[:1]) + verb.Usage[1:] + ".")
		p.macro("PP")
		p.macro("EX")
		for usage := range strings.SplitSeq(verb.UsageText, "\n") {
			p.line(usage)
		}
		p.macro("EE")
		p.macro("PP")
		p.text(verb.Description)
		p.options(slices.DeleteFunc(verb.VisibleFlags(), func(f cli.Flag) bool { return f == cli.HelpFlag })) // the running verb has it
	}
	p.macro("SH", "OPTIONS")
	p.options([]cli.Flag{cli.HelpFlag, cli.VersionFlag})
	p.macro("SH", "EXIT STATUS")
	p.text(exitStatuses)
	p.macro("SH", "FILES")
	p.macro("TP")
	p.macro("B", "/sys/fs/bpf/xdp-fw")
	p.line("what is loaded; the environment variable XDPFW_BPFFS names another folder")
	return p.String()
}
