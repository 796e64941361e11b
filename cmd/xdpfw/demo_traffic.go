package main

import (
	"errors"
	"net"
	"net/netip"
	"os"
	"strconv"
	"time"

	"xdpfw/loader/frames"
)

// A demoKind is packets of one kind that the demo sends.
type demoKind struct {
	name   string
	frames []frames.Frame // sent as they are; or else
	talk   *demoTalk
}

// A demoTalk is traffic of ordinary sockets through the kernel's own stack.
type demoTalk struct {
	try     func() (answered bool, err error)
	yes, no string // what the sender saw
}

// How long the demo waits for an answer. TCP sends its first SYN again after
// one second, so less than that: a dropped connect is one frame.
const demoPatience = 200 * time.Millisecond

// Ports of the demo's servers.
const (
	demoHTTP  = 80
	demoHTTPS = 443
	demoDNS   = 53
)

// demoKinds is all that the demo sends, what is plain first.
func demoKinds(b *demoBench) []demoKind {
	v4 := func(t frames.Transport) frames.IPv4 { return frames.IPv4{To: demoInnerIP.Addr(), Transport: t} }
	v6 := func(t frames.Transport, extensions ...frames.Extension) frames.Frame {
		return b.frame(frames.IPv6{Extensions: extensions, Transport: t})
	}
	udp := frames.UDP{From: 5353, To: demoDNS, Payload: []byte("thirty-two bytes for two packets")}
	http := frames.TCP{From: 50080, To: demoHTTP, Flags: frames.SYN, Window: 64240}
	https := frames.TCP{From: 50443, To: demoHTTPS, Flags: frames.SYN, Window: 64240}

	tagged, doubleTagged, withOptions := b.frame(v4(udp)), b.frame(v4(udp)), v4(udp)
	tagged.Tags = []frames.Tag{{VID: 100}}
	doubleTagged.Tags = []frames.Tag{{Type: frames.STag, VID: 100}, {VID: 200}}
	withOptions.Options = []byte{1, 1, 1, 0} // three times nothing, end of the list
	var behindExtensions []frames.Frame
	for _, kind := range []uint8{frames.HopByHop, frames.Routing, frames.Destination, frames.Fragment, frames.AH} {
		behindExtensions = append(behindExtensions, v6(http, frames.Extension{Kind: kind}))
	}

	return []demoKind{
		{name: "ARP request", frames: []frames.Frame{
			frames.ARPRequest(b.outerLink, demoOuterIP.Addr(), demoInnerIP.Addr())}},
		{name: "ping", talk: &demoTalk{b.ping, "answered", "no answer"}},
		{name: "TCP connect to port 443", talk: &demoTalk{b.dials(demoHTTPS), "connected", "no answer"}},
		{name: "TCP connect to port 80", talk: &demoTalk{b.dials(demoHTTP), "connected", "no answer"}},
		{name: "UDP datagram to port 53", talk: &demoTalk{b.sendDatagram, "received", "not received"}},
		{name: "UDP with an 802.1Q tag", frames: []frames.Frame{tagged}},
		{name: "UDP with two tags (QinQ)", frames: []frames.Frame{doubleTagged}},
		{name: "UDP behind IPv4 options", frames: []frames.Frame{b.frame(withOptions)}},
		{name: "UDP in two IPv4 fragments", frames: split(b.frame(v4(udp)), 24)},
		{name: "TCP 80, first fragment of 8 bytes", frames: split(b.frame(v4(http)), 8)[:1]},
		{name: "IPv6 neighbour solicitation", frames: []frames.Frame{
			frames.NeighborSolicit(b.outerLink, frames.DefaultIP6From, frames.DefaultIP6To)}},
		{name: "IPv6 ping", frames: []frames.Frame{v6(frames.ICMPv6{Type: 128, Rest: 1})}},
		{name: "UDP over IPv6", frames: []frames.Frame{v6(udp)}},
		{name: "UDP in two IPv6 fragments", frames: split(v6(udp), 24)},
		{name: "TCP 443 over IPv6", frames: []frames.Frame{v6(https)}},
		{name: "TCP 80 behind 5 IPv6 extension headers", frames: behindExtensions},
	}
}

