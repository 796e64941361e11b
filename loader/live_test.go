package loader_test

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"xdpfw/codegen"
	"xdpfw/loader"
	"xdpfw/loader/frames"
	"xdpfw/rules"
)

// The rules of the founding example, by index.
const (
	dropUDP    = 0
	dropTCP80  = 1
	byDefault  = rules.ByDefault
	tcpToPort  = 443
	tcpBlocked = 80
)

// A sent is a frame that the test puts on the wire, and the rule that decides
// it: byDefault passes it.
type sent struct {
	name  string
	frame []byte
	rule  int
}

// The founding example on a real interface: frames of every kind that it must
// drop are dropped, the others arrive behind XDP, and the counters agree with
// what was sent, to the packet and to the byte. That the bytes are those of
// the whole frame shows that the program sees VLAN tags in the frame, and that
// no offload hides them.
func TestFoundingExampleOnAWire(t *testing.T) {
	wire := newWire(t)
	rs := wire.loadFounding(t)
	table := foundingFrames(t)

	arrivals := listen(t, wire.server.index)
	client := wire.packetSocket(t)
	for _, s := range table {
		if got := rs.Decide(rules.NewPacket(s.frame)).Rule; got != s.rule {
			t.Errorf("%s: the reference evaluator says rule %d, want %d", s.name, got, s.rule)
		}
		if err := unix.Sendto(client, s.frame, 0, &unix.SockaddrLinklayer{Ifindex: wire.client.index}); err != nil {
			t.Fatalf("%s: send: %v", s.name, err)
		}
	}

	last := table[len(table)-1]
	arrived := receiveUntil(t, arrivals, networkPart(last.frame))
	for _, s := range table {
		count := 0
		for _, frame := range arrived {
			if bytes.HasSuffix(frame, networkPart(s.frame)) {
				count++
			}
		}
		want := 0
		if s.rule == byDefault {
			want = 1
		}
		if count != want {
			t.Errorf("%s: arrived %d times, want %d", s.name, count, want)
		}
	}

	want := map[int]codegen.CounterValue{}
	for _, s := range table {
		c := want[s.rule]
		want[s.rule] = codegen.CounterValue{Packets: c.Packets + 1, Bytes: c.Bytes + uint64(len(s.frame))}
	}
	if diff := differentFrom(t, want); diff != "" {
		t.Error(diff)
	}
	for _, rule := range []int{dropUDP, dropTCP80, byDefault} {
		if want[rule].Packets < 5 {
			t.Errorf("only %d frames for rule %d: the table has shrunk", want[rule].Packets, rule)
		}
	}
}

// Ordinary sockets: what the client's stack sends, as a tap on its side sees
// it, is what the counters say, and TCP to an open port works while UDP and
// the closed port stay silent.
func TestFoundingExampleWithOrdinarySockets(t *testing.T) {
	wire := newWire(t)
	rs := wire.loadFounding(t)
	listener, err := net.Listen("tcp4", fmt.Sprintf("%v:%d", serverAddress, tcpToPort))
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	udp, err := net.ListenPacket("udp4", fmt.Sprintf("%v:%d", serverAddress, tcpToPort))
	if err != nil {
		t.Fatal(err)
	}
	defer udp.Close()

	var tap int
	wire.inClient(t, func() error {
		tap = listen(t, wire.client.index)
		if err := sendDatagrams(3); err != nil {
			return err
		}
		if err := connect(tcpBlocked); !errors.Is(err, unix.EINPROGRESS) && !errors.Is(err, unix.EAGAIN) {
			return fmt.Errorf("connect to port %d: %v, want no answer", tcpBlocked, err)
		}
		return connect(tcpToPort)
	})
	listener.(*net.TCPListener).SetDeadline(time.Now().Add(2 * time.Second))
	if c, err := listener.Accept(); err != nil {
		t.Errorf("TCP to port %d does not arrive: %v", tcpToPort, err)
	} else {
		c.Close()
	}
	udp.SetReadDeadline(time.Now().Add(100 * time.Millisecond))
	if n, _, err := udp.ReadFrom(make([]byte, 100)); err == nil {
		t.Errorf("UDP arrives: %d bytes", n)
	}

	want := map[int]codegen.CounterValue{}
	diff := "nothing was read"
	for deadline := time.Now().Add(3 * time.Second); diff != "" && time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		for _, frame := range outgoing(t, tap) {
			rule := rs.Decide(rules.NewPacket(frame)).Rule
			want[rule] = codegen.CounterValue{Packets: want[rule].Packets + 1, Bytes: want[rule].Bytes + uint64(len(frame))}
		}
		diff = differentFrom(t, want)
	}
	if diff != "" {
		t.Error(diff)
	}
	if want[dropUDP].Packets != 3 || want[dropTCP80].Packets == 0 || want[byDefault].Packets < 3 {
		t.Errorf("the client sent %v: want 3 datagrams, a SYN and a connection", want)
	}
}

