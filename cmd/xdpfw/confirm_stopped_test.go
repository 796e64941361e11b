package main

import (
	"strings"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// There is no pin yet by which a link could be found that a stopped load has made.
func TestConfirmOfALoadStoppedBehindItsLink(t *testing.T) {
	lab := newKillLab(t)
	const linkCreate = 28 // BPF_LINK_CREATE
	attached := func() bool {
		on, err := netlink.LinkByName(labInterface)
		if err != nil {
			t.Fatal(err)
		}
		return on.Attrs().Xdp.Attached
	}
	made, stopped := false, false
	tracer := &tracer{func(_ int, call tracedCall) fate {
		if made && !stopped && attached() { // not a link by which the kernel is tried out
			stopped = true                      // while it is held by its tracer
			time.Sleep(8500 * time.Millisecond) // the trial, the keeper's patience, and one try more
			if attached() {
				t.Error("when the time is over a program is attached")
			}
		}
		made = made || call.number == unix.SYS_BPF && call.args[0] == linkCreate
		return fate{}
	}}
	if _, err := tracer.run(traceable(lab.output, "load", "-i", labInterface, "--force", "--confirm", "2s", lab.second)); err == nil || !stopped {
		t.Errorf("stopped is %v, %v\n%s", stopped, err, lab.printed())
	}
	lab.noKeeperLeft()
	if attached() || !lab.nothingLeft() {
		t.Error("something is left")
	}
}

// A load that was stopped until the time is over, behind the update of the link or
// in front of it, leaves what was there before; also if it is killed then.
func TestConfirmOfAStoppedLoad(t *testing.T) {
	lab := newKillLab(t)
	const linkUpdate = 29 // BPF_LINK_UPDATE
	for _, c := range []struct {
		name   string
		behind int // calls behind the update
		kill   bool
	}{{"in front", 0, false}, {"behind", 1, false}, {"in front, killed", 0, true}} {
		lab.load(lab.first)
		from, stopped := 0, false
		tracer := &tracer{func(n int, call tracedCall) fate {
			if call.number == unix.SYS_BPF && call.args[0] == linkUpdate {
				from = n
			}
			if stopped || from == 0 || n < from+c.behind {
				return fate{}
			}
			stopped = true // while it is held by its tracer
			if is, want := lab.active(), []string{lab.first, lab.second}[c.behind]; is != want {
				t.Errorf("%s: %q is active, want %q", c.name, is, want)
			}
			time.Sleep(8500 * time.Millisecond) // the trial, the keeper's patience, and one try more
			if is := lab.active(); is != lab.first {
				t.Errorf("%s: when the time is over %q is active", c.name, is)
			}
			return fate{kill: c.kill}
		}}
		killed, err := tracer.run(traceable(lab.output, "load", "-i", labInterface, "--force", "--confirm", "2s", lab.second))
		if killed != c.kill || !stopped || !killed && err == nil {
			t.Errorf("%s: killed is %v, stopped %v, %v\n%s", c.name, killed, stopped, err, lab.printed())
		}
		lab.becomes(lab.first)
		lab.noKeeperLeft()
		if is := lab.active(); is != lab.first {
			t.Errorf("%s: in the end %q is active", c.name, is)
		}
		lab.must("stats", "-i", labInterface)
		lab.must("unload", "-i", labInterface)
		if !lab.nothingLeft() {
			t.Errorf("%s: something is left", c.name)
		}
	}
}

// A confirm that was stopped until the time is over says that it came too late, of
// what was put over rules and over nothing.
func TestConfirmStopped(t *testing.T) {
	lab := newKillLab(t)
	lab.load(lab.first)
	lab.must("load", "-i", labInterface+",kill1", "--force", "--confirm", "2s", lab.second)
	stopped := false
	tracer := &tracer{func(_ int, call tracedCall) fate {
		if !stopped && call.number == unix.SYS_UNLINKAT { // it removes what is pinned of the trial
			stopped = true // while it is held by its tracer
			lab.becomes(lab.first)
			lab.noKeeperLeft()
		}
		return fate{}
	}}
	_, err := tracer.run(traceable(lab.output, "confirm"))
	if err == nil || !stopped || !strings.Contains(lab.printed(), "error: confirm: the time was over, and the rules were taken back meanwhile") {
		t.Errorf("stopped is %v, %v\n%s", stopped, err, lab.printed())
	}
	if is, other := lab.active(), lab.activeOn("kill1"); is != lab.first || other != "" {
		t.Errorf("%q is active, %q on the other interface", is, other)
	}
	lab.must("stats", "-i", labInterface)
	lab.must("unload", "-i", labInterface)
	if !lab.nothingLeft() {
		t.Error("something is left")
	}
}

// So does a reset.
func TestResetStopped(t *testing.T) {
	lab := newKillLab(t)
	lab.load(lab.first)
	lab.must("load", "-i", labInterface, "--force", "--confirm", "2s", lab.second)
	stopped := false
	tracer := &tracer{func(_ int, call tracedCall) fate {
		if !stopped && call.number == unix.SYS_RENAMEAT { // it pins what the counters start at
			stopped = true // while it is held by its tracer
			lab.becomes(lab.first)
			lab.noKeeperLeft()
		}
		return fate{}
	}}
	_, err := tracer.run(traceable(lab.output, "stats", "-i", labInterface, "--reset"))
	if err == nil || !stopped || !strings.Contains(lab.printed(), "the rules were on trial, the time was over, and they were taken back meanwhile") {
		t.Errorf("stopped is %v, %v\n%s", stopped, err, lab.printed())
	}
	lab.must("stats", "-i", labInterface)
	lab.must("unload", "-i", labInterface)
	if !lab.nothingLeft() {
		t.Error("something is left")
	}
}
