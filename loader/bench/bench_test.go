package bench

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"golang.org/x/sys/unix"

	"xdpfw/codegen"
	"xdpfw/loader"
	"xdpfw/loader/frames"
	"xdpfw/rules"
)

// someRules tell apart what the driver could get wrong: bytes at every place of a
// header, lengths, both families, tags, frames that end early.
const someRules = `default pass
drop len < 60
drop len > 100
drop vlan 5 udp
drop vlan 6
drop from 10.0.0.0/9 tcp to port < 1000
drop from 10.128.0.0/10
drop to 10.64.0.0/10 tcp flags syn,!ack
count from port < 30000
drop to 2001:db8::/33
drop from port > 60000
drop invalid
`

// somePackets are frames that someRules decide in many ways.
func somePackets(n int, seed uint64, varied bool) [][]byte {
	r := rand.New(rand.NewPCG(seed, 1))
	out := make([][]byte, n)
	for i := range out {
		var address4 [2][4]byte
		address6 := [2][16]byte{{0x20, 1, 0x0d, 0xb8}, {0x20, 1, 0x0d, 0xb8}}
		for side := range 2 {
			for b := range 3 {
				address4[side][0], address4[side][1+b] = 10, byte(r.Uint32())
			}
			for b := 4; b < 16; b++ {
				address6[side][b] = byte(r.Uint32())
			}
		}
		from, to := netip.AddrFrom4(address4[0]), netip.AddrFrom4(address4[1])
		if r.IntN(3) == 0 {
			from, to = netip.AddrFrom16(address6[0]), netip.AddrFrom16(address6[1])
		}
		f := frames.Frame{Network: frames.IP(from, to, frames.UDP{From: uint16(r.Uint32()), To: uint16(r.Uint32())})}
		if r.IntN(2) == 0 {
			f.Network = frames.IP(from, to, frames.TCP{From: uint16(r.Uint32()), To: uint16(r.IntN(2000)), Flags: byte(r.Uint32())})
		}
		for range r.IntN(3) {
			f.Tags = append(f.Tags, frames.Tag{VID: uint16(r.IntN(10))})
		}
		bytes, err := f.Bytes()
		if err != nil {
			panic(err)
		}
		switch {
		case !varied:
			bytes = append(bytes, make([]byte, 96-len(bytes))...)
		case r.IntN(10) == 0:
			bytes = bytes[:14+r.IntN(len(bytes)-13)]
		default:
			bytes = append(bytes, make([]byte, r.IntN(80))...)
		}
		out[i] = bytes
	}
	return out
}

// The counters of a rule set after a run are what the reference says of each
// packet of the trace, times the passes, and once more of the first packet.
func TestEveryPacketReachesTheProgram(t *testing.T) {
	for _, varied := range []bool{false, true} {
		t.Run(fmt.Sprintf("varied=%t", varied), func(t *testing.T) {
			b := newCounted(t, somePackets(TraceLength, 7, varied))
			if distinct := b.trace.Different(); distinct < TraceLength*95/100 {
				t.Errorf("only %d packets are different", distinct)
			}
			if err := b.run(driverCode(b.trace)); err != nil {
				t.Error(err)
			}
		})
	}
}

