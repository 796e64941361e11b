package codegen

import (
	"slices"

	"github.com/cilium/ebpf/asm"

	"xdpfw/codegen/ir"
	"xdpfw/rules"
)

// Plain packets are almost all there are: no options or extension headers, no
// fragment, the transport header whole and well-formed. Where they are told
// apart first, by protocol, most of what rules ask is known (the protocol, that
// the packet is no fragment and not invalid) and folded away, and the transport
// header is at a fixed place, so that rules read it without any check. All
// other packets take the general way, which does not rely on any of this.
//
//	entry ─┬ TCP ───┬→ rules for plain TCP
//	       ├ UDP ───┼→ rules for plain UDP
//	       ├ … ─────┼→ …
//	       └ others ┴→ rules for other protocols
//	                └→ not plain: the general way, with all rules
type plainKind struct {
	*kind
	protocol transport

	// What the rules ask that must be checked for the packet to be plain.
	asks     bool // anything
	header   bool // of the transport header
	validity bool // whether it is well-formed
}

// A transport is a protocol with a fixed header of so many bytes.
type transport struct {
	name   string
	number uint32
	size   int32
}

// otherTransport is all protocols that are not looked into.
const otherTransport = ^uint32(0)

// transports that the rules know the headers of.
func transports(ip6 bool) []transport {
	icmp := transport{"icmp", 1, 8}
	if ip6 {
		icmp.number = 58
	}
	return []transport{{"tcp", 6, 20}, {"udp", 17, 8}, icmp, {"sctp", 132, 12}}
}

// plainKinds are those of an IP kind, of which the last is all others; none if
// they would not be simpler than the kind itself.
func (f *family) plainKinds() []*plainKind {
	if f.keeps(ir.Extensions) {
		return nil
	}
	others := []rules.Range{{Hi: rules.Value{Lo: 0xff}}}
	for _, t := range transports(f.ip6) {
		others = ir.Without(others, uint64(t.number))
	}
	other := f.plainKind(transport{name: "other", number: otherTransport}, others)
	var out []*plainKind
	for _, t := range transports(f.ip6) {
		one := []rules.Range{{Lo: rules.Value{Lo: uint64(t.number)}, Hi: rules.Value{Lo: uint64(t.number)}}}
		if p := f.plainKind(t, one); p.header || p.asks != other.asks || !p.left.Equal(other.left) {
			out = append(out, p)
		}
	}
	return append(out, other)
}

// plainKind is the packets of some protocols.
func (f *family) plainKind(t transport, protocols []rules.Range) *plainKind {
	k := f.kind
	p := &plainKind{kind: &kind{name: k.name + "." + t.name}, protocol: t}
	known := map[ir.Atom][]rules.Range{ir.Protocol: protocols, ir.ProtocolAH: protocols}
	p.left = k.left.Within(known)
	if _, sure := p.verdict(); sure {
		return p
	}
	for _, a := range p.left.Atoms() {
		p.validity = p.validity || a == ir.Invalid
		p.header = p.header || a == ir.Invalid || a.Layer == ir.Transport || a.Layer == ir.Payload
		p.asks = p.asks || p.header || a == ir.Fragment
	}
	zero := []rules.Range{{}}
	known[ir.Fragment], known[ir.Invalid] = zero, zero
	p.left = k.left.Within(known)
	if _, sure := p.verdict(); !sure && !slices.ContainsFunc(p.left.Atoms(), p.outOfReach) {
		p.chain = newPlainFamily(f.chain, p, f.ip6)
	}
	return p
}

// enterPlain finds out where the packets of each plain kind go.
func (c *chain) enterPlain(k *kind) {
	if k.chain.strategy != Tree {
		return
	}
	for _, p := range k.chain.plains {
		rule, sure := p.verdict()
		switch {
		case sure && !p.asks:
			p.entry = c.verdictLabel(rule)
		case sure:
			p.entry = c.newLabel("%s", p.name)
		case p.chain == nil:
			p.entry = c.generalLabel(k)
		default:
			p.entry = c.newLabel("%s", p.name)
		}
	}
	k.plain = k.chain.plains
}

// outOfReach says that an atom may lie behind what is known to be there.
func (p *plainKind) outOfReach(a ir.Atom) bool {
	return a.Layer == ir.Payload || a.Layer == ir.Transport && readable(a) > p.protocol.size
}

// generalLabel is where the packets of a kind go that are not plain.
func (c *chain) generalLabel(k *kind) label {
	if k.general == noLabel {
		k.general = c.newLabel("%s.general", k.name)
	}
	return k.general
}

