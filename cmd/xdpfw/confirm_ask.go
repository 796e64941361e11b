package main

import (
	"fmt"
	"net"
	"os"
	"os/signal"
	"strings"
	"time"

	"github.com/urfave/cli/v2"
	"golang.org/x/sys/unix"

	"xdpfw/loader"
)

// awaitConfirmation asks at a terminal whether to keep what was put on trial,
// and elsewhere says how to. It does nothing if nothing was.
func awaitConfirmation(c *cli.Context, attached []loader.Attachment) error {
	trial := attached[0].Trial
	if trial == nil {
		return nil
	}
	var kb *keyboard
	if isTerminal(c.App.ErrWriter) && !c.Bool("json") {
		kb = openKeyboard(os.Stdin)
	}
	if kb == nil {
		until := time.Now().Add(trial.Left()).Format(time.TimeOnly)
		fmt.Fprintf(c.App.ErrWriter, "on trial until %s: keep the rules with `%s`, or they are taken back\n", until, confirmLine(c, interfacesOf(attached)))
		return nil
	}
	answer := askToKeep(c, trial, kb)
	kb.Close()
	var err error
	switch answer {
	case keepThem:
		err = trial.Keep()
	case takeThemBack, timeIsOver:
		err = trial.TakeBack()
	}
	if err != nil {
		return err
	}
	return sayWhatStayed(c, attached, answer)
}

func interfacesOf(attached []loader.Attachment) (names []string) {
	for _, a := range attached {
		names = append(names, a.Interface)
	}
	return names
}

// sayWhatStayed looks whether what was on trial is still there: somebody else
// may have kept it, or taken it back, and interfaces may have been renamed or
// have gone meanwhile.
func sayWhatStayed(c *cli.Context, attached []loader.Attachment, answered answer) error {
	var found []loader.Status
	err := inNamespace(c, func() (err error) {
		found, err = loader.ListStatus("")
		return err
	})
	if err != nil {
		return err
	}
	runsOn := make(map[uint32]string) // by program
	for _, s := range found {
		if !s.Gone {
			runsOn[s.ProgramID] = s.Interface
		}
	}
	var result error
	for _, a := range attached {
		said := "kept"
		switch now, runs := runsOn[a.ProgramID]; {
		case runs && now != a.Interface:
			said += "; the interface is called " + now + " now"
		case runs:
		case answered == keepThem && !interfaceIs(c, a.Interface):
			said = "the interface is gone"
		case answered == timeIsOver:
			said, result = "taken back, as the time is over", errReported
		case answered == noneNeeded:
			said, result = "taken back or unloaded by another command", errReported
		default:
			said, result = "taken back", errReported
		}
		fmt.Fprintf(c.App.Writer, "%s: %s\n", a.Interface, said)
	}
	return result
}

// interfaceIs says whether there is an interface of that name.
func interfaceIs(c *cli.Context, name string) bool {
	return inNamespace(c, func() error {
		_, err := net.InterfaceByName(name)
		return err
	}) == nil
}

// An answer to the question whether to keep rules.
type answer int

const (
	noneNeeded answer = iota // somebody else answered
	keepThem
	takeThemBack
	timeIsOver
)

// askToKeep waits for a key, for Ctrl-C, for the end of the trial.
func askToKeep(c *cli.Context, trial *loader.Trial, kb *keyboard) answer {
	interrupted := make(chan os.Signal, 1)
	signal.Notify(interrupted, unix.SIGINT, unix.SIGTERM)
	defer signal.Stop(interrupted)
	tick := time.NewTicker(250 * time.Millisecond)
	defer tick.Stop()
	w := c.App.ErrWriter
	defer fmt.Fprint(w, "\r\x1b[K")
	keys := kb.keys
	for {
		left := trial.Left()
		if left <= 0 {
			return timeIsOver
		}
		fmt.Fprintf(w, "\rkeep the rules? Enter or k keeps them, r or Ctrl-C takes them back; %d s left \x1b[K", int(left.Seconds()+1))
		select {
		case key, open := <-keys:
			switch {
			case !open:
				keys = nil // the terminal is gone; the time runs on
			case strings.ContainsRune("\r\nkK", rune(key)):
				return keepThem
			case strings.ContainsRune("rR", rune(key)):
				return takeThemBack
			}
		case <-interrupted:
			return takeThemBack
		case <-tick.C:
			if on, err := trial.On(); err == nil && !on && trial.Left() > 0 {
				return noneNeeded
			}
		}
	}
}

// A keyboard is a terminal that gives single keys, without showing them.
type keyboard struct {
	keys <-chan byte // closed when the terminal is gone
	fd   int
	was  *unix.Termios
}

// openKeyboard is nil if there is no terminal, or if this process is in its
// background, where a shell's other commands get the keys. What was typed
// before is no answer.
func openKeyboard(file *os.File) *keyboard {
	fd := int(file.Fd())
	was, err := unix.IoctlGetTermios(fd, unix.TCGETS)
	if err != nil {
		return nil
	}
	if group, err := unix.IoctlGetInt(fd, unix.TIOCGPGRP); err != nil || group != unix.Getpgrp() {
		return nil
	}
	single := *was
	single.Lflag &^= unix.ICANON | unix.ECHO // Ctrl-C is still a signal
	single.Cc[unix.VMIN], single.Cc[unix.VTIME] = 1, 0
	if err := unix.IoctlSetTermios(fd, unix.TCSETSF, &single); err != nil {
		return nil
	}
	keys := make(chan byte)
	go func() { // ends with the process, if nothing is typed
		defer close(keys)
		for key := make([]byte, 1); ; {
			if n, err := file.Read(key); n != 1 || err != nil {
				return
			}
			keys <- key[0]
		}
	}()
	return &keyboard{keys, fd, was}
}

// Close gives the terminal back as it was.
func (k *keyboard) Close() {
	_ = unix.IoctlSetTermios(k.fd, unix.TCSETS, k.was) // if the terminal is gone
}
