package loader

import (
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"
	"slices"

	"xdpfw/loader/frames"
)

// An arrival is a session whose frames come in on an interface.
type arrival struct {
	session
	to   net.HardwareAddr // whom the frames are for
	tags []frames.Tag     // VLAN tags of the frames, the outermost first
	from hop
	room int // size of the largest IP packet that may come, in bytes
}

// largestPacket is what an IP packet may have, in bytes.
const largestPacket = 0xffff

// A sender is what SSH clients of one kind put in their packets: whatever rules
// could tell them by.
type sender struct {
	name      string
	limit     uint8     // time to live
	class     uint8     // DSCP and ECN of a session, not of a connection that begins
	id        uint16    // of IPv4
	flowLabel uint32    // of IPv6
	window    [2]uint16 // of TCP: of a SYN, and later
	stamps    bool      // TCP timestamps (RFC 7323)
	ecn       uint8     // flags by which a SYN asks for ECN (RFC 3168, 6.1.1)
	greeting  string
}

// senders: first the most frequent one. Classes are AF21, EF, CS1 (without a
// terminal) and what was "low delay", as ssh_config(5) has had them as defaults of
// IPQoS.
var senders = []sender{
	{"OpenSSH on Linux", 64, 18 << 2, 0x6b1d, 0x3a5c7, [2]uint16{64240, 501}, true, 0, "SSH-2.0-OpenSSH_9.6\r\n"},
	{"OpenSSH 10.1 on Linux", 64, 46 << 2, 0x0e42, 0x8d110, [2]uint16{64240, 501}, true, 0, "SSH-2.0-OpenSSH_10.1\r\n"},
	{"OpenSSH on Linux without a terminal", 64, 8 << 2, 0x91aa, 0x1f2e3, [2]uint16{64240, 501}, true, 0, "SSH-2.0-OpenSSH_9.6\r\n"},
	{"OpenSSH 7.7 on macOS", 64, 4 << 2, 0, 0x50600, [2]uint16{65535, 2058}, true, frames.ECE | frames.CWR, "SSH-2.0-OpenSSH_7.7\r\n"},
	{"PuTTY on Windows", 128, 0, 0x1f37, 0, [2]uint16{64240, 1026}, false, 0, "SSH-2.0-PuTTY_Release_0.83\r\n"},
}

// farther is how many routers a packet may have passed, behind one at least:
// that cannot be told.
const farther = 12

// limits of packets that come from a hop.
func (s sender) limits(from hop) []uint8 {
	if from.router {
		return []uint8{s.limit - 1, s.limit - farther}
	}
	return []uint8{s.limit}
}

// options of TCP (RFC 9293, 3.2; RFC 7323; RFC 2018), with those that are sent in
// a SYN only.
func (s sender) options(syn bool) []byte {
	const stamp, echo = 0x4f0a31c7, 0x9c20be11
	stamps := binary.BigEndian.AppendUint32([]byte{8, 10}, stamp)
	switch {
	case !syn && s.stamps:
		return binary.BigEndian.AppendUint32(append([]byte{1, 1}, stamps...), echo)
	case !syn:
		return nil
	case s.stamps: // MSS 1460, SACK permitted, timestamps, window scale 7
		return append(append([]byte{2, 4, 5, 0xb4, 4, 2}, stamps...), 0, 0, 0, 0, 1, 3, 3, 7)
	default: // MSS 1460, window scale 8, SACK permitted
		return []byte{2, 4, 5, 0xb4, 1, 3, 3, 8, 1, 1, 4, 2}
	}
}

// A segment is one of those of a session that are asked about.
type segment struct {
	name    string
	flags   uint8
	fresh   bool // of a connection to come
	payload func(by sender, room int) []byte
	detail  bool // not worth a word if another segment is lost by the same rule
}

var segments = []segment{
	{"next TCP segment (ACK)", frames.ACK, false, func(sender, int) []byte { return nil }, false},
	{"next TCP data (PSH, ACK)", frames.PSH | frames.ACK, false, func(sender, int) []byte { return encrypted(36) }, false},
	{"next TCP connection (SYN)", frames.SYN, true, func(sender, int) []byte { return nil }, false},
	{"greeting of the next TCP connection (PSH, ACK)", frames.PSH | frames.ACK, true, func(s sender, _ int) []byte { return []byte(s.greeting) }, true},
	{"largest segment of the next TCP connection (ACK)", frames.ACK, true, func(_ sender, room int) []byte { return encrypted(room) }, true}, // keys are large
}

