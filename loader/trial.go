package loader

import (
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"
	"golang.org/x/sys/unix"
)

// A rule set on trial (`load --confirm`) is taken back unless it is confirmed
// in time: what was on the interface before comes back, also if that was
// nothing. Until then the program before stays pinned.
//
// What is on trial is pinned as a frozen map with one value, the JSON of a
// trial. A keeper takes back (keeper.go): a process of its own, which is ready
// before the link is updated. Should that be killed as well, the next run that
// locks the pins does it.
type trial struct {
	// Token is what the interfaces of one load have in common.
	Token string `json:"token"`

	// Deadline is in nanoseconds of CLOCK_BOOTTIME, which goes on while the
	// machine sleeps, and does not jump when its time is set. Pins do not outlive
	// the clock.
	Deadline int64 `json:"deadline"`

	// Program is the one on trial. If the link runs another one the trial is
	// over: it was taken back, or the load was killed before it began. The first
	// versions of xdpfw did not say (0): any that is not Previous.
	Program uint32 `json:"program"`

	// Previous is the program that comes back; 0: nothing.
	Previous uint32 `json:"previous"`
}

// newTrial begins now.
func newTrial(lasts time.Duration) trial {
	return trial{Token: rand.Text(), Deadline: bootTime() + int64(lasts)}
}

// bootTime is CLOCK_BOOTTIME in nanoseconds.
func bootTime() int64 {
	var now unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &now); err != nil {
		panic(err) // no kernel that has XDP
	}
	return now.Nano()
}

// left until the deadline; not more than zero if it has passed.
func (t trial) left() time.Duration { return time.Duration(t.Deadline - bootTime()) }

// of says whether a program that is in place is the one on trial.
func (t trial) of(program ebpf.ProgramID) bool {
	if t.Program == 0 {
		return program != ebpf.ProgramID(t.Previous)
	}
	return program == ebpf.ProgramID(t.Program)
}

func (d pinDir) pinTrial(t trial) error {
	value, err := json.Marshal(t)
	if err != nil {
		return err
	}
	return replacePin(d.trial(), "xdpfw_trial", value)
}

// readTrial of an interface; nil if nothing is on trial.
func (d pinDir) readTrial() (*trial, error) {
	value, err := readPin(d.trial())
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	t := new(trial)
	if err := json.Unmarshal(value, t); err != nil {
		return nil, fmt.Errorf("%s %w: %v", d.trial(), errDamaged, err)
	}
	return t, nil
}

// takeBack ends a trial: the program before comes back, or nothing. It can be
// killed anywhere and done again.
func (h *holding) takeBack(t *trial) error {
	if t.of(h.program) {
		if t.Previous == 0 {
			return h.remove()
		}
		previous := ebpf.ProgramID(t.Previous)
		program, err := ebpf.LoadPinnedProgram(h.dir.generation(previous).program(), nil)
		if err != nil {
			return &Error{
				Doing: "take back what was on trial", Err: err,
				Why:  fmt.Sprintf("the program that was there before cannot be opened: %v", pinRefused(h.dir.generation(previous).program(), "program", err)),
				Help: "the rules on trial stay; end that with unload, and load what you want",
			}
		}
		defer program.Close()
		if err := h.switchBack(previous, program); err != nil {
			return err
		}
	}
	if err := h.keep(); !errors.Is(err, errTakenBack) {
		return err
	}
	return nil
}

// errTakenBack: a keeper, which does not wait for ever for a run that was stopped,
// has ended the trial meanwhile.
var errTakenBack = errors.New("it was taken back")

// keep ends a trial: what is there stays.
func (h *holding) keep() error {
	if err := h.settle(); err != nil {
		return err
	}
	err := os.Remove(h.dir.trial())
	info, failed := h.link.Info()
	if errors.Is(err, os.ErrNotExist) || err == nil && failed == nil && info.Program != h.program {
		return &Error{
			Doing: "confirm", Why: "the time was over, and the rules were taken back meanwhile",
			Help: "see what is loaded where: xdpfw status", Err: errTakenBack,
		}
	}
	if err != nil {
		return err
	}
	return h.dir.removeOthers(h.generation())
}

