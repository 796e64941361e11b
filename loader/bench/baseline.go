package bench

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/rlimit"

	"xdpfw/loader"
)

// Baselines are programs to measure others against.
type Baselines struct {
	Empty Subject // drops
	Parse Subject // reads the 5-tuple of an IPv4 or IPv6 packet behind checks of its bounds, and drops
	Hash  Subject // makes one look-up in a kernel hash map, and drops

	close []func() error
}

// The hash map: what a firewall built on one keeps addresses in.
const (
	hashEntries = 10_000
	hashKeys    = 64 << 10 // look-ups, in random order, until they repeat; a power of two
)

// NewBaselines loads them; Close unloads them. Errors are *loader.Error.
func NewBaselines() (*Baselines, error) {
	// Needed before 5.11 only, and where it fails the load itself says so.
	_ = rlimit.RemoveMemlock()
	b := &Baselines{}
	if err := b.load(); err != nil {
		b.Close()
		return nil, loader.Refusal("load the programs to compare with", err)
	}
	return b, nil
}

func (b *Baselines) load() (err error) {
	if b.Empty, err = b.subject("empty", dropCode()); err != nil {
		return err
	}
	if b.Parse, err = b.subject("parse", parseCode()); err != nil {
		return err
	}
	code, err := b.hashCode()
	if err != nil {
		return err
	}
	b.Hash, err = b.subject("hash", code)
	return err
}

// Close frees programs and maps.
func (b *Baselines) Close() {
	for _, f := range b.close {
		f()
	}
}

// Subjects are all of them.
func (b *Baselines) Subjects() []Subject { return []Subject{b.Empty, b.Parse, b.Hash} }

func (b *Baselines) subject(name string, code asm.Instructions) (Subject, error) {
	program, err := ebpf.NewProgram(&ebpf.ProgramSpec{
		Name: "bench_" + name, Type: ebpf.XDP, AttachType: ebpf.AttachXDP, Instructions: code, License: "GPL",
	})
	if err != nil {
		return Subject{}, fmt.Errorf("load the program %q: %w", name, err)
	}
	b.close = append(b.close, program.Close)
	return Subject{Name: name, Program: program}, nil
}

func dropCode() asm.Instructions {
	const xdpDrop = 1
	return asm.Instructions{asm.Mov.Imm(asm.R0, xdpDrop), asm.Return()}
}

// parseCode reads what every classifier over the 5-tuple must read, and no
// more: no tags, no options, no extension headers.
func parseCode() asm.Instructions {
	const ethernet, ip4, ip6 = 14, 20, 40
	within := func(length int32) asm.Instructions {
		return asm.Instructions{
			asm.Mov.Reg(asm.R4, asm.R2), asm.Add.Imm(asm.R4, length), asm.JGT.Reg(asm.R4, asm.R3, "drop"),
		}
	}
	code := asm.Instructions{asm.LoadMem(asm.R2, asm.R1, 0, asm.Word), asm.LoadMem(asm.R3, asm.R1, 4, asm.Word)}
	code = append(code, within(ethernet+ip4+4)...)
	code = append(code,
		asm.LoadMem(asm.R0, asm.R2, 12, asm.Half),
		asm.HostTo(asm.BE, asm.R0, asm.Half),
		asm.JEq.Imm(asm.R0, 0x86dd, "ip6"),
		asm.JNE.Imm(asm.R0, 0x0800, "drop"),
		asm.LoadMem(asm.R0, asm.R2, ethernet, asm.Byte), // version and header length
		asm.JNE.Imm(asm.R0, 0x45, "drop"),
		asm.LoadMem(asm.R0, asm.R2, ethernet+9, asm.Byte), // protocol
		asm.LoadMem(asm.R4, asm.R2, ethernet+12, asm.Word),
		asm.LoadMem(asm.R5, asm.R2, ethernet+16, asm.Word),
	)
	code = append(code, tcpOrUDP()...)
	code = append(code,
		asm.LoadMem(asm.R4, asm.R2, ethernet+ip4, asm.Half),
		asm.LoadMem(asm.R5, asm.R2, ethernet+ip4+2, asm.Half),
		asm.Ja.Label("drop"),
	)
	behind6 := within(ethernet + ip6 + 4)
	behind6[0] = behind6[0].WithSymbol("ip6")
	code = append(code, behind6...)
	code = append(code, asm.LoadMem(asm.R0, asm.R2, ethernet+6, asm.Byte)) // next header
	for at := int16(8); at < ip6; at += 8 {
		code = append(code, asm.LoadMem(asm.R4, asm.R2, ethernet+at, asm.DWord))
	}
	code = append(code, tcpOrUDP()...)
	code = append(code,
		asm.LoadMem(asm.R4, asm.R2, ethernet+ip6, asm.Half),
		asm.LoadMem(asm.R5, asm.R2, ethernet+ip6+2, asm.Half),
	)
	drop := dropCode()
	drop[0] = drop[0].WithSymbol("drop")
	return append(code, drop...)
}

