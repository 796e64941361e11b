package main

import (
	"fmt"
	"io"
	"os"
	"time"

	"github.com/urfave/cli/v2"
	"golang.org/x/sys/unix"
)

// working says on a terminal what is being done, if it takes longer than a
// second, until done is called; the line is gone then.
func working(c *cli.Context, doing string) (done func()) {
	return workingOn(c, func() string { return doing })
}

// workingOn is working where what is being done changes.
func workingOn(c *cli.Context, doing func() string) (done func()) {
	if os.Getenv("TERM") == "dumb" || !isTerminal(c.App.ErrWriter) {
		return func() {}
	}
	return tell(c.App.ErrWriter, doing, time.Second)
}

// tell writes a line over itself, again and again.
func tell(w io.Writer, doing func() string, every time.Duration) (done func()) {
	stop, stopped := make(chan struct{}), make(chan struct{})
	start := time.Now()
	go func() {
		defer close(stopped)
		again := time.NewTicker(every)
		defer again.Stop()
		told := false
		for {
			select {
			case <-again.C:
				fmt.Fprintf(w, "\r%s … %.0f s", doing(), time.Since(start).Seconds())
				told = true
			case <-stop:
				if told {
					fmt.Fprint(w, "\r\x1b[K") // ECMA-48 EL: erase to the end of the line
				}
				return
			}
		}
	}()
	return func() {
		close(stop)
		<-stopped
	}
}

// isTerminal says that a stream ends in one.
func isTerminal(w io.Writer) bool {
	file, ok := w.(*os.File)
	if !ok {
		return false
	}
	_, err := unix.IoctlGetTermios(int(file.Fd()), unix.TCGETS)
	return err == nil
}
