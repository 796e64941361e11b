package loader

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"

	"xdpfw/rules"
)

// An interface that was deleted takes its link with it; the next load clears
// the pins away, and the index may be anybody's.
func TestPinsOfADeletedInterface(t *testing.T) {
	ownMachine(t)
	vethPair(t, "in0", "out0")
	vethPair(t, "in1", "out1")
	mustLoad(t, handMade("first.fw", rules.Pass), forced(Auto, "in0"))
	objects := objectsOn(t, "in0")
	index := removeInterface(t, "in0")
	mustBeDead(t, "", "the interface is gone")
	if err := netlink.LinkAdd(&netlink.Veth{LinkAttrs: netlink.LinkAttrs{Name: "in0", Index: index}, PeerName: "out0"}); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"", "in0"} {
		mustBeDead(t, name, "or the interface was deleted and made again")
	}
	if done := mustLoad(t, handMade("second.fw", rules.Pass), forced(Auto, "in0")); done[0].Replaced {
		t.Errorf("%+v on an interface that is new", done)
	}
	mustBeGone(t, objects)
	if pins := pinsUnder(t, rootPath()); len(pins) != 1 {
		t.Errorf("pins %v, want one folder", pins)
	}
}

// mustBeDead asserts that the only status is that of rules whose link is dead.
func mustBeDead(t *testing.T, iface, why string) {
	t.Helper()
	if list, err := ListStatus(iface); err != nil || len(list) != 1 || !list[0].Gone || list[0].Interface != "in0" || list[0].Source != "first.fw" ||
		len(list[0].Warnings) != 1 || !strings.Contains(list[0].Warnings[0], why) {
		t.Errorf("status of %q: %+v, %v", iface, list, err)
	}
}

// An interface that was renamed keeps its rules, and status says what it was
// called.
func TestRenamedInterface(t *testing.T) {
	ownMachine(t)
	vethPair(t, "in0", "out0")
	mustLoad(t, handMade("first.fw", rules.Pass), forced(Auto, "in0"))
	l, err := netlink.LinkByName("in0")
	if err != nil {
		t.Fatal(err)
	}
	if err := netlink.LinkSetDown(l); err != nil {
		t.Fatal(err)
	}
	if err := netlink.LinkSetName(l, "other0"); err != nil {
		t.Fatal(err)
	}
	list, err := ListStatus("other0")
	if err != nil || len(list) != 1 || !list[0].Ours || len(list[0].Warnings) != 1 || !strings.Contains(list[0].Warnings[0], "was called in0") {
		t.Errorf("status %+v, %v", list, err)
	}
	if done := mustLoad(t, handMade("second.fw", rules.Pass), forced(Auto, "other0")); !done[0].Replaced {
		t.Errorf("%+v", done)
	}
	if list, err := ListStatus("other0"); err != nil || len(list[0].Warnings) != 0 {
		t.Errorf("loaded again: status %+v, %v", list, err)
	}
	if err := Unload("other0"); err != nil {
		t.Error(err)
	}
}

// An interface that is moved to another namespace takes its rules along: they
// are shown, replaced and removed there, and its index is free for another one.
func TestMovedInterface(t *testing.T) {
	ownMachine(t)
	index := vethPair(t, "in0", "out0")
	mustLoad(t, handMade("first.fw", rules.Pass), forced(Auto, "in0"))
	name := namedNamespace(t)
	there, err := netns.GetFromName(name)
	if err != nil {
		t.Fatal(err)
	}
	defer there.Close()
	moved, err := netlink.LinkByName("in0")
	if err != nil {
		t.Fatal(err)
	}
	if err := netlink.LinkSetNsFd(moved, int(there)); err != nil {
		t.Fatal(err)
	}
	if list, err := ListStatus(""); err != nil || len(list) > 0 {
		t.Errorf("where it came from: %+v, %v", list, err)
	}
	if err := netlink.LinkAdd(&netlink.Veth{LinkAttrs: netlink.LinkAttrs{Name: "in0", Index: index}, PeerName: "out1"}); err != nil {
		t.Fatal(err)
	}
	if done := mustLoad(t, handMade("here.fw", rules.Pass), forced(Auto, "in0")); done[0].Replaced {
		t.Errorf("%+v on an interface that is new", done)
	}
	is := func(namespace, source string) {
		t.Helper()
		err := InNamespace(namespace, func() error {
			list, err := ListStatus("")
			if err == nil && (len(list) != 1 || !list[0].Ours || list[0].Source != source || len(list[0].Warnings) > 0) {
				t.Errorf("in %q: %+v, want %s", namespace, list, source)
			}
			if err == nil {
				_, err = ReadStats("in0")
			}
			return err
		})
		if err != nil {
			t.Error(err)
		}
	}
	is(name, "first.fw")
	is("", "here.fw")
	if err := InNamespace(name, func() error {
		if done := mustLoad(t, handMade("there.fw", rules.Pass), forced(Auto, "in0")); !done[0].Replaced {
			t.Errorf("%+v", done)
		}
		return nil
	}); err != nil {
		t.Error(err)
	}
	is(name, "there.fw")
	is("", "here.fw")
	if err := InNamespace(name, func() error { return Unload("in0") }); err != nil {
		t.Error(err)
	}
	is("", "here.fw")
	if err := Unload("in0"); err != nil {
		t.Error(err)
	}
	if left := pinsUnder(t, rootPath()); len(left) > 0 {
		t.Errorf("pins left: %v", left)
	}
}

