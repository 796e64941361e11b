package loader

import (
	"errors"
	"fmt"
	"slices"

	"xdpfw/codegen"
)

// Unload detaches what Load put on the interface and removes every trace: the
// link, also if another process holds it open, program, maps, pins, and the
// folders that are empty then. Errors are *Error; nothing of ours on the
// interface is one.
func Unload(iface string) error {
	doing := "unload " + iface
	d, missing := findDevice(doing, iface)
	if missing != nil && !isMissing(missing) {
		return missing
	}
	root, err := findRoot()
	if err != nil {
		return refusal(doing, err)
	}
	path := ""
	var dead []Status // what is left of rules there
	var swept error
	if root != nil {
		defer root.Close()
		path = root.path
		dead, err = deadOf(iface)
		swept = errors.Join(err, root.sweep())
		if now, err := findDevice(doing, iface); err == nil {
			d = now // what was on trial there may be taken back by now
		}
	}
	held, err := findHolding(path, d)
	if err != nil {
		return refusal(doing, err)
	}
	if held == nil {
		switch {
		case swept != nil:
			return refusal(doing, swept)
		case slices.ContainsFunc(dead, func(s Status) bool { return s.Ours }):
			return nil // swept
		case missing != nil:
			return missing
		}
		return nothingOfOurs(doing, d)
	}
	defer held.Close()
	if err := held.remove(); err != nil || swept == nil {
		return refusal(doing, err)
	}
	return refusal(doing, root.sweep()) // what failed may have been of what is removed now
}

// nothingOfOurs is the error of a verb that needs a rule set on the interface.
func nothingOfOurs(doing string, d device) error {
	if why := lostLink(d); why != "" {
		return &Error{Doing: doing, Why: why}
	}
	if d.attached {
		return &Error{
			Doing: doing,
			Why:   fmt.Sprintf("the XDP program on %s was not loaded by xdpfw (%s)", d.name, describeProgram(d.program)),
			Help:  unlessElsewhere(d, "use the tool that loaded it"),
		}
	}
	return &Error{
		Doing: doing,
		Why:   fmt.Sprintf("no rule set is loaded on %s", d.name),
		Help:  "see what is loaded where: xdpfw status",
	}
}

// lostLink says of a program that is ours, though not by its link, why it cannot
// be replaced or unloaded; "" of any other.
func lostLink(d device) string {
	path, found, err := existingRoot()
	if err != nil || !found {
		return ""
	}
	held, err := findToRead(path, d)
	if err != nil || held == nil {
		return ""
	}
	defer held.Close()
	if held.link != nil {
		return ""
	}
	return held.whyNoLink(path)
}

// unlessElsewhere is what helps against a program on the device that is not
// known, if it is not another xdpfw's.
func unlessElsewhere(d device, help string) string {
	switch {
	case mayBeClosed(d):
		return "if somebody else loaded it with xdpfw, run this as who did, or as root (sudo); else " + help
	case programName(d.program) == codegen.ProgramName:
		return "if xdpfw loaded it with another " + rootVar + ", use the same; else " + help
	}
	return help
}

// mayBeClosed says of a program that is not known to be ours whether it may be all
// the same: in pins that this user may not look into, of an interface that was
// moved here.
func mayBeClosed(d device) bool {
	if name := programName(d.program); name != "" && name != codegen.ProgramName {
		return false
	}
	path, found, err := existingRoot()
	if err != nil || !found {
		return false
	}
	closed, err := eachHolding(path, func(*holding, int) bool { return false })
	return err == nil && len(closed) > 0
}
