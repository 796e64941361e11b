package loader

import (
	"strings"
	"testing"

	"github.com/safchain/ethtool"
	"github.com/vishvananda/netlink"

	"xdpfw/rules"
)

// setFeature switches an offload of an interface.
func setFeature(t *testing.T, iface, name string, on bool) {
	t.Helper()
	e, err := ethtool.NewEthtool()
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	if err := e.Change(iface, map[string]bool{name: on}); err != nil {
		t.Fatalf("switch %s of %s: %v", name, iface, err)
	}
}

// Rules that read tags are not loaded where tags do not reach XDP; others are.
func TestHiddenTags(t *testing.T) {
	ownMachine(t)
	vethPair(t, "in0", "out0")
	for _, text := range []string{"drop vlan 100 udp", "drop not vlan udp", "drop vlan.pcp 3", "drop vlan2.id 7", "drop at eth+12 2 == 0x8100", "drop at eth+10 4 == 1"} {
		setFeature(t, "in0", stripsCTag, true)
		obj, rs := compiled(t, "default pass\n"+text+"\n")
		opts := LoadOptions{Interfaces: []string{"in0"}, Rules: rs}
		_, err := Load(obj, opts)
		mustRefuse(t, err, "`"+text+"` (rules.fw:2) reads VLAN tags, and in0 has them taken out of received frames before XDP sees these (rx-vlan-hw-parse is on)",
			"ethtool -K in0 rxvlan off")
		opts.Force = true
		done := mustLoad(t, obj, opts)
		if len(done[0].Warnings) != 1 || !strings.Contains(done[0].Warnings[0], "reads VLAN tags") {
			t.Errorf("%s, forced: warnings %q", text, done[0].Warnings)
		}
		if list, err := ListStatus("in0"); err != nil || len(list[0].Warnings) != 1 || !strings.Contains(list[0].Warnings[0], "ethtool -K in0 rxvlan off") {
			t.Errorf("%s: status %+v, %v", text, list, err)
		}
		setFeature(t, "in0", stripsCTag, false)
		opts.Force = false
		opts.Rules = rs
		if _, err := Load(obj, opts); err != nil {
			t.Errorf("%s, with the offload off: %v", text, err)
		}
		if list, err := ListStatus("in0"); err != nil || len(list[0].Warnings) != 0 {
			t.Errorf("%s, with the offload off: status %+v, %v", text, list, err)
		}
		if err := Unload("in0"); err != nil {
			t.Fatal(err)
		}
	}
	setFeature(t, "in0", stripsCTag, true)
	obj, rs := compiled(t, "default pass\ndrop udp\ndrop at eth+0 2 == 7\ndrop eth.type 0x8847\n")
	mustLoad(t, obj, LoadOptions{Interfaces: []string{"in0"}, Rules: rs})
}

// S-tags are taken out by cards, and not by a veth.
func TestStripsSTags(t *testing.T) {
	n := nic{driver: "ixgbe", features: map[string]bool{stripsSTag: true}}
	if got := n.strips(); len(got) != 1 || got[0] != stripsSTag {
		t.Errorf("%v", got)
	}
	n.driver = "veth"
	if got := n.strips(); len(got) != 0 {
		t.Errorf("veth: %v", got)
	}
}

// What the driver has against a program is said, with what helps.
func TestNativeRefused(t *testing.T) {
	for name, c := range map[string]struct {
		change    func(in, out netlink.Link) error
		why, help string
	}{
		"the other end's MTU": {func(_, out netlink.Link) error { return netlink.LinkSetMTU(out, 9000) }, "the MTU of its other end is too large", "set the MTU of the other end to 3498"},
		"its own MTU as well": {func(in, out netlink.Link) error {
			if err := netlink.LinkSetMTU(in, 9000); err != nil {
				return err
			}
			return netlink.LinkSetMTU(out, 9000)
		}, "its MTU is 9000, and frames above some 3498 bytes do not fit into one buffer", "ip link set dev in0 mtu 3498"},
		"queues": {nil, "its other end has more transmit queues than it has receive queues", "ethtool -L in0 rx N"},
	} {
		t.Run(name, func(t *testing.T) {
			ownMachine(t)
			pair := &netlink.Veth{LinkAttrs: netlink.LinkAttrs{Name: "in0", NumRxQueues: 1, NumTxQueues: 1}, PeerName: "out0"}
			if c.change == nil {
				pair.PeerNumTxQueues = 4
			}
			if err := netlink.LinkAdd(pair); err != nil {
				t.Fatal(err)
			}
			var ends [2]netlink.Link
			for i, end := range []string{"in0", "out0"} {
				l, err := netlink.LinkByName(end)
				if err != nil {
					t.Fatal(err)
				}
				if err := netlink.LinkSetUp(l); err != nil {
					t.Fatal(err)
				}
				ends[i] = l
			}
			if c.change != nil {
				if err := c.change(ends[0], ends[1]); err != nil {
					t.Fatal(err)
				}
			}
			_, err := Load(handMade("first.fw", rules.Pass), forced(Native, "in0"))
			mustRefuse(t, err, c.why, c.help)
			mustRefuse(t, err, "the driver of in0 refused (", "--mode generic")
			done := mustLoad(t, handMade("first.fw", rules.Pass), forced(Auto, "in0"))
			if done[0].Mode != Generic || len(done[0].Warnings) != 1 || !strings.Contains(done[0].Warnings[0], c.why) {
				t.Errorf("%+v", done)
			}
			if list, err := ListStatus("in0"); err != nil || len(list[0].Warnings) != 1 || !strings.Contains(list[0].Warnings[0], "generic mode") {
				t.Errorf("status %+v, %v", list, err)
			}
		})
	}
}
