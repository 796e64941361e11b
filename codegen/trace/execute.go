package trace

import (
	"encoding/binary"
	"fmt"
	"math/bits"

	"github.com/cilium/ebpf/asm"

	"xdpfw/codegen"
	"xdpfw/rules"
)

// operand is the right side of an instruction.
func (m *machine) operand(ins *asm.Instruction) uint64 {
	if ins.OpCode.Source() == asm.RegSource {
		return m.r[ins.Src]
	}
	return uint64(ins.Constant)
}

func (m *machine) arithmetic(ins *asm.Instruction) error {
	wide := ins.OpCode.Class() == asm.ALU64Class
	a, b := m.r[ins.Dst], m.operand(ins)
	op := ins.OpCode.ALUOp()
	if op == asm.Swap {
		switch ins.Constant {
		case 16:
			m.r[ins.Dst] = uint64(bits.ReverseBytes16(uint16(a)))
		case 32:
			m.r[ins.Dst] = uint64(bits.ReverseBytes32(uint32(a)))
		default:
			m.r[ins.Dst] = bits.ReverseBytes64(a)
		}
		return nil
	}
	shift, width := b&63, 64
	if !wide {
		a, b, shift, width = uint64(uint32(a)), uint64(uint32(b)), b&31, 32
	}
	var v uint64
	switch op {
	case asm.Add:
		v = a + b
	case asm.Sub:
		v = a - b
	case asm.Mul:
		v = a * b
	case asm.Div:
		if b != 0 {
			v = a / b
		}
	case asm.Mod:
		if v = a; b != 0 {
			v = a % b
		}
	case asm.Or:
		v = a | b
	case asm.And:
		v = a & b
	case asm.Xor:
		v = a ^ b
	case asm.LSh:
		v = a << shift
	case asm.RSh:
		v = a >> shift
	case asm.ArSh:
		v = uint64(int64(a<<(64-width)) >> (64 - width))
		v = uint64(int64(v) >> shift)
	case asm.Neg:
		v = -a
	case asm.Mov:
		v = b
	default:
		return fmt.Errorf("not an operation that the compiler emits")
	}
	if !wide {
		v = uint64(uint32(v))
	}
	m.r[ins.Dst] = v
	return nil
}

func (m *machine) jump(ins *asm.Instruction) (done bool, err error) {
	switch op := ins.OpCode.JumpOp(); op {
	case asm.Exit:
		if len(m.calls) == 0 {
			return true, nil
		}
		last := m.calls[len(m.calls)-1]
		m.calls = m.calls[:len(m.calls)-1]
		m.at = last.at
		copy(m.r[6:11], last.saved[:])
		return false, nil
	case asm.Call:
		return false, m.call(ins)
	case asm.Ja:
		return false, m.goTo(ins.Reference())
	default:
		holds, err := m.compare(op, ins)
		if err != nil || !holds {
			return false, err
		}
		return false, m.goTo(ins.Reference())
	}
}

func (m *machine) goTo(label string) error {
	at, is := m.labels[label]
	if !is {
		return fmt.Errorf("there is no label %q", label)
	}
	m.at = at
	return nil
}

func (m *machine) compare(op asm.JumpOp, ins *asm.Instruction) (bool, error) {
	a, b := m.r[ins.Dst], m.operand(ins)
	signedA, signedB := int64(a), int64(b)
	if ins.OpCode.Class() == asm.Jump32Class {
		a, b = uint64(uint32(a)), uint64(uint32(b))
		signedA, signedB = int64(int32(a)), int64(int32(b))
	}
	switch op {
	case asm.JEq:
		return a == b, nil
	case asm.JNE:
		return a != b, nil
	case asm.JGT:
		return a > b, nil
	case asm.JGE:
		return a >= b, nil
	case asm.JLT:
		return a < b, nil
	case asm.JLE:
		return a <= b, nil
	case asm.JSet:
		return a&b != 0, nil
	case asm.JSGT:
		return signedA > signedB, nil
	case asm.JSGE:
		return signedA >= signedB, nil
	case asm.JSLT:
		return signedA < signedB, nil
	case asm.JSLE:
		return signedA <= signedB, nil
	}
	return false, fmt.Errorf("not a comparison that the compiler emits")
}

// call a function of the program, or a helper of the kernel.
func (m *machine) call(ins *asm.Instruction) error {
	if ins.IsFunctionCall() {
		c := call{at: m.at}
		copy(c.saved[:], m.r[6:11])
		m.calls = append(m.calls, c)
		m.r[10] = m.allocate("stack", make([]byte, stackSize)) + stackSize
		return m.goTo(ins.Reference())
	}
	switch helper := asm.BuiltinFunc(ins.Constant); helper {
	case asm.FnMapLookupElem:
		key, err := m.bytes(m.r[2], 4)
		if err != nil {
			return err
		}
		m.r[0] = m.element(m.r[1], binary.LittleEndian.Uint32(key))
	case asm.FnXdpGetBuffLen:
		m.r[0] = uint64(m.frame.Len)
	case asm.FnRedirect:
		m.r[0] = actionRedirect
	default:
		return fmt.Errorf("%v is no helper that the compiler calls", helper)
	}
	return nil
}

const actionRedirect = 4 // XDP_REDIRECT (include/uapi/linux/bpf.h)

// element of a map, or null.
func (m *machine) element(of uint64, key uint32) uint64 {
	for name, region := range m.maps {
		if address(region) != of {
			continue
		}
		for i := range m.object.Maps {
			if spec := m.object.Maps[i].Spec; spec.Name == name && key < spec.MaxEntries {
				return of + uint64(key)*uint64(spec.ValueSize)
			}
		}
	}
	return 0
}

// Verdict is what the result means.
func (t *Trace) Verdict() rules.Verdict {
	verdicts := [...]rules.Verdict{rules.Abort, rules.Drop, rules.Pass, rules.TX, rules.Redirect} // by XDP action
	if int(t.Action) >= len(verdicts) {
		return rules.Abort // as the kernel does (bpf_warn_invalid_xdp_action)
	}
	return verdicts[t.Action]
}

// Decision is the counter that says which rule decided and how; nil if the
// program does not count rules. The last one is of the rule that decided.
func (t *Trace) Decision(o *codegen.Object) *codegen.Counter {
	if len(t.Slots) == 0 || t.Slots[len(t.Slots)-1] >= len(o.Counters) {
		return nil
	}
	return &o.Counters[t.Slots[len(t.Slots)-1]]
}
