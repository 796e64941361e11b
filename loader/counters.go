package loader

import (
	"errors"
	"fmt"
	"unsafe"

	"github.com/cilium/ebpf"

	"xdpfw/codegen"
)

// A counterReader reads a whole counter map, again and again, into buffers of
// its own.
type counterReader struct {
	counters *ebpf.Map
	cpus     int
	perSlot  bool                   // the kernel has no batch look-up for per-CPU arrays (before 5.13)
	keys     []uint32               // slots, as the batch returns them
	perCPU   []codegen.CounterValue // cpus values a slot
	block    []codegen.CounterBlock // cpus values, of a map of blocks
	totals   []codegen.CounterValue
}

func newCounterReader(counters *ebpf.Map, slots int) (*counterReader, error) {
	if counters == nil {
		return nil, fmt.Errorf("there is no map named %s", codegen.CounterMap)
	}
	cpus, err := ebpf.PossibleCPU()
	if err != nil {
		return nil, err
	}
	r := &counterReader{counters: counters, cpus: cpus, totals: make([]codegen.CounterValue, slots)}
	entries := int(counters.MaxEntries())
	switch counters.ValueSize() {
	case uint32(unsafe.Sizeof(codegen.CounterValue{})):
		r.keys, r.perCPU = make([]uint32, entries), make([]codegen.CounterValue, entries*cpus)
	case uint32(unsafe.Sizeof(codegen.CounterBlock{})):
		r.block = make([]codegen.CounterBlock, cpus)
		entries *= codegen.BlockSlots
	default:
		entries = 0
	}
	if counters.Type() != ebpf.PerCPUArray || entries < slots {
		return nil, fmt.Errorf("the map %s (%v) does not hold %d counters", codegen.CounterMap, counters, slots)
	}
	return r, nil
}

// read returns the values by slot, summed over the CPUs. The result is
// overwritten by the next call.
func (r *counterReader) read() ([]codegen.CounterValue, error) {
	if r.block != nil {
		return r.totals, r.readBlocks()
	}
	return r.totals, r.readSlots()
}

// readBlocks reads a map of blocks: few and large, which a batch makes no faster.
func (r *counterReader) readBlocks() error {
	for from := 0; from < len(r.totals); from += codegen.BlockSlots {
		if err := r.counters.Lookup(uint32(from/codegen.BlockSlots), r.block); err != nil {
			return err
		}
		totals := r.totals[from:min(from+codegen.BlockSlots, len(r.totals))]
		clear(totals)
		for cpu := range r.block {
			for i := range totals {
				totals[i].Packets += r.block[cpu][i].Packets
				totals[i].Bytes += r.block[cpu][i].Bytes
			}
		}
	}
	return nil
}

func (r *counterReader) readSlots() error {
	if !r.perSlot {
		var cursor ebpf.MapBatchCursor
		n, err := r.counters.BatchLookup(&cursor, r.keys, r.perCPU, nil)
		switch {
		case errors.Is(err, ebpf.ErrNotSupported):
			r.perSlot = true
		case err != nil && !errors.Is(err, ebpf.ErrKeyNotExist):
			return err
		case n < len(r.totals):
			return fmt.Errorf("the kernel returned %d of %d counters", n, len(r.totals))
		}
	}
	for slot := range r.totals {
		if !r.perSlot {
			r.totals[slot] = r.total(slot)
			continue
		}
		var err error
		if r.totals[slot], err = r.slot(slot); err != nil {
			return err
		}
	}
	return nil
}

// slot reads one value, summed over the CPUs.
func (r *counterReader) slot(slot int) (total codegen.CounterValue, err error) {
	if r.block != nil {
		err = r.counters.Lookup(uint32(slot/codegen.BlockSlots), r.block)
		for cpu := range r.block {
			total.Packets += r.block[cpu][slot%codegen.BlockSlots].Packets
			total.Bytes += r.block[cpu][slot%codegen.BlockSlots].Bytes
		}
		return total, err
	}
	err = r.counters.Lookup(uint32(slot), r.perCPU[slot*r.cpus:(slot+1)*r.cpus])
	return r.total(slot), err
}

// total of what was last read of a slot that is not in a block.
func (r *counterReader) total(slot int) (total codegen.CounterValue) {
	for _, v := range r.perCPU[slot*r.cpus : (slot+1)*r.cpus] {
		total.Packets += v.Packets
		total.Bytes += v.Bytes
	}
	return total
}
