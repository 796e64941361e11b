package rules

import (
	"strings"
	"unicode/utf8"
)

// formatted is a statement on its way from tokens to lines; of a block it is
// the head.
type formatted struct {
	pieces []piece
	equals int  // of `set`: how many pieces there are in front of the `=`
	whole  bool // it is not to be broken
}

// A piece is a word, an operator, a list. Between pieces stands a blank.
type piece struct {
	text   string
	list   *formattedList // in place of text
	clause bool           // a clause begins: the line may be broken in front
	glued  bool           // no blank in front
}

// A formattedList is what stands in braces.
type formattedList struct {
	rows      []row // as they were written, if there are comments; else at most one
	commented bool
	width     int // in one line, with its braces
}

// A row is what stood in one line of a list.
type row struct {
	elements  []string
	comment   Span
	blank     bool // a blank line in front
	continues bool // the comment, that of the row before
}

func (s *formatted) add(p piece) { s.pieces = append(s.pieces, p) }

// pieces reads a statement up to the token behind it, of a block up to the brace.
func (f *fileFormatter) pieces() *formatted {
	s := &formatted{}
	for {
		switch f.tok.kind {
		case tokenEnd, tokenLine, tokenSemicolon, tokenClose:
			return s
		case tokenOpen:
			if f.mark&markBlock != 0 {
				return s
			}
		}
		f.piece(s)
	}
}

// piece adds the current token, of a list all of it, and steps behind it.
func (f *fileFormatter) piece(s *formatted) {
	p := piece{clause: f.mark&markClause != 0, glued: f.isGlued(s)}
	if f.mark&markEqual != 0 {
		s.add(piece{text: "=="})
	} else if f.mark&markIn != 0 {
		s.add(piece{text: "in"})
	}
	if f.tok.kind == tokenOpen {
		p.list = f.list()
		s.add(p)
		return
	}
	p.text = f.tokenText()
	if p.text == "=" && s.equals == 0 {
		s.equals = len(s.pieces)
	}
	if f.mark&markDrop == 0 {
		s.add(p)
	}
	f.advance()
}

// isGlued says whether the current token stands right behind the one before it.
// Outside of lists a comma joins flags: `syn,!ack`.
func (f *fileFormatter) isGlued(s *formatted) bool {
	if len(s.pieces) == 0 || f.tok.kind == tokenOperator {
		return false
	}
	before := s.pieces[len(s.pieces)-1].text
	return f.tok.kind == tokenComma || before == "," || before == "!" || f.mark&markGlue != 0
}

// list reads a list from its brace to behind the closing one.
func (f *fileFormatter) list() *formattedList {
	l := &formattedList{}
	var r row
	element, used := "", false
	endElement := func() {
		if element != "" {
			r.elements = append(r.elements, element)
			l.width += utf8.RuneCountInString(element) + 2
			element = ""
		}
	}
	endRow := func() {
		endElement()
		if len(r.elements) == 0 && r.comment.IsZero() && len(l.rows) > 0 {
			r = row{blank: r.blank || !used}
		} else {
			l.rows = append(l.rows, r)
			r = row{}
		}
		used = false
	}
	for f.advance(); ; f.advance() {
		if c := f.comment; !c.IsZero() {
			f.comment = Span{}
			r.comment, l.commented = c, true
			empty := len(r.elements) == 0 && element == ""
			r.continues = empty && f.continues(c)
			if !empty || r.continues || len(l.rows) == 0 {
				f.trailing = c.Position()
			}
		}
		switch f.tok.kind {
		case tokenLine:
			endRow()
		case tokenComma:
			endElement()
			used = true
		case tokenClose:
			endRow()
			l.finish()
			f.advance()
			return l
		default:
			if element != "" && f.mark&markGlue == 0 {
				element += " "
			}
			element += f.tokenText()
			used = true
		}
	}
}

// finish joins the rows of a list without comments, and knows the width then.
func (l *formattedList) finish() {
	l.width += 2 // the braces, and a blank more than commas
	if len(l.rows) == 0 || l.width == 2 {
		l.width = len("{ }")
	}
	if l.commented || len(l.rows) == 0 {
		return
	}
	all := l.rows[:1]
	for _, r := range l.rows[1:] {
		all[0].elements = append(all[0].elements, r.elements...)
	}
	l.rows = all
}

// flat is the list in one line. It has no comments.
func (l *formattedList) flat() string {
	if len(l.rows) == 0 || len(l.rows[0].elements) == 0 {
		return "{ }"
	}
	return "{ " + strings.Join(l.rows[0].elements, ", ") + " }"
}

// width of a piece in one line, with the blank in front.
func (p *piece) width() int {
	width := 1
	if p.glued {
		width = 0
	}
	if p.list != nil {
		return width + p.list.width
	}
	return width + utf8.RuneCountInString(p.text)
}

// width of the statement in one line.
func (s *formatted) width() int {
	width := -1 // no blank in front of the first
	for i := range s.pieces {
		width += s.pieces[i].width()
	}
	return width
}

// flat is the statement in one line. It has no comments.
func (s *formatted) flat() string {
	var b strings.Builder
	for i := range s.pieces {
		p := &s.pieces[i]
		if i > 0 && !p.glued {
			b.WriteByte(' ')
		}
		if p.list != nil {
			b.WriteString(p.list.flat())
		} else {
			b.WriteString(p.text)
		}
	}
	return b.String()
}
