package loader

import (
	"bytes"
	"encoding/binary"
	"fmt"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/btf"

	"xdpfw/codegen"
)

// A Translation is what the kernel has made of a program.
type Translation struct {
	Xlated  asm.Instructions // rewritten by the verifier
	Machine []byte           // the code of the JIT compiler; empty if there is none, or it is not shown

	// Where what instructions of the Object's program have become begins, by
	// their index: in Xlated in slots of eight bytes, in Machine in bytes. Nil if
	// that is not known. Of an instruction that the verifier has taken out it is
	// where the next one is.
	XlatedAt, MachineAt []int
}

// Translate loads an Object, attached to nothing, to see what the kernel makes
// of it. Errors are *Error.
func Translate(obj *codegen.Object) (*Translation, error) {
	doing := "load " + obj.Source + " to show what the kernel makes of it"
	numbered, err := withLines(obj)
	if err != nil {
		return nil, refusal(doing, err)
	}
	img, err := loadImage(doing, numbered, madeUp(obj, ""))
	if err != nil {
		return nil, err
	}
	defer img.Close()
	return translationOf(doing, img.entry, len(obj.Programs[0].Code))
}

// Translation of the program on the interface. It asks for more capabilities
// than Load does. Errors are *Error.
func (l *Loaded) Translation() (*Translation, error) {
	doing := "read the program on " + l.Interface
	p, err := ebpf.NewProgramFromID(ebpf.ProgramID(l.ProgramID))
	if err != nil {
		return nil, refusal(doing, err)
	}
	defer p.Close()
	return translationOf(doing, p, 0)
}

// withLines is the Object with a line number for each instruction of its
// program, one more than its index, which the kernel keeps while it rewrites
// and compiles (struct bpf_line_info, include/uapi/linux/bpf.h).
func withLines(obj *codegen.Object) (*codegen.Object, error) {
	const names = "\x00program\x00"
	blob := binary.LittleEndian.AppendUint16(nil, 0xeb9f) // struct btf_header (include/uapi/linux/btf.h): strings only
	blob = append(blob, 1, 0)
	for _, n := range []uint32{24, 0, 0, 0, uint32(len(names))} {
		blob = binary.LittleEndian.AppendUint32(blob, n)
	}
	spec, err := btf.LoadSpecFromReader(bytes.NewReader(append(blob, names...)))
	if err != nil {
		return nil, fmt.Errorf("lines of a program: %w", err)
	}
	code := append([]codegen.Instruction{}, obj.Programs[0].Code...)
	var records []byte
	for i := range code {
		for _, n := range []uint32{uint32(i), 1, 1, uint32(i+1) << 10} {
			records = binary.LittleEndian.AppendUint32(records, n)
		}
	}
	lines, err := btf.LoadLineInfos(bytes.NewReader(records), binary.LittleEndian, uint32(len(code)), spec)
	if err != nil {
		return nil, fmt.Errorf("lines of a program: %w", err)
	}
	for i := range code {
		code[i].Instruction = code[i].WithSource(lines[i].Line)
	}
	numbered := *obj
	numbered.Programs = append([]codegen.Program{}, obj.Programs...)
	numbered.Programs[0].Code = code
	return &numbered, nil
}

// translationOf a program of so many instructions that have lines.
func translationOf(doing string, p *ebpf.Program, numbered int) (*Translation, error) {
	info, err := p.Info()
	if err != nil {
		return nil, refusal(doing, err)
	}
	t := &Translation{}
	if t.Xlated, err = info.Instructions(); err != nil {
		return nil, refusal(doing, err)
	}
	t.Machine, _ = info.JitedInsns()
	if numbered == 0 {
		return t, nil
	}
	lines, err := info.LineInfos()
	if err != nil {
		return nil, refusal(doing, err)
	}
	machine, jited := machinePlaces(info, len(lines))
	t.XlatedAt = make([]int, numbered)
	if jited {
		t.MachineAt = make([]int, numbered)
	}
	slot, at := 0, 0
	for i := range t.Xlated {
		slot += codegen.SlotsOf(t.Xlated[i])
	}
	at = len(t.Machine)
	next := len(lines) - 1
	for i := numbered - 1; i >= 0; i-- {
		for next >= 0 && int(lines[next].Line.LineNumber()) > i+1 {
			next--
		}
		if next >= 0 && int(lines[next].Line.LineNumber()) == i+1 {
			slot = int(lines[next].Offset)
			if jited {
				at = machine[next]
			}
		}
		t.XlatedAt[i] = slot
		if jited {
			t.MachineAt[i] = at
		}
	}
	return t, nil
}

// machinePlaces are where lines begin in the machine code, in which functions
// stand one behind the other; false if the kernel does not say.
func machinePlaces(info *ebpf.ProgramInfo, lines int) (places []int, known bool) {
	addresses, known := info.JitedLineInfos()
	starts, ok := info.JitedKsymAddrs()
	lengths, ok2 := info.JitedFuncLens()
	if !known || !ok || !ok2 || len(addresses) != lines || len(starts) != len(lengths) {
		return nil, false
	}
	for _, address := range addresses {
		before, found := 0, false
		for f, start := range starts {
			if offset := address - uint64(start); address >= uint64(start) && offset < uint64(lengths[f]) {
				places, found = append(places, before+int(offset)), true
				break
			}
			before += int(lengths[f])
		}
		if !found {
			return nil, false
		}
	}
	return places, true
}
