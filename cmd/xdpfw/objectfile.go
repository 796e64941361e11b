package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/urfave/cli/v2"

	"xdpfw/codegen"
)

// writeObject writes an object file, the whole of it or nothing.
func writeObject(path string, object *codegen.Object) error {
	return writeAnew(path, func(file *newFile) error {
		return errors.Join(file.public(), object.Encode(file))
	})
}

// readObject reads an object file; nil if the file is something else.
func readObject(c *cli.Context, path string) (*codegen.Object, error) {
	info, err := os.Stat(path)
	if err != nil || !info.Mode().IsRegular() {
		return nil, nil // rule files come through pipes too
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	head := make([]byte, 16)
	n, err := io.ReadFull(f, head)
	if !codegen.IsObject(head[:n]) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("%s: the object file is cut off", path)
	}
	if err := noCompileFlags(c, "is for rule files: "+path+" is compiled already"); err != nil {
		return nil, err
	}
	rest, err := io.ReadAll(f)
	if err != nil {
		return nil, err
	}
	object, err := codegen.DecodeObject(bytes.Join([][]byte{head, rest}, nil))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return object, nil
}
