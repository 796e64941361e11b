package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os/exec"
	"regexp"
	"strings"
	"time"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"

	"xdpfw/codegen"
	"xdpfw/loader/bench"
	"xdpfw/loader/workload"
	"xdpfw/rules"
)

// A firewall is a way to have rules on a wire: by the program at its far end,
// or behind a program that passes everything, by what a command sets up.
type firewall struct {
	name     string
	program  *ebpf.Program
	command  []string // reads input
	input    string
	describe func(*record)
}

// path measures the whole path of a packet over a wire, up to where rules of
// ClassBench drop it.
func path(b *benchmark) error {
	for _, name := range []string{"acl1_1k", "fw1_1k", "ipc1_1k"} {
		text, err := classBench(name)
		if errors.Is(err, fs.ErrNotExist) {
			b.fail(record{Part: "path", Set: name}, "all", err)
			continue
		}
		if err != nil {
			return err
		}
		if err := b.pathOf("path", name, text, codegen.Strategies); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return nil
}

// allDrop makes every rule drop: what passes costs more than any firewall. Then
// no packet within a rule may get through.
func allDrop(text []byte) []byte {
	return regexp.MustCompile(`(?m)^pass `).ReplaceAll(text, []byte("drop "))
}

// pathOf rules of which every one is made to drop.
func (b *benchmark) pathOf(part, name string, text []byte, strategies []string) error {
	rs, parsed, err := parseTimed(name, allDrop(text))
	if err != nil {
		return err
	}
	frames, err := addressed(rs, workload.Uniform)
	if err != nil {
		return err
	}
	tuples, err := tuplesOf(rs)
	if err != nil {
		return err
	}
	base := record{Part: part, Set: name, Rules: len(rs.Rules), Traffic: workload.Uniform.String(), ParseSeconds: parsed.Seconds()}
	return b.race(base, rs, frames, strategies, []firewall{
		{name: "nft in a line", command: nft, input: nftLine(tuples)},
		{name: "nft sets", command: nft, input: nftSets(tuples)},
		{name: "iptables raw", command: iptables, input: iptablesRaw(tuples)},
	})
}

var (
	nft      = []string{"nft", "-f", "-"}
	iptables = []string{"iptables-legacy-restore"}
)

// addressed are frames of a kind, those that are IPv4 and of one length, to the
// far end.
func addressed(rs *rules.RuleSet, kind workload.Kind) ([][]byte, error) {
	frames, err := workload.Trace(rs, kind, bench.TraceLength, seed)
	if err != nil {
		return nil, err
	}
	const length = 60
	var out [][]byte
	for _, f := range frames {
		if len(f) != length || f[12] != 8 || f[13] != 0 {
			continue
		}
		copy(f, farMAC)
		copy(f[6:], []byte{2, 0, 0, 0, 0, 1})
		out = append(out, f)
	}
	if len(out) < len(frames)*9/10 {
		return nil, fmt.Errorf("only %d of %d frames are IPv4 of %d bytes", len(out), len(frames), length)
	}
	return out, nil
}

// race firewalls against xdpfw, in turns, over wires of their own.
func (b *benchmark) race(base record, rs *rules.RuleSet, frames [][]byte, strategies []string, others []firewall) error {
	trace, err := bench.NewTrace(frames)
	if err != nil {
		return err
	}
	baselines, err := bench.NewBaselines()
	if err != nil {
		return err
	}
	defer baselines.Close()
	pass, err := ebpf.NewProgram(&ebpf.ProgramSpec{
		Name: "pass", Type: ebpf.XDP, Instructions: asm.Instructions{asm.Mov.Imm(asm.R0, xdpPass), asm.Return()}, License: "GPL",
	})
	if err != nil {
		return err
	}
	defer pass.Close()
	all := []firewall{
		{name: "drop", program: baselines.Empty.Program},
		{name: "parse", program: baselines.Parse.Program},
		{name: "hash", program: baselines.Hash.Program},
		{name: "nft, one drop", command: nft, input: nftHead + "drop\n}\n}\n"},
	}
	own, unload := b.own(base, rs, strategies)
	defer unload()
	all = append(all, own...)
	var ran []*runner
	for _, f := range append(all, others...) {
		r, err := newRunner(trace, f, pass)
		if err != nil && f.program != nil {
			return fmt.Errorf("%s: %w", f.name, err)
		}
		if err != nil { // a command that is not there, or refuses
			b.fail(base, f.name, err)
			continue
		}
		defer r.wire.Close()
		ran = append(ran, r)
	}
	return b.rounded(base, ran)
}

// own firewalls: the rules compiled by strategies, and without counters.
func (b *benchmark) own(base record, rs *rules.RuleSet, strategies []string) (own []firewall, unload func()) {
	options := []codegen.Options{{Counters: codegen.CountNone}}
	for _, strategy := range strategies {
		options = append(options, codegen.Options{Strategy: strategy})
	}
	var loaded []*ours
	for _, with := range options {
		name := with.Strategy
		if with.Counters == codegen.CountNone {
			name = "auto, not counted"
		}
		o, err := compile(rs, with)
		if err != nil {
			b.fail(base, name, err)
			continue
		}
		loaded = append(loaded, o)
		own = append(own, firewall{name: name, program: o.Program(), describe: o.describe})
	}
	return own, func() {
		for _, o := range loaded {
			o.Close()
		}
	}
}

// rounded lets runners take turns, in an order that changes, and reports them. The
// first of them is the program that only drops.
func (b *benchmark) rounded(base record, ran []*runner) error {
	for round := range 1 + b.rounds { // the first shows how fast each is
		for i := range ran {
			r := ran[(round+i)%len(ran)]
			if err := r.round(); err != nil {
				return fmt.Errorf("%s: %w", r.name, err)
			}
		}
	}
	for _, r := range ran {
		if err := r.allDropped(); err != nil {
			return fmt.Errorf("%s: %w", r.name, err)
		}
		rec := base
		rec.Program = r.name
		if r.describe != nil {
			r.describe(&rec)
		}
		if r.command != nil {
			rec.LoadSeconds = r.setUp.Seconds()
		}
		rec.timed(r.measured(), ran[0].measured())
		b.report(rec)
	}
	return nil
}

// A runner is a firewall on its wire.
type runner struct {
	firewall
	wire   *wire
	setUp  time.Duration
	result bench.Result
}

func newRunner(t *bench.Trace, f firewall, pass *ebpf.Program) (*runner, error) {
	program := f.program
	if program == nil {
		program = pass
	}
	w, err := newWire(t, program)
	if err != nil {
		return nil, err
	}
	r := &runner{firewall: f, wire: w, result: bench.Result{Name: f.name}}
	err = w.inside(func() error {
		if err := feed(nft, witness); err != nil {
			return err
		}
		if f.command == nil {
			return nil
		}
		start := time.Now()
		defer func() { r.setUp = time.Since(start) }()
		return feed(f.command, f.input)
	})
	if err != nil {
		w.Close()
		return nil, err
	}
	return r, nil
}

// feed a command its input.
func feed(command []string, input string) error {
	c := exec.Command(command[0], command[1:]...)
	c.Stdin = strings.NewReader(input)
	if out, err := c.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w: %.300s", command[0], err, out)
	}
	return nil
}

// witness counts what gets through a firewall.
const witness = "table ip witness { chain c { type filter hook prerouting priority 0; counter comment \"got through\"\n}\n}\n"

// allDropped says whether the witness saw nothing.
func (r *runner) allDropped() error {
	return r.wire.inside(func() error {
		out, err := exec.Command("nft", "list", "table", "ip", "witness").Output()
		if err != nil {
			return err
		}
		if !strings.Contains(string(out), "counter packets 0 bytes 0") {
			return fmt.Errorf("packets got through: %s", out)
		}
		return nil
	})
}

// A round is some segments, each of which takes about so long: the first of
// them warms up, and the fastest counts.
const (
	segments    = 4
	segmentTime = 5 * time.Millisecond
	batch       = 64
)

func (r *runner) round() error {
	packets := batch
	if len(r.result.Rounds) > 0 {
		packets = max(batch, int(float64(segmentTime)/r.result.Rounds[0]))
	}
	ns, err := r.wire.send(segments, packets)
	if err != nil {
		return err
	}
	r.result.Rounds = append(r.result.Rounds, ns)
	return nil
}

// measured are the rounds but the first.
func (r *runner) measured() bench.Result {
	return bench.Result{Name: r.name, Rounds: r.result.Rounds[1:]}
}
