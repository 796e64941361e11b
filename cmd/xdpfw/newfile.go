package main

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
)

// A newFile takes the place of the file of its name, if there is one, once it
// is whole. What is no regular file, such as /dev/null, is written as it is.
type newFile struct {
	*os.File
	name   string
	direct bool
}

func createNew(name string) (*newFile, error) {
	if info, err := os.Stat(name); err == nil && !info.Mode().IsRegular() {
		f, err := os.OpenFile(name, os.O_WRONLY, 0)
		return &newFile{f, name, true}, err
	}
	f, err := os.CreateTemp(filepath.Dir(name), "."+filepath.Base(name)+".*")
	var at *fs.PathError
	if errors.As(err, &at) {
		err = &fs.PathError{Op: "write", Path: name, Err: at.Err} // not that of a file that nobody asked for
	}
	return &newFile{f, name, false}, err
}

// keep the file under its name.
func (f *newFile) keep() error {
	if f.direct {
		return f.Close()
	}
	err := errors.Join(f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(f.File.Name(), f.name)
	}
	if err != nil {
		_ = os.Remove(f.File.Name())
	}
	f.direct = true // nothing to take away
	return err
}

// abandon what was not kept.
func (f *newFile) abandon() {
	_ = f.Close()
	if !f.direct {
		_ = os.Remove(f.File.Name())
	}
}

// public lets others read the file, as files that are not created new mostly
// can be.
func (f *newFile) public() error {
	if f.direct {
		return nil
	}
	return f.Chmod(0o644)
}

// writeAnew writes a file, so that at any time either the old one or the whole
// new one is there.
func writeAnew(name string, write func(*newFile) error) error {
	f, err := createNew(name)
	if err != nil {
		return err
	}
	defer f.abandon()
	if err := write(f); err != nil {
		return err
	}
	return f.keep()
}
