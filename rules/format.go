package rules

import (
	"strings"
	"unicode/utf8"
)

// The canonical form: see docs/cli.md, section fmt.
const (
	formatWidth  = 100 // columns of a line, comments not counted
	formatIndent = 4
	formatJoined = 4096 // bytes of a line beyond which a statement goes to the next, come what may
	formatList   = 72   // columns from which on a list is broken if its statement is too long
)

// Format is the file in its canonical form: the same statements and comments,
// laid out as every other file is. What it includes is not looked at. A file
// with errors is not formatted.
func Format(file *File) ([]byte, Diagnostics) {
	r := &report{}
	tree := parse(file, r, &usage{})
	if r.failed() {
		return nil, r.diagnostics()
	}
	f := &fileFormatter{text: string(file.Text), file: file, comments: tree.Comments, marks: marksOf(tree)}
	f.scanner = *newScanner(file, nil)
	f.advance()
	f.body(0)
	return f.out.finish(), nil
}

// A fileFormatter goes through the tokens of a file without errors, makes
// statements of them and lays these out. What a token means it knows from the
// marks, which the tree left.
type fileFormatter struct {
	cursor
	text     string
	file     *File
	comments []Span
	marks    []mark // in order of position
	out      layout

	emitted  bool // the last line of the output is from the current line of the source
	used     bool // there was a token or comment in the current line of the source
	moved    int  // where a comment begins that was written already
	trailing Position
}

// A cursor is a place in the token stream.
type cursor struct {
	scanner scanner
	marked  int // marks that lie behind

	tok     token
	mark    markKind // of the token
	comment Span     // in front of the token, which is a line end or the file's then
}

func (f *fileFormatter) advance() {
	end := f.tok.end
	f.tok = f.scanner.next()
	gap := f.text[end:f.tok.start]
	f.comment = Span{}
	if i := strings.IndexByte(gap, '#'); i >= 0 {
		f.comment = Span{f.file, end + i, end + len(strings.TrimRight(gap, " \t"))}
	}
	f.mark = 0
	for f.marked < len(f.marks) && f.marks[f.marked].at <= f.tok.start {
		if m := f.marks[f.marked]; m.at == f.tok.start {
			f.mark |= m.kind
		}
		f.marked++
	}
}

// tokenText is the text of the current token.
func (f *fileFormatter) tokenText() string { return f.text[f.tok.start:f.tok.end] }

// body writes statements up to the brace that closes them, or to the end of the file.
func (f *fileFormatter) body(indent int) {
	f.out.open()
	for {
		f.writeComment(indent)
		switch f.tok.kind {
		case tokenEnd:
			return
		case tokenClose:
			f.pullNolint()
			return
		case tokenLine:
			if !f.used {
				f.out.blankLine()
			}
			f.used, f.emitted = false, false
			f.advance()
		case tokenSemicolon:
			f.used = true
			f.advance()
		default:
			f.statement(indent)
		}
	}
}

// statement writes a statement, a block with its body.
func (f *fileFormatter) statement(indent int) {
	joined := f.emitted && f.out.lastLength() <= formatJoined && f.silenced()
	s := f.pieces()
	if joined { // a `# nolint` behind both must stay in the line of both
		s.pieces = append([]piece{{text: f.out.takeLine() + ";"}}, s.pieces...)
		s.whole, s.equals = true, 0
	}
	if f.tok.kind == tokenOpen {
		f.block(indent, s)
	} else {
		f.write(indent, s)
	}
	f.emitted, f.used = true, true
}

// block writes a block, the head of which is s, on one line if it was written
// so and fits.
func (f *fileFormatter) block(indent int, s *formatted) {
	before := f.cursor
	room := formatWidth - indent*formatIndent - s.width() - 1
	if s.whole || f.silenced() {
		room = MaxLineLength
	}
	if text, fits := f.blockOnLine(room); fits {
		s.add(piece{text: text})
		f.write(indent, s)
		return
	}
	f.cursor = before
	s.add(piece{text: "{"})
	f.write(indent, s)
	f.emitted, f.used = true, true
	leave := f.enter()
	f.body(indent + 1)
	leave()
	f.out.closeBlock(indent)
	f.advance()
}

// enter steps behind the brace that opens a block. What it returns is to be
// called at the closing one.
func (f *fileFormatter) enter() (leave func()) {
	outside := f.scanner.inPackets
	f.scanner.inPackets = f.mark&markTest != 0
	f.advance()
	return func() { f.scanner.inPackets = outside }
}

// blockOnLine is the text of a block in one line. It fits if there is no line
// end and no comment in it, and it is not wider than room.
func (f *fileFormatter) blockOnLine(room int) (text string, fits bool) {
	leave := f.enter()
	defer leave()
	var b strings.Builder
	b.WriteString("{")
	for b.Len() <= room*utf8.UTFMax {
		switch f.tok.kind {
		case tokenClose:
			leave()
			f.advance()
			b.WriteString(" }")
			return b.String(), utf8.RuneCountInString(b.String()) <= room
		case tokenLine, tokenEnd:
			return "", false
		case tokenSemicolon:
			f.advance()
			continue
		}
		s := f.pieces()
		if f.tok.kind == tokenOpen {
			inner, fits := f.blockOnLine(room - b.Len())
			if !fits {
				return "", false
			}
			s.add(piece{text: inner})
		}
		if s.width() > room {
			return "", false
		}
		if b.Len() > 1 {
			b.WriteString(";")
		}
		b.WriteString(" " + s.flat())
	}
	return "", false
}

// writeComment writes the comment in front of the current token, if there is
// one: behind what its line holds, or on a line of its own.
func (f *fileFormatter) writeComment(indent int) {
	c := f.comment
	f.comment = Span{}
	if c.IsZero() || c.Start == f.moved && f.moved > 0 {
		return
	}
	f.used = true
	if f.emitted {
		f.out.behind(c.Text())
	} else {
		f.out.commentLine(indent, c.Text(), f.continues(c))
	}
	if f.emitted || f.continues(c) {
		f.trailing = c.Position()
	}
}

// continues says whether a comment on a line of its own goes on with the one
// that stands behind the line before, right under it.
func (f *fileFormatter) continues(c Span) bool {
	p := c.Position()
	return p.Line == f.trailing.Line+1 && p.Col == f.trailing.Col
}

// silenced says whether a `# nolint` comment ends the current token's line.
func (f *fileFormatter) silenced() bool { return !f.nolintAhead().IsZero() }

// nolintAhead is the `# nolint` comment at the end of the current token's line.
func (f *fileFormatter) nolintAhead() Span {
	c, found := firstBehind(f.comments, f.tok.start)
	if !found || f.file.lineAt(c.Start) != f.file.lineAt(f.tok.start) || !strings.HasPrefix(strings.TrimLeft(c.Text(), "# \t"), "nolint") {
		return Span{}
	}
	return c
}

// pullNolint moves a `# nolint` comment from behind the brace that closes a
// block to the last statement, if that stands in the same line.
func (f *fileFormatter) pullNolint() {
	if !f.emitted {
		return
	}
	if c := f.nolintAhead(); !c.IsZero() {
		f.out.behind(strings.TrimRight(c.Text(), " \t"))
		f.moved = c.Start
	}
}