// Drivers with a defect, each of which some check must find.
func TestDefectiveDriversAreFound(t *testing.T) {
	defects := map[string]struct {
		varied bool
		plant  func(*Trace, asm.Instructions) bool
		finds  string // what must be said of it
	}{
		"it stays at one packet": {plant: func(_ *Trace, code asm.Instructions) bool {
			return edit(code, func(in *asm.Instruction) bool { return in.Symbol() == "advance" },
				func(in *asm.Instruction) { in.Constant = 0 })
		}, finds: "packets did not reach the program"},
		"it leaves out every other packet": {plant: func(_ *Trace, code asm.Instructions) bool {
			return edit(code, func(in *asm.Instruction) bool { return in.Symbol() == "advance" },
				func(in *asm.Instruction) { in.Constant *= 2 })
		}, finds: "that is not 131073 packets"},
		"it moves on, but writes the first packet": {plant: func(_ *Trace, code asm.Instructions) bool {
			return edit(code, func(in *asm.Instruction) bool {
				return in.OpCode == asm.Add.Reg(asm.R5, asm.R8).OpCode && in.Dst == asm.R5
			},
				func(in *asm.Instruction) { *in = asm.Mov.Reg(asm.R8, asm.R8) })
		}, finds: "the counters are"},
		"it leaves out a word": {plant: func(_ *Trace, code asm.Instructions) bool {
			return edit(code, func(in *asm.Instruction) bool {
				return in.OpCode.Class() == asm.StXClass && in.Dst == asm.R2 && in.Offset == 32
			},
				func(in *asm.Instruction) { *in = asm.Mov.Reg(asm.R0, asm.R0) })
		}, finds: "the counters are"},
		"it keeps the greatest length": {varied: true, plant: func(_ *Trace, code asm.Instructions) bool {
			return edit(code, func(in *asm.Instruction) bool { return in.Dst == asm.R2 && in.Src == asm.R9 },
				func(in *asm.Instruction) { *in = asm.Mov.Imm(asm.R2, 175) })
		}, finds: "the counters are"},
		"it calls no program": {plant: func(_ *Trace, code asm.Instructions) bool {
			return edit(code, func(in *asm.Instruction) bool {
				return in.Dst == asm.R3 && in.Constant == 0 && in.OpCode == asm.Mov.Imm(asm.R3, 0).OpCode
			},
				func(in *asm.Instruction) { in.Constant = 1 })
		}, finds: "packets did not reach the program"},
	}
	for name, d := range defects {
		t.Run(name, func(t *testing.T) {
			b := newCounted(t, somePackets(TraceLength, 8, d.varied))
			code := driverCode(b.trace)
			if !d.plant(b.trace, code) {
				t.Fatal("the defect could not be planted")
			}
			if err := b.run(code); err == nil || !strings.Contains(err.Error(), d.finds) {
				t.Errorf("found: %v; want %q", err, d.finds)
			}
		})
	}
}

// edit changes the instructions that are meant, if there are any.
func edit(code asm.Instructions, meant func(*asm.Instruction) bool, change func(*asm.Instruction)) bool {
	found := false
	for i := range code {
		if meant(&code[i]) {
			symbol := code[i].Symbol()
			change(&code[i])
			code[i] = code[i].WithSymbol(symbol)
			found = true
		}
	}
	return found
}

// counted is someRules in the kernel, with a trace and what its counters must be.
type counted struct {
	trace  *Trace
	runner *loader.Runner
	rules  *rules.RuleSet
}

func newCounted(t *testing.T, packets [][]byte) *counted {
	t.Helper()
	requireBPF(t)
	set, diagnostics := rules.ParseAndCheck(rules.NewFile("some.fw", []byte(someRules)))
	if err := diagnostics.Err(); err != nil {
		t.Fatal(err)
	}
	object, err := codegen.Compile(set, codegen.Options{})
	if err != nil {
		t.Fatal(err)
	}
	runner, err := loader.NewRunner(object)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { runner.Close() })
	trace, err := NewTrace(packets)
	if err != nil {
		t.Fatal(err)
	}
	for i := range packets {
		if string(trace.Frame(i)) != string(packets[i]) {
			t.Fatalf("packet %d of the trace is\n% x, not\n% x", i, trace.Frame(i), packets[i])
		}
	}
	return &counted{trace, runner, set}
}

