package main

import (
	"fmt"
	"net/netip"
	"strings"

	"github.com/cilium/ebpf"

	"xdpfw/codegen"
	"xdpfw/loader/workload"
)

// hosts measures the whole path of packets from a block list of hosts, which
// every firewall can hold in its best form.
func hosts(b *benchmark) error {
	const n = 10_000 // what xdp-filter takes
	list := workload.Hosts4(n, seed)
	rs, parsed, err := parseTimed("hosts", workload.BlockList(list))
	if err != nil {
		return err
	}
	base := record{Part: "hosts", Set: "10k IPv4 hosts", Rules: n, Traffic: workload.Uniform.String(), ParseSeconds: parsed.Seconds()}
	frames, err := addressed(rs, workload.Uniform)
	if err != nil {
		return err
	}
	var keys [][]byte
	for _, h := range list {
		keys = append(keys, h.Addr().AsSlice())
	}
	others := []firewall{
		{name: "nft set", command: nft, input: nftHosts(list)},
		{name: "ipset", command: []string{"sh", "-c", ipsetCommand}, input: ipset(list)},
	}
	for _, in := range []struct {
		name string
		load func() (*ebpf.Collection, error)
	}{
		{"xdp-filter", func() (*ebpf.Collection, error) { return xdpFilter(keys) }},
		{"C, hash map", func() (*ebpf.Collection, error) {
			c, err := clang("c/hash.c", map[string]int{"hosts": len(keys)})
			if err != nil {
				return nil, err
			}
			return c, fill(c.Maps["hosts"], keys)
		}},
		{"C, LPM trie", func() (*ebpf.Collection, error) { return lpm(list) }},
	} {
		c, err := in.load()
		if err != nil {
			b.fail(base, in.name, err)
			continue
		}
		defer c.Close()
		for _, p := range c.Programs { // each has one
			others = append(others, firewall{name: in.name, program: p})
		}
	}
	return b.race(base, rs, frames, codegen.Strategies, others)
}

// nftHosts: a set without intervals is a hash table, the fastest that nft has.
func nftHosts(list []netip.Prefix) string {
	var b strings.Builder
	b.WriteString("table netdev t { set hosts { type ipv4_addr; elements = {\n")
	for _, h := range list {
		fmt.Fprintf(&b, "%v,\n", h.Addr())
	}
	b.WriteString("}\n}\n}\n" + nftHead + "ip saddr @hosts drop\n}\n}\n")
	return b.String()
}

// ipset and the one rule of iptables that asks it, in the first table that a
// packet meets.
const ipsetCommand = "ipset restore && iptables-legacy -t raw -A PREROUTING -m set --match-set hosts src -j DROP"

func ipset(list []netip.Prefix) string {
	var b strings.Builder
	fmt.Fprintf(&b, "create hosts hash:ip hashsize %d maxelem %d\n", len(list), len(list))
	for _, h := range list {
		fmt.Fprintf(&b, "add hosts %v\n", h.Addr())
	}
	return b.String()
}
