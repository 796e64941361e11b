package loader

import (
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/link"
	"github.com/vishvananda/netlink"

	"xdpfw/codegen"
	"xdpfw/rules"
)

// forced is LoadOptions without the guard, which has tests of its own.
func forced(mode Mode, interfaces ...string) LoadOptions {
	return LoadOptions{Interfaces: interfaces, Mode: mode, Force: true}
}

func mustLoad(t *testing.T, obj *codegen.Object, opts LoadOptions) []Attachment {
	t.Helper()
	done, err := Load(obj, opts)
	if err != nil {
		t.Fatalf("load: %v", err)
	}
	return done
}

// mustRefuse asserts an *Error whose lines hold the texts.
func mustRefuse(t *testing.T, err error, why, help string) {
	t.Helper()
	var refused *Error
	if !errors.As(err, &refused) {
		t.Fatalf("error %v (%T), want an *Error", err, err)
	}
	if !strings.Contains(refused.Error(), why) || !strings.Contains(refused.Help, help) {
		t.Errorf("error %q\nhelp  %q\nwant  %q\nand   %q", refused.Error(), refused.Help, why, help)
	}
}

// linkIDOn is the id of our link on an interface.
func linkIDOn(t *testing.T, iface string) link.ID {
	t.Helper()
	held := heldOn(t, iface)
	defer held.Close()
	info, err := held.link.Info()
	if err != nil {
		t.Fatal(err)
	}
	return info.ID
}

func TestLoadDropsAndCountsPackets(t *testing.T) {
	ownMachine(t)
	vethPair(t, "in0", "out0")
	done := mustLoad(t, handMade("first.fw", rules.Pass), forced(Native, "in0"))
	if len(done) != 1 || done[0].Interface != "in0" || done[0].Mode != Native || done[0].Replaced || done[0].ProgramID == 0 || len(done[0].Warnings) > 0 {
		t.Errorf("%+v", done)
	}
	const n = 7
	for range n {
		send(t, "out0", frameWithProtocol(17, 60))
	}
	want := codegen.CounterValue{Packets: n, Bytes: n * 60}
	var stats *Stats
	for deadline := time.Now().Add(5 * time.Second); time.Now().Before(deadline); time.Sleep(time.Millisecond) {
		var err error
		if stats, err = ReadStats("in0"); err != nil {
			t.Fatal(err)
		}
		if stats.Rules[0].CounterValue == want {
			break
		}
	}
	obj := handMade("first.fw", rules.Pass)
	if len(stats.Rules) != 1 || stats.Rules[0].CounterValue != want || stats.Rules[0].Counter != obj.Counters[dropSlot] {
		t.Errorf("rules %+v, want one with %+v of %+v", stats.Rules, want, obj.Counters[dropSlot])
	}
	if stats.Default.Counter != obj.Counters[defaultSlot] {
		t.Errorf("default %+v", stats.Default)
	}
	list, err := ListStatus("in0")
	if err != nil || len(list) != 1 {
		t.Fatalf("status %+v, %v", list, err)
	}
	s := list[0]
	if !s.Ours || s.Mode != Native || s.ProgramID != done[0].ProgramID || s.Program != handMadeName || s.Source != "first.fw" ||
		s.Digest != "sha256:first.fw" || s.Rules != 1 || s.Version != StateVersion || s.Packets < n || s.Bytes < n*60 || len(s.Warnings) > 0 {
		t.Errorf("status %+v", s)
	}
	if _, err := time.Parse(time.RFC3339, s.Loaded); err != nil {
		t.Error(err)
	}
}

func TestUnloadLeavesNothing(t *testing.T) {
	ownMachine(t)
	vethPair(t, "in0", "out0")
	mustLoad(t, handMade("first.fw", rules.Pass), forced(Auto, "in0"))
	objects := objectsOn(t, "in0")
	mustLoad(t, handMade("second.fw", rules.Pass), forced(Auto, "in0"))
	objects = append(objects, objectsOn(t, "in0")...)
	if err := Unload("in0"); err != nil {
		t.Fatal(err)
	}
	if d, err := findDevice("test", "in0"); err != nil || d.attached {
		t.Errorf("still attached: %+v, %v", d, err)
	}
	mustBeGone(t, objects)
	if left := pinsUnder(t, rootPath()); len(left) > 0 {
		t.Errorf("pins left: %v", left)
	}
	mustRefuse(t, Unload("in0"), "unload in0: no rule set is loaded on in0", "xdpfw status")
	_, err := ReadStats("in0")
	mustRefuse(t, err, "read the counters of in0: no rule set is loaded on in0", "xdpfw status")
	if list, err := ListStatus(""); err != nil || len(list) > 0 {
		t.Errorf("status %+v, %v", list, err)
	}
}