// sized are segments of other sizes, by which rules could tell them.
func sized() (list []segment) {
	for _, size := range []int{76, 164, 364, 732, 1196} {
		list = append(list, segment{
			fmt.Sprintf("next TCP data of %d bytes (PSH, ACK)", size), frames.PSH | frames.ACK, false,
			func(_ sender, room int) []byte { return encrypted(min(size, room)) }, true,
		})
	}
	return list
}

// encrypted bytes look like any.
func encrypted(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(i*i*167 + i*59 + 0xa7)
	}
	return b
}

// packet of a session. Linux and most others forbid to fragment TCP. A new
// connection comes from another port.
func (a arrival) packet(next segment, by sender, limit uint8) frames.Network {
	syn := next.flags == frames.SYN
	options := by.options(syn)
	header := 40
	if a.client.Addr().Is4() {
		header = 20
	}
	tcp := frames.TCP{
		From: a.client.Port(), To: a.server.Port(), Flags: next.flags, Seq: 0x2d81f04b, Ack: 0xb35e6aa9,
		Window: by.window[1], Options: options, Payload: next.payload(by, max(1, a.room-header-20-len(options))),
	}
	class := by.class
	if next.fresh {
		tcp.From ^= 1
		class = 0
	}
	const ect0 = 2 // RFC 3168, 5: of data, where ECN is used
	if by.ecn != 0 && tcp.Payload != nil {
		class |= ect0
	}
	if syn {
		tcp.Flags |= by.ecn
		tcp.Ack, tcp.Window = 0, by.window[0]
	}
	from, to := a.client.Addr(), a.server.Addr()
	if from.Is4() {
		return frames.IPv4{From: from, To: to, DF: true, ID: by.id, TTL: limit, TOS: class, Transport: tcp}
	}
	return frames.IPv6{From: from, To: to, HopLimit: limit, TrafficClass: class, FlowLabel: by.flowLabel, Transport: tcp}
}

// questions about a session: the segments, as each sender would have them. Of
// several that are lost by the same rule, those that are the same in another
// form are not worth a word.
func (a arrival) questions(origin string, kinds []sender) (asked []question) {
	for i, by := range kinds {
		for j, limit := range by.limits(a.from) {
			list := segments
			if len(kinds) > 1 && i == 0 && j == 0 {
				list = slices.Concat(segments, sized())
			}
			for _, next := range list {
				name := next.name
				if i > 0 || j > 0 {
					name += " as " + by.name + " sends it"
				}
				if j > 0 {
					name += fmt.Sprintf(" from behind %d routers", farther)
				}
				asked = append(asked, question{
					packet: name,
					of:     fmt.Sprintf(" of the SSH session %v > %v (found in %s)", a.client, a.server, origin),
					frame:  frames.Frame{From: a.from.link, To: a.to, Tags: a.tags, Network: a.packet(next, by, limit)},
					help:   fmt.Sprintf("pass tcp from %v to port %d", a.client.Addr(), a.server.Port()),
					detail: i > 0 || j > 0 || next.detail,
				})
			}
		}
	}
	return asked
}

// mostInDetail is of how many sessions the guard asks about each sender; of more
// it asks about the first. It takes its time with each packet and rule.
const mostInDetail = 16

// questions are what the guard asks about an interface with those addresses.
func questions(sessions []arrival, origin string, own []localAddress) []question {
	var asked []question
	for i, s := range sessions {
		kinds := senders
		if i >= mostInDetail {
			kinds = kinds[:1]
		}
		asked = append(asked, s.questions(origin, kinds)...)
	}
	for _, a := range own {
		first := len(asked)
		asked = append(asked, a.questions()...)
		for _, other := range a.instead {
			for i, q := range other.questions() {
				asked[first+i].or = append(asked[first+i].or, q.frame)
			}
		}
	}
	return asked
}

// A resolution is how addresses are found on the wire, in either direction.
type resolution struct {
	request, reply, help string
	ask                  func(link net.HardwareAddr, neighbor, own netip.Addr) frames.Frame
	answer               func(link net.HardwareAddr, neighbor netip.Addr, to net.HardwareAddr, own netip.Addr) frames.Frame
}

var (
	byARP       = resolution{"ARP request for ", "ARP reply to ", "pass arp", frames.ARPRequest, frames.ARPReply}
	byDiscovery = resolution{"neighbour solicitation for ", "neighbour advertisement to ", "pass icmp6", frames.NeighborSolicit, frames.NeighborAdvert}
)

