package loader

import (
	"net"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// The packets are as the client sends them: with data, not to be fragmented, from
// the address on the wire of whoever is next, who is also asked for; and who
// answers for it. Time to live is less behind a router.
func TestGuardAsksWhatTheClientSends(t *testing.T) {
	ownMachine(t)
	withoutLinkLocal(t)
	vethPair(t, "in0", "out0")
	addAddress(t, "in0", "198.51.100.1/24", 0)
	on, err := netlink.LinkByName("in0")
	if err != nil {
		t.Fatal(err)
	}
	router := net.IPv4(198, 51, 100, 254)
	for ip, last := range map[*net.IP]byte{&router: 0xfe, new(net.IPv4(198, 51, 100, 9)): 9} {
		if err := netlink.NeighAdd(&netlink.Neigh{LinkIndex: on.Attrs().Index, IP: *ip, HardwareAddr: net.HardwareAddr{2, 7, 7, 7, 7, last}, State: netlink.NUD_PERMANENT}); err != nil {
			t.Fatal(err)
		}
	}
	if err := netlink.RouteAdd(&netlink.Route{LinkIndex: on.Attrs().Index, Gw: router}); err != nil {
		t.Fatal(err)
	}
	const near, far, none = "198.51.100.9 50022 198.51.100.1 22", "203.0.113.9 50022 198.51.100.1 22", ""
	for _, c := range []struct{ session, rule, why string }{
		{near, "drop tcp flags psh", "the next TCP data (PSH, ACK)"},
		{near, "drop ip.df 1", "the next TCP segment (ACK)"},
		{near, "drop eth.src == 02:07:07:07:07:09", "the next TCP segment (ACK)"},
		{near, "drop arp.spa == 198.51.100.9", "the ARP request for 198.51.100.1 from 198.51.100.9"},
		{near, "drop arp.spa == 198.51.100.254", "the ARP reply to 198.51.100.1 from 198.51.100.254"},
		{near, "drop ip.ttl != { 64, 128 }", ""},
		{near, "drop ip.ttl != 64", "the next TCP segment (ACK) as PuTTY on Windows sends it of the SSH session"},
		{near, "drop eth.src == 02:07:07:07:07:08", ""},
		{far, "drop eth.src == 02:07:07:07:07:fe", "the next TCP connection (SYN)"},
		{far, "drop ip.ttl != 64", "the next TCP data (PSH, ACK)"},
		{far, "drop ip.ttl > 62", "the next TCP segment (ACK), the next TCP data (PSH, ACK), the next TCP connection (SYN) of the SSH session"},
		{far, "drop ip.ttl < 60", "the next TCP segment (ACK) as OpenSSH on Linux sends it from behind 12 routers of the SSH session"},
		{near, "drop ip.dscp af21", "the next TCP segment (ACK), the next TCP data (PSH, ACK) of the SSH session"},
		{near, "drop ip.dscp ef", "the next TCP segment (ACK) as OpenSSH 10.1 on Linux sends it"},
		{near, "drop ip.dscp != 0 tcp flags syn", ""}, // it is not marked yet
		{near, "drop tcp.off > 5", "the next TCP segment (ACK)"},
		{near, "drop tcp.off 5", "as PuTTY on Windows sends it"},
		{near, "drop tcp.off < 8 tcp flags syn", ""},
		{near, "drop tcp.window > 60000", "the next TCP connection (SYN)"},
		{near, "drop ip.id != 0", "the next TCP segment (ACK)"},
		{near, "drop ip.id 0", "as OpenSSH 7.7 on macOS sends it"},
		{near, "drop tcp.ack 0 tcp flags ack", ""},
		{near, "drop tcp flags ece", "the next TCP connection (SYN) as OpenSSH 7.7 on macOS sends it"},
		{near, "drop len > 1000", "refuses: `drop len > 1000` (rules.fw:2) would drop the largest segment of the next TCP connection (ACK) of the SSH session"},
		{near, "drop len > 1514", ""},
		{near, "drop len 200-1400", "would drop the next TCP data of 164 bytes (PSH, ACK) of the SSH session"},
		{near, "big: drop tcp len 500-1000", "refuses: `big: drop tcp len 500-1000` (rules.fw:2) would drop the next TCP data of 732 bytes (PSH, ACK) of the SSH session"},
		{near, "drop ip.dscp cs1", "as OpenSSH on Linux without a terminal sends it"},
		{near, "drop ip.ecn ect0", "as OpenSSH 7.7 on macOS sends it"},
		{far, "drop arp.spa == 198.51.100.9", ""},
		{near, "pass tcp from port 50022 to port 22\ndrop tcp to port 22", "the next TCP connection (SYN)"},
		{none, "drop arp.spa == 198.51.100.254", "the ARP request for 198.51.100.1 from 198.51.100.254"},
	} {
		t.Setenv("SSH_CONNECTION", c.session)
		obj, rs := compiled(t, "default pass\n"+c.rule+"\n")
		_, err := Load(obj, LoadOptions{Interfaces: []string{"in0"}, Rules: rs})
		if c.why != "" {
			mustRefuse(t, err, c.why, "")
		} else if err != nil {
			t.Errorf("%s: %v", c.rule, err)
		}
	}
}

// Routers need not be in the prefix of an address, nor of its family, nor be
// configured.
func TestGuardAsksAboutRouters(t *testing.T) {
	router := net.ParseIP("fe80::fe")
	for name, c := range map[string]struct {
		address   string
		route     *netlink.Route
		session   string
		lost, why string // a rule that is refused
		kept      string // and one that is not
	}{
		"router outside of the prefix": {
			"198.51.100.1/32", &netlink.Route{Gw: net.IPv4(203, 0, 113, 254), Flags: int(netlink.FLAG_ONLINK)}, "192.0.2.9 5 198.51.100.1 22",
			"drop arp.spa == 203.0.113.254", "the ARP request for 198.51.100.1 from 203.0.113.254", "pass arp.spa == 203.0.113.254\ndrop arp",
		},
		"router of several": {
			"198.51.100.1/24", &netlink.Route{MultiPath: []*netlink.NexthopInfo{{Gw: net.IPv4(198, 51, 100, 254)}, {Gw: net.IPv4(198, 51, 100, 253)}}}, "",
			"drop arp.spa == 198.51.100.253", "the ARP request for 198.51.100.1 from 198.51.100.253", "",
		},
		"router of the other family": {
			"198.51.100.1/32", &netlink.Route{Via: &netlink.Via{AddrFamily: netlink.FAMILY_V6, Addr: router}}, "192.0.2.9 5 198.51.100.1 22",
			"drop icmp6 from fe80::fe", "the neighbour solicitation for fe80::1 from fe80::fe", "drop icmp6 from fe80::fd",
		},
		"router that announces itself": {
			"2001:db8::1/64", &netlink.Route{Gw: router, Protocol: unix.RTPROT_RA}, "",
			"drop icmp6 type 134", "the router advertisement from fe80::fe, which keeps the routes that it made", "pass icmp6 type 134 from fe80::fe\ndrop icmp6 type 134",
		},
		"router that does not": {"2001:db8::1/64", &netlink.Route{Gw: router}, "", "drop icmp6 from fe80::fe", "from fe80::fe", "drop icmp6 type 134"},
		"session between addresses of the link": {
			"198.51.100.1/32", nil, "fe80::9%in0 5 fe80::1%in0 22",
			"drop eth.src == 02:07:07:07:07:07", "the next TCP connection (SYN) of the SSH session [fe80::9]:5 > [fe80::1]:22", "drop ip6.hoplimit < 64",
		},
	} {
		t.Run(name, func(t *testing.T) {
			ownMachine(t)
			withoutLinkLocal(t)
			index := vethPair(t, "in0", "out0")
			addAddress(t, "in0", "fe80::1/64", 0)
			addAddress(t, "in0", c.address, 0)
			for ip, last := range map[string]byte{"203.0.113.254": 1, "fe80::fe": 2, "fe80::9": 7} {
				if err := netlink.NeighAdd(&netlink.Neigh{LinkIndex: index, IP: net.ParseIP(ip), HardwareAddr: net.HardwareAddr{2, 7, 7, 7, 7, last}, State: netlink.NUD_PERMANENT}); err != nil {
					t.Fatal(err)
				}
			}
			if c.route != nil {
				c.route.LinkIndex = index
				if c.route.Gw == nil { // the default has to be said
					c.route.Dst = &net.IPNet{IP: net.IPv4zero.To4(), Mask: net.CIDRMask(0, 32)}
				}
				for _, by := range c.route.MultiPath {
					by.LinkIndex = index
				}
				if err := netlink.RouteAdd(c.route); err != nil {
					t.Fatal(err)
				}
			}
			t.Setenv("SSH_CONNECTION", c.session)
			obj, rs := compiled(t, "default pass\n"+c.lost+"\n")
			_, err := Load(obj, LoadOptions{Interfaces: []string{"in0"}, Rules: rs})
			mustRefuse(t, err, c.why, "")
			if c.kept != "" {
				obj, rs = compiled(t, "default pass\n"+c.kept+"\n")
				mustLoad(t, obj, LoadOptions{Interfaces: []string{"in0"}, Rules: rs})
			}
		})
	}
}

// A router has as many routes as the Internet, and few neighbours.
func TestGuardAmongManyRoutes(t *testing.T) {
	ownMachine(t)
	index := vethPair(t, "in0", "out0")
	addAddress(t, "in0", "198.51.100.1/24", 0)
	const routes, gateways = 5000, 7
	for n := range routes {
		err := netlink.RouteAdd(&netlink.Route{
			LinkIndex: index, Gw: net.IPv4(198, 51, 100, byte(2+n%gateways)),
			Dst: &net.IPNet{IP: net.IPv4(10, byte(n>>8), byte(n), 0).To4(), Mask: net.CIDRMask(24, 32)},
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	around, err := lookAround(nil)
	if err != nil {
		t.Fatal(err)
	}
	if len(around.hops) != gateways {
		t.Errorf("%d neighbours of %d routes, want %d", len(around.hops), routes, gateways)
	}
}

// Segments are as large as the interface takes, and larger where the network stack
// joins them in front of the program.
func TestGuardAsksAboutTheLargestSegment(t *testing.T) {
	ownMachine(t)
	withoutLinkLocal(t)
	vethPair(t, "in0", "out0")
	addAddress(t, "in0", "198.51.100.1/24", 0)
	addAddress(t, "in0", "2001:db8::1/64", 0)
	on, err := netlink.LinkByName("in0")
	if err != nil {
		t.Fatal(err)
	}
	const four, six = "198.51.100.9 50022 198.51.100.1 22", "2001:db8::9 50022 2001:db8::1 22"
	for _, c := range []struct {
		mtu     int
		session string
		mode    Mode
		rule    string
		refused bool
	}{
		{1500, four, Native, "drop len > 1514", false}, {1500, six, Native, "drop len > 1514", false},
		{1400, four, Native, "drop len > 1414", false}, {1400, six, Native, "drop len > 1413", true},
		{3000, four, Native, "drop len > 1514", true}, {1500, four, Generic, "drop len > 1514", true},
	} {
		if err := netlink.LinkSetMTU(on, c.mtu); err != nil {
			t.Fatal(err)
		}
		t.Setenv("SSH_CONNECTION", c.session)
		obj, rs := compiled(t, "default pass\n"+c.rule+"\n")
		_, err := Load(obj, LoadOptions{Interfaces: []string{"in0"}, Rules: rs, Mode: c.mode, DryRun: true})
		if c.refused {
			mustRefuse(t, err, "the largest segment of the next TCP connection", "")
		} else if err != nil {
			t.Errorf("%+v: %v", c, err)
		}
	}
}

// Addresses that are given for a time are kept by those who gave them: not by the
// client of the session.
func TestGuardAsksForWhoKeepsAddresses(t *testing.T) {
	ownMachine(t)
	withoutLinkLocal(t)
	index := vethPair(t, "in0", "out0")
	addAddress(t, "in0", "198.51.100.1/24", 3600)
	addAddress(t, "in0", "2001:db8::5/128", 3600)
	addAddress(t, "in0", "fe80::1/64", 0)
	for n, router := range []string{"198.51.100.254", "fe80::a", "fe80::b"} {
		route := &netlink.Route{LinkIndex: index, Gw: net.ParseIP(router), Priority: n + 1}
		if n > 0 {
			route.Protocol = unix.RTPROT_RA
		}
		if err := netlink.RouteAdd(route); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("SSH_CONNECTION", "198.51.100.9 50022 198.51.100.1 22")
	const rest = "pass arp\npass icmp6 type != nd-router-advert\npass tcp to port 22\n"
	const leases, advertisements, v6 = "pass udp from 198.51.100.254 port 67 to port 68\n", "pass icmp6 type nd-router-advert\n", "pass udp from port 547 to fe80::/10 port 546\n"
	for _, c := range []struct{ rules, why string }{
		{leases + advertisements + v6, ""},
		{advertisements + v6 + "pass from 198.51.100.9\n", "the DHCP answer to 198.51.100.1, which keeps the dynamic address 198.51.100.1"},
		{"drop eth.dst == ff:ff:ff:ff:ff:ff\n" + leases + advertisements + v6, "the DHCP answer to 255.255.255.255"},
		{leases + advertisements, "the DHCPv6 answer, which keeps the dynamic address 2001:db8::5"},
		{leases + v6 + "pass icmp6 from fe80::a\n", "the router advertisement from fe80::b, which keeps the dynamic address 2001:db8::5"},
		{leases + v6 + "pass icmp6 from fe80::b\n", "the router advertisement from fe80::a, which keeps the dynamic address 2001:db8::5"},
	} {
		obj, rs := compiled(t, "default drop\n"+rest+c.rules)
		_, err := Load(obj, LoadOptions{Interfaces: []string{"in0"}, Rules: rs, DryRun: true})
		if c.why != "" {
			mustRefuse(t, err, c.why, "")
		} else if err != nil {
			t.Errorf("%s: %v", c.rules, err)
		}
	}
}

// Of two addresses either is the other's neighbour, and so is a peer.
func TestSomebodyInThePrefix(t *testing.T) {
	for _, c := range []struct{ address, prefix, somebody string }{
		{"10.0.0.1", "10.0.0.1/31", "10.0.0.0"}, {"10.0.0.0", "10.0.0.0/31", "10.0.0.1"}, {"10.0.0.1", "10.0.0.1/24", "10.0.0.2"},
		{"10.0.0.7", "10.0.0.7/24", "10.0.0.1"}, {"2001:db8::1", "2001:db8::1/127", "2001:db8::"}, {"10.0.5.1", "192.168.5.5/32", "192.168.5.5"},
	} {
		a := localAddress{address: netip.MustParseAddr(c.address), prefix: netip.MustParsePrefix(c.prefix)}
		if got := a.somebody().address.String(); got != c.somebody {
			t.Errorf("%s in %s: %s, want %s", c.address, c.prefix, got, c.somebody)
		}
	}
}

// What is on no wire is reached by any router.
func TestSessionOfAnAddressOnNoWire(t *testing.T) {
	ownMachine(t)
	withoutLinkLocal(t)
	in0, in1, other := vethPair(t, "in0", "out0"), vethPair(t, "in1", "out1"), vethPair(t, "other0", "out2")
	addAddress(t, "in0", "10.40.0.1/30", 0)
	addAddress(t, "in1", "10.41.0.1/30", 0)
	addAddress(t, "other0", "10.42.0.1/30", 0)
	addAddress(t, "lo", "192.0.2.77/32", 0)
	err := netlink.RouteAdd(&netlink.Route{
		Dst:       &net.IPNet{IP: net.IPv4zero.To4(), Mask: net.CIDRMask(0, 32)},
		MultiPath: []*netlink.NexthopInfo{{LinkIndex: in0, Gw: net.IPv4(10, 40, 0, 2)}, {LinkIndex: in1, Gw: net.IPv4(10, 41, 0, 2)}},
	})
	if err != nil {
		t.Fatal(err)
	}
	s := session{netip.MustParseAddrPort("203.0.113.9:5555"), netip.MustParseAddrPort("192.0.2.77:22")}
	around, err := lookAround([]session{s})
	if err != nil {
		t.Fatal(err)
	}
	for device, want := range map[int]string{in0: "10.40.0.2", in1: "10.41.0.2", other: ""} {
		by, arrives := around.arrives(s, device)
		if arrives != (want != "") || arrives && by.from.address.String() != want {
			t.Errorf("interface %d: %v from %v, want %q", device, arrives, by.from.address, want)
		}
	}
}

// Of many packets some are named, and what would help is not told for each.
func TestGuardOfManySessions(t *testing.T) {
	_, rs := compiled(t, "default drop\n")
	var sessions []arrival
	for n := range 1000 {
		client := netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, byte(n >> 8), byte(n)}), 5)
		sessions = append(sessions, arrival{session: session{client, netip.MustParseAddrPort("198.51.100.1:22")}})
	}
	asked := questions(sessions, "a test", nil)
	if most := mostInDetail*(len(senders)*len(segments)+len(sized())) + 1000*len(segments); len(asked) > most {
		t.Errorf("%d questions, at most %d", len(asked), most)
	}
	err, failed := guard(&judge{rules: rs}, device{name: "in0"}, "", asked)
	if failed != nil {
		t.Fatal(failed)
	}
	if len(err.Why)+len(err.Help) > 4000 || !strings.Contains(err.Why, ", and others") || !strings.Contains(err.Help, ", and others like these") {
		t.Errorf("%s\n%s", err.Why, err.Help)
	}
}

// What is for an interface on another one has its link address.
func TestGuardOfAMacvlan(t *testing.T) {
	const in0, upper = 1, 2
	own := net.HardwareAddr{2, 9, 9, 9, 9, 9}
	around := surroundingsOf([]netlink.Link{
		&netlink.Device{LinkAttrs: netlink.LinkAttrs{Index: in0, HardwareAddr: net.HardwareAddr{2, 1, 1, 1, 1, 1}}},
		&netlink.Macvlan{LinkAttrs: netlink.LinkAttrs{Index: upper, ParentIndex: in0, HardwareAddr: own}},
	})
	around.addresses = []netlink.Addr{{IPNet: &net.IPNet{IP: net.IPv4(198, 51, 100, 1).To4(), Mask: net.CIDRMask(24, 32)}, LinkIndex: upper, Flags: unix.IFA_F_PERMANENT}}
	s := session{netip.MustParseAddrPort("203.0.113.9:50022"), netip.MustParseAddrPort("198.51.100.1:22")}
	around.towards = map[netip.Addr]hop{s.client.Addr(): {device: upper}}
	by, arrives := around.arrives(s, in0)
	if !arrives || by.to.String() != own.String() {
		t.Errorf("the session arrives: %v, for %v; want %v", arrives, by.to, own)
	}
	for _, a := range around.on(in0) {
		if a.link.String() != own.String() {
			t.Errorf("%v has %v, want %v", a.address, a.link, own)
		}
	}
}

// The packets are what their names say: whatever later rules look at (flags,
// ports, link addresses) is there.
func TestQuestionsAreThePacketsTheyName(t *testing.T) {
	link := net.HardwareAddr{2, 9, 9, 9, 9, 9}
	own := []localAddress{{address: netip.MustParseAddr("198.51.100.1"), prefix: netip.MustParsePrefix("198.51.100.0/24"), dynamic: true, link: link}}
	meetAll(own, []hop{{address: netip.MustParseAddr("198.51.100.254"), link: net.HardwareAddr{2, 8, 8, 8, 8, 8}}})
	s := session{netip.MustParseAddrPort("203.0.113.9:50022"), netip.MustParseAddrPort("198.51.100.1:2222")}
	const network, transport = 14, 14 + 20
	type packet struct {
		name     string
		to       string // link address
		from, at int    // ports; of ARP 0
		flags    byte   // of TCP
	}
	want := []packet{
		{"next TCP segment (ACK)", link.String(), 50022, 2222, 0x10},
		{"next TCP data (PSH, ACK)", link.String(), 50022, 2222, 0x18},
		{"next TCP connection (SYN)", link.String(), 50023, 2222, 0x02}, // from another port
		{"greeting of the next TCP connection (PSH, ACK)", link.String(), 50023, 2222, 0x18},
		{"largest segment of the next TCP connection (ACK)", link.String(), 50023, 2222, 0x10},
		{"next TCP data of 76 bytes (PSH, ACK)", link.String(), 50022, 2222, 0x18},
		{"next TCP data of 164 bytes (PSH, ACK)", link.String(), 50022, 2222, 0x18},
		{"next TCP data of 364 bytes (PSH, ACK)", link.String(), 50022, 2222, 0x18},
		{"next TCP data of 732 bytes (PSH, ACK)", link.String(), 50022, 2222, 0x18},
		{"next TCP data of 1196 bytes (PSH, ACK)", link.String(), 50022, 2222, 0x18},
		{"ARP request for 198.51.100.1 from 198.51.100.254", "ff:ff:ff:ff:ff:ff", 0, 0, 0},
		{"ARP reply to 198.51.100.1 from 198.51.100.254", link.String(), 0, 0, 0},
		{"DHCP answer to 198.51.100.1", link.String(), 67, 68, 0},
		{"DHCP answer to 255.255.255.255", "ff:ff:ff:ff:ff:ff", 67, 68, 0},
	}
	asked := slices.DeleteFunc(questions([]arrival{{session: s, to: link}}, "a test", own), func(q question) bool { return strings.Contains(q.packet, "sends it") })
	if len(asked) != len(want) {
		t.Fatalf("%d questions, want %d", len(asked), len(want))
	}
	for i, q := range asked {
		frame, err := q.frame.Bytes()
		if err != nil {
			t.Fatal(err)
		}
		got := packet{name: want[i].name, to: net.HardwareAddr(frame[:6]).String()}
		if frame[12] == 0x08 && frame[13] == 0 {
			got.from = int(frame[transport])<<8 | int(frame[transport+1])
			got.at = int(frame[transport+2])<<8 | int(frame[transport+3])
			if frame[network+9] == 6 {
				got.flags = frame[transport+13]
			}
		}
		if got != want[i] || !strings.HasPrefix(q.packet, want[i].name) {
			t.Errorf("%q is %+v, want %+v", q.packet, got, want[i])
		}
	}
}
