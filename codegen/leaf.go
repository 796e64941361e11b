package codegen

import (
	"github.com/cilium/ebpf/asm"

	"xdpfw/rules"
)

// A leaf word is what the tables of a kind find: the counter slot in the upper
// bits, 24 mostly, below it the XDP action, or of redirect where to: the same as what
// the common leaf wants in R0, but turned round so that
//
//   - the words of later rules are greater, since the least word wins;
//   - that of packets in no box, which the last step or the default decides, is
//     the greatest number.
type leafWords struct {
	slot   uint32 // of what decides packets in no box
	action uint32
	bits   int // of the action
}

// firstTarget is what stands in a leaf word for a redirect to interface 0,
// above every XDP action.
const firstTarget = 5

// actionBits are those of the action in what the common leaf wants. Words of many
// rules have fewer where these are enough, since cells are short of bits.
const (
	actionBits = 8
	manySlots  = 1 << 14
)

func (w leafWords) mask() uint32 { return 1<<w.bits - 1 }

func (w leafWords) encode(slot, action uint32) uint32 {
	return (slot-w.slot-1)<<w.bits | (action^w.action^w.mask())&w.mask()
}

// decode makes of the word in R0 what the common leaf wants.
func (w leafWords) decode() []asm.Instruction {
	out := []asm.Instruction{asm.Add.Imm32(asm.R0, int32((w.slot+1)<<w.bits)), asm.Xor.Imm32(asm.R0, int32(w.action^w.mask()))}
	if w.bits < actionBits {
		out = append(out, asm.Mov.Reg(asm.R1, asm.R0), asm.And.Imm(asm.R1, int32(w.mask())),
			asm.RSh.Imm(asm.R0, int32(w.bits)), asm.LSh.Imm(asm.R0, actionBits), asm.Or.Reg(asm.R0, asm.R1))
	}
	return out
}

// leafAction is the action byte of a verdict.
func leafAction(v rules.Verdict, target int) uint32 {
	if v == rules.Redirect {
		return firstTarget + uint32(target)
	}
	return action(v)
}