// run takes the trace through the rules; an error says that the counters are
// not what they must be.
func (c *counted) run(code asm.Instructions) error {
	const rounds, whole = 2, 1 + 1 + 1 + passes // the first round has but one timed pass
	want := make([]codegen.CounterValue, len(c.rules.Rules)+1)
	for i := range c.trace.Packets() {
		times := uint64(whole)
		if i == 0 {
			times += rounds
		}
		c.expect(want, c.trace.Frame(i), times)
	}
	now, total, err := c.runCounting(code, rounds)
	if err != nil {
		return err
	}
	if n := uint64(whole*c.trace.Packets() + rounds); total != n { // interrupted: once more
		if now, total, err = c.runCounting(code, rounds); err != nil || total != n {
			return fmt.Errorf("%d packets, not %d: %v", total, n, err)
		}
	}
	for slot := range now {
		if now[slot] != want[slot] {
			return fmt.Errorf("the counters are\n%v, not\n%v", now, want)
		}
		if now[slot].Packets == 0 && c.trace.varied() {
			return fmt.Errorf("no packet is decided by slot %d: %v", slot, now)
		}
	}
	return nil
}

// runCounting is what the rules counted, which must be as many packets as the
// result says.
func (c *counted) runCounting(code asm.Instructions, rounds int) ([]codegen.CounterValue, uint64, error) {
	results, err := run(c.trace, code, []Subject{{"rules", c.runner.Program()}}, func(round int) bool { return round < rounds })
	if err != nil {
		return nil, 0, err
	}
	now, err := c.runner.Counters()
	if err != nil {
		return nil, 0, err
	}
	var total uint64
	for slot := range now {
		if slot != countingRule+1 {
			total += now[slot].Packets
		}
	}
	if total != results[0].Packets {
		return nil, 0, fmt.Errorf("%d packets were decided, the result says %d", total, results[0].Packets)
	}
	return now, total, nil
}

// Packets of runs that signals end early are counted too. The Go runtime sends
// such signals now and then.
func TestInterruptedRunsAreCounted(t *testing.T) {
	c := newCounted(t, somePackets(1000, 9, false))
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	for range 20 { // where there is much to do the signals may come when the run has ended
		thread, stop := unix.Gettid(), make(chan struct{})
		go func() {
			for {
				select {
				case <-stop:
					return
				case <-time.After(2 * time.Millisecond):
					_ = unix.Tgkill(os.Getpid(), thread, unix.SIGURG)
				}
			}
		}()
		// A run that is interrupted is begun again, so there must be an end to it.
		time.AfterFunc(50*time.Millisecond, func() { close(stop) })
		_, total, err := c.runCounting(driverCode(c.trace), 1)
		if err != nil {
			t.Fatal(err)
		}
		if total > uint64(2*c.trace.Packets()+1) {
			return
		}
	}
	t.Error("nothing has interrupted a run, by the packets that were counted")
}

// countingRule is the index of the one rule of someRules that decides nothing.
const countingRule = 7

// expect that the frame is counted so many times. The slot of a rule is the
// one behind its index.
func (c *counted) expect(want []codegen.CounterValue, frame []byte, times uint64) {
	count := func(rule int) {
		want[rule+1].Packets += times
		want[rule+1].Bytes += times * uint64(len(frame))
	}
	d := c.rules.DecideCounting(rules.NewPacket(frame), count)
	if d.Rule == rules.ByDefault {
		want[0].Packets += times
		want[0].Bytes += times * uint64(len(frame))
		return
	}
	count(d.Rule)
}

// A program with more to do takes longer, and the figures are ns a packet: a
// multiplication takes 3 or 4 cycles on any CPU of the last ten years.
func TestResultsAreNanosecondsAPacket(t *testing.T) {
	requireBPF(t)
	b, err := NewBaselines()
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	const multiplications = 3000
	var code asm.Instructions
	for range multiplications {
		code = append(code, asm.Mul.Imm(asm.R1, 3))
	}
	code[0] = asm.Mov.Imm(asm.R1, 7)
	long, err := b.subject("long", append(code, dropCode()...))
	if err != nil {
		t.Fatal(err)
	}
	trace, err := NewTrace(somePackets(1000, 9, false))
	if err != nil {
		t.Fatal(err)
	}
	results, err := RunFor(trace, []Subject{b.Empty, long}, time.Hour, 1, 2)
	if err != nil {
		t.Fatal(err)
	}
	if len(results[0].Rounds) != 2 || len(results[1].Rounds) != 2 {
		t.Errorf("%d and %d rounds, not 2", len(results[0].Rounds), len(results[1].Rounds))
	}
	over := results[1].Median() - results[0].Median()
	if each := over / multiplications; each < 0.4 || each > 40 {
		t.Errorf("a multiplication takes %.2f ns (empty %.2f, long %.2f)", each, results[0].Median(), results[1].Median())
	}
}

