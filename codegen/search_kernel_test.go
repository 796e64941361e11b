package codegen

import (
	"encoding/binary"
	"errors"
	"os"
	"strings"
	"testing"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"golang.org/x/sys/unix"

	"xdpfw/rules"
)

// A lookupProgram runs a look-up in the kernel, for one key after the other out
// of a map: each run of the program takes the next one.
type lookupProgram struct {
	collection *ebpf.Collection
	keys       int
	bits       int
}

// The maps of a lookupProgram besides the tables.
const (
	keysMap   = "keys"   // 16 bytes each, most significant first
	foundMap  = "found"  // 8 bytes each: what R0 was
	cursorMap = "cursor" // number of the next key, time at the first, time at the last; 8 bytes each
)

// newLookupProgram makes the program of a look-up that emit emits: from the
// words of a key of so many bits to R0.
func newLookupProgram(t testing.TB, bits int, keys []rules.Value, emit func(*builder, *tableSet, func(int, asm.Register) []asm.Instruction)) *lookupProgram {
	t.Helper()
	b, tables := newBuilder(), newTableSet()
	first, last, done := b.newLabel("later"), b.newLabel("notlast"), b.newLabel("done")
	b.emit("", asm.LoadMapValue(asm.R7, 0, 0).WithReference(cursorMap), asm.LoadMem(asm.R8, asm.R7, 0, asm.DWord))
	b.jump(asm.JGT.Imm(asm.R8, int32(len(keys)-1), ""), done)
	b.jump(asm.JNE.Imm(asm.R8, 0, ""), first)
	b.emit("", asm.FnKtimeGetNs.Call(), asm.StoreMem(asm.R7, 8, asm.R0, asm.DWord))
	b.bind(first)
	b.emit("", asm.LoadMapValue(asm.R6, 0, 0).WithReference(keysMap), asm.Mov.Reg(asm.R0, asm.R8), asm.LSh.Imm(asm.R0, 4), asm.Add.Reg(asm.R6, asm.R0))
	words := (bits + 31) / 32
	emit(b, tables, func(i int, r asm.Register) []asm.Instruction {
		return []asm.Instruction{asm.LoadMem(r, asm.R6, int16(16-4*words+4*i), asm.Word), asm.HostTo(asm.BE, r, asm.Word)}
	})
	b.emit("", asm.LoadMapValue(asm.R6, 0, 0).WithReference(foundMap), asm.Mov.Reg(asm.R1, asm.R8), asm.LSh.Imm(asm.R1, 3),
		asm.Add.Reg(asm.R6, asm.R1), asm.StoreMem(asm.R6, 0, asm.R0, asm.DWord), asm.Add.Imm(asm.R8, 1), asm.StoreMem(asm.R7, 0, asm.R8, asm.DWord))
	b.jump(asm.JNE.Imm(asm.R8, int32(len(keys)), ""), last)
	b.emit("", asm.FnKtimeGetNs.Call(), asm.StoreMem(asm.R7, 16, asm.R0, asm.DWord))
	b.bind(last)
	b.bind(done)
	b.emit("", movImm(asm.R0, action(rules.Pass)), asm.Return())
	program, err := b.finish("lookup")
	if err != nil {
		t.Fatal(err)
	}
	blob := make([]byte, 0, 16*len(keys))
	for _, k := range keys {
		blob = binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint64(blob, k.Hi), k.Lo)
	}
	array := func(name string, value []byte) *ebpf.MapSpec {
		return &ebpf.MapSpec{Name: name, Type: ebpf.Array, KeySize: 4, ValueSize: uint32(len(value)), MaxEntries: 1,
			Contents: []ebpf.MapKV{{Key: uint32(0), Value: value}}}
	}
	spec := &ebpf.CollectionSpec{
		Maps: map[string]*ebpf.MapSpec{
			keysMap: array(keysMap, blob), foundMap: array(foundMap, make([]byte, 8*len(keys))), cursorMap: array(cursorMap, make([]byte, 24)),
		},
		Programs: map[string]*ebpf.ProgramSpec{"lookup": {Name: "lookup", Type: ebpf.XDP, Instructions: program.Instructions(), License: programLicense}},
	}
	if m := tables.mapSpec(); m != nil {
		m.Flags |= unix.BPF_F_RDONLY_PROG
		spec.Maps[tableMap] = m
	}
	collection, err := ebpf.NewCollectionWithOptions(spec, ebpf.CollectionOptions{Programs: ebpf.ProgramOptions{LogLevel: ebpf.LogLevelStats}})
	if m := tables.mapSpec(); m != nil && err == nil {
		err = collection.Maps[tableMap].Freeze()
	}
	if errors.Is(err, ebpf.ErrNotSupported) || errors.Is(err, os.ErrPermission) {
		if os.Getenv("XDPFW_REQUIRE_BPF") == "1" {
			t.Fatalf("BPF cannot be used: %v", err)
		}
		t.Skipf("BPF cannot be used: %v", err)
	}
	if err != nil {
		t.Fatalf("%+v", err)
	}
	t.Cleanup(collection.Close)
	return &lookupProgram{collection, len(keys), bits}
}

// run the look-up of every key; it gives what was found and the nanoseconds
// from the first key to the last.
func (p *lookupProgram) run(t testing.TB) (found []uint64, nanoseconds float64) {
	t.Helper()
	if err := p.collection.Maps[cursorMap].Put(uint32(0), make([]byte, 24)); err != nil {
		t.Fatal(err)
	}
	_, err := p.collection.Programs["lookup"].Run(&ebpf.RunOptions{Data: make([]byte, 64), Repeat: uint32(p.keys)})
	if err != nil {
		t.Fatal(err)
	}
	var blob, cursor []byte
	if err := p.collection.Maps[foundMap].Lookup(uint32(0), &blob); err != nil {
		t.Fatal(err)
	}
	if err := p.collection.Maps[cursorMap].Lookup(uint32(0), &cursor); err != nil {
		t.Fatal(err)
	}
	word := func(b []byte, i int) uint64 { return binary.NativeEndian.Uint64(b[8*i:]) }
	if done := word(cursor, 0); done != uint64(p.keys) {
		t.Fatalf("the program ran for %d keys of %d", done, p.keys)
	}
	found = make([]uint64, p.keys)
	for i := range found {
		found[i] = word(blob, i)
	}
	return found, float64(word(cursor, 2)-word(cursor, 1)) / float64(p.keys-1)
}

func lastLine(log string) string {
	lines := strings.Split(strings.TrimSpace(log), "\n")
	for _, l := range lines {
		if strings.HasPrefix(l, "processed") {
			return l
		}
	}
	return log
}
