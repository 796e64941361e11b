package bench

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
)

// BenchmarkPrimitives is where the constants of the compiler's cost model come
// from: what single steps of a classifier take, each over a program that only
// reads a random number out of the packet, in turns with it.
//
//	go test -run '^$' -bench Primitives -benchtime 1x ./loader/bench
func BenchmarkPrimitives(b *testing.B) {
	requireBPF(b)
	p := newPrimitives(b)
	for _, size := range []int{64 << 10, 256 << 10, 1 << 20, 4 << 20, 16 << 20} {
		for _, loads := range []int{1, 2, 4, 8} {
			p.measure(fmt.Sprintf("load-chain/%dKB/%d", size>>10, loads), dependentLoads(size, loads), p.table(size))
		}
		p.measure(fmt.Sprintf("loads-apart/%dKB/4", size>>10), apartLoads(size, 4), p.table(size))
	}
	for _, n := range []int{8, 64, 512} {
		p.measure(fmt.Sprintf("compares-none-true/%d", n), chainOfCompares(n))
	}
	for _, n := range []int{1, 2, 4, 8} {
		p.measure(fmt.Sprintf("random-branches/%d", n), randomBranches(n))
	}
	for _, slots := range []int{1, 1 << 10, 16 << 10} {
		p.measure(fmt.Sprintf("percpu-counter/%dslots", slots), counting(slots), p.counters(slots))
	}
	for _, keys := range []int{1 << 10, 16 << 10, 128 << 10, 1 << 20} {
		p.measure(fmt.Sprintf("perfect-hash/%dkeys", keys), perfectHash(keys), p.table(hashBytes(keys)))
	}
	p.measure("kernel-hash/10000keys", nil)
}

// primitives is what the measurements share.
type primitives struct {
	*testing.B
	baselines *Baselines
	trace     *Trace
	random    *rand.Rand
	tables    map[int]*ebpf.Map
}

// keyOffset is where in the packet eight random bytes are.
const keyOffset = 16

