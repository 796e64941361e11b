package loader

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"xdpfw/codegen"
)

// ListStatus says what is attached to an interface, or to all ("") that hold
// any XDP program, and what was and is not any more; nothing is an empty list.
// Errors are *Error.
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
		switch {
		case isMissing(err):
			if list, _ := deadOf(iface); len(list) > 0 {
				return list, nil
			}
			return nil, err
		case err != nil:
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
		if s != nil {
			list = append(list, *s)
		}
	}
	dead, err := deadOf(iface)
	return append(list, dead...), refusal(doing, err)
}

// deadOf is listDead for an interface, or for all (""). An unload passes through
// that state, so it is looked twice.
func deadOf(iface string) (list []Status, err error) {
	devices, err := listDevices("look at the interfaces")
	if err != nil {
		return nil, err
	}
	dead, err := listDead(devices)
	if err != nil || len(dead) == 0 {
		return nil, err
	}
	time.Sleep(10 * readPause)
	again, err := listDead(devices)
	for _, s := range again {
		before := slices.ContainsFunc(dead, func(d Status) bool { return d.ProgramID == s.ProgramID && d.Interface == s.Interface })
		if before && (iface == "" || s.Interface == iface) {
			list = append(list, s)
		}
	}
	return list, err
}

// CanRead says why this process could not read what is loaded; that nothing is
// loaded is no reason. An error is an *Error.
func CanRead() error {
	const doing = "read what is loaded"
	path, found, err := existingRoot()
	tried := false
	if err == nil && found {
		var closed map[pinDir]error
		closed, err = eachHolding(path, func(h *holding, _ int) bool {
			tried = true
			h.Close()
			return true
		})
		for _, refused := range closed { // and there is no other
			err = refused
		}
	}
	if err == nil && !tried && slices.Contains(missingCapabilities(), "CAP_BPF") {
		err = unix.EPERM
	}
	if errors.Is(err, unix.EROFS) { // where links cannot be opened, but all else can
		err = nil
	}
	return refusal(doing, err)
}

// listDead is what was loaded in this network namespace and has a dead link: the
// kernel has taken the program off with its interface, or somebody else has.
func listDead(devices []device) (list []Status, err error) {
	path, found, err := existingRoot()
	if err != nil || !found {
		return nil, nil // of what is attached this was said already
	}
	space, err := namespaceID()
	if err != nil {
		return nil, err
	}
	dirs, err := pinDirs(path)
	for _, dir := range dirs {
		if !dir.isOf(space) {
			continue
		}
		h, index, err := openHolding(dir)
		strange := new(strangePin)
		switch {
		case errors.As(err, &strange):
			list = append(list, Status{
				Interface: nameOfIndex(devices, dir.indexInName()), Gone: true,
				Warnings: []string{strange.Error()},
			})
		case errors.Is(err, os.ErrPermission), errors.Is(err, unix.EROFS): // said already too
		case err != nil:
			return list, err
		case h == nil:
		case index == 0:
			list = append(list, h.dead(devices))
			h.Close()
		default:
			h.Close()
		}
	}
	if errors.Is(err, os.ErrPermission) {
		return nil, nil
	}
	return list, err
}

// nameOfIndex is the name of the device with an index, else the index in words.
func nameOfIndex(devices []device, index int) string {
	for _, d := range devices {
		if d.index == index {
			return d.name
		}
	}
	return fmt.Sprintf("index %d", index)
}

// dead describes a holding whose link is. The folder's name has the index that
// the interface had; whether the one that has it now is the same the kernel does
// not tell.
func (h *holding) dead(devices []device) Status {
	s := Status{Ours: true, Gone: true, ProgramID: uint32(h.program), Program: h.programName()}
	s.warnUnread(h.describe(&s))
	why := "the interface is gone, and the link with it: load the rules again when it is back"
	if slices.ContainsFunc(devices, func(d device) bool { return d.name == s.Interface }) {
		why = "the interface is gone, and the link with it; the one that is called so now is another: load the rules again"
	}
	if i := slices.IndexFunc(devices, func(d device) bool { return d.index == h.dir.indexInName() }); i >= 0 {
		s.Interface = devices[i].name
		why = "the link is dead: another tool took the program off, or an unload was killed, or the interface was deleted and made again; load the rules again"
	}
	s.warn("%s; the next load or unload removes what is left", why)
	return s
}

func (s *Status) warn(format string, args ...any) {
	s.Warnings = append(s.Warnings, fmt.Sprintf(format, args...))
}

