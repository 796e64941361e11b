package loader_test

import (
	"fmt"
	"runtime"
	"sync/atomic"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"xdpfw/codegen"
	"xdpfw/loader"
	"xdpfw/loader/bench"
	"xdpfw/loader/frames"
	"xdpfw/rules"
)

// Two rule sets that agree on two flows, one that is always dropped and one
// that always passes, and on nothing else: not on the order, not on the
// strategy.
const (
	dropped, passed = 7777, 5555 // ports of the two flows

	firstSet = `default pass
marker: drop udp to port 7777
keep: pass udp to port 5555
drop udp to port 1
`
	secondSet = `default drop
drop tcp to port { 80, 443 }
keep: pass udp to port 5555
pass arp
drop udp to port 2
pass tcp
marker: drop udp to port 7777
`
)

// flood sends frames to ports in turns, as fast as they go, until told to stop.
type flood struct {
	stop atomic.Bool
	sent chan map[int]uint64 // by port
}

func startFlood(t *testing.T, w *wire, ports []int) *flood {
	t.Helper()
	all := make([][]byte, len(ports))
	for i, port := range ports {
		b, err := frames.Frame{
			From: w.client.mac, To: w.server.mac,
			Network: frames.IP(clientAddress, serverAddress, frames.UDP{From: 4000, To: uint16(port), Payload: make([]byte, 18)}),
		}.Bytes()
		if err != nil {
			t.Fatal(err)
		}
		all[i] = b
	}
	trace, err := bench.NewTrace(all)
	if err != nil {
		t.Fatal(err)
	}
	var sender *bench.Sender
	w.inClient(t, func() (err error) {
		sender, err = bench.NewSender(trace, w.client.index)
		return err
	})
	f := &flood{sent: make(chan map[int]uint64, 1)}
	go func() {
		defer sender.Close()
		runtime.LockOSThread() // never unlocked: it is in the client's namespace
		if err := unix.Setns(int(w.clientSpace.Fd()), unix.CLONE_NEWNET); err != nil {
			t.Error(err)
		}
		total := uint64(0)
		for !f.stop.Load() {
			_, n, err := sender.Send(1, 50_000)
			if err != nil {
				t.Error(err)
				break
			}
			total += n
		}
		by := map[int]uint64{}
		for i, port := range ports { // the trace is the frames in turns, from the first one
			length := uint64(len(ports))
			full := uint64(trace.Packets()) / length * length // the last turn of a trace may be cut short
			rounds, rest := total/uint64(trace.Packets()), total%uint64(trace.Packets())
			perTrace := full / length
			if uint64(i) < uint64(trace.Packets())-full {
				perTrace++
			}
			by[port] += rounds*perTrace + rest/length
			if uint64(i) < rest%length {
				by[port]++
			}
		}
		f.sent <- by
	}()
	return f
}

// behindXDP counts the datagrams to a port that reach the stack of the server.
func behindXDP(t *testing.T, w *wire, port int) func() uint64 {
	t.Helper()
	fd := listen(t, w.server.index)
	filter := []unix.SockFilter{
		{Code: unix.BPF_LD | unix.BPF_H | unix.BPF_ABS, K: 36},
		{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: uint32(port), Jf: 1},
		{Code: unix.BPF_RET | unix.BPF_K, K: 1},
		{Code: unix.BPF_RET | unix.BPF_K, K: 0},
	}
	if err := unix.SetsockoptSockFprog(fd, unix.SOL_SOCKET, unix.SO_ATTACH_FILTER, &unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]}); err != nil {
		t.Fatal(err)
	}
	total := uint64(0)
	count := func() uint64 { // reading the statistics sets them to zero
		stats, err := unix.GetsockoptTpacketStats(fd, unix.SOL_PACKET, unix.PACKET_STATISTICS)
		if err != nil {
			t.Fatal(err)
		}
		total += uint64(stats.Packets) // those too for which the socket had no room
		return total
	}
	count()
	total = 0
	return count
}

// enableGRO makes the server's end take frames when it has no XDP program:
// a veth without NAPI refuses redirected ones, and the control would lose
// frames instead of letting them in.
func enableGRO(t *testing.T) {
	t.Helper()
	const setGRO = 0x2c // ETHTOOL_SGRO
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	value := struct{ command, data uint32 }{setGRO, 1}
	request := struct { // struct ifreq (linux/if.h)
		name [unix.IFNAMSIZ]byte
		data unsafe.Pointer
		_    [16]byte
	}{data: unsafe.Pointer(&value)}
	copy(request.name[:], serverName)
	if _, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), unix.SIOCETHTOOL, uintptr(unsafe.Pointer(&request))); errno != 0 {
		t.Fatal(errno)
	}
}

