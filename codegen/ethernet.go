package codegen

import (
	"math/bits"

	"github.com/cilium/ebpf/asm"

	"xdpfw/codegen/ir"
)

// Ethertypes.
const (
	etherIP4  = 0x0800
	etherARP  = 0x0806
	etherVLAN = 0x8100 // 802.1Q
	etherQinQ = 0x88a8 // 802.1ad
	etherOld  = 0x9100 // QinQ before 802.1ad
	etherIP6  = 0x86dd
)

// be16 is a 16-bit number as it reads in memory of the little-endian target
// when the packet holds it in network order.
func be16(v uint16) uint32 { return uint32(bits.ReverseBytes16(v)) }
func be32(v uint32) uint32 { return bits.ReverseBytes32(v) }

// ethernet emits the way from the frame's first byte to its kind: regNet and
// regEnd are set, tags are stepped over.
func (c *chain) ethernet(k kinds) {
	typed, tag1, tag2 := c.newLabel("type"), c.newLabel("tag"), c.newLabel("tag2")
	outer, inner := k.reads(tagValue), k.reads(tag2Value)
	c.emit("R6 = frame", asm.LoadMem(regNet, regCtx, ctxData, asm.Word))
	c.emit("R8 = end of the readable bytes", asm.LoadMem(regEnd, regCtx, ctxEnd, asm.Word))
	c.beyond("Ethernet header: 14 bytes", regNet, 14, asm.R0, k.short.entry)
	if alike(k.badTags, k.badHeader, k.none, k.arp, k.ip4, k.ip6) && !outer && !inner {
		c.goTo(k.none.entry)
		return
	}
	if outer {
		c.emit("no tag", slotTag.storeImm(noTag))
	}
	if inner {
		c.emit("no inner tag", slotTag2.storeImm(noTag))
	}
	c.ethertype(12, 14)
	c.ifTag(tag1)
	c.bind(typed)
	c.dispatch(k)

	c.bind(tag1)
	c.beyond("VLAN tag: 4 bytes", regNet, 18, asm.R0, k.badTags.entry)
	if outer {
		c.keepTag(14, slotTag)
	}
	c.ethertype(16, 18)
	c.ifTag(tag2)
	c.goTo(typed)
	c.bind(tag2)
	c.beyond("inner VLAN tag: 4 bytes", regNet, 22, asm.R0, k.badTags.entry)
	if inner {
		c.keepTag(18, slotTag2)
	}
	c.ethertype(20, 22)
	c.ifTag(k.badTags.entry)
	c.goTo(typed)

	c.checkOnly(k.ip4, k.badHeader, c.headerIP4)
	c.checkOnly(k.ip6, k.badHeader, c.headerIP6)
}

// dispatch emits the way from the type in R2 to the kind.
func (c *chain) dispatch(k kinds) {
	if k.reads(ir.EtherType) {
		c.emit("type", slotType.store(asm.R2))
	}
	c.netPointer()
	if !alike(k.none, k.badHeader, k.ip4) {
		c.jumpFor("IPv4", jeq(asm.R2, be16(etherIP4)), c.kindEntry(k.ip4, k.badHeader))
	}
	if !alike(k.none, k.badHeader, k.ip6) {
		c.jumpFor("IPv6", jeq(asm.R2, be16(etherIP6)), c.kindEntry(k.ip6, k.badHeader))
	}
	if !alike(k.none, k.arp) {
		c.jumpFor("not ARP", jne(asm.R2, be16(etherARP)), k.none.entry)
		c.arp(k.none, k.arp)
	} else {
		c.goTo(k.none.entry)
	}
}

// ethertype loads the type at an offset of the frame into R2, in network
// order, and notes where the network header is if it is no tag.
func (c *chain) ethertype(at int16, net int64) {
	c.emit("eth.type", asm.LoadMem(asm.R2, regNet, at, asm.Half))
	c.emit("network header", slotNet.storeImm(net))
}

// keepTag keeps the control information of the tag at an offset of the frame.
func (c *chain) keepTag(at int16, in slot) {
	c.emit("tag", asm.LoadMem(asm.R0, regNet, at, asm.Half), asm.HostTo(asm.BE, asm.R0, asm.Half), in.store(asm.R0))
}

func (c *chain) ifTag(to label) {
	c.jumpFor("802.1Q", jeq(asm.R2, be16(etherVLAN)), to)
	c.jumpFor("802.1ad", jeq(asm.R2, be16(etherQinQ)), to)
	c.jumpFor("0x9100", jeq(asm.R2, be16(etherOld)), to)
}

// netPointer moves regNet to the network header. The offset comes from the
// stack, where the verifier does not know it: three known offsets would make
// it walk all that follows three times.
func (c *chain) netPointer() {
	c.emit("R6 = network header", slotNet.load(asm.R0), asm.And.Imm(asm.R0, 31), asm.Add.Reg(regNet, asm.R0))
}

// kindEntry is where frames of an IP ethertype go: to the header's check,
// unless neither its outcome nor the header matters.
func (c *chain) kindEntry(k, malformed *kind) label {
	if k.ownHeader() || alike(k, malformed) {
		return k.entry
	}
	return c.checkLabel(k)
}

// checkLabel names the check of a header behind which there is no chain of the
// kind's own.
func (c *chain) checkLabel(k *kind) label {
	if l, ok := c.checks[k]; ok {
		return l
	}
	c.checks[k] = c.newLabel("%s", k.name)
	return c.checks[k]
}

// checkOnly emits the check of a header whose kind has no chain of its own.
func (c *chain) checkOnly(k, malformed *kind, header func(malformed label)) {
	l, ok := c.checks[k]
	if !ok {
		return
	}
	c.bind(l)
	header(malformed.entry)
	c.goTo(k.entry)
}

// arp tells Ethernet/IPv4 ARP (RFC 826: hardware type 1, protocol type
// 0x0800, address lengths 6 and 4, all 28 bytes there) from other ARP.
func (c *chain) arp(none, arp *kind) {
	c.beyond("ARP: 28 bytes", regNet, 28, asm.R0, none.entry)
	c.emit("arp.htype, arp.ptype", asm.LoadMem(asm.R0, regNet, 0, asm.Word))
	c.jump(jne(asm.R0, be32(0x0001_0800)), none.entry)
	c.emit("arp.hlen, arp.plen", asm.LoadMem(asm.R0, regNet, 4, asm.Half))
	c.jump(jne(asm.R0, be16(0x0604)), none.entry)
	c.goTo(arp.entry)
}
