package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"

	"github.com/cilium/ebpf"
)

// clang compiles a C file with the options that people use for XDP, and loads
// what comes out, with maps of so many entries, at least one. The collection is
// the caller's to close.
func clang(file string, entries map[string]int) (*ebpf.Collection, error) {
	folder, err := os.MkdirTemp("", "versus")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(folder)
	object := filepath.Join(folder, "program.o")
	// -g: maps are described by BTF.
	out, err := exec.Command("clang", "-target", "bpf", "-O2", "-mcpu=v3", "-g", "-Wall", "-Werror", "-c", file, "-o", object).CombinedOutput()
	if err != nil {
		return nil, fmt.Errorf("clang %s: %w: %s", file, err, out)
	}
	spec, err := ebpf.LoadCollectionSpec(object)
	if err != nil {
		return nil, fmt.Errorf("read what clang made of %s: %w", file, err)
	}
	for name, n := range entries {
		spec.Maps[name].MaxEntries = uint32(max(n, 1))
	}
	c, err := ebpf.NewCollection(spec)
	if err != nil {
		return nil, fmt.Errorf("load what clang made of %s: %+v", file, err)
	}
	return c, nil
}