type replacement struct {
	rules  *rules.RuleSet
	object *codegen.Object
}

func newReplacement(t *testing.T, name, text, strategy string) replacement {
	t.Helper()
	rs, diagnostics := rules.ParseAndCheck(rules.NewFile(name, []byte(text)))
	if err := diagnostics.Err(); err != nil {
		t.Fatal(err)
	}
	obj, err := codegen.Compile(rs, codegen.Options{Strategy: strategy})
	if err != nil {
		t.Fatal(err)
	}
	return replacement{rs, obj}
}

func (r replacement) load() error {
	_, err := loader.Load(r.object, loader.LoadOptions{Interfaces: []string{serverName}, Mode: loader.Native, Force: true, Rules: r.rules})
	return err
}

// replaceUnderFlood replaces rule sets by each other while frames arrive, for
// so long and so often at least, and says how many datagrams to the two ports
// reached the stack, and how many were sent.
func replaceUnderFlood(t *testing.T, w *wire, least time.Duration, replaces int, replace func(replacement) error) (leaked, kept uint64, sent map[int]uint64) {
	t.Helper()
	sets := []replacement{newReplacement(t, "first.fw", firstSet, codegen.Chain), newReplacement(t, "second.fw", secondSet, codegen.Table)}
	if err := sets[0].load(); err != nil {
		t.Fatal(err)
	}
	droppedHere, passedHere := behindXDP(t, w, dropped), behindXDP(t, w, passed)
	flood := startFlood(t, w, []int{dropped, passed, 1, 2, dropped, 3})
	start, n := time.Now(), 0
	for time.Since(start) < least || n < replaces {
		if time.Since(start) > 2*time.Minute {
			t.Fatalf("only %d replaces in %v", n, time.Since(start))
		}
		n++
		if err := replace(sets[n%2]); err != nil {
			flood.stop.Store(true)
			t.Fatal(err)
		}
	}
	flood.stop.Store(true)
	sent = <-flood.sent
	t.Logf("%d replaces in %v under %d frames", n, time.Since(start).Round(time.Millisecond), sent[dropped]+sent[passed]+sent[1]+sent[2]+sent[3])
	time.Sleep(50 * time.Millisecond) // the last batch may still be on its way
	return droppedHere(), passedHere(), sent
}

// While frames arrive as fast as this machine can send them, rules are replaced
// again and again: no frame of the two flows is decided otherwise than both sets
// say, and the counters of the rules for them account for every frame.
func TestReplaceUnderFlood(t *testing.T) {
	w := newWire(t)
	enableGRO(t)
	leaked, kept, sent := replaceUnderFlood(t, w, 5*time.Second, 400, replacement.load)
	if leaked != 0 {
		t.Errorf("%d frames reached the stack that both rule sets drop", leaked)
	}
	if kept != sent[passed] {
		t.Errorf("%d frames of %d reached the stack that both rule sets pass", kept, sent[passed])
	}
	stats, err := loader.ReadStats(serverName)
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]uint64{"marker": sent[dropped], "keep": sent[passed]}
	for _, r := range stats.Rules {
		if n, ok := want[r.Name]; ok && r.Packets != n {
			t.Errorf("%s counted %d packets, and %d were sent", r.Name, r.Packets, n)
		}
	}
	if err := loader.Unload(serverName); err != nil {
		t.Error(err)
	}
}

// The control: whoever detaches and attaches instead lets frames through. It
// shows that the test above would see them.
func TestDetachAndAttachLeaks(t *testing.T) {
	w := newWire(t)
	enableGRO(t)
	leaked, _, sent := replaceUnderFlood(t, w, time.Second, 20, func(r replacement) error {
		if err := loader.Unload(serverName); err != nil {
			return fmt.Errorf("detach: %w", err)
		}
		return r.load()
	})
	t.Logf("%d of %d frames were let through", leaked, sent[dropped])
	if leaked == 0 {
		t.Error("no frame was let through: the test cannot see unfiltered frames")
	}
}