// loadFounding attaches testdata/rules/founding.fw natively to the server's
// end of the wire.
func (w *wire) loadFounding(t *testing.T) *rules.RuleSet {
	t.Helper()
	file, err := rules.ReadFile(filepath.Join("..", "testdata", "rules", "founding.fw"))
	if err != nil {
		t.Fatal(err)
	}
	rs, diagnostics := rules.ParseAndCheck(file)
	if err := diagnostics.Err(); err != nil {
		t.Fatal(err)
	}
	obj, err := codegen.Compile(rs, codegen.Options{})
	if err != nil {
		t.Fatal(err)
	}
	// Force: the sessions of whoever runs the test are none of its business.
	attached, err := loader.Load(obj, loader.LoadOptions{Interfaces: []string{serverName}, Mode: loader.Native, Force: true, Rules: rs})
	if err != nil {
		t.Fatalf("%+v", err)
	}
	t.Cleanup(func() {
		if err := loader.Unload(serverName); err != nil {
			t.Errorf("unload: %v", err)
		}
	})
	if len(attached) != 1 || attached[0].Mode != loader.Native {
		t.Fatalf("attached %+v, want one interface in native mode", attached)
	}
	return rs
}

// differentFrom is "" if the counters on the server's end hold what is wanted,
// and nothing else.
func differentFrom(t *testing.T, want map[int]codegen.CounterValue) string {
	t.Helper()
	stats, err := loader.ReadStats(serverName)
	if err != nil {
		t.Fatal(err)
	}
	diff := ""
	for _, c := range append([]loader.CounterStat{stats.Default}, stats.Rules...) {
		if c.CounterValue != want[c.Rule] {
			diff += fmt.Sprintf("%q counted %+v, want %+v\n", c.Text, c.CounterValue, want[c.Rule])
		}
	}
	if len(stats.Rules) != 2 {
		diff += fmt.Sprintf("%d rules have counters, want 2", len(stats.Rules))
	}
	return diff
}

// networkPart is a frame from the network header on: what arrives unchanged,
// whether or not the stack took the tags off.
func networkPart(frame []byte) []byte {
	off := 12
	for frame[off] == 0x81 && frame[off+1] == 0 || frame[off] == 0x88 && frame[off+1] == 0xa8 || frame[off] == 0x91 {
		off += 4
	}
	return frame[off+2:]
}

// connect to a port of the server, and close; without an answer it gives up
// before the first SYN would be repeated.
func connect(port int) error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	if err := unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_SNDTIMEO, &unix.Timeval{Usec: 300_000}); err != nil {
		return err
	}
	return unix.Connect(fd, &unix.SockaddrInet4{Port: port, Addr: serverAddress.As4()})
}

func sendDatagrams(n int) error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	for range n {
		to := &unix.SockaddrInet4{Port: tcpToPort, Addr: serverAddress.As4()}
		if err := unix.Sendto(fd, []byte("an ordinary datagram"), 0, to); err != nil {
			return err
		}
	}
	return nil
}

// foundingFrames is a frame of every kind, each with a payload of its own.
func foundingFrames(t *testing.T) []sent {
	t.Helper()
	var table []sent
	add := func(rule int, name string, f frames.Frame) {
		b, err := f.Bytes()
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		table = append(table, sent{name, b, rule})
	}
	marker := func() []byte { return fmt.Appendf(nil, "marker %04d of the live test", len(table)) }
	udp := func() frames.Transport { return frames.UDP{From: 4000, To: 53, Payload: marker()} }
	tcp := func(port uint16) frames.Transport {
		return frames.TCP{From: 4000, To: port, Flags: frames.SYN, Window: 1000, Payload: marker()}
	}
	for _, family := range []struct {
		name     string
		from, to netip.Addr
	}{
		{"v4", frames.DefaultIP4From, frames.DefaultIP4To},
		{"v6", frames.DefaultIP6From, frames.DefaultIP6To},
	} {
		for _, tags := range [][]frames.Tag{nil, {{VID: 100}}, {{Type: frames.STag, VID: 200}, {VID: 100}}, {{Type: frames.QinQ, VID: 1}, {VID: 2}}} {
			name := fmt.Sprintf("%s with %d tags", family.name, len(tags))
			frame := func(transport frames.Transport) frames.Frame {
				return frames.Frame{Tags: tags, Network: frames.IP(family.from, family.to, transport)}
			}
			add(dropUDP, "UDP"+name, frame(udp()))
			add(dropTCP80, "TCP 80 "+name, frame(tcp(tcpBlocked)))
			add(byDefault, "TCP 443 "+name, frame(tcp(tcpToPort)))
		}
	}
	options := func(transport frames.Transport) frames.Frame {
		return frames.Frame{Network: frames.IPv4{Options: []byte{1, 1, 1, 1, 1, 1, 1, 0}, Transport: transport}}
	}
	add(dropUDP, "UDP behind IP options", options(udp()))
	add(dropTCP80, "TCP 80 behind IP options", options(tcp(tcpBlocked)))
	add(byDefault, "TCP 443 behind IP options", options(tcp(tcpToPort)))
	addExtensions(add, tcp)
	addFragments(t, add, marker)

	add(byDefault, "ping", frames.Frame{Network: frames.IPv4{Transport: frames.ICMP{Type: 8, Payload: marker()}}})
	add(byDefault, "ping v6", frames.Frame{Network: frames.IPv6{Transport: frames.ICMPv6{Type: 128, Payload: marker()}}})
	add(byDefault, "ARP", frames.Frame{Network: frames.ARP{}})
	add(byDefault, "the last frame", frames.Frame{Network: frames.IPv4{Transport: tcp(tcpToPort)}})
	return table
}

