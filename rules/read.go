package rules

import (
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