// emitPlain emits the way of the plain packets of a kind, and binds the
// general one behind it. The header is known to be readable.
func (c *chain) emitPlain(k, malformed *kind) {
	if len(k.plain) == 0 {
		return
	}
	general := c.generalLabel(k)
	if k.chain.ip6 {
		c.beginPlainIP6(general, malformed.entry)
	} else {
		c.beginPlainIP4(general, malformed.entry)
	}
	other := k.plain[len(k.plain)-1]
	for _, p := range k.plain {
		if p != other && p.entry != other.entry {
			c.jumpFor(p.protocol.name, jeq(asm.R0, p.protocol.number), p.entry)
		}
	}
	if k.chain.ip6 && other.entry != general {
		for _, number := range []uint32{extHopByHop, extRouting, extFragment, extAH, extDestination} {
			c.jumpFor("extension header", jeq(asm.R0, number), general)
		}
	}
	c.goTo(other.entry)
	for _, p := range k.plain {
		if p.entry != general && c.labels[p.entry].at < 0 && (p.asks || p.chain != nil) {
			c.emitPlainKind(p, k.chain.ip6, general)
		}
	}
	c.origin = 0
	c.bind(general)
	// Anew, so that the verifier forgets what it knows to be readable behind
	// it: that is another number of bytes on each way that leads here.
	c.emit("R6 = frame", asm.LoadMem(regNet, regCtx, ctxData, asm.Word))
	c.netPointer()
}

// beginPlainIP4 makes R0 the protocol and R1 the bytes of the packet behind
// the header. Packets with options take the general way.
func (c *chain) beginPlainIP4(general, malformed label) {
	c.beyond("IPv4 header: 20 bytes", regNet, 20, asm.R0, malformed)
	c.emit("ip.version, ip.hdrlen", asm.LoadMem(asm.R0, regNet, 0, asm.Byte))
	c.jumpFor("options", jne(asm.R0, 0x45), general)
	c.emit("ip.len", asm.LoadMem(asm.R1, regNet, 2, asm.Half), asm.HostTo(asm.BE, asm.R1, asm.Half))
	c.emitPresent(asm.R2)
	c.jump(asm.JGT.Reg(asm.R1, asm.R2, ""), malformed)
	c.jump(jlt(asm.R1, 20), malformed)
	c.emit("protocol", asm.LoadMem(asm.R0, regNet, 9, asm.Byte))
}

// beginPlainIP6 makes R0 the protocol and R1 the bytes of the packet behind
// the header. One that is longer than its frame has no protocol. A jumbogram
// begins with an extension header.
func (c *chain) beginPlainIP6(general, malformed label) {
	c.headerIP6(malformed)
	c.emit("ip6.next", asm.LoadMem(asm.R0, regNet, 6, asm.Byte))
	c.emit("ip6.len", asm.LoadMem(asm.R1, regNet, 4, asm.Half), asm.HostTo(asm.BE, asm.R1, asm.Half))
	c.emitPresent(asm.R2)
	c.emit("", asm.Sub.Imm(asm.R2, 40))
	c.jumpFor("longer than the frame", asm.JGT.Reg(asm.R1, asm.R2, ""), general)
}

// emitPlainKind emits the checks of a plain kind, and its rules.
func (c *chain) emitPlainKind(p *plainKind, ip6 bool, general label) {
	c.origin = 0
	c.bind(p.entry)
	if p.asks {
		c.checkPlain(p, ip6, general)
	}
	if p.chain == nil {
		rule, _ := p.verdict()
		c.end(rule)
		return
	}
	p.chain.begin()
	p.chain.emitRules()
}

// checkPlain leads packets the general way that are fragments, or have no
// whole and well-formed header of their protocol.
func (c *chain) checkPlain(p *plainKind, ip6 bool, general label) {
	t := p.protocol
	header := headerSize(ip6)
	if !ip6 {
		c.emit("ip.offset, ip.mf", asm.LoadMem(asm.R0, regNet, 6, asm.Half), asm.And.Imm32(asm.R0, int32(be16(0x3fff))))
		c.jumpFor("fragment", jne(asm.R0, 0), general)
	}
	if t.size == 0 || !p.header {
		return
	}
	need := t.size
	if !ip6 {
		need += header
	}
	c.jumpFor("header cut short", jlt(asm.R1, uint32(need)), general)
	c.beyond("", regNet, header+t.size, asm.R0, general)
	switch {
	case !p.validity:
	case t.name == "tcp":
		c.emit("tcp.off", asm.LoadMem(asm.R0, regNet, int16(header)+12, asm.Byte))
		c.jump(jlt(asm.R0, 5<<4), general)
	case t.name == "udp":
		c.emit("udp.len", asm.LoadMem(asm.R0, regNet, int16(header)+4, asm.Half), asm.HostTo(asm.BE, asm.R0, asm.Half))
		c.jump(jlt(asm.R0, 8), general)
	}
}

// headerSize is the bytes of a plain IP header.
func headerSize(ip6 bool) int32 {
	if ip6 {
		return 40
	}
	return 20
}
