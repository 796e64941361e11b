package main

import (
	"fmt"
	"net"
	"os"
	"runtime"
	"slices"
	"unsafe"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"xdpfw/loader/bench"
)

// A wire is a veth pair in a network namespace of its own. The namespace has no
// name: it goes with this process, however that ends.
type wire struct {
	namespace *os.File
	near      int // index of the end that packets leave through
	far       int // and of the one that they arrive at
	link      link.Link
	sender    *bench.Sender
}

const (
	nearName = "near"
	farName  = "far"
)

// farMAC is the address of the far end: netfilter's hooks for IPv4 see only
// frames that are for the host.
var farMAC = net.HardwareAddr{2, 0, 0, 0, 0, 2}

// inside calls f on a thread that is in the wire's namespace.
func (w *wire) inside(f func() error) error {
	runtime.LockOSThread()
	own, err := os.Open("/proc/thread-self/ns/net")
	if err != nil {
		return err
	}
	defer own.Close()
	if err := unix.Setns(int(w.namespace.Fd()), unix.CLONE_NEWNET); err != nil {
		return fmt.Errorf("enter a network namespace: %w", err)
	}
	err = f()
	if back := unix.Setns(int(own.Fd()), unix.CLONE_NEWNET); back != nil {
		return back // the thread stays locked, and dies with the goroutine
	}
	runtime.UnlockOSThread()
	return err
}

// newNamespace makes a network namespace and leaves the thread where it was.
func newNamespace() (*os.File, error) {
	runtime.LockOSThread()
	own, err := os.Open("/proc/thread-self/ns/net")
	if err != nil {
		return nil, err
	}
	defer own.Close()
	if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
		return nil, fmt.Errorf("make a network namespace: %w", err)
	}
	made, err := os.Open("/proc/thread-self/ns/net")
	if err != nil {
		return nil, err
	}
	if err := unix.Setns(int(own.Fd()), unix.CLONE_NEWNET); err != nil {
		return nil, err
	}
	runtime.UnlockOSThread()
	return made, nil
}

// newWire that the packets of a trace are sent over, with a program at the far
// end, attached natively.
func newWire(t *bench.Trace, program *ebpf.Program) (w *wire, err error) {
	w = &wire{}
	defer func() {
		if err != nil {
			w.Close()
		}
	}()
	if w.namespace, err = newNamespace(); err != nil {
		return nil, err
	}
	return w, w.inside(func() error { return w.lay(t, program) })
}

func (w *wire) lay(t *bench.Trace, program *ebpf.Program) (err error) {
	// Neither end says a word of its own.
	if err := os.WriteFile("/proc/sys/net/ipv6/conf/default/disable_ipv6", []byte("1"), 0); err != nil {
		return err
	}
	pair := &netlink.Veth{LinkAttrs: netlink.LinkAttrs{Name: nearName, MTU: 1500}, PeerName: farName, PeerHardwareAddr: farMAC}
	if err := netlink.LinkAdd(pair); err != nil {
		return fmt.Errorf("add a veth pair: %w", err)
	}
	for name, index := range map[string]*int{"lo": nil, nearName: &w.near, farName: &w.far} {
		l, err := netlink.LinkByName(name)
		if err != nil {
			return err
		}
		if err := netlink.LinkSetUp(l); err != nil {
			return err
		}
		if index != nil {
			*index = l.Attrs().Index
		}
	}
	w.link, err = link.AttachXDP(link.XDPOptions{Program: program, Interface: w.far, Flags: link.XDPDriverMode})
	if err != nil {
		return fmt.Errorf("attach to a veth device: %w", err)
	}
	// XDP turns it on, and frames that are passed would wait to be merged.
	if err := turnOffGRO(farName); err != nil {
		return err
	}
	w.sender, err = bench.NewSender(t, w.near)
	return err
}

// turnOffGRO of a device (include/uapi/linux/ethtool.h).
func turnOffGRO(device string) error {
	const setGRO = 0x2c // ETHTOOL_SGRO
	value := struct{ command, data uint32 }{command: setGRO}
	request := struct {
		name [unix.IFNAMSIZ]byte
		data unsafe.Pointer
		_    [16]byte
	}{data: unsafe.Pointer(&value)}
	copy(request.name[:], device)
	socket, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(socket)
	if _, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(socket), unix.SIOCETHTOOL, uintptr(unsafe.Pointer(&request))); errno != 0 {
		return fmt.Errorf("turn off GRO: %w", errno)
	}
	return nil
}

// send segments of packets over the wire; the result is the nanoseconds a packet
// of the fastest. It is an error if not all arrive.
func (w *wire) send(segments, packets int) (fastest float64, err error) {
	err = w.inside(func() error {
		before, err := arrived()
		if err != nil {
			return err
		}
		ns, sent, err := w.sender.Send(segments, packets)
		if err != nil {
			return err
		}
		fastest = slices.Min(ns)
		after, err := arrived()
		if err != nil {
			return err
		}
		if after-before != sent {
			return fmt.Errorf("%d frames were sent, %d arrived", sent, after-before)
		}
		return nil
	})
	return fastest, err
}

// arrived frames at the far end.
func arrived() (uint64, error) {
	l, err := netlink.LinkByName(farName)
	if err != nil {
		return 0, err
	}
	return l.Attrs().Statistics.RxPackets, nil
}

// Close detaches the program and removes the devices.
func (w *wire) Close() {
	if w.sender != nil {
		w.sender.Close()
	}
	if w.link != nil {
		w.link.Close()
	}
	if w.namespace != nil {
		w.namespace.Close()
	}
}