// Rules that name an interface go on with the one that it was when they were
// loaded; status says so when the name means another one, or none.
func TestNamesThatChange(t *testing.T) {
	ownMachine(t)
	vethPair(t, "in0", "out0")
	vethPair(t, "lan0", "wire0")
	obj, rs := compiled(t, "default pass\ndrop udp on lan0\n")
	mustLoad(t, obj, LoadOptions{Interfaces: []string{"in0"}, Force: true, Rules: rs})
	warned := func(want string) {
		t.Helper()
		list, err := ListStatus("in0")
		if err != nil || len(list) != 1 {
			t.Fatalf("status %+v, %v", list, err)
		}
		if got := strings.Join(list[0].Warnings, "; "); got != want {
			t.Errorf("warned of %q, want %q", got, want)
		}
	}
	lan, err := netlink.LinkByName("lan0")
	if err != nil {
		t.Fatal(err)
	}
	index := lan.Attrs().Index
	warned("")
	for _, step := range []struct {
		change func() error
		want   string
	}{
		{func() error { return errors.Join(netlink.LinkSetDown(lan), netlink.LinkSetName(lan, "lan1")) },
			fmt.Sprintf("the rules name lan0, which was the interface with index %d when they were loaded, and is none now: they still mean that one; load them again", index)},
		{func() error {
			return netlink.LinkAdd(&netlink.Veth{LinkAttrs: netlink.LinkAttrs{Name: "lan0", Index: 777}, PeerName: "wire1"})
		}, fmt.Sprintf("the rules name lan0, which was the interface with index %d when they were loaded, and is the one with index 777 now: they still mean the first; load them again", index)},
		{func() error {
			mustLoad(t, obj, LoadOptions{Interfaces: []string{"in0"}, Force: true, Rules: rs})
			return nil
		}, ""},
	} {
		if err := step.change(); err != nil {
			t.Fatal(err)
		}
		warned(step.want)
	}
}

// What another version pinned is shown, replaced and removed.
func TestStateOfAnotherVersion(t *testing.T) {
	ownMachine(t)
	vethPair(t, "in0", "out0")
	mustLoad(t, handMade("first.fw", rules.Pass), forced(Auto, "in0"))
	rewrite := func(change func(value []byte) []byte) {
		t.Helper()
		held := heldOn(t, "in0")
		defer held.Close()
		value, err := (state{Source: "later.fw"}).encode()
		if err != nil {
			t.Fatal(err)
		}
		m, err := newValueMap("xdpfw_state", change(value))
		if err != nil {
			t.Fatal(err)
		}
		defer m.Close()
		if err := os.Remove(held.generation().state()); err != nil {
			t.Fatal(err)
		}
		if err := m.Pin(held.generation().state()); err != nil {
			t.Fatal(err)
		}
	}
	rewrite(func(value []byte) []byte {
		copy(value[len(stateMagic):], []byte{0, 0, 0, 9})
		return append(value[:stateHeader], "what version 9 writes"...)
	})
	list, err := ListStatus("in0")
	if err != nil || len(list) != 1 || !list[0].Ours || list[0].Version != 9 || list[0].Source != "" ||
		len(list[0].Warnings) != 1 || !strings.Contains(list[0].Warnings[0], "its state has version 9, this one knows 2") {
		t.Errorf("status %+v, %v", list, err)
	}
	_, err = ReadStats("in0")
	mustRefuse(t, err, "its state has version 9, this one knows 2", "load the rules again")
	if done := mustLoad(t, handMade("second.fw", rules.Pass), forced(Auto, "in0")); !done[0].Replaced {
		t.Errorf("%+v", done)
	}
	rewrite(func(value []byte) []byte { return value[:stateHeader+5] })
	list, err = ListStatus("in0")
	if err != nil || len(list) != 1 || !list[0].Ours || len(list[0].Warnings) != 1 || !strings.Contains(list[0].Warnings[0], "damaged") {
		t.Errorf("status %+v, %v", list, err)
	}
	if err := Unload("in0"); err != nil {
		t.Error(err)
	}
	if left := pinsUnder(t, rootPath()); len(left) > 0 {
		t.Errorf("pins left: %v", left)
	}
}

