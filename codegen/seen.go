package codegen

import (
	"github.com/cilium/ebpf/asm"

	"xdpfw/codegen/ir"
)

// seen says where in regSeen the parser keeps a value that rules read, in
// front of the rules and once for all of them.
//
//	bit 0       17      34       43       45      47
//	    dport   sport   protocol fragment invalid
//
// The values are those of the slots: noPort and noProtocol for what the packet
// has not, fragment and invalid with their bias.
var seen = map[ir.Atom]struct{ shift, mask int32 }{
	ir.DestinationPort: {0, 0x1ffff},
	ir.SourcePort:      {17, 0x1ffff},
	ir.Protocol:        {34, 0x1ff}, // of IPv6; in IPv4 rules read the packet
	ir.Fragment:        {43, 3},
	ir.Invalid:         {45, 3},
}

// clearSeen makes regSeen ready to be filled, if some rule reads it.
func (f *family) clearSeen() {
	if f.reads(f.isSeen) {
		f.emit("nothing seen yet", movImm(regSeen, 0))
	}
}

func (f *family) isSeen(a ir.Atom) bool {
	_, ok := seen[a]
	return ok && (f.ip6 || a != ir.Protocol)
}

// see puts the value of a slot into regSeen. It comes from the stack, so that
// the verifier knows nothing of it, whatever way led here.
func (f *family) see(a ir.Atom, from slot) {
	f.emit("R7: "+a.String(), from.load(asm.R0))
	if seen[a].shift != 0 {
		f.emit("", asm.LSh.Imm(asm.R0, seen[a].shift))
	}
	f.emit("", asm.Or.Reg(regSeen, asm.R0))
}

// loadSeen loads a value of regSeen into R0. The AND breaks the link that the
// verifier makes between a register and its copy: otherwise each compare
// would narrow regSeen too, and every rule would find it in another state.
func loadSeen(a ir.Atom) []asm.Instruction {
	out := []asm.Instruction{asm.Mov.Reg(asm.R0, regSeen)}
	if seen[a].shift != 0 {
		out = append(out, asm.RSh.Imm(asm.R0, seen[a].shift))
	}
	return append(out, asm.And.Imm(asm.R0, seen[a].mask))
}