// warnUnread warns of what describe could not do, if that is an error.
func (s *Status) warnUnread(err error) {
	switch {
	case errors.Is(err, os.ErrNotExist):
		s.warn("its pins cannot be read: %v: somebody removed it; the program goes on, what it counts is lost with the next load", err)
	case err != nil:
		s.warn("its pins cannot be read: %v", err)
	}
}

// statusOf describes the program on an interface; nil if there is none by now.
// Pins that cannot be read make the program look foreign, with a warning.
func statusOf(d device) (*Status, error) {
	s := foreignStatus(d)
	path, found, err := existingRoot()
	var unseen *Error
	switch {
	case errors.As(err, &unseen):
		s.Unknown = true
		s.warn("cannot tell whether xdpfw loaded it: %s", unseen.Why)
		return &s, nil
	case errors.Is(err, os.ErrPermission):
		s.Unknown = true
		s.warn("cannot tell whether xdpfw loaded it: only root may look into %s", path)
		return &s, nil
	case err != nil || !found:
		return &s, err
	}
	for try := 1; ; try++ {
		held, now, err := findSettled(path, d)
		if errors.Is(err, unix.EACCES) {
			s.Unknown = true
			s.warn("cannot tell whether xdpfw loaded it: %v", err)
			return &s, nil
		}
		if err != nil || !now.attached {
			return nil, err
		}
		s = foreignStatus(now)
		if held == nil {
			if s.Unknown = mayBeClosed(now); s.Unknown {
				s.warn("cannot tell whether xdpfw loaded it: some pins below %s are not open to this user", path)
			}
			return &s, nil
		}
		err = held.status(path, &s)
		held.Close()
		if errors.Is(err, os.ErrNotExist) && try < readTries {
			time.Sleep(readPause)
			continue
		}
		s.warnUnread(err)
		return &s, nil
	}
}

// status fills in what only a rule set of ours has.
func (h *holding) status(root string, s *Status) error {
	s.Ours, s.Program = true, h.programName()
	if h.link == nil {
		s.warn("%s", h.whyNoLink(root))
	}
	if t, err := h.dir.readTrial(); err != nil {
		s.warn("whether it is on trial cannot be read: %v", err)
	} else if t != nil && t.of(h.program) {
		s.Trial = &TrialStatus{t.left(), interfacesOnTrial(root, t.Token)}
	}
	return h.describe(s)
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
		s.warn("%v", &otherVersion{version})
		return nil
	}
	s.Source, s.Digest, s.Loaded, s.Rules = pinned.Source, pinned.Digest, pinned.Loaded, pinned.Rules
	s.Strategy, s.Target, s.Counting = pinned.Strategy, pinned.Target, pinned.counting()
	if s.Mode == Generic {
		s.warn("in generic mode each packet has cost much before it can be dropped%s", stillNotNative(s.Interface, pinned))
	}
	switch {
	case s.Gone:
		s.Interface = pinned.Interface
	case pinned.Interface != string([]rune(s.Interface)): // JSON has no bytes that are not UTF-8
		s.warn("when it was loaded, the interface was called %s", pinned.Interface)
	}
	if !s.Gone {
		s.Warnings = append(s.Warnings, renamed(pinned.Interfaces)...)
	}
	if offloads := askNIC(s.Interface).strips(); pinned.ReadsTags && offloads != nil {
		s.warn("the rules read VLAN tags, and %s takes them out of frames before XDP sees these: %s",
			strings.Join(offloads, " and "), switchOff(s.Interface, offloads))
	}
	_, sums, err := h.dir.totals(h.program)
	if err != nil {
		return err
	}
	s.Counted = s.Counting != codegen.CountNone
	for slot, v := range sums {
		gone := slot >= len(pinned.Counters)
		if gone || pinned.Counters[slot].counter().Verdict.Decides() { // others count packets that are counted again
			s.Packets += v.Packets
			s.Bytes += v.Bytes
		}
	}
	return nil
}

// stillNotNative is what the driver may have against native mode, of what is known
// of it now; "" if generic mode was asked for.
func stillNotNative(iface string, pinned *state) string {
	d, err := findDevice("look at "+iface, iface)
	if err != nil || pinned.Mode != Auto.String() {
		return ""
	}
	target, _ := codegen.ParseTarget(pinned.Target)
	why, help := whyNotNative(d, target, nil)
	if why == nil {
		return ""
	}
	return "; native mode was refused, and may be so since " + strings.Join(why, "; ") + ": " + strings.Join(help, "; ")
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
