package loader

import (
	"os"
	"strings"
	"testing"

	"github.com/vishvananda/netlink"

	"xdpfw/rules"
)

// An interface that has no address yet is refused what would keep it from being
// reached by any; else the guard warns.
func TestGuardWithoutAddresses(t *testing.T) {
	ownMachine(t)
	withoutLinkLocal(t)
	vethPair(t, "in0", "out0")
	for _, ipv6 := range []string{"on", "off"} {
		if ipv6 == "off" {
			if err := os.WriteFile("/proc/sys/net/ipv6/conf/in0/disable_ipv6", []byte("1"), 0); err != nil {
				t.Fatal(err)
			}
		}
		for _, c := range []struct{ text, on, off string }{ // what is refused, or behind "~" is a warning
			{"default pass\ndrop arp\ndrop icmp6\n", "`drop arp` (rules.fw:2) would drop the ARP request for 192.0.2.1", "`drop arp` (rules.fw:2)"},
			{"default pass\ndrop icmp6\ndrop arp\n", "`drop icmp6` (rules.fw:2) would drop the neighbour solicitation for 2001:db8::1", "`drop arp` (rules.fw:3)"},
			{"default drop\n", "`default drop` (rules.fw:1)", "`default drop` (rules.fw:1)"},
			{"default drop\npass udp\npass from 10.0.0.0/8\npass to fd00::/8 tcp\n", "the ARP request for 192.0.2.1", "the ARP request"},
			{"default pass\ndrop arp\npass arp.spa == 10.0.0.0/24\n", "~`drop arp` (rules.fw:2)", "`drop arp` (rules.fw:2)"},
			{"default pass\ndrop ip6\n", "~`drop ip6` (rules.fw:2) would drop the neighbour solicitation", ""},
			{"default drop\npass arp\npass icmp\npass tcp to port 22\npass udp\n", "~the neighbour solicitation for 2001:db8::1", ""},
			{"default drop\npass icmp6\npass udp\n", "~the ARP request for 192.0.2.1", "the ARP request for 192.0.2.1"},
			{"default drop\npass arp\npass icmp6\npass tcp to port 22\n", "~the DHCP answer to 192.0.2.1", "~the DHCP answer to 192.0.2.1"},
			{"default drop\npass arp\npass icmp6 type { 135, 136 }\npass udp\n", "~the router advertisement, which keeps", ""},
			// Rules about addresses that it may get.
			{"default drop\npass arp.spa == 10.0.0.0/24\npass udp\n", "~the ARP request for 192.0.2.1", "~the ARP request for 192.0.2.1"},
			{"default drop\npass arp.op == 2 arp.spa == 10.0.0.0/24\npass udp\n", "the ARP request", "the ARP request"},
			{"default drop\npass arp eth.src == 02:00:5e:10:00:07\npass udp\n", "~the ARP request", "~the ARP request"},
			{"default drop\npass icmp6 not from 2000::/3\npass udp\n", "~the ARP request", "the ARP request"},
			{"default pass\ndrop not arp.spa == 10.0.0.0/24 arp\n", "~the ARP request", "~the ARP request"},
			{"default drop\npass icmp6 from 2a00::/16\npass udp\n", "~the neighbour solicitation", "the ARP request"},
			{"default drop\nchain c {\n\treturn arp.spa == 10.0.0.0/8\n\tdrop arp\n}\njump c\npass arp\npass udp\n", "~the ARP request", "~the ARP request"},
			{"default pass\ndrop eth.dst 01:00:00:00:00:00/01:00:00:00:00:00\n", "the ARP request", "the ARP request"},
			{"default pass\ndrop eth.dst == ff:ff:ff:ff:ff:ff\n", "~the ARP request", "the ARP request"},
			{"default drop\npass arp\npass icmp6\npass udp from port 67 to port 68\n", "~the DHCPv6 answer", ""},
			// Lists of addresses that nobody has.
			{"default pass\ndrop from { 192.0.2.0/24, 192.168.0.0/16, 2001:db8::/32, ::/128 }\ndrop arp.spa == 192.0.2.0/24\n", "", ""},
		} {
			want := map[string]string{"on": c.on, "off": c.off}[ipv6]
			obj, rs := compiled(t, c.text)
			done, err := Load(obj, LoadOptions{Interfaces: []string{"in0"}, Rules: rs, DryRun: true})
			warns, isWarning := strings.CutPrefix(want, "~")
			if want != "" && !isWarning {
				mustRefuse(t, err, want, "")
				continue
			}
			if err != nil {
				t.Errorf("IPv6 is %s, %q: %v", ipv6, c.text, err)
				continue
			}
			text := strings.Join(done[0].Warnings, "\n")
			if !strings.Contains(text, warns) || strings.Contains(text, "it has no address yet, and should it get one like these, the lockout guard warns: ") != isWarning {
				t.Errorf("IPv6 is %s, %q: warnings %q, want %q", ipv6, c.text, text, want)
			}
		}
	}
	_, err := Load(handMade("guard.fw", rules.Drop), LoadOptions{Interfaces: []string{"in0"}})
	mustRefuse(t, err, "`default drop` (guard.fw:1) would drop the ARP request for 192.0.2.1", "pass arp")
}

