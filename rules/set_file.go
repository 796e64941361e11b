package rules

import (
	"bytes"
	"encoding/binary"
	"net/netip"
	"strings"
)

// A setFile is the file of a set while it is read: one element a line, `#` and
// `;` begin comments.
type setFile struct {
	*checker
	set      *set
	file     *File
	first    Span // of the elements, the one that gives the kind
	hostBits int  // how many prefixes had bits set behind their length
	masked   Span // the first of them
}

// fillFromFile finds out the values of a set that are in a file.
func (c *checker) fillFromFile(s *set) {
	named := s.statement.Path
	path := pathFrom(named)
	if same := c.setFiles[path]; same != nil {
		statement := s.statement
		*s = *same
		s.statement, s.used = statement, false
		return
	}
	file := c.readFile(named, path, c.setBytes, MaxSetFileSize)
	if file == nil {
		s.broken = true
		return
	}
	c.setFiles[path] = s
	c.setBytes += len(file.Text)
	if len(file.lines) == 1 && bytes.Count(file.Text, []byte("\n")) >= MaxLines {
		c.error("limit", named, "%s has more lines than it may have (limit: %d)", quote(file.Name), MaxLines)
		s.broken = true
		return
	}
	f := &setFile{checker: c, set: s, file: file}
	f.read()
	if f.hostBits > 0 {
		f.warnOfHostBits()
	}
	c.finishSet(s)
}

// warnOfHostBits: lists that others publish have such prefixes, and what is
// meant is never in doubt. There is one warning for all of them.
func (f *setFile) warnOfHostBits() {
	message := "%d prefixes or masks have bits set behind them: those bits are left out"
	if f.hostBits == 1 {
		message = "%d prefix or mask has bits set behind it: those bits are left out"
	}
	f.warning("host-bits", f.masked, message, f.hostBits).
		note(f.set.statement.Path, "the set is defined here").in(f.set.statement.Span)
}

// read goes through the lines.
func (f *setFile) read() {
	text := f.file.Text
	if bytes.HasPrefix(text, []byte("\xff\xfe")) || bytes.HasPrefix(text, []byte("\xfe\xff")) {
		f.error("bad-encoding", Span{f.file, 0, 2}, "the file is UTF-16").help("set files are UTF-8 text")
		f.set.broken = true
		return
	}
	at := 0
	if bytes.HasPrefix(text, []byte(byteOrderMark)) {
		at = len(byteOrderMark)
	}
	for at < len(text) {
		end := len(text)
		if n := bytes.IndexByte(text[at:], '\n'); n >= 0 {
			end = at + n
		}
		if !f.line(at, end) {
			f.set.broken = true
			return
		}
		at = end + 1
	}
}

// line reads the element of a line, if there is one. It is false if reading
// stops.
func (f *setFile) line(start, end int) bool {
	text := f.file.Text
	if n := bytes.IndexAny(text[start:end], "#;"); n >= 0 {
		end = start + n
	}
	for start < end && isBlank(text[start]) {
		start++
	}
	for start < end && isBlank(text[end-1]) {
		end--
	}
	if start == end {
		return true
	}
	span := Span{f.file, start, end}
	if end-start > MaxLineLength {
		f.error("limit", Span{f.file, start, start}, "the line has %d bytes (limit: %d)", end-start, MaxLineLength)
		return false
	}
	if f.fileElements++; f.fileElements > MaxFileElements {
		f.error("limit", span, "the files of sets have more elements than they may have (limit: %d)", MaxFileElements)
		return false
	}
	if r, is4, hostBits, ok := quickElement(text[start:end]); ok {
		if hostBits {
			f.countHostBits(span)
		}
		if is4 {
			f.set.ip4 = append(f.set.ip4, r)
		} else {
			f.set.ip6 = append(f.set.ip6, r)
		}
		f.sameKind(addressKind, span)
		return true
	}
	return f.otherElement(span)
}

// countHostBits notes a prefix or mask with bits that are left out.
func (f *setFile) countHostBits(span Span) {
	if f.hostBits++; f.hostBits == 1 {
		f.masked = span
	}
}

func isBlank(c byte) bool { return c == ' ' || c == '\t' || c == '\r' }

