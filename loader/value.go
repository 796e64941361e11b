package loader

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"
)

// What is pinned beside the objects of a program is a value: bytes in a frozen
// array map, in as many elements as they fill. A kernel before 6.14 refuses
// elements beyond 4 MiB.
const valueElement = 1 << 20

// newValueMap makes a map that holds a value, which is not empty.
func newValueMap(name string, value []byte) (*ebpf.Map, error) {
	size := min(len(value), valueElement)
	spec := &ebpf.MapSpec{Name: name, Type: ebpf.Array, KeySize: 4, ValueSize: uint32(size), Flags: unix.BPF_F_RDONLY_PROG}
	for at := 0; at < len(value); at += size {
		element := value[at:min(at+size, len(value))]
		if len(element) < size {
			element = append(element[:len(element):len(element)], make([]byte, size-len(element))...)
		}
		spec.Contents = append(spec.Contents, ebpf.MapKV{Key: spec.MaxEntries, Value: element})
		spec.MaxEntries++
	}
	m, err := ebpf.NewMap(spec)
	if err != nil {
		return nil, fmt.Errorf("create the map %s: %w", name, err)
	}
	if err := m.Freeze(); err != nil {
		m.Close()
		return nil, fmt.Errorf("freeze the map %s: %w", name, err)
	}
	return m, nil
}

// readPin reads the value of a pin. Behind one of several elements are zeros.
func readPin(path string) ([]byte, error) {
	m, err := openMap(path)
	if err != nil {
		return nil, err
	}
	defer m.Close()
	var value []byte
	for i := range m.MaxEntries() {
		element, err := m.LookupBytes(i)
		if err != nil {
			return nil, err
		}
		value = append(value, element...)
	}
	return value, nil
}

// replacePin pins a value, at any time the old one or the new one. It is of whoever
// the folder is of: what root pins in a user's the user reads, and takes back.
func replacePin(path, name string, value []byte) error {
	m, err := newValueMap(name, value)
	if err != nil {
		return err
	}
	defer m.Close()
	next := path + "-next" // bpffs takes no dots
	if err := os.Remove(next); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	if err := m.Pin(next); err != nil {
		return err
	}
	var folder unix.Stat_t
	if err := unix.Stat(filepath.Dir(path), &folder); err != nil {
		return &os.PathError{Op: "stat", Path: filepath.Dir(path), Err: err}
	}
	if int(folder.Uid) != os.Geteuid() {
		// Not what a link points to, which the user could put there.
		if err := os.Lchown(next, int(folder.Uid), int(folder.Gid)); err != nil && !errors.Is(err, unix.EPERM) { // without CAP_CHOWN
			return err
		}
	}
	return os.Rename(next, path)
}
