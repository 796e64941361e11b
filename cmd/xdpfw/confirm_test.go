package main

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"xdpfw/loader"
)

// patience is for what takes a fraction of a second on an idle machine.
const patience = 20 * time.Second

// becomes waits until the rules of a file are active; "" is none.
func (l *killLab) becomes(file string) {
	l.t.Helper()
	is := ""
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		list, err := loader.ListStatus(labInterface)
		if err != nil {
			l.t.Fatal(err)
		}
		if is = ""; len(list) > 0 {
			is = list[0].Source
		}
		if is == file {
			return
		}
	}
	l.t.Errorf("%q is active, want %q", is, file)
}

// keepers are the processes that keep a trial of the test's pins.
func (l *killLab) keepers() (pids []int) {
	l.t.Helper()
	entries, err := os.ReadDir("/proc")
	if err != nil {
		l.t.Fatal(err)
	}
	for _, e := range entries {
		line, _ := os.ReadFile("/proc/" + e.Name() + "/cmdline")
		environ, _ := os.ReadFile("/proc/" + e.Name() + "/environ")
		pid := 0
		if _, err := fmt.Sscan(e.Name(), &pid); err == nil && strings.Contains(string(line), "\x00"+keeperVerb+"\x00") && strings.Contains(string(environ), l.pins) {
			pids = append(pids, pid)
		}
	}
	return pids
}

// noKeeperLeft waits for the keepers to end.
func (l *killLab) noKeeperLeft() {
	l.t.Helper()
	for deadline := time.Now().Add(patience); len(l.keepers()) > 0; time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			l.t.Errorf("keepers are left: %v", l.keepers())
			return
		}
	}
}

// What is not confirmed in time is taken back: what was there before comes
// back, also if that was nothing. What is confirmed stays.
func TestConfirm(t *testing.T) {
	lab := newKillLab(t)
	on := []string{"load", "-i", labInterface, "--force", "--confirm", "2s"}
	lab.must(append(on, lab.first)...)
	if is := lab.active(); is != lab.first {
		t.Errorf("%q is active", is)
	}
	lab.becomes("")
	lab.noKeeperLeft()
	if !lab.nothingLeft() {
		t.Error("something is left")
	}

	lab.load(lab.first)
	lab.must(append(on, lab.second)...)
	if is := lab.active(); is != lab.second {
		t.Errorf("%q is active", is)
	}
	if output, err := exec.Command("xdpfw", "status").CombinedOutput(); err != nil || !strings.Contains(string(output), "on trial, taken back in ") {
		t.Errorf("status: %v\n%s", err, output)
	}
	// Another load meanwhile is refused.
	output, err := exec.Command("xdpfw", "load", "-i", labInterface, "--force", lab.first).CombinedOutput()
	if status := exitStatus(t, err); status != statusRefused || !strings.Contains(string(output), "xdpfw confirm -i "+labInterface) {
		t.Errorf("exit status %d\n%s", status, output)
	}
	lab.becomes(lab.first)
	lab.noKeeperLeft()

	lab.must(append(on, lab.second)...)
	lab.must("confirm", "-i", labInterface)
	lab.noKeeperLeft() // before its time
	time.Sleep(2200 * time.Millisecond)
	if is := lab.active(); is != lab.second {
		t.Errorf("confirmed, and %q is active", is)
	}
	output, err = exec.Command("xdpfw", "confirm").CombinedOutput()
	if status := exitStatus(t, err); status != statusRefused || !strings.Contains(string(output), "no rules are on trial on any interface") {
		t.Errorf("exit status %d\n%s", status, output)
	}
	lab.must("unload", "-i", labInterface)
	if !lab.nothingLeft() {
		t.Error("something is left")
	}
}

