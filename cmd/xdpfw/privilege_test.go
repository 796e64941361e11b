package main

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/link"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// nobody is a user without any capability.
var nobody = &syscall.Credential{Uid: 65534, Gid: 65534}

// asNobody runs a program that may have capabilities of its file, and gives its
// exit status and what it printed.
func (l *killLab) asNobody(program string, arguments ...string) (status int, output string) {
	l.t.Helper()
	command := exec.Command(program, arguments...)
	command.Args[0] = "xdpfw"
	command.SysProcAttr = &syscall.SysProcAttr{Credential: nobody}
	text, err := command.CombinedOutput()
	return exitStatus(l.t, err), string(text)
}

// withCapabilities is a copy of the command whose file has capabilities.
func withCapabilities(t *testing.T, capabilities ...uint) string {
	t.Helper()
	path, err := exec.LookPath("xdpfw")
	if err != nil {
		t.Fatal(err)
	}
	copied := readableByAll(t, path)
	if len(capabilities) == 0 {
		return copied
	}
	var permitted [2]uint32
	for _, c := range capabilities {
		permitted[c/32] |= 1 << (c % 32)
	}
	const revision2, effective = 0x02000000, 1 // struct vfs_cap_data (linux/capability.h), little-endian
	var value []byte
	for _, word := range []uint32{revision2 | effective, permitted[0], 0, permitted[1], 0} {
		value = binary.LittleEndian.AppendUint32(value, word)
	}
	if err := unix.Setxattr(copied, "security.capability", value, 0); err != nil {
		t.Fatalf("give the file capabilities: %v", err)
	}
	return copied
}

// delegated gives nobody a folder on a bpffs of a mode, and rule files to read.
func (l *killLab) delegated(mode string) {
	l.t.Helper()
	dir := l.t.TempDir()
	if err := unix.Mount("bpf", dir, "bpf", 0, "mode="+mode); err != nil {
		l.t.Fatal(err)
	}
	l.t.Cleanup(func() {
		if err := unix.Unmount(dir, unix.MNT_DETACH); err != nil {
			l.t.Error(err)
		}
	})
	own := filepath.Join(dir, "own")
	if err := os.Mkdir(own, 0o700); err != nil {
		l.t.Fatal(err)
	}
	if err := os.Chown(own, int(nobody.Uid), int(nobody.Gid)); err != nil {
		l.t.Fatal(err)
	}
	l.pins = filepath.Join(own, "pins")
	l.t.Setenv("XDPFW_BPFFS", l.pins)
	for path := dir; path != "/" && path != os.TempDir(); path = filepath.Dir(path) {
		if path != dir {
			if err := os.Chmod(path, 0o755); err != nil {
				l.t.Fatal(err)
			}
		}
	}
	for _, file := range []string{l.first, l.second} {
		for path, mode := file, os.FileMode(0o644); path != os.TempDir(); path, mode = filepath.Dir(path), 0o755 {
			if err := os.Chmod(path, mode); err != nil {
				l.t.Fatal(err)
			}
		}
	}
}

// A user without root whose xdpfw has three capabilities loads, looks, replaces
// and unloads, in a folder of the bpffs that is the user's; where the bpffs is
// closed to users that folder is mounted somewhere else.
func TestFileCapabilities(t *testing.T) {
	lab := newKillLab(t)
	all := withCapabilities(t, unix.CAP_BPF, unix.CAP_NET_ADMIN, unix.CAP_PERFMON)
	for _, mode := range []string{"0755", "0700"} {
		lab.delegated(mode)
		if mode == "0700" {
			lab.mountElsewhere()
		}
		for _, step := range []struct{ arguments, printed string }{
			{"load -i kill0 --force " + lab.first, "kill0: loaded " + lab.first},
			{"status", "first.fw"},
			{"stats -i kill0", "a: drop udp to port 7"},
			{"load -i kill0 --force " + lab.second, "kill0: replaced by " + lab.second},
			{"stats -i kill0 --json", `"name":"b"`},
			{"unload -i kill0", "kill0: unloaded"},
		} {
			status, output := lab.asNobody(all, strings.Fields(step.arguments)...)
			if status != 0 || !strings.Contains(output, step.printed) {
				t.Errorf("%s, bpffs of mode %s: exit status %d, want 0 and %q in\n%s", step.arguments, mode, status, step.printed, output)
			}
		}
		if !lab.nothingLeft() || lab.active() != "" {
			t.Errorf("bpffs of mode %s: something is left", mode)
		}
	}
}

