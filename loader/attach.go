package loader

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"
	"golang.org/x/sys/unix"

	"xdpfw/codegen"
)

// An attempt is the way of one image to one interface.
type attempt struct {
	device device
	named  string // what the rules call the device; "" if they do not
	tested string // what they call the loopback, where test runs arrive
	target codegen.Target
	img    *image
	dir    pinDir
	held   *holding      // what of ours is on the interface, or nil
	old    *ebpf.Program // the program that held.link runs before
	oldID  ebpf.ProgramID
	id     ebpf.ProgramID

	interfaces []NamedIndex // that the rules name
	sources    *ebpf.Map    // see pinSources
	trial      *trial       // of `load --confirm`, else nil

	// What undo takes back:
	staged  bool      // the generation is pinned
	updated bool      // held.link runs the new program
	evicted *eviction // whose place it took, where held is nil
	fresh   link.Link // the link made, where held is nil

	result Attachment
}

// Close gives back the file descriptors; what is pinned stays.
func (a *attempt) Close() {
	if a.img != nil {
		a.img.Close()
	}
	if a.held != nil {
		a.held.Close()
	}
	a.old.Close() // nil is fine
	if a.fresh != nil {
		a.fresh.Close()
	}
	a.evicted.Close()
}

// warnOf an error, if there is one, that does not keep from loading.
func (a *attempt) warnOf(err error, what string) {
	if err != nil {
		a.warn(what + ": " + oneLine(err))
	}
}

// claim makes sure that the interface is free or ours, and that it can have
// the mode asked for. root is nil in a dry run where there are no pins.
func (a *attempt) claim(root *pinRoot, opts LoadOptions) (err error) {
	// Asked again, now that the lock is held: another load may have come first.
	if a.device, err = findDevice("load on "+a.device.name, a.device.name); err != nil {
		return err
	}
	if a.id, err = programID(a.img.entry); err != nil {
		return err
	}
	path := ""
	if root != nil {
		path = root.path
	}
	if a.held, err = findHolding(path, a.device); err != nil {
		return err
	}
	if a.held == nil {
		if a.device.attached {
			if err := a.mayEvict(opts); err != nil {
				return err
			}
			a.result.Evicted = describeProgram(a.device.program)
		}
		a.dir, err = dirOf(path, a.device)
		return err
	}
	a.dir = a.held.dir
	if err := a.held.busyOnTrial(a.device.name, opts.DryRun); err != nil {
		return err
	}
	a.result.Mode, a.result.Replaced = a.device.mode, true
	if opts.Mode != Auto && opts.Mode != a.device.mode {
		return &Error{
			Doing: "replace the rule set on " + a.device.name,
			Why:   fmt.Sprintf("it is attached in %v mode, and going to %v mode cannot be done without letting packets through in between", a.device.mode, opts.Mode),
			Help:  "keep the mode (--mode auto), or detach first: " + command("unload", a.device.name),
		}
	}
	a.oldID = a.held.program
	if a.old, err = a.held.ownProgram(); err != nil {
		return fmt.Errorf("open the program now on %s: %w", a.device.name, err)
	}
	_, _, err = a.held.dir.totals(a.oldID)
	a.warnOf(err, "what the old rules counted is lost")
	return nil
}

// mayEvict says why what is on the interface, another tool's, must stay there.
func (a *attempt) mayEvict(opts LoadOptions) error {
	if !opts.Evict {
		return a.busy()
	}
	if opts.Confirm > 0 {
		return &Error{
			Doing: "load on " + a.device.name,
			Why:   fmt.Sprintf("%s is another tool's, and once evicted it does not come back, so that nothing can be put on trial in its place", describeProgram(a.device.program)),
			Help:  "use --evict without --confirm",
		}
	}
	if _, err := heldByLink(a.device); errors.Is(err, unix.EPERM) {
		a.warn(fmt.Sprintf("should a bpf_link hold %s, evicting it asks for CAP_SYS_ADMIN, which this process lacks, as it would to tell", describeProgram(a.device.program)))
	}
	return nil
}

