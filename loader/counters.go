package loader

import (
	"errors"
	"fmt"

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
	totals   []codegen.CounterValue
}

func newCounterReader(counters *ebpf.Map, slots int) (*counterReader, error) {
	if counters == nil {
		return nil, fmt.Errorf("there is no map named %s", codegen.CounterMap)
	}
	if counters.Type() != ebpf.PerCPUArray || counters.ValueSize() != 16 || int(counters.MaxEntries()) < slots {
		return nil, fmt.Errorf("the map %s (%v) does not hold %d counters", codegen.CounterMap, counters, slots)
	}
	cpus, err := ebpf.PossibleCPU()
	if err != nil {
		return nil, err
	}
	entries := int(counters.MaxEntries())
	return &counterReader{
		counters: counters,
		cpus:     cpus,
		keys:     make([]uint32, entries),
		perCPU:   make([]codegen.CounterValue, entries*cpus),
		totals:   make([]codegen.CounterValue, slots),
	}, nil
}

// read returns the values by slot, summed over the CPUs. The result is
// overwritten by the next call.
func (r *counterReader) read() ([]codegen.CounterValue, error) {
	if !r.perSlot {
		var cursor ebpf.MapBatchCursor
		n, err := r.counters.BatchLookup(&cursor, r.keys, r.perCPU, nil)
		switch {
		case errors.Is(err, ebpf.ErrNotSupported):
			r.perSlot = true
		case err != nil && !errors.Is(err, ebpf.ErrKeyNotExist):
			return nil, err
		case n < len(r.totals):
			return nil, fmt.Errorf("the kernel returned %d of %d counters", n, len(r.totals))
		}
	}
	if r.perSlot {
		for slot := range r.totals {
			values := r.perCPU[slot*r.cpus : (slot+1)*r.cpus]
			if err := r.counters.Lookup(uint32(slot), values); err != nil {
				return nil, err
			}
		}
	}
	for slot := range r.totals {
		var total codegen.CounterValue
		for _, v := range r.perCPU[slot*r.cpus : (slot+1)*r.cpus] {
			total.Packets += v.Packets
			total.Bytes += v.Bytes
		}
		r.totals[slot] = total
	}
	return r.totals, nil
}
