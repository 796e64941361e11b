package loader_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"net"
	"net/netip"
	"os"
	"runtime"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// A wire is a veth pair between two network namespaces. The test's own thread
// is in the server's, both die with the test, and neither end says a word that
// it is not asked to: no IPv6 of its own, and the neighbours are known.
type wire struct {
	server, client end
	clientSpace    *os.File // the client's namespace
}

type end struct {
	index int
	mac   net.HardwareAddr
}

const (
	serverName = "live-server"
	clientName = "live-client"
)

// From the block for benchmarks, RFC 2544.
var (
	serverAddress = netip.MustParseAddr("198.18.0.1")
	clientAddress = netip.MustParseAddr("198.18.0.2")
)

func newWire(t *testing.T) *wire {
	t.Helper()
	requireBPF(t)
	ownFolderForPins(t)
	runtime.LockOSThread() // never unlocked: the thread ends with the test
	client := quietNamespace(t)
	server := quietNamespace(t)
	t.Cleanup(func() { client.Close(); server.Close() })

	// The thread is in the server's namespace, the last one made.
	w := &wire{clientSpace: client}
	w.server.mac = net.HardwareAddr{2, 0, 0, 0, 1, 1}
	w.client.mac = net.HardwareAddr{2, 0, 0, 0, 1, 2}
	pair := &netlink.Veth{
		LinkAttrs: netlink.LinkAttrs{Name: serverName, HardwareAddr: w.server.mac, MTU: 1500},
		PeerName:  clientName, PeerHardwareAddr: w.client.mac, PeerNamespace: netlink.NsFd(client.Fd()),
	}
	if err := netlink.LinkAdd(pair); err != nil {
		t.Fatalf("add veth pair: %v", err)
	}
	w.server.index = bringUp(t, serverName, serverAddress, clientAddress, w.client.mac)
	w.inClient(t, func() error {
		w.client.index = bringUp(t, clientName, clientAddress, serverAddress, w.server.mac)
		return nil
	})
	w.waitForCarrier(t)
	return w
}

// ownFolderForPins mounts a bpffs of the test's own.
func ownFolderForPins(t *testing.T) {
	t.Helper()
	dir := t.TempDir()
	if err := unix.Mount("bpf", dir, "bpf", 0, "mode=0700"); err != nil {
		t.Fatalf("mount bpffs: %v", err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(dir, unix.MNT_DETACH); err != nil {
			t.Errorf("unmount %s: %v", dir, err)
		}
	})
	t.Setenv("XDPFW_BPFFS", dir)
}

// quietNamespace moves the thread to a new namespace, where no interface gets
// IPv6 addresses, asks for routers or joins groups by itself.
func quietNamespace(t *testing.T) *os.File {
	t.Helper()
	if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
		t.Fatalf("make a network namespace: %v", err)
	}
	err := os.WriteFile("/proc/sys/net/ipv6/conf/default/disable_ipv6", []byte("1"), 0)
	if err != nil && !errors.Is(err, os.ErrNotExist) { // a kernel without IPv6 is quiet enough
		t.Fatal(err)
	}
	space, err := os.Open("/proc/thread-self/ns/net")
	if err != nil {
		t.Fatal(err)
	}
	return space
}

// bringUp sets an interface up with an address and a neighbour that nobody has
// to ask for, and returns its index.
func bringUp(t *testing.T, name string, own, peer netip.Addr, peerMAC net.HardwareAddr) int {
	t.Helper()
	l, err := netlink.LinkByName(name)
	if err != nil {
		t.Fatal(err)
	}
	index := l.Attrs().Index
	address := &netlink.Addr{IPNet: &net.IPNet{IP: own.AsSlice(), Mask: net.CIDRMask(24, 32)}}
	neighbour := &netlink.Neigh{LinkIndex: index, IP: peer.AsSlice(), HardwareAddr: peerMAC, State: netlink.NUD_PERMANENT}
	for _, step := range []struct {
		name string
		err  error
	}{
		{"add address", netlink.AddrAdd(l, address)},
		{"set up", netlink.LinkSetUp(l)},
		{"add neighbour", netlink.NeighAdd(neighbour)},
	} {
		if step.err != nil {
			t.Fatalf("%s: %s: %v", name, step.name, step.err)
		}
	}
	return index
}

func (w *wire) waitForCarrier(t *testing.T) {
	t.Helper()
	for deadline := time.Now().Add(5 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		l, err := netlink.LinkByName(serverName)
		if err != nil {
			t.Fatal(err)
		}
		if l.Attrs().OperState == netlink.OperUp {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s has no carrier", serverName)
		}
	}
}

// inClient calls f on this thread while it is in the client's namespace.
func (w *wire) inClient(t *testing.T, f func() error) {
	t.Helper()
	own, err := os.Open("/proc/thread-self/ns/net")
	if err != nil {
		t.Fatal(err)
	}
	defer own.Close()
	if err := unix.Setns(int(w.clientSpace.Fd()), unix.CLONE_NEWNET); err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := unix.Setns(int(own.Fd()), unix.CLONE_NEWNET); err != nil {
			t.Fatal(err)
		}
	}()
	if err := f(); err != nil {
		t.Fatal(err)
	}
}

// packetSocket sends frames as they are from the client's end.
func (w *wire) packetSocket(t *testing.T) int {
	t.Helper()
	var fd int
	w.inClient(t, func() (err error) {
		fd, err = unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0)
		return err
	})
	t.Cleanup(func() { unix.Close(fd) })
	return fd
}

// listen opens a socket of this thread's namespace that sees every frame of an
// interface: the received ones behind XDP, and the ones sent.
func listen(t *testing.T, index int) int {
	t.Helper()
	all := binary.NativeEndian.Uint16(binary.BigEndian.AppendUint16(nil, unix.ETH_P_ALL))
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(fd) })
	for _, set := range []error{
		unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, 4<<20),
		unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &unix.Timeval{Sec: 3}),
		unix.Bind(fd, &unix.SockaddrLinklayer{Protocol: all, Ifindex: index}),
	} {
		if set != nil {
			t.Fatal(set)
		}
	}
	return fd
}

// receiveUntil is the frames received up to one that ends as given.
func receiveUntil(t *testing.T, fd int, last []byte) [][]byte {
	t.Helper()
	var received [][]byte
	for {
		buffer := make([]byte, 2048)
		n, from, err := unix.Recvfrom(fd, buffer, 0)
		if err != nil {
			t.Fatalf("after %d frames, the last one sent does not arrive: %v", len(received), err)
		}
		if from.(*unix.SockaddrLinklayer).Pkttype == unix.PACKET_OUTGOING {
			continue
		}
		received = append(received, buffer[:n])
		if bytes.HasSuffix(buffer[:n], last) {
			return received
		}
	}
}

// outgoing is the frames sent from an interface since the last call.
func outgoing(t *testing.T, fd int) [][]byte {
	t.Helper()
	var sent [][]byte
	for {
		buffer := make([]byte, 2048)
		n, from, err := unix.Recvfrom(fd, buffer, unix.MSG_DONTWAIT)
		if errors.Is(err, unix.EAGAIN) {
			return sent
		}
		if err != nil {
			t.Fatal(err)
		}
		if from.(*unix.SockaddrLinklayer).Pkttype == unix.PACKET_OUTGOING {
			sent = append(sent, buffer[:n])
		}
	}
}
