package rules

import (
	"errors"
	"fmt"
	"io"
	"os"
)

// ReadFile reads a rule file: a regular file, or a pipe or device up to the
// limit. A file above MaxFileSize is refused without reading it.
func ReadFile(path string) (*File, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if info.IsDir() {
		return nil, fmt.Errorf("%s: is a directory, not a rule file", path)
	}
	if info.Mode().IsRegular() && info.Size() > MaxFileSize {
		return nil, fmt.Errorf("%s: %d bytes are more than a rule file may have (limit: %d)", path, info.Size(), MaxFileSize)
	}
	return Read(path, f)
}

// Read reads a rule file up to the limit. Name is what diagnostics call it.
func Read(name string, r io.Reader) (*File, error) {
	text, err := io.ReadAll(io.LimitReader(r, MaxFileSize+1))
	if err != nil {
		return nil, err
	}
	if len(text) > MaxFileSize {
		return nil, fmt.Errorf("%s: more than a rule file may have (limit: %d bytes)", name, MaxFileSize)
	}
	return NewFile(name, text), nil
}

// A Reader reads a file that a rule file names: all of it, or of a file that is
// larger than limit nothing (which is an error) or the first limit + 1 bytes.
type Reader func(path string, limit int) ([]byte, error)

var (
	errTooLarge   = errors.New("larger than it may be")
	errNotRegular = errors.New("it is no regular file")
)

// ReadRegular is the Reader of files on disk. It reads regular files only: a
// pipe or a device could have no end, or wait for one.
func ReadRegular(path string, limit int) ([]byte, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, errNotRegular
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if info, err = f.Stat(); err != nil {
		return nil, err
	}
	switch {
	case !info.Mode().IsRegular(): // it has changed since
		return nil, errNotRegular
	case info.Size() > int64(limit):
		return nil, errTooLarge
	}
	return io.ReadAll(io.LimitReader(f, int64(limit)+1))
}
