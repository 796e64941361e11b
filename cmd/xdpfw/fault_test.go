package main

import (
	"bytes"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// printed is what the last command wrote, which is forgotten.
func (l *killLab) printed() string {
	l.t.Helper()
	text, err := os.ReadFile(l.output.Name())
	if err != nil {
		l.t.Fatal(err)
	}
	if err := l.output.Truncate(0); err != nil {
		l.t.Fatal(err)
	}
	if _, err := l.output.Seek(0, 0); err != nil {
		l.t.Fatal(err)
	}
	return string(bytes.Trim(text, "\x00"))
}

// Whatever the kernel refuses (no memory, no space, a file system that became
// read-only), and whenever: the command says so, what was on the interface is
// still there, and the next commands work.
func TestRefusedCalls(t *testing.T) {
	lab := newKillLab(t)
	for _, c := range []struct {
		killedCommand
		unchanged string // what is active if the command fails
		errors    []unix.Errno
	}{
		{killedCommand{"load", []string{"load", "-i", labInterface, "--force", lab.second}, func(*killLab) {}, []string{lab.second}}, "", []unix.Errno{unix.EROFS}},
		{killedCommand{"replace", []string{"load", "-i", labInterface, "--force", lab.second}, func(l *killLab) { l.load(l.first) }, []string{lab.second}}, lab.first, []unix.Errno{unix.ENOSPC, unix.EPERM}},
	} {
		for _, errno := range c.errors {
			refused, survived := 0, 0
			for n := 1; ; n++ {
				c.before(lab)
				lab.printed()
				points, at, last := points{}, tracedCall{}, tracedCall{}
				tracer := &tracer{func(_ int, call tracedCall) fate {
					last = call
					if points.isOne(call) && points.count == n {
						at = call
						return fate{fail: errno}
					}
					return fate{}
				}}
				_, err := tracer.run(traceable(lab.output, c.arguments...))
				text := lab.printed()
				is := lab.active()
				if points.count < n { // a whole run
					if err != nil || !slices.Contains(c.may, is) {
						t.Errorf("%s, with no call refused: %v, %q is active, and it said\n%s", c.name, err, is, text)
					}
					lab.must("unload", "-i", labInterface)
					break
				}
				where := fmt.Sprintf("%s, %v of call %d (%v, then up to %v)", c.name, errno, n, at, last)
				switch {
				case err == nil && slices.Contains(c.may, is):
					survived++
				case err != nil && err.Error() == "exit status 3" && is == c.unchanged && strings.Contains(text, "error: "):
					refused++
				default:
					t.Errorf("%s: %v, %q is active, and it said\n%s", where, err, is, text)
				}
				lab.load(lab.first)
				lab.must("unload", "-i", labInterface)
				if !lab.nothingLeft() || lab.active() != "" {
					t.Errorf("%s: something is left", where)
				}
			}
			t.Logf("%s, %v of each call: %d refused the command, %d did not", c.name, errno, refused, survived)
		}
	}
}
