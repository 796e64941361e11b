package main

import (
	"errors"
	"fmt"
	"io"

	"github.com/urfave/cli/v2"

	"xdpfw/loader"
)

// Exit statuses, the same for every verb.
const (
	statusDone    = 0
	statusInput   = 1 // the input is wrong, or a test or check failed
	statusUsage   = 2 // wrong usage
	statusRefused = 3 // the kernel or the system refused
)

const exitStatuses = "0 done; 1 the input is wrong or a test failed; 2 wrong usage;\n3 the kernel or the system refused."

// A usageError is a command line that means nothing.
type usageError struct{ text string }

func (e *usageError) Error() string { return e.text }

func usagef(format string, args ...any) error { return &usageError{fmt.Sprintf(format, args...)} }

// errReported: the input is wrong, and all that is to say was said.
var errReported = errors.New("reported already")

// report prints an error, if there is one and it was not printed already, and
// gives the exit status that stands for it.
func report(stderr io.Writer, color bool, verb string, err error) int {
	status, help := statusInput, ""
	var usage *usageError
	var refused *loader.Error
	switch {
	case err == nil:
		return statusDone
	case errors.Is(err, errReported):
		return statusInput
	case errors.As(err, &usage):
		status, help = statusUsage, "`xdpfw --help` lists the verbs"
		if verb != "" {
			help = "`xdpfw " + verb + " --help` shows its usage"
		}
	case errors.As(err, &refused):
		status, help = statusRefused, refused.Help
	}
	fmt.Fprintf(stderr, "%s %v\n", paint(color, red, "error:"), err)
	if help != "" {
		fmt.Fprintf(stderr, "  %s %s\n", paint(color, green, "help:"), help)
	}
	return status
}

// printError prints an error that does not end the verb: what it returns in the end is
// errReported.
func printError(c *cli.Context, err error) {
	w := c.App.ErrWriter
	fmt.Fprintf(w, "%s %v\n", paint(useColor(c.String("color"), w), red, "error:"), err)
}
