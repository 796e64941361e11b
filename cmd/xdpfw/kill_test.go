package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"xdpfw/loader"
)

// A killLab is an interface and pins of the test's own.
type killLab struct {
	t      *testing.T
	output *os.File
	pins   string
	first  string // rule files
	second string
}

const labInterface = "kill0"

func newKillLab(t *testing.T) *killLab {
	t.Helper()
	need(t, "processes")
	need(t, "bpf")
	runtime.LockOSThread() // never unlocked: it is in a namespace of its own
	if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile("/proc/sys/net/ipv6/conf/default/disable_ipv6", []byte("1"), 0); err != nil {
		t.Fatal(err)
	}
	if err := netlink.LinkAdd(&netlink.Veth{LinkAttrs: netlink.LinkAttrs{Name: labInterface}, PeerName: "kill1"}); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := unix.Mount("bpf", dir, "bpf", 0, "mode=0700"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(dir, unix.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	lab := &killLab{t: t, pins: filepath.Join(dir, "pins")}
	t.Setenv("XDPFW_BPFFS", lab.pins)
	files := t.TempDir()
	lab.first, lab.second = filepath.Join(files, "first.fw"), filepath.Join(files, "second.fw")
	for path, text := range map[string]string{
		lab.first:  "default pass\na: drop udp to port 7\n",
		lab.second: "default pass\nb: drop tcp to port 7\na: drop udp to port 7\n",
	} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	var err error
	if lab.output, err = os.Create(filepath.Join(files, "output")); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { lab.output.Close() })
	return lab
}

// must runs a command that must succeed.
func (l *killLab) must(arguments ...string) {
	l.t.Helper()
	if output, err := exec.Command("xdpfw", arguments...).CombinedOutput(); err != nil {
		l.t.Fatalf("xdpfw %s: %v\n%s", strings.Join(arguments, " "), err, output)
	}
}

func (l *killLab) load(file string) { l.must("load", "-i", labInterface, "--force", file) }

// active is the file whose rules are on the interface, "" if there is none.
func (l *killLab) active() string {
	l.t.Helper()
	return l.activeOn(labInterface)
}

func (l *killLab) activeOn(iface string) string {
	l.t.Helper()
	list, err := loader.ListStatus(iface)
	if err != nil {
		l.t.Fatal(err)
	}
	if len(list) == 0 || list[0].Gone { // what an unload that was killed leaves
		return ""
	}
	generic := list[0].Mode == loader.Generic && len(list[0].Warnings) == 1 // where native mode was refused by a test
	if !list[0].Ours || len(list[0].Warnings) > 0 && !generic {
		l.t.Errorf("on the interface: %+v", list[0])
	}
	return list[0].Source
}

// nothingLeft says whether there are pins.
func (l *killLab) nothingLeft() bool {
	entries, err := os.ReadDir(l.pins)
	if err != nil && !os.IsNotExist(err) {
		l.t.Fatal(err)
	}
	return len(entries) == 0
}

// A killed command is one that is killed in front of each of its system calls.
type killedCommand struct {
	name      string
	arguments []string
	before    func(*killLab)
	may       []string // files that may be active afterwards; "" is none
}

// Whatever is killed, and wherever: what is on the interface is the old rules
// or the new ones, and the next commands work and leave nothing behind.
func TestKilled(t *testing.T) {
	lab := newKillLab(t)
	nothing := func(*killLab) {}
	for _, c := range []killedCommand{
		{"load", []string{"load", "-i", labInterface, "--force", lab.second}, nothing, []string{"", lab.second}},
		{"replace", []string{"load", "-i", labInterface, "--force", lab.second}, func(l *killLab) { l.load(l.first) }, []string{lab.first, lab.second}},
		{"unload", []string{"unload", "-i", labInterface}, func(l *killLab) { l.load(l.first) }, []string{lab.first, ""}},
	} {
		// Up to a run that comes to its end: how often the kernel interrupts a
		// call, which is made again then, is another number each time.
		n, killed := 0, true
		for killed {
			n++
			c.before(lab)
			at, made := tracedCall{}, 0
			tracer := &tracer{func(count int, call tracedCall) fate { at, made = call, count; return fate{kill: count == n} }}
			var err error
			if killed, err = tracer.run(traceable(lab.output, c.arguments...)); err != nil {
				t.Fatalf("%s, in front of call %d: %v", c.name, n, err)
			}
			if !killed && made != n-1 && !*everyCall {
				t.Errorf("%s: killed at %d points, and a whole run makes %d calls", c.name, n-1, made)
			}
			if is := lab.active(); !slices.Contains(c.may, is) {
				t.Errorf("%s, killed in front of call %d (%v): %q is active", c.name, n, at, is)
			}
			lab.load(lab.first)
			if is := lab.active(); is != lab.first {
				t.Errorf("%s, killed in front of call %d (%v): the next load leaves %q active", c.name, n, at, is)
			}
			lab.must("stats", "-i", labInterface)
			lab.must("unload", "-i", labInterface)
			if !lab.nothingLeft() || lab.active() != "" {
				t.Errorf("%s, killed in front of call %d (%v): something is left", c.name, n, at)
			}
		}
		t.Logf("%s: killed in front of each of its %d system calls%s", c.name, n-1, whichCalls())
	}
}
