package codegen

import (
	"encoding/binary"
	"testing"

	"github.com/cilium/ebpf/asm"
)

// checkJumps decodes the raw bytes of a program and holds the target of every
// jump against the symbol that the listing names.
func checkJumps(t *testing.T, p *Program) {
	t.Helper()
	raw, err := p.Raw()
	if err != nil {
		t.Fatal(err)
	}
	symbols := map[string]int{}
	at := 0
	for i := range p.Code {
		if s := p.Code[i].Symbol(); s != "" {
			symbols[s] = at
		}
		at += SlotsOf(p.Code[i].Instruction)
	}
	at = 0
	jumps := 0
	for i := range p.Code {
		ins := &p.Code[i]
		if ins.OpCode.Class().IsJump() && ins.Reference() != "" {
			offset := int(int16(binary.LittleEndian.Uint16(raw[8*at+2:])))
			if got := at + 1 + offset; got != symbols[ins.Reference()] {
				t.Fatalf("the jump at %d goes to %d, not to %s at %d", at, got, ins.Reference(), symbols[ins.Reference()])
			}
			jumps++
		}
		at += SlotsOf(ins.Instruction)
	}
	if jumps == 0 {
		t.Fatal("no jump was checked")
	}
}

// ladder is a program of n rungs, each of which may jump to the far end.
func ladder(n int) (*builder, label) {
	b := newBuilder()
	end := b.newLabel("end")
	for i := range n {
		next := b.newLabel("rung%d", i)
		b.jump(jne(asm.R1, uint32(i)), next)
		b.emit("", movImm(asm.R0, uint32(i)), asm.LoadImm(asm.R2, 1<<40, asm.DWord))
		b.goTo(end)
		b.bind(next)
	}
	b.emit("", movImm(asm.R0, 0))
	b.bind(end)
	b.emit("", asm.Return())
	return b, end
}

func TestIslands(t *testing.T) {
	for _, n := range []int{1, 6554, 6555, 6570, 13000, 40000} { // 5 slots a rung: the first jump goes 5n-4 far
		b, _ := ladder(n)
		p, err := b.finish("ladder")
		if err != nil {
			t.Fatal(err)
		}
		checkJumps(t, &p)
		islands := len(p.Code) - (4*n + 2)
		if far := 5*n-4 > maxJump; far != (islands > 0) {
			t.Errorf("%d rungs: %d islands", n, islands)
		}
		if most := 2 * (5*n/islandGrid + 1); islands > most {
			t.Errorf("%d rungs: %d islands, want at most %d: a stretch must share one", n, islands, most)
		}
	}
}

// TestIslandsWithoutPlaces: where control falls through everywhere, as in one
// rule with thousands of masks, places for islands are made.
func TestIslandsWithoutPlaces(t *testing.T) {
	const n = 50_000
	b := newBuilder()
	end := b.newLabel("end")
	for i := range n {
		b.emit("", asm.Add.Imm(asm.R1, 1))
		b.jump(jeq(asm.R1, uint32(i)), end)
	}
	b.bind(end)
	b.emit("", asm.Return())
	p, err := b.finish("straight")
	if err != nil {
		t.Fatal(err)
	}
	checkJumps(t, &p)
	if added := len(p.Code) - (2*n + 1); added == 0 || added > 2*(2*n/islandGrid+1) {
		t.Errorf("%d jumps were added", added)
	}
	if hops := p.Longest - (2*n + 1); hops <= 0 || hops > 2*n/islandGrid {
		t.Errorf("the longest way goes over %d islands", hops)
	}
}

func TestLongest(t *testing.T) {
	b, _ := ladder(3) // three compares that fail, mov, exit; or two, and the third's mov, constant, goto, exit
	if p, _ := b.finish("ladder"); p.Longest != 3+4 {
		t.Errorf("longest way is %d, want 7", p.Longest)
	}

	b = newBuilder() // a loop of two instructions, taken 8 times
	head, out := b.newLabel("head"), b.newLabel("out")
	b.bind(head)
	b.jump(jeq(asm.R1, 0), out)
	b.loopTo(head, 8)
	b.bind(out)
	b.emit("", asm.Return())
	if p, _ := b.finish("loop"); p.Longest != 8*2+2 {
		t.Errorf("longest way is %d, want 18", p.Longest)
	}
}

func TestFinishRefusesUnboundLabels(t *testing.T) {
	b := newBuilder()
	b.goTo(b.newLabel("nowhere"))
	if _, err := b.finish("broken"); err == nil || err.Error() != "codegen: instruction 0 jumps to nowhere, which is nowhere" {
		t.Errorf("got %v", err)
	}
}

// TestCompareIsUnsigned: asm's JEq.Imm would extend the sign of 0x80000000.
func TestCompareIsUnsigned(t *testing.T) {
	for _, ins := range []asm.Instruction{jeq(asm.R0, 1<<31), jne(asm.R0, 1<<31), jgt(asm.R0, 1<<31), jlt(asm.R0, 1<<31)} {
		if class := ins.OpCode.Class(); class != asm.Jump32Class {
			t.Errorf("%v compares in class %v", ins, class)
		}
		i := Instruction{Instruction: ins.WithReference("x")}
		if got := i.Mnemonic(); got[len("if w0 ??"):] != " 0x80000000 goto x" && got[len("if w0 ?"):] != " 0x80000000 goto x" {
			t.Errorf("%q", got)
		}
	}
}
