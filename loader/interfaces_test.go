package loader

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/vishvananda/netlink"

	"xdpfw/codegen"
	"xdpfw/loader/frames"
	"xdpfw/rules"
)

func compiled(t *testing.T, text string) (*codegen.Object, *rules.RuleSet) {
	t.Helper()
	rs, diags := rules.ParseAndCheck(rules.NewFile("rules.fw", []byte(text)))
	if err := diags.Err(); err != nil {
		t.Fatal(err)
	}
	obj, err := codegen.Compile(rs, codegen.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return obj, rs
}

// Names of interfaces are found where the rules are loaded; those that are not
// there are named with the rule, and nothing is attached.
func TestInterfacesThatAreNone(t *testing.T) {
	ownMachine(t)
	vethPair(t, "in0", "wire0")
	wire, err := netlink.LinkByName("wire0")
	if err != nil {
		t.Fatal(err)
	}
	if err := netlink.LinkAddAltName(wire, "outside"); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ text, why, help string }{
		{"pass arp\ndrop not on { in0, eth7 }\n",
			`there is no interface "eth7" in this network namespace; the rule at rules.fw:2, "drop not on { in0, eth7 }", names it`,
			"there are: lo, wire0, in0"},
		{"redirect eth8 udp\n",
			`there is no interface "eth8" in this network namespace; the rule at rules.fw:1, "redirect eth8 udp", names it`,
			"there are: lo, wire0, in0"},
		{"drop on wire0\ndrop on outside\n",
			`wire0 and outside are two names of one interface; the rule at rules.fw:2, "drop on outside", names it`,
			"call it by one of them in all rules"},
	} {
		obj, _ := compiled(t, c.text)
		_, err := Load(obj, forced(Auto, "in0"))
		mustRefuse(t, err, c.why, c.help)
		if d, err := findDevice("look", "in0"); err != nil || d.attached {
			t.Errorf("%q: attached %v, %v", c.text, d.attached, err)
		}
	}
}

// The guard knows what the rules call the interface that it asks about.
func TestGuardKnowsTheInterface(t *testing.T) {
	ownMachine(t)
	withoutLinkLocal(t)
	vethPair(t, "in0", "wire0")
	addAddress(t, "in0", "192.0.2.1/24", 0)
	t.Setenv("SSH_CONNECTION", "")
	for _, c := range []struct {
		text string
		lost bool
	}{
		{"drop on in0 arp\n", true}, {"drop not on in0 arp\n", false}, {"redirect wire0 on in0\n", true}, {"tx on wire0\n", false},
	} {
		obj, rs := compiled(t, c.text)
		_, err := Load(obj, LoadOptions{Interfaces: []string{"in0"}, Rules: rs, DryRun: true})
		var refused *Error
		if errors.As(err, &refused) != c.lost {
			t.Errorf("%q: %v", c.text, err)
		}
	}
}

// Frames on a wire: `on` tells interfaces apart, redirect sends out of
// another, tx back, and what only counts goes on.
func TestVerdictsOnAWire(t *testing.T) {
	ownMachine(t)
	for _, pair := range [][2]string{{"in0", "wire0"}, {"in1", "wire1"}, {"out0", "far0"}} {
		vethPair(t, pair[0], pair[1])
	}
	const text = `
		chain counted { count udp len >= 60; return on in1; redirect out0 udp }
		jump counted
		tx on in0 arp
		abort on in1 udp
		drop arp
	`
	obj, rs := compiled(t, text)
	mustLoad(t, obj, LoadOptions{Interfaces: []string{"in0", "in1"}, Force: true, Rules: rs})
	// A veth takes frames of XDP only if its peer has a program.
	obj, rs = compiled(t, "count udp\ncount arp\n")
	mustLoad(t, obj, LoadOptions{Interfaces: []string{"wire0", "far0"}, Force: true, Rules: rs})

	udp := mustFrame(t, frames.Frame{Network: frames.IPv4{Transport: frames.UDP{From: 1, To: 2}}, Padding: 20})
	arp := mustFrame(t, frames.Frame{Network: frames.ARP{}})
	send(t, "wire0", udp, udp, arp)
	send(t, "wire1", udp, arp)
	mustCount(t, "in0", map[string]uint64{"count udp len >= 60": 2, "redirect out0 udp": 2, "tx on in0 arp": 1})
	mustCount(t, "in1", map[string]uint64{"count udp len >= 60": 1, "return on in1": 2, "abort on in1 udp": 1, "drop arp": 1})
	mustCount(t, "far0", map[string]uint64{"count udp": 2})
	mustCount(t, "wire0", map[string]uint64{"count arp": 1})
}

// mustCount waits until the rules on an interface, by their text, have counted
// so many packets, and all others none. What the kernel itself says on a new
// interface is neither UDP nor ARP, and only `return on` counts it.
func mustCount(t *testing.T, iface string, want map[string]uint64) {
	t.Helper()
	wrong := ""
	for range 40 {
		stats, err := ReadStats(iface)
		if err != nil {
			t.Fatal(err)
		}
		wrong = ""
		for _, c := range stats.Rules {
			if n := want[c.Text]; c.Packets < n || c.Packets > n && c.Verdict != rules.Return {
				wrong = fmt.Sprintf("%q has counted %d packets, want %d", c.Text, c.Packets, n)
			}
		}
		if wrong == "" {
			return
		}
		time.Sleep(25 * time.Millisecond)
	}
	t.Errorf("%s: %s", iface, wrong)
}

func mustFrame(t *testing.T, f frames.Frame) []byte {
	t.Helper()
	b, err := f.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// Where test runs happen does not matter, and frames arrive where they say.
func TestRunnerKnowsNoInterface(t *testing.T) {
	ownMachine(t)
	obj, _ := compiled(t, "drop on lo\nredirect eth9 on eth8\n")
	r, err := NewRunner(obj)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	for name, want := range map[string]rules.Verdict{"": rules.Pass, "lo": rules.Drop, "eth8": rules.Redirect, "eth9": rules.Pass, "eth0": rules.Pass} {
		p := rules.NewPacket(make([]byte, 64))
		p.Interface = name
		if d, _, err := r.RunCounting(p); err != nil || d.Verdict != want {
			t.Errorf("on %q: %v, %v; want %v", name, d, err, want)
		}
	}
}