// frame is a packet from the outer end to the inner. Its source is nobody's,
// or what passes would be answered, and the answer again.
func (b *demoBench) frame(packet frames.Network) frames.Frame {
	return frames.Frame{From: b.outerLink, To: b.innerLink, Network: packet}
}

// split cuts a frame that is known to be right.
func split(f frames.Frame, size int) []frames.Frame {
	all, err := f.Split(size, 1)
	if err != nil {
		panic(err)
	}
	return all
}

// send sends what the kind is; answered is what a talk saw.
func (b *demoBench) send(kind demoKind) (answered bool, err error) {
	if kind.talk != nil {
		return kind.talk.try()
	}
	for _, f := range kind.frames {
		frame, err := f.Bytes()
		if err != nil {
			return false, err
		}
		if err := b.sender.send(frame); err != nil {
			return false, err
		}
	}
	return false, nil
}

// demoServers are listening sockets in the inner namespace.
type demoServers struct {
	tcp []net.Listener
	udp net.PacketConn
}

func (b *demoBench) openServers() error {
	return b.inside(func() error {
		for _, port := range []uint16{demoHTTP, demoHTTPS} {
			listener, err := net.Listen("tcp4", innerAddress(port))
			if err != nil {
				return err
			}
			b.servers.tcp = append(b.servers.tcp, listener)
		}
		var err error
		b.servers.udp, err = net.ListenPacket("udp4", innerAddress(demoDNS))
		return err
	})
}

func (s *demoServers) close() {
	for _, listener := range s.tcp {
		listener.Close()
	}
	if s.udp != nil {
		s.udp.Close()
	}
}

func innerAddress(port uint16) string {
	return netip.AddrPortFrom(demoInnerIP.Addr(), port).String()
}

// ping sends an ICMP echo request and waits for the reply.
func (b *demoBench) ping() (answered bool, err error) {
	var conn *net.IPConn
	err = b.outside(func() error {
		conn, err = net.DialIP("ip4:icmp", nil, &net.IPAddr{IP: demoInnerIP.Addr().AsSlice()})
		return err
	})
	if err != nil {
		return false, err
	}
	defer conn.Close()
	request := []byte{8, 0, 0xf7, 0xfe, 0, 0, 0, 1} // type, code, checksum, identifier, sequence number
	if _, err := conn.Write(request); err != nil {
		return false, err
	}
	return readsWithin(demoPatience, conn)
}

// readsWithin says whether a packet comes within the time.
func readsWithin(patience time.Duration, conn net.PacketConn) (bool, error) {
	if err := conn.SetReadDeadline(time.Now().Add(patience)); err != nil {
		return false, err
	}
	var packet [1500]byte
	_, _, err := conn.ReadFrom(packet[:])
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return false, nil
	}
	return err == nil, err
}

// dials is a connect to a port, given up with a reset as soon as it is there.
func (b *demoBench) dials(port uint16) func() (bool, error) {
	return func() (answered bool, err error) {
		err = b.outside(func() error {
			conn, err := net.DialTimeout("tcp4", innerAddress(port), demoPatience)
			var failed net.Error
			if errors.As(err, &failed) && failed.Timeout() {
				return nil
			}
			if err != nil {
				return err
			}
			answered = true
			return errors.Join(conn.(*net.TCPConn).SetLinger(0), conn.Close())
		})
		return answered, err
	}
}

// sendDatagram sends one to the UDP server.
func (b *demoBench) sendDatagram() (received bool, err error) {
	err = b.outside(func() error {
		conn, err := net.Dial("udp4", innerAddress(demoDNS))
		if err != nil {
			return err
		}
		_, err = conn.Write([]byte("port " + strconv.Itoa(demoDNS)))
		return errors.Join(err, conn.Close())
	})
	if err != nil {
		return false, err
	}
	return readsWithin(demoPatience, b.servers.udp)
}
