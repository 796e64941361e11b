package codegen

import (
	"fmt"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"

	"xdpfw/codegen/ir"
	"xdpfw/rules"
)

// InterfaceMap is the name of the frozen map that says what the names in
// Object.Interfaces stand for on the host: one value, of an interface index
// (four bytes) for each. The loader fills it; nothing else of a program
// depends on where it is loaded.
const InterfaceMap = "interfaces"

// An Interface is a name that rules use.
type Interface struct {
	Name   string
	Origin int // index in Object.Origins: the first rule that does
}

// interfaces are the names that the rules use.
func interfaces(rs *rules.RuleSet) []Interface {
	var out []Interface
	for _, name := range rs.Interfaces {
		out = append(out, Interface{Name: name})
	}
	note := func(index uint64, rule int) {
		if out[index].Origin == 0 {
			out[index].Origin = ruleOrigin(rule)
		}
	}
	for _, step := range rs.Steps {
		for _, c := range step.Clauses {
			if c.Subject != rules.Interface {
				continue
			}
			for _, r := range c.Set.IP4 {
				for i := r.Lo.Lo; i <= r.Hi.Lo; i++ {
					note(i, step.Rule)
				}
			}
		}
		if rule := &rs.Rules[step.Rule]; rule.Verdict == rules.Redirect {
			note(uint64(rule.Interface), step.Rule)
		}
	}
	return out
}

func interfaceMapSpec(n int) *ebpf.MapSpec {
	return &ebpf.MapSpec{Name: InterfaceMap, Type: ebpf.Array, KeySize: 4, ValueSize: uint32(4 * n), MaxEntries: 1}
}

// loadInterface loads the index of a named interface into a register.
func (c *chain) loadInterface(r asm.Register, index int) {
	c.emit(fmt.Sprintf("interface %q", c.interfaces[index]), asm.LoadMapValue(r, 0, uint32(4*index)).WithReference(InterfaceMap))
	c.emit("", asm.LoadMem(r, r, 0, asm.Word))
}

// named are the interfaces that a test accepts, or, with others, those that it
// does not accept, since it accepts all that no rule names.
func (c *chain) named(t ir.Test) (indexes []int, others bool) {
	number := func(i int) rules.Value { return rules.Value{Lo: uint64(i)} }
	others = rules.Contains(t.Ranges, number(len(c.interfaces)))
	for i := range c.interfaces {
		if rules.Contains(t.Ranges, number(i)) != others {
			indexes = append(indexes, i)
		}
	}
	return indexes, others
}

// receivedOn loads the index of the interface that the frame arrived on.
func receivedOn(r asm.Register) asm.Instruction { return asm.LoadMem(r, regCtx, ctxFrom, asm.Word) }

// testInterface is test for the receiving interface.
func (f *family) testInterface(t ir.Test, fail label) {
	indexes, others := f.named(t)
	match := f.newLabel("%s.on", f.kind.name)
	for n, i := range indexes {
		f.loadInterface(asm.R1, i)
		f.emit("received on", receivedOn(asm.R0))
		switch {
		case others:
			f.jump(asm.JEq.Reg(asm.R0, asm.R1, ""), fail)
		case n == len(indexes)-1:
			f.jump(asm.JNE.Reg(asm.R0, asm.R1, ""), fail)
		default:
			f.jump(asm.JEq.Reg(asm.R0, asm.R1, ""), match)
		}
	}
	f.bind(match)
}

// missInterface is miss for the receiving interface: R0 becomes 0 or 1.
func (f *family) missInterface(t ir.Test) {
	indexes, others := f.named(t)
	f.emit("received on", receivedOn(asm.R2), movImm(asm.R4, 0))
	for _, i := range indexes {
		f.loadInterface(asm.R0, i)
		f.emit("one if it is that", asm.Xor.Reg(asm.R0, asm.R2), asm.Sub.Imm(asm.R0, 1), asm.RSh.Imm(asm.R0, 63), asm.Or.Reg(asm.R4, asm.R0))
	}
	f.emit("", asm.Mov.Reg(asm.R0, asm.R4))
	if !others {
		f.emit("", asm.Xor.Imm(asm.R0, 1))
	}
}