// A link that somebody else holds open must not keep the firewall alive.
func TestUnloadDetachesAHeldLink(t *testing.T) {
	ownMachine(t)
	vethPair(t, "in0", "out0")
	mustLoad(t, handMade("first.fw", rules.Pass), forced(Auto, "in0"))
	held := heldOn(t, "in0")
	defer held.Close()
	if err := Unload("in0"); err != nil {
		t.Fatal(err)
	}
	if d, err := findDevice("test", "in0"); err != nil || d.attached {
		t.Errorf("still attached: %+v, %v", d, err)
	}
}

// The folder of pins itself goes too, unless it is a mount point.
func TestUnloadRemovesItsFolder(t *testing.T) {
	ownMachine(t)
	vethPair(t, "in0", "out0")
	root := filepath.Join(rootPath(), "xdp-fw")
	t.Setenv(rootVar, root)
	mustLoad(t, handMade("first.fw", rules.Pass), forced(Auto, "in0"))
	if pins := pinsUnder(t, root); len(pins) != 1 {
		t.Errorf("pins %v, want one folder", pins)
	}
	if err := Unload("in0"); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(root); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("%s is still there: %v", root, err)
	}
}

func TestReplaceKeepsTheLink(t *testing.T) {
	ownMachine(t)
	vethPair(t, "in0", "out0")
	first := mustLoad(t, handMade("first.fw", rules.Pass), forced(Generic, "in0"))[0]
	id := linkIDOn(t, "in0")
	second := mustLoad(t, handMade("second.fw", rules.Drop), forced(Auto, "in0"))[0]
	if now := linkIDOn(t, "in0"); now != id {
		t.Errorf("link id %d became %d: it was detached", id, now)
	}
	if !second.Replaced || second.Mode != Generic || second.ProgramID == first.ProgramID {
		t.Errorf("%+v after %+v", second, first)
	}
	mustBeGone(t, []object{{"program", first.ProgramID}})
	list, err := ListStatus("in0")
	if err != nil || len(list) != 1 || list[0].Source != "second.fw" || list[0].ProgramID != second.ProgramID {
		t.Errorf("status %+v, %v", list, err)
	}
	held := heldOn(t, "in0")
	defer held.Close()
	if pins := pinsUnder(t, string(held.dir)); len(pins) != 2 {
		t.Errorf("pins %v, want the link and one generation", pins)
	}
	_, err = Load(handMade("third.fw", rules.Pass), forced(Native, "in0"))
	mustRefuse(t, err, "it is attached in generic mode, and going to native mode", "xdpfw unload -i in0")
}

