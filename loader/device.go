package loader

import (
	"errors"
	"fmt"

	"github.com/cilium/ebpf"
	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

// A device is an interface of this network namespace and the XDP program on
// it, as netlink says.
type device struct {
	name     string
	index    int
	mtu      int
	framing  string // netlink's name of the link type: "ether", "loopback", "none", …
	mode     Mode   // of the program attached
	attached bool
	program  ebpf.ProgramID // 0 if several are attached
}

// findDevice looks an interface up; doing is for the error that there is none.
func findDevice(doing, name string) (device, error) {
	found, err := netlink.LinkByName(name)
	switch {
	case isMissing(err):
		e := &Error{Doing: doing, Why: fmt.Sprintf("there is no interface %q in this network namespace", name), Err: err}
		if devices, err := listDevices(doing); err == nil {
			var names []string
			for _, d := range devices {
				names = append(names, d.name)
			}
			e.Help = "there are: " + orNone(names)
		}
		return device{}, e
	case err != nil:
		return device{}, refusal(doing, fmt.Errorf("ask netlink for %q: %w", name, err))
	}
	return deviceOf(found), nil
}

// isMissing says whether an error is that there is no such interface.
func isMissing(err error) bool { return errors.As(err, new(netlink.LinkNotFoundError)) }

// listDevices is every interface of this network namespace.
func listDevices(doing string) ([]device, error) {
	links, err := netlink.LinkList()
	for try := 0; try < 5 && errors.Is(err, netlink.ErrDumpInterrupted); try++ {
		links, err = netlink.LinkList() // interfaces came or went meanwhile
	}
	if err != nil {
		return nil, refusal(doing, fmt.Errorf("ask netlink for the interfaces: %w", err))
	}
	devices := make([]device, len(links))
	for i, l := range links {
		devices[i] = deviceOf(l)
	}
	return devices, nil
}

func deviceOf(l netlink.Link) device {
	attrs := l.Attrs()
	d := device{name: attrs.Name, index: attrs.Index, mtu: attrs.MTU, framing: attrs.EncapType}
	if xdp := attrs.Xdp; xdp != nil && xdp.Attached {
		d.attached = true
		d.program = ebpf.ProgramID(xdp.ProgId)
		d.mode = attachMode(xdp.AttachMode)
	}
	return d
}

// attachMode translates IFLA_XDP_ATTACHED (linux/if_link.h, XDP_ATTACHED_*).
func attachMode(attached uint32) Mode {
	switch attached {
	case nl.XDP_ATTACHED_DRV:
		return Native
	case nl.XDP_ATTACHED_SKB:
		return Generic
	case nl.XDP_ATTACHED_HW:
		return Offload
	}
	return Auto // several at once
}

// hasEthernetFraming says whether frames start with an Ethernet header. The
// loopback's do, though it calls itself otherwise.
func (d device) hasEthernetFraming() bool { return d.framing == "ether" || d.framing == "loopback" }

// describeProgram is "program id 7, name xdp_pass", as far as it may be known:
// the name asks for CAP_SYS_ADMIN.
func describeProgram(id ebpf.ProgramID) string {
	if id == 0 {
		return "several programs at once"
	}
	if name := programName(id); name != "" {
		return fmt.Sprintf("program id %d, name %s", id, name)
	}
	return fmt.Sprintf("program id %d", id)
}

func programName(id ebpf.ProgramID) string {
	p, err := ebpf.NewProgramFromID(id)
	if err != nil {
		return ""
	}
	defer p.Close()
	return nameOf(p)
}

func nameOf(p *ebpf.Program) string {
	info, err := basicInfo(p)
	if err != nil {
		return ""
	}
	return unix.ByteSliceToString(info.Name[:])
}

var modeNames = [...]string{Auto: "auto", Native: "native", Generic: "generic", Offload: "offload"}

// String is the mode as the command line calls it.
func (m Mode) String() string {
	if int(m) < len(modeNames) {
		return modeNames[m]
	}
	return "mode?"
}
