package bench

import (
	"errors"
	"fmt"
	"slices"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"golang.org/x/sys/unix"

	"xdpfw/loader"
)

// A Sender sends the packets of a trace, one after the other, out of a device,
// as frames that the kernel goes on with (BPF_F_TEST_XDP_LIVE_FRAMES). If that
// is one end of a veth pair, they arrive at the other end before the next batch
// is sent, on the same CPU: so the time between two packets is that of the
// whole path.
type Sender struct {
	program *ebpf.Program
	state   *ebpf.Map
	trace   traceMaps
	frame   []byte
}

// batch is how many frames the kernel sends at once (NAPI_POLL_WEIGHT).
const batch = 64

// maxSegments is how many times of one run are taken.
const maxSegments = 16

// A senderState is the value of a sender's state map, in host byte order.
type senderState struct {
	Cursor  uint64 // where in the trace the next packet is
	Failed  uint64 // packets that were not sent
	Sent    uint64
	Next    uint64 // the packet at which the next stamp is taken
	Segment uint64 // packets from one stamp to the next
	Taken   uint64 // stamps
	Stamps  [maxSegments + 1]uint64
}

const (
	senderCursor = 8 * iota
	senderFailed
	senderSent
	senderNext
	senderSegment
	senderTaken
	senderStamps
	senderStateSize = senderStamps + 8*(maxSegments+1)
)

// NewSender for a device of the caller's network namespace, by its index. All
// packets must have the same length. Errors of the kernel are *loader.Error.
func NewSender(t *Trace, device int) (*Sender, error) {
	if t.varied() {
		return nil, errors.New("packets of a trace differ in length: only those of one length can be sent")
	}
	s := &Sender{frame: t.template}
	if err := s.load(t, device); err != nil {
		s.Close()
		return nil, loader.Refusal("load a program that sends packets", err)
	}
	return s, nil
}

func (s *Sender) load(t *Trace, device int) (err error) {
	if s.trace, err = t.load(); err != nil {
		return err
	}
	if s.state, err = ebpf.NewMap(&ebpf.MapSpec{Name: "bench_sender", Type: ebpf.Array, KeySize: 4, ValueSize: senderStateSize, MaxEntries: 1}); err != nil {
		return fmt.Errorf("create the sender's state: %w", err)
	}
	code := senderCode(t, device)
	if err := errors.Join(s.trace.associate(code), code.AssociateMap(stateMap, s.state)); err != nil {
		return err
	}
	s.program, err = ebpf.NewProgram(&ebpf.ProgramSpec{
		Name: "bench_sender", Type: ebpf.XDP, AttachType: ebpf.AttachXDP, Instructions: code, License: "GPL",
	})
	return err
}