func (a *attempt) busy() error {
	if why := lostLink(a.device); why != "" {
		return &Error{Doing: "load on " + a.device.name, Why: why}
	}
	return &Error{
		Doing: "attach to " + a.device.name,
		Why: fmt.Sprintf("the interface is busy: another XDP program, not loaded by xdpfw, is attached in %v mode (%s)",
			a.device.mode, describeProgram(a.device.program)),
		Help: unlessElsewhere(a.device, "remove it with the tool that loaded it, or have it evicted: --evict"),
	}
}

// attach pins the generation and then commits it: by updating the link there
// is, or by making one.
func (a *attempt) attach(s state, mode Mode) (err error) {
	s.Interface = a.device.name
	generation := a.dir.generation(a.id)
	a.staged = true
	if err := generation.pin(a.img, s, a.sources); err != nil {
		return fmt.Errorf("pin the state under %s: %w", generation, err)
	}
	a.result.ProgramID = uint32(a.id)
	if a.trial != nil {
		t := *a.trial
		t.Program = uint32(a.id)
		if a.held != nil {
			t.Previous = uint32(a.held.program)
		}
		if err := a.dir.pinTrial(t); err != nil {
			return fmt.Errorf("pin the trial of %s: %w", a.device.name, err)
		}
	}
	if a.held != nil {
		if err := a.held.switchTo(a.id, a.img.entry); err != nil {
			return a.explainReplace(err)
		}
		a.updated = true
		return nil
	}
	if a.result.Evicted != "" {
		if a.evicted, err = evict(a.device); err != nil {
			return err
		}
	}
	if err := a.attachFresh(mode); err != nil {
		return err
	}
	if err := a.fresh.Pin(a.dir.link()); err != nil {
		return fmt.Errorf("pin the link of %s: %w", a.device.name, err)
	}
	return a.confirm()
}

// attachFresh makes the link. In Auto mode a driver that does not want it is
// passed over; an interface that is gone or taken meanwhile is no reason to.
func (a *attempt) attachFresh(mode Mode) (err error) {
	if mode != Auto {
		a.fresh, err = a.newLink(mode)
		return a.explainAttach(mode, err)
	}
	a.fresh, err = a.newLink(Native)
	if err == nil || errors.Is(err, unix.EBUSY) || errors.Is(err, unix.EPERM) || errors.Is(err, unix.ENODEV) {
		return a.explainAttach(Native, err)
	}
	refused := err
	if a.fresh, err = a.newLink(Generic); err != nil {
		return a.explainAttach(Generic, err)
	}
	warning := fmt.Sprintf("attached in generic mode, in which each packet has cost much before it can be dropped, as the driver refused native mode (%v)", errnoText(refused))
	if why, help := whyNotNative(a.device, a.target, refused); why != nil {
		warning += ": " + strings.Join(why, "; ") + "; to change that: " + strings.Join(help, "; ")
	}
	a.result.Warnings = append(a.result.Warnings, warning)
	return nil
}

func (a *attempt) newLink(mode Mode) (link.Link, error) {
	flags := map[Mode]link.XDPAttachFlags{
		Native: link.XDPDriverMode, Generic: link.XDPGenericMode, Offload: link.XDPOffloadMode,
	}[mode]
	return link.AttachXDP(link.XDPOptions{Program: a.img.entry, Interface: a.device.index, Flags: flags})
}

