package loader

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"
	"golang.org/x/sys/unix"

	"xdpfw/codegen"
)

// A holding is what xdpfw has on an interface.
type holding struct {
	dir     pinDir
	link    link.Link // nil if it was found for reading only, see findToRead
	program ebpf.ProgramID

	readOnly bool // bpffs is
}

func (h *holding) Close() {
	if h.link != nil {
		h.link.Close()
	}
}

func (h *holding) generation() pinnedGeneration { return h.dir.generation(h.program) }

// ownProgram opens the program that the link runs.
func (h *holding) ownProgram() (*ebpf.Program, error) {
	p, err := ebpf.LoadPinnedProgram(h.generation().program(), &ebpf.LoadPinOptions{ReadOnly: true})
	if err == nil {
		return p, nil
	}
	byID, failed := ebpf.NewProgramFromID(h.program)
	if failed != nil {
		return nil, pinRefused(h.generation().program(), "program", err)
	}
	return byID, nil
}

// programName is what the kernel calls that program; its pin may be opened also
// by those who may not open programs by id.
func (h *holding) programName() string {
	p, err := h.ownProgram()
	if err != nil {
		return ""
	}
	defer p.Close()
	return nameOf(p)
}

// findHolding finds the link of ours that runs the program on the interface;
// nil if the program is not ours, or there is none. An interface that was
// moved to another namespace took its program along, so the folder's name does
// not decide.
func findHolding(root string, d device) (*holding, error) {
	if !d.attached || root == "" {
		return nil, nil
	}
	var own *holding
	closed, err := eachHolding(root, func(h *holding, index int) bool {
		// An interface of another namespace may have the same index.
		if index == d.index && h.isOn(d) {
			own = h
		}
		return own != nil
	})
	if own != nil || err != nil {
		return own, err
	}
	space, err := namespaceID()
	for dir, refused := range closed {
		if dir.isOf(space) && dir.indexInName() == d.index {
			return nil, refused
		}
	}
	return nil, err
}

// findToRead is findHolding for those who only read, who need no link. One can be
// opened for writing only, so not where bpffs is mounted read-only; and its pin
// may have been moved. What is ours is then the folder that has a generation named
// by the program's id, which is given once.
func findToRead(root string, d device) (*holding, error) {
	held, err := findHolding(root, d)
	if held != nil || err != nil && !errors.Is(err, unix.EROFS) || !d.attached || root == "" {
		return held, err
	}
	dirs, failed := pinDirs(root)
	if failed != nil {
		return nil, failed
	}
	for _, dir := range dirs {
		if _, missing := os.Stat(string(dir.generation(d.program))); missing == nil {
			return &holding{dir: dir, program: d.program, readOnly: err != nil}, nil
		}
	}
	return nil, nil
}

// How often, and how far apart, readers look again at what may be on its way to
// another state: they take no lock.
const (
	readTries = 20
	readPause = 5 * time.Millisecond
)

// findSettled is findToRead for a program that may be about to be pinned or
// removed, as one is that has our name, or none as it has gone, and no link of
// ours. now is the device as it was then: its program may be another one, or none.
func findSettled(root string, d device) (held *holding, now device, err error) {
	for try := 1; ; try++ {
		if held, err = findToRead(root, d); err != nil {
			return nil, d, err
		}
		unsettled := false
		if name := programName(d.program); held == nil && d.attached {
			unsettled = name == codegen.ProgramName || name == ""
		}
		if held != nil {
			unsettled = held.link == nil && !held.readOnly
			d.program = held.program // which may be another one by now
		}
		if !unsettled || try == readTries/2 {
			return held, d, nil
		}
		time.Sleep(readPause)
		again, err := findDevice("look at "+d.name, d.name)
		if err != nil {
			return held, d, nil
		}
		if held != nil {
			held.Close()
		}
		d = again
	}
}

// whyNoLink says why a holding was found for reading only.
func (h *holding) whyNoLink(root string) string {
	if !h.readOnly {
		return fmt.Sprintf("the pin %s is missing: put it back there if it was moved; until then the rules can neither be replaced nor unloaded, only evicted (load --evict)", h.dir.link())
	}
	return mountPoint(root) + " is mounted read-only: the rules can neither be replaced nor unloaded"
}

// eachHolding hands over each holding and the interface index it is on, see
// openHolding, until one is kept; the others are closed. A folder with
// something strange in the place of its link has none; closed are the errors of
// those that this user may not look into.
func eachHolding(root string, keep func(h *holding, index int) bool) (closed map[pinDir]error, err error) {
	dirs, err := pinDirs(root)
	if err != nil {
		return nil, err
	}
	closed = make(map[pinDir]error)
	for _, dir := range dirs {
		h, index, err := openHolding(dir)
		if errors.Is(err, unix.EACCES) {
			closed[dir] = err
			continue
		}
		if err := passOver(err); err != nil {
			return nil, err
		}
		if h == nil {
			continue
		}
		if keep(h, index) {
			return nil, nil
		}
		h.Close()
	}
	return closed, nil
}

// isOn says whether the holding's program is the one on the interface. Another
// run may have replaced the program since one of the two was looked at, so both
// are asked again.
func (h *holding) isOn(d device) bool {
	for range 10 {
		if h.program == d.program {
			return true
		}
		now, err := findDevice("look at "+d.name, d.name)
		if err != nil {
			break
		}
		info, err := h.link.Info()
		if err != nil {
			break
		}
		d, h.program = now, info.Program
	}
	return false
}

const linkPin = "link of an XDP program"

// openHolding opens the link of a folder, nil if there is none, and says which
// interface index it is on: 0 if the link is dead, since the interface is gone
// or somebody else detached it.
func openHolding(dir pinDir) (*holding, int, error) {
	l, err := link.LoadPinnedLink(dir.link(), nil)
	if errors.Is(err, os.ErrNotExist) {
		return nil, 0, nil
	}
	if err != nil {
		return nil, 0, pinRefused(dir.link(), linkPin, err)
	}
	info, err := l.Info()
	if err != nil {
		l.Close()
		return nil, 0, err
	}
	xdp := info.XDP()
	if xdp == nil {
		l.Close()
		return nil, 0, &strangePin{dir.link(), linkPin}
	}
	return &holding{dir: dir, link: l, program: info.Program}, int(xdp.Ifindex), nil
}

// remove detaches the link and deletes the folder. Detaching comes first: as
// long as it fails the rule set stays whole. Nothing is done if the folder could
// not be deleted.
func (h *holding) remove() error {
	if err := removable(string(h.dir)); err != nil {
		return err
	}
	if err := h.link.Detach(); err != nil {
		return err
	}
	if err := os.RemoveAll(string(h.dir)); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return nil
}

// indexInName is the interface index in a folder's name, see dirOf; 0 if there
// is none.
func (d pinDir) indexInName() int {
	var space uint64
	var index int
	if n, _ := fmt.Sscanf(filepath.Base(string(d)), "%d-%d", &space, &index); n != 2 {
		return 0
	}
	return index
}