// senderCode takes the next packet out of the trace, writes it over the frame
// that it got, and redirects that to the device.
//
//	R6 the context, R7 the state, R8 the place in the trace
func senderCode(t *Trace, device int) asm.Instructions {
	code := asm.Instructions{
		asm.Mov.Reg(asm.R6, asm.R1),
		asm.LoadMapValue(asm.R7, 0, 0).WithReference(stateMap),
		asm.LoadMem(asm.R1, asm.R7, senderSent, asm.DWord),
		asm.LoadMem(asm.R2, asm.R7, senderNext, asm.DWord),
		asm.JEq.Reg(asm.R1, asm.R2, "stamp"),
		asm.LoadMem(asm.R8, asm.R7, senderCursor, asm.DWord).WithSymbol("next"),
		// Never taken. It tells the verifier how far R8 goes.
		asm.JGT.Imm(asm.R8, int32((t.packets-1)*t.stride()), "failed"),
	}
	code = append(code, writeWords(t)...)
	return append(code,
		asm.Add.Imm(asm.R8, int32(t.stride())),
		asm.JLT.Imm(asm.R8, int32(t.packets*t.stride()), "keep"),
		asm.Mov.Imm(asm.R8, 0),
		asm.StoreMem(asm.R7, senderCursor, asm.R8, asm.DWord).WithSymbol("keep"),
		asm.LoadMem(asm.R1, asm.R7, senderSent, asm.DWord),
		asm.Add.Imm(asm.R1, 1),
		asm.StoreMem(asm.R7, senderSent, asm.R1, asm.DWord),
		asm.Mov.Imm(asm.R1, int32(device)),
		asm.Mov.Imm(asm.R2, 0),
		asm.FnRedirect.Call(),
		asm.Return(),

		asm.LoadMem(asm.R1, asm.R7, senderFailed, asm.DWord).WithSymbol("failed"),
		asm.Add.Imm(asm.R1, 1),
		asm.StoreMem(asm.R7, senderFailed, asm.R1, asm.DWord),
		asm.Mov.Imm(asm.R0, 0), // XDP_ABORTED
		asm.Return(),

		asm.FnKtimeGetNs.Call().WithSymbol("stamp"),
		asm.LoadMem(asm.R1, asm.R7, senderTaken, asm.DWord),
		asm.JGT.Imm(asm.R1, maxSegments, "failed"),
		asm.Mov.Reg(asm.R2, asm.R1),
		asm.Add.Imm(asm.R2, 1),
		asm.StoreMem(asm.R7, senderTaken, asm.R2, asm.DWord),
		asm.LSh.Imm(asm.R1, 3),
		asm.Add.Reg(asm.R1, asm.R7),
		asm.StoreMem(asm.R1, senderStamps, asm.R0, asm.DWord),
		asm.LoadMem(asm.R1, asm.R7, senderNext, asm.DWord),
		asm.LoadMem(asm.R2, asm.R7, senderSegment, asm.DWord),
		asm.Add.Reg(asm.R1, asm.R2),
		asm.StoreMem(asm.R7, senderNext, asm.R1, asm.DWord),
		asm.Ja.Label("next"),
	)
}

// Send segments, up to 16, of at least so many packets each, from where the
// trace stood, behind a batch that warms up. The results are how many packets
// were sent in all, and the nanoseconds a packet of each segment. Errors of the
// kernel are *loader.Error.
func (s *Sender) Send(segments, packets int) (ns []float64, sent uint64, err error) {
	if segments < 1 || segments > maxSegments || packets < 1 {
		return nil, 0, fmt.Errorf("%d segments of %d packets: there are 1 to %d, of at least one", segments, packets, maxSegments)
	}
	segment := uint64((packets + batch - 1) / batch * batch)
	if ns, sent, err = s.send(segments, segment); err != nil {
		err = loader.Refusal("send packets", err)
	}
	return ns, sent, err
}

func (s *Sender) send(segments int, segment uint64) (ns []float64, sent uint64, err error) {
	var state senderState
	if err := s.state.Lookup(uint32(0), &state); err != nil {
		return nil, 0, fmt.Errorf("read the sender's state: %w", err)
	}
	// Stamps are taken at the first packet of a batch, when all before it have
	// arrived; so one batch more is sent.
	begin := senderState{Cursor: state.Cursor, Next: batch, Segment: segment}
	if err := s.state.Put(uint32(0), begin); err != nil {
		return nil, 0, fmt.Errorf("set the sender's state: %w", err)
	}
	total := batch + uint64(segments)*segment + batch
	interrupted := false
	err = onOneCPU(func() error {
		_, err := s.program.Run(&ebpf.RunOptions{
			Data: slices.Clone(s.frame), Repeat: uint32(total), BatchSize: batch, Flags: unix.BPF_F_TEST_XDP_LIVE_FRAMES,
			//lint:ignore SA1019 a run that is interrupted begins anew, and takes longer
			Reset: func() { interrupted = true },
		})
		return err
	})
	if err != nil {
		return nil, 0, err
	}
	if err := s.state.Lookup(uint32(0), &state); err != nil {
		return nil, 0, fmt.Errorf("read the sender's state: %w", err)
	}
	if !interrupted && (state.Failed > 0 || state.Sent != total || state.Taken != uint64(segments)+1) {
		return nil, 0, fmt.Errorf("%d packets were sent and %d were not, in %d segments, instead of %d in %d", state.Sent, state.Failed, state.Taken-1, total, segments)
	}
	for i := range segments { // if it was interrupted, one of them is long
		ns = append(ns, float64(state.Stamps[i+1]-state.Stamps[i])/float64(segment))
	}
	return ns, state.Sent, nil
}

// Close frees the program and its maps.
func (s *Sender) Close() {
	s.trace.Close()
	s.state.Close()
	s.program.Close()
}
