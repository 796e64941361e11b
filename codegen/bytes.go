package codegen

import (
	"github.com/cilium/ebpf/asm"

	"xdpfw/codegen/ir"
)

// findBytes emits what finds out a value that is bytes of the packet, of which
// the parser does not know yet that they are there.
func (f *family) findBytes(v value) {
	done := f.newLabel("%s.bytes.done", f.kind.name)
	f.setMissing(v)
	switch v.Layer {
	case ir.Transport:
		f.needWalk()
		f.skipLater(done)
		f.transportBytes(v.String(), f.transportPointer(), readable(v), done)
	case ir.Payload:
		f.needWalk()
		f.payloadBytes(v, done)
	default:
		f.emit("R5 = frame", asm.LoadMem(asm.R5, regCtx, ctxData, asm.Word))
		if v.Layer != ir.Frame {
			// Not regNet: on the way on which the bytes are there, the verifier
			// would know more of it than on the other.
			f.emit("R5 = network header", slotNet.load(asm.R0), asm.And.Imm(asm.R0, 31), asm.Add.Reg(asm.R5, asm.R0))
		}
		f.beyond(v.String(), asm.R5, readable(v), asm.R0, done)
	}
	f.emit(v.String(), loadNumber(asm.R5, v)...)
	f.setFound(v)
	f.bind(done)
	if !f.values.scratch {
		f.see(v, slotValue)
	}
}

// setMissing notes that the packet has no such value.
func (f *family) setMissing(v value) {
	at := int16(f.values.at[v])
	switch {
	case !f.values.scratch:
		f.emit("no "+v.String(), slotValue.storeImm(int64(missing(v))))
	case v.Size == 8:
		f.emit("no "+v.String(), asm.StoreImm(regSeen, at+8, 1, asm.Word))
	case isWide(v):
		f.emit("no "+v.String(), asm.LoadImm(asm.R0, int64(missing(v)), asm.DWord), f.scratchStore(v, asm.R0))
	default:
		f.emit("no "+v.String(), asm.StoreImm(regSeen, at, int64(missing(v)), asm.Word))
	}
}

// setFound notes the value in R0.
func (f *family) setFound(v value) {
	if !f.values.scratch {
		f.emit("", slotValue.store(asm.R0))
		return
	}
	f.emit("", f.scratchStore(v, asm.R0))
	if v.Size == 8 {
		f.emit("it is there", asm.StoreImm(regSeen, int16(f.values.at[v])+8, 0, asm.Word))
	}
}

// payloadBytes makes R5 a packet pointer to the payload, and jumps unless the
// bytes of the value are there, both within the IP packet and readable.
func (f *family) payloadBytes(v value, to label) {
	f.needPayload()
	n := readable(v)
	f.emit("payload", slotPayload.load(asm.R1))
	f.emit("end of the bytes", asm.Mov.Reg(asm.R0, asm.R1), asm.Add.Imm(asm.R0, n+l4LenBias), slotL4Len.load(asm.R2))
	f.jump(asm.JLT.Reg(asm.R2, asm.R0, ""), to)
	r5 := f.transportPointer()
	f.emit("R5 = payload", asm.And.Imm(asm.R1, 63), asm.Add.Reg(r5, asm.R1))
	f.beyond(v.String(), r5, n, asm.R0, to)
}

// needPayload emits what fills slotPayload: the payload is behind the header
// of TCP, UDP, SCTP or ICMP, and in no other packet.
func (f *family) needPayload() {
	if f.payload {
		return
	}
	f.payload = true
	name := f.kind.name
	tcp, sctp, eight := f.newLabel("%s.tcp", name), f.newLabel("%s.sctp", name), f.newLabel("%s.eight", name)
	at, done := f.newLabel("%s.payload", name), f.newLabel("%s.payload.done", name)
	f.emit("no payload", slotPayload.storeImm(noPayload))
	f.skipLater(done)
	f.emit("protocol", f.loadProtocol())
	f.jumpFor("TCP", jeq(asm.R0, 6), tcp)
	f.jumpFor("UDP", jeq(asm.R0, 17), eight)
	f.jumpFor("SCTP", jeq(asm.R0, 132), sctp)
	f.jumpFor("not ICMP", jne(asm.R0, f.icmp), done)
	f.bind(eight)
	f.emit("", movImm(asm.R1, 8))
	f.goTo(at)
	f.bind(sctp)
	f.emit("", movImm(asm.R1, 12))
	f.goTo(at)
	f.bind(tcp)
	l4 := f.transportPointer()
	f.transportBytes("tcp.off", l4, 13, done)
	f.emit("", asm.LoadMem(asm.R1, l4, 12, asm.Byte), asm.RSh.Imm(asm.R1, 4))
	f.jump(jlt(asm.R1, 5), done)
	f.emit("", asm.LSh.Imm(asm.R1, 2))
	f.bind(at)
	f.emit("payload", slotPayload.store(asm.R1))
	f.bind(done)
}
