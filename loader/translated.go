package loader

import (
	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"

	"xdpfw/codegen"
)

// A Translation is what the kernel has made of a program.
type Translation struct {
	Xlated  asm.Instructions // rewritten by the verifier
	Machine []byte           // the code of the JIT compiler; empty if there is none, or it is not shown
}

// Translate loads an Object, attached to nothing, to see what the kernel makes
// of it. Errors are *Error.
func Translate(obj *codegen.Object) (*Translation, error) {
	doing := "load " + obj.Source + " to show what the kernel makes of it"
	img, err := loadImage(doing, obj, madeUp(obj, ""))
	if err != nil {
		return nil, err
	}
	defer img.Close()
	return translationOf(doing, img.entry)
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
	return translationOf(doing, p)
}

func translationOf(doing string, p *ebpf.Program) (*Translation, error) {
	info, err := p.Info()
	if err != nil {
		return nil, refusal(doing, err)
	}
	t := &Translation{}
	if t.Xlated, err = info.Instructions(); err != nil {
		return nil, refusal(doing, err)
	}
	t.Machine, _ = info.JitedInsns()
	return t, nil
}
