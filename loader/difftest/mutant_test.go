package difftest

import (
	"testing"

	"github.com/cilium/ebpf/asm"

	"xdpfw/codegen"
	"xdpfw/rules"
)

// A mutant is a defect planted in the compiled code. It says whether it found
// its place: not every rule set has the code.
type mutant struct {
	name  string
	plant func(*code) bool
}

// within is how many pairs may pass until a mutant is found.
const within = 20_000

// framesEach are for one rule file.
const framesEach = 100

var mutants = []mutant{
	{"VLAN tags are not stepped over", func(c *code) bool {
		return c.each("802.1Q", noSuchType) && c.each("802.1ad", noSuchType) && c.each("0x9100", noSuchType)
	}},
	{"802.1ad tags are not stepped over", func(c *code) bool { return c.each("802.1ad", noSuchType) }},
	{"the third tag is stepped over like none", func(c *code) bool { return c.last("802.1Q", noSuchType) }},
	{"destination port in the wrong byte order", func(c *code) bool { return c.after("destination port", 1, nop) }},
	{"source port in the wrong byte order", func(c *code) bool { return c.after("source port", 1, nop) }},
	{"padding is read as ports", func(c *code) bool { return c.after("ports: 4 bytes", 1, nop) }},
	{"padding counts for the TCP header", func(c *code) bool { return c.after("TCP: 20 bytes", 1, nop) }},
	{"IPv4 options are not stepped over", func(c *code) bool {
		return c.each("offset of the transport header", func(ins asm.Instruction) asm.Instruction {
			if ins.Src != asm.R0 { // that of IPv6
				return ins
			}
			return asm.StoreImm(asm.R10, ins.Offset, 20, asm.Word)
		})
	}},
	{"the payload of later IPv4 fragments is read as ports", func(c *code) bool { return c.after("ip.offset", 2, nop) }},
	{"a TCP data offset below 5 is taken", func(c *code) bool { return c.after("tcp.off", 1, constant(0)) }},
	{"the total length may pass the frame's end", func(c *code) bool { return c.after("bytes present", 2, nop) }},
	{"7 extension headers at most", func(c *code) bool { return c.each("too many", constant(7)) }},
	{"AH is not stepped over", func(c *code) bool { return c.each("no extension header", constant(200)) }},
	{"first IPv6 fragments are taken for whole", func(c *code) bool { return c.each("first fragment", constant(1)) }},
}

func TestPlantedDefectsAreFound(t *testing.T) {
	requireBPF(t)
	for _, m := range mutants {
		t.Run(m.name, func(t *testing.T) {
			pairs, planted := 0, false
			for g := NewGenerator(seed(t), 100); pairs < within; pairs += framesEach {
				j := g.job(framesEach)
				here := false
				d := firstDifference(j.file.Set, j.frames, func(obj *codegen.Object) {
					here = m.plant(&code{obj.Programs[0].Code})
				})
				planted = planted || here
				if d == nil {
					continue
				}
				t.Logf("found within %d pairs: %v", pairs+framesEach, d)
				if other := firstDifference(j.file.Set, [][]byte{d.Frame}, nil); other != nil {
					t.Errorf("the same is found without the defect: %v", other)
				}
				return
			}
			if !planted {
				t.Fatal("no compiled program has the place for this defect")
			}
			t.Fatalf("not found in %d pairs", pairs)
		})
	}
}

// code is instructions to plant defects in, found by their comments.
type code struct{ insns []codegen.Instruction }

type change func(asm.Instruction) asm.Instruction

// each changes every instruction with the comment.
func (c *code) each(comment string, to change) bool { return c.after(comment, 0, to) }

// after changes every n-th instruction behind one with the comment.
func (c *code) after(comment string, n int, to change) bool {
	found := false
	for i := range c.insns {
		if c.insns[i].Comment == comment {
			c.plant(i+n, to)
			found = true
		}
	}
	return found
}

// last changes the last instruction with the comment.
func (c *code) last(comment string, to change) bool {
	for i := len(c.insns) - 1; i >= 0; i-- {
		if c.insns[i].Comment == comment {
			c.plant(i, to)
			return true
		}
	}
	return false
}

// plant keeps the symbol that jumps to the place name.
func (c *code) plant(i int, to change) {
	old := c.insns[i].Instruction
	changed := to(old)
	if s := old.Symbol(); s != "" && changed.Symbol() != s {
		changed = changed.WithSymbol(s)
	}
	c.insns[i].Instruction = changed
}

// nop is a jump to the next instruction.
func nop(asm.Instruction) asm.Instruction {
	return asm.Instruction{OpCode: asm.OpCode(asm.JumpClass).SetJumpOp(asm.Ja)}
}

func constant(n int64) change {
	return func(ins asm.Instruction) asm.Instruction {
		ins.Constant = n
		return ins
	}
}

// noSuchType compares with an EtherType that is a length, and that no frame
// of the generator has.
func noSuchType(ins asm.Instruction) asm.Instruction {
	ins.Constant = 0x0301
	return ins
}

// A defect in the reference would be found as well: the parser's word against
// the engines that do not share its code.
func TestDefectInTheRulesIsFound(t *testing.T) {
	rs := mustRead("drop tcp to port 80\n")
	wrong := *rs
	wrong.Rules = append([]rules.Rule{}, rs.Rules...)
	wrong.Rules[0].Verdict = rules.Pass
	r := NewGenerator(1, 1).Rand
	w := newPool(r, 6).wish().with(rules.IP4Protocol, protoTCP).with(rules.DestinationPort, 80)
	frame := (&frameMaker{r}).plain4(w)
	if Compare([]Engine{Reference(rs), IR(&wrong)}, frame) == nil {
		t.Error("two engines with different rules are said to agree")
	}
	if d := Compare([]Engine{Reference(rs), IR(rs)}, frame); d != nil {
		t.Error(d)
	}
}
