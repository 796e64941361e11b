package loader

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"time"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"
)

// A rule set on trial (`load --confirm`) is taken back unless it is confirmed
// in time: what was on the interface before comes back, also if that was
// nothing. Until then the program before stays pinned.
//
// What is on trial is pinned as a frozen map with one value, the JSON of a
// trial. A keeper takes back (trial_keeper.go): a process of its own, which is
// ready before the link is updated. Should that be killed as well, the next run
// that locks the pins does it.
type trial struct {
	// Token is what the interfaces of one load have in common.
	Token string `json:"token"`

	// Deadline is in nanoseconds of CLOCK_BOOTTIME, which goes on while the
	// machine sleeps, and does not jump when its time is set. Pins do not outlive
	// the clock.
	Deadline int64 `json:"deadline"`

	// Previous is the program that comes back; 0: nothing.
	Previous uint32 `json:"previous"`
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
	if t.Previous == 0 {
		return h.remove()
	}
	old := h.dir.generation(ebpf.ProgramID(t.Previous))
	if h.program != ebpf.ProgramID(t.Previous) {
		program, err := ebpf.LoadPinnedProgram(old.program(), nil)
		if err != nil {
			return fmt.Errorf("open the program that was there before: %w", err)
		}
		defer program.Close()
		if err := h.switchBack(ebpf.ProgramID(t.Previous), program); err != nil {
			return err
		}
	} else if err := h.settle(); err != nil {
		return err
	}
	return errors.Join(os.Remove(h.dir.trial()), h.dir.removeOthers(old))
}

// keep ends a trial: what is there stays.
func (h *holding) keep() error {
	return errors.Join(h.settle(), os.Remove(h.dir.trial()), h.dir.removeOthers(h.generation()))
}

// eachTrial calls f for every interface with something on trial.
func (r *pinRoot) eachTrial(f func(*holding, *trial) error) error {
	dirs, err := pinDirs(r.path)
	if err != nil {
		return err
	}
	for _, dir := range dirs {
		t, err := dir.readTrial()
		if err != nil {
			return err
		}
		if t == nil {
			continue
		}
		h, index, err := openHolding(dir)
		if err != nil {
			return err
		}
		if h == nil {
			continue // its interface is gone, or it was killed before it had a link: swept
		}
		if index != 0 {
			err = f(h, t)
		}
		h.Close()
		if err != nil {
			return err
		}
	}
	return nil
}

// takeBackExpired ends the trials whose time is over, should their keeper have
// been killed.
func (r *pinRoot) takeBackExpired() error {
	return r.eachTrial(func(h *holding, t *trial) error {
		if t.left() > 0 {
			return nil
		}
		return h.takeBack(t)
	})
}

// Confirm keeps what is on trial, on the interfaces named, or on all of this
// network namespace, and says on which. Errors are *Error; nothing on trial is
// one.
func Confirm(names []string) ([]string, error) {
	return endTrials("confirm", names, func(h *holding, _ *trial) error { return h.keep() })
}

// TakeBack ends trials before their time, as if it were over.
func TakeBack(names []string) ([]string, error) {
	return endTrials("take back", names, (*holding).takeBack)
}

func endTrials(doing string, names []string, end func(*holding, *trial) error) ([]string, error) {
	devices := map[int]string{}
	all, err := listDevices(doing)
	if err != nil {
		return nil, err
	}
	for _, d := range all {
		devices[d.index] = d.name
	}
	for _, name := range names {
		if _, err := findDevice(doing, name); err != nil {
			return nil, err
		}
	}
	root, err := findRoot()
	if err != nil {
		return nil, refusal(doing, err)
	}
	var ended []string
	if root != nil {
		defer root.Close()
		if err := root.sweep(); err != nil { // also takes back what is too late
			return nil, refusal(doing, err)
		}
		space, err := namespaceID()
		if err != nil {
			return nil, refusal(doing, err)
		}
		err = root.eachTrial(func(h *holding, t *trial) error {
			d, err := h.device(space)
			if err != nil {
				return err
			}
			name := devices[d]
			if name == "" || len(names) > 0 && !slices.Contains(names, name) {
				return nil
			}
			ended = append(ended, name)
			return end(h, t)
		})
		if err != nil {
			return nil, refusal(doing, err)
		}
	}
	for _, name := range names {
		if !slices.Contains(ended, name) {
			return ended, nothingOnTrial(doing, name)
		}
	}
	if len(ended) == 0 {
		return nil, nothingOnTrial(doing, "any interface")
	}
	return ended, nil
}

func nothingOnTrial(doing, where string) error {
	return &Error{
		Doing: doing,
		Why:   "no rules are on trial on " + where + ": they were confirmed, or taken back already, or loaded without --confirm",
		Help:  "see what is loaded where: xdpfw status",
	}
}

// device is the index of the interface, if its pins are of this namespace.
func (h *holding) device(space uint64) (int, error) {
	info, err := h.link.Info()
	if err != nil {
		return 0, err
	}
	if !h.dir.isOf(space) {
		return 0, nil
	}
	return int(info.XDP().Ifindex), nil
}

// busyOnTrial refuses another load while one is on trial: which of the two were
// to come back could be understood in two ways.
func (h *holding) busyOnTrial(name string) error {
	t, err := h.dir.readTrial()
	if err != nil || t == nil {
		return err
	}
	return &Error{
		Doing: "load on " + name,
		Why:   fmt.Sprintf("the rules there are on trial for %v more", t.left().Round(time.Second)),
		Help:  fmt.Sprintf("keep them first: xdpfw confirm -i %s; or wait until they are taken back", name),
	}
}
