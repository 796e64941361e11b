package difftest

import (
	"strings"
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
const within = 60_000

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
	{"every header is walked over as an extension", func(c *code) bool { return c.each("no extension header", constant(200)) }},
	{"AH is not walked over", func(c *code) bool {
		return c.each("types of extension headers", func(ins asm.Instruction) asm.Instruction {
			if ins.OpCode.IsDWordLoad() {
				ins.Constant &^= 1 << 51
			}
			return ins
		})
	}},
	{"first IPv6 fragments are taken for whole", func(c *code) bool { return c.each("first fragment if M", constant(0)) }},
	{"the VLAN id is read with the priority", func(c *code) bool { return c.after("vlan.id", 1, constant(0x1ffff)) }},
	{"the byte in front of the TCP flags", func(c *code) bool { return c.each("flags", load(13, 12)) }},
	{"padding is read as TCP flags", func(c *code) bool { return c.after("flags", 1, nopOf(asm.JLT)) }},
	{"the ICMP type is read with the code", func(c *code) bool { return c.after("type", 1, nop) }},
	{"a TCP header is always 20 bytes", func(c *code) bool {
		return c.after("tcp.off", 8, func(ins asm.Instruction) asm.Instruction {
			if ins.OpCode.ALUOp() != asm.LSh {
				return ins
			}
			return asm.Mov.Imm(asm.R1, 20)
		})
	}},
	{"padding is read as payload", func(c *code) bool { return c.after("end of the bytes", 3, nop) }},
	{"absent bytes of the payload are zeros", func(c *code) bool {
		return c.where(func(ins codegen.Instruction) bool { return strings.HasPrefix(ins.Comment, "no payload+") }, constant(0))
	}},
	{"the AH bit is lost", func(c *code) bool { return c.after("an AH", 1, constant(0)) }},
	{"a routing header is noted as hop-by-hop", func(c *code) bool {
		return c.where(func(ins codegen.Instruction) bool {
			return ins.OpCode.Class().IsALU() && ins.OpCode.ALUOp() == asm.LSh && ins.Dst == asm.R1 && ins.OpCode.Source() == asm.ImmSource && ins.Constant == 1
		}, constant(0))
	}},
	{"count counts for the next rule", func(c *code) bool {
		return c.each("counter slot", func(ins asm.Instruction) asm.Instruction {
			if ins.OpCode.ALUOp() == asm.Mov && ins.Dst == asm.R1 {
				ins.Constant++
			}
			return ins
		})
	}},
	{"count counts no bytes", func(c *code) bool {
		return c.after("frame length", 2, func(ins asm.Instruction) asm.Instruction {
			if ins.Dst == asm.R2 {
				return asm.Mov.Imm(asm.R2, 0)
			}
			return ins
		})
	}},
	{"options are taken for the transport header", func(c *code) bool { return c.each("options", nop) }},
	{"fragments are taken for plain packets", func(c *code) bool { return c.each("fragment", nopOf(asm.JNE)) }},
	{"padding is read in plain packets", func(c *code) bool { return c.each("header cut short", nop) }},
	{"an IPv6 packet may pass the frame's end", func(c *code) bool { return c.each("longer than the frame", nop) }},
	{"an extension header is taken for a protocol", func(c *code) bool { return c.each("extension header", nop) }},
	{"received on no interface", func(c *code) bool { return c.each("received on", load(12, 16)) }},
}

// load reads from another offset, if it is the load that is meant.
func load(from, to int16) change {
	return func(ins asm.Instruction) asm.Instruction {
		if ins.OpCode.Class().IsLoad() && ins.Offset == from {
			ins.Offset = to
		}
		return ins
	}
}

// nopOf takes a jump out, if it is one of that kind.
func nopOf(op asm.JumpOp) change {
	return func(ins asm.Instruction) asm.Instruction {
		if ins.OpCode.Class().IsJump() && ins.OpCode.JumpOp() == op {
			return nop(ins)
		}
		return ins
	}
}

func TestPlantedDefectsAreFound(t *testing.T) {
	requireBPF(t)
	t.Parallel()
	for _, m := range mutants {
		t.Run(m.name, func(t *testing.T) {
			findDefect(t, func(rs *rules.RuleSet) ([]Engine, bool, error) {
				here := false
				engines, err := enginesOf(rs, codegen.Strategies, func(obj *codegen.Object) { here = m.plant(&code{obj.Programs[0].Code}) || here })
				return engines, here, err
			})
		})
	}
}

// findDefect fails unless the engines differ soon on what is made at random,
// and do not without the defect. with makes engines, and says whether it found
// a place for the defect; a program that does not load with it shows nothing.
func findDefect(t *testing.T, with func(*rules.RuleSet) (engines []Engine, here bool, err error)) {
	t.Helper()
	pairs, planted := 0, false
	for g := NewGenerator(seed(t), 100); pairs < within; pairs += framesEach {
		j := g.job(framesEach)
		engines, here, err := with(j.file.Set)
		if err != nil || !here {
			if err == nil {
				CloseAll(engines)
			}
			continue
		}
		planted = true
		d := firstOf(engines, j.frames)
		CloseAll(engines)
		if d == nil {
			continue
		}
		t.Logf("found within %d pairs: %v", pairs+framesEach, d)
		if other := firstDifference(j.file.Set, [][]byte{d.Frame}); other != nil {
			t.Errorf("the same is found without the defect: %v", other)
		}
		return
	}
	if !planted {
		t.Fatal("no compiled program has the place for this defect")
	}
	t.Fatalf("not found in %d pairs", pairs)
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

// where changes the instructions that are meant.
func (c *code) where(meant func(codegen.Instruction) bool, to change) bool {
	found := false
	for i := range c.insns {
		if meant(c.insns[i]) {
			c.plant(i, to)
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