// A run that was killed between pinning and attaching leaves a generation.
func TestLeftoversOfAKilledRun(t *testing.T) {
	ownMachine(t)
	vethPair(t, "in0", "out0")
	d, err := findDevice("test", "in0")
	if err != nil {
		t.Fatal(err)
	}
	leave := func() pinnedGeneration {
		t.Helper()
		img, err := loadImage("load", handMade("killed.fw", rules.Pass), nil)
		if err != nil {
			t.Fatal(err)
		}
		defer img.Close()
		dir, err := dirOf(rootPath(), d)
		if err != nil {
			t.Fatal(err)
		}
		id, err := programID(img.entry)
		if err != nil {
			t.Fatal(err)
		}
		g := dir.generation(id)
		if err := g.pin(img, state{Source: "killed.fw"}, nil); err != nil {
			t.Fatal(err)
		}
		return g
	}
	leave()
	if list, err := ListStatus(""); err != nil || len(list) > 0 {
		t.Errorf("status %+v, %v", list, err)
	}
	mustRefuse(t, Unload("in0"), "no rule set is loaded on in0", "")
	if left := pinsUnder(t, rootPath()); len(left) > 0 {
		t.Errorf("pins left: %v", left)
	}
	mustLoad(t, handMade("first.fw", rules.Pass), forced(Auto, "in0"))
	leave()
	if list, err := ListStatus("in0"); err != nil || len(list) != 1 || list[0].Source != "first.fw" {
		t.Errorf("status %+v, %v", list, err)
	}
	held := heldOn(t, "in0")
	defer held.Close()
	for _, suffix := range []string{goneSuffix, goneSuffix + goneSuffix} { // of runs that were killed when they removed it
		leave()
		g := leave()
		if err := os.Rename(string(g), string(held.dir)+"/"+filepath.Base(string(g))+suffix); err != nil {
			t.Fatal(err)
		}
	}
	mustLoad(t, handMade("second.fw", rules.Pass), forced(Auto, "in0"))
	if n := len(programsOfThisTest(t)); n != 1 {
		t.Errorf("%d programs of ours in the kernel, want the one attached", n)
	}
	if list, err := held.dir.generations(); err != nil || len(list) != 1 || !held.dir.isOurs() {
		t.Errorf("left are %v, %v", list, err)
	}
}

// Where a root was named that others use too, what is theirs stays: folders of
// other names, and those of ours with pins in them that we do not make.
func TestFoldersOfOthersStay(t *testing.T) {
	ownMachine(t)
	vethPair(t, "in0", "out0")
	root := os.Getenv("XDPFW_BPFFS")
	if root == "" {
		t.Fatal("the test has no root of its own")
	}
	theirs := []string{"tool/sub", "empty", "789", "12-4/deep"}
	for _, folder := range theirs {
		if err := os.MkdirAll(filepath.Join(root, folder), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	value, err := newValueMap("theirs", []byte("kept"))
	if err != nil {
		t.Fatal(err)
	}
	defer value.Close()
	pin := filepath.Join(root, "12-5", "other")
	if err := errors.Join(os.MkdirAll(filepath.Dir(pin), 0o700), value.Pin(pin)); err != nil {
		t.Fatal(err)
	}
	obj, opts := keptRules(t)
	mustLoad(t, obj, opts)
	mustLoad(t, obj, opts)
	if err := Unload("in0"); err != nil {
		t.Fatal(err)
	}
	for _, path := range append(theirs, "12-5/other") {
		if _, err := os.Stat(filepath.Join(root, path)); err != nil {
			t.Errorf("somebody else's is gone: %v", err)
		}
	}
}
