package main

import (
	"encoding/json"
	"errors"
	"io"
	"os"
	"syscall"

	"github.com/urfave/cli/v2"

	"xdpfw/loader"
)

// results is standard output. Once the reader is gone (a closed pipe) it takes
// everything and says nothing; any other failure is kept for the exit status:
// a listing cut short by a full disk must not look complete.
type results struct {
	w    io.Writer
	gone bool
	err  error
}

func (r *results) Write(p []byte) (int, error) {
	if r.gone || r.err != nil {
		return len(p), nil
	}
	_, err := r.w.Write(p)
	switch {
	case errors.Is(err, syscall.EPIPE):
		r.gone = true
	case err != nil:
		r.err = &loader.Error{Doing: "write the results", Why: err.Error(), Err: err}
	}
	return len(p), nil
}

// unread says that nobody reads the results any more.
func unread(w io.Writer) bool {
	r, ok := w.(*results)
	return ok && (r.gone || r.err != nil)
}

func jsonFlag() cli.Flag {
	return &cli.BoolFlag{DisableDefaultText: true, Name: "json", Usage: "print the results as JSON, one object a line"}
}

// printJSON prints one object on a line of its own.
func printJSON(w io.Writer, object any) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false) // `>` in a rule stays readable
	return e.Encode(object)
}

func colorFlag() cli.Flag {
	return choiceFlag("color", "auto", "color messages: `WHEN` is auto (on a terminal, unless NO_COLOR is set), always or never",
		"auto", "always", "never")
}

// useColor decides for one stream; when is the value of --color.
func useColor(when string, w io.Writer) bool {
	switch when {
	case "always":
		return true
	case "never":
		return false
	}
	return os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb" && isTerminal(w)
}

// Colors, as parameters of the terminal's SGR sequence.
const (
	red   = "1;31"
	green = "1;32"
)

func paint(color bool, sgr, text string) string {
	if !color {
		return text
	}
	return "\x1b[" + sgr + "m" + text + "\x1b[0m"
}
