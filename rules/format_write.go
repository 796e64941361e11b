package rules

import (
	"strings"
	"unicode/utf8"
)

// write lays a statement out: on one line if that is not too long and there are
// no comments in it. Otherwise its long lists are broken, and what is too long
// even so is broken in front of clauses.
func (f *fileFormatter) write(indent int, s *formatted) {
	w := &writer{out: &f.out, statement: s, first: indent, indent: indent}
	w.fits = s.whole || indent*formatIndent+s.width() <= formatWidth
	for i := range s.pieces {
		w.piece(i)
	}
	w.endLine()
}

// A writer turns the pieces of one statement into lines.
type writer struct {
	out       *layout
	statement *formatted
	fits      bool // in one line, lists with comments apart

	line          strings.Builder
	first, indent int // of the first line and of the current one
	equals        int // where in the current line the `=` of a set is, 0 if it is not
}

func (w *writer) piece(i int) {
	p := &w.statement.pieces[i]
	if p.clause && !w.fits && w.line.Len() > 0 && w.column()+w.widthFrom(i) > formatWidth {
		w.line.WriteString(` \`)
		w.endLine()
		w.indent = w.first + 1
	}
	if w.line.Len() > 0 && !p.glued {
		w.line.WriteByte(' ')
	}
	if i == w.statement.equals && i > 0 {
		w.equals = w.line.Len()
	}
	switch {
	case p.list == nil:
		w.line.WriteString(p.text)
	case w.isBroken(p.list), !w.fits && len(p.list.rows) > 0 && w.column()+w.widthFrom(i)-1 > formatWidth:
		w.list(p.list)
	default:
		w.line.WriteString(p.list.flat())
	}
}

func (w *writer) column() int {
	return w.indent*formatIndent + utf8.RuneCountInString(w.line.String())
}

func (w *writer) endLine() {
	w.out.line(w.indent, w.line.String(), w.equals)
	w.line.Reset()
	w.equals = 0
}

// widthFrom is how much of the line the clause that begins with piece i takes:
// up to where it ends or a list is broken.
func (w *writer) widthFrom(i int) int {
	width := 0
	for n := i; n < len(w.statement.pieces); n++ {
		p := &w.statement.pieces[n]
		switch {
		case n > i && p.clause:
			return width + len(` \`)
		case p.list != nil && w.isBroken(p.list):
			return width + len(" {")
		}
		width += p.width()
	}
	return width
}

// isBroken says whether a list is written over several lines.
func (w *writer) isBroken(l *formattedList) bool {
	return l.commented || !w.fits && len(l.rows) > 0 && (l.width > formatList || w.statement.equals > 0)
}

// list writes a list over several lines. What follows it stands behind its
// closing brace.
func (w *writer) list(l *formattedList) {
	w.line.WriteByte('{')
	rows := l.rows
	if first := &rows[0]; len(first.elements) == 0 || beginsStatement(first.elements[0]) {
		for _, element := range first.elements { // which would be taken for a statement in a line of its own
			w.line.WriteString(" " + element + ",")
		}
		w.endLine()
		if !first.comment.IsZero() {
			w.out.behind(first.comment.Text())
		}
		rows = rows[1:]
	} else {
		w.endLine()
	}
	w.out.open()
	for i := range rows {
		if rows[i].blank {
			w.out.blankLine()
		}
		w.row(&rows[i])
	}
	w.out.endBody()
	w.line.WriteByte('}')
}

// row writes a row of a list over as many lines as it needs. Its comment stands
// behind the last of them.
func (w *writer) row(r *row) {
	indent := w.indent + 1
	if len(r.elements) == 0 {
		w.out.commentLine(indent, r.comment.Text(), r.continues)
		return
	}
	var line strings.Builder
	width := 0
	for _, element := range r.elements {
		n := utf8.RuneCountInString(element) + len(",")
		if width > 0 && width+1+n > formatWidth && !beginsStatement(element) {
			w.out.line(indent, line.String(), 0)
			line.Reset()
			width = 0
		}
		if width > 0 {
			line.WriteByte(' ')
			width += 1 + n
		} else {
			width = indent*formatIndent + n
		}
		line.WriteString(element + ",")
	}
	w.out.line(indent, line.String(), 0)
	if !r.comment.IsZero() {
		w.out.behind(r.comment.Text())
	}
}
