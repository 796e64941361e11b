package codegen

import (
	"strings"
	"testing"
)

// TestShape: what the rules do not ask for costs nothing.
func TestShape(t *testing.T) {
	for _, c := range []struct {
		text string
		has  map[string]bool // words of the listing
	}{
		// Rules about the frame alone do not tell its kinds apart.
		{"drop eth.src 02:00:00:00:00:01\n", map[string]bool{"Ethernet header: 14 bytes": true, "; eth.type": false, "map       scratch": true}},
		{"drop len > 1000\n", map[string]bool{"Ethernet header: 14 bytes": false}},
		{"drop on eth0\n", map[string]bool{"Ethernet header: 14 bytes": false, "map       interfaces": true}},
		{"redirect eth0 udp\n", map[string]bool{"received on": false, "map       interfaces": true, "redirect:": true}},
		{"drop vlan 5\n", map[string]bool{"; tag": true, "ip.version": false, "inner tag": false, "map       scratch": false}},
		{"drop vlan2.id 5\n", map[string]bool{"no inner tag": true, "no tag": false}},
		{"drop eth.src 02:00:00:00:00:01\ndrop invalid\n", map[string]bool{"ip.version": true, "arp.htype": false}},
		// The verdicts of frames of fewer than 14 bytes, which have no tag and no address.
		{"drop not vlan eth.type 5\ndrop not vlan\n", map[string]bool{"if r0 > r8 goto rule2": true}},
		{"drop vlan\ndrop not eth.src 02:00:00:00:00:01\n", map[string]bool{"if r0 > r8 goto default": true}},
		// What fits into the register needs no scratch.
		{"drop tcp flags syn,!ack to port 80\n", map[string]bool{"map       scratch": false, "ip6.noted": false}},
		{"drop icmp type echo-request\n", map[string]bool{"map       scratch": false, "ports": false}},
		{"drop icmp type 1\ndrop tcp from port 1 to port 2 flags syn vlan 3\ndrop invalid\n", map[string]bool{"map       scratch": true}},
		{"drop at transport+4 8 == 1\n", map[string]bool{"map       scratch": true, "payload": false}},
		{"drop ip.ttl < 5\n", map[string]bool{"nothing seen yet": false, "map       scratch": false}},
		{"drop ah\n", map[string]bool{"an AH": true, "ports": false}},
		{"drop proto 51\n", map[string]bool{"an AH": false}},
		// Only what counts has the function that counts.
		{"count udp\n", map[string]bool{"call count": true, "\ncount:": true}},
		{"drop udp\n", map[string]bool{"call count": false, "\ncount:": false, "redirect:": false}},
	} {
		listing := listText(t, c.text)
		for word, want := range c.has {
			if got := strings.Contains(listing, word); got != want {
				t.Errorf("%q: has %q: %v, want %v\n%s", c.text, word, got, want, listing)
			}
		}
	}
}

// TestUnreachableSteps: nothing of the steps that no packet comes to is
// emitted, for the verifier refuses code that nothing leads to.
func TestUnreachableSteps(t *testing.T) {
	listing := listText(t, "chain c { return; drop udp; pass tcp }\njump c\ndrop arp\n")
	for _, gone := range []string{"drop udp", "pass tcp"} {
		if strings.Contains(listing, gone) {
			t.Errorf("code for %q, which always return stands in front of\n%s", gone, listing)
		}
	}
	if !strings.Contains(listing, "drop arp") {
		t.Errorf("no code behind the chain\n%s", listing)
	}
}
