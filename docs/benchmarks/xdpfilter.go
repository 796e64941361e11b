package main

import (
	"fmt"
	"path/filepath"

	"github.com/cilium/ebpf"
)

// xdpFilter is the program of xdp-filter that drops what comes from one of some
// hosts, at most 10,000, without the dispatcher that its own loader puts in front
// of it. It is the caller's to close.
func xdpFilter(hosts [][]byte) (*ebpf.Collection, error) {
	const object = "xdpfilt_alw_ip.o" // default allow, addresses
	found, err := filepath.Glob("/usr/lib/*/bpf/" + object)
	if err != nil || len(found) == 0 {
		return nil, fmt.Errorf("%s of xdp-tools is not there (apt-get install xdp-tools): %v", object, err)
	}
	spec, err := ebpf.LoadCollectionSpec(found[0])
	if err != nil {
		return nil, err
	}
	for _, m := range spec.Maps {
		m.Pinning = ebpf.PinNone
	}
	c, err := ebpf.NewCollection(spec)
	if err != nil {
		return nil, fmt.Errorf("load %s: %+v", object, err)
	}
	// In a value the lowest bits say where the address is looked for, and those
	// above count, apart for each CPU (xdp-tools, xdp-filter/common_kern_user.h).
	const source = 1
	perCPU := make([]uint64, ebpf.MustPossibleCPU())
	for cpu := range perCPU {
		perCPU[cpu] = source
	}
	for _, h := range hosts {
		if err := c.Maps["filter_ipv4"].Put(h, perCPU); err != nil {
			c.Close()
			return nil, fmt.Errorf("fill %s: %w", object, err)
		}
	}
	return c, nil
}