// tcpOrUDP drops what R0 says is neither, with one branch that all packets with ports
// take alike: which of the two comes next no CPU can predict.
func tcpOrUDP() asm.Instructions {
	return asm.Instructions{
		asm.Mov.Imm(asm.R1, 1),
		asm.LSh.Reg(asm.R1, asm.R0),
		asm.And.Imm(asm.R1, 1<<6|1<<17),
		asm.JEq.Imm(asm.R1, 0, "drop"),
	}
}

// hashCode looks up the next of a list of random keys, all of which are in the
// map: the packets of a capture might all have the same.
func (b *Baselines) hashCode() (asm.Instructions, error) {
	random := rand.New(rand.NewPCG(1, 1))
	present := make([]uint32, hashEntries)
	for i := range present {
		present[i] = random.Uint32()
	}
	hash, err := ebpf.NewMap(&ebpf.MapSpec{Name: "bench_hash", Type: ebpf.Hash, KeySize: 4, ValueSize: 8, MaxEntries: hashEntries})
	if err != nil {
		return nil, fmt.Errorf("create a hash map: %w", err)
	}
	b.close = append(b.close, hash.Close)
	for i, key := range present {
		if err := hash.Put(key, uint64(i)); err != nil {
			return nil, fmt.Errorf("fill the hash map: %w", err)
		}
	}
	var keys []byte
	for range hashKeys {
		keys = binary.NativeEndian.AppendUint32(keys, present[random.IntN(hashEntries)])
	}
	list, err := frozenMap("bench_keys", keys)
	if err != nil {
		return nil, err
	}
	b.close = append(b.close, list.Close)
	next, err := ebpf.NewMap(&ebpf.MapSpec{Name: "bench_next", Type: ebpf.Array, KeySize: 4, ValueSize: 8, MaxEntries: 1})
	if err != nil {
		return nil, fmt.Errorf("create a map: %w", err)
	}
	b.close = append(b.close, next.Close)
	code := asm.Instructions{
		asm.LoadMapValue(asm.R6, 0, 0).WithReference("next"),
		asm.LoadMem(asm.R7, asm.R6, 0, asm.DWord),
		asm.And.Imm(asm.R7, 4*hashKeys-4),
		asm.Mov.Reg(asm.R1, asm.R7),
		asm.Add.Imm(asm.R1, 4),
		asm.StoreMem(asm.R6, 0, asm.R1, asm.DWord),
		asm.LoadMapValue(asm.R1, 0, 0).WithReference("keys"),
		asm.Add.Reg(asm.R1, asm.R7),
		asm.LoadMem(asm.R1, asm.R1, 0, asm.Word),
		asm.StoreMem(asm.RFP, -4, asm.R1, asm.Word),
		asm.Mov.Reg(asm.R2, asm.RFP),
		asm.Add.Imm(asm.R2, -4),
		asm.LoadMapPtr(asm.R1, 0).WithReference("hash"),
		asm.FnMapLookupElem.Call(),
		asm.JEq.Imm(asm.R0, 0, "missing"),
		asm.LoadMem(asm.R0, asm.R0, 0, asm.DWord),
	}
	drop := dropCode()
	drop[0] = drop[0].WithSymbol("missing")
	code = append(code, drop...)
	for symbol, m := range map[string]*ebpf.Map{"next": next, "keys": list, "hash": hash} {
		if err := code.AssociateMap(symbol, m); err != nil {
			return nil, err
		}
	}
	return code, nil
}
