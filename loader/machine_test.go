package loader

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// ownMachine puts the test into a network namespace of its own, which dies
// with the test's thread, and its pins on a bpffs of its own.
func ownMachine(t *testing.T) {
	t.Helper()
	requireBPF(t)
	runtime.LockOSThread() // never unlocked: the thread ends with the test
	if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
		t.Fatalf("make a network namespace: %v", err)
	}
	ownBPFFS(t)
}

func ownBPFFS(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if err := unix.Mount("bpf", dir, "bpf", 0, "mode=0700"); err != nil {
		t.Fatalf("mount bpffs: %v", err)
	}
	t.Cleanup(func() {
		killKeepers(t, dir)
		if err := unix.Unmount(dir, unix.MNT_DETACH); err != nil {
			t.Errorf("unmount %s: %v", dir, err)
		}
	})
	t.Setenv(rootVar, dir)
	return dir
}

// killKeepers of a root, which would look for it once a second until it is there
// again.
func killKeepers(t *testing.T, root string) {
	t.Helper()
	environs, err := filepath.Glob("/proc/[0-9]*/environ")
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range environs {
		pid, _ := strconv.Atoi(filepath.Base(filepath.Dir(path)))
		environ, err := os.ReadFile(path) // it may have ended
		if err != nil || pid == os.Getpid() || !strings.Contains("\x00"+string(environ), "\x00"+rootVar+"="+root) {
			continue
		}
		if err := unix.Kill(pid, unix.SIGKILL); err != nil && !errors.Is(err, unix.ESRCH) {
			t.Error(err)
		}
	}
}

// vethPair makes two interfaces that are each other's wire, both up, and
// returns the index of the first.
func vethPair(t *testing.T, name, peer string) int {
	t.Helper()
	pair := &netlink.Veth{LinkAttrs: netlink.LinkAttrs{Name: name}, PeerName: peer}
	if err := netlink.LinkAdd(pair); err != nil {
		t.Fatalf("add veth pair: %v", err)
	}
	for _, n := range []string{name, peer} {
		l, err := netlink.LinkByName(n)
		if err != nil {
			t.Fatal(err)
		}
		if err := netlink.LinkSetUp(l); err != nil {
			t.Fatal(err)
		}
	}
	l, err := netlink.LinkByName(name)
	if err != nil {
		t.Fatal(err)
	}
	return l.Attrs().Index
}

// removeInterface deletes one, and says which index it had.
func removeInterface(t *testing.T, name string) (index int) {
	t.Helper()
	l, err := netlink.LinkByName(name)
	if err != nil {
		t.Fatal(err)
	}
	if err := netlink.LinkDel(l); err != nil {
		t.Fatal(err)
	}
	return l.Attrs().Index
}

// send puts frames on the wire from an interface.
func send(t *testing.T, from string, frames ...[]byte) {
	t.Helper()
	l, err := netlink.LinkByName(from)
	if err != nil {
		t.Fatal(err)
	}
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	for _, f := range frames {
		if err := unix.Sendto(fd, f, 0, &unix.SockaddrLinklayer{Ifindex: l.Attrs().Index}); err != nil {
			t.Fatalf("send %d bytes from %s: %v", len(f), from, err)
		}
	}
}

// An object is a thing in the kernel with an id.
type object struct {
	kind string
	id   uint32
}

// objectsOn is every BPF object behind the rule set of ours on an interface:
// link, program, its maps, the state.
func objectsOn(t *testing.T, iface string) []object {
	t.Helper()
	held := heldOn(t, iface)
	defer held.Close()
	info, err := held.link.Info()
	if err != nil {
		t.Fatal(err)
	}
	objects := []object{{"link", uint32(info.ID)}, {"program", uint32(info.Program)}}
	p, err := held.ownProgram()
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	pi, err := p.Info()
	if err != nil {
		t.Fatal(err)
	}
	ids, _ := pi.MapIDs()
	if len(ids) == 0 {
		t.Fatal("the program has no map")
	}
	for _, id := range ids {
		objects = append(objects, object{"map", uint32(id)})
	}
	m, err := ebpf.LoadPinnedMap(held.generation().state(), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	mi, err := m.Info()
	if err != nil {
		t.Fatal(err)
	}
	id, _ := mi.ID()
	return append(objects, object{"map", uint32(id)})
}

func heldOn(t *testing.T, iface string) *holding {
	t.Helper()
	d, err := findDevice("test", iface)
	if err != nil {
		t.Fatal(err)
	}
	held, err := findHolding(rootPath(), d)
	if err != nil || held == nil {
		t.Fatalf("nothing of ours on %s: %v", iface, err)
	}
	return held
}

// mustBeGone waits for the kernel to free the objects: it does so behind an
// RCU grace period.
func mustBeGone(t *testing.T, objects []object) {
	t.Helper()
	deadline := time.Now().Add(5 * time.Second)
	for _, o := range objects {
		for o.exists() {
			if time.Now().After(deadline) {
				t.Errorf("%s id %d is still there", o.kind, o.id)
				break
			}
			time.Sleep(10 * time.Millisecond)
		}
	}
}

func (o object) exists() bool {
	var err error
	var c io.Closer
	switch o.kind {
	case "link":
		c, err = link.NewFromID(link.ID(o.id))
	case "program":
		c, err = ebpf.NewProgramFromID(ebpf.ProgramID(o.id))
	case "map":
		c, err = ebpf.NewMapFromID(ebpf.MapID(o.id))
	}
	if err == nil {
		c.Close()
	}
	return !errors.Is(err, os.ErrNotExist)
}

// programsOfThisTest is the ids of the programs that this process, and no
// other test of the machine, loaded.
func programsOfThisTest(t *testing.T) []object {
	t.Helper()
	var found []object
	for id, err := ebpf.ProgramGetNextID(0); err == nil; id, err = ebpf.ProgramGetNextID(id) {
		if programName(id) == handMadeName {
			found = append(found, object{"program", uint32(id)})
		}
	}
	return found
}

// pinsUnder is the names in a folder of pins, without those that every bpffs
// has from the kernel (maps.debug, progs.debug).
func pinsUnder(t *testing.T, dir string) []string {
	t.Helper()
	var found []string
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if !strings.HasSuffix(e.Name(), ".debug") {
			found = append(found, e.Name())
		}
	}
	return found
}
