package loader

import "github.com/cilium/ebpf"

// waitForPrograms returns when every program that ran when it was called has
// ended. The kernel waits for them before it returns from an update of a map
// of maps (kernel/bpf/syscall.c, maybe_wait_bpf_programs).
func waitForPrograms() error {
	inner := &ebpf.MapSpec{Type: ebpf.Array, KeySize: 4, ValueSize: 4, MaxEntries: 1}
	one, err := ebpf.NewMap(inner)
	if err != nil {
		return err
	}
	defer one.Close()
	maps, err := ebpf.NewMap(&ebpf.MapSpec{Name: "xdpfw_wait", Type: ebpf.ArrayOfMaps, KeySize: 4, ValueSize: 4, MaxEntries: 1, InnerMap: inner})
	if err != nil {
		return err
	}
	defer maps.Close()
	return maps.Put(uint32(0), one)
}
