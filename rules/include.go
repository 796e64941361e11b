package rules

import (
	"errors"
	"io/fs"
	"path/filepath"
	"strings"
)

// include checks the statements of another file as if they stood here.
func (c *checker) include(s *IncludeStatement) {
	path := pathFrom(s.Path)
	if c.isCycle(s, path) {
		return
	}
	if len(c.including) == MaxIncludeDepth {
		c.error("limit", s.Path, "files include files deeper than they may (limit: %d)", MaxIncludeDepth)
		return
	}
	file := c.readFile(s.Path, path, 0, MaxFileSize)
	if file == nil || c.exceeded {
		return
	}
	file.text = string(file.Text)
	outer := c.tree
	c.tree = &Tree{File: file}
	c.trees = append(c.trees, c.tree)
	c.including = append(c.including, s.Path)
	if c.asRead {
		parseInto(c.tree, c.report, c.usage, c.statement)
	} else {
		parseInto(c.tree, c.report, c.usage, nil)
		c.statements(c.tree.Statements)
	}
	c.including = c.including[:len(c.including)-1]
	c.tree = outer
}

// isCycle reports a file that includes itself, and the files between.
func (c *checker) isCycle(s *IncludeStatement, path string) bool {
	files := []string{filepath.Clean(c.rs.File.Name)}
	for _, includes := range c.including {
		files = append(files, pathFrom(includes))
	}
	for i, name := range files {
		if name != path {
			continue
		}
		d := c.error("include-cycle", s.Path, "files include each other without end: %s", chainText(append(files[i:], path))).
			help("leave out this include")
		for _, includes := range c.including[i:] {
			d.note(includes, "%s includes %s", quote(includes.File.Name), quote(pathFrom(includes)))
		}
		return true
	}
	return false
}

// chainText is the names of files with arrows between them.
func chainText(files []string) string {
	const most = 6
	var quoted []string
	for i, name := range files {
		if i >= most-1 && i < len(files)-1 {
			quoted = append(quoted[:most-1], "…")
			continue
		}
		quoted = append(quoted, quote(name))
	}
	return strings.Join(quoted, " → ")
}

// pathFrom is where a file is that is named at a span: relative paths begin at
// the folder of the file that they stand in.
func pathFrom(path Span) string {
	name := unquote(path)
	if filepath.IsAbs(name) {
		return filepath.Clean(name)
	}
	return filepath.Join(filepath.Dir(path.File.Name), name)
}

// readFile reads a file that is named at a span, nil if it cannot be read. With
// the bytes that were read before it may have as many as the limit.
func (c *checker) readFile(named Span, path string, before, limit int) *File {
	if c.filesNamed++; c.filesNamed >= MaxFiles { // the main file is one
		if c.filesNamed == MaxFiles {
			c.error("limit", named, "the rules consist of more files than they may (limit: %d)", MaxFiles)
		}
		return nil
	}
	if file := c.files[path]; file != nil {
		return file
	}
	text, err := c.read(path, limit-before)
	switch {
	case errors.Is(err, errTooLarge) || len(text) > limit-before:
		together := ""
		if before > 0 {
			together = ", together with others"
		}
		c.error("limit", named, "%s is larger than it may be%s (limit: %d bytes)", quote(path), together, limit)
		return nil
	case err != nil:
		c.error("unreadable", named, "%s cannot be read: %s", quote(path), readError(err)).Help = unreadableHelp(named, err)
		return nil
	}
	file := newFile(path, text, limit)
	c.rs.Files = append(c.rs.Files, file)
	c.files[path] = file
	c.met(file)
	return file
}

// readError is an error without the path, which is in the message already.
func readError(err error) string {
	var path *fs.PathError
	if errors.As(err, &path) {
		err = path.Err
	}
	return printable(err.Error())
}

func unreadableHelp(named Span, err error) string {
	if errors.Is(err, fs.ErrNotExist) && !filepath.IsAbs(unquote(named)) {
		return "the path counts from the folder of the file that it stands in"
	}
	return ""
}

// unquote is what stands between quotes.
func unquote(s Span) string { return strings.Trim(s.Text(), `"`) }
