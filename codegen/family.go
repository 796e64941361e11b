package codegen

import (
	"encoding/binary"
	"fmt"
	"slices"

	"github.com/cilium/ebpf/asm"

	"xdpfw/codegen/classify"
	"xdpfw/codegen/ir"
	"xdpfw/rules"
)

// A family is the state of one IP family's chain while it is emitted: which
// values have been computed on every way to the next rule.
//
// A value is computed in front of the first rule that reads it: behind that,
// all later rules find it in its slot, and frames that an earlier rule decides
// never pay for it.
type family struct {
	*chain
	strategy string     // how its rules become instructions
	plan     *tablePlan // of strategy table
	noTables error      // why there is no plan, where one was wanted
	kind     *kind
	plain    *plainKind // not nil: of plain packets of these protocols
	tree     *tree      // of strategy tree
	plains   []*plainKind
	codeTime float64 // what the rules take as a chain or a tree, in nanoseconds
	ip6      bool
	icmp     uint32 // protocol number of the family's ICMP
	values   values
	ah       bool // some rule asks for an AH
	header   bool // some rule reads what only a chain for one network protocol knows
	done     map[value]bool
	walk     bool    // IPv6: the extension headers have been walked
	payload  bool    // slotPayload has been filled
	skipped  int     // no step in front of this one skips others that are not prepared for
	join     bool    // make the tests of a rule one branch
	term     ir.Term // whose tests are being emitted
}

// newFamily is that of a kind; it is one of those of the program.
func newFamily(c *chain, k *kind) *family {
	f := makeFamily(c, k, k.name == "ip6")
	f.findValues()
	f.strategy = f.choose()
	c.families = append(c.families, f)
	return f
}

// newPlainFamily is that of a plain kind, and no part of the program yet.
func newPlainFamily(c *chain, p *plainKind, ip6 bool) *family {
	f := makeFamily(c, p.kind, ip6)
	f.plain, f.strategy = p, Tree
	f.findValues()
	f.growTree()
	return f
}

func makeFamily(c *chain, k *kind, ip6 bool) *family {
	f := &family{chain: c, kind: k, ip6: ip6, icmp: 1, done: map[value]bool{}, join: tooManyBranches(k.left)}
	if f.ip6 {
		f.icmp = 58
	}
	return f
}

// prepareStep emits the parsing that a step needs and that no earlier one has
// done, and if it may skip others, what those need: on the way over them it
// would not be done.
func (f *family) prepareStep(i int) {
	s := &f.kind.left.Steps[i]
	for _, term := range s.Terms {
		for _, test := range term {
			if f.implied(test, term) {
				continue
			}
			f.prepare(test.Atom, term)
			for _, other := range test.Or {
				f.prepare(other.Atom, term)
			}
		}
	}
	if s.Next > i+1 && i >= f.skipped {
		f.prepareSkipped(i + 1)
	}
}

// prepareSkipped prepares for the steps from one on that may be skipped,
// whether by the step in front of them or by one another.
func (f *family) prepareSkipped(from int) {
	end := f.kind.left.Steps[from-1].Next
	for i := from; i < end; i++ {
		end = max(end, f.kind.left.Steps[i].Next)
	}
	f.skipped = end
	for _, v := range f.values.order {
		uses := f.values.uses[v]
		if n, _ := slices.BinarySearch(uses, from); n < len(uses) && uses[n] < end {
			f.find(v)
		}
	}
}

func (f *family) prepare(a ir.Atom, t ir.Term) {
	if v, ok := f.valueOf(a, t); ok {
		f.find(v)
	}
}

// find emits what finds a value out, unless that has been done.
func (f *family) find(v value) {
	if f.done[v] {
		return
	}
	f.done[v] = true
	switch v {
	case ir.ProtocolAH:
		f.needWalk()
		f.seeProtocol()
	case ir.Extensions:
		f.needWalk()
		f.see(v, slotExtensions)
	case ir.Fragment:
		f.needWalk()
		if !f.ip6 {
			f.fragmentIP4()
		}
		f.see(v, slotFragment)
	case ir.Invalid:
		f.needWalk()
		f.transportValidity()
		f.see(v, slotInvalid)
	case ir.SourcePort, ir.DestinationPort:
		f.needWalk()
		f.ports()
	case ir.Interface:
		f.findInterface()
	case ir.FrameLength:
		f.frameLength(asm.R0, asm.R1)
		f.seeR0(v)
	case tagValue:
		f.see(v, slotTag)
	case tag2Value:
		f.see(v, slotTag2)
	case ir.EtherType:
		f.emit("R7: eth.type", slotType.load(asm.R0), asm.HostTo(asm.BE, asm.R0, asm.Half))
		f.seeR0(v)
	default:
		f.findBytes(v)
	}
}

