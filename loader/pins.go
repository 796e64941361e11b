package loader

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/cilium/ebpf"
)

// A pinDir is the folder of one interface, <namespace>-<ifindex>, see dirOf:
//
//	link          the bpf_link that holds the program on the interface
//	trial         only while the rules are on trial; see trial.go
//	<id>/         a generation, named by its program's id; the one whose
//	              program the link runs is the active one, any other is a
//	              leftover of a run that was cut short
//	  program
//	  counters    the map of the counters; none if nothing is counted
//	  state       see state
//	  sources     what the rules consist of; none if that is too large
//	  carried     what to add to the counters; see carry.go
//	  before      only until that is known
//
// So updating the link is the commit of a replacement: all before it can be
// thrown away, all behind it can be made up for by the next run.
type pinDir string

func (d pinDir) link() string { return filepath.Join(string(d), "link") }

func (d pinDir) trial() string { return filepath.Join(string(d), "trial") }

func (d pinDir) generation(id ebpf.ProgramID) pinnedGeneration {
	return pinnedGeneration(filepath.Join(string(d), strconv.FormatUint(uint64(id), 10)))
}

// A pinnedGeneration is the folder of one program of an interface.
type pinnedGeneration string

func (g pinnedGeneration) program() string  { return filepath.Join(string(g), "program") }
func (g pinnedGeneration) counters() string { return filepath.Join(string(g), "counters") }
func (g pinnedGeneration) state() string    { return filepath.Join(string(g), "state") }
func (g pinnedGeneration) sources() string  { return filepath.Join(string(g), "sources") }
func (g pinnedGeneration) carried() string  { return filepath.Join(string(g), "carried") }
func (g pinnedGeneration) before() string   { return filepath.Join(string(g), "before") }

// pin writes the generation of an image. sources may be nil.
func (g pinnedGeneration) pin(img *image, s state, sources *ebpf.Map) error {
	value, err := s.encode()
	if err != nil {
		return err
	}
	stateMap, err := newValueMap("xdpfw_state", value)
	if err != nil {
		return err
	}
	defer stateMap.Close()
	// A program's id is given once, so what has its name is not in use.
	if err := os.RemoveAll(string(g)); err != nil {
		return err
	}
	if err := os.MkdirAll(string(g), 0o700); err != nil {
		return err
	}
	err = errors.Join(img.entry.Pin(g.program()), stateMap.Pin(g.state()))
	if img.counters != nil {
		err = errors.Join(err, img.counters.Pin(g.counters()))
	}
	if sources != nil {
		err = errors.Join(err, pinAlso(sources, g.sources()))
	}
	return err
}

// pinAlso leaves a map's other pins where they are, which Pin would rename.
func pinAlso(m *ebpf.Map, path string) error {
	other, err := m.Clone()
	if err != nil {
		return err
	}
	defer other.Close()
	return other.Pin(path)
}

// readState reads the state that was pinned; see decodeState.
func (g pinnedGeneration) readState() (version int, s *state, err error) {
	value, err := readPin(g.state())
	if err != nil {
		return 0, nil, err
	}
	return decodeState(value)
}

// dirOf is where the pins of an interface go on which there is nothing of ours.
// An interface that was moved to another namespace leaves the folder of its old
// name in use, so that another interface with its index needs one more.
func dirOf(root string, d device) (pinDir, error) {
	id, err := namespaceID()
	if err != nil {
		return "", fmt.Errorf("identify the network namespace: %w", err)
	}
	name := filepath.Join(root, fmt.Sprintf("%d-%d", id, d.index))
	dir := pinDir(name)
	for n := 2; ; n++ {
		if _, err := os.Lstat(dir.link()); errors.Is(err, os.ErrNotExist) {
			return dir, nil
		} else if err != nil {
			return "", err
		}
		dir = pinDir(fmt.Sprintf("%s-%d", name, n))
	}
}

// isOf says whether the folder is of an interface of a network namespace.
func (d pinDir) isOf(space uint64) bool {
	return strings.HasPrefix(filepath.Base(string(d)), strconv.FormatUint(space, 10)+"-")
}

// Names of folders: of an interface, see dirOf, and of a generation.
var (
	interfaceFolder  = regexp.MustCompile(`^[0-9]+-[0-9]+(-[0-9]+)?$`)
	generationFolder = regexp.MustCompile(`^[0-9]+(-gone)*$`) // twice by the first versions
)

// pinDirs is every folder of an interface below the root. What has another name
// is somebody else's, where a root was named that is not only ours.
func pinDirs(root string) ([]pinDir, error) { return foldersOf(root, interfaceFolder) }

// generations of an interface.
func (d pinDir) generations() ([]pinDir, error) { return foldersOf(string(d), generationFolder) }

// isOurs says that nothing is in the folder that we do not put there.
func (d pinDir) isOurs() bool {
	entries, err := os.ReadDir(string(d))
	if err != nil {
		return false
	}
	for _, e := range entries {
		name := e.Name()
		if e.IsDir() && !generationFolder.MatchString(name) || !e.IsDir() && name != "link" && !strings.HasPrefix(name, "trial") {
			return false
		}
	}
	return true
}

func foldersOf(root string, named *regexp.Regexp) ([]pinDir, error) {
	entries, err := os.ReadDir(root)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil // another run has just removed the last
	}
	if err != nil {
		return nil, err
	}
	var dirs []pinDir
	for _, e := range entries {
		if e.IsDir() && named.MatchString(e.Name()) {
			dirs = append(dirs, pinDir(filepath.Join(root, e.Name())))
		}
	}
	return dirs, nil
}

// sweep takes back what was on trial too long, and removes what no interface
// uses any more: folders whose link died with its interface, and those that a
// run left behind before it had a link. What cannot be done for one folder does
// not keep it from the others.
func (r *pinRoot) sweep() error {
	dirs, err := pinDirs(r.path)
	if err != nil {
		return err
	}
	var errs []error
	if err := r.takeBackExpired(); err != nil {
		errs = append(errs, fmt.Errorf("take back what was on trial: %w", err))
	}
	for _, dir := range dirs {
		if err := dir.sweep(); err != nil {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

func (d pinDir) sweep() error {
	h, index, err := openHolding(d)
	if err != nil {
		return passOver(err) // which status tells
	}
	if h != nil {
		h.Close()
	}
	if h != nil && index != 0 || !d.isOurs() {
		return nil
	}
	return os.RemoveAll(string(d))
}

// goneSuffix is of the name of a generation that is being removed.
const goneSuffix = "-gone"

// remove takes the generation away, for readers all of it at once: one that
// finds the counters finds what is to be added to them.
func (g pinnedGeneration) remove() error {
	gone := string(g)
	if !strings.HasSuffix(gone, goneSuffix) {
		gone += goneSuffix
		if err := os.RemoveAll(gone); err != nil { // of a run that was killed
			return err
		}
		if err := os.Rename(string(g), gone); err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
	}
	return os.RemoveAll(gone)
}

// removeOthers removes every generation but some.
func (d pinDir) removeOthers(keep ...pinnedGeneration) error {
	dirs, err := d.generations()
	for _, other := range dirs {
		if !slices.Contains(keep, pinnedGeneration(other)) {
			err = errors.Join(err, pinnedGeneration(other).remove())
		}
	}
	return err
}
