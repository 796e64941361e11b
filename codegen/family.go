package codegen

import (
	"slices"

	"github.com/cilium/ebpf/asm"

	"xdpfw/codegen/ir"
)

// A family is the state of one IP family's chain while it is emitted: which
// values have been computed on every way to the next rule.
//
// A value is computed in front of the first rule that reads it: behind that,
// all later rules find it in its slot, and frames that an earlier rule decides
// never pay for it.
type family struct {
	*chain
	kind *kind
	ip6  bool
	icmp uint32 // protocol number of the family's ICMP
	done map[ir.Atom]bool
	walk bool // IPv6: the extension headers have been walked
	join bool // make the tests of a rule one branch
}

func newFamily(c *chain, k *kind, ip6 bool) *family {
	f := &family{chain: c, kind: k, ip6: ip6, icmp: 1, done: map[ir.Atom]bool{}, join: tooManyBranches(k.left)}
	if ip6 {
		f.icmp = 58
	}
	return f
}

// prepare emits the parsing that a term's tests need and that no earlier rule
// has done.
func (f *family) prepare(t ir.Term) {
	for _, test := range t {
		a := test.Atom
		if f.done[a] {
			continue
		}
		switch {
		case a == ir.Protocol && f.ip6:
			f.needWalk()
			f.see(a, slotProtocol)
		case a == ir.Fragment:
			f.needWalk()
			if !f.ip6 {
				f.fragmentIP4()
			}
			f.see(a, slotFragment)
		case a == ir.Invalid:
			f.needWalk()
			f.transportValidity()
			f.see(a, slotInvalid)
		case a.Layer == ir.Transport:
			f.needWalk()
			f.ports()
		}
		f.done[a] = true
	}
}

func (f *family) needWalk() {
	if f.ip6 && !f.walk {
		f.walkIP6()
		f.walk = true
	}
}

// reads says whether some rule of the chain reads an atom that ok accepts.
func (f *family) reads(ok func(ir.Atom) bool) bool {
	for _, a := range f.kind.left.Atoms() {
		if ok(a) {
			return true
		}
	}
	return false
}

// loadProtocol loads the protocol number into R0, for the parser.
func (f *family) loadProtocol() asm.Instruction {
	if f.ip6 {
		return slotProtocol.load(asm.R0)
	}
	return asm.LoadMem(asm.R0, regNet, 9, asm.Byte)
}

// skipLater jumps if the packet is a later fragment: what follows its IP
// headers is no transport header.
func (f *family) skipLater(to label) {
	if f.ip6 {
		f.emit("fragment", slotFragment.load(asm.R0))
		f.jump(jeq(asm.R0, ir.LaterFragment+fragmentBias), to)
		return
	}
	f.emit("ip.offset", asm.LoadMem(asm.R0, regNet, 6, asm.Half), asm.And.Imm32(asm.R0, int32(be16(0x1fff))))
	f.jump(jne(asm.R0, 0), to)
}

// transportPointer makes R5 a packet pointer to the transport header.
func (f *family) transportPointer() asm.Register {
	// 0x7fff holds the greatest offset, 40 + 8 × 2048, and keeps the sum
	// below the verifier's MAX_PACKET_OFF.
	f.emit("R5 = transport header", slotL4.load(asm.R5), asm.And.Imm(asm.R5, 0x7fff), asm.Add.Reg(asm.R5, regNet))
	return asm.R5
}

// transportBytes jumps unless n bytes of the transport header lie both within
// the IP packet (behind it comes padding) and in the readable bytes.
func (f *family) transportBytes(what string, l4 asm.Register, n int32, to label) {
	f.emit(what, slotL4Len.load(asm.R0))
	f.jump(jlt(asm.R0, uint32(n+l4LenBias)), to)
	f.beyond("", l4, n, asm.R0, to)
}

