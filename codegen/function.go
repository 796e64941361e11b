package codegen

import (
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/btf"
)

// A function is what the kernel is told of a function of a program (BTF). All
// its parameters are ints, and so is its result.
type function struct {
	At         int      `json:"at"` // index of its first instruction
	Name       string   `json:"name"`
	Global     bool     `json:"global"`
	Parameters []string `json:"parameters"`
}

var intType = &btf.Int{Name: "int", Size: 4, Encoding: btf.Signed}

// describe the function at its first instruction.
func (f function) describe(first asm.Instruction) asm.Instruction {
	linkage := btf.StaticFunc
	if f.Global {
		linkage = btf.GlobalFunc
	}
	prototype := &btf.FuncProto{Return: intType}
	for _, name := range f.Parameters {
		prototype.Params = append(prototype.Params, btf.FuncParam{Name: name, Type: intType})
	}
	return btf.WithFuncMetadata(first, &btf.Func{Name: f.Name, Linkage: linkage, Type: prototype})
}

// functionsOf a program are those that are described; none if it has one only.
func functionsOf(p *Program) (all []function) {
	for i := range p.Code {
		described := btf.FuncMetadata(&p.Code[i].Instruction)
		if described == nil {
			continue
		}
		f := function{At: i, Name: described.Name, Global: described.Linkage == btf.GlobalFunc}
		if prototype, ok := described.Type.(*btf.FuncProto); ok {
			for _, param := range prototype.Params {
				f.Parameters = append(f.Parameters, param.Name)
			}
		}
		all = append(all, f)
	}
	return all
}
