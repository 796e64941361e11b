package codegen

import (
	"fmt"

	"github.com/cilium/ebpf/asm"
)

// Mnemonic is the instruction as the kernel's verifier writes it, with names
// for jump targets and maps: "if w0 != 0x11 goto ip4.rule1.else".
func (ins *Instruction) Mnemonic() string {
	op := ins.OpCode
	switch class := op.Class(); {
	case op.IsDWordLoad():
		return ins.wideConstant()
	case class == asm.LdXClass:
		return fmt.Sprintf("%s = *(u%d *)(%s %+d)", reg(ins.Dst, true), 8*op.Size().Sizeof(), reg(ins.Src, true), ins.Offset)
	case class == asm.StXClass:
		return fmt.Sprintf("*(u%d *)(%s %+d) = %s", 8*op.Size().Sizeof(), reg(ins.Dst, true), ins.Offset, reg(ins.Src, true))
	case class == asm.StClass:
		return fmt.Sprintf("*(u%d *)(%s %+d) = %d", 8*op.Size().Sizeof(), reg(ins.Dst, true), ins.Offset, ins.Constant)
	case class.IsALU():
		return ins.arithmetic(class == asm.ALU64Class)
	case class.IsJump():
		return ins.branch(class == asm.JumpClass)
	}
	return fmt.Sprint(ins.Instruction)
}

func reg(r asm.Register, wide bool) string {
	if wide {
		return fmt.Sprintf("r%d", r)
	}
	return fmt.Sprintf("w%d", r)
}

func (ins *Instruction) wideConstant() string {
	dst := reg(ins.Dst, true)
	switch {
	case ins.IsLoadFromMap() && ins.Src == asm.PseudoMapValue:
		return fmt.Sprintf("%s = value of %s +%d", dst, ins.Reference(), uint64(ins.Constant)>>32)
	case ins.IsLoadFromMap():
		return fmt.Sprintf("%s = map %s", dst, ins.Reference())
	}
	return fmt.Sprintf("%s = 0x%x ll", dst, uint64(ins.Constant))
}

var aluSigns = map[asm.ALUOp]string{
	asm.Add: "+=", asm.Sub: "-=", asm.Mul: "*=", asm.Or: "|=", asm.And: "&=", asm.Xor: "^=",
	asm.LSh: "<<=", asm.RSh: ">>=", asm.ArSh: "s>>=", asm.Mov: "=", asm.Div: "/=", asm.Mod: "%=",
}

func (ins *Instruction) arithmetic(wide bool) string {
	op := ins.OpCode.ALUOp()
	dst := reg(ins.Dst, wide)
	if op == asm.Swap {
		return fmt.Sprintf("%s = be%d %[1]s", reg(ins.Dst, true), ins.Constant)
	}
	if op == asm.Neg {
		return fmt.Sprintf("%s = -%[1]s", dst)
	}
	if ins.OpCode.Source() == asm.RegSource {
		return fmt.Sprintf("%s %s %s", dst, aluSigns[op], reg(ins.Src, wide))
	}
	return fmt.Sprintf("%s %s %s", dst, aluSigns[op], immediate(ins.Constant, wide))
}

var jumpSigns = map[asm.JumpOp]string{
	asm.JEq: "==", asm.JNE: "!=", asm.JGT: ">", asm.JGE: ">=", asm.JLT: "<", asm.JLE: "<=",
	asm.JSet: "&", asm.JSGT: "s>", asm.JSGE: "s>=", asm.JSLT: "s<", asm.JSLE: "s<=",
}

func (ins *Instruction) branch(wide bool) string {
	switch op := ins.OpCode.JumpOp(); op {
	case asm.Exit:
		return "exit"
	case asm.Ja:
		return "goto " + ins.target()
	case asm.Call:
		if ins.IsFunctionCall() {
			return "call " + ins.Reference()
		}
		return fmt.Sprintf("call %s", asm.BuiltinFunc(ins.Constant))
	default:
		right := immediate(ins.Constant, wide)
		if ins.OpCode.Source() == asm.RegSource {
			right = reg(ins.Src, wide)
		}
		return fmt.Sprintf("if %s %s %s goto %s", reg(ins.Dst, wide), jumpSigns[op], right, ins.target())
	}
}

// target of a jump: the label, or, of code that the kernel shows, how many slots
// behind the next instruction.
func (ins *Instruction) target() string {
	if label := ins.Reference(); label != "" {
		return label
	}
	return fmt.Sprintf("%+d", ins.Offset)
}

// immediate writes small numbers in decimal, others in hexadecimal: those are
// masks and values in network order.
func immediate(v int64, wide bool) string {
	if v > -1024 && v < 1024 {
		return fmt.Sprint(v)
	}
	if wide {
		return fmt.Sprintf("0x%x", uint64(v))
	}
	return fmt.Sprintf("0x%x", uint32(v))
}
