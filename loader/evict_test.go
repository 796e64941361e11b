package loader

import (
	"strings"
	"testing"
	"time"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"
	"github.com/vishvananda/netlink"

	"xdpfw/rules"
)

// attachWithoutLink puts a foreign program on an interface, as ip-link(8) does.
func attachWithoutLink(t *testing.T, iface string, mode Mode) ebpf.ProgramID {
	t.Helper()
	img, err := loadImage("test", handMade("foreign", rules.Pass), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer img.Close()
	d, err := findDevice("test", iface)
	if err != nil {
		t.Fatal(err)
	}
	d.mode = mode
	if err := setProgram(d, img.entry.FD()); err != nil {
		t.Fatal(err)
	}
	return programOn(t, iface)
}

func programOn(t *testing.T, iface string) ebpf.ProgramID {
	t.Helper()
	d, err := findDevice("test", iface)
	if err != nil {
		t.Fatal(err)
	}
	return d.program
}

func evicting(mode Mode, interfaces ...string) LoadOptions {
	opts := forced(mode, interfaces...)
	opts.Evict = true
	return opts
}

// A foreign program goes when that is asked for, however it is attached, and
// not before the rest has been tried.
func TestEvict(t *testing.T) {
	ownMachine(t)
	vethPair(t, "in0", "out0")
	obj := handMade("first.fw", rules.Pass)
	for name, attach := range map[string]func() func(){
		"native":  func() func() { attachWithoutLink(t, "in0", Native); return func() {} },
		"generic": func() func() { attachWithoutLink(t, "in0", Generic); return func() {} },
		"link": func() func() {
			l := attachForeign(t, "in0", link.XDPDriverMode)
			return func() { l.Close() }
		},
	} {
		t.Log(name)
		func() { // and no t.Run: this thread has the namespace
			done := attach()
			defer done()
			foreign := programOn(t, "in0")
			who := describeProgram(foreign)
			_, err := Load(obj, forced(Auto, "in0"))
			mustRefuse(t, err, "another XDP program, not loaded by xdpfw", "--evict")
			opts := evicting(Auto, "in0")
			opts.DryRun = true
			if dry := mustLoad(t, obj, opts); dry[0].Evicted != who {
				t.Errorf("the dry run would evict %q, not %q", dry[0].Evicted, who)
			}
			opts.DryRun, opts.Confirm = false, time.Minute
			_, err = Load(obj, opts)
			mustRefuse(t, err, "once evicted it does not come back", "without --confirm")
			if now := programOn(t, "in0"); now != foreign {
				t.Fatalf("program %d is on in0, which nobody asked to evict %d from", now, foreign)
			}
			loaded := mustLoad(t, obj, evicting(Auto, "in0"))
			if now := programOn(t, "in0"); loaded[0].Evicted != who || uint32(now) != loaded[0].ProgramID {
				t.Errorf("%+v; program %d is on in0", loaded[0], now)
			}
			if again := mustLoad(t, obj, evicting(Auto, "in0")); !again[0].Replaced || again[0].Evicted != "" {
				t.Errorf("our own program was evicted: %+v", again[0])
			}
			if err := Unload("in0"); err != nil {
				t.Error(err)
			}
		}()
	}
}

// What was evicted comes back when the load fails behind it. What a bpf_link
// held cannot: it is evicted last, and if even so something fails that is said.
func TestEvictedComesBack(t *testing.T) {
	ownMachine(t)
	index := vethPair(t, "in0", "out0")
	vethPair(t, "in1", "out1")
	obj := handMade("first.fw", rules.Pass)
	// fail to load on in0 and in1, as somebody attaches to in1 at the last moment.
	fail := func() error {
		opts := evicting(Auto, "in0", "in1")
		attempts, err := prepare("load", obj, opts)
		if err != nil {
			t.Fatal(err)
		}
		root, _, err := rootFor(opts)
		if err != nil {
			t.Fatal(err)
		}
		defer root.Close()
		for _, a := range attempts {
			defer a.Close()
			if err := a.claim(root, opts); err != nil {
				t.Fatal(err)
			}
		}
		taken := attachForeign(t, "in1", link.XDPDriverMode)
		defer taken.Close()
		return attachAll(attempts, obj, opts)
	}
	is := func(program ebpf.ProgramID, mode Mode) {
		t.Helper()
		if d, err := findDevice("test", "in0"); err != nil || d.program != program || d.mode != mode {
			t.Errorf("%+v, %v: not the program %d again", d, err, program)
		}
	}
	foreign := attachWithoutLink(t, "in0", Generic)
	mustRefuse(t, fail(), "attach to in1 in native mode: the interface is busy", "")
	is(foreign, Generic)
	if err := setProgram(device{index: index, mode: Generic}, -1); err != nil {
		t.Fatal(err)
	}
	held := attachForeign(t, "in0", link.XDPGenericMode)
	defer held.Close()
	foreign = programOn(t, "in0")
	mustRefuse(t, fail(), "attach to in1 in native mode: the interface is busy", "")
	is(foreign, Generic)
	other := attachForeign(t, "in1", link.XDPGenericMode)
	defer other.Close()
	far, err := netlink.LinkByName("out1")
	if err != nil {
		t.Fatal(err)
	}
	if err := netlink.LinkSetMTU(far, 9000); err != nil { // too large for native mode
		t.Fatal(err)
	}
	if _, err := Load(obj, evicting(Native, "in0", "in1")); err == nil || !strings.Contains(err.Error(), "cannot be put back on in0: its own tool must do that") {
		t.Errorf("%v", err)
	}
}
