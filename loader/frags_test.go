package loader

import (
	"testing"
	"time"

	"github.com/cilium/ebpf"
	"github.com/vishvananda/netlink"

	"xdpfw/codegen"
	"xdpfw/loader/frames"
	"xdpfw/rules"
)

const largeFrames = `default pass
drop invalid
count udp
port: drop udp to port 9
long: drop len > 8000
six: drop ip6 tcp to port 80
`

// spreading compiles for kernels that spread frames over several buffers.
func spreading(t *testing.T, strategy, text string) (*codegen.Object, *rules.RuleSet) {
	t.Helper()
	rs, diags := rules.ParseAndCheck(rules.NewFile("rules.fw", []byte(text)))
	if err := diags.Err(); err != nil {
		t.Fatal(err)
	}
	obj, err := codegen.Compile(rs, codegen.Options{Strategy: strategy, Target: codegen.Target{Kernel: codegen.SpreadingKernel}})
	if err != nil {
		t.Fatal(err)
	}
	return obj, rs
}

func largeFrame(t *testing.T, payload int, ip6 bool, transport frames.Transport) []byte {
	t.Helper()
	f := frames.Frame{Network: frames.IPv4{Transport: transport}}
	if ip6 {
		f.Network = frames.IPv6{Transport: transport}
	}
	b, err := f.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	if len(b) < payload {
		t.Fatalf("a frame of %d bytes", len(b))
	}
	return b
}

// Frames that do not fit into one buffer are decided as any others: they are
// whole, as long as they are, and counted so; a chain, a tree and a table alike.
func TestFramesInSeveralBuffers(t *testing.T) {
	requireBPF(t)
	if major, minor, err := kernelVersion(); err != nil || !(codegen.Target{Kernel: codegen.SpreadingKernel}).Includes(major, minor) {
		t.Logf("Linux %d.%d has no frames in several buffers", major, minor)
		return
	}
	big := make([]byte, 7000)
	for _, strategy := range codegen.Strategies {
		obj, rs := spreading(t, strategy, largeFrames)
		img, err := loadImage("test", obj, nil)
		if err != nil {
			t.Fatalf("%s: %v", strategy, err)
		}
		defer img.Close()
		reader, err := newCounterReader(img.counters, len(obj.Counters))
		if err != nil {
			t.Fatal(err)
		}
		before := make([]codegen.CounterValue, len(obj.Counters))
		for name, frame := range map[string][]byte{
			"udp to 9":            largeFrame(t, 7000, false, frames.UDP{To: 9, Payload: big}),
			"udp to 10":           largeFrame(t, 7000, false, frames.UDP{To: 10, Payload: big}),
			"udp6 to 9":           largeFrame(t, 7000, true, frames.UDP{To: 9, Payload: big}),
			"tcp to 80":           largeFrame(t, 7000, false, frames.TCP{To: 80, Payload: big}),
			"tcp6 to 80":          largeFrame(t, 7000, true, frames.TCP{To: 80, Payload: big}),
			"more than 8000":      largeFrame(t, 8000, false, frames.TCP{To: 22, Payload: make([]byte, 8200)}),
			"length beyond it":    largeFrame(t, 7000, false, frames.UDP{To: 10, Payload: big})[:6000],
			"length beyond it, 6": largeFrame(t, 7000, true, frames.UDP{To: 10, Payload: big})[:6000],
		} {
			want := rs.Decide(rules.NewPacket(frame))
			code, err := img.entry.Run(&ebpf.RunOptions{Data: frame, Repeat: 1})
			if err != nil {
				t.Fatalf("%s, %s: %v", strategy, name, err)
			}
			if got := returnCode(code).verdict(); got != want.Verdict {
				t.Errorf("%s, %s: %v, want %v", strategy, name, got, want.Verdict)
			}
			now, err := reader.read()
			if err != nil {
				t.Fatal(err)
			}
			for slot, c := range obj.Counters {
				moved := codegen.CounterValue{Packets: now[slot].Packets - before[slot].Packets, Bytes: now[slot].Bytes - before[slot].Bytes}
				if c.Rule == want.Rule && moved != (codegen.CounterValue{Packets: 1, Bytes: uint64(len(frame))}) {
					t.Errorf("%s, %s: %q counted %+v of a frame of %d bytes", strategy, name, c.Text, moved, len(frame))
				}
			}
			copy(before, now)
		}
	}
}

// With an MTU of 9000 a driver takes such a program natively, and no other.
func TestNativeWithLargeMTU(t *testing.T) {
	ownMachine(t)
	if major, minor, err := kernelVersion(); err != nil || !(codegen.Target{Kernel: codegen.SpreadingKernel}).Includes(major, minor) {
		t.Logf("Linux %d.%d has no frames in several buffers", major, minor)
		return
	}
	vethPair(t, "in0", "out0")
	for _, name := range []string{"in0", "out0"} {
		l, err := netlink.LinkByName(name)
		if err != nil {
			t.Fatal(err)
		}
		if err := netlink.LinkSetMTU(l, 9000); err != nil {
			t.Fatal(err)
		}
	}
	obj, rs := compiled(t, largeFrames)
	_, err := Load(obj, LoadOptions{Interfaces: []string{"in0"}, Mode: Native, Force: true, Rules: rs})
	mustRefuse(t, err, "frames above some 3498 bytes do not fit into one buffer", "--target "+codegen.SpreadingKernel)
	obj, rs = spreading(t, codegen.Auto, largeFrames)
	if done := mustLoad(t, obj, LoadOptions{Interfaces: []string{"in0"}, Mode: Native, Force: true, Rules: rs}); done[0].Mode != Native {
		t.Errorf("%+v", done)
	}
	one, oneRules := compiled(t, largeFrames)
	_, err = Load(one, LoadOptions{Interfaces: []string{"in0"}, Force: true, Rules: oneRules})
	mustRefuse(t, err, "frames above some 3498 bytes do not fit into one buffer", "--target "+codegen.SpreadingKernel)
	frame := largeFrame(t, 7000, false, frames.UDP{To: 9, Payload: make([]byte, 7000)})
	send(t, "out0", frame)
	for deadline := time.Now().Add(3 * time.Second); ; time.Sleep(time.Millisecond) {
		stats, err := ReadStats("in0")
		if err != nil {
			t.Fatal(err)
		}
		var port CounterStat
		for _, r := range stats.Rules {
			if r.Name == "port" {
				port = r
			}
		}
		if port.Packets == 1 && port.Bytes == uint64(len(frame)) {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("the rule counted %+v of a frame of %d bytes", port.CounterValue, len(frame))
		}
	}
}
