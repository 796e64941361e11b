package loader

import (
	"testing"
	"time"

	"xdpfw/codegen"
	"xdpfw/rules"
)

// What a verdict comes to goes on over rules that go, and come back, also by a
// trial that is taken back, until it is reset.
func TestVerdictsNeverFall(t *testing.T) {
	ownMachine(t)
	withoutLinkLocal(t) // nothing is sent but what is counted
	vethPair(t, "in0", "out0")
	dropped := func(when string, want uint64) {
		t.Helper()
		stats, err := ReadStats("in0")
		if err != nil {
			t.Fatal(err)
		}
		list, err := ListStatus("in0")
		if err != nil {
			t.Fatal(err)
		}
		for _, v := range stats.Verdicts {
			if v.Verdict == rules.Drop && (v.Packets != want || v.Bytes != 60*want) {
				t.Errorf("%s: %d packets and %d bytes dropped, want %d", when, v.Packets, v.Bytes, want)
			}
		}
		if all := want + stats.Default.Packets; list[0].Packets != all {
			t.Errorf("%s: status tells of %d packets, want %d", when, list[0].Packets, all)
		}
	}
	const one, other = "default pass\ndrop udp\ndrop proto 98\n", "default pass\ndrop udp\ndrop proto 97\n"
	loadText(t, one)
	sendEach(t, 3, 17, 98)
	counted(t, "in0", map[string]int{"drop udp": 3, "drop proto 98": 3})
	loadText(t, other)
	dropped("replaced", 6)
	sendEach(t, 2, 17, 97)
	counted(t, "in0", map[string]int{"drop udp": 5, "drop proto 97": 2})
	dropped("counted on", 10)

	trial := onTrialFor(t, time.Hour, one, "in0")
	sendEach(t, 4, 17, 98)
	counted(t, "in0", map[string]int{"drop udp": 9, "drop proto 98": 4})
	dropped("on trial", 18)
	if err := trial.TakeBack(); err != nil {
		t.Fatal(err)
	}
	counted(t, "in0", map[string]int{"drop udp": 9, "drop proto 97": 2})
	dropped("taken back", 18)
	loadText(t, "default pass\npass udp\n")
	dropped("none that drop", 18)
	loadText(t, one)
	_, rs := compiled(t, other)
	obj, err := codegen.Compile(rs, codegen.Options{Counters: codegen.CountNone})
	if err != nil {
		t.Fatal(err)
	}
	loadNone := func(confirm time.Duration) *Trial {
		t.Helper()
		opts := LoadOptions{Interfaces: []string{"in0"}, Force: true, Rules: rs, Confirm: confirm}
		if confirm > 0 {
			opts.Keeper = []string{testKeeper}
		}
		return mustLoad(t, obj, opts)[0].Trial
	}
	if err := loadNone(time.Hour).TakeBack(); err != nil {
		t.Fatal(err)
	}
	dropped("nothing counted on trial", 18)
	loadNone(0)
	loadText(t, one)
	dropped("nothing counted meanwhile", 18)
	if _, err := ResetStats("in0"); err != nil {
		t.Fatal(err)
	}
	dropped("reset", 0)
	loadText(t, one)
	sendEach(t, 1, 98)
	counted(t, "in0", map[string]int{"drop proto 98": 1})
	dropped("behind the reset", 1)
}

// What status tells of goes on also over another default, and over the one before
// that comes back.
func TestPacketsOverAnotherDefault(t *testing.T) {
	ownMachine(t)
	withoutLinkLocal(t) // nothing is sent but what is counted
	vethPair(t, "in0", "out0")
	const passes, drops = "default pass\ndrop proto 98\n", "default drop\ndrop proto 98\n"
	total := func() uint64 {
		t.Helper()
		list, err := ListStatus("in0")
		if err != nil {
			t.Fatal(err)
		}
		return list[0].Packets
	}
	loadText(t, passes)
	sent := uint64(0)
	for _, text := range []string{drops, passes, drops, drops} {
		sendEach(t, 20, 17, 98)
		sent += 40
		counted(t, "in0", map[string]int{"drop proto 98": int(sent / 2)})
		before := total()
		loadText(t, text)
		if now := total(); before != sent || now != sent {
			t.Errorf("%d sent, %d packets before %q and %d behind it", sent, before, text, now)
		}
	}
}

