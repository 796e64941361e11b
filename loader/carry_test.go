package loader

import (
	"bytes"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"xdpfw/loader/frames"
)

// Two rule sets that have rules in common.
const (
	carryFirst = `default pass
named: drop proto 17
drop proto 99
drop proto 98
`
	// The same rules in another order, on other lines; one is new, and one that
	// had a name says something else now.
	carrySecond = `default pass


drop proto 97
drop proto 99
named: drop proto { 17, 96 }
`
)

// counted waits until the rules have counted so many packets, by text or name;
// -1 of a rule that is not there.
func counted(t *testing.T, iface string, want map[string]int) *Stats {
	t.Helper()
	for deadline := time.Now().Add(3 * time.Second); ; time.Sleep(time.Millisecond) {
		stats, err := ReadStats(iface)
		if err != nil {
			t.Fatal(err)
		}
		got := map[string]int{}
		for _, r := range stats.Rules {
			name := r.Name
			if name == "" {
				name = r.Text
			}
			got[name] = int(r.Packets)
			if r.Bytes != 60*r.Packets {
				t.Errorf("%s: %d bytes of %d packets of 60", name, r.Bytes, r.Packets)
			}
		}
		same := true
		for name, n := range want {
			same = same && got[name] == n
		}
		if same {
			return stats
		}
		if time.Now().After(deadline) {
			t.Fatalf("counted are %v, want %v", got, want)
		}
	}
}

// sendEach sends so many packets of each protocol, of 60 bytes.
func sendEach(t *testing.T, times int, protocols ...byte) {
	t.Helper()
	for _, p := range protocols {
		frame, err := frames.Frame{Network: frames.IPv4{Transport: frames.Other{Protocol: p, Payload: make([]byte, 26)}}}.Bytes()
		if err != nil {
			t.Fatal(err)
		}
		for range times {
			send(t, "out0", frame)
		}
	}
}

func loadText(t *testing.T, text string) {
	t.Helper()
	obj, rs := compiled(t, text)
	mustLoad(t, obj, LoadOptions{Interfaces: []string{"in0"}, Force: true, Rules: rs})
}

// Rules that are the same go on counting over a replace; others start at zero,
// and each says since when it counts. The old maps are given back.
func TestCountersCarryOver(t *testing.T) {
	ownMachine(t)
	vethPair(t, "in0", "out0")
	loadText(t, carryFirst)
	sendEach(t, 5, 17, 99, 98)
	before := counted(t, "in0", map[string]int{"named": 5, "drop proto 99": 5, "drop proto 98": 5})
	objects := objectsOn(t, "in0")[1:]  // all but the link
	time.Sleep(1100 * time.Millisecond) // times are in seconds
	loadText(t, carrySecond)
	mustBeGone(t, objects)
	sendEach(t, 2, 17, 99, 97, 96)
	after := counted(t, "in0", map[string]int{"named": 9, "drop proto 99": 7, "drop proto 97": 2})
	if len(after.Rules) != 3 {
		t.Errorf("%d rules", len(after.Rules))
	}
	for _, r := range after.Rules {
		if isNew := r.Text == "drop proto 97"; r.Since.Equal(before.Rules[0].Since) == isNew {
			t.Errorf("%q counts since %v, the first rules since %v", r.Text, r.Since, before.Rules[0].Since)
		}
	}
	loadText(t, carryFirst) // the default is the same in all three
	if now := counted(t, "in0", map[string]int{"named": 9, "drop proto 99": 7, "drop proto 98": 0}); now.Default.Packets < before.Default.Packets {
		t.Errorf("the default counted %d, it had %d", now.Default.Packets, before.Default.Packets)
	}
}

// A run that is killed behind the update leaves sums that are right all the
// same, and the next run makes up for it.
func TestCarryOverOfAKilledRun(t *testing.T) {
	ownMachine(t)
	vethPair(t, "in0", "out0")
	loadText(t, carryFirst)
	sendEach(t, 3, 17, 99)
	counted(t, "in0", map[string]int{"named": 3, "drop proto 99": 3})

	obj, rs := compiled(t, carrySecond)
	opts := LoadOptions{Interfaces: []string{"in0"}, Force: true, Rules: rs}
	attempts, err := prepare("load", obj, opts)
	if err != nil {
		t.Fatal(err)
	}
	root, _, err := rootFor(opts)
	if err != nil {
		t.Fatal(err)
	}
	if err := attempts[0].claim(root, opts); err != nil {
		t.Fatal(err)
	}
	s := state{Source: "second.fw", Loaded: time.Now().Format(time.RFC3339), Counters: counterStates(obj.Counters)}
	if err := attempts[0].attach(s, Auto); err != nil {
		t.Fatal(err)
	}
	attempts[0].Close()
	root.Close()

	sendEach(t, 4, 17, 97)
	counted(t, "in0", map[string]int{"named": 7, "drop proto 99": 3, "drop proto 97": 4})
	loadText(t, carryFirst)
	counted(t, "in0", map[string]int{"named": 7, "drop proto 99": 3, "drop proto 98": 0})
	held := heldOn(t, "in0")
	defer held.Close()
	if _, err := os.Stat(held.generation().before()); !os.IsNotExist(err) {
		t.Errorf("what was before is still pinned: %v", err)
	}
}

