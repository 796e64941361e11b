package codegen

import (
	"math/bits"
	"slices"

	"github.com/cilium/ebpf/asm"

	"xdpfw/codegen/ir"
	"xdpfw/rules"
)

// A value is what the parser finds out once for a packet, in front of the
// first rule that reads it; rules read all of its bits or some. It is named by
// the atom of all of them, and where the packet has none it is the number
// above the greatest: see missing.
type value = ir.Atom

// The tags that VLAN atoms are bits of.
var (
	tagValue  = value{Layer: ir.Meta, Offset: ir.VLANID.Offset, Size: 2, Mask: ir.EtherType.Mask}
	tag2Value = value{Layer: ir.Meta, Offset: ir.VLAN2ID.Offset, Size: 2, Mask: ir.EtherType.Mask}
)

// fixedSize is how many bytes of a header the parser has found readable before
// it comes to the rules, which read them right there.
var fixedSize = map[ir.Layer]int{ir.ARPHeader: 28, ir.IP4Header: 20, ir.IP6Header: 40}

// valueOf is the value that an atom of a term is bits of; false if rules read
// the packet or its context.
func (f *family) valueOf(a ir.Atom, t ir.Term) (value, bool) {
	switch a.Layer {
	case ir.Meta:
		return f.derivedValue(a)
	case ir.ARPHeader, ir.IP4Header, ir.IP6Header:
		return a.Bytes(), int(a.Offset)+int(a.Size) > fixedSize[a.Layer]
	case ir.Transport:
		if f.plain != nil {
			return a, false
		}
		if port, ok := portOf(a); ok && asksForPorts(t) {
			return port, true
		}
	}
	return a.Bytes(), true
}

func (f *family) derivedValue(a ir.Atom) (value, bool) {
	switch a.Offset {
	case ir.Protocol.Offset, ir.ProtocolAH.Offset:
		return ir.ProtocolAH, f.ip6 && f.plain == nil // else it is a byte of the header
	case ir.Tagged.Offset, ir.VLANID.Offset:
		return tagValue, true
	case ir.VLAN2ID.Offset:
		return tag2Value, true
	case ir.EtherType.Offset:
		return ir.EtherType, true
	case ir.Extensions.Offset:
		return ir.Extensions, true
	case ir.Fragment.Offset, ir.Invalid.Offset, ir.Interface.Offset:
		return a, true
	case ir.FrameLength.Offset:
		return ir.FrameLength, f.spreads // else it is a difference of pointers
	}
	return a, false
}

// portOf is the port that an atom is bits of.
func portOf(a ir.Atom) (value, bool) {
	for _, port := range []value{ir.SourcePort, ir.DestinationPort} {
		if a.Offset == port.Offset && a.Size == port.Size && a.Mask.Lo&^port.Mask.Lo == 0 {
			return port, true
		}
	}
	return a, false
}

// asksForPorts says that a term holds for protocols with ports only: the bytes
// at the place of the ports exist in others as well.
func asksForPorts(t ir.Term) bool {
	protocol := t.Find(ir.Protocol)
	if protocol == nil || len(protocol.Or) > 0 {
		return false
	}
	for _, r := range protocol.Ranges {
		if r.Lo != r.Hi || r.Lo.Lo != 6 && r.Lo.Lo != 17 && r.Lo.Lo != 132 {
			return false
		}
	}
	return true
}

// width is the bits of a value and of what stands for a missing one.
func width(v value) int {
	if v == ir.Fragment || v == ir.Invalid {
		return 2 // every packet has them; three values and two, with their bias
	}
	return bits.Len64(v.Max().Lo) + 1
}

// missing is what a value is in packets that have none. The eight bytes of a
// wide value leave no number for that: a word behind them says it.
func missing(v value) uint64 { return 1 << (width(v) - 1) }

// values says where a chain keeps the values that its rules read: packed into
// regSeen, or, if they are too many or too wide for that, in the scratch that
// regSeen then points to, a per-CPU map value that costs each packet a look-up.
type values struct {
	order   []value       // the most read first
	reads   map[value]int // how often
	at      map[value]int // bit in regSeen, or offset in the scratch
	uses    map[value][]int
	scratch bool
	size    int // of the scratch
}

// scratchMap is the name of the map that holds the scratch.
const scratchMap = "scratch"

// findValues goes over the rules of the chain for the values that they read.
func (f *family) findValues() {
	f.values.at, f.values.reads = map[value]int{}, map[value]int{}
	skips := false
	for i, step := range f.kind.left.Steps {
		skips = skips || step.Next > i+1
	}
	if skips {
		f.values.uses = map[value][]int{}
	}
	for i, step := range f.kind.left.Steps {
		for _, term := range step.Terms {
			for _, test := range term {
				if f.implied(test, term) {
					continue
				}
				f.findValue(test.Atom, term, i)
				for _, other := range test.Or {
					f.findValue(other.Atom, term, i)
				}
			}
		}
	}
	f.values.arrange()
}

func (f *family) findValue(a ir.Atom, t ir.Term, step int) {
	f.header = f.header || needsHeader(a)
	v, ok := f.valueOf(a, t)
	if !ok {
		return
	}
	f.ah = f.ah || a.Layer == ir.Meta && a.Offset == ir.ProtocolAH.Offset
	if !f.keeps(v) {
		f.values.at[v] = 0
		f.values.order = append(f.values.order, v)
	}
	f.values.reads[v]++
	if uses := f.values.uses; uses != nil {
		uses[v] = append(uses[v], step)
	}
}