// What an xdpfw counted that keeps no totals of rules that are no more is added to
// what was known before it.
func TestVerdictsBehindAnOlderVersion(t *testing.T) {
	ownMachine(t)
	vethPair(t, "in0", "out0")
	const one, other = "default pass\ndrop udp\ndrop proto 98\n", "default pass\ndrop udp\ndrop proto 97\n"
	loadText(t, one)
	sendEach(t, 3, 17, 98)
	counted(t, "in0", map[string]int{"drop udp": 3, "drop proto 98": 3})
	trial := onTrialFor(t, time.Hour, other, "in0")
	sendEach(t, 2, 17, 97)
	counted(t, "in0", map[string]int{"drop udp": 5, "drop proto 97": 2})
	held := heldOn(t, "in0")
	defer held.Close()
	carried, err := readPin(held.generation().carried())
	if err != nil {
		t.Fatal(err)
	}
	if err := replacePin(held.generation().carried(), "xdpfw_carried", carried[:3*carriedSize]); err != nil { // as it was
		t.Fatal(err)
	}
	if err := trial.TakeBack(); err != nil {
		t.Fatal(err)
	}
	stats := counted(t, "in0", map[string]int{"drop udp": 5, "drop proto 98": 3})
	for _, v := range stats.Verdicts {
		if want := map[rules.Verdict]uint64{rules.Drop: 5 + 3 + 2}[v.Verdict]; v.Packets != want {
			t.Errorf("%v: %d packets, want %d", v.Verdict, v.Packets, want)
		}
	}
}

// A rule that keeps its name and decides otherwise is another one: what it dropped
// is not told as passed.
func TestCountersOfAnotherVerdict(t *testing.T) {
	ownMachine(t)
	vethPair(t, "in0", "out0")
	loadText(t, "default pass\nu: drop udp\nx: drop proto 98\n")
	sendEach(t, 3, 17, 98)
	loadText(t, "default pass\nu: pass udp\nx: drop proto 97\n")
	sendEach(t, 2, 17)
	counted(t, "in0", map[string]int{"u": 2, "x": 3})
	stats, err := ReadStats("in0")
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range stats.Verdicts {
		if want := map[rules.Verdict]uint64{rules.Pass: 2, rules.Drop: 3 + 3}[v.Verdict]; v.Packets != want {
			t.Errorf("%v: %d packets, want %d", v.Verdict, v.Packets, want)
		}
	}
}

// A reset during a trial holds also for rules that come back when it ends.
func TestResetOnTrial(t *testing.T) {
	ownMachine(t)
	withoutLinkLocal(t) // nothing is sent but what is counted
	vethPair(t, "in0", "out0")
	loadText(t, "default pass\ndrop udp\npass proto 98\n")
	sendEach(t, 5, 17, 98, 99)
	counted(t, "in0", map[string]int{"drop udp": 5, "pass proto 98": 5})
	trial := onTrialFor(t, time.Hour, "default pass\ndrop proto 97\ndrop udp\n", "in0")
	sendEach(t, 1, 17, 97)
	if was, err := ResetStats("in0"); err != nil || was.Rules[0].Packets != 1 || was.Rules[1].Packets != 6 {
		t.Fatalf("reset from %+v, %v", was, err)
	}
	sendEach(t, 2, 97)
	if err := trial.TakeBack(); err != nil {
		t.Fatal(err)
	}
	counted(t, "in0", map[string]int{"drop udp": 0, "pass proto 98": 0})
	sendEach(t, 3, 17, 98, 99)
	stats := counted(t, "in0", map[string]int{"drop udp": 3, "pass proto 98": 3})
	for _, v := range stats.Verdicts {
		if want := map[rules.Verdict]uint64{rules.Pass: 3, rules.Drop: 2 + 3}[v.Verdict]; v.Packets != want {
			t.Errorf("%v: %d packets, want %d", v.Verdict, v.Packets, want)
		}
	}
	list, err := ListStatus("in0")
	if err != nil || list[0].Packets != 2+3+3+3 || stats.Default.Packets != 3 {
		t.Errorf("status tells of %d packets, the default decided %d; %v", list[0].Packets, stats.Default.Packets, err)
	}
}