// A trial over several interfaces of another namespace: what is advised keeps all
// of it, from where it was asked; who keeps only some is told of the others.
func TestConfirmSeveralElsewhere(t *testing.T) {
	lab := newKillLab(t)
	space := fmt.Sprintf("/proc/%d/task/%d/ns/net", unix.Getpid(), unix.Gettid())
	there := []string{"--netns", space}
	confirmAll := "xdpfw confirm -i kill0,kill1 --netns " + space
	says := func(status int, text string, arguments ...string) {
		t.Helper()
		output, err := exec.Command("xdpfw", append(arguments, there...)...).CombinedOutput()
		if got := exitStatus(t, err); got != status || !strings.Contains(string(output), text+"\n") && !strings.Contains(string(output), text+"; ") &&
			!strings.Contains(string(output), text+"`, or") {
			t.Errorf("%v: exit status %d, want %d and %q in\n%s", arguments, got, status, text, output)
		}
	}
	on := []string{"load", "-i", "kill0,kill1", "--force", "--confirm", "1h"}
	says(0, confirmAll, append(on, lab.second)...)
	says(0, confirmAll, "status")
	says(0, confirmAll, "status", "-i", "kill1")
	says(statusRefused, confirmAll, "load", "-i", "kill1", "--force", lab.first)
	says(0, "which are taken back unless confirmed: xdpfw confirm -i kill1 --netns "+space, "confirm", "-i", "kill0")
	says(0, "kill1: kept", "confirm")
	lab.noKeeperLeft()
	says(0, "kill0: unloaded", "unload", "-i", "kill0,kill1")
	says(statusRefused, "xdpfw status --netns "+space, "unload", "-i", "kill0")
}

// The keeper does it though everything else is killed: the load, its process
// group, its session. If the keeper is killed too, the next run does it.
func TestConfirmKilled(t *testing.T) {
	lab := newKillLab(t)
	lab.load(lab.first)
	// A shell in a session of its own, which dies with everything in it.
	shell := exec.Command("setsid", "sh", "-c", "xdpfw load -i "+labInterface+" --force --confirm 2s "+lab.second+"; kill -9 -$$")
	if err := shell.Run(); err == nil {
		t.Error("the shell has survived")
	}
	if is := lab.active(); is != lab.second {
		t.Errorf("%q is active", is)
	}
	lab.becomes(lab.first)
	lab.noKeeperLeft()

	lab.must("load", "-i", labInterface, "--force", "--confirm", "2s", lab.second)
	for _, pid := range lab.keepers() {
		if err := unix.Kill(pid, unix.SIGKILL); err != nil {
			t.Error(err)
		}
	}
	time.Sleep(2200 * time.Millisecond)
	if is := lab.active(); is != lab.second {
		t.Errorf("without a keeper %q is active", is)
	}
	output, err := exec.Command("xdpfw", "confirm", "-i", labInterface).CombinedOutput()
	if status := exitStatus(t, err); status != statusRefused {
		t.Errorf("confirmed too late: exit status %d\n%s", status, output)
	}
	if is := lab.active(); is != lab.first {
		t.Errorf("after the next run %q is active", is)
	}
	lab.must("unload", "-i", labInterface)
}

// A run that holds the lock and does not go on keeps others waiting, which say
// for whom, but not the keeper.
func TestConfirmLocked(t *testing.T) {
	lab := newKillLab(t)
	lab.load(lab.first)
	lab.must("load", "-i", labInterface, "--force", "--confirm", "2s", lab.second)
	holder, err := os.Open(lab.pins)
	if err != nil {
		t.Fatal(err)
	}
	defer holder.Close()
	if err := unix.Flock(int(holder.Fd()), unix.LOCK_EX); err != nil {
		t.Fatal(err)
	}
	lab.must("load", "-i", "kill1", "--force", "--dry-run", lab.first)
	lab.becomes(lab.first)
	lab.noKeeperLeft()
	self, err := os.ReadFile("/proc/self/comm")
	if err != nil {
		t.Fatal(err)
	}
	output, err := exec.Command("xdpfw", "unload", "-i", labInterface).CombinedOutput()
	if status := exitStatus(t, err); status != statusRefused ||
		!strings.Contains(string(output), fmt.Sprintf("process %d (%s) has held it for 10s", os.Getpid(), strings.TrimSpace(string(self)))) ||
		!strings.Contains(string(output), fmt.Sprintf("help: wait until that one is through; if it hangs, end it: kill -9 %d", os.Getpid())) {
		t.Errorf("exit status %d\n%s", status, output)
	}
	holder.Close()
	lab.must("unload", "-i", labInterface)
}

