package difftest

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/cilium/ebpf/asm"

	"xdpfw/codegen"
	"xdpfw/loader/workload"
	"xdpfw/rules"
)

// A defectControl plants defects, one at a time, in what a strategy compiles of
// rules, and says how many of them packets near the rules must find.
//
// Not all can be found: a cell may be one that no packet reads, or two cells of
// which what follows makes the same; a compare may be of a bound that another
// one holds as well. Runs with ten times the packets find few more.
type defectControl struct {
	name     string
	strategy string
	rules    func(seed uint64) []byte
	plant    func(*rand.Rand, *codegen.Object) (what string, ok bool)
	share    float64
}

var defectControls = []defectControl{
	{"chain, filters", codegen.Chain, filters(4), moveBoundary, 0.9},
	{"chain, IPv6 filters", codegen.Chain, filters(6), moveBoundary, 0.8},
	{"tree, mixed", codegen.Tree, func(uint64) []byte { return []byte(workload.Mixed16) }, moveBoundary, 0.6},
	{"table, filters", codegen.Table, filters(4), swapCells, 0.08},
	{"table, IPv6 filters", codegen.Table, filters(6), swapCells, 0.08},
	{"table, small fields", codegen.Table, smallFields, swapCells, 0.8},
	{"chain, long lists", codegen.Chain, func(seed uint64) []byte { return workload.BlockList(workload.Prefixes4(300, seed)) }, swapCells, 0.9},
}

func filters(family int) func(uint64) []byte {
	return func(seed uint64) []byte { return workload.Chain(60, family, seed) }
}

// smallFields is few rules over fields of few values: there are packets for
// nearly every cell of a table.
func smallFields(seed uint64) []byte {
	r := rand.New(rand.NewPCG(seed, 2))
	text := "default pass\n"
	for i := range 16 {
		ttl, dscp := r.IntN(256), r.IntN(64)
		text += fmt.Sprintf("%s ip.ttl %d-%d ip.dscp %d-%d\n", []string{"drop", "pass"}[i%5/4],
			ttl, min(255, ttl+r.IntN(40)), dscp, min(63, dscp+r.IntN(20)))
	}
	return []byte(text + "drop ip.ttl 0-255 ip.dscp 0-63\n")
}

// moveBoundary adds one to the number that some compare of a rule is with.
func moveBoundary(r *rand.Rand, obj *codegen.Object) (string, bool) {
	code := obj.Programs[0].Code
	for range 1000 {
		i := r.IntN(len(code))
		ins := &code[i].Instruction
		if !ins.OpCode.Class().IsJump() || ins.OpCode.Source() != asm.ImmSource || ins.OpCode.JumpOp() == asm.Call ||
			ins.OpCode.JumpOp() == asm.Exit || ins.OpCode.JumpOp() == asm.Ja || obj.Origins[code[i].Origin].Rule < 0 {
			continue
		}
		was := ins.Constant
		ins.Constant = int64(int32(was) + 1)
		return fmt.Sprintf("instruction %d (%s): %d instead of %d", i, code[i].Comment, ins.Constant, was), true
	}
	return "", false
}

// swapCells exchanges two cells of 16 bits of a frozen table that stand near
// each other, differ, and are not zero.
func swapCells(r *rand.Rand, obj *codegen.Object) (string, bool) {
	for _, m := range obj.Maps {
		if m.Lifetime != codegen.Frozen || m.Spec.Name == codegen.InterfaceMap {
			continue
		}
		table := append([]byte{}, m.Spec.Contents[0].Value.([]byte)...)
		for range 1000 {
			const near = 32
			a := 2 * r.IntN(len(table)/2)
			b := a + 2*(1+r.IntN(near))
			if b+2 > len(table) {
				continue
			}
			x, y := binary.LittleEndian.Uint16(table[a:]), binary.LittleEndian.Uint16(table[b:])
			if x == y || x == 0 || y == 0 { // zeros may be what fills a row up
				continue
			}
			binary.LittleEndian.PutUint16(table[a:], y)
			binary.LittleEndian.PutUint16(table[b:], x)
			m.Spec.Contents[0].Value = table
			return fmt.Sprintf("%s: bytes %d (%#x) and %d (%#x) exchanged", m.Spec.Name, a, x, b, y), true
		}
	}
	return "", false
}

// TestMovedBoundariesAndSwappedCellsAreFound: what TestStrategiesAgree is made
// of finds the smallest defects that a compiler of rules can have.
func TestMovedBoundariesAndSwappedCellsAreFound(t *testing.T) {
	requireBPF(t)
	t.Parallel()
	const defects = 48
	for _, c := range defectControls {
		t.Run(c.name, func(t *testing.T) {
			rs := mustRead(string(c.rules(seed(t))))
			var expected []Expected
			for _, kind := range kindsOfTraffic {
				expected = append(expected, expect(t, rs, kind, int(fromEnvironment(t, "XDPFW_PACKETS", defaultPackets)))...)
			}
			r := rand.New(rand.NewPCG(seed(t), 1))
			found, planted := 0, 0
			for range defects {
				what, isFound, isPlanted := findPlanted(t, r, c, rs, expected)
				if !isPlanted {
					continue
				}
				planted++
				if isFound {
					found++
				} else {
					t.Logf("not found: %s", what)
				}
			}
			t.Logf("found %d of %d", found, planted)
			if planted < defects/2 || found < int(c.share*float64(planted)) {
				t.Errorf("found %d of %d planted defects, of %d that were tried", found, planted, defects)
			}
		})
	}
}

// findPlanted says whether one defect is found. A program that the verifier
// refuses is none.
func findPlanted(t *testing.T, r *rand.Rand, c defectControl, rs *rules.RuleSet, expected []Expected) (what string, found, planted bool) {
	obj := compileFor(t, rs, c.strategy)
	what, ok := c.plant(r, obj)
	if !ok {
		t.Fatalf("no place for a defect: %s", obj.Why)
	}
	tally, err := NewTally(obj)
	if err != nil {
		return what, false, false
	}
	defer tally.Close()
	d, err := tally.Compare(expected)
	return what, d != nil || err != nil, true
}
