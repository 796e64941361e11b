package loader

import (
	"errors"
	"fmt"
	"slices"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// Another tool's program is evicted only when told to. The kernel does not put
// a link in the place of a program that is attached without one, nor one link
// in that of another, so frames that arrive in between meet no program.

// An eviction is a program of another tool that was taken off an interface.
type eviction struct {
	device  device        // as it was
	program *ebpf.Program // to put it back; nil if that cannot be done
}

// evict takes the program off that is on the device.
func evict(d device) (*eviction, error) {
	if d.program == 0 {
		return nil, &Error{
			Doing: "evict what is on " + d.name, Why: "several XDP programs are attached at once",
			Help: "remove them with the tools that loaded them",
		}
	}
	e := &eviction{device: d}
	program, err := ebpf.NewProgramFromID(d.program)
	if err != nil && !errors.Is(err, unix.EPERM) { // which asks for CAP_SYS_ADMIN
		return nil, fmt.Errorf("open %s: %w", describeProgram(d.program), err)
	}
	err = setProgram(d, -1)
	switch {
	case err == nil:
		e.program = program
		return e, nil
	case !errors.Is(err, unix.EBUSY):
		program.Close() // nil is fine
		return nil, fmt.Errorf("take %s off %s: %w", describeProgram(d.program), d.name, err)
	}
	program.Close() // a bpf_link holds it, which cannot be made again
	if err := detachLinkOf(d); err != nil {
		return nil, err
	}
	return e, nil
}

// putBack attaches the program again.
func (e *eviction) putBack() error {
	if e.program == nil {
		return fmt.Errorf("%s cannot be put back on %s: its own tool must do that", describeProgram(e.device.program), e.device.name)
	}
	return setProgram(e.device, e.program.FD())
}

func (e *eviction) Close() {
	if e != nil {
		e.program.Close() // nil is fine
	}
}

// setProgram attaches a program without a link, or takes it off if fd is -1.
func setProgram(d device, fd int) error {
	flags := map[Mode]int{Native: unix.XDP_FLAGS_DRV_MODE, Generic: unix.XDP_FLAGS_SKB_MODE, Offload: unix.XDP_FLAGS_HW_MODE}[d.mode]
	return netlink.LinkSetXdpFdWithFlags(&netlink.Dummy{LinkAttrs: netlink.LinkAttrs{Index: d.index}}, fd, flags)
}

// detachLinkOf finds the bpf_link that holds the program on the device, and
// detaches it.
func detachLinkOf(d device) error {
	found, err := linkOn(d, link.Link.Detach)
	if errors.Is(err, unix.EPERM) {
		return &Error{
			Doing: "evict what is on " + d.name, Err: err,
			Why:  fmt.Sprintf("not permitted: a bpf_link holds %s, and this process lacks CAP_SYS_ADMIN, which opening the links of others asks for", describeProgram(d.program)),
			Help: "run it as root (sudo), or have the tool that loaded it take it off",
		}
	}
	if err != nil {
		return fmt.Errorf("look for the bpf_link that holds %s on %s: %w", describeProgram(d.program), d.name, err)
	}
	if found {
		return nil
	}
	return &Error{
		Doing: "evict what is on " + d.name,
		Why:   fmt.Sprintf("%s was replaced or taken off by somebody else just now", describeProgram(d.program)),
		Help:  "see what is there: " + command("status", d.name),
	}
}

// heldByLink says whether a bpf_link holds the program on the device.
func heldByLink(d device) (bool, error) {
	return linkOn(d, func(link.Link) error { return nil })
}

// linkOn calls f with the bpf_link that holds the program on the device, which
// it looks for among all that there are.
func linkOn(d device, f func(link.Link) error) (found bool, err error) {
	all := new(link.Iterator)
	defer all.Close()
	for all.Next() {
		info, err := all.Link.Info()
		if err != nil {
			continue // of a kind that cannot tell
		}
		if xdp := info.XDP(); xdp != nil && int(xdp.Ifindex) == d.index && info.Program == d.program {
			return true, f(all.Link)
		}
	}
	return false, all.Err()
}

// bySafety orders attempts: first those that can be taken back without a gap,
// last those that evict what cannot be put back, so that nothing can fail behind
// them but others of their kind.
func bySafety(attempts []*attempt) []*attempt {
	rank := make(map[*attempt]int, len(attempts))
	for _, a := range attempts {
		if a.result.Evicted == "" {
			continue
		}
		rank[a] = 1
		if held, err := heldByLink(a.device); held || err != nil {
			rank[a] = 2
		}
	}
	ordered := slices.Clone(attempts)
	slices.SortStableFunc(ordered, func(a, b *attempt) int { return rank[a] - rank[b] })
	return ordered
}