// Going back to what was there before keeps what both have counted.
func TestCountersOfGoingBack(t *testing.T) {
	ownMachine(t)
	vethPair(t, "in0", "out0")
	loadText(t, carryFirst)
	sendEach(t, 3, 17, 98)
	counted(t, "in0", map[string]int{"named": 3, "drop proto 98": 3})

	obj, rs := compiled(t, carrySecond)
	opts := LoadOptions{Interfaces: []string{"in0"}, Force: true, Rules: rs}
	attempts, err := prepare("load", obj, opts)
	if err != nil {
		t.Fatal(err)
	}
	defer attempts[0].Close()
	root, _, err := rootFor(opts)
	if err != nil {
		t.Fatal(err)
	}
	if err := attempts[0].claim(root, opts); err != nil {
		t.Fatal(err)
	}
	s := state{Source: "second.fw", Loaded: time.Now().Format(time.RFC3339), Counters: counterStates(obj.Counters)}
	if err := attempts[0].attach(s, Auto); err != nil {
		t.Fatal(err)
	}
	sendEach(t, 2, 17, 98)
	counted(t, "in0", map[string]int{"named": 5})
	if err := attempts[0].undo(); err != nil {
		t.Fatal(err)
	}
	root.Close()
	sendEach(t, 1, 17, 98)
	counted(t, "in0", map[string]int{"named": 6, "drop proto 98": 4, "drop proto 99": 0})
}

// A reset lets all start at zero, whatever the program's own counters say, and
// a replace behind it carries over what was counted since.
func TestResetStats(t *testing.T) {
	ownMachine(t)
	vethPair(t, "in0", "out0")
	_, err := ResetStats("in0")
	mustRefuse(t, err, "reset the counters of in0: no rule set is loaded on in0", "")
	loadText(t, carryFirst)
	sendEach(t, 3, 17, 99)
	before := counted(t, "in0", map[string]int{"named": 3, "drop proto 99": 3})
	was, err := ResetStats("in0")
	if err != nil || was.Rules[0].Packets != 3 || !was.Rules[0].Since.Equal(before.Rules[0].Since) {
		t.Fatalf("reset from %+v, %v", was, err)
	}
	stats := counted(t, "in0", map[string]int{"named": 0, "drop proto 99": 0})
	if !stats.Rules[0].Since.After(before.Rules[0].Since) {
		t.Errorf("counts since %v, it did since %v", stats.Rules[0].Since, before.Rules[0].Since)
	}
	sendEach(t, 2, 17)
	loadText(t, carrySecond)
	sendEach(t, 1, 17)
	counted(t, "in0", map[string]int{"named": 3, "drop proto 99": 0})
	if was, err = ResetStats("in0"); err != nil || was.Rules[1].Packets+was.Rules[2].Packets != 3 {
		t.Fatalf("reset from %+v, %v", was, err)
	}
	counted(t, "in0", map[string]int{"named": 0})
}

// What an xdpfw of version 1 pinned is read, and its counters carry over.
func TestStateOfVersionOne(t *testing.T) {
	ownMachine(t)
	vethPair(t, "in0", "out0")
	loadText(t, carryFirst)
	held := heldOn(t, "in0")
	value, err := readPin(held.generation().state())
	if err != nil {
		t.Fatal(err)
	}
	copy(value[len(stateMagic):], []byte{0, 0, 0, 1})
	if err := replacePin(held.generation().state(), "xdpfw_state", value); err != nil {
		t.Fatal(err)
	}
	held.Close()
	sendEach(t, 3, 17)
	counted(t, "in0", map[string]int{"named": 3})
	if list, err := ListStatus("in0"); err != nil || list[0].Version != 1 || len(list[0].Warnings) > 0 {
		t.Errorf("status %+v, %v", list, err)
	}
	loadText(t, carrySecond)
	sendEach(t, 1, 17)
	counted(t, "in0", map[string]int{"named": 4})
}

