package bench

import (
	"fmt"
	"os"
	"runtime"
	"testing"
	"time"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/link"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"xdpfw/codegen"
)

// Every packet of the trace arrives at the other end of a veth pair, in turn, as
// often as Send says: the counters there are what the reference says of them.
func TestSentPacketsArrive(t *testing.T) {
	c := newCounted(t, somePackets(TraceLength, 10, false))
	sender := newSenderTo(t, c.trace, c.runner.Program())
	next := 0
	for _, size := range []int{1, 64, 20_000} { // the last one begins the trace anew
		ns, sent, err := sender.Send(4, size)
		if err != nil {
			t.Fatal(err)
		}
		if len(ns) != 4 || sent < 4*uint64(size) {
			t.Errorf("%d packets in %d segments, not 4 of at least %d", sent, len(ns), size)
		}
		for _, n := range ns {
			if n < 5 || n > 1e6 {
				t.Errorf("a packet took %f ns", n)
			}
		}
		want := make([]codegen.CounterValue, len(c.rules.Rules)+1)
		for range sent {
			c.expect(want, c.trace.Frame(next), 1)
			next = (next + 1) % c.trace.Packets()
		}
		got, err := c.runner.Counters()
		if err != nil {
			t.Fatal(err)
		}
		for slot := range want {
			if got[slot] != want[slot] {
				t.Fatalf("the counters are\n%v, not\n%v", got, want)
			}
		}
	}
}

func TestSenderRefuses(t *testing.T) {
	varied, err := NewTrace(somePackets(100, 11, true))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := NewSender(varied, 1); err == nil {
		t.Error("packets of several lengths are sent")
	}
	for _, of := range [][2]int{{0, 1}, {1, 0}, {maxSegments + 1, 1}} {
		if _, _, err := new(Sender).Send(of[0], of[1]); err == nil {
			t.Errorf("%d segments of %d packets are sent", of[0], of[1])
		}
	}
}

// The segments together take most of the time that the call takes, if the program
// is slow.
func TestSegmentsAreTheTimeOfTheCall(t *testing.T) {
	c := newCounted(t, somePackets(1000, 12, false))
	const multiplications, size = 3000, 4096
	code := asm.Instructions{asm.Mov.Imm(asm.R0, 3)}
	for range multiplications {
		code = append(code, asm.Mul.Reg(asm.R0, asm.R0))
	}
	program, err := ebpf.NewProgram(&ebpf.ProgramSpec{Type: ebpf.XDP, Instructions: append(code, dropCode()...), License: "GPL"})
	if err != nil {
		t.Fatal(err)
	}
	defer program.Close()
	sender := newSenderTo(t, c.trace, program)
	start := time.Now()
	ns, _, err := sender.Send(maxSegments, size)
	whole := time.Since(start)
	if err != nil {
		t.Fatal(err)
	}
	var sum time.Duration
	for _, n := range ns {
		sum += time.Duration(n * size)
	}
	if sum > whole || sum < whole*6/10 {
		t.Errorf("the segments took %v of %v", sum, whole)
	}
}

// newSenderTo a program at the far end of a veth pair, in a namespace that dies
// with the test's thread.
func newSenderTo(t *testing.T, trace *Trace, program *ebpf.Program) *Sender {
	t.Helper()
	runtime.LockOSThread() // never unlocked
	if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile("/proc/sys/net/ipv6/conf/default/disable_ipv6", []byte("1"), 0); err != nil {
		t.Fatal(err)
	}
	if err := netlink.LinkAdd(&netlink.Veth{LinkAttrs: netlink.LinkAttrs{Name: "near", MTU: 1500}, PeerName: "far"}); err != nil {
		t.Fatal(err)
	}
	index := map[string]int{}
	for _, name := range []string{"lo", "near", "far"} {
		l, err := netlink.LinkByName(name)
		if err != nil {
			t.Fatal(err)
		}
		if err := netlink.LinkSetUp(l); err != nil {
			t.Fatal(fmt.Errorf("set %s up: %w", name, err))
		}
		index[name] = l.Attrs().Index
	}
	attached, err := link.AttachXDP(link.XDPOptions{Program: program, Interface: index["far"], Flags: link.XDPDriverMode})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { attached.Close() })
	sender, err := NewSender(trace, index["near"])
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(sender.Close)
	return sender
}