// needsHeader says that an atom is found out in another way for each network
// protocol.
func needsHeader(a ir.Atom) bool {
	switch a.Layer {
	case ir.Frame, ir.NetHeader:
		return false
	case ir.Meta:
		switch a.Offset {
		case ir.Protocol.Offset, ir.ProtocolAH.Offset, ir.Extensions.Offset, ir.Fragment.Offset, ir.Invalid.Offset:
			return true
		}
		return false
	}
	return true
}

// keeps says whether some rule of the chain reads a value.
func (f *family) keeps(v value) bool {
	_, ok := f.values.at[v]
	return ok
}

// keepsAny says whether some rule reads a value that ok accepts.
func (f *family) keepsAny(ok func(value) bool) bool {
	for _, v := range f.values.order {
		if ok(v) {
			return true
		}
	}
	return false
}

// arrange gives each value its place; bit 0 takes one instruction less to read.
func (vs *values) arrange() {
	slices.SortStableFunc(vs.order, func(v, w value) int { return vs.reads[w] - vs.reads[v] })
	total := 0
	for _, v := range vs.order {
		vs.scratch = vs.scratch || width(v) > 31 // what an AND takes as an immediate
		vs.at[v] = total
		total += width(v)
	}
	if vs.scratch = vs.scratch || total > 64; !vs.scratch {
		return
	}
	for _, wide := range []bool{true, false} { // so that all are aligned
		for _, v := range vs.order {
			if isWide(v) == wide {
				vs.at[v] = vs.size
				vs.size += scratchSize(v)
			}
		}
	}
}

// isWide says that a value with what stands for a missing one has more than 32 bits.
func isWide(v value) bool { return width(v) > 32 }

// scratchSize is the bytes that a value takes there; eight that are followed by
// a word that is not zero if the packet lacks them are sixteen for alignment.
func scratchSize(v value) int {
	switch {
	case v.Size == 8:
		return 16
	case isWide(v):
		return 8
	}
	return 4
}

// begin makes regSeen ready to be filled, if some rule reads it.
func (f *family) begin() {
	switch {
	case f.values.scratch:
		f.scratchSize = max(f.scratchSize, f.values.size)
		f.findScratch()
	case len(f.values.order) > 0:
		f.emit("nothing seen yet", movImm(regSeen, 0))
	}
}

// findScratch makes regSeen a pointer to the scratch. The key is no zero on the
// stack, which the verifier would track, but one in the frozen tables. That
// there is no scratch cannot be, but the verifier wants it asked.
func (f *family) findScratch() {
	found := f.newLabel("%s.scratch", f.kind.name)
	f.emit("zero", asm.LoadMapValue(asm.R2, 0, f.tables.number(0)).WithReference(tableMap))
	f.emit("", asm.LoadMapPtr(asm.R1, 0).WithReference(scratchMap))
	f.emit("", asm.FnMapLookupElem.Call())
	f.jump(asm.JNE.Imm(asm.R0, 0, ""), found)
	f.emit("abort", movImm(asm.R0, action(rules.Abort)), asm.Return())
	f.bind(found)
	f.emit("R7 = scratch", asm.Mov.Reg(regSeen, asm.R0))
}

// see keeps the value in a slot for the rules. It comes from the stack, so
// that the verifier knows nothing of it, whatever way led here.
func (f *family) see(v value, from slot) {
	f.emit("R7: "+v.String(), from.load(asm.R0))
	f.seeR0(v)
}

// seeR0 keeps R0, of which the verifier must know nothing.
func (f *family) seeR0(v value) {
	if f.values.scratch {
		f.emit("", f.scratchStore(v, asm.R0))
		return
	}
	if shift := f.values.at[v]; shift != 0 {
		f.emit("", asm.LSh.Imm(asm.R0, int32(shift)))
	}
	f.emit("", asm.Or.Reg(regSeen, asm.R0))
}

func (f *family) scratchStore(v value, r asm.Register) asm.Instruction {
	size := asm.Word
	if isWide(v) {
		size = asm.DWord
	}
	return asm.StoreMem(regSeen, int16(f.values.at[v]), r, size)
}

// seen loads the bits of a value that an atom reads into R0, and gives the
// mask that they have there. The AND breaks the link that the verifier makes
// between a register and its copy: otherwise each compare would narrow regSeen
// too, and every rule would find it in another state.
func (f *family) seen(v value, a ir.Atom) (load []asm.Instruction, mask uint64) {
	low, all := a.Mask.Lo>>v.Shift(), ^uint64(0)>>(64-min(width(v), 64))
	shift := bits.TrailingZeros64(low)
	switch {
	case v == ir.Fragment || v == ir.Invalid:
		mask = all
	case a == ir.Tagged: // whatever the tag says
		shift, mask = width(v)-1, 1
	case v.Size == 8:
		mask = low >> shift
	default:
		mask = (low | missing(v)) >> shift
	}
	at := f.values.at[v]
	loaded := all >> shift
	switch {
	case !f.values.scratch:
		load, loaded = append(load, asm.Mov.Reg(asm.R0, regSeen)), 0
		shift += at
	case isWide(v):
		load = append(load, asm.LoadMem(asm.R0, regSeen, int16(at), asm.DWord))
	default:
		load = append(load, asm.LoadMem(asm.R0, regSeen, int16(at), asm.Word))
	}
	if shift != 0 {
		load = append(load, asm.RSh.Imm(asm.R0, int32(shift)))
	}
	if mask != loaded {
		load = append(load, andNumber(asm.R0, mask)...)
	}
	return load, mask
}

// andNumber is an AND with any number; it clobbers R1 for those that are no
// immediate.
func andNumber(r asm.Register, mask uint64) []asm.Instruction {
	if mask < 1<<31 {
		return []asm.Instruction{asm.And.Imm(r, int32(mask))}
	}
	return []asm.Instruction{asm.LoadImm(asm.R1, int64(mask), asm.DWord), asm.And.Reg(r, asm.R1)}
}