// interfacesOnTrial are those of this network namespace that run what a load put
// on trial, as far as can be told.
func interfacesOnTrial(root, token string) (names []string) {
	dirs, _ := pinDirs(root)
	devices, _ := listDevices("look at the interfaces")
	for _, dir := range dirs {
		t, err := dir.readTrial()
		if err != nil || t == nil || t.Token != token {
			continue
		}
		for _, d := range devices {
			if d.attached && t.of(d.program) && (t.Program != 0 || d.index == dir.indexInName()) {
				names = append(names, d.name)
			}
		}
	}
	slices.Sort(names)
	return names
}

// eachTrial calls f for every interface with something on trial. What goes
// wrong with one does not keep the others from being asked about.
func (r *pinRoot) eachTrial(f func(h *holding, index int, t *trial) error) error {
	dirs, err := pinDirs(r.path)
	if err != nil {
		return err
	}
	var errs []error
	for _, dir := range dirs {
		t, err := dir.readTrial()
		if t == nil {
			errs = append(errs, passOver(err))
			continue
		}
		h, index, err := openHolding(dir)
		if h == nil { // also if the load was killed before it had a link: swept
			errs = append(errs, passOver(err))
			continue
		}
		if index != 0 { // else its interface is gone: swept
			errs = append(errs, f(h, index, t))
		}
		h.Close()
	}
	return errors.Join(errs...)
}

// takeBackExpired ends the trials whose time is over, should their keeper have
// been killed, and tidies up behind those that are over otherwise.
func (r *pinRoot) takeBackExpired() error {
	return r.eachTrial(func(h *holding, _ int, t *trial) error {
		if t.left() > 0 && t.of(h.program) {
			return nil
		}
		return h.takeBack(t)
	})
}

// late says whether there are trials whose time is over and that go on.
func (r *pinRoot) late() (found bool, err error) {
	err = r.eachTrial(func(h *holding, _ int, t *trial) error {
		found = found || t.left() <= 0 && t.of(h.program)
		return nil
	})
	return found, err
}

// takeBackToken ends the trials of one load; without the lock those only whose
// program is in place, as the load may be about to put it there.
func (r *pinRoot) takeBackToken(token string) error {
	return r.eachTrial(func(h *holding, _ int, t *trial) error {
		if t.Token != token || r.lock == nil && !t.of(h.program) {
			return nil
		}
		return h.takeBack(t)
	})
}