// ports emits what fills the slots of the ports that the chain reads. They
// hold noPort unless the packet is TCP, UDP or SCTP and has all four bytes.
func (f *family) ports() {
	slots := []struct {
		atom ir.Atom
		slot slot
		at   int16
		name string
	}{{ir.SourcePort, slotSport, 0, "source port"}, {ir.DestinationPort, slotDport, 2, "destination port"}}

	read, done := f.newLabel("%s.ports", f.kind.name), f.newLabel("%s.ports.done", f.kind.name)
	for _, s := range slots {
		if f.reads(func(a ir.Atom) bool { return a == s.atom }) {
			f.emit("no "+s.name, s.slot.storeImm(noPort))
		}
	}
	f.skipLater(done)
	f.emit("protocol", f.loadProtocol())
	f.jumpFor("TCP", jeq(asm.R0, 6), read)
	f.jumpFor("UDP", jeq(asm.R0, 17), read)
	f.jumpFor("not SCTP", jne(asm.R0, 132), done)
	f.bind(read)
	l4 := f.transportPointer()
	f.transportBytes("ports: 4 bytes", l4, 4, done)
	for _, s := range slots {
		if f.reads(func(a ir.Atom) bool { return a == s.atom }) {
			f.emit(s.name, asm.LoadMem(asm.R0, l4, s.at, asm.Half), asm.HostTo(asm.BE, asm.R0, asm.Half), s.slot.store(asm.R0))
		}
	}
	f.bind(done)
	for _, s := range slots {
		if f.reads(func(a ir.Atom) bool { return a == s.atom }) {
			f.see(s.atom, s.slot)
			f.done[s.atom] = true
		}
	}
}

// transportValidity emits what fills slotInvalid. The IP headers are
// well-formed in IPv4; in IPv6 a packet whose extension headers cannot be
// walked has no protocol.
func (f *family) transportValidity() {
	name := f.kind.name
	bad, done := f.newLabel("%s.invalid", name), f.newLabel("%s.validity.done", name)
	tcp, udp, sctp := f.newLabel("%s.tcp", name), f.newLabel("%s.udp", name), f.newLabel("%s.sctp", name)
	f.emit("valid", slotInvalid.storeImm(0+invalidBias))
	f.skipLater(done)
	l4 := f.transportPointer()
	f.emit("protocol", f.loadProtocol())
	if f.ip6 {
		f.jumpFor("no protocol", jeq(asm.R0, noProtocol), bad)
	}
	f.jumpFor("TCP", jeq(asm.R0, 6), tcp)
	f.jumpFor("UDP", jeq(asm.R0, 17), udp)
	f.jumpFor("SCTP", jeq(asm.R0, 132), sctp)
	f.jumpFor("not ICMP", jne(asm.R0, f.icmp), done)
	f.transportBytes("ICMP: 8 bytes", l4, 8, bad)
	f.goTo(done)

	f.bind(sctp)
	f.transportBytes("SCTP: 12 bytes", l4, 12, bad)
	f.goTo(done)

	f.bind(udp)
	f.transportBytes("UDP: 8 bytes", l4, 8, bad)
	f.emit("udp.len", asm.LoadMem(asm.R0, l4, 4, asm.Half), asm.HostTo(asm.BE, asm.R0, asm.Half))
	f.jump(jlt(asm.R0, 8), bad)
	f.goTo(done)

	f.bind(tcp)
	f.transportBytes("TCP: 20 bytes", l4, 20, bad)
	f.emit("tcp.off", asm.LoadMem(asm.R0, l4, 12, asm.Byte))
	f.jump(asm.JGE.Imm32(asm.R0, 5<<4, ""), done)

	f.bind(bad)
	f.emit("invalid", slotInvalid.storeImm(1+invalidBias))
	f.bind(done)
}

// tests emits the tests of a term; a packet that fails one goes to fail. Those
// of one compare stand first, since they are cheap.
func (f *family) tests(t ir.Term, fail label) {
	var simple, lists []ir.Test
	for _, test := range t {
		switch {
		case implied(test, t):
		case joinable(test):
			simple = append(simple, test)
		default:
			lists = append(lists, test)
		}
	}
	all := append(simple, lists...)
	if f.join && (len(all) > 1 || len(all) == 1 && branches(all[0]) > 1) {
		f.joined(all, fail)
		return
	}
	for _, test := range all {
		f.test(test, fail)
	}
}

// implied says that a test needs no code, because another of the term asks for
// as much: the port slots are empty for protocols without ports.
func implied(test ir.Test, t ir.Term) bool {
	readsPort := t.Find(ir.SourcePort) != nil || t.Find(ir.DestinationPort) != nil
	return test.Atom == ir.Protocol && readsPort && slices.Equal(test.Ranges, ir.PortProtocols)
}
