// Package trace runs a compiled program on a frame, instruction by instruction
// and without a kernel, and tells the way that it takes.
//
//	Object + frame ──Run──▶ Trace: instructions, what they loaded, verdict, counters
//
// It knows the instructions and helpers that the compiler emits, and no others
// (RFC 9669 says what they do). It must not know strategies: what the
// way means is in the comments and origins of the instructions. It is for
// explaining; the kernel judges.
package trace

import (
	"encoding/binary"
	"fmt"

	"github.com/cilium/ebpf/asm"

	"xdpfw/codegen"
)

// A Trace is what a program did with one frame.
type Trace struct {
	Program *codegen.Program
	Steps   []Step
	Action  uint32 // the result: an XDP action (include/uapi/linux/bpf.h)
	Slots   []int  // of the counter map that were counted up, in order

	names []string // of the memories that values may point into
}

// A Step is an instruction that was executed.
type Step struct {
	Instruction int    // index in Program.Code
	Value       uint64 // that it stored, or else of the destination register behind it
}

// Text of a value: what it points at, or the number in hexadecimal.
func (t *Trace) Text(v uint64) string {
	region, offset := int(v>>regionBits), int64(v&(1<<regionBits-1))-margin
	if region <= 0 || region >= len(t.names) || offset < -1<<20 || offset > 1<<30 {
		return fmt.Sprintf("0x%x", v)
	}
	return fmt.Sprintf("%s%+d", t.names[region], offset)
}

// A Frame is what a program is run on.
type Frame struct {
	Head      []byte // the bytes of the first buffer
	Len       int    // of the whole frame
	Interface string // that it arrived on; "" for one that no rule names
}

// mostSteps are more than any program within the kernel's limits executes.
const mostSteps = 4 << 20

// Run the entry program of an Object.
func Run(o *codegen.Object, frame Frame) (*Trace, error) {
	m := newMachine(o, frame)
	for len(m.trace.Steps) < mostSteps {
		if m.at < 0 || m.at >= len(m.code) {
			return nil, fmt.Errorf("instruction %d is not there", m.at)
		}
		at := m.at
		m.at++
		done, err := m.execute(&m.code[at].Instruction)
		if err != nil {
			return nil, fmt.Errorf("instruction %d, %s: %w", at, m.code[at].Mnemonic(), err)
		}
		value := m.r[m.code[at].Dst]
		if m.code[at].OpCode.Class() == asm.StXClass {
			value = m.r[m.code[at].Src]
		}
		m.trace.Steps = append(m.trace.Steps, Step{at, value})
		if done {
			m.trace.Action = uint32(m.r[0])
			return &m.trace, nil
		}
	}
	return nil, fmt.Errorf("it does not end within %d instructions", mostSteps)
}

// Addresses are the number of a memory and an offset, so that arithmetic on
// pointers is that on numbers. In front of a memory and behind it is room for
// pointers that leave it, which must not be followed.
const (
	regionBits = 40
	margin     = 1 << 32
)

func address(region int) uint64 { return uint64(region)<<regionBits + margin }

type machine struct {
	object *codegen.Object
	code   []codegen.Instruction
	labels map[string]int
	maps   map[string]int // numbers of the memories that are the values of maps

	memory [][]byte
	counts int // number of the memory of the counters
	r      [11]uint64
	at     int
	calls  []call
	frame  Frame
	trace  Trace
}

// A call is what comes back when a function returns.
type call struct {
	at    int
	saved [5]uint64 // r6 to r9, and r10
}

// The memories that every program has.
const (
	context = iota + 1
	packet
	firstStack
)

const (
	stackSize = 512
	metaSize  = 24 // struct xdp_md
)

func newMachine(o *codegen.Object, frame Frame) *machine {
	m := &machine{object: o, code: o.Programs[0].Code, labels: map[string]int{}, maps: map[string]int{}, frame: frame}
	m.trace.Program = &o.Programs[0]
	meta := make([]byte, metaSize)
	m.memory, m.trace.names = [][]byte{nil, meta, frame.Head}, []string{"", "context", "frame"}
	m.r[10] = m.allocate("stack", make([]byte, stackSize)) + stackSize
	for i := range m.code {
		if symbol := m.code[i].Symbol(); symbol != "" {
			m.labels[symbol] = i
		}
	}
	for i := range o.Maps {
		spec := o.Maps[i].Spec
		value := o.Maps[i].Contents()
		switch {
		case spec.Name == codegen.CounterMap:
			value = make([]byte, int(spec.ValueSize)*int(spec.MaxEntries))
			m.counts = len(m.memory)
		case spec.Name == codegen.InterfaceMap:
			value = make([]byte, spec.ValueSize)
			for n, known := range o.Interfaces { // made up: one more than the index in the Object
				binary.LittleEndian.PutUint32(value[4*n:], uint32(n+1))
				if known.Name == frame.Interface {
					binary.LittleEndian.PutUint32(meta[12:], uint32(n+1))
				}
			}
		case value == nil:
			value = make([]byte, int(spec.ValueSize)*int(spec.MaxEntries))
		}
		m.maps[spec.Name] = len(m.memory)
		m.allocate(spec.Name, value)
	}
	m.r[1] = address(context)
	return m
}

