// Command xdpfw turns readable rule files into XDP programs and operates them.
//
// This package holds arguments, calls and printing, one file a verb. What the
// verbs do is in rules, codegen and loader.
package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"

	"github.com/urfave/cli/v2"
)

func main() {
	// With SIGPIPE ignored a closed pipe is a write error, which results drop:
	// `xdpfw demo | head` must still clean up.
	signal.Ignore(syscall.SIGPIPE)
	limitMemory()
	os.Exit(run(os.Args[1:], os.Stdout, os.Stderr))
}

// limitMemory has the garbage collector work harder before a large rule file
// takes a gigabyte, unless GOMEMLIMIT says otherwise. It does not refuse memory.
func limitMemory() {
	if os.Getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(800 << 20)
	}
}

// run is the whole command; words are its arguments without its own name. It
// returns the exit status.
func run(words []string, stdout, stderr io.Writer) int {
	out := &results{w: stdout}
	app := newApp(out, stderr)
	if n := len(words) - 1; n >= 0 && words[n] == completionMark {
		for _, word := range complete(app, words[:n]) {
			fmt.Fprintln(out, word)
		}
		return statusDone
	}
	line, err := arrange(app, words)
	if err == nil {
		err = app.Run(line.words())
	}
	if err == nil {
		err = out.err
	}
	return report(stderr, useColor(line.option("color"), stderr), line.verb, err)
}

// newApp is the verbs and what they share.
func newApp(stdout, stderr io.Writer) *cli.App {
	app := &cli.App{
		Name:  "xdpfw",
		Usage: "compile readable packet filter rules to XDP programs, and run them",
		UsageText: "xdpfw VERB [options] ARGUMENTS\n\n" +
			"`xdpfw VERB --help` shows a verb's options and an example.",
		Version:                   version(),
		Writer:                    stdout,
		ErrWriter:                 stderr,
		HideHelpCommand:           true,
		DisableSliceFlagSeparator: true, // file names may hold commas
		CustomAppHelpTemplate:     appHelp,
		ExitErrHandler:            func(*cli.Context, error) {}, // run reports
		OnUsageError:              asUsageError,
		Commands: []*cli.Command{
			demoCommand(),
			checkCommand(),
			fmtCommand(),
			compileCommand(),
			dumpCommand(),
			asmCommand(),
			testCommand(),
			explainCommand(),
			diffCommand(),
			benchCommand(),
			loadCommand(),
			confirmCommand(),
			unloadCommand(),
			statusCommand(),
			statsCommand(),
			metricsCommand(),
			completionCommand(),
			manCommand(),
			keeperCommand(),
		},
		// Reached only without a verb: arrange refuses unknown ones.
		Action: func(c *cli.Context) error {
			return usagef("a verb is missing: xdpfw VERB [options] ARGUMENTS")
		},
	}
	for _, verb := range app.Commands {
		verb.HideHelpCommand = true
		verb.OnUsageError = asUsageError
		verb.CustomHelpTemplate = verbHelp
		verb.Flags = append(verb.Flags, colorFlag())
	}
	return app
}

// asUsageError gives what urfave/cli finds wrong with the options exit status 2.
func asUsageError(_ *cli.Context, err error, _ bool) error {
	var known *usageError
	if errors.As(err, &known) {
		return err
	}
	return usagef("%v", err)
}

// version is the module's version as the Go toolchain recorded it.
func version() string {
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" {
		return info.Main.Version
	}
	return "(devel)"
}

func init() {
	cli.VersionPrinter = func(c *cli.Context) { fmt.Fprintln(c.App.Writer, "xdpfw", c.App.Version) }
	// Without the alias -v, which people expect to mean something else.
	cli.VersionFlag = &cli.BoolFlag{DisableDefaultText: true, Name: "version", Usage: "print the version"}
}

// Help in the layout of a man page. A verb's Description ends in its examples.
const (
	appHelp = `{{.Name}} - {{.Usage}}

Usage: {{.UsageText}}

Verbs:{{range .VisibleCommands}}
   {{printf "%-10s" .Name}} {{.Usage}}{{end}}

Options:{{range .VisibleFlags}}
   {{.}}{{end}}

Exit status: ` + exitStatuses + `
`
	verbHelp = `{{.HelpName}} - {{.Usage}}

Usage: {{.UsageText}}

{{.Description}}

Options:{{range .VisibleFlags}}
   {{.}}{{end}}
`
)
