package bench

import (
	"errors"
	"fmt"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"golang.org/x/sys/unix"
)

// traceMaps are the tables of a trace in the kernel, where nothing can change them.
type traceMaps []*ebpf.Map

func (t *Trace) load() (traceMaps, error) {
	var maps traceMaps
	for _, table := range t.tables {
		m, err := frozenMap("bench_trace", table)
		if err != nil {
			maps.Close()
			return nil, err
		}
		maps = append(maps, m)
	}
	return maps, nil
}

// associate the maps with the code that writeWords is part of.
func (maps traceMaps) associate(code asm.Instructions) error {
	for i, m := range maps {
		if err := code.AssociateMap(tableSymbol(i), m); err != nil {
			return err
		}
	}
	return nil
}

// Close frees the maps.
func (maps traceMaps) Close() {
	for _, m := range maps {
		m.Close()
	}
}

// frozenMap holds bytes that programs read through a pointer into the map.
func frozenMap(name string, contents []byte) (*ebpf.Map, error) {
	m, err := ebpf.NewMap(&ebpf.MapSpec{
		Name: name, Type: ebpf.Array, KeySize: 4, ValueSize: uint32(len(contents)), MaxEntries: 1, Flags: unix.BPF_F_RDONLY_PROG,
	})
	if errors.Is(err, unix.E2BIG) {
		return nil, fmt.Errorf("the map %s would have %d bytes, and kernels before 6.1 take 4 MiB in one value: %w", name, len(contents), err)
	}
	if err != nil {
		return nil, fmt.Errorf("create the map %s: %w", name, err)
	}
	if err := m.Put(uint32(0), contents); err != nil {
		m.Close()
		return nil, fmt.Errorf("fill the map %s: %w", name, err)
	}
	if err := m.Freeze(); err != nil {
		m.Close()
		return nil, fmt.Errorf("freeze the map %s: %w", name, err)
	}
	return m, nil
}
