package loader

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"

	"xdpfw/rules"
)

// namedNamespace makes a network namespace as `ip netns add` does. The test's
// thread stays where it is.
func namedNamespace(t *testing.T) string {
	t.Helper()
	name := fmt.Sprintf("xdpfw-test-%d-%d", os.Getpid(), unix.Gettid())
	done := make(chan error)
	go func() {
		runtime.LockOSThread() // the thread ends with the goroutine
		ns, err := netns.NewNamed(name)
		if err == nil {
			ns.Close()
		}
		done <- err
	}()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := netns.DeleteNamed(name); err != nil {
			t.Errorf("delete the namespace %s: %v", name, err)
		}
	})
	return name
}

func currentNamespace(t *testing.T) string {
	t.Helper()
	ns, err := os.Readlink("/proc/thread-self/ns/net")
	if err != nil {
		t.Fatal(err)
	}
	return ns
}

func TestInNamespaceGoesThereAndBack(t *testing.T) {
	requireBPF(t)
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	name := namedNamespace(t)
	ownBPFFS(t)
	before := currentNamespace(t)
	for _, namespace := range []string{name, "/run/netns/" + name, "/var/run/netns/" + name} {
		there := ""
		if err := InNamespace(namespace, func() error { there = currentNamespace(t); return nil }); err != nil {
			t.Errorf("%s: %v", namespace, err)
		}
		if there == before || there == "" {
			t.Errorf("%s: f ran in %q, the caller is in %q", namespace, there, before)
		}
		if now := currentNamespace(t); now != before {
			t.Fatalf("%s: left in %s", namespace, now)
		}
	}
	broken := errors.New("broken")
	if err := InNamespace(name, func() error { return broken }); err != broken {
		t.Errorf("f's error became %v", err)
	}
	if err := InNamespace("", func() error {
		if now := currentNamespace(t); now != before {
			t.Errorf("no namespace asked for, but f ran in %s", now)
		}
		return nil
	}); err != nil {
		t.Error(err)
	}
}

// The pins of an interface are found from outside, though two namespaces have
// an interface of the same name and index.
func TestLoadIntoANamespace(t *testing.T) {
	ownMachine(t)
	name := namedNamespace(t)
	here := vethPair(t, "in0", "out0")
	there := 0
	load := func(source string) func() error {
		return func() error { _, err := Load(handMade(source, rules.Pass), forced(Auto, "in0")); return err }
	}
	err := InNamespace(name, func() error { there = vethPair(t, "in0", "out0"); return load("there.fw")() })
	if err != nil {
		t.Fatal(err)
	}
	if here != there {
		t.Errorf("the test is void: index %d here, %d there", here, there)
	}
	if err := load("here.fw")(); err != nil {
		t.Fatal(err)
	}
	for namespace, source := range map[string]string{"": "here.fw", name: "there.fw"} {
		err := InNamespace(namespace, func() error {
			list, err := ListStatus("")
			if err == nil && (len(list) != 1 || list[0].Source != source) {
				t.Errorf("in %q: %+v, want %s", namespace, list, source)
			}
			return errors.Join(err, Unload("in0"))
		})
		if err != nil {
			t.Error(err)
		}
	}
	if left := pinsUnder(t, rootPath()); len(left) > 0 {
		t.Errorf("pins left: %v", left)
	}
}

func TestNamespacesThatAreNone(t *testing.T) {
	never := func() error { t.Error("f was called"); return nil }
	mustRefuse(t, InNamespace("no-such-namespace", never), "enter the network namespace no-such-namespace: there is no such namespace", "/proc/PID/ns/net")
	mustRefuse(t, InNamespace("/proc/self/ns/mnt", never), "/proc/self/ns/mnt is no network namespace", "")
	file := filepath.Join(t.TempDir(), "empty")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	mustRefuse(t, InNamespace(file, never), "is no network namespace", "")
}