// Whoever reads while rules are replaced and counters reset never sees a sum
// fall, but to one that a reset explains.
func TestReadersMeanwhile(t *testing.T) {
	ownMachine(t)
	vethPair(t, "in0", "out0")
	loadText(t, carryFirst)
	const sent, most = 50, 2000
	space, err := os.Open("/proc/thread-self/ns/net")
	if err != nil {
		t.Fatal(err)
	}
	defer space.Close()
	stop, done := make(chan bool), make(chan int)
	sendEach(t, sent, 17)
	for range 2 {
		go func() {
			runtime.LockOSThread()
			if err := unix.Setns(int(space.Fd()), unix.CLONE_NEWNET); err != nil {
				t.Error(err)
			}
			last, falls := uint64(0), 0
			for {
				select {
				case <-stop:
					done <- falls
					return
				default:
				}
				stats, err := ReadStats("in0")
				if err != nil {
					t.Error(err)
					continue
				}
				for _, r := range stats.Rules {
					if r.Name != "named" {
						continue
					}
					if r.Packets > most {
						t.Errorf("read %d packets", r.Packets)
					}
					if r.Packets < last {
						falls++
					}
					last = r.Packets
				}
			}
		}()
	}
	total := uint64(0)
	for i := range 60 {
		loadText(t, []string{carrySecond, carryFirst}[i%2])
		sendEach(t, 1, 17)
	}
	counted(t, "in0", map[string]int{"named": sent + 60})
	close(stop)
	if falls := <-done + <-done; falls > 0 {
		t.Errorf("sums fell %d times without a reset", falls)
	}
	stop = make(chan bool)
	go func() { // resets account for every packet once
		runtime.LockOSThread()
		if err := unix.Setns(int(space.Fd()), unix.CLONE_NEWNET); err != nil {
			t.Error(err)
		}
		for range 50 {
			stats, err := ReadStats("in0")
			if err != nil || stats.Rules[0].Packets > most {
				t.Errorf("read %+v, %v", stats, err)
			}
		}
		close(stop)
	}()
	for range 20 {
		stats, err := ResetStats("in0")
		if err != nil {
			t.Fatal(err)
		}
		total += packetsOf(stats, "named")
		sendEach(t, 1, 17)
	}
	<-stop
	last, err := ReadStats("in0")
	if total += packetsOf(last, "named"); err != nil || total != sent+80 {
		t.Errorf("%d packets came out of resets, %d were sent: %v", total, sent+80, err)
	}
}

func packetsOf(stats *Stats, name string) uint64 {
	for _, r := range stats.Rules {
		if r.Name == name {
			return r.Packets
		}
	}
	return 0
}

// A rule may be called default; it is not the default.
func TestCountersOfARuleNamedDefault(t *testing.T) {
	ownMachine(t)
	vethPair(t, "in0", "out0")
	const named = "default drop\ndefault: drop proto 98\npass icmp\n"
	loadText(t, named)
	sendEach(t, 3, 98)
	sendEach(t, 50, 17)
	counted(t, "in0", map[string]int{"default": 3})
	loadText(t, named+"pass udp\n")
	if stats := counted(t, "in0", map[string]int{"default": 3}); stats.Default.Packets < 50 {
		t.Errorf("the default counted %d packets, it had 50 at least", stats.Default.Packets)
	}
}

// What cannot be read of the old rules is no reason not to replace them: their
// counters end with them.
func TestCarryOverOfDamagedPins(t *testing.T) {
	ownMachine(t)
	vethPair(t, "in0", "out0")
	for name, pin := range map[string]func(pinnedGeneration) string{
		"state": pinnedGeneration.state, "carried": pinnedGeneration.carried, "before": pinnedGeneration.before,
	} {
		loadText(t, carryFirst)
		sendEach(t, 2, 17)
		held := heldOn(t, "in0")
		if err := replacePin(pin(held.generation()), "damaged", []byte("xyz")); err != nil {
			t.Fatal(err)
		}
		held.Close()
		for n, text := range []string{carrySecond, carryFirst} {
			obj, rs := compiled(t, text)
			done := mustLoad(t, obj, LoadOptions{Interfaces: []string{"in0"}, Force: true, Rules: rs})
			if warned := strings.Join(done[0].Warnings, "; "); !done[0].Replaced ||
				strings.HasPrefix(warned, "what the old rules counted is lost: ") != (n == 0 && name != "before") {
				t.Errorf("%s: %+v", name, done)
			}
			if stats, err := ReadStats("in0"); err != nil || packetsOf(stats, "named") > 2 {
				t.Errorf("%s: %+v, %v", name, stats, err)
			}
		}
		held = heldOn(t, "in0")
		if pins := pinsUnder(t, string(held.dir)); len(pins) != 2 {
			t.Errorf("%s: pinned are %v", name, pins)
		}
		held.Close()
		if err := Unload("in0"); err != nil {
			t.Error(err)
		}
	}
}

// A value of several elements is read as it was pinned.
func TestLargeValues(t *testing.T) {
	path := ownBPFFS(t) + "/value"
	for _, size := range []int{1, valueElement, valueElement + 1, 3*valueElement - 7} {
		value := bytes.Repeat([]byte{1, 2, 3}, size/3+1)[:size]
		if err := replacePin(path, "value", value); err != nil {
			t.Fatal(err)
		}
		got, err := readPin(path)
		if err != nil || !bytes.Equal(got[:size], value) || len(bytes.Trim(got[size:], "\x00")) > 0 {
			t.Errorf("%d bytes: %d are read, %v", size, len(got), err)
		}
	}
}
