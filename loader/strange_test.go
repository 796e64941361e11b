package loader

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"xdpfw/rules"
)

// What somebody else pinned in the place of a pin of ours concerns the interface
// of that folder only. Nothing of it is removed.
func TestStrangePins(t *testing.T) {
	ownMachine(t)
	vethPair(t, "in0", "out0")
	vethPair(t, "in1", "out1")
	m, err := newValueMap("theirs", []byte("kept"))
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	img, err := loadImage("load", handMade("foreign.fw", rules.Pass), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer img.Close()
	for name, pin := range map[string]func(path string) error{
		"map": m.Pin, "program": img.entry.Pin,
		"folder": func(path string) error { return os.Mkdir(path, 0o700) },
	} {
		d, err := findDevice("test", "in0")
		if err != nil {
			t.Fatal(err)
		}
		dir, err := dirOf(rootPath(), d)
		if err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(os.Mkdir(string(dir), 0o700), pin(dir.link())); err != nil {
			t.Fatal(err)
		}
		list, err := ListStatus("in0")
		if err != nil || len(list) != 1 || list[0].Ours || !list[0].Gone || !strings.Contains(list[0].Warnings[0], dir.link()+" is no link of an XDP program") {
			t.Errorf("%s: status %+v, %v", name, list, err)
		}
		for _, iface := range []string{"in1", "in0"} {
			if done := mustLoad(t, handMade("first.fw", rules.Pass), forced(Auto, iface)); len(done[0].Warnings) > 0 {
				t.Errorf("%s: %+v", name, done)
			}
			if done := mustLoad(t, handMade("second.fw", rules.Pass), forced(Auto, iface)); !done[0].Replaced || len(done[0].Warnings) > 0 {
				t.Errorf("%s: %+v", name, done)
			}
			if _, err := ReadStats(iface); err != nil {
				t.Errorf("%s: %v", name, err)
			}
			_, _, err := Confirm(nil)
			mustRefuse(t, err, "no rules are on trial on any interface", "")
			if err := Unload(iface); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
		if _, err := os.Stat(dir.link()); err != nil {
			t.Errorf("%s: somebody else's is gone: %v", name, err)
		}
		if err := os.RemoveAll(string(dir)); err != nil {
			t.Fatal(err)
		}
	}
}

// Likewise in the place of a trial: of that interface it is not known whether
// something is on trial.
func TestStrangeTrial(t *testing.T) {
	ownMachine(t)
	vethPair(t, "in0", "out0")
	vethPair(t, "in1", "out1")
	mustLoad(t, handMade("first.fw", rules.Pass), forced(Auto, "in0"))
	held := heldOn(t, "in0")
	defer held.Close()
	p, err := held.ownProgram()
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	if err := p.Pin(held.dir.trial()); err != nil {
		t.Fatal(err)
	}
	trial := onTrialFor(t, 60e9, carryFirst, "in1")
	if kept, _, err := Confirm(nil); err != nil || len(kept) != 1 {
		t.Errorf("kept %v, %v", kept, err)
	}
	if on, err := trial.On(); err != nil || on {
		t.Errorf("confirmed, on trial: %v, %v", on, err)
	}
	if err := Unload("in1"); err != nil {
		t.Error(err)
	}
	_, err = Load(handMade("second.fw", rules.Pass), forced(Auto, "in0"))
	mustRefuse(t, err, held.dir.trial()+" is no map, so it was not pinned by xdpfw", "")
	if err := os.Remove(held.dir.trial()); err != nil {
		t.Fatal(err)
	}
	mustLoad(t, handMade("second.fw", rules.Pass), forced(Auto, "in0"))
}

// Pins that somebody removed are named, with what helps.
func TestMissingPins(t *testing.T) {
	ownMachine(t)
	vethPair(t, "in0", "out0")
	for name, pin := range map[string]func(pinnedGeneration) string{"state": pinnedGeneration.state, "counters": pinnedGeneration.counters} {
		loadText(t, carryFirst)
		held := heldOn(t, "in0")
		missing := pin(held.generation())
		held.Close()
		if err := os.Remove(missing); err != nil {
			t.Fatal(err)
		}
		_, err := ReadStats("in0")
		mustRefuse(t, err, "read the counters of in0: the pin "+missing+" is missing", "load the rules again")
		if list, err := ListStatus("in0"); err != nil || !list[0].Ours || len(list[0].Warnings) != 1 || !strings.Contains(list[0].Warnings[0], missing) {
			t.Errorf("%s: status %+v, %v", name, list, err)
		}
		if done := mustLoad(t, handMade("second.fw", rules.Pass), forced(Auto, "in0")); !done[0].Replaced || len(done[0].Warnings) != 1 ||
			!strings.Contains(done[0].Warnings[0], "what the old rules counted is lost: open the pin "+missing) {
			t.Errorf("%s: %+v", name, done)
		}
		if err := Unload("in0"); err != nil {
			t.Error(err)
		}
	}
}

// Where bpffs is mounted read-only all that only reads goes on, and what does not
// says which mount it is.
func TestReadOnlyPins(t *testing.T) {
	ownMachine(t)
	vethPair(t, "in0", "out0")
	mount := rootPath()
	t.Setenv(rootVar, filepath.Join(mount, "pins"))
	loadText(t, carryFirst)
	sendEach(t, 2, 17)
	obj, rs := compiled(t, carryFirst)
	remount := func(flags uintptr) {
		t.Helper()
		if err := unix.Mount("", mount, "", unix.MS_REMOUNT|flags, ""); err != nil {
			t.Fatal(err)
		}
	}
	remount(unix.MS_RDONLY)
	counted(t, "in0", map[string]int{"named": 2})
	list, err := ListStatus("in0")
	if err != nil || len(list) != 1 || !list[0].Ours || list[0].Rules != obj.Rules || list[0].Program != "xdpfw" ||
		len(list[0].Warnings) != 1 || !strings.Contains(list[0].Warnings[0], mount+" is mounted read-only") {
		t.Errorf("status %+v, %v", list, err)
	}
	if err := CanRead(); err != nil {
		t.Error(err)
	}
	if l, err := ReadLoaded("in0"); err != nil || len(l.Files) == 0 {
		t.Errorf("loaded is %+v, %v", l, err)
	}
	const why, help = "read-only file system", "mount -o remount,rw "
	_, err = Load(obj, LoadOptions{Interfaces: []string{"in0"}, Force: true, Rules: rs})
	mustRefuse(t, err, why, help+mount)
	_, err = ResetStats("in0")
	mustRefuse(t, err, why, help+mount)
	mustRefuse(t, Unload("in0"), why, help+mount)
	remount(0)
	counted(t, "in0", map[string]int{"named": 2})
	if err := Unload("in0"); err != nil {
		t.Error(err)
	}
}

// Rules whose place another xdpfw took, with pins elsewhere, are told as such
// where they came from.
func TestEvictedByAnother(t *testing.T) {
	ownMachine(t)
	vethPair(t, "in0", "out0")
	mount := rootPath()
	mustLoad(t, handMade("first.fw", rules.Pass), forced(Auto, "in0"))
	t.Setenv(rootVar, filepath.Join(mount, "other"))
	mustLoad(t, handMade("second.fw", rules.Pass), evicting(Auto, "in0"))
	t.Setenv(rootVar, mount)
	list, err := ListStatus("in0")
	if err != nil || len(list) != 2 || list[0].Ours || !list[1].Ours || !list[1].Gone || list[1].Source != "first.fw" ||
		!strings.Contains(list[1].Warnings[0], "another tool took the program off") {
		t.Errorf("status %+v, %v", list, err)
	}
	t.Setenv(rootVar, filepath.Join(mount, "other"))
	if err := Unload("in0"); err != nil {
		t.Error(err)
	}
}

// What a pin of ours is, is looked at: the counters of another program are not
// taken for its own, and a link that was moved is missed.
func TestMovedPins(t *testing.T) {
	ownMachine(t)
	vethPair(t, "in0", "out0")
	vethPair(t, "in1", "out1")
	loadText(t, carryFirst)
	obj, rs := compiled(t, carryFirst)
	mustLoad(t, obj, LoadOptions{Interfaces: []string{"in1"}, Force: true, Rules: rs})
	own, other := heldOn(t, "in0"), heldOn(t, "in1")
	defer own.Close()
	defer other.Close()
	if err := os.Rename(other.generation().counters(), own.generation().counters()); err != nil {
		t.Fatal(err)
	}
	_, err := ReadStats("in0")
	mustRefuse(t, err, own.generation().counters()+" is no map of the program beside it", "")
	if list, err := ListStatus("in0"); err != nil || list[0].Counted || len(list[0].Warnings) != 1 {
		t.Errorf("status %+v, %v", list, err)
	}
	if done := mustLoad(t, obj, LoadOptions{Interfaces: []string{"in0"}, Force: true, Rules: rs}); !done[0].Replaced ||
		len(done[0].Warnings) != 1 || !strings.HasPrefix(done[0].Warnings[0], "what the old rules counted is lost") {
		t.Errorf("%+v", done)
	}
	counted(t, "in0", map[string]int{"named": 0})

	aside := own.dir.link() + "-aside"
	if err := os.Rename(own.dir.link(), aside); err != nil {
		t.Fatal(err)
	}
	missing := "the pin " + own.dir.link() + " is missing"
	if list, err := ListStatus("in0"); err != nil || !list[0].Ours || len(list[0].Warnings) != 1 || !strings.HasPrefix(list[0].Warnings[0], missing) {
		t.Errorf("status %+v, %v", list, err)
	}
	counted(t, "in0", map[string]int{"named": 0})
	mustRefuse(t, Unload("in0"), missing, "")
	_, err = Load(obj, LoadOptions{Interfaces: []string{"in0"}, Force: true, Rules: rs})
	mustRefuse(t, err, missing, "")
	if err := os.Rename(aside, own.dir.link()); err != nil {
		t.Fatal(err)
	}
	if err := Unload("in0"); err != nil {
		t.Error(err)
	}
}

// What is left of rules whose interface is gone is shown and removed under its
// name.
func TestLeftOfAGoneInterface(t *testing.T) {
	ownMachine(t)
	vethPair(t, "in0", "out0")
	mustLoad(t, handMade("first.fw", rules.Pass), forced(Auto, "in0"))
	objects := objectsOn(t, "in0")
	removeInterface(t, "in0")
	mustBeDead(t, "in0", "the interface is gone, and the link with it: load")
	_, err := ReadStats("in0")
	mustRefuse(t, err, "the interface is gone", "xdpfw status -i in0")
	if err := Unload("in0"); err != nil {
		t.Error(err)
	}
	mustBeGone(t, objects)
	mustRefuse(t, Unload("in0"), "there is no interface \"in0\"", "")

	vethPair(t, "in0", "out0")
	mustLoad(t, handMade("first.fw", rules.Pass), forced(Auto, "in0"))
	removeInterface(t, "in0")
	vethPair(t, "in0", "out0") // with another index
	mustBeDead(t, "in0", "the one that is called so now is another")
	if err := Unload("in0"); err != nil {
		t.Error(err)
	}
	if pins := pinsUnder(t, rootPath()); len(pins) > 0 {
		t.Errorf("pins left: %v", pins)
	}
}

// A folder that was given to somebody else stays, empty or not; our own goes.
func TestDelegatedFolderStays(t *testing.T) {
	ownMachine(t)
	vethPair(t, "in0", "out0")
	mount := rootPath()
	for name, given := range map[string]struct {
		owner int
		mode  os.FileMode
	}{"theirs": {1234, 0o700}, "of a group": {os.Geteuid(), 0o770}, "ours": {os.Geteuid(), 0o700}} {
		folder := filepath.Join(mount, name)
		if err := errors.Join(os.Mkdir(folder, 0o700), os.Chown(folder, given.owner, given.owner), os.Chmod(folder, given.mode)); err != nil {
			t.Fatal(err)
		}
		t.Setenv(rootVar, folder)
		mustLoad(t, handMade("first.fw", rules.Pass), forced(Auto, "in0"))
		if err := Unload("in0"); err != nil {
			t.Fatal(err)
		}
		if _, err := os.Stat(folder); (err == nil) != (name != "ours") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Who reads while others load and unload sees one or the other, and nothing
// strange.
func TestReadersDuringUnload(t *testing.T) {
	ownMachine(t)
	vethPair(t, "in0", "out0")
	obj, rs := compiled(t, carryFirst)
	space := fmt.Sprintf("/proc/%d/task/%d/ns/net", os.Getpid(), unix.Gettid())
	stop, read := make(chan struct{}), make(chan int)
	go func() {
		n := 0
		defer func() { read <- n }()
		for {
			select {
			case <-stop:
				return
			default:
			}
			if err := InNamespace(space, func() error {
				list, err := ListStatus("in0")
				if err == nil && len(list) > 0 && (len(list) != 1 || !list[0].Ours || list[0].Gone || len(list[0].Warnings) > 0) {
					t.Errorf("status %+v", list)
				}
				if _, err := ReadStats("in0"); err != nil && !strings.Contains(err.Error(), "no rule set is loaded on in0") {
					t.Error(err)
				}
				return err
			}); err != nil {
				t.Error(err)
			}
			n++
		}
	}()
	for range 60 {
		mustLoad(t, obj, LoadOptions{Interfaces: []string{"in0"}, Force: true, Rules: rs})
		time.Sleep(10 * time.Millisecond) // else a reader that waits for the load meets each unload
		if err := Unload("in0"); err != nil {
			t.Error(err)
		}
	}
	close(stop)
	if n := <-read; n < 20 {
		t.Errorf("read %d times only", n)
	}
}

// Commands in an advice can be given to a shell as they are.
func TestCommandsIn(t *testing.T) {
	for _, c := range []struct{ namespace, advice, want string }{
		{"", command("confirm", "eth0", "eth1"), "xdpfw confirm -i eth0,eth1"},
		{"red", "do: " + command("confirm", "eth0", "eth1") + "; or wait", "do: xdpfw confirm -i eth0,eth1 --netns red; or wait"},
		{"/a b", "`xdpfw status`", "`xdpfw status --netns '/a b'`"},
		{"red", command("unload", "x;`y`"), "xdpfw unload -i 'x;`y`' --netns red"},
		{"red", command("unload", "it's"), `xdpfw unload -i 'it'\''s' --netns red`},
	} {
		if got := commandsIn(c.namespace, c.advice); got != c.want {
			t.Errorf("%q in %q: %q, want %q", c.advice, c.namespace, got, c.want)
		}
	}
}
