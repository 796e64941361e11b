package codegen

import (
	"math/bits"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
)

// A counterLayout is how slots lie in the elements of the counter map, each of
// which the kernel allocates and copies out by itself.
//
// Small rule sets have an element for each slot, which is the shortest code.
// Where tables say which slot it is, the code that counts would wait for them
// before it can begin to look its element up; so all slots are in one element
// then, which is looked up before the tables are. It cannot hold more than
// maxEarlySlots. More slots are in blocks: 10,000 elements take 7 ms to make
// and 2.4 ms to read, in blocks 0.1 ms each.
type counterLayout struct {
	slots      int
	perElement int // a power of two
	elements   int
}

const (
	counterSize    = 16   // bytes of a CounterValue
	maxSingleSlots = 1024 // up to how many have an element each
	maxEarlySlots  = 2048 // 32 KiB: PCPU_MIN_UNIT_SIZE (include/linux/percpu.h)
	blockSlots     = 256
)

func layoutFor(slots int, tables bool) counterLayout {
	l := counterLayout{slots: slots, perElement: 1, elements: slots}
	switch {
	case tables && slots > 0 && slots <= maxEarlySlots:
		l.perElement, l.elements = 1<<bits.Len(uint(slots-1)), 1
	case slots > maxSingleSlots:
		l.perElement, l.elements = blockSlots, (slots+blockSlots-1)/blockSlots
	}
	return l
}

func (l counterLayout) mapSpec() *ebpf.MapSpec {
	return &ebpf.MapSpec{Name: CounterMap, Type: ebpf.PerCPUArray, KeySize: 4,
		ValueSize: uint32(l.perElement * counterSize), MaxEntries: uint32(l.elements)}
}

// early says that the only element is looked up before the tables.
func (l counterLayout) early() bool { return l.elements == 1 && l.perElement > 1 }

// log2 of a power of two.
func log2(n int) int32 { return int32(bits.Len(uint(n)) - 1) }

// elementSlot holds the pointer to the element, below the numbers of the tables.
const elementSlot = leastSlot - 8 - 8*maxNumbers

// findElement finds the only element of the counters before the tables are
// looked up; there always is one, but the verifier does not know.
func (c *chain) findElement() {
	if !c.layout.early() {
		return
	}
	found := c.newLabel("counters")
	c.emit("the counters", slotKey.storeImm(0))
	c.lookUpCounters()
	c.jump(asm.JNE.Imm(asm.R0, 0, ""), found)
	c.emit("never: XDP_ABORTED", movImm(asm.R0, 0), asm.Return())
	c.bind(found)
	c.emit("", asm.StoreMem(asm.R10, elementSlot, asm.R0, asm.DWord))
}

// tableLeaf is where tables go with their leaf.
func (c *chain) tableLeaf() label {
	if c.layout.early() {
		return c.earlyLeaf
	}
	return c.leaf
}

// emitEarlyLeaf is emitLeaf for packets whose element has been found.
func (c *chain) emitEarlyLeaf() {
	if !c.jumpsTo(c.earlyLeaf) {
		return
	}
	c.bind(c.earlyLeaf)
	c.emit("R6 = XDP action", asm.Mov.Reg(asm.R6, asm.R0), asm.And.Imm(asm.R6, 0xff))
	if c.counting == CountVerdicts {
		c.toVerdictSlot()
		c.emit("counter slot", asm.LSh.Imm(asm.R0, log2(counterSize)))
	} else {
		c.emit("counter slot", asm.RSh.Imm(asm.R0, 8-log2(counterSize)))
	}
	c.emit("", asm.And.Imm(asm.R0, int32((c.layout.perElement-1)*counterSize)))
	c.emit("its place", asm.LoadMem(asm.R1, asm.R10, elementSlot, asm.DWord), asm.Add.Reg(asm.R1, asm.R0), asm.Mov.Reg(asm.R0, asm.R1))
	c.frameLength(asm.R1, asm.R2)
	c.addPacket()
	c.emit("", asm.Mov.Reg(asm.R0, asm.R6), asm.Return())
}