// otherElement reads what is neither an address nor a prefix, or wrong.
func (f *setFile) otherElement(span Span) bool {
	e, ok := f.elementAt(span)
	if ok && e.Kind == ElementWord && f.hasHostBits(span) {
		return true
	}
	if ok {
		kind, good := f.setElement(f.set, e)
		if ok = good; good {
			f.sameKind(kind, span)
		}
	}
	if !ok {
		f.set.broken = true
	}
	return !f.full()
}

// hasHostBits adds an address with a mask, or a MAC address with a prefix or
// mask, that has bits set behind it; other elements are left alone.
func (f *setFile) hasHostBits(span Span) bool {
	text := span.Text()
	if !strings.Contains(text, "/") {
		return false
	}
	kind, all := addressKind, Value{}
	v, mask, is4, wrong := readMask(text)
	if all = greatestAddress(is4); wrong != nil {
		kind, all, is4 = macKind, greatestMAC, true
		v, mask, wrong = readMACMask(text)
	}
	if wrong != nil || v.and(mask) == v {
		return false
	}
	f.countHostBits(span)
	f.set.addAddress(maskedAddress(v.and(mask), mask, all, is4))
	f.sameKind(kind, span)
	return true
}

// sameKind reports an element of another kind than the first.
func (f *setFile) sameKind(kind kind, span Span) {
	if kind == f.set.kind {
		return
	}
	f.kindOf(f.set, kind, span, &f.first)
}

// elementAt reads a line as an element of a list. What the scanner of rule
// files would not take is wrong here too.
func (f *setFile) elementAt(span Span) (e Element, ok bool) {
	p := &parser{report: f.report, scanner: &scanner{file: f.file, text: f.file.Text[:span.End], off: span.Start, report: f.report}}
	p.advance()
	p.lastEnd = span.Start
	switch {
	case p.tok.kind == tokenBad: // reported by the scanner
		return e, false
	case p.tok.kind != tokenWord:
		p.error("bad-element", p.span(), "%s in the file of a set", p.found()).help("a line has one address, prefix, range or number")
		return e, false
	}
	e, ok = p.element()
	if ok && p.tok.kind != tokenEnd {
		if p.tok.kind != tokenBad {
			p.error("bad-element", p.span(), "%s behind the element", p.found()).
				help("a line has one element; what stands behind `#` or `;` is not read")
		}
		return e, false
	}
	return e, ok
}

// quickElement reads an address or prefix. It is not ok if it is something
// else, which may be right or wrong: most lines of large files are prefixes,
// and those must be read fast.
func quickElement(text []byte) (r Range, is4, hostBits, ok bool) {
	slash := bytes.IndexByte(text, '/')
	address, length, most := text, -1, 128
	if slash >= 0 {
		if address, length = text[:slash], smallNumber(text[slash+1:]); length < 0 {
			return r, false, false, false
		}
	}
	v, is4 := quickAddress4(address)
	if is4 {
		most = 32
	} else if v, ok = quickAddress6(address); !ok {
		return r, false, false, false
	}
	switch {
	case slash < 0:
		return Range{v, v}, is4, false, true
	case length > most:
		return r, false, false, false
	}
	r = prefixRange(v, length, is4)
	return r, is4, r.Lo != v, true
}

// smallNumber reads a decimal number of at most three digits, without zeros in
// front; it is -1 if the text is something else.
func smallNumber(text []byte) int {
	if len(text) == 0 || len(text) > 3 || len(text) > 1 && text[0] == '0' {
		return -1
	}
	n := 0
	for _, c := range text {
		if c < '0' || c > '9' {
			return -1
		}
		n = 10*n + int(c-'0')
	}
	return n
}

func quickAddress4(text []byte) (v Value, ok bool) {
	for part := range 4 {
		octet := text
		if part < 3 {
			dot := bytes.IndexByte(text, '.')
			if dot < 0 {
				return Value{}, false
			}
			octet, text = text[:dot], text[dot+1:]
		}
		n := smallNumber(octet)
		if n < 0 || n > 255 {
			return Value{}, false
		}
		v.Lo = v.Lo<<8 | uint64(n)
	}
	return v, true
}

func quickAddress6(text []byte) (v Value, ok bool) {
	if bytes.IndexByte(text, ':') < 0 || bytes.IndexByte(text, '%') >= 0 {
		return v, false
	}
	addr, err := netip.ParseAddr(string(text))
	if err != nil {
		return v, false
	}
	b := addr.As16()
	return Value{binary.BigEndian.Uint64(b[:8]), binary.BigEndian.Uint64(b[8:])}, true
}