// Killed in front of each system call that changes something, a load on trial
// leaves the old rules or the new ones, on both interfaces the same ones soon, as
// its keeper takes back what was begun; a confirm leaves the new ones. Whatever
// is left can be gone on with.
func TestConfirmKilledAnywhere(t *testing.T) {
	lab := newKillLab(t)
	const both = labInterface + ",kill1"
	loadBoth := func(l *killLab) { l.must("load", "-i", both, "--force", l.first) }
	onTrial := []string{"load", "-i", both, "--force", "--confirm", "1h", lab.second}
	for _, c := range []killedCommand{
		{"load --confirm", onTrial, loadBoth, []string{lab.first, lab.second}},
		{"confirm", []string{"confirm"}, func(l *killLab) { loadBoth(l); l.must(onTrial...) }, []string{lab.second}},
	} {
		n, killed := 0, true
		for killed {
			n++
			c.before(lab)
			at, points := tracedCall{}, points{}
			begun := c.name == "confirm" // up to the keeper's start all is as in a load that is not on trial
			tracer := &tracer{func(_ int, call tracedCall) fate {
				at = call
				begun = begun || call.number == unix.SYS_CLONE
				return fate{kill: begun && points.isOne(call) && points.count == n}
			}}
			var err error
			if killed, err = tracer.run(traceable(lab.output, c.arguments...)); err != nil {
				t.Fatalf("%s, in front of call %d: %v", c.name, n, err)
			}
			is, other := lab.activeOn(labInterface), lab.activeOn("kill1")
			for deadline := time.Now().Add(patience); is != other && time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
				is, other = lab.activeOn(labInterface), lab.activeOn("kill1")
			}
			if !slices.Contains(c.may, is) || is != other {
				t.Errorf("%s, killed in front of call %d (%v): %q is active, %q on the other interface", c.name, n, at, is, other)
			}
			if output, err := exec.Command("xdpfw", "confirm").CombinedOutput(); err != nil && !strings.Contains(string(output), "no rules are on trial") {
				t.Errorf("%s, killed in front of call %d (%v): confirm: %v\n%s", c.name, n, at, err, output)
			}
			loadBoth(lab)
			lab.unloadBoth()
			if !lab.nothingLeft() {
				t.Errorf("%s, killed in front of call %d (%v): something is left", c.name, n, at)
			}
		}
		t.Logf("%s: killed in front of %d system calls%s", c.name, n-1, whichCalls())
	}
	lab.noKeeperLeft()
}

func (l *killLab) unloadBoth() {
	l.t.Helper()
	l.must("unload", "-i", labInterface)
	l.must("unload", "-i", "kill1")
}

// A keeper that is killed when the rules are about to be put in place: they are
// taken back by the load itself, which says so.
func TestConfirmWithoutKeeper(t *testing.T) {
	lab := newKillLab(t)
	lab.load(lab.first)
	const linkUpdate = 29 // BPF_LINK_UPDATE
	lab.printed()
	tracer := &tracer{func(_ int, call tracedCall) fate {
		if call.number == unix.SYS_BPF && call.args[0] == linkUpdate {
			for _, pid := range lab.keepers() {
				if err := unix.Kill(pid, unix.SIGKILL); err != nil {
					t.Error(err)
				}
			}
		}
		return fate{}
	}}
	_, err := tracer.run(traceable(lab.output, "load", "-i", labInterface, "--force", "--confirm", "1h", lab.second))
	if text := lab.printed(); err == nil || !strings.Contains(text, "it was killed; the rules were taken back") {
		t.Errorf("%v\n%s", err, text)
	}
	if is := lab.active(); is != lab.first {
		t.Errorf("%q is active", is)
	}
	lab.must("unload", "-i", labInterface)
	if !lab.nothingLeft() {
		t.Error("something is left")
	}
}

// A user without root, whose xdpfw has its capabilities from its file, has a
// keeper that has them as well.
func TestConfirmWithFileCapabilities(t *testing.T) {
	lab := newKillLab(t)
	lab.delegated("0755")
	all := withCapabilities(t, unix.CAP_BPF, unix.CAP_NET_ADMIN, unix.CAP_PERFMON)
	for _, file := range []string{lab.first, lab.second} {
		status, output := lab.asNobody(all, "load", "-i", labInterface, "--force", "--confirm", "2s", file)
		if status != 0 || !strings.Contains(output, "on trial until") {
			t.Fatalf("exit status %d\n%s", status, output)
		}
		if is := lab.active(); is != file {
			t.Errorf("%q is active", is)
		}
		lab.becomes("")
	}
}