func newPrimitives(b *testing.B) *primitives {
	p := &primitives{B: b, random: rand.New(rand.NewPCG(2, 1)), tables: map[int]*ebpf.Map{}}
	packets := make([][]byte, TraceLength)
	for i := range packets {
		packets[i] = make([]byte, 60)
		binary.NativeEndian.PutUint64(packets[i][keyOffset:], p.random.Uint64())
	}
	var err error
	if p.trace, err = NewTrace(packets); err != nil {
		b.Fatal(err)
	}
	if p.baselines, err = NewBaselines(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(p.baselines.Close)
	return p
}

// measure a step that has a random number in R7 and R8. Without code it is the
// hash map of the baselines, over the empty program.
func (p *primitives) measure(name string, code asm.Instructions, maps ...*ebpf.Map) {
	p.Run(name, func(b *testing.B) {
		var base, step Result
		for b.Loop() {
			for range 5 { // places in memory
				results := p.inTurns(code, maps)
				base.Rounds = append(base.Rounds, results[0].Rounds...)
				step.Rounds = append(step.Rounds, results[1].Rounds...)
			}
		}
		b.ReportMetric(step.Over(base), "ns/packet")
		b.ReportMetric(step.Min()-base.Min(), "ns-fastest/packet")
		b.ReportMetric(0, "ns/op") // which would be the time of the measurement
	})
}

func (p *primitives) inTurns(code asm.Instructions, maps []*ebpf.Map) []Result {
	base, step := p.baselines.Empty, p.baselines.Hash
	if code != nil {
		base, step = p.program(nil, nil), p.program(code, maps)
		defer base.Program.Close()
		defer step.Program.Close()
	}
	results, err := Run(p.trace, []Subject{base, step}, 4)
	if err != nil {
		p.Fatal(err)
	}
	return results
}

// program reads the random number, does the steps and drops.
func (p *primitives) program(steps asm.Instructions, maps []*ebpf.Map) Subject {
	code := asm.Instructions{
		asm.LoadMem(asm.R2, asm.R1, 0, asm.Word),
		asm.LoadMem(asm.R3, asm.R1, 4, asm.Word),
		asm.Mov.Reg(asm.R4, asm.R2),
		asm.Add.Imm(asm.R4, keyOffset+8),
		asm.JGT.Reg(asm.R4, asm.R3, "drop"),
		asm.LoadMem(asm.R7, asm.R2, keyOffset, asm.DWord),
		asm.Mov.Reg(asm.R8, asm.R7),
	}
	code = append(code, steps...)
	drop := dropCode()
	drop[0] = drop[0].WithSymbol("drop")
	code = append(code, drop...)
	for _, m := range maps {
		if err := code.AssociateMap("map", m); err != nil {
			p.Fatal(err)
		}
	}
	program, err := ebpf.NewProgram(&ebpf.ProgramSpec{Name: "bench_step", Type: ebpf.XDP, AttachType: ebpf.AttachXDP, Instructions: code, License: "GPL"})
	if err != nil {
		p.Fatalf("%+v", err)
	}
	return Subject{"step", program}
}

// table of random bytes, frozen.
func (p *primitives) table(size int) *ebpf.Map {
	if m := p.tables[size]; m != nil {
		return m
	}
	contents := make([]byte, size)
	for i := 0; i < size; i += 8 {
		binary.NativeEndian.PutUint64(contents[i:], p.random.Uint64())
	}
	m, err := frozenMap("bench_table", contents)
	if err != nil {
		p.Fatal(err)
	}
	p.Cleanup(func() { m.Close() })
	p.tables[size] = m
	return m
}

func (p *primitives) counters(slots int) *ebpf.Map {
	m, err := ebpf.NewMap(&ebpf.MapSpec{Name: "bench_counters", Type: ebpf.PerCPUArray, KeySize: 4, ValueSize: 16, MaxEntries: uint32(slots)})
	if err != nil {
		p.Fatal(err)
	}
	p.Cleanup(func() { m.Close() })
	return m
}

// loadAt loads a word of four bytes of a table of that size into R7, at what
// R7 says.
func loadAt(size int) asm.Instructions {
	return asm.Instructions{
		asm.And.Imm(asm.R7, int32(size-4)),
		asm.LoadMapValue(asm.R1, 0, 0).WithReference("map"),
		asm.Add.Reg(asm.R1, asm.R7),
		asm.LoadMem(asm.R7, asm.R1, 0, asm.Word),
	}
}

func dependentLoads(size, n int) (code asm.Instructions) {
	for i := range n {
		code = append(code, loadAt(size)...)
		if i < n-1 { // another number, or all packets would come to the same few places
			code = append(code, asm.Xor.Reg(asm.R7, asm.R8))
		}
	}
	return append(code, use()...)
}

// use R7 for what the packet's way depends on, as a verdict is: a branch, the
// same for all, waits for nothing but shows the way.
func use() asm.Instructions { return asm.Instructions{asm.JEq.Imm(asm.R7, 0x12345678, "drop")} }

func apartLoads(size, n int) (code asm.Instructions) {
	code = append(code, asm.Mov.Imm(asm.R6, 0))
	for i := range n {
		code = append(code, asm.Mov.Reg(asm.R7, asm.R8), asm.RSh.Imm(asm.R7, int32(9*i)))
		code = append(code, loadAt(size)...)
		code = append(code, asm.Add.Reg(asm.R6, asm.R7))
	}
	return append(code, append(asm.Instructions{asm.Mov.Reg(asm.R7, asm.R6)}, use()...)...)
}

// chainOfCompares are as those of rules that a packet does not match.
func chainOfCompares(n int) (code asm.Instructions) {
	code = append(code, asm.And.Imm(asm.R7, 0xffff))
	for i := range n {
		code = append(code, asm.JEq.Imm32(asm.R7, int32(0x10000+i), "drop"))
	}
	return code
}

// randomBranches skip an instruction or not: half of them are mispredicted.
func randomBranches(n int) (code asm.Instructions) {
	for i := range n {
		next := fmt.Sprintf("next%d", i)
		code = append(code,
			asm.Mov.Reg(asm.R6, asm.R8),
			asm.RSh.Imm(asm.R6, int32(i)),
			asm.And.Imm(asm.R6, 1),
			asm.JEq.Imm(asm.R6, 0, next),
			asm.Add.Imm(asm.R7, 1),
			asm.Mov.Reg(asm.R6, asm.R7).WithSymbol(next),
		)
	}
	return code
}

// counting adds to the packets and bytes of a random slot.
func counting(slots int) asm.Instructions {
	return asm.Instructions{
		asm.And.Imm(asm.R7, int32(slots-1)),
		asm.StoreMem(asm.RFP, -4, asm.R7, asm.Word),
		asm.Mov.Reg(asm.R2, asm.RFP),
		asm.Add.Imm(asm.R2, -4),
		asm.LoadMapPtr(asm.R1, 0).WithReference("map"),
		asm.FnMapLookupElem.Call(),
		asm.JEq.Imm(asm.R0, 0, "drop"),
		asm.LoadMem(asm.R1, asm.R0, 0, asm.DWord),
		asm.Add.Imm(asm.R1, 1),
		asm.StoreMem(asm.R0, 0, asm.R1, asm.DWord),
		asm.LoadMem(asm.R1, asm.R0, 8, asm.DWord),
		asm.Add.Imm(asm.R1, 60),
		asm.StoreMem(asm.R0, 8, asm.R1, asm.DWord),
	}
}

// A perfect hash table: a seed of two bytes for four keys each, then for each
// key a slot of eight bytes, key and value.
func hashBytes(keys int) int { return keys/4*2 + keys*8 }

// perfectHash looks a key up: the seed of its bucket tells the slot, and the
// key in the slot whether it is this one, without a branch.
func perfectHash(keys int) asm.Instructions {
	const multiplier = 0x2c9277b5
	seeds := keys / 4 * 2
	return append(asm.Instructions{
		asm.LSh.Imm(asm.R7, 32), // a key of 32 bits
		asm.RSh.Imm(asm.R7, 32),
		asm.Mov.Reg(asm.R6, asm.R7),
		asm.Mul.Imm(asm.R7, multiplier),
		asm.Mov.Reg(asm.R1, asm.R7),
		asm.RSh.Imm(asm.R1, 8),
		asm.And.Imm(asm.R1, int32(seeds-2)),
		asm.LoadMapValue(asm.R2, 0, 0).WithReference("map"),
		asm.Add.Reg(asm.R2, asm.R1),
		asm.LoadMem(asm.R3, asm.R2, 0, asm.Half),
		asm.RSh.Imm(asm.R7, 16),
		asm.Xor.Reg(asm.R7, asm.R3),
		asm.Mul.Imm(asm.R7, multiplier),
		asm.RSh.Imm(asm.R7, 4),
		asm.And.Imm(asm.R7, int32(8*keys-8)),
		asm.LoadMapValue(asm.R2, 0, uint32(seeds)).WithReference("map"),
		asm.Add.Reg(asm.R2, asm.R7),
		asm.LoadMem(asm.R7, asm.R2, 0, asm.Word),
		asm.LoadMem(asm.R1, asm.R2, 4, asm.Word),
		asm.Xor.Reg(asm.R7, asm.R6),
		asm.Sub.Imm(asm.R7, 1),
		asm.ArSh.Imm(asm.R7, 63),
		asm.And.Reg(asm.R7, asm.R1),
	}, use()...)
}
