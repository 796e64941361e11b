package loader

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/cilium/ebpf"

	"xdpfw/codegen"
)

// counterSize is the size of a codegen.CounterValue in bytes.
const counterSize = 16

// A counterReader reads a whole counter map, again and again, into buffers of
// its own.
type counterReader struct {
	counters *ebpf.Map
	cpus     int
	perSlot  bool                   // the kernel has no batch look-up for per-CPU arrays (before 5.13)
	keys     []uint32               // slots, as the batch returns them
	perCPU   []codegen.CounterValue // cpus values a slot
	each     int                    // slots of an element
	element  [][]byte               // by CPU, if there are several
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
	switch each := counters.ValueSize() / counterSize; {
	case each == 0 || counters.ValueSize()%counterSize != 0:
		entries = 0
	case each == 1:
		r.keys, r.perCPU = make([]uint32, entries), make([]codegen.CounterValue, entries*cpus)
	default:
		r.each, r.element = int(each), make([][]byte, cpus)
		entries *= r.each
	}
	if counters.Type() != ebpf.PerCPUArray || entries < slots {
		return nil, fmt.Errorf("the map %s (%v) does not hold %d counters", codegen.CounterMap, counters, slots)
	}
	return r, nil
}

// read returns the values by slot, summed over the CPUs. The result is
// overwritten by the next call.
func (r *counterReader) read() ([]codegen.CounterValue, error) {
	if r.element != nil {
		return r.totals, r.readElements()
	}
	return r.totals, r.readSlots()
}

// readElements reads a map of elements that hold several slots: few and large,
// which a batch makes no faster.
func (r *counterReader) readElements() error {
	for from := 0; from < len(r.totals); from += r.each {
		if err := r.counters.Lookup(uint32(from/r.each), r.element); err != nil {
			return err
		}
		for slot := from; slot < min(from+r.each, len(r.totals)); slot++ {
			r.totals[slot] = r.inElement(slot)
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
	if r.element != nil {
		if err := r.counters.Lookup(uint32(slot/r.each), r.element); err != nil {
			return total, err
		}
		return r.inElement(slot), nil
	}
	err = r.counters.Lookup(uint32(slot), r.perCPU[slot*r.cpus:(slot+1)*r.cpus])
	return r.total(slot), err
}

// inElement is the total of a slot of the element that was last read.
func (r *counterReader) inElement(slot int) (total codegen.CounterValue) {
	at := slot % r.each * counterSize
	for _, values := range r.element {
		total.Packets += binary.NativeEndian.Uint64(values[at:])
		total.Bytes += binary.NativeEndian.Uint64(values[at+8:])
	}
	return total
}

// total of what was last read of a slot that is an element.
func (r *counterReader) total(slot int) (total codegen.CounterValue) {
	for _, v := range r.perCPU[slot*r.cpus : (slot+1)*r.cpus] {
		total.Packets += v.Packets
		total.Bytes += v.Bytes
	}
	return total
}
