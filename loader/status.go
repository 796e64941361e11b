package loader

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/vishvananda/netlink"
)

// ListStatus says what is attached to an interface, or to all ("") that hold
// any XDP program; nothing attached is an empty list. Errors are *Error.
func ListStatus(iface string) ([]Status, error) {
	doing := "look at the interfaces"
	var devices []device
	if iface == "" {
		all, err := listDevices(doing)
		if err != nil {
			return nil, err
		}
		devices = all
	} else {
		doing = "look at " + iface
		d, err := findDevice(doing, iface)
		if err != nil {
			return nil, err
		}
		devices = []device{d}
	}
	var list []Status
	for _, d := range devices {
		if !d.attached {
			continue
		}
		s, err := statusOf(d)
		if err != nil {
			return nil, refusal(doing, err)
		}
		list = append(list, s)
	}
	if iface != "" {
		return list, nil
	}
	gone, err := listGone()
	if err != nil {
		return nil, refusal(doing, err)
	}
	return append(list, gone...), nil
}

// listGone is what was loaded on interfaces of this network namespace that are
// gone: the kernel has taken the program off, and the link is dead.
func listGone() (list []Status, err error) {
	path, found, err := existingRoot()
	if err != nil || !found {
		return nil, nil // of what is attached this was said already
	}
	space, err := namespaceID()
	if err != nil {
		return nil, err
	}
	err = eachHolding(path, func(h *holding, index int) bool {
		if index == 0 && h.dir.isOf(space) {
			list = append(list, h.gone())
		}
		return false
	})
	if errors.Is(err, os.ErrPermission) {
		return nil, nil // said already too
	}
	return list, err
}

func (h *holding) gone() Status {
	s := Status{Ours: true, Gone: true, ProgramID: uint32(h.program), Program: h.programName()}
	if err := h.describe(&s); err != nil {
		s.Warnings = append(s.Warnings, fmt.Sprintf("its pins cannot be read: %v", err))
	}
	s.Warnings = append(s.Warnings, "the interface is gone, and the link with it: load the rules again when it is back; the next load or unload removes what is left")
	return s
}

// statusOf describes the program on an interface. Pins that cannot be read
// make the program look foreign, with a warning.
func statusOf(d device) (Status, error) {
	s := foreignStatus(d)
	path, found, err := existingRoot()
	var unseen *Error
	switch {
	case errors.As(err, &unseen):
		s.Warnings = append(s.Warnings, fmt.Sprintf("cannot tell whether xdpfw loaded it: %s", unseen.Why))
		return s, nil
	case errors.Is(err, os.ErrPermission):
		s.Warnings = append(s.Warnings, "cannot tell whether xdpfw loaded it: only root may look into "+path)
		return s, nil
	case err != nil || !found:
		return s, err
	}
	for try := 1; ; try++ {
		held, err := findHolding(path, d)
		if err != nil || held == nil {
			return s, err
		}
		d.program = held.program // which may be another one by now
		s = foreignStatus(d)
		s.Ours, s.Program = true, held.programName()
		if t, err := held.dir.readTrial(); err != nil {
			s.Warnings = append(s.Warnings, fmt.Sprintf("whether it is on trial cannot be read: %v", err))
		} else if t != nil && t.Program == s.ProgramID {
			left := t.left()
			s.Trial = &left
		}
		err = held.describe(&s)
		held.Close()
		if errors.Is(err, os.ErrNotExist) && try < readTries {
			continue
		}
		if err != nil {
			s.Warnings = append(s.Warnings, fmt.Sprintf("its pins cannot be read: %v", err))
		}
		return s, nil
	}
}

func foreignStatus(d device) Status {
	return Status{Interface: d.name, Mode: d.mode, ProgramID: uint32(d.program), Program: programName(d.program)}
}

// describe fills in what only a rule set of ours has, as far as its pins can be
// read.
func (h *holding) describe(s *Status) error {
	version, pinned, err := h.generation().readState()
	s.Version = version
	if err != nil {
		return err
	}
	if pinned == nil {
		s.Warnings = append(s.Warnings, (&otherVersion{version}).Error())
		return nil
	}
	s.Source, s.Digest, s.Loaded, s.Rules = pinned.Source, pinned.Digest, pinned.Loaded, pinned.Rules
	s.Strategy, s.Target, s.Counting = pinned.Strategy, pinned.Target, pinned.counting()
	if s.Mode == Generic {
		s.Warnings = append(s.Warnings, "in generic mode each packet has cost much before it can be dropped")
	}
	switch {
	case s.Gone:
		s.Interface = pinned.Interface
	case pinned.Interface != s.Interface:
		s.Warnings = append(s.Warnings, fmt.Sprintf("when it was loaded, the interface was called %s", pinned.Interface))
	}
	if !s.Gone {
		s.Warnings = append(s.Warnings, renamed(pinned.Interfaces)...)
	}
	if offloads := askNIC(s.Interface).strips(); pinned.ReadsTags && offloads != nil {
		s.Warnings = append(s.Warnings, fmt.Sprintf("the rules read VLAN tags, and %s takes them out of frames before XDP sees these: %s",
			strings.Join(offloads, " and "), switchOff(s.Interface, offloads)))
	}
	_, sums, err := h.dir.totals(h.program)
	if err != nil {
		return err
	}
	for slot, v := range sums {
		if pinned.Counters[slot].counter().Verdict.Decides() { // others count packets that are counted again
			s.Packets += v.Packets
			s.Bytes += v.Bytes
		}
	}
	return nil
}

// renamed is what to say about names in rules that mean another interface by now.
func renamed(named []NamedIndex) (warnings []string) {
	for _, n := range named {
		is := ""
		switch d, err := findDevice("look for "+n.Name, n.Name); {
		case errors.As(err, new(netlink.LinkNotFoundError)):
			is = "is none now: they still mean that one"
		case err != nil || d.index == n.Index:
			continue
		default:
			is = fmt.Sprintf("is the one with index %d now: they still mean the first", d.index)
		}
		warnings = append(warnings, fmt.Sprintf("the rules name %s, which was the interface with index %d when they were loaded, and %s; load them again", n.Name, n.Index, is))
	}
	return warnings
}