// What `ip netns exec` does to the mounts: its own mount namespace, and a
// sysfs of the network namespace over /sys, which hides the bpffs.
func TestMountsOfIPNetnsExec(t *testing.T) {
	ownMachine(t)
	name := namedNamespace(t)
	t.Setenv(rootVar, "")
	enterMountsOf(t, name)

	advice := "--netns NAME"
	err := InNamespace(name, func() error {
		vethPair(t, "in0", "out0")
		_, err := Load(handMade("first.fw", rules.Pass), forced(Auto, "in0"))
		mustRefuse(t, err, "a bpffs mounted here would die with the command, and the firewall with it", advice)
		mustRefuse(t, Unload("in0"), "a bpffs mounted here would die with the command", advice)
		foreign := attachForeign(t, "in0", 0)
		defer foreign.Close()
		list, err := ListStatus("")
		if err != nil || len(list) != 1 || list[0].Ours || len(list[0].Warnings) != 1 || !strings.Contains(list[0].Warnings[0], "cannot tell whether xdpfw loaded it") {
			t.Errorf("%+v, %v", list, err)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	var fs unix.Statfs_t
	if err := unix.Statfs(bpffsMount, &fs); err != nil || uint32(fs.Type) == unix.BPF_FS_MAGIC {
		t.Errorf("bpffs was mounted: type %#x, %v", fs.Type, err)
	}
	// A bpffs named by the variable is trusted to last.
	ownBPFFS(t)
	if err := InNamespace(name, func() error { mustLoad(t, handMade("first.fw", rules.Pass), forced(Auto, "in0")); return Unload("in0") }); err != nil {
		t.Error(err)
	}
}

// enterMountsOf gives the test's thread mounts as `ip netns exec` makes them
// (lib/namespace.c, netns_switch); the thread ends with the test.
func enterMountsOf(t *testing.T, name string) {
	t.Helper()
	if err := unix.Unshare(unix.CLONE_NEWNS | unix.CLONE_FS); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mount("", "/", "none", unix.MS_SLAVE|unix.MS_REC, ""); err != nil {
		t.Fatal(err)
	}
	if err := unix.Unmount("/sys", unix.MNT_DETACH); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mount(name, "/sys", "sysfs", 0, ""); err != nil {
		t.Fatal(err)
	}
}

func TestSysIsOfNamespace(t *testing.T) {
	const root = "25 1 254:0 / / rw,relatime - ext4 /dev/vda rw\n"
	const system = "22 25 0:21 / /sys rw,nosuid shared:7 - sysfs sysfs rw\n"
	const ofNamespace = "400 25 0:52 / /sys rw,relatime - sysfs blue rw\n"
	names := []string{"red", "blue"}
	for mounts, want := range map[string]bool{
		root + system:               false,
		root + ofNamespace:          true,
		root + ofNamespace + system: false,
		root + system + ofNamespace: true,
		root:                        false,
		"":                          false,
		"garbage - sysfs\n":         false,
	} {
		if got := sysIsOfNamespace(mounts, names); got != want {
			t.Errorf("%q: %v", mounts, got)
		}
	}
}

// A fresh machine: nothing on /sys/fs/bpf. The mounts are the thread's own, so
// that the test mounts nothing on this machine.
func TestBPFFSIsMountedWhereItIsMissing(t *testing.T) {
	requireBPF(t)
	runtime.LockOSThread()
	if err := unix.Unshare(unix.CLONE_NEWNS | unix.CLONE_FS); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mount("", "/", "none", unix.MS_PRIVATE|unix.MS_REC, ""); err != nil {
		t.Fatal(err)
	}
	target := filepath.Join(t.TempDir(), "bpf")
	if err := os.Mkdir(target, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := mountBPFFS(target); err != nil {
		t.Fatal(err)
	}
	defer func() {
		for range 2 { // the bpffs, and the folder bound to itself below it
			if err := unix.Unmount(target, unix.MNT_DETACH); err != nil {
				t.Error(err)
			}
		}
	}()
	on, err := onBPFFS(filepath.Join(target, "xdp-fw"))
	if err != nil || !on {
		t.Errorf("on bpffs: %v, %v", on, err)
	}
	if st, err := os.Stat(target); err != nil || st.Mode().Perm() != 0o700 {
		t.Errorf("%v, %v", st.Mode(), err)
	}
}

func TestFolderThatIsNoBPFFS(t *testing.T) {
	ownMachine(t)
	vethPair(t, "in0", "out0")
	dir := t.TempDir()
	for _, path := range []string{dir, filepath.Join(dir, "new"), filepath.Join(dir, "a/b")} {
		t.Setenv(rootVar, path)
		_, err := Load(handMade("first.fw", rules.Pass), forced(Auto, "in0"))
		mustRefuse(t, err, "use XDPFW_BPFFS: "+path+" is not on a bpffs", "mount -t bpf bpf DIR")
		mustRefuse(t, Unload("in0"), "use XDPFW_BPFFS: "+path+" is not on a bpffs", "unset XDPFW_BPFFS")
	}
	if d, err := findDevice("test", "in0"); err != nil || d.attached {
		t.Errorf("%+v, %v", d, err)
	}
}

// Two runs at the same time take turns.
func TestRunsTakeTurns(t *testing.T) {
	ownMachine(t)
	first, err := openRoot()
	if err != nil {
		t.Fatal(err)
	}
	locked := make(chan error)
	go func() {
		second, err := openRoot()
		if err == nil {
			second.Close()
		}
		locked <- err
	}()
	select {
	case err := <-locked:
		t.Fatalf("the second did not wait: %v", err)
	case <-time.After(100 * time.Millisecond):
	}
	first.Close()
	if err := <-locked; err != nil {
		t.Error(err)
	}
}
