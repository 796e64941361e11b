package codegen

import (
	"fmt"

	"github.com/cilium/ebpf/asm"
)

// A builder collects the instructions of one program. Jumps go to labels that
// may be bound later; finish names and resolves them.
type builder struct {
	code    []Instruction
	targets []label           // by instruction: where it jumps, or noLabel
	loops   map[int]int       // by instruction that jumps back: how often at most
	vias    map[label][]label // islands on the way to a label
	labels  []labelInfo
	origin  int
	called  int // instructions of the function that others call
	place   int // the last index that control does not fall into
}

// A label is a place that jumps name, bound to an instruction once.
type label int

const noLabel label = -1

type labelInfo struct {
	name string
	at   int // index in builder.code; -1 until bound
}

func newBuilder() *builder { return &builder{loops: map[int]int{}, vias: map[label][]label{}} }

func (b *builder) newLabel(format string, args ...any) label {
	b.labels = append(b.labels, labelInfo{fmt.Sprintf(format, args...), -1})
	return label(len(b.labels) - 1)
}

// bind the label to the instruction that is emitted next.
func (b *builder) bind(l label) {
	if b.labels[l].at >= 0 {
		panic("codegen: label " + b.labels[l].name + " bound twice")
	}
	b.labels[l].at = len(b.code)
}

// emit instructions that do not jump; the comment stands at the first.
func (b *builder) emit(comment string, insns ...asm.Instruction) {
	for _, ins := range insns {
		b.code = append(b.code, Instruction{Instruction: ins, Origin: b.origin, Comment: comment})
		b.targets = append(b.targets, noLabel)
		comment = ""
		if endsFlow(ins) {
			b.place = len(b.code)
		}
	}
}

func (b *builder) jump(ins asm.Instruction, to label) { b.jumpFor("", ins, to) }

// jumpFor is jump with a comment.
func (b *builder) jumpFor(comment string, ins asm.Instruction, to label) {
	b.emit(comment, ins)
	b.targets[len(b.targets)-1] = to
}

func (b *builder) goTo(to label) { b.jump(asm.Ja.Label(""), to) }

// makePlace makes a place for islands if there has been none for long, as
// behind many rules that decide nothing.
func (b *builder) makePlace() {
	const far = 1000
	if len(b.code)-b.place > far {
		next := b.newLabel("next")
		b.goTo(next)
		b.bind(next)
	}
}

// loopTo jumps back, at most bound times in one run of the program.
func (b *builder) loopTo(to label, bound int) {
	b.loops[len(b.code)] = bound
	b.goTo(to)
}

// endsFlow says whether control never falls through the instruction.
func endsFlow(ins asm.Instruction) bool {
	if !ins.OpCode.Class().IsJump() {
		return false
	}
	op := ins.OpCode.JumpOp()
	return op == asm.Ja || op == asm.Exit
}

// The comparisons below take a 32-bit value as a number, where asm wants the
// int32 of the same bits. They are the Imm32 forms: JEq.Imm would extend the
// sign and never match 0x80000000 and above.

func jeq(r asm.Register, v uint32) asm.Instruction { return asm.JEq.Imm32(r, int32(v), "") }
func jne(r asm.Register, v uint32) asm.Instruction { return asm.JNE.Imm32(r, int32(v), "") }
func jgt(r asm.Register, v uint32) asm.Instruction { return asm.JGT.Imm32(r, int32(v), "") }
func jlt(r asm.Register, v uint32) asm.Instruction { return asm.JLT.Imm32(r, int32(v), "") }

func movImm(r asm.Register, v uint32) asm.Instruction { return asm.Mov.Imm32(r, int32(v)) }

// beyond jumps if register r, a packet pointer, plus n bytes lies behind
// data_end; it clobbers scratch.
func (b *builder) beyond(comment string, r asm.Register, n int32, scratch asm.Register, to label) {
	b.emit(comment, asm.Mov.Reg(scratch, r))
	if n != 0 {
		b.emit("", asm.Add.Imm(scratch, n))
	}
	b.jump(asm.JGT.Reg(scratch, regEnd, ""), to)
}

// The registers that keep one meaning through the program.
const (
	regNet  = asm.R6 // packet pointer to the network header
	regSeen = asm.R7 // what the parser found out, packed or as a pointer: see values
	regEnd  = asm.R8 // data_end: the end of the readable bytes
	regCtx  = asm.R9 // struct xdp_md *
	ctxData = 0      // offset of xdp_md.data
	ctxEnd  = 4      // offset of xdp_md.data_end
	ctxFrom = 12     // offset of xdp_md.ingress_ifindex
)

// A slot is four bytes of stack, named by offset from the frame pointer. Only
// the parser uses them; rules read packet and registers, because the verifier
// of Linux 6.18 goes over the whole program again at the end of each way on
// which it has seen a new stack access (kernel/bpf/liveness.c): a stack read
// in each of 5,000 rules takes it minutes.
//
// Every slot lies at -4 modulo 8: the verifier tracks the value of a store
// that is aligned to 8, and would then walk whatever follows once for each
// value (kernel/bpf/verifier.c, check_stack_write_fixed_off: other stores
// make the bytes STACK_MISC, and a load gives an unknown number). For the
// same reason no slot ever holds zero: STACK_ZERO is tracked as well.
type slot int16

const (
	slotKey      slot = -4  // the key of the counter look-up
	slotNet      slot = -12 // offset of the network header in the frame
	slotProtocol slot = -20 // protocol, or noProtocol
	slotFragment slot = -28 // ir.NotFragment … + fragmentBias
	slotInvalid  slot = -36 // 0 or 1, + invalidBias
	slotL4       slot = -44 // offset of the transport header from the network header
	slotL4Len    slot = -52 // bytes from the transport header to the packet's end, + l4LenBias; 1: no transport header
	slotSport    slot = -60 // source port, or noPort
	slotDport    slot = -68 // destination port, or noPort
	slotIPEnd    slot = -76 // offset of the packet's end from the network header

	slotValue      slot = -92  // a value of the packet on its way into regSeen
	slotTag        slot = -100 // TCI of the outer tag, or noTag
	slotTag2       slot = -108 // TCI of the inner tag, or noTag
	slotType       slot = -116 // eth.type behind the tags, in network order
	slotWalked     slot = -124 // the extension headers walked over so far, as bits, + walkedBias
	slotExtensions slot = -132 // those bits when the walk has ended well, or noExtensions
	slotPayload    slot = -140 // offset of the payload from the transport header, or noPayload

	slotElsewhere slot = elementSlot - 4 // bytes of the frame that are in further buffers; below all that tables keep
)

// What the slots hold for a value that the packet has not, and what is added
// to the values that could be zero. What a packet has not is one more than the
// greatest value, so that no compare takes it for one: see missing.
const (
	noProtocol   = 0x200 // with the bit of an AH below it
	noPort       = 0x10000
	noTag        = 0x10000
	noExtensions = 0x20
	noPayload    = 0x20000 // longer than any packet
	fragmentBias = 1
	invalidBias  = 1
	l4LenBias    = 2
	walkedBias   = 0x20

	interfaceBias = 1
)

func (s slot) load(r asm.Register) asm.Instruction {
	return asm.LoadMem(r, asm.R10, int16(s), asm.Word)
}

func (s slot) store(r asm.Register) asm.Instruction {
	return asm.StoreMem(asm.R10, int16(s), r, asm.Word)
}

func (s slot) storeImm(v int64) asm.Instruction {
	return asm.StoreImm(asm.R10, int16(s), v, asm.Word)
}
