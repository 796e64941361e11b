package codegen

import (
	"github.com/cilium/ebpf/asm"

	"xdpfw/rules"
)

// A leaf word is what the tables of a kind find: the counter slot in the upper
// 24 bits, below it the XDP action, or of redirect where to: the same as what
// the common leaf wants in R0, but turned round so that
//
//   - the words of later rules are greater, since the least word wins;
//   - that of packets in no box, which the last step or the default decides, is
//     the greatest number.
type leafWords struct {
	slot   uint32 // of what decides packets in no box
	action uint32
}

// firstTarget is what stands in a leaf word for a redirect to interface 0,
// above every XDP action.
const firstTarget = 5

func (w leafWords) encode(slot, action uint32) uint32 {
	return (slot-w.slot-1)<<8 | (action^w.action^0xff)&0xff
}

// decode makes of the word in R0 what the common leaf wants.
func (w leafWords) decode() []asm.Instruction {
	return []asm.Instruction{asm.Add.Imm32(asm.R0, int32((w.slot+1)<<8)), asm.Xor.Imm32(asm.R0, int32(w.action^0xff))}
}

// leafAction is the action byte of a verdict.
func leafAction(v rules.Verdict, target int) uint32 {
	if v == rules.Redirect {
		return firstTarget + uint32(target)
	}
	return action(v)
}