// explainAttach makes an *Error of what the kernel said to BPF_LINK_CREATE.
func (a *attempt) explainAttach(mode Mode, err error) error {
	if err == nil {
		return nil
	}
	e := &Error{Doing: fmt.Sprintf("attach to %s in %v mode", a.device.name, mode), Why: err.Error(), Err: err}
	switch {
	case errors.Is(err, unix.EPERM), errors.Is(err, unix.ENOSYS), errors.Is(err, unix.ENOMEM):
		explainErrno(e)
	case errors.Is(err, unix.EBUSY), errors.Is(err, unix.EEXIST):
		e.Why = "the interface is busy: another XDP program was attached to it just now"
		e.Help = "see who holds it: " + command("status", a.device.name)
	case errors.Is(err, unix.ENODEV):
		e.Why = "the interface has gone"
	case mode == Native:
		e.Why, e.Help = a.explainNative(err)
		e.Help += "; or use --mode auto or --mode generic, which is slower"
	case mode == Offload:
		e.Why = fmt.Sprintf("the card of %s refused (%v): it runs no XDP programs itself", a.device.name, errnoText(err))
		e.Help = "use --mode auto"
	}
	return e
}

// explainNative says why a driver refused a program, and what helps.
func (a *attempt) explainNative(err error) (string, string) {
	refused := fmt.Sprintf("the driver of %s refused (%v): ", a.device.name, errnoText(err))
	why, help := whyNotNative(a.device, a.target, err)
	if why == nil {
		return refused + "it has no native XDP, or not with the interface's present settings", "see what the kernel's log says (dmesg)"
	}
	return refused + strings.Join(why, "; "), strings.Join(help, "; and ")
}

// explainReplace makes of a driver's refusal what the first attach makes of it;
// but there is no other mode to go to.
func (a *attempt) explainReplace(err error) error {
	doing := "replace the program on " + a.device.name
	if a.device.mode == Native && (errors.Is(err, unix.ERANGE) || errors.Is(err, unix.EOPNOTSUPP) || errors.Is(err, unix.EINVAL)) {
		e := &Error{Doing: doing, Err: err}
		e.Why, e.Help = a.explainNative(err)
		e.Why += "; the rules that were there stay"
		return e
	}
	return fmt.Errorf("%s: %w", doing, err)
}

// errnoText is the error number behind an error, for people.
func errnoText(err error) string {
	var errno unix.Errno
	if errors.As(err, &errno) {
		return errno.Error()
	}
	return err.Error()
}

// confirm reads back from netlink what the kernel did.
func (a *attempt) confirm() error {
	now, err := findDevice("attach to "+a.device.name, a.device.name)
	if err != nil {
		return err
	}
	if now.index != a.device.index || now.program != a.id {
		return fmt.Errorf("%s runs program id %d after the attach, not id %d: something else attaches programs to it", now.name, now.program, a.id)
	}
	a.result.Mode = now.mode
	return nil
}

// undo takes back what attach did, in the reverse order.
func (a *attempt) undo() error {
	var errs []error
	if a.updated {
		errs = append(errs, a.held.switchBack(a.oldID, a.old))
	}
	if a.fresh != nil {
		errs = append(errs, a.fresh.Detach())
		if err := os.Remove(a.dir.link()); err != nil && !errors.Is(err, os.ErrNotExist) {
			errs = append(errs, err)
		}
	}
	if a.evicted != nil {
		errs = append(errs, a.evicted.putBack())
	}
	if a.trial != nil {
		if err := os.Remove(a.dir.trial()); err != nil && !errors.Is(err, os.ErrNotExist) {
			errs = append(errs, err)
		}
	}
	if a.staged {
		errs = append(errs, a.dir.generation(a.id).remove())
		_ = os.Remove(string(a.dir)) // refused while the old rule set has its pins in it
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("go back to what was on %s: %w", a.device.name, err)
	}
	return nil
}

// finish carries the counters over and removes what the replaced rule set left
// behind.
func (a *attempt) finish() error {
	if a.held != nil {
		if err := a.held.settle(); err != nil {
			return err
		}
	}
	generation := a.dir.generation(a.id)
	if a.trial != nil && a.held != nil { // which is what comes back
		return a.dir.removeOthers(generation, a.dir.generation(a.oldID))
	}
	return a.dir.removeOthers(generation)
}
