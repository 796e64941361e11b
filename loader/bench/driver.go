package bench

import (
	"errors"
	"fmt"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"golang.org/x/sys/unix"
)

// The maps of a driver, by the symbols that its code knows them by.
const (
	traceMap  = "trace" // and the number of the table
	stateMap  = "state"
	targetMap = "target"
)

// maxStamps is how many passes over the trace one run is timed for.
const maxStamps = 64

// A driverState is the value of stateMap, in host byte order.
type driverState struct {
	Cursor uint64 // where in the trace the next packet is
	Passes uint64 // passes begun: stamps taken
	Failed uint64 // packets that did not reach the program under test
	Stamps [maxStamps]uint64
}

const (
	stateCursor = 0
	statePasses = 8
	stateFailed = 16
	stateStamps = 24
	stateSize   = stateStamps + 8*maxStamps
)

// driverCode is an XDP program that takes the next packet out of the trace,
// writes it over the one that it got, and goes on with the program under test.
// BPF_PROG_RUN gives a program the same buffer each time, as the run before
// left it.
//
//	R6 the context, R7 the state, R8 the place in the trace
func driverCode(t *Trace) asm.Instructions {
	code := asm.Instructions{
		asm.Mov.Reg(asm.R6, asm.R1),
		asm.LoadMapValue(asm.R7, 0, 0).WithReference(stateMap),
		asm.LoadMem(asm.R8, asm.R7, stateCursor, asm.DWord),
		asm.JEq.Imm(asm.R8, 0, "pass"),
		// Never taken. It tells the verifier how far R8 goes.
		asm.JGT.Imm(asm.R8, int32((t.packets-1)*t.stride()), "failed").WithSymbol("next"),
	}
	if t.varied() {
		code = append(code, setLength(asm.Mov.Imm(asm.R2, int32(len(t.template))))...)
	}
	code = append(code, writeWords(t)...)
	code = append(code,
		asm.Add.Imm(asm.R8, int32(t.stride())).WithSymbol("advance"),
		asm.JLT.Imm(asm.R8, int32(t.packets*t.stride()), "keep"),
		asm.Mov.Imm(asm.R8, 0),
		asm.StoreMem(asm.R7, stateCursor, asm.R8, asm.DWord).WithSymbol("keep"),
	)
	if t.varied() {
		code = append(code, setLength(asm.Mov.Reg(asm.R2, asm.R9))...)
	}
	code = append(code,
		asm.Mov.Reg(asm.R1, asm.R6),
		asm.LoadMapPtr(asm.R2, 0).WithReference(targetMap),
		asm.Mov.Imm(asm.R3, 0),
		asm.FnTailCall.Call(),
		asm.LoadMem(asm.R1, asm.R7, stateFailed, asm.DWord).WithSymbol("failed"),
		asm.Add.Imm(asm.R1, 1),
		asm.StoreMem(asm.R7, stateFailed, asm.R1, asm.DWord),
		asm.Mov.Imm(asm.R0, 0), // XDP_ABORTED
		asm.Return(),
	)
	return append(code, stampPass()...)
}

// setLength makes the frame as long as the instruction puts into R2.
func setLength(length asm.Instruction) asm.Instructions {
	return asm.Instructions{
		length,
		asm.LoadMem(asm.R0, asm.R6, 0, asm.Word), // xdp_md.data
		asm.LoadMem(asm.R1, asm.R6, 4, asm.Word), // xdp_md.data_end
		asm.Sub.Reg(asm.R1, asm.R0),
		asm.Sub.Reg(asm.R2, asm.R1),
		asm.Mov.Reg(asm.R1, asm.R6),
		asm.FnXdpAdjustTail.Call(),
		asm.JNE.Imm(asm.R0, 0, "failed"),
	}
}

// writeWords copies what is at R8 in the tables into the packet. If lengths vary, R9
// becomes the packet's.
func writeWords(t *Trace) asm.Instructions {
	code := asm.Instructions{
		asm.LoadMem(asm.R2, asm.R6, 0, asm.Word),
		asm.LoadMem(asm.R3, asm.R6, 4, asm.Word),
		asm.Mov.Reg(asm.R4, asm.R2),
		asm.Add.Imm(asm.R4, int32(t.columns[len(t.columns)-1]+8)),
		asm.JGT.Reg(asm.R4, asm.R3, "failed"),
	}
	for c, at := range t.columns {
		if c%t.inTable == 0 {
			code = append(code, asm.LoadMapValue(asm.R5, 0, 0).WithReference(tableSymbol(c/t.inTable)), asm.Add.Reg(asm.R5, asm.R8))
		}
		from := int16(8 * (c % t.inTable))
		if at == lengthColumn {
			code = append(code, asm.LoadMem(asm.R9, asm.R5, from, asm.DWord))
			continue
		}
		code = append(code,
			asm.LoadMem(asm.R0, asm.R5, from, asm.DWord),
			asm.StoreMem(asm.R2, int16(at), asm.R0, asm.DWord),
		)
	}
	return code
}

func tableSymbol(table int) string { return fmt.Sprint(traceMap, table) }

// stampPass notes the time at the first packet of a pass. The duration that
// BPF_PROG_RUN reports is in whole nanoseconds a packet, which is too coarse.
func stampPass() asm.Instructions {
	return asm.Instructions{
		asm.FnKtimeGetNs.Call().WithSymbol("pass"),
		asm.LoadMem(asm.R1, asm.R7, statePasses, asm.DWord),
		asm.JGT.Imm(asm.R1, maxStamps-1, "failed"),
		asm.Mov.Reg(asm.R2, asm.R1),
		asm.Add.Imm(asm.R2, 1),
		asm.StoreMem(asm.R7, statePasses, asm.R2, asm.DWord),
		asm.LSh.Imm(asm.R1, 3),
		asm.Mov.Reg(asm.R2, asm.R7),
		asm.Add.Reg(asm.R2, asm.R1),
		asm.StoreMem(asm.R2, stateStamps, asm.R0, asm.DWord),
		asm.Ja.Label("next"),
	}
}

