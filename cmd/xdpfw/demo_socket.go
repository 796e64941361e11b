package main

import (
	"errors"
	"net"
	"os"
	"slices"

	"golang.org/x/sys/unix"
)

// A frameSocket sends or sees whole Ethernet frames of one interface
// (packet(7)). It belongs to the network namespace that it was opened in.
type frameSocket struct {
	fd    int
	index int // of the interface
	use   frameUse
}

// A frameUse is what a frameSocket is for.
type frameUse uint8

const (
	sends        frameUse = iota
	seesSent              // frames that leave through the interface
	seesReceived          // frames that arrived, and that XDP has passed
)

func openFrameSocket(iface string, use frameUse) (*frameSocket, error) {
	found, err := net.InterfaceByName(iface)
	if err != nil {
		return nil, err
	}
	protocol := 0 // nothing is received
	if use != sends {
		protocol = bigEndian16(unix.ETH_P_ALL)
	}
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return nil, os.NewSyscallError("socket", err)
	}
	s := &frameSocket{fd, found.Index, use}
	if err := unix.Bind(fd, &unix.SockaddrLinklayer{Ifindex: s.index, Protocol: uint16(protocol)}); err != nil {
		s.close()
		return nil, os.NewSyscallError("bind", err)
	}
	return s, nil
}

// bigEndian16 is n as the kernel's __be16 holds it on the little-endian
// machines that xdpfw runs on.
func bigEndian16(n uint16) int { return int(n>>8 | n<<8) }

func (s *frameSocket) close() { unix.Close(s.fd) }

func (s *frameSocket) send(frame []byte) error {
	return os.NewSyscallError("sendto", unix.Sendto(s.fd, frame, 0, &unix.SockaddrLinklayer{Ifindex: s.index}))
}

// seen takes the frames that have come since it was last called. Of received
// frames the kernel has moved the outer VLAN tag elsewhere.
func (s *frameSocket) seen() (frames [][]byte, err error) {
	var buffer [1 << 16]byte
	for {
		n, from, err := unix.Recvfrom(s.fd, buffer[:], 0)
		switch {
		case errors.Is(err, unix.EAGAIN):
			return frames, nil
		case errors.Is(err, unix.EINTR):
			continue
		case err != nil:
			return frames, os.NewSyscallError("recvfrom", err)
		}
		link, ok := from.(*unix.SockaddrLinklayer)
		if ok && (link.Pkttype == unix.PACKET_OUTGOING) == (s.use == seesSent) {
			frames = append(frames, slices.Clone(buffer[:n]))
		}
	}
}
