package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"testing"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"

	"xdpfw/loader/bench"
	"xdpfw/loader/workload"
	"xdpfw/rules"
)

// What nft and iptables are told means what the rules say: as many packets get
// through as the reference passes. A rule that says something else is found.
func TestOthersHaveTheSameRules(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("network namespaces need root")
	}
	lines := bytes.SplitAfter(allDrop(workload.ACL(200, 4, 1)), []byte("\n"))
	rs, err := parse("acl", bytes.Join(lines[:150], nil)) // the last rules match everything
	if err != nil {
		t.Fatal(err)
	}
	var frames [][]byte
	for _, kind := range []workload.Kind{workload.Uniform, workload.NoMatch, workload.NearBoundary} {
		some, err := addressed(rs, kind)
		if err != nil {
			t.Fatal(err)
		}
		frames = append(frames, some[:2048]...)
	}
	tuples, err := tuplesOf(rs)
	if err != nil {
		t.Fatal(err)
	}
	others := append([]tuple(nil), tuples...)
	narrowed := -1
	for i := range others { // a port less
		if others[i].toPort.hi > others[i].toPort.lo && others[i].toPort != anyPort {
			others[i].toPort.hi--
			narrowed = i
		}
	}
	if narrowed < 0 {
		t.Fatal("no rule has a range of ports")
	}
	for _, form := range []struct {
		name    string
		command []string
		input   func([]tuple) string
	}{{"line", nft, nftLine}, {"sets", nft, nftSets}, {"raw", iptables, iptablesRaw}} {
		t.Run(form.name, func(t *testing.T) {
			if _, err := exec.LookPath(form.command[0]); err != nil {
				t.Skip(err)
			}
			if got, want := through(t, rs, frames, form.command, form.input(tuples)); got != want {
				t.Errorf("%d packets got through, the reference passes %d", got, want)
			}
			if got, want := through(t, rs, frames, form.command, form.input(others)); got == want {
				t.Error("other rules are not found")
			}
		})
	}
}

// through is how many packets get through what a command sets up, and how many
// the reference passes.
func through(t *testing.T, rs *rules.RuleSet, frames [][]byte, command []string, input string) (got, want uint64) {
	t.Helper()
	trace, err := bench.NewTrace(frames)
	if err != nil {
		t.Fatal(err)
	}
	pass, err := ebpf.NewProgram(&ebpf.ProgramSpec{
		Type: ebpf.XDP, Instructions: asm.Instructions{asm.Mov.Imm(asm.R0, xdpPass), asm.Return()}, License: "GPL",
	})
	if err != nil {
		t.Fatal(err)
	}
	defer pass.Close()
	r, err := newRunner(trace, firewall{name: "other", command: command, input: input}, pass)
	if err != nil {
		t.Fatal(err)
	}
	defer r.wire.Close()
	if err := r.wire.inside(func() error {
		_, sent, err := r.wire.sender.Send(4, 3000)
		if err != nil {
			return err
		}
		decide := workload.NewIndex(rs).Decide
		for i := range sent {
			if decide(trace.Frame(int(i)%trace.Packets())).Verdict == rules.Pass {
				want++
			}
		}
		out, err := exec.Command("nft", "list", "table", "ip", "witness").Output()
		if err != nil {
			return err
		}
		found := regexp.MustCompile(`packets (\d+)`).FindSubmatch(out)
		if found == nil {
			return fmt.Errorf("no counter in %s", out)
		}
		got, err = strconv.ParseUint(string(found[1]), 10, 64)
		return err
	}); err != nil {
		t.Fatal(err)
	}
	if want == 0 {
		t.Fatal("the reference passes nothing")
	}
	return got, want
}
