package loader

import (
	"os"
	"strings"
	"testing"

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
