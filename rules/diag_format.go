package rules

import (
	"bufio"
	"fmt"
	"io"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Colours of the terminal (ECMA-48, SGR).
const (
	colourReset  = "\x1b[0m"
	colourBold   = "\x1b[1m"
	colourError  = "\x1b[1;31m"
	colourWarn   = "\x1b[1;35m"
	colourMargin = "\x1b[34m"
	colourHelp   = "\x1b[1;32m"
	colourNote   = "\x1b[1;36m"
)

// Format writes the diagnostics for people: each with its position, the source
// line with a caret line under the exact span, help and notes. What the file
// says reaches the terminal as printable characters only.
func (ds Diagnostics) Format(w io.Writer, color bool) error {
	f := formatter{w: bufio.NewWriter(w), color: color}
	for i := range ds {
		f.diagnostic(&ds[i])
	}
	return f.w.Flush()
}

type formatter struct {
	w     *bufio.Writer
	color bool
}

// paint puts a text in a colour.
func (f *formatter) paint(colour, text string) string {
	if !f.color {
		return text
	}
	return colour + text + colourReset
}

func (f *formatter) diagnostic(d *Diagnostic) {
	colour := colourError
	if d.Severity == Warning {
		colour = colourWarn
	}
	fmt.Fprintf(f.w, "%s: %s %s [%s]\n", f.paint(colourBold, printable(d.Span.Position().String())),
		f.paint(colour, d.Severity.String()+":"), f.paint(colourBold, d.Message), d.Code)
	if d.more == 0 {
		f.excerpt(d.Span, colour)
	}
	if d.Help != "" {
		fmt.Fprintf(f.w, "  %s %s\n", f.paint(colourHelp, "help:"), d.Help)
	}
	for _, n := range d.Notes {
		fmt.Fprintf(f.w, "  %s %s: %s\n", f.paint(colourNote, "note:"), printable(n.Span.Position().String()), n.Message)
		f.excerpt(n.Span, colourNote)
	}
}

// excerpt writes the line that a span begins in, and carets under the span as
// far as it stands in that line.
func (f *formatter) excerpt(s Span, colour string) {
	if s.IsZero() {
		return
	}
	number := s.File.lineAt(s.Start)
	start := s.File.lines[number]
	line := s.File.lineBytes(number + 1)
	from := min(max(0, s.Start-start), len(line)) // a span of a file begins in front of a byte order mark
	to := min(max(0, s.End-start), len(line))
	source, blanks, carets := excerptWindow(line, from, to)
	margin := fmt.Sprintf("%5d |", number+1)
	fmt.Fprintf(f.w, "%s %s\n", f.paint(colourMargin, margin), source)
	fmt.Fprintf(f.w, "%s %s%s\n", f.paint(colourMargin, strings.Repeat(" ", len(margin)-1)+"|"),
		strings.Repeat(" ", blanks), f.paint(colour, "^"+strings.Repeat("~", max(carets-1, 0))))
}

// How much of a line is shown, in columns of the terminal.
const (
	windowWidth  = 100
	windowBefore = 40 // of which in front of the span, if the line is longer
	tabStop      = 4
)

// excerptWindow is the part of a line around the bytes from to to as it is
// shown, and how many columns are in front of them and taken by them.
func excerptWindow(line []byte, from, to int) (shown string, before, width int) {
	start := 0
	if windowWidth < columns(line, 2*windowWidth) { // a line that is too long as a whole
		for start = from; start > 0 && columns(line[start:from], windowBefore) < windowBefore; {
			_, size := utf8.DecodeLastRune(line[:start])
			start -= size
		}
	}
	var b strings.Builder
	column := 0
	if start > 0 {
		b.WriteString("…")
		column = 1
	}
	before, end := -1, -1
	for i := start; i <= len(line); {
		if i >= from && before < 0 {
			before = column
		}
		if i >= to && end < 0 {
			end = column
		}
		if i == len(line) {
			break
		}
		if column >= windowWidth {
			b.WriteString("…")
			break
		}
		r, size := utf8.DecodeRune(line[i:])
		text, cells := cell(r, size, column)
		b.WriteString(text)
		column += cells
		i += size
	}
	if end < 0 {
		end = column
	}
	return strings.TrimRight(b.String(), " "), before, end - before
}

// columns is how wide a text is, as far as limit.
func columns(text []byte, limit int) int {
	column := 0
	for i := 0; i < len(text) && column < limit; {
		r, size := utf8.DecodeRune(text[i:])
		_, cells := cell(r, size, column)
		column += cells
		i += size
	}
	return column
}

// cell is how a character that stands at a column is shown, and how many
// columns it takes.
func cell(r rune, size, column int) (text string, cells int) {
	switch {
	case r == '\t':
		cells = tabStop - column%tabStop
		return strings.Repeat(" ", cells), cells
	case r == utf8.RuneError && size == 1, !unicode.IsPrint(r):
		return "\uFFFD", 1
	case unicode.In(r, unicode.Mn, unicode.Me):
		return string(r), 0
	case isWide(r):
		return string(r), 2
	}
	return string(r), 1
}

// isWide says whether terminals give a character two columns (the main blocks
// of Unicode's East Asian Width W and F).
func isWide(r rune) bool {
	switch {
	case r < 0x1100:
		return false
	case r <= 0x115f, r >= 0x2e80 && r <= 0xa4cf, r >= 0xac00 && r <= 0xd7a3, r >= 0xf900 && r <= 0xfaff,
		r >= 0xfe30 && r <= 0xfe6f, r >= 0xff00 && r <= 0xff60, r >= 0xffe0 && r <= 0xffe6,
		r >= 0x1f300 && r <= 0x1f64f, r >= 0x1f900 && r <= 0x1f9ff, r >= 0x20000 && r <= 0x3fffd:
		return true
	}
	return false
}

// printable is a text without characters that could move a terminal's cursor.
func printable(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return utf8.RuneError
	}, text)
}

// quote is a word of the source in a message, cut if it is long.
func quote(word string) string {
	const most = 48
	if len(word) > most {
		cut := most
		for !utf8.RuneStart(word[cut]) {
			cut--
		}
		word = word[:cut] + "…"
	}
	return "`" + printable(word) + "`"
}
