package rules

import (
	"bytes"
	"fmt"
	"sort"
	"strings"
	"unicode/utf8"
)

// A File is one source text. Name is what diagnostics call it.
type File struct {
	Name  string
	Text  []byte
	text  string // the same, so that its parts need no memory; "" for the files of sets, of whose text little is asked for
	lines []int  // offset of each line's first byte
}

// NewFile wraps a text that was read elsewhere. A text above MaxFileSize or
// MaxLines, which Parse refuses, counts as one line.
func NewFile(name string, text []byte) *File {
	f := newFile(name, text, MaxFileSize)
	f.text = string(text)
	return f
}

// NewText is a file of any size that holds no rules, such as a listing: places
// in it can be pointed at.
func NewText(name string, text []byte) *File {
	return inLines(name, text, bytes.Count(text, []byte("\n")))
}

func newFile(name string, text []byte, limit int) *File {
	lineEnds := bytes.Count(text, []byte("\n"))
	if len(text) > limit || lineEnds >= MaxLines {
		return &File{Name: name, Text: text, lines: []int{0}}
	}
	return inLines(name, text, lineEnds)
}

func inLines(name string, text []byte, lineEnds int) *File {
	f := &File{Name: name, Text: text, lines: make([]int, 1, 1+lineEnds)}
	if bytes.HasPrefix(text, []byte(byteOrderMark)) {
		f.lines[0] = len(byteOrderMark) // which is not of the first line
	}
	for i, c := range text {
		if c == '\n' {
			f.lines = append(f.lines, i+1)
		}
	}
	return f
}

// A Position is a place in a file for people: line and column count from 1,
// the column in characters.
type Position struct {
	File      string
	Line, Col int
}

func (p Position) String() string { return fmt.Sprintf("%s:%d:%d", p.File, p.Line, p.Col) }

// Position of a byte offset.
func (f *File) Position(offset int) Position {
	line := f.lineAt(offset)
	start := f.lines[line]
	return Position{f.Name, line + 1, utf8.RuneCount(f.Text[start:max(start, offset)]) + 1}
}

// Line is the text of line n (from 1) without its line end.
func (f *File) Line(n int) string { return string(f.lineBytes(n)) }

func (f *File) lineBytes(n int) []byte {
	end := len(f.Text)
	if n < len(f.lines) {
		end = f.lines[n] - 1
	}
	return bytes.TrimSuffix(f.Text[f.lines[n-1]:end], []byte("\r"))
}

// lineAt is the index (from 0) of the line that holds the byte at offset.
func (f *File) lineAt(offset int) int {
	return max(1, sort.Search(len(f.lines), func(i int) bool { return f.lines[i] > offset })) - 1
}

// A Span is the bytes Start to End (excluded) of a file. The zero Span is no
// place at all.
type Span struct {
	File       *File
	Start, End int
}

// IsZero says that the span is no place.
func (s Span) IsZero() bool { return s.File == nil }

// Position of the span's first byte.
func (s Span) Position() Position {
	if s.IsZero() {
		return Position{}
	}
	return s.File.Position(s.Start)
}

// Text is what stands there.
func (s Span) Text() string {
	if s.IsZero() {
		return ""
	}
	if s.File.text != "" {
		return s.File.text[s.Start:s.End]
	}
	return string(s.File.Text[s.Start:s.End])
}

// to is the span from the start of s to the end of t.
func (s Span) to(t Span) Span { return Span{s.File, s.Start, t.End} }

// behind is the empty span at the end of s.
func (s Span) behind() Span { return Span{s.File, s.End, s.End} }

// equals says whether the text that stands there is the one given.
func (s Span) equals(text string) bool { return string(s.File.Text[s.Start:s.End]) == text }

// squeeze is a text with each run of blanks made one.
func squeeze(text string) string { return strings.Join(strings.Fields(text), " ") }