// Where root and a user load in the same folder, each has what it loaded: what
// the user may not remove stays whole, and nothing of root's is in the way.
func TestFolderOfTwoUsers(t *testing.T) {
	lab := newKillLab(t)
	lab.delegated("0755")
	program := withCapabilities(t, unix.CAP_BPF, unix.CAP_NET_ADMIN, unix.CAP_PERFMON)
	nobodys := func(status int, printed, arguments string) {
		t.Helper()
		if got, output := lab.asNobody(program, strings.Fields(arguments)...); got != status || !strings.Contains(output, printed) {
			t.Errorf("%s: exit status %d, want %d and %q in\n%s", arguments, got, status, printed, output)
		}
	}
	const other = "kill1"
	nobodys(0, "loaded", "load -i kill0 --force "+lab.first)
	lab.must("load", "-i", other, "--force", lab.first)
	nobodys(0, "first.fw", "status")
	nobodys(0, "cannot tell whether xdpfw loaded it", "status -i "+other)
	nobodys(0, "a: drop udp", "stats -i kill0")
	nobodys(statusRefused, "somebody else loaded the rules there", "stats -i "+other)
	nobodys(statusRefused, "somebody else loaded the rules there", "unload -i "+other)
	nobodys(0, "replaced by", "load -i kill0 --force "+lab.second)
	nobodys(0, "on trial", "load -i kill0 --force --confirm 1h "+lab.first)
	nobodys(0, "kill0: kept", "confirm")
	lab.noKeeperLeft()

	// What root pins among the user's pins is the user's.
	lab.must("stats", "-i", "kill0", "--reset")
	nobodys(0, "a: drop udp", "stats -i kill0")
	nobodys(0, "on trial", "load -i kill0 --force --confirm 2s "+lab.second)
	lab.must("stats", "-i", "kill0", "--reset")
	lab.becomes(lab.first)
	lab.noKeeperLeft()
	nobodys(0, "a: drop udp", "stats -i kill0")
	lab.must("load", "-i", "kill0", "--force", "--confirm", "2s", lab.second)
	nobodys(0, "on trial", "status -i kill0")
	if status, output := lab.asNobody(program, "confirm"); status != statusRefused || strings.Contains(output, "note:") { // nothing was kept
		t.Errorf("confirm of root's trial: exit status %d\n%s", status, output)
	}
	lab.becomes(lab.first)
	lab.noKeeperLeft()
	nobodys(0, "replaced by", "load -i kill0 --force "+lab.second)

	lab.must("load", "-i", "kill0", "--force", lab.first) // over the user's
	nobodys(statusRefused, "is not open to this user", "unload -i kill0")
	nobodys(statusRefused, "is not open to this user", "load -i kill0 --force "+lab.second)
	if is := lab.active(); is != lab.first {
		t.Errorf("%q is active, want %s", is, lab.first)
	}
	lab.must("unload", "-i", "kill0")
	nobodys(statusRefused, "is not open to this user", "metrics --listen 127.0.0.1:0") // it would show nothing
	lab.must("unload", "-i", other)
	if !lab.nothingLeft() {
		t.Error("something is left")
	}
}

// mountElsewhere gives the user's folder another name, outside of its bpffs.
func (l *killLab) mountElsewhere() {
	l.t.Helper()
	dir := l.t.TempDir()
	if err := unix.Mount(filepath.Dir(l.pins), dir, "", unix.MS_BIND, ""); err != nil {
		l.t.Fatal(err)
	}
	l.t.Cleanup(func() {
		if err := unix.Unmount(dir, unix.MNT_DETACH); err != nil {
			l.t.Error(err)
		}
	})
	l.pins = filepath.Join(dir, "pins")
	l.t.Setenv("XDPFW_BPFFS", l.pins)
	if status, output := l.asNobody("/bin/ls", dir); status != 0 {
		l.t.Fatalf("the folder is not open: %s", output)
	}
}

