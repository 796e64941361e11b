package codegen

import (
	"fmt"

	"github.com/cilium/ebpf/asm"

	"xdpfw/codegen/classify"
)

// rowSlot holds a pointer to the packet's row of a matrix, behind the numbers.
func (t *tablePlan) rowSlot(matrix int) int16 {
	return numberSlot(len(t.plan.Inputs) + len(t.plan.Products) + matrix)
}

// emitMatrixRows finds the packet's row of each matrix, for all groups.
func (f *family) emitMatrixRows(t *tablePlan) {
	d := &t.plan.Demands
	for i, m := range d.Matrices {
		rows := covering(len(m.Rows) / m.Stride)
		at := f.tables.place(m.Rows, 1)
		f.tables.readsUpTo(int(at), int(rows)*m.Stride+1<<d.Bits/8+1)
		f.loadNumber(asm.R1, m.Number)
		f.emit("", asm.And.Imm(asm.R1, rows))
		f.index(asm.R1, m.Stride)
		f.emit(fmt.Sprintf("row of matrix %d", i), asm.LoadMapValue(asm.R2, 0, at).WithReference(tableMap), asm.Add.Reg(asm.R2, asm.R1),
			asm.StoreMem(asm.R10, t.rowSlot(i), asm.R2, asm.DWord))
	}
}

// emitTests leaves in R0 the leaf of the first box of the cell in R0 whose demand
// the packet meets, or None. Most cells have one box, which is tested without a
// branch.
func (f *family) emitTests(g *classify.Group) {
	d := &f.plan.plan.Demands
	leaf := []asm.Instruction{asm.RSh.Imm(asm.R0, int32(1+d.Bits)), asm.Add.Imm32(asm.R0, int32(d.Least))}
	list, done := f.newLabel("%s.list", f.kind.name), f.newLabel("%s.tested", f.kind.name)
	if g.Tests > 1 {
		f.jumpFor("several boxes", asm.JSet.Imm(asm.R0, 1, ""), list)
	}
	f.emitMet(d)
	f.emit("its leaf", leaf...)
	f.emit("or none", asm.Sub.Imm(asm.R2, 1), asm.Or.Reg(asm.R0, asm.R2), asm.Mov.Reg32(asm.R0, asm.R0))
	if g.Tests == 1 {
		return
	}
	f.goTo(done)

	f.bind(list)
	entries := covering(len(g.Entries))
	at := f.tables.placeNumbers(len(g.Entries), 4, func(i int) uint64 { return uint64(g.Entries[i]) })
	f.tables.readsUpTo(int(at), 4*(int(entries)+1<<classify.TrialBits))
	again, found := f.newLabel("%s.test", f.kind.name), f.newLabel("%s.met", f.kind.name)
	f.emit("boxes to test", asm.Mov.Reg(asm.R4, asm.R0), asm.RSh.Imm(asm.R4, 1), asm.And.Imm(asm.R4, 1<<classify.TrialBits-1))
	f.emit("the first", asm.RSh.Imm(asm.R0, 1+classify.TrialBits), asm.And.Imm(asm.R0, entries), asm.LSh.Imm(asm.R0, 2))
	f.emit("", asm.LoadMapValue(asm.R5, 0, at).WithReference(tableMap), asm.Add.Reg(asm.R5, asm.R0))
	f.bind(again)
	f.emit("", asm.LoadMem(asm.R0, asm.R5, 0, asm.Word))
	f.emitMet(d)
	f.jumpFor("met", asm.JNE.Imm(asm.R2, 0, ""), found)
	f.emit("", asm.Add.Imm(asm.R5, 4), asm.Sub.Imm(asm.R4, 1))
	none := f.newLabel("%s.unmet", f.kind.name)
	f.jump(asm.JSLE.Imm(asm.R4, 0, ""), none)
	f.loopTo(again, g.Tests)
	f.bind(none)
	f.emit("none", movImm(asm.R0, classify.None))
	f.goTo(done)
	f.bind(found)
	f.emit("its leaf", leaf...)
	f.bind(done)
}

// emitMet makes R2 1 if the packet meets the demand of the entry in R0, else 0. It
// clobbers R1 and R3.
func (f *family) emitMet(d *classify.Demands) {
	const inByte = 3 // bits of a demand's number that say which bit of a byte it is
	f.emit("byte of its demand", asm.Mov.Reg(asm.R1, asm.R0), asm.RSh.Imm(asm.R1, 1+inByte), asm.And.Imm(asm.R1, 1<<max(0, d.Bits-inByte)-1))
	for i := range d.Matrices {
		r := asm.R2
		if i > 0 {
			r = asm.R3
		}
		f.emit("", asm.LoadMem(r, asm.R10, f.plan.rowSlot(i), asm.DWord), asm.Add.Reg(r, asm.R1), asm.LoadMem(r, r, 0, asm.Byte))
		if i > 0 {
			f.emit("", asm.And.Reg(asm.R2, asm.R3))
		}
	}
	f.emit("its bit", asm.Mov.Reg(asm.R3, asm.R0), asm.RSh.Imm(asm.R3, 1), asm.And.Imm(asm.R3, 1<<inByte-1),
		asm.RSh.Reg(asm.R2, asm.R3), asm.And.Imm(asm.R2, 1))
}
