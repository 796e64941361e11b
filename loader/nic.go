package loader

import (
	"errors"
	"fmt"
	"strings"

	"github.com/safchain/ethtool"
	"golang.org/x/sys/unix"

	"xdpfw/codegen"
)

// What an interface does to frames before a program sees them, and why its
// driver may not take one. Whatever ethtool cannot tell is taken for absent.

// A nic is what ethtool says of an interface.
type nic struct {
	driver   string
	features map[string]bool // by the names of the kernel (net/ethtool/common.c, netdev_features_strings)
	channels ethtool.Channels
}

// askNIC asks about an interface of this thread's network namespace.
func askNIC(name string) (n nic) {
	e, err := ethtool.NewEthtool()
	if err != nil {
		return n
	}
	defer e.Close()
	n.driver, _ = e.DriverName(name)
	n.features, _ = e.Features(name)
	n.channels, _ = e.GetChannels(name)
	return n
}

// Offloads that take a VLAN tag out of a frame before XDP sees it, and put it
// beside the frame, where an XDP program does not see it.
const (
	stripsCTag = "rx-vlan-hw-parse"
	stripsSTag = "rx-vlan-stag-hw-parse"
)

// strips are the offloads in use that take tags out of frames. A veth has none
// itself, but what its other end's stack sends carries its C-tag beside the
// frame as well; S-tags there are in the frame.
func (n nic) strips() (offloads []string) {
	if n.features[stripsCTag] {
		offloads = append(offloads, stripsCTag)
	}
	if n.features[stripsSTag] && n.driver != "veth" {
		offloads = append(offloads, stripsSTag)
	}
	return offloads
}

// hiddenTags is the *Error for rules that read tags on an interface that hides
// them; nil if it does not, or they do not.
func hiddenTags(reads *codegen.Origin, d device) error {
	if reads == nil {
		return nil
	}
	offloads := askNIC(d.name).strips()
	if offloads == nil {
		return nil
	}
	return &Error{
		Doing: "load on " + d.name,
		Why: fmt.Sprintf("`%s` (%s:%d) reads VLAN tags, and %s has them taken out of received frames before XDP sees these (%s is on): tagged frames would pass for untagged ones",
			reads.Text, reads.Position.File, reads.Position.Line, d.name, strings.Join(offloads, " and ")),
		Help: "turn that off: " + switchOff(d.name, offloads) + "; or use --force",
	}
}

// switchOff is the command that does; ethtool(8) has a short name for the
// offload of C-tags.
func switchOff(name string, offloads []string) string {
	command := "ethtool -K " + shellWord(name)
	for _, offload := range offloads {
		if offload == stripsCTag {
			offload = "rxvlan"
		}
		command += " " + offload + " off"
	}
	return command
}

// tagsAll refuses rules that read tags on interfaces that hide them; with
// Force it warns.
func tagsAll(attempts []*attempt, obj *codegen.Object, opts LoadOptions) error {
	for _, a := range attempts {
		var hidden *Error
		switch err := hiddenTags(obj.ReadsTags, a.device); {
		case err == nil:
		case opts.Force && errors.As(err, &hidden):
			a.result.Warnings = append(a.result.Warnings, hidden.Why)
		default:
			return err
		}
	}
	return nil
}

// whyNotNative says what the driver may have against a program, as far as it
// can be seen, and what helps.
func whyNotNative(d device, target codegen.Target, err error) (why, help []string) {
	n := askNIC(d.name)
	add := func(w, h string) { why, help = append(why, w), append(help, h) }
	if d.mtu > singleBuffer && !target.SpreadsFrames() {
		add(fmt.Sprintf("its MTU is %d, and frames above some %d bytes do not fit into one buffer", d.mtu, singleBuffer),
			fmt.Sprintf("compile for Linux %s and later, whose programs take frames in several buffers: --target %[1]s; or ip link set dev %s mtu %d",
				codegen.SpreadingKernel, d.name, singleBuffer))
	}
	if n.driver == "veth" && errors.Is(err, unix.ERANGE) {
		add("the MTU of its other end is too large for frames in one buffer",
			fmt.Sprintf("set the MTU of the other end to %d, or --target %s", singleBuffer, codegen.SpreadingKernel))
	}
	if n.driver == "veth" && errors.Is(err, unix.ENOSPC) {
		add("its other end has more transmit queues than it has receive queues", fmt.Sprintf("ethtool -L %s rx N, with as many as the other end has tx", d.name))
	}
	for _, offload := range []string{"rx-lro", "rx-gro-hw"} {
		if n.features[offload] {
			add(offload+" is on, which joins frames before XDP sees them", fmt.Sprintf("ethtool -K %s %s off", d.name, offload))
		}
	}
	if n.driver == "virtio_net" && n.channels.MaxCombined > 0 && n.channels.CombinedCount*2 > n.channels.MaxCombined {
		add(fmt.Sprintf("it uses %d of its %d queue pairs, and XDP wants one for each CPU besides", n.channels.CombinedCount, n.channels.MaxCombined),
			fmt.Sprintf("ethtool -L %s combined %d, or give the machine more queues", d.name, max(1, n.channels.MaxCombined/2)))
	}
	return why, help
}

// singleBuffer is an MTU with which every driver that has XDP takes a frame in
// one page: 4096 bytes less the headroom of XDP (256), skb_shared_info (320),
// and the Ethernet header with two tags (22).
const singleBuffer = 3498
