// A module of its own, so that what draws plots is no dependency of the product.
module xdpfw/docs/benchmarks

go 1.26.0

require (
	github.com/cilium/ebpf v0.22.0
	github.com/vishvananda/netlink v1.3.1
	golang.org/x/sys v0.49.0
	xdpfw v0.0.0
)

require (
	github.com/gopacket/gopacket v1.7.7 // indirect
	github.com/vishvananda/netns v0.0.5 // indirect
)

replace xdpfw => ../..