// What is missing is named, and nothing is attached.
func TestMissingCapabilities(t *testing.T) {
	lab := newKillLab(t)
	lab.delegated("0755")
	for missing, has := range map[string][]uint{
		"CAP_BPF":       {unix.CAP_NET_ADMIN, unix.CAP_PERFMON},
		"CAP_NET_ADMIN": {unix.CAP_BPF, unix.CAP_PERFMON},
		"CAP_PERFMON":   {unix.CAP_BPF, unix.CAP_NET_ADMIN},
		"CAP_BPF and CAP_NET_ADMIN and CAP_PERFMON": nil,
	} {
		program := withCapabilities(t, has...)
		status, output := lab.asNobody(program, "load", "-i", labInterface, "--force", lab.first)
		if status != statusRefused || !strings.Contains(output, "lacks "+missing+"\n") {
			t.Errorf("without %s: exit status %d\n%s", missing, status, output)
		}
		if lab.active() != "" {
			t.Fatalf("loaded without %s", missing)
		}
		if strings.HasPrefix(missing, "CAP_BPF") {
			if status, output := lab.asNobody(program, "metrics", "--listen", "127.0.0.1:0"); status != statusRefused || !strings.Contains(output, "lacks "+missing+"\n") {
				t.Errorf("metrics, without %s: exit status %d\n%s", missing, status, output)
			}
		}
		// What asks for no capability is done without.
		if status, output := lab.asNobody(program, "check", lab.first); status != 0 {
			t.Errorf("check, without %s: exit status %d\n%s", missing, status, output)
		}
	}
}

// Whoever may not look into sshd is told that sessions may be unknown: a user, and
// root with the capabilities of the unit.
func TestGuardWithoutPtrace(t *testing.T) {
	need(t, "unprivileged")
	lab := newKillLab(t)
	text, err := os.ReadFile("/bin/sleep")
	if err != nil {
		t.Fatal(err)
	}
	sshd := exec.Command(filepath.Join(t.TempDir(), "sshd"), "1000")
	if err := os.WriteFile(sshd.Path, text, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := sshd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { sshd.Process.Kill(); sshd.Wait() })
	const warned = "may be unknown to it"
	load := []string{"load", "-i", labInterface, "--dry-run", lab.first}
	if output, err := exec.Command("xdpfw", load...).CombinedOutput(); err != nil || strings.Contains(string(output), warned) {
		t.Errorf("root: %v\n%s", err, output)
	}
	output, err := exec.Command("setpriv", append([]string{"--bounding-set=-all,+net_admin,+bpf,+perfmon", "xdpfw"}, load...)...).CombinedOutput()
	if err != nil || !strings.Contains(string(output), warned) {
		t.Errorf("root with few capabilities: %v\n%s", err, output)
	}
	lab.delegated("0755")
	all := withCapabilities(t, unix.CAP_BPF, unix.CAP_NET_ADMIN, unix.CAP_PERFMON)
	if status, output := lab.asNobody(all, load...); status != 0 || !strings.Contains(output, warned) {
		t.Errorf("a user: exit status %d\n%s", status, output)
	}
}

// Pins in a folder that the user may not look into are a refusal that names it.
func TestClosedBPFFS(t *testing.T) {
	lab := newKillLab(t)
	lab.delegated("0700")
	program := withCapabilities(t, unix.CAP_BPF, unix.CAP_NET_ADMIN, unix.CAP_PERFMON)
	for _, arguments := range []string{"load -i kill0 --force " + lab.first, "stats -i kill0", "unload -i kill0", "metrics --listen 127.0.0.1:0"} {
		status, output := lab.asNobody(program, strings.Fields(arguments)...)
		if status != statusRefused || !strings.Contains(output, lab.pins) || !strings.Contains(output, "XDPFW_BPFFS") {
			t.Errorf("%s: exit status %d\n%s", arguments, status, output)
		}
	}
}

