package loader

import (
	"fmt"

	"xdpfw/codegen"
)

// Unload detaches what Load put on the interface and removes every trace: the
// link, also if another process holds it open, program, maps, pins, and the
// folders that are empty then. Errors are *Error; nothing of ours on the
// interface is one.
func Unload(iface string) error {
	doing := "unload " + iface
	d, err := findDevice(doing, iface)
	if err != nil {
		return err
	}
	root, err := findRoot()
	if err != nil {
		return refusal(doing, err)
	}
	path := ""
	var swept error
	if root != nil {
		defer root.Close()
		path = root.path
		swept = root.sweep()
	}
	held, err := findHolding(path, d)
	if err != nil {
		return refusal(doing, err)
	}
	if held == nil {
		if swept != nil {
			return refusal(doing, swept)
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

// unlessElsewhere is what helps against a program on the device that is not
// known, if it is not another xdpfw's.
func unlessElsewhere(d device, help string) string {
	if programName(d.program) == codegen.ProgramName {
		return "if xdpfw loaded it with another " + rootVar + ", use the same; else " + help
	}
	return help
}