// detachUnpinned ends the trials of one load that was stopped between making its
// link and pinning it: there was nothing before.
func (r *pinRoot) detachUnpinned(token string) error {
	dirs, err := pinDirs(r.path)
	errs := []error{err}
	for _, dir := range dirs {
		t, err := dir.readTrial()
		if t == nil || t.Token != token {
			errs = append(errs, passOver(err))
			continue
		}
		if _, err := os.Lstat(dir.link()); errors.Is(err, os.ErrNotExist) {
			_, err = linkOn(device{index: dir.indexInName(), program: ebpf.ProgramID(t.Program)}, link.Link.Detach)
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// A Trial is what Load put on trial, on all of its interfaces.
type Trial struct{ trial trial }

// Left is how long until it is taken back; not more than zero if the time is
// over.
func (t *Trial) Left() time.Duration { return t.trial.left() }

// On says whether it is still on trial: neither taken back nor confirmed.
func (t *Trial) On() (bool, error) { return onTrial(t.trial.Token) }

// Keep is Confirm of what this load put on trial. It is no error if that is not
// on trial any more.
func (t *Trial) Keep() error {
	return t.end("confirm", func(h *holding, _ *trial) error { return h.keep() })
}

// TakeBack ends it before its time, as if that were over. It is no error if it
// is not on trial any more.
func (t *Trial) TakeBack() error {
	return t.end("take back", (*holding).takeBack)
}

func (t *Trial) end(doing string, end func(*holding, *trial) error) error {
	root, err := findRoot()
	if err != nil || root == nil {
		return refusal(doing, err)
	}
	defer root.Close()
	return refusal(doing, root.eachTrial(func(h *holding, _ int, pinned *trial) error {
		switch {
		case pinned.Token != t.trial.Token:
			return nil
		case pinned.left() <= 0 || !pinned.of(h.program):
			return h.takeBack(pinned)
		}
		return end(h, pinned)
	}))
}

// Confirm keeps what is on trial, on the interfaces named, or on all of this
// network namespace, and says on which; waiting are those that the same loads put
// on trial, and that were not named. Errors are *Error; nothing on trial is one.
func Confirm(names []string) (kept, waiting []string, err error) {
	const doing = "confirm"
	names = slices.Clone(names)
	for i, name := range names {
		d, err := findDevice(doing, name)
		if err != nil {
			return nil, nil, err
		}
		names[i] = d.name // which may have been given another of its names
	}
	root, err := findRoot()
	if err != nil {
		return nil, nil, refusal(doing, err)
	}
	if root == nil {
		return nil, nil, nothingOnTrial(doing, names, false)
	}
	defer root.Close()
	late, err := root.late()
	err = errors.Join(err, root.sweep()) // which also takes back what is too late
	kept, waiting, failed := root.keepTrials(doing, names)
	err = errors.Join(failed, err)
	missing := slices.DeleteFunc(slices.Clone(names), func(name string) bool { return slices.Contains(kept, name) })
	switch {
	case len(kept) > 0 && len(missing) == 0 && failed == nil: // what could not be swept was none of them
		return kept, waiting, nil
	case err != nil:
		return kept, waiting, refusal(doing, err)
	}
	return kept, waiting, nothingOnTrial(doing, missing, late)
}

// keepTrials keeps what is on trial and not over time. It is an error if others of
// the same load were taken back meanwhile: a keeper does not wait for ever for a
// run that was stopped.
func (r *pinRoot) keepTrials(doing string, names []string) (kept, waiting []string, err error) {
	devices, err := listDevices(doing)
	if err != nil {
		return nil, nil, err
	}
	together := make(map[string][]string) // interfaces by token
	err = r.eachTrial(func(h *holding, index int, t *trial) error {
		for _, d := range devices {
			if d.index != index || d.program != h.program || t.left() <= 0 || len(names) > 0 && !slices.Contains(names, d.name) {
				continue
			}
			if together[t.Token] == nil {
				together[t.Token] = interfacesOnTrial(r.path, t.Token)
			}
			if err := h.keep(); err != nil {
				return err
			}
			kept = append(kept, d.name)
		}
		return nil
	})
	var lost []string
	for token, all := range together {
		still := interfacesOnTrial(r.path, token)
		waiting = append(waiting, still...)
		lost = append(lost, slices.DeleteFunc(all, func(name string) bool { return slices.Contains(kept, name) || slices.Contains(still, name) })...)
	}
	if err == nil && lost != nil {
		err = &Error{
			Doing: doing, Why: fmt.Sprintf("what the same load put on %s was taken back meanwhile, as the time is over", strings.Join(lost, ", ")),
			Help: "load it again there, or see what is loaded where: xdpfw status",
		}
	}
	return kept, waiting, err
}

// nothingOnTrial is the error of Confirm where it found nothing, or, if late,
// what it had to take back.
func nothingOnTrial(doing string, where []string, late bool) error {
	why := "they were confirmed, or taken back already, or loaded without --confirm"
	if late {
		why = "the time was over, and they were taken back just now"
	}
	if len(where) == 0 {
		where = []string{"any interface"}
	}
	return &Error{
		Doing: doing,
		Why:   "no rules are on trial on " + strings.Join(where, ", ") + ": " + why,
		Help:  "see what is loaded where: xdpfw status",
	}
}

// busyOnTrial refuses another load while one is on trial: which of the two were
// to come back could be understood in two ways. What is over time has been taken
// back by now, if that can be done; in a dry run it was not tried.
func (h *holding) busyOnTrial(name string, dry bool) error {
	t, err := h.dir.readTrial()
	if err != nil || t == nil {
		return err
	}
	e := &Error{Doing: "load on " + name}
	switch left := t.left(); {
	case left > 0:
		e.Why = fmt.Sprintf("the rules there are on trial for %v more", left.Round(time.Second))
		e.Help = fmt.Sprintf("keep them first: %s; or wait until they are taken back",
			command("confirm", interfacesOnTrial(filepath.Dir(string(h.dir)), t.Token)...))
	case dry:
		return nil
	default:
		e.Why = "the rules there were on trial, the time is over, and what was there before could not be brought back"
		e.Help = "start anew: " + command("unload", name)
	}
	return e
}