// A driver is the program that runs one subject, with its state.
type driver struct {
	program *ebpf.Program
	state   *ebpf.Map
	target  *ebpf.Map
}

// newDriver makes the driver of a program. A program array takes only programs
// that are like the one that looks into it, in what cilium/ebpf does not tell
// of a program (kernel/bpf/core.c, bpf_prog_map_compatible): so each is tried.
func newDriver(code asm.Instructions, trace traceMaps, program *ebpf.Program) (*driver, error) {
	var refused error
	for _, attach := range []ebpf.AttachType{ebpf.AttachXDP, ebpf.AttachNone} {
		for _, flags := range []uint32{0, unix.BPF_F_XDP_HAS_FRAGS} {
			d, err := loadDriver(code, trace, attach, flags)
			if flags != 0 && errors.Is(err, unix.EINVAL) {
				continue // the kernel is older than frames in several buffers (before 5.18)
			}
			if err != nil {
				return nil, err
			}
			if err = d.target.Put(uint32(0), program); err == nil {
				return d, nil
			}
			d.Close()
			if !errors.Is(err, unix.EINVAL) {
				return nil, fmt.Errorf("put the program behind the driver: %w", err)
			}
			refused = err
		}
	}
	return nil, fmt.Errorf("the program cannot be tail-called (only an XDP program that is bound to no device and extends no other can): %w", refused)
}

func loadDriver(code asm.Instructions, trace traceMaps, attach ebpf.AttachType, flags uint32) (_ *driver, err error) {
	d := &driver{}
	defer func() {
		if err != nil {
			d.Close()
		}
	}()
	if d.state, err = ebpf.NewMap(&ebpf.MapSpec{Name: "bench_state", Type: ebpf.Array, KeySize: 4, ValueSize: stateSize, MaxEntries: 1}); err != nil {
		return nil, fmt.Errorf("create the driver's state: %w", err)
	}
	if d.target, err = ebpf.NewMap(&ebpf.MapSpec{Name: "bench_target", Type: ebpf.ProgramArray, KeySize: 4, ValueSize: 4, MaxEntries: 1}); err != nil {
		return nil, fmt.Errorf("create a program array: %w", err)
	}
	code = append(asm.Instructions(nil), code...)
	if err = trace.associate(code); err != nil {
		return nil, err
	}
	for symbol, m := range map[string]*ebpf.Map{stateMap: d.state, targetMap: d.target} {
		if err = code.AssociateMap(symbol, m); err != nil {
			return nil, err
		}
	}
	d.program, err = ebpf.NewProgram(&ebpf.ProgramSpec{
		Name: "bench_driver", Type: ebpf.XDP, AttachType: attach, Flags: flags, Instructions: code, License: "GPL",
	})
	if err != nil {
		return nil, fmt.Errorf("load the driver: %w", err)
	}
	return d, nil
}

// Close frees programs and maps.
func (d *driver) Close() {
	d.program.Close()
	d.state.Close()
	d.target.Close()
}

// run takes the trace through the program: passes to warm up, then passes that
// are timed, then the first packet once more, at which the last one is stamped. The result is the
// nanoseconds a packet of each, and how many packets the program got: more than
// that if a signal interrupted the run, which then began anew.
func (d *driver) run(t *Trace, warmUp, timed int) (ns []float64, packets uint64, err error) {
	if err := d.reset(); err != nil {
		return nil, 0, err
	}
	var interrupted error
	repeat := (warmUp+timed)*t.packets + 1
	_, err = d.program.Run(&ebpf.RunOptions{
		Data: t.template, Repeat: uint32(repeat),
		//lint:ignore SA1019 a run that is interrupted begins anew, and so must the trace
		Reset: func() {
			s, err := d.read()
			packets += s.packets(t)
			interrupted = errors.Join(interrupted, err, d.reset())
		},
	})
	if err = errors.Join(err, interrupted); err != nil {
		return nil, 0, err
	}
	s, err := d.read()
	if err != nil {
		return nil, 0, err
	}
	if s.Failed != 0 {
		return nil, 0, fmt.Errorf("%d of %d packets did not reach the program", s.Failed, repeat)
	}
	if s.packets(t) != uint64(repeat) {
		return nil, 0, fmt.Errorf("the driver began %d passes and stands at byte %d of the trace: that is not %d packets", s.Passes, s.Cursor, repeat)
	}
	for i := warmUp; i < warmUp+timed; i++ {
		ns = append(ns, float64(s.Stamps[i+1]-s.Stamps[i])/float64(t.packets))
	}
	return ns, packets + uint64(repeat), nil
}

// packets since the last reset.
func (s *driverState) packets(t *Trace) uint64 {
	all, inPass := uint64(t.packets), s.Cursor/uint64(t.stride())
	if inPass == 0 {
		return s.Passes * all
	}
	return (s.Passes-1)*all + inPass
}

func (d *driver) read() (*driverState, error) {
	s := &driverState{}
	if err := d.state.Lookup(uint32(0), s); err != nil {
		return s, fmt.Errorf("read the driver's state: %w", err)
	}
	return s, nil
}

// reset starts the trace anew.
func (d *driver) reset() error {
	if err := d.state.Put(uint32(0), make([]byte, stateSize)); err != nil {
		return fmt.Errorf("reset the driver's state: %w", err)
	}
	return nil
}