// whatIsOn is all that a failed load must not change.
func whatIsOn(t *testing.T, iface string) (d device, s []Status, pins []string) {
	t.Helper()
	d, err := findDevice("test", iface)
	if err != nil {
		t.Fatal(err)
	}
	if s, err = ListStatus(iface); err != nil {
		t.Fatal(err)
	}
	for i := range s {
		s[i].Packets, s[i].Bytes = 0, 0 // neighbour discovery goes on meanwhile
	}
	err = filepath.WalkDir(rootPath(), func(path string, _ os.DirEntry, err error) error {
		pins = append(pins, path)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return d, s, pins
}

func TestFailedLoadLeavesTheOldOne(t *testing.T) {
	ownMachine(t)
	vethPair(t, "in0", "out0")
	mustLoad(t, handMade("first.fw", rules.Pass), forced(Auto, "in0"))
	id := linkIDOn(t, "in0")
	device, status, pins := whatIsOn(t, "in0")

	bad := handMade("bad.fw", rules.Pass)
	insert(bad, lastOf(bad, 1), codegen.Instruction{Instruction: asm.LoadMem(asm.R1, asm.R6, 200, asm.Byte), Origin: 1})
	_, err := Load(bad, forced(Auto, "in0"))
	mustRefuse(t, err, "load bad.fw: the kernel's verifier refuses", "report")
	_, err = Load(handMade("good.fw", rules.Pass), forced(Auto, "in0", "missing0"))
	mustRefuse(t, err, `there is no interface "missing0" in this network namespace`, "there are: lo, out0, in0")

	deviceNow, statusNow, pinsNow := whatIsOn(t, "in0")
	if device != deviceNow || !reflect.DeepEqual(status, statusNow) || !reflect.DeepEqual(pins, pinsNow) || linkIDOn(t, "in0") != id {
		t.Errorf("before %+v %+v %v\nafter  %+v %+v %v", device, status, pins, deviceNow, statusNow, pinsNow)
	}
	if n := len(programsOfThisTest(t)); n != 1 {
		t.Errorf("%d programs of ours in the kernel, want the one attached", n)
	}
}

// The second interface takes the program no longer after the first one did:
// it is taken by another program between the check and the attach.
func TestSeveralInterfacesAllOrNone(t *testing.T) {
	ownMachine(t)
	vethPair(t, "new0", "out0")
	vethPair(t, "old0", "out1")
	vethPair(t, "taken0", "out2")
	mustLoad(t, handMade("first.fw", rules.Pass), forced(Auto, "old0"))
	id := linkIDOn(t, "old0")
	dropped := func(want uint64) {
		t.Helper()
		var got uint64
		for deadline := time.Now().Add(3 * time.Second); got != want && time.Now().Before(deadline); time.Sleep(time.Millisecond) {
			stats, err := ReadStats("old0")
			if err != nil {
				t.Fatal(err)
			}
			got = stats.Rules[0].Packets
		}
		if got != want {
			t.Errorf("%d packets were counted, want %d", got, want)
		}
	}
	const sent = 5
	for range sent {
		send(t, "out1", frameWithProtocol(17, 60))
	}
	dropped(sent)
	device, status, pins := whatIsOn(t, "old0")

	obj := handMade("second.fw", rules.Pass)
	opts := forced(Auto, "new0", "old0", "taken0")
	attempts, err := prepare("load", obj, opts)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		for _, a := range attempts {
			a.Close()
		}
	}()
	root, _, err := rootFor(opts)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	for _, a := range attempts {
		if err := a.claim(root, opts); err != nil {
			t.Fatal(err)
		}
	}
	foreign := attachForeign(t, "taken0", link.XDPDriverMode)
	defer foreign.Close()
	mustRefuse(t, attachAll(attempts, obj, opts), "attach to taken0 in native mode: the interface is busy", "xdpfw status -i taken0")
	if !attempts[1].updated {
		t.Error("the test is void: old0 had not been replaced when taken0 refused")
	}

	deviceNow, statusNow, pinsNow := whatIsOn(t, "old0")
	// What it counted meanwhile is added to what it had.
	carried := func(pin string) bool { return strings.HasSuffix(pin, "/carried") }
	if !slices.ContainsFunc(pinsNow, carried) {
		t.Errorf("counters were not carried back: %v", pinsNow)
	}
	pinsNow = slices.DeleteFunc(pinsNow, carried)
	if device != deviceNow || !reflect.DeepEqual(status, statusNow) || !reflect.DeepEqual(pins, pinsNow) || linkIDOn(t, "old0") != id {
		t.Errorf("before %+v %+v %v\nafter  %+v %+v %v", device, status, pins, deviceNow, statusNow, pinsNow)
	}
	if d, _, _ := whatIsOn(t, "new0"); d.attached {
		t.Errorf("new0 was left with the new program: %+v", d)
	}
	dropped(sent)
	send(t, "out1", frameWithProtocol(17, 60))
	dropped(sent + 1)
}

func TestSeveralInterfaces(t *testing.T) {
	ownMachine(t)
	vethPair(t, "a0", "out0")
	vethPair(t, "b0", "out1")
	done := mustLoad(t, handMade("first.fw", rules.Pass), forced(Auto, "a0", "b0", "a0"))
	if len(done) != 2 || done[0].ProgramID == done[1].ProgramID {
		t.Errorf("%+v, want two programs with counters of their own", done)
	}
	if list, err := ListStatus(""); err != nil || len(list) != 2 {
		t.Errorf("status %+v, %v", list, err)
	}
}

// attachForeign puts a program of somebody else on an interface.
func attachForeign(t *testing.T, iface string, flags link.XDPAttachFlags) link.Link {
	t.Helper()
	img, err := loadImage("load", handMade("foreign", rules.Pass), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer img.Close()
	d, err := findDevice("test", iface)
	if err != nil {
		t.Fatal(err)
	}
	l, err := link.AttachXDP(link.XDPOptions{Program: img.entry, Interface: d.index, Flags: flags})
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func TestForeignProgramIsLeftAlone(t *testing.T) {
	ownMachine(t)
	vethPair(t, "in0", "out0")
	foreign := attachForeign(t, "in0", link.XDPGenericMode)
	defer foreign.Close()
	info, err := foreign.Info()
	if err != nil {
		t.Fatal(err)
	}
	who := describeProgram(info.Program)
	if !strings.HasSuffix(who, "name "+handMadeName) {
		t.Errorf("the foreign program is %q", who)
	}
	_, err = Load(handMade("first.fw", rules.Pass), forced(Auto, "in0"))
	mustRefuse(t, err, "attach to in0: the interface is busy: another XDP program, not loaded by xdpfw, is attached in generic mode ("+who+")",
		"--evict")
	mustRefuse(t, Unload("in0"), "unload in0: the XDP program on in0 was not loaded by xdpfw ("+who+")", "the tool that loaded it")
	list, err := ListStatus("")
	if err != nil || len(list) != 1 || list[0].Ours || list[0].Mode != Generic || list[0].ProgramID != uint32(info.Program) {
		t.Errorf("status %+v, %v", list, err)
	}
}

func TestDeviceWithoutEthernetFramingIsRefused(t *testing.T) {
	ownMachine(t)
	tun := &netlink.Tuntap{LinkAttrs: netlink.LinkAttrs{Name: "tun0"}, Mode: netlink.TUNTAP_MODE_TUN}
	if err := netlink.LinkAdd(tun); err != nil {
		cannot(t, "no tun devices here: %v", err)
	}
	_, err := Load(handMade("first.fw", rules.Pass), forced(Auto, "tun0"))
	mustRefuse(t, err, `load first.fw on tun0: frames of tun0 have no Ethernet header (its link type is "none")`, "the Ethernet interface")
}

// Loopback calls itself otherwise, but has Ethernet headers: the frames that
// the program counts are 14 bytes longer than the packets.
func TestLoopbackHasEthernetFraming(t *testing.T) {
	ownMachine(t)
	done := mustLoad(t, handMade("first.fw", rules.Pass), forced(Auto, "lo"))
	if done[0].Mode != Generic || len(done[0].Warnings) != 1 || !strings.Contains(done[0].Warnings[0], "attached in generic mode") {
		t.Errorf("%+v", done)
	}
	if err := Unload("lo"); err != nil {
		t.Error(err)
	}
	_, err := Load(handMade("first.fw", rules.Pass), forced(Native, "lo"))
	mustRefuse(t, err, "attach to lo in native mode: the driver of lo refused (operation not supported)", "--mode generic")
	_, err = Load(handMade("first.fw", rules.Pass), forced(Offload, "lo"))
	mustRefuse(t, err, "attach to lo in offload mode: the card of lo refused", "--mode auto")
	if left := pinsUnder(t, rootPath()); len(left) > 0 {
		t.Errorf("pins left: %v", left)
	}
}

func TestDryRunTouchesNothing(t *testing.T) {
	ownMachine(t)
	vethPair(t, "in0", "out0")
	opts := forced(Native, "in0")
	opts.DryRun = true
	if done := mustLoad(t, handMade("first.fw", rules.Pass), opts); len(done) != 1 || done[0].Mode != Native || done[0].ProgramID != 0 {
		t.Errorf("%+v", done)
	}
	if d, _, _ := whatIsOn(t, "in0"); d.attached || len(pinsUnder(t, rootPath())) > 0 {
		t.Errorf("%+v, pins %v", d, pinsUnder(t, rootPath()))
	}
	opts.Interfaces = []string{"missing0"}
	_, err := Load(handMade("first.fw", rules.Pass), opts)
	mustRefuse(t, err, `no interface "missing0"`, "")
}