// Programs of other tools are shown by their id, where the name asks for more
// than the user has, and are never replaced.
func TestForeignProgramForNobody(t *testing.T) {
	lab := newKillLab(t)
	lab.delegated("0755")
	program, err := ebpf.NewProgram(&ebpf.ProgramSpec{
		Name: "foreign", Type: ebpf.XDP, Instructions: asm.Instructions{asm.Mov.Imm(asm.R0, 2), asm.Return()}, License: "GPL",
	})
	if err != nil {
		t.Fatal(err)
	}
	defer program.Close()
	on, err := netlink.LinkByName(labInterface)
	if err != nil {
		t.Fatal(err)
	}
	held, err := link.AttachXDP(link.XDPOptions{Program: program, Interface: on.Attrs().Index})
	if err != nil {
		t.Fatal(err)
	}
	defer held.Close()
	info, err := program.Info()
	if err != nil {
		t.Fatal(err)
	}
	number, _ := info.ID()
	id := fmt.Sprint(number)
	all := withCapabilities(t, unix.CAP_BPF, unix.CAP_NET_ADMIN, unix.CAP_PERFMON)
	if status, output := lab.asNobody(all, "status"); status != 0 || !strings.Contains(output, "(id "+id+")") || !strings.Contains(output, "not xdpfw's") {
		t.Errorf("status: exit status %d\n%s", status, output)
	}
	status, output := lab.asNobody(all, "status", "--json")
	if status != 0 || !strings.Contains(output, `"ours":false,`) || !strings.Contains(output, `"rules":null,"packets":null,"bytes":null,`) {
		t.Errorf("status --json: exit status %d\n%s", status, output)
	}
	t.Setenv("XDPFW_BPFFS", t.TempDir())
	status, output = lab.asNobody(all, "status")
	if status != 0 || !strings.Contains(output, " unknown") || !strings.Contains(output, "cannot tell whether xdpfw loaded it") {
		t.Errorf("status where pins cannot be: exit status %d\n%s", status, output)
	}
	if status, output = lab.asNobody(all, "status", "--json"); status != 0 || !strings.Contains(output, `"ours":null,`) {
		t.Errorf("status --json where pins cannot be: exit status %d\n%s", status, output)
	}
	t.Setenv("XDPFW_BPFFS", lab.pins)
	status, output = lab.asNobody(all, "load", "-i", labInterface, "--force", lab.first)
	if status != statusRefused || !strings.Contains(output, "busy") || !strings.Contains(output, id) {
		t.Errorf("load: exit status %d\n%s", status, output)
	}
	status, output = lab.asNobody(all, "load", "-i", labInterface, "--force", "--evict", lab.first)
	if status != statusRefused || !strings.Contains(output, "lacks CAP_SYS_ADMIN") || !strings.Contains(output, "id "+id) {
		t.Errorf("load --evict: exit status %d\n%s", status, output)
	}
	status, output = lab.asNobody(all, "load", "-i", labInterface, "--force", "--evict", "--dry-run", lab.first)
	if status != 0 || !strings.Contains(output, "asks for CAP_SYS_ADMIN") {
		t.Errorf("load --evict --dry-run: exit status %d\n%s", status, output)
	}
	// Among pins of somebody else's may be those of an interface that was moved here.
	err = errors.Join(os.Mkdir(lab.pins, 0o700), os.Chown(lab.pins, int(nobody.Uid), int(nobody.Gid)))
	if err != nil {
		t.Fatal(err)
	}
	lab.must("load", "-i", "kill1", "--force", lab.first)
	if status, output = lab.asNobody(all, "status", "-i", labInterface, "--json"); status != 0 || !strings.Contains(output, `"ours":null,`) || !strings.Contains(output, "some pins below") {
		t.Errorf("status --json beside closed pins: exit status %d\n%s", status, output)
	}
	if status, output = lab.asNobody(all, "unload", "-i", labInterface); status != statusRefused || !strings.Contains(output, "if somebody else loaded it with xdpfw") {
		t.Errorf("unload beside closed pins: exit status %d\n%s", status, output)
	}
}