func TestMedians(t *testing.T) {
	slow := Result{Rounds: []float64{30, 100, 33, 31}} // the machine was slow in the second round
	fast := Result{Rounds: []float64{20, 92, 22, 20}}
	if got := slow.Median(); got != 32 {
		t.Errorf("median %v, want 32", got)
	}
	if got := slow.Over(fast); got != 10.5 {
		t.Errorf("over %v, want 10.5", got)
	}
}

// What may stand in a program array depends on how it was loaded.
func TestProgramsOfAnyKindOfXDP(t *testing.T) {
	requireBPF(t)
	trace, err := NewTrace(somePackets(10, 1, false))
	if err != nil {
		t.Fatal(err)
	}
	load := func(spec ebpf.ProgramSpec) Subject {
		spec.Instructions, spec.License = dropCode(), "GPL"
		p, err := ebpf.NewProgram(&spec)
		if spec.Flags != 0 && errors.Is(err, unix.EINVAL) { // before 5.18
			spec.Flags = 0
			p, err = ebpf.NewProgram(&spec)
		}
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { p.Close() })
		return Subject{"it", p}
	}
	if _, err := Run(trace, []Subject{
		load(ebpf.ProgramSpec{Type: ebpf.XDP}),
		load(ebpf.ProgramSpec{Type: ebpf.XDP, AttachType: ebpf.AttachXDP}),
		load(ebpf.ProgramSpec{Type: ebpf.XDP, AttachType: ebpf.AttachXDP, Flags: unix.BPF_F_XDP_HAS_FRAGS}),
	}, 1); err != nil {
		t.Error(err)
	}
	_, err = Run(trace, []Subject{load(ebpf.ProgramSpec{Type: ebpf.SchedCLS})}, 1)
	const want = "measure programs in the kernel: it: the program cannot be tail-called (only an XDP program that is bound to no device " +
		"and extends no other can): update: invalid argument"
	if err == nil || err.Error() != want {
		t.Errorf("of a program that is not XDP: %v\nwant %s", err, want)
	}
}

// All keys of the baseline are in its map, whichever is next.
func TestHashBaselineFindsItsKeys(t *testing.T) {
	requireBPF(t)
	b := &Baselines{}
	defer b.Close()
	code, err := b.hashCode()
	if err != nil {
		t.Fatal(err)
	}
	for i := range code {
		if code[i].Reference() == "missing" {
			code[i] = code[i].WithReference("not found")
		}
	}
	s, err := b.subject("hash", append(code, asm.Mov.Imm(asm.R0, 0).WithSymbol("not found"), asm.Return()))
	if err != nil {
		t.Fatal(err)
	}
	for range hashKeys {
		if code, err := s.Program.Run(&ebpf.RunOptions{Data: make([]byte, 60), Repeat: 1}); err != nil || code != 1 {
			t.Fatalf("the program returned %d, %v: a key is not in the map", code, err)
		}
	}
}

func requireBPF(t testing.TB) {
	t.Helper()
	b, err := NewBaselines()
	if err == nil {
		b.Close()
		return
	}
	if os.Getenv("XDPFW_REQUIRE_BPF") == "1" {
		t.Fatalf("XDPFW_REQUIRE_BPF=1, but BPF cannot be used: %v", err)
	}
	t.Skipf("BPF cannot be used: %v", err)
}