func (f *family) needWalk() {
	if f.ip6 && !f.walk {
		f.walkIP6()
		f.walk = true
	}
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
// Which protocol it is, is no branch: nobody foresees that.
func (f *family) ports() {
	slots := []struct {
		atom ir.Atom
		slot slot
		pick asm.Instruction // out of the word of both
		name string
	}{
		{ir.SourcePort, slotSport, asm.RSh.Imm(asm.R2, 16), "source port"},
		{ir.DestinationPort, slotDport, asm.And.Imm(asm.R2, 0xffff), "destination port"},
	}
	done := f.newLabel("%s.ports.done", f.kind.name)
	for _, s := range slots {
		if f.keeps(s.atom) {
			f.emit("no "+s.name, s.slot.storeImm(noPort))
		}
	}
	f.skipLater(done)
	l4 := f.transportPointer()
	f.transportBytes("ports: 4 bytes", l4, 4, done)
	f.emit("both ports", asm.LoadMem(asm.R1, l4, 0, asm.Word), asm.HostTo(asm.BE, asm.R1, asm.Word))
	f.emit("protocol", f.loadProtocol())
	if f.plan != nil {
		f.emit("", asm.And.Imm(asm.R0, 0xff))
		f.emitEntry(f.tables, "noPort if it has none", asm.R3, portless, 0xff)
	} else { // a map is not worth it
		f.isOneOf(asm.R0, asm.R3, 6, 17, 132)
		f.emit("noPort if it has none", asm.Xor.Imm(asm.R3, 1), asm.LSh.Imm(asm.R3, 16))
	}
	for _, s := range slots {
		if f.keeps(s.atom) {
			f.emit(s.name, asm.Mov.Reg(asm.R2, asm.R1), s.pick, asm.Or.Reg(asm.R2, asm.R3), s.slot.store(asm.R2))
		}
	}
	f.bind(done)
	for _, s := range slots {
		if f.keeps(s.atom) {
			f.see(s.atom, s.slot)
			f.done[s.atom] = true
		}
	}
}

// portless is noPort for each protocol but those with ports: added to a port it
// makes a number that no rule asks for.
var portless = func() classify.Numbers {
	table := make([]byte, 0, 4*256)
	for protocol := range uint64(256) {
		missing := uint32(noPort)
		if rules.Contains(ir.PortProtocols, rules.Value{Lo: protocol}) {
			missing = 0
		}
		table = binary.LittleEndian.AppendUint32(table, missing)
	}
	return classify.Numbers{Width: 4, Bytes: table}
}()

// isOneOf makes dst 1 if a register holds one of some numbers, else 0; it
// clobbers R2, and knows no branch.
func (f *family) isOneOf(r, dst asm.Register, numbers ...int32) {
	for i, n := range numbers {
		to := dst
		if i > 0 {
			to = asm.R2
		}
		f.emit(fmt.Sprintf("1 if %d", n), asm.Mov.Reg(to, r), asm.Xor.Imm(to, n), asm.Sub.Imm(to, 1), asm.RSh.Imm(to, 63))
		if i > 0 {
			f.emit("", asm.Or.Reg(dst, to))
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
	f.longValidity(l4, done)
	f.emit("protocol", f.loadProtocol())
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

// longValidity fills slotInvalid for packets of protocol R0 in which there are
// more bytes than any transport header has, as in most, and then goes to done.
// Which protocol it is, is no branch: nobody foresees that.
func (f *family) longValidity(l4 asm.Register, done label) {
	short := f.newLabel("%s.short", f.kind.name)
	f.emit("", asm.Mov.Reg(asm.R3, asm.R0))
	f.transportBytes("any header: 20 bytes", l4, 20, short)
	f.emit("1 if tcp.off < 5", asm.LoadMem(asm.R1, l4, 12, asm.Byte), asm.Sub.Imm(asm.R1, 5<<4), asm.RSh.Imm(asm.R1, 63))
	f.isOneOf(asm.R3, asm.R4, 6)
	f.emit("invalid TCP", asm.And.Reg(asm.R1, asm.R4))
	f.emit("1 if udp.len < 8", asm.LoadMem(asm.R0, l4, 4, asm.Half), asm.HostTo(asm.BE, asm.R0, asm.Half),
		asm.Sub.Imm(asm.R0, 8), asm.RSh.Imm(asm.R0, 63))
	f.isOneOf(asm.R3, asm.R4, 17)
	f.emit("invalid UDP", asm.And.Reg(asm.R0, asm.R4), asm.Or.Reg(asm.R1, asm.R0))
	f.emit("", asm.Add.Imm(asm.R1, invalidBias), slotInvalid.store(asm.R1))
	f.goTo(done)
	f.bind(short)
}
