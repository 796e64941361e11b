package rules

import (
	"bytes"
	"unicode"
	"unicode/utf8"
)

// A tokenKind says what a token is.
type tokenKind uint8

const (
	tokenEnd       tokenKind = iota // of the file
	tokenLine                       // line end
	tokenSemicolon                  // ;
	tokenWord                       // keyword, name, number, address, with what is glued to it: "80-90", "no-telnet:"
	tokenSetName                    // @name
	tokenString                     // "…"
	tokenOpen                       // {
	tokenClose                      // }
	tokenComma                      // ,
	tokenOperator                   // = == != < <= > >=
	tokenNot                        // !
	tokenBad                        // something that was reported already
)

// A token is a piece of text. It has no text of its own, only a place.
type token struct {
	kind       tokenKind
	start, end int
}

// A scanner cuts a text into tokens, from front to back. It looks at each byte
// once, and every token but tokenEnd is at least one byte long.
type scanner struct {
	file     *File
	text     []byte
	off      int
	report   *report // nil: the text has been scanned before
	comments []Span
	badLine  int // where the line ends in which the last bad character was reported

	inPackets bool // brackets are part of words: [2001:db8::1]:443
}

const byteOrderMark = "\uFEFF"

func newScanner(file *File, r *report) *scanner {
	s := &scanner{file: file, text: file.Text, report: r}
	if bytes.HasPrefix(s.text, []byte(byteOrderMark)) {
		s.off = len(byteOrderMark)
	}
	return s
}

func (s *scanner) span(start, end int) Span { return Span{s.file, start, end} }

func (s *scanner) error(code string, span Span, format string, args ...any) *Diagnostic {
	if s.report == nil {
		return &Diagnostic{}
	}
	return s.report.error(code, span, format, args...)
}

// peek is the byte n behind the current one, 0 behind the end.
func (s *scanner) peek(n int) byte {
	if s.off+n < len(s.text) {
		return s.text[s.off+n]
	}
	return 0
}

// next is the next token. Behind the end it is tokenEnd again and again.
func (s *scanner) next() token {
	s.skipBlanks()
	if s.off == len(s.text) {
		return token{tokenEnd, s.off, s.off}
	}
	start := s.off
	c := s.text[start]
	if s.isWordByte(c) {
		return s.take(tokenWord, s.wordLength(0))
	}
	switch c {
	case '\n':
		return s.take(tokenLine, 1)
	case '\r':
		if s.peek(1) == '\n' {
			return s.take(tokenLine, 2)
		}
		s.reportBad('\r', 1, s.span(start, start+1))
		return s.take(tokenLine, 1) // as it was meant, perhaps
	case ';':
		return s.take(tokenSemicolon, 1)
	case '{':
		return s.take(tokenOpen, 1)
	case '}':
		return s.take(tokenClose, 1)
	case ',':
		return s.take(tokenComma, 1)
	case '@':
		return s.take(tokenSetName, 1+s.wordLength(1))
	case '"':
		return s.scanString()
	case '=', '<', '>':
		if s.peek(1) == '=' {
			return s.take(tokenOperator, 2)
		}
		return s.take(tokenOperator, 1)
	case '!':
		if s.peek(1) == '=' {
			return s.take(tokenOperator, 2)
		}
		return s.take(tokenNot, 1)
	}
	return s.scanBad()
}

func (s *scanner) take(kind tokenKind, n int) token {
	start := s.off
	s.off += n
	return token{kind, start, s.off}
}

// isWordByte: what may stand in a word. Words are taken apart only where it is
// known what they are: a dash is part of a name but divides a range.
var isWordByte = func() (is [256]bool) {
	for _, c := range "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-.:/+%*" {
		is[c] = true
	}
	return is
}()

func (s *scanner) isWordByte(c byte) bool {
	return isWordByte[c] || s.inPackets && (c == '[' || c == ']')
}

func (s *scanner) wordLength(from int) int {
	n := 0
	for s.off+from+n < len(s.text) && s.isWordByte(s.text[s.off+from+n]) {
		n++
	}
	return n
}

// skipBlanks skips blanks, comments and joined line ends.
func (s *scanner) skipBlanks() {
	for s.off < len(s.text) {
		switch s.text[s.off] {
		case ' ', '\t':
			s.off++
		case '#':
			s.skipComment()
		case '\\':
			n := s.joinLength()
			if n == 0 {
				return
			}
			s.off += n
		default:
			return
		}
	}
}

// joinLength is the length of a backslash with its line end, else 0.
func (s *scanner) joinLength() int {
	switch {
	case s.peek(1) == '\n':
		return 2
	case s.peek(1) == '\r' && s.peek(2) == '\n':
		return 3
	}
	return 0
}

// skipComment skips to the line end and remembers the comment.
func (s *scanner) skipComment() {
	start := s.off
	end := len(s.text)
	if n := bytes.IndexByte(s.text[start:], '\n'); n >= 0 {
		end = start + n
	}
	if end > start && end < len(s.text) && s.text[end-1] == '\r' {
		end--
	}
	s.off = end
	if s.report == nil {
		return
	}
	s.comments = append(s.comments, s.span(start, end))
	s.checkText(start, end)
}

// checkText reports the first character of a comment or string that may not
// stand in a file at all.
func (s *scanner) checkText(start, end int) {
	for i := start; i < end; {
		if c := s.text[i]; c >= ' ' && c < 0x7f || c == '\t' {
			i++
			continue
		}
		r, size := utf8.DecodeRune(s.text[i:end])
		if isForbidden(r, size) {
			s.reportBad(r, size, s.span(i, i+size))
			return
		}
		i += size
	}
}

