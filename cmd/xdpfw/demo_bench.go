package main

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"runtime"
	"time"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"

	"xdpfw/loader"
)

// A demoBench is two network namespaces and a veth pair between them:
//
//	outer namespace                          inner namespace
//	sender ──▶ outerTap ──▶ xdpfw0 ═════▶ xdpfw0 ──▶ rules ──▶ innerTap ──▶ sockets
//
// None of it has a name: the namespaces, and the bpffs for the loader's pins,
// which is mounted nowhere, hang on file descriptors of this process. So the
// kernel removes them with it, also when it is killed.
type demoBench struct {
	outer, inner *os.File
	bpffs        *os.File

	outerLink, innerLink net.HardwareAddr

	sender             *frameSocket
	outerTap, innerTap *frameSocket
	servers            demoServers
}

// The two ends of the pair, each in its namespace, and their addresses, from
// the block for documentation (RFC 5737).
const demoInterface = "xdpfw0"

var (
	demoOuterIP = netip.MustParsePrefix("192.0.2.1/24")
	demoInnerIP = netip.MustParsePrefix("192.0.2.2/24")
)

// newDemoBench builds the bench, without any rules.
func newDemoBench() (*demoBench, error) {
	b := &demoBench{}
	if err := b.build(); err != nil {
		b.close()
		return nil, err
	}
	return b, nil
}

func (b *demoBench) build() (err error) {
	if b.outer, err = newNamespace(); err != nil {
		return demoRefused("make a network namespace", "CAP_SYS_ADMIN", err)
	}
	if b.inner, err = newNamespace(); err != nil {
		return demoRefused("make a network namespace", "CAP_SYS_ADMIN", err)
	}
	if b.bpffs, err = detachedBPFFS(); err != nil {
		return demoRefused("make a bpffs", "CAP_SYS_ADMIN, and Linux 5.2", err)
	}
	// Where the loader is to keep its pins: see docs of `load`.
	if err := os.Setenv("XDPFW_BPFFS", descriptorPath(b.bpffs)+"/xdp-fw"); err != nil {
		return err
	}
	if err := b.connect(); err != nil {
		return demoRefused("make a veth pair", "CAP_NET_ADMIN, and the kernel module veth", err)
	}
	if err := b.openSockets(); err != nil {
		return demoRefused("open packet sockets", "CAP_NET_RAW", err)
	}
	if err := b.openServers(); err != nil {
		return demoRefused("listen in a network namespace", "CAP_NET_BIND_SERVICE", err)
	}
	return nil
}

// demoRefused is the error for a step of building the bench, which takes what
// needs says.
func demoRefused(doing, needs string, err error) error {
	e := &loader.Error{Doing: doing, Why: err.Error() + ": it takes " + needs, Err: err}
	if errors.Is(err, unix.EPERM) {
		e.Help = "run the demo as root: sudo xdpfw demo, or sudo go run ./cmd/xdpfw demo"
	}
	return e
}

// newNamespace makes a network namespace that lives as long as the file is
// open.
func newNamespace() (namespace *os.File, err error) {
	const thread = "/proc/thread-self/ns/net"
	runtime.LockOSThread()
	own, err := os.Open(thread)
	if err != nil {
		runtime.UnlockOSThread()
		return nil, err
	}
	defer own.Close()
	if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
		runtime.UnlockOSThread()
		return nil, os.NewSyscallError("unshare", err)
	}
	namespace, err = os.Open(thread)
	if err := unix.Setns(int(own.Fd()), unix.CLONE_NEWNET); err != nil {
		return namespace, os.NewSyscallError("setns", err) // and the thread stays locked: it is in the wrong place
	}
	runtime.UnlockOSThread()
	return namespace, err
}

// detachedBPFFS is a BPF file system of its own, mounted on no path: pins in
// it live as long as the file is open (fsmount(2), Linux 5.2).
func detachedBPFFS() (*os.File, error) {
	context, err := unix.Fsopen("bpf", unix.FSOPEN_CLOEXEC)
	if err != nil {
		return nil, os.NewSyscallError("fsopen", err)
	}
	defer unix.Close(context)
	if err := unix.FsconfigCreate(context); err != nil {
		return nil, os.NewSyscallError("fsconfig", err)
	}
	mount, err := unix.Fsmount(context, unix.FSMOUNT_CLOEXEC, 0)
	if err != nil {
		return nil, os.NewSyscallError("fsmount", err)
	}
	return os.NewFile(uintptr(mount), "bpffs"), nil
}