// allocate a memory; its address.
func (m *machine) allocate(name string, bytes []byte) uint64 {
	m.trace.names = append(m.trace.names, name)
	m.memory = append(m.memory, bytes)
	return address(len(m.memory) - 1)
}

// bytes at an address.
func (m *machine) bytes(at uint64, size int) ([]byte, error) {
	region := int(at >> regionBits)
	offset := int64(at&(1<<regionBits-1)) - margin
	if region <= 0 || region >= len(m.memory) || offset < 0 || offset+int64(size) > int64(len(m.memory[region])) {
		return nil, fmt.Errorf("%d bytes at offset %d of memory %d are not there", size, offset, region)
	}
	return m.memory[region][offset : offset+int64(size)], nil
}

func (m *machine) load(at uint64, size int) (uint64, error) {
	if at>>regionBits == context { // the kernel makes pointers of two of its words
		switch at - address(context) {
		case 0:
			return address(packet), nil
		case 4:
			return address(packet) + uint64(len(m.memory[packet])), nil
		}
	}
	b, err := m.bytes(at, size)
	if err != nil {
		return 0, err
	}
	switch size {
	case 1:
		return uint64(b[0]), nil
	case 2:
		return uint64(binary.LittleEndian.Uint16(b)), nil
	case 4:
		return uint64(binary.LittleEndian.Uint32(b)), nil
	}
	return binary.LittleEndian.Uint64(b), nil
}

func (m *machine) store(at uint64, size int, v uint64) error {
	b, err := m.bytes(at, size)
	if err != nil {
		return err
	}
	switch size {
	case 1:
		b[0] = byte(v)
	case 2:
		binary.LittleEndian.PutUint16(b, uint16(v))
	case 4:
		binary.LittleEndian.PutUint32(b, uint32(v))
	default:
		binary.LittleEndian.PutUint64(b, v)
	}
	if offset := int64(at&(1<<regionBits-1)) - margin; m.counts > 0 && int(at>>regionBits) == m.counts && offset%counterSize == 0 {
		m.trace.Slots = append(m.trace.Slots, int(offset/counterSize))
	}
	return nil
}

// counterSize of a codegen.CounterValue, of which the number of packets comes first.
const counterSize = 16

// execute an instruction; done says that the program has ended.
func (m *machine) execute(ins *asm.Instruction) (done bool, err error) {
	op := ins.OpCode
	switch class := op.Class(); {
	case op.IsDWordLoad():
		m.r[ins.Dst], err = m.wide(ins)
	case class == asm.LdXClass:
		m.r[ins.Dst], err = m.load(m.r[ins.Src]+uint64(int64(ins.Offset)), op.Size().Sizeof())
	case class == asm.StXClass && op.Mode() == asm.MemMode:
		err = m.store(m.r[ins.Dst]+uint64(int64(ins.Offset)), op.Size().Sizeof(), m.r[ins.Src])
	case class == asm.StClass && op.Mode() == asm.MemMode:
		err = m.store(m.r[ins.Dst]+uint64(int64(ins.Offset)), op.Size().Sizeof(), uint64(ins.Constant))
	case class.IsALU():
		err = m.arithmetic(ins)
	case class.IsJump():
		return m.jump(ins)
	default:
		err = fmt.Errorf("not an instruction that the compiler emits")
	}
	return false, err
}

func (m *machine) wide(ins *asm.Instruction) (uint64, error) {
	if !ins.IsLoadFromMap() {
		return uint64(ins.Constant), nil
	}
	region, is := m.maps[ins.Reference()]
	if !is {
		return 0, fmt.Errorf("there is no map %s", ins.Reference())
	}
	if ins.Src == asm.PseudoMapValue {
		return address(region) + uint64(ins.Constant)>>32, nil
	}
	return address(region), nil // of the map: its values
}
