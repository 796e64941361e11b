package loader

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"
)

// A pinError is that of a pin that cannot be opened.
type pinError struct {
	path string
	err  error
}

func (e *pinError) Error() string { return fmt.Sprintf("open the pin %s: %v", e.path, e.err) }

func (e *pinError) Unwrap() error { return e.err }

// A strangePin is the error for what no xdpfw pinned, in the place of what one
// does. It is nobody's but the user's to remove.
type strangePin struct {
	path   string
	wanted string // what xdpfw pins there
}

func (e *strangePin) Error() string {
	return fmt.Sprintf("%s is no %s, so it was not pinned by xdpfw: remove it if nothing needs it (rm -r %[1]s)", e.path, e.wanted)
}

// pinRefused makes one of the two of what opening a pin ended with. That it is
// another object has no errno; of a folder the kernel says EACCES.
func pinRefused(path, wanted string, err error) error {
	var errno unix.Errno
	if file, failed := os.Lstat(path); !errors.As(err, &errno) || failed == nil && file.IsDir() {
		return &strangePin{path, wanted}
	}
	return &pinError{path, err}
}

// passOver is nil instead of what is wrong with that folder only, for those whom
// other folders concern: a strangePin, or that it is somebody else's.
func passOver(err error) error {
	if errors.As(err, new(*strangePin)) || errors.Is(err, unix.EACCES) {
		return nil
	}
	return err
}

// removable says whether this user may remove a folder with all that is in it.
func removable(folder string) error {
	return filepath.WalkDir(folder, func(path string, entry fs.DirEntry, err error) error {
		if err == nil && entry.IsDir() {
			if err = unix.Faccessat(unix.AT_FDCWD, path, unix.R_OK|unix.W_OK|unix.X_OK, unix.AT_EACCESS); err != nil {
				err = &fs.PathError{Op: "remove", Path: path, Err: err}
			}
		}
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		return err
	})
}

// openMap opens the map of a pin, for reading.
func openMap(path string) (*ebpf.Map, error) {
	m, err := ebpf.LoadPinnedMap(path, &ebpf.LoadPinOptions{ReadOnly: true})
	if err != nil {
		return nil, pinRefused(path, "map", err)
	}
	return m, nil
}