// questions about an address: whether neighbours are found, and whether it is
// kept, should it be dynamic.
func (a localAddress) questions() (asked []question) {
	by := byDiscovery
	if a.address.Is4() {
		by = byARP
	}
	for _, neighbor := range a.neighbors {
		of := a.address.String()
		if !neighbor.invented {
			of += " from " + neighbor.address.String()
		}
		asked = append(asked,
			question{packet: by.request + of, frame: by.ask(neighbor.link, neighbor.address, a.address), help: by.help},
			question{packet: by.reply + of, frame: by.answer(neighbor.link, neighbor.address, a.link, a.address), help: by.help})
	}
	if a.address.Is4() {
		asked = append(asked, a.leases()...)
	} else {
		asked = append(asked, a.advertisements()...)
	}
	for i := range asked {
		asked[i].frame.Tags = a.tags
	}
	return asked
}

// leases are the answers of a DHCP server (RFC 2131, 4.1) that keep an IPv4
// address, should it be dynamic. That is a router, or anybody.
func (a localAddress) leases() (asked []question) {
	if !a.dynamic {
		return nil
	}
	servers := slices.DeleteFunc(slices.Clone(a.neighbors), func(h hop) bool { return !h.router })
	if len(servers) == 0 {
		servers = []hop{a.somebody()}
	}
	ask := func(from hop, to netip.Addr, link net.HardwareAddr, flags byte) {
		asked = append(asked, question{
			packet: fmt.Sprintf("DHCP answer to %v, which keeps the dynamic address %v", to, a.address),
			frame:  frames.Frame{From: from.link, To: link, Network: frames.IP(from.address, to, frames.UDP{From: 67, To: 68, Payload: a.lease(flags)})},
			help:   "pass udp from port 67 to port 68",
		})
	}
	const broadcast = 0x80
	for _, server := range servers {
		ask(server, a.address, a.link, 0)
		ask(server, netip.AddrFrom4([4]byte{255, 255, 255, 255}), net.HardwareAddr{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}, broadcast)
	}
	return asked
}

// lease is a DHCPACK (RFC 2131, 2).
func (a localAddress) lease(flags byte) []byte {
	const flagsAt, yourAddress, hardwareAddress, cookie = 10, 16, 28, 236
	b := make([]byte, 300)
	b[flagsAt] = flags
	copy(b, []byte{2, 1, 6}) // a reply over Ethernet, whose addresses have six bytes
	copy(b[yourAddress:], a.address.AsSlice())
	copy(b[hardwareAddress:], a.link)
	copy(b[cookie:], []byte{0x63, 0x82, 0x53, 0x63, 53, 1, 5, 255}) // the message is an ACK
	return b
}

// advertisements of routers keep an IPv6 address, should it be dynamic, and the
// routes that were made by them. An address without neighbours in its prefix is
// one of DHCP (RFC 8415).
func (a localAddress) advertisements() (asked []question) {
	from := a.announcers
	if a.dynamic && len(from) == 0 {
		from = []hop{{address: netip.MustParseAddr("fe80::1"), invented: true}}
	}
	for _, router := range from {
		by, kept := "", "dynamic address "+a.address.String()
		if !router.invented {
			by = " from " + router.address.String()
		}
		if !a.dynamic {
			kept = "routes that it made"
		}
		asked = append(asked, question{packet: "router advertisement" + by + ", which keeps the " + kept, frame: routerAdvertisement(router), help: "pass icmp6"})
		if a.dynamic && a.prefix.IsSingleIP() {
			asked = append(asked, question{
				packet: "DHCPv6 answer, which keeps the dynamic address " + a.address.String(),
				frame:  frames.Frame{From: router.link, To: a.link, Network: frames.IP(router.address, a.linkLocal, frames.UDP{From: 547, To: 546, Payload: make([]byte, 60)})},
				help:   "pass udp from port 547 to port 546",
			})
		}
	}
	return asked
}

// routerAdvertisement is one with a link address (RFC 4861, 4.2), to all nodes.
func routerAdvertisement(from hop) frames.Frame {
	const typeRouterAdvertisement, hopLimit64, lifetime = 134, 64 << 24, 1800
	payload := make([]byte, 8)
	if from.link != nil {
		payload = append(append(payload, 1, 1), from.link...)
	}
	return frames.Frame{
		From: from.link, To: net.HardwareAddr{0x33, 0x33, 0, 0, 0, 1},
		Network: frames.IPv6{
			From: from.address, To: netip.MustParseAddr("ff02::1"), HopLimit: 255,
			Transport: frames.ICMPv6{Type: typeRouterAdvertisement, Rest: hopLimit64 | lifetime, Payload: payload},
		},
	}
}