// An address of the wire only says nothing about those to come, and a port takes
// what its bridge takes.
func TestGuardWithoutAddressesYet(t *testing.T) {
	ownMachine(t)
	withoutLinkLocal(t)
	vethPair(t, "in0", "out0")
	addAddress(t, "in0", "fe80::5/64", 0)
	try := func(text string) (warnings string, err error) {
		t.Helper()
		obj, rs := compiled(t, text)
		done, err := Load(obj, LoadOptions{Interfaces: []string{"in0"}, Rules: rs, DryRun: true})
		if err == nil {
			warnings = strings.Join(done[0].Warnings, "\n")
		}
		return warnings, err
	}
	if text, err := try("default pass\ndrop arp\n"); err != nil || !strings.Contains(text, "should it get one like these, the lockout guard warns: `drop arp` (rules.fw:2) would drop the ARP request for 192.0.2.1") {
		t.Errorf("%q, %v", text, err)
	}
	_, err := try("default pass\ndrop icmp6\n")
	mustRefuse(t, err, "the neighbour solicitation for fe80::5", "")

	if err := os.WriteFile("/proc/sys/net/ipv6/conf/in0/disable_ipv6", []byte("1"), 0); err != nil {
		t.Fatal(err)
	}
	const sixOnly = "default drop\npass icmp6\npass udp\n"
	_, err = try(sixOnly)
	mustRefuse(t, err, "the ARP request for 192.0.2.1", "")
	around, err := lookAround(nil)
	if err != nil {
		t.Fatal(err)
	}
	port, err := findDevice("test", "in0")
	if err != nil {
		t.Fatal(err)
	}
	guards := func(text string) (warnings string, refused error) {
		t.Helper()
		_, rs := compiled(t, text)
		a := &attempt{device: port}
		locksOut, err := a.guardUnconfigured(&judge{rules: rs}, around)
		if err != nil {
			t.Fatal(err)
		}
		if locksOut != nil {
			refused = locksOut
		}
		return strings.Join(a.result.Warnings, "\n"), refused
	}
	// VLANs that it may get, whose addresses these may be.
	for _, text := range []string{"default drop\npass vlan 100\n", "default pass\ndrop not vlan\n"} {
		if text, err := guards(text); err != nil || !strings.Contains(text, "the ARP request for 192.0.2.1") {
			t.Errorf("%q, %v", text, err)
		}
	}
	_, err = guards("default drop\npass vlan 100 udp\n")
	mustRefuse(t, err, "the ARP request for 192.0.2.1", "")

	around.links[port.index].Attrs().MasterIndex = 99
	around = surroundingsOf([]netlink.Link{around.links[port.index], &netlink.Bridge{LinkAttrs: netlink.LinkAttrs{Index: 99, Name: "out0"}}})
	if text, err := guards(sixOnly); err != nil || !strings.Contains(text, "the ARP request for 192.0.2.1") {
		t.Errorf("port of a bridge: %q, %v", text, err)
	}
}