// addExtensions adds TCP behind each IPv6 extension header, and behind stacks.
func addExtensions(add func(int, string, frames.Frame), tcp func(uint16) frames.Transport) {
	kinds := []uint8{frames.HopByHop, frames.Routing, frames.Destination, frames.AH, frames.Fragment}
	stacks := [][]uint8{
		{frames.HopByHop, frames.Routing}, {frames.Destination, frames.Fragment, frames.AH}, kinds,
		{frames.HopByHop, frames.Destination, frames.Routing, frames.Destination, frames.AH, frames.Destination, frames.Fragment, frames.Destination},
	}
	for _, k := range kinds {
		stacks = append(stacks, []uint8{k})
	}
	for _, stack := range stacks {
		var extensions []frames.Extension
		for _, k := range stack {
			extensions = append(extensions, frames.Extension{Kind: k})
		}
		for _, port := range []uint16{tcpBlocked, tcpToPort} {
			rule := byDefault
			if port == tcpBlocked {
				rule = dropTCP80
			}
			add(rule, fmt.Sprintf("TCP %d behind extension headers %v", port, stack),
				frames.Frame{Network: frames.IPv6{Extensions: extensions, Transport: tcp(port)}})
		}
	}
}

// addFragments adds datagrams in fragments, and segments whose first fragment
// is tiny.
func addFragments(t *testing.T, add func(int, string, frames.Frame), marker func() []byte) {
	t.Helper()
	split := func(name string, f frames.Frame, size int, first, later int) {
		parts, err := f.Split(size, 7)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		for i, part := range parts {
			rule := later
			if i == 0 {
				rule = first
			}
			add(rule, fmt.Sprintf("%s, fragment %d", name, i), part)
		}
	}
	for id, family := range []struct{ from, to netip.Addr }{
		{frames.DefaultIP4From, frames.DefaultIP4To}, {frames.DefaultIP6From, frames.DefaultIP6To},
	} {
		packet := func(transport frames.Transport) frames.Frame {
			n := frames.IP(family.from, family.to, transport)
			if v4, ok := n.(frames.IPv4); ok {
				v4.ID = uint16(1000 + id)
				n = v4
			}
			return frames.Frame{Network: n}
		}
		name := fmt.Sprintf("to %v ", family.to)
		split("UDP "+name, packet(frames.UDP{From: 4000, To: 53, Payload: marker()}), 16, dropUDP, dropUDP)
		split("TCP 80 "+name, packet(frames.TCP{From: 4000, To: tcpBlocked, Payload: marker()}), 24, dropTCP80, byDefault)
		split("tiny TCP 80 "+name, packet(frames.TCP{From: 4001, To: tcpBlocked, Payload: marker()}), 8, dropTCP80, byDefault)
		split("TCP 443 "+name, packet(frames.TCP{From: 4002, To: tcpToPort, Payload: marker()}), 24, byDefault, byDefault)
	}
}

// requireBPF skips a test where the kernel's BPF is not to be had, with the
// reason; with XDPFW_REQUIRE_BPF=1 that is a failure.
func requireBPF(t *testing.T) {
	t.Helper()
	rs, diagnostics := rules.ParseAndCheck(rules.NewFile("probe.fw", []byte("default pass\n")))
	if err := diagnostics.Err(); err != nil {
		t.Fatal(err)
	}
	obj, err := codegen.Compile(rs, codegen.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := loader.Verify(obj); err != nil {
		if os.Getenv("XDPFW_REQUIRE_BPF") == "1" {
			t.Fatalf("BPF cannot be used: %v", err)
		}
		t.Skipf("BPF cannot be used: %v", err)
	}
}