// A connection as SSH's, between two namespaces: rules that would cut it are
// refused; on trial they cut it, are taken back, and it goes on.
func TestConfirmSavesTheSession(t *testing.T) {
	lab := newKillLab(t) // this thread is in the server's namespace
	client := lab.otherSide()
	listener, err := net.Listen("tcp4", "198.18.0.1:22")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	connected := make(chan net.Conn, 1)
	go func() {
		runtime.LockOSThread() // never unlocked: it is in the client's namespace
		if err := unix.Setns(int(client.Fd()), unix.CLONE_NEWNET); err != nil {
			t.Error(err)
		}
		conn, err := net.DialTimeout("tcp4", "198.18.0.1:22", 5*time.Second)
		if err != nil {
			t.Error(err)
		}
		connected <- conn
	}()
	server, err := listener.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	session := <-connected
	defer session.Close()
	say := func(word string, within time.Duration) bool {
		t.Helper()
		if _, err := session.Write([]byte(word)); err != nil {
			t.Fatal(err)
		}
		server.SetReadDeadline(time.Now().Add(within))
		heard := make([]byte, len(word))
		_, err := server.Read(heard)
		return err == nil && string(heard) == word
	}
	if !say("hello", 5*time.Second) {
		t.Fatal("the connection does not work before anything is loaded")
	}
	from, to := session.LocalAddr().(*net.TCPAddr), server.LocalAddr().(*net.TCPAddr)
	t.Setenv("SSH_CONNECTION", fmt.Sprintf("%v %d %v %d", from.IP, from.Port, to.IP, to.Port))
	if err := os.WriteFile(lab.second, []byte("default pass\ndrop tcp to port 22\n"), 0o600); err != nil {
		t.Fatal(err)
	}

	output, err := exec.Command("xdpfw", "load", "-i", labInterface, lab.second).CombinedOutput()
	literal := fmt.Sprintf("'tcp %v > %v'", from, to)
	if status := exitStatus(t, err); status != statusRefused || !strings.Contains(string(output), "second.fw:2") || !strings.Contains(string(output), literal) {
		t.Errorf("exit status %d, without the rule's place or %s:\n%s", status, literal, output)
	}
	_, advice, _ := strings.Cut(string(output), "; see ")
	advice, _, _ = strings.Cut(advice, ";")
	explained, err := exec.Command("sh", "-c", advice).CombinedOutput()
	if err != nil || !strings.HasPrefix(string(explained), "drop by ") || !strings.Contains(string(explained), "second.fw:2") {
		t.Errorf("%s: %v\n%s", advice, err, explained)
	}
	if lab.active() != "" || !say("still", 5*time.Second) {
		t.Error("what was refused has cut the connection")
	}

	output, err = exec.Command("xdpfw", "load", "-i", labInterface, "--confirm", "2s", lab.second).CombinedOutput()
	if status := exitStatus(t, err); status != 0 || !strings.Contains(string(output), "warning: "+labInterface+": the lockout guard warns: ") {
		t.Fatalf("exit status %d\n%s", status, output)
	}
	if say("lost?", 700*time.Millisecond) {
		t.Error("the rules on trial do not cut the connection: the test is void")
	}
	lab.becomes("")
	server.SetReadDeadline(time.Now().Add(20 * time.Second)) // TCP sends it again
	heard := make([]byte, 16)
	if n, err := server.Read(heard); err != nil || string(heard[:n]) != "lost?" {
		t.Errorf("after the rules were taken back: %q, %v", heard[:n], err)
	}
	if !say("alive", 5*time.Second) {
		t.Error("the connection has not survived")
	}
}

// otherSide puts the peer of the lab's interface into a namespace of its own,
// and gives both addresses.
func (l *killLab) otherSide() *os.File {
	l.t.Helper()
	own, err := os.Open("/proc/thread-self/ns/net")
	if err != nil {
		l.t.Fatal(err)
	}
	defer own.Close()
	if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
		l.t.Fatal(err)
	}
	client, err := os.Open("/proc/thread-self/ns/net")
	if err != nil {
		l.t.Fatal(err)
	}
	l.t.Cleanup(func() { client.Close() })
	enter := func(space *os.File) {
		if err := unix.Setns(int(space.Fd()), unix.CLONE_NEWNET); err != nil {
			l.t.Fatal(err)
		}
	}
	setUp := func(name, prefix string) {
		on, err := netlink.LinkByName(name)
		if err != nil {
			l.t.Fatal(err)
		}
		address, err := netlink.ParseAddr(prefix)
		if err != nil {
			l.t.Fatal(err)
		}
		if err := netlink.AddrAdd(on, address); err != nil {
			l.t.Fatal(err)
		}
		if err := netlink.LinkSetUp(on); err != nil {
			l.t.Fatal(err)
		}
	}
	enter(own)
	peer, err := netlink.LinkByName("kill1")
	if err != nil {
		l.t.Fatal(err)
	}
	if err := netlink.LinkSetNsFd(peer, int(client.Fd())); err != nil {
		l.t.Fatal(err)
	}
	setUp(labInterface, "198.18.0.1/24")
	enter(client)
	setUp("kill1", "198.18.0.2/24")
	enter(own)
	return client
}
