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
	Name   string `json:"name"`
	Origin int    `json:"origin"` // index in Object.Origins: the first rule that does
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

// receivedOn loads the index of the interface that the frame arrived on.
func receivedOn(r asm.Register) asm.Instruction { return asm.LoadMem(r, regCtx, ctxFrom, asm.Word) }

// findInterface finds out which of the names that rules have is that of the
// receiving interface. Rules could compare the index themselves, but the
// verifier replaces each load of it, and moves the whole program each time.
//
// Where a name is the right one control falls through, so that the verifier
// goes over all that follows once, before it looks at the next name.
func (f *family) findInterface() {
	done := f.newLabel("%s.on", f.kind.name)
	for i := range f.interfaces {
		next := f.newLabel("%s.noton", f.kind.name)
		f.emit("received on", receivedOn(asm.R0))
		f.loadInterface(asm.R1, i)
		f.jump(asm.JNE.Reg(asm.R0, asm.R1, ""), next)
		f.emit("", movImm(asm.R1, uint32(i)+interfaceBias))
		f.goTo(done)
		f.bind(next)
	}
	f.emit("none of them", movImm(asm.R1, uint32(len(f.interfaces))+interfaceBias))
	f.bind(done)
	f.emit("R7: interface", slotValue.store(asm.R1), slotValue.load(asm.R0), asm.Sub.Imm(asm.R0, interfaceBias), asm.And.Imm(asm.R0, 0xff))
	f.seeR0(ir.Interface)
}