// isForbidden: control characters, broken UTF-8, and characters that reverse
// the direction of text, so that a file reads otherwise than it is.
func isForbidden(r rune, size int) bool {
	return r == utf8.RuneError && size <= 1 || r != '\t' && unicode.IsControl(r) || isBidiControl(r)
}

func isBidiControl(r rune) bool {
	return r >= 0x202a && r <= 0x202e || r >= 0x2066 && r <= 0x2069
}

// scanString takes a string, which ends on its line.
func (s *scanner) scanString() token {
	start := s.off
	for n := start + 1; n < len(s.text) && s.text[n] != '\n'; n++ {
		if s.text[n] == '"' {
			s.checkText(start, n)
			return s.take(tokenString, n+1-start)
		}
	}
	s.error("unterminated-string", s.span(start, start+1), "this string has no end on its line").
		help("strings end with a second `\"`")
	end := s.file.lines[s.file.lineAt(start)] + len(s.file.lineBytes(s.file.lineAt(start)+1))
	return s.take(tokenBad, max(end-start, 1))
}

// scanBad takes a run of characters that mean nothing and reports it once.
func (s *scanner) scanBad() token {
	start := s.off
	r, size := utf8.DecodeRune(s.text[start:])
	end := start + size
	for end < len(s.text) && !startsToken(s.text[end]) {
		end++
	}
	if start >= s.badLine { // what else is bad in the line is most likely the same mistake: `[` and `]`
		s.reportBad(r, size, s.span(start, end))
		line := s.file.lineAt(start)
		s.badLine = s.file.lines[line] + len(s.file.lineBytes(line+1))
	}
	if r == 0 { // what follows is no text either
		s.off = len(s.text)
		return token{tokenBad, start, end}
	}
	return s.take(tokenBad, end-start)
}

// startsToken says whether a byte is, or may be, something that the scanner knows.
func startsToken(c byte) bool {
	if isWordByte[c] {
		return true
	}
	switch c {
	case ' ', '\t', '\r', '\n', '#', '\\', ';', '{', '}', ',', '@', '"', '=', '<', '>', '!':
		return true
	}
	return false
}

// reportBad says what is wrong with characters, the first of which is r, of size bytes.
func (s *scanner) reportBad(r rune, size int, span Span) {
	switch {
	case r == utf8.RuneError && size <= 1:
		s.error("bad-encoding", span, "this is not UTF-8 (byte 0x%02x)", s.text[span.Start]).
			help("rule files are UTF-8 text; is this a text file?")
	case r == 0:
		s.error("bad-character", span, "a NUL byte").help("rule files are text; is this a binary file?")
	case r == '\r':
		s.error("bad-character", span, "a carriage return that no line feed follows").
			help("lines end with LF or CRLF")
	case r == '\\' && span.Start == len(s.text)-1:
		s.error("bad-character", span, "`\\` at the end of the file joins nothing").help("delete it")
	case r == '\\':
		s.error("bad-character", span, "`\\` joins lines only as the last character of its line")
	case unicode.IsControl(r):
		s.error("bad-character", span, "control character U+%04X", r).help("delete it: it cannot be seen")
	case isBidiControl(r):
		s.error("bad-character", span, "U+%04X, which changes the direction of text", r).
			help("delete it: with it the file reads otherwise than it is meant")
	case !unicode.IsPrint(r):
		s.error("bad-character", span, "unexpected character U+%04X", r).Help = lookalike(r)
	default:
		s.error("bad-character", span, "unexpected character %s", quote(string(r))).Help = s.helpWith(r, span)
	}
}

// helpWith is help for a character that other languages have.
func (s *scanner) helpWith(r rune, span Span) string {
	isGlued := span.Start > 0 && isWordByte[s.text[span.Start-1]]
	line := s.file.lineAt(span.Start)
	rest := s.text[span.Start : s.file.lines[line]+len(s.file.lineBytes(line+1))]
	closing := bytes.IndexByte(rest, ']')
	switch {
	case r == '[' && isGlued:
		return "bytes of the packet are compared with `at`: `at transport+13 1 0x02/0x12`"
	case r == '[' && closing > 0 && bytes.IndexByte(rest[:closing], ':') >= 0:
		return "IPv6 addresses stand without brackets, ports behind `port`: `to 2001:db8::1 port 443`"
	}
	return lookalike(r)
}

// lookalike is help for characters that word processors put in place of others.
func lookalike(r rune) string {
	switch r {
	case '\u00a0', '\u2007', '\u202f':
		return "this is a non-breaking space; a plain one is meant"
	case '–', '—', '−', '‐', '‑':
		return "this is not the plain `-`"
	case '“', '”', '„', '«', '»':
		return "this is not the plain `\"`"
	case '≠':
		return "write `!=`"
	case '≤':
		return "write `<=`"
	case '≥':
		return "write `>=`"
	case '[':
		return "lists stand in braces: `{ 80, 443 }`"
	case '(', ')':
		return "there are no parentheses: alternatives stand in braces, `not` is about one clause, and clauses around many rules head a block"
	case '&', '|':
		return "clauses are joined by and without a word; alternatives stand in braces: `{ 80, 443 }`"
	case '$':
		return "a set is used as `@name`"
	case '\'', '`':
		return "the names of files and interfaces stand in `\"`, all else without quotes"
	case '\uFEFF':
		return "a byte order mark stands at the beginning of a file, or not at all"
	}
	return ""
}