// descriptorPath leads to an open file of this process.
func descriptorPath(f *os.File) string { return fmt.Sprintf("/proc/self/fd/%d", f.Fd()) }

// outside and inside call f in one of the namespaces.
func (b *demoBench) outside(f func() error) error {
	return loader.InNamespace(descriptorPath(b.outer), f)
}
func (b *demoBench) inside(f func() error) error {
	return loader.InNamespace(descriptorPath(b.inner), f)
}

// connect makes the veth pair. So that nothing is sent but what the demo
// sends, each end knows the other's link address and takes no IPv6 address.
func (b *demoBench) connect() error {
	outer, err := netlink.NewHandleAt(netns.NsHandle(b.outer.Fd()), unix.NETLINK_ROUTE)
	if err != nil {
		return err
	}
	defer outer.Close()
	inner, err := netlink.NewHandleAt(netns.NsHandle(b.inner.Fd()), unix.NETLINK_ROUTE)
	if err != nil {
		return err
	}
	defer inner.Close()

	attributes := netlink.NewLinkAttrs()
	attributes.Name = demoInterface
	err = outer.LinkAdd(&netlink.Veth{
		LinkAttrs: attributes, PeerName: demoInterface, PeerNamespace: netlink.NsFd(b.inner.Fd()),
	})
	if err != nil {
		return err
	}
	outerEnd, err := outer.LinkByName(demoInterface)
	if err != nil {
		return err
	}
	innerEnd, err := inner.LinkByName(demoInterface)
	if err != nil {
		return err
	}
	b.outerLink, b.innerLink = outerEnd.Attrs().HardwareAddr, innerEnd.Attrs().HardwareAddr
	err = errors.Join(
		bringUp(inner, innerEnd, demoInnerIP, demoOuterIP.Addr(), b.outerLink),
		bringUp(outer, outerEnd, demoOuterIP, demoInnerIP.Addr(), b.innerLink),
	)
	if err != nil {
		return err
	}
	return errors.Join(waitUntilUp(inner), waitUntilUp(outer))
}

// bringUp gives an end of the pair its address and its one neighbour.
func bringUp(namespace *netlink.Handle, end netlink.Link, address netip.Prefix, peer netip.Addr, peerLink net.HardwareAddr) error {
	const noAddress = 1 // IN6_ADDR_GEN_MODE_NONE
	if err := namespace.LinkSetIP6AddrGenMode(end, noAddress); err != nil && !errors.Is(err, unix.EAFNOSUPPORT) {
		return fmt.Errorf("keep IPv6 quiet: %w", err)
	}
	parsed, err := netlink.ParseAddr(address.String())
	if err != nil {
		return err
	}
	if err := namespace.AddrAdd(end, parsed); err != nil {
		return fmt.Errorf("add the address %v: %w", address, err)
	}
	if err := namespace.LinkSetUp(end); err != nil {
		return fmt.Errorf("bring %s up: %w", end.Attrs().Name, err)
	}
	return namespace.NeighAdd(&netlink.Neigh{
		LinkIndex: end.Attrs().Index, State: netlink.NUD_PERMANENT, IP: peer.AsSlice(), HardwareAddr: peerLink,
	})
}

// waitUntilUp waits until the kernel has noticed that both ends are up: what is
// sent before that is lost.
func waitUntilUp(namespace *netlink.Handle) error {
	for deadline := time.Now().Add(2 * time.Second); ; time.Sleep(time.Millisecond) {
		end, err := namespace.LinkByName(demoInterface)
		if err != nil {
			return err
		}
		if end.Attrs().OperState == netlink.OperUp {
			return nil
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("%s does not come up: its state is %v", demoInterface, end.Attrs().OperState)
		}
	}
}

// openSockets opens the sender and the two taps.
func (b *demoBench) openSockets() error {
	err := b.outside(func() (err error) {
		if b.sender, err = openFrameSocket(demoInterface, sends); err == nil {
			b.outerTap, err = openFrameSocket(demoInterface, seesSent)
		}
		return err
	})
	if err != nil {
		return err
	}
	return b.inside(func() (err error) {
		b.innerTap, err = openFrameSocket(demoInterface, seesReceived)
		return err
	})
}

// close gives everything back to the kernel: with the last descriptor of a
// namespace go its end of the pair, and with that the other end.
func (b *demoBench) close() {
	b.servers.close()
	for _, s := range []*frameSocket{b.sender, b.outerTap, b.innerTap} {
		if s != nil {
			s.close()
		}
	}
	for _, f := range []*os.File{b.bpffs, b.outer, b.inner} {
		if f != nil {
			f.Close()
		}
	}
}
