package main

import (
	"fmt"
	"os"
	"os/exec"
	"reflect"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// A terminal is a pseudo terminal (pty(7)), and what was shown on it.
type terminal struct {
	t     *testing.T
	keys  *os.File // the other end: what is written is typed
	tty   *os.File
	mutex sync.Mutex
	shown strings.Builder
}

func newTerminal(t *testing.T) *terminal {
	t.Helper()
	keys, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.IoctlSetPointerInt(int(keys.Fd()), unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	number, err := unix.IoctlGetInt(int(keys.Fd()), unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	tty, err := os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	x := &terminal{t: t, keys: keys, tty: tty}
	go func() {
		for buffer := make([]byte, 4096); ; {
			n, err := keys.Read(buffer)
			if err != nil {
				return
			}
			x.mutex.Lock()
			x.shown.Write(buffer[:n])
			x.mutex.Unlock()
		}
	}()
	t.Cleanup(func() { x.keys.Close(); x.tty.Close() })
	return x
}

// start a command in a session of its own on the terminal.
func (x *terminal) start(arguments ...string) *exec.Cmd {
	x.t.Helper()
	command := exec.Command("xdpfw", arguments...)
	command.Stdin, command.Stdout, command.Stderr = x.tty, x.tty, x.tty
	command.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	if err := command.Start(); err != nil {
		x.t.Fatal(err)
	}
	return command
}

func (x *terminal) text() string {
	x.mutex.Lock()
	defer x.mutex.Unlock()
	return x.shown.String()
}

// shows waits until a text was shown.
func (x *terminal) shows(text string) {
	x.t.Helper()
	for deadline := time.Now().Add(patience); !strings.Contains(x.text(), text); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			x.t.Fatalf("%q is not shown, but\n%s", text, x.text())
		}
	}
}

func (x *terminal) types(keys string) {
	x.t.Helper()
	if _, err := x.keys.WriteString(keys); err != nil {
		x.t.Fatal(err)
	}
}

func (x *terminal) settings() unix.Termios {
	x.t.Helper()
	settings, err := unix.IoctlGetTermios(int(x.tty.Fd()), unix.TCGETS)
	if err != nil {
		x.t.Fatal(err)
	}
	return *settings
}

const askedAtTerminal = "Enter or k keeps them, r or Ctrl-C takes them back"

// At a terminal a key answers, and only one that was pressed when it was asked
// for; whoever else answers is listened to.
func TestConfirmAtATerminal(t *testing.T) {
	lab := newKillLab(t)
	const kept = "kept"
	for name, c := range map[string]struct {
		lasts  string
		answer func(*terminal)
		says   string
	}{
		"Enter":   {"1h", func(x *terminal) { x.types("\r") }, kept},
		"k":       {"1h", func(x *terminal) { x.types("k") }, kept},
		"r":       {"1h", func(x *terminal) { x.types("r") }, "taken back"},
		"Ctrl-C":  {"1h", func(x *terminal) { x.types("\x03") }, "taken back"},
		"nothing": {"1s", func(*terminal) {}, "taken back, as the time is over"},
		"no answer, then one": {"1h", func(x *terminal) {
			x.types("no \x04")
			time.Sleep(300 * time.Millisecond)
			x.types("r")
		}, "taken back"},
		"confirm elsewhere": {"1h", func(*terminal) { lab.must("confirm", "-i", labInterface) }, kept},
		"unload elsewhere":  {"1h", func(*terminal) { lab.must("unload", "-i", labInterface) }, "taken back or unloaded by another command"},
	} {
		lab.load(lab.first)
		x := newTerminal(t)
		was := x.settings()
		x.types("\r\rk") // too early
		command := x.start("load", "-i", labInterface, "--force", "--confirm", c.lasts, lab.second)
		x.shows(askedAtTerminal)
		if name != "nothing" {
			time.Sleep(100 * time.Millisecond)
			if is := lab.active(); is != lab.second || command.Process.Signal(unix.Signal(0)) != nil {
				t.Errorf("%s: before it %q is active", name, is)
			}
		}
		c.answer(x)
		status, want := exitStatus(t, command.Wait()), statusInput
		if c.says == kept {
			want = statusDone
		}
		x.shows(labInterface + ": " + c.says + "\r\n")
		if status != want {
			t.Errorf("%s: exit status %d\n%s", name, status, x.text())
		}
		switch is := lab.active(); {
		case name == "unload elsewhere":
			if is != "" {
				t.Errorf("%s: %q is active", name, is)
			}
		case c.says == kept != (is == lab.second), c.says != kept != (is == lab.first):
			t.Errorf("%s: %q is active", name, is)
		}
		if now := x.settings(); !reflect.DeepEqual(now, was) {
			t.Errorf("%s: the terminal's settings are %+v, they were %+v", name, now, was)
		}
		lab.noKeeperLeft()
	}
	lab.load(lab.first)
	lab.must("unload", "-i", labInterface)
	if !lab.nothingLeft() {
		t.Error("something is left")
	}
}

// An interface that is renamed or deleted while it is waited for a key: what the
// key did is told of it all the same.
func TestConfirmWhileInterfacesChange(t *testing.T) {
	lab := newKillLab(t)
	rename := func(from, to string) {
		t.Helper()
		on, err := netlink.LinkByName(from)
		if err == nil {
			err = netlink.LinkSetName(on, to)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	load := []string{"load", "-i", labInterface, "--force", "--confirm", "1h", lab.second}
	for key, says := range map[string]string{"k": "kept; the interface is called other0 now", "r": "taken back"} {
		x := newTerminal(t)
		command := x.start(load...)
		x.shows(askedAtTerminal)
		rename(labInterface, "other0")
		x.types(key)
		want := map[string]int{"k": statusDone, "r": statusInput}[key]
		if status := exitStatus(t, command.Wait()); status != want {
			t.Errorf("%s: exit status %d\n%s", key, status, x.text())
		}
		x.shows(labInterface + ": " + says)
		rename("other0", labInterface)
		if is := lab.active(); (is == lab.second) != (key == "k") {
			t.Errorf("%s: %q is active", key, is)
		}
		if key == "k" {
			lab.must("unload", "-i", labInterface)
		}
	}
	x := newTerminal(t)
	command := x.start(load...)
	x.shows(askedAtTerminal)
	on, err := netlink.LinkByName(labInterface)
	if err == nil {
		err = netlink.LinkDel(on)
	}
	if err != nil {
		t.Fatal(err)
	}
	x.types("k")
	x.shows(labInterface + ": the interface is gone")
	if status := exitStatus(t, command.Wait()); status != statusDone {
		t.Errorf("exit status %d\n%s", status, x.text())
	}
	lab.must("unload", "-i", labInterface)
	lab.noKeeperLeft()
	if !lab.nothingLeft() {
		t.Error("something is left")
	}
}

// When the terminal hangs up the load is killed; the time runs on.
func TestConfirmHangsUp(t *testing.T) {
	lab := newKillLab(t)
	lab.load(lab.first)
	x := newTerminal(t)
	command := x.start("load", "-i", labInterface, "--force", "--confirm", "2s", lab.second)
	x.shows(askedAtTerminal)
	x.tty.Close()
	x.keys.Close()
	if err := command.Wait(); err == nil || !strings.Contains(err.Error(), "hangup") {
		t.Errorf("the load ended with %v", err)
	}
	if is := lab.active(); is != lab.second {
		t.Errorf("%q is active", is)
	}
	lab.becomes(lab.first)
	lab.noKeeperLeft()
}
