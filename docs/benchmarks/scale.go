package main

import (
	"fmt"

	"xdpfw/loader/workload"
)

// Sizes of rule sets. In the line of nft and iptables a packet meets every rule,
// and the program of a chain grows with them: those end early.
var (
	sizes       = []int{16, 64, 256, 1_000, 4_000, 10_000, 32_000}
	pathSizes   = []int{16, 64, 256, 1_000}
	longestLine = 4_000
)

// scale measures how the cost of a packet, the time to load and the memory grow
// with the number of rules.
func scale(b *benchmark) error {
	for _, n := range sizes {
		strategies := []string{"table", "auto"}
		if n <= longestLine {
			strategies = append(strategies, "chain")
		}
		if err := b.text("scale", scaleSet(n), workload.ACL(n, 4, seed), 0, strategies, workload.Uniform); err != nil {
			return err
		}
	}
	for _, n := range pathSizes {
		if err := b.pathOf("path-scale", scaleSet(n), workload.ACL(n, 4, seed), []string{"auto"}); err != nil {
			return err
		}
	}
	return nil
}

func scaleSet(n int) string { return fmt.Sprintf("acl %d", n) }
