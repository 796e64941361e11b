package rules

import (
	"bytes"
	"cmp"
	"slices"
	"strings"
)

// A mark says what is to know of the token at a place besides its text.
type mark struct {
	at   int
	kind markKind
}

type markKind uint8

const (
	markClause markKind = 1 << iota // a clause begins, not the first, in front of which a line may be broken
	markDrop                        // an operator that says nothing
	markEqual                       // a value that an `==` should stand in front of
	markIn                          // likewise an `in`
	markGlue                        // a part of `8000-8100` or `net+8`, but not the first
	markBlock                       // the brace that opens a block
	markTest                        // likewise of a test
)

// marksOf are the marks of a whole file.
func marksOf(t *Tree) []mark {
	m := &marker{text: t.File.Text}
	m.statements(t.Statements)
	slices.SortFunc(m.marks, func(a, b mark) int { return cmp.Compare(a.at, b.at) })
	return m.marks
}

type marker struct {
	text  []byte
	marks []mark
}

func (m *marker) add(at int, kind markKind) { m.marks = append(m.marks, mark{at, kind}) }

func (m *marker) statements(statements []Statement) {
	for _, statement := range statements {
		switch s := statement.(type) {
		case *SetStatement:
			m.list(s.Value)
		case *RuleStatement:
			m.clauses(s.Clauses)
		case *JumpStatement:
			m.clauses(s.Clauses)
		case *BlockStatement:
			m.clauses(s.Clauses)
			m.add(s.Open.Start, markBlock)
			m.statements(s.Body)
		case *ChainStatement:
			m.add(s.Open.Start, markBlock)
			m.statements(s.Body)
		case *TestStatement:
			m.add(s.Open.Start, markBlock|markTest)
		}
	}
}

func (m *marker) clauses(clauses []ClauseNode) {
	for i := range clauses {
		c := &clauses[i]
		if i > 0 && !c.Head.equals("port") { // `from X port P` stays together
			m.add(c.Span.Start, markClause)
		}
		m.list(c.Value)
		if c.Value == nil {
			continue
		}
		if c.Subject == RawBytes {
			m.rawBytes(c)
		} else if m.isRedundant(c) {
			m.add(m.operatorStart(c), markDrop)
		}
	}
}

// isRedundant says whether a clause has an operator that can be left out.
func (m *marker) isRedundant(c *ClauseNode) bool {
	if c.Operator != OpEqual && c.Operator != OpIn || c.Subject == TCPFlags {
		return false
	}
	if !c.Head.equals("vlan") {
		return true
	}
	// Behind `vlan` alone only numbers and sets are a value: `vlan { }` is a block.
	if len(c.Value.Elements) == 0 {
		return false
	}
	first := m.text[c.Value.Elements[0].Span.Start]
	return first == '@' || first >= '0' && first <= '9'
}

// rawBytes marks the parts of `at net+8 1 == 64`: net+8, if it was written with
// blanks, and the operator, for without one two numbers would stand side by side.
func (m *marker) rawBytes(c *ClauseNode) {
	for at := c.Head.Start + 1; at < c.Head.End; at++ {
		if m.isTokenStart(at) && (m.text[at] == '+' || bytes.HasSuffix(m.beforeBlanks(at), []byte("+"))) {
			m.add(at, markGlue)
		}
	}
	if c.Operator > OpIn {
		return
	}
	if c.Operator != OpNone {
		m.add(m.operatorStart(c), markDrop)
	}
	kind := markEqual
	if c.Value.Braces || m.text[c.Value.Span.Start] == '@' {
		kind = markIn
	}
	m.add(c.Value.Span.Start, kind)
}

// operatorStart is where the `==` or `in` of a clause begins, which is all that
// stands between head and value.
func (m *marker) operatorStart(c *ClauseNode) int {
	return len(m.beforeBlanks(c.Value.Span.Start)) - 2
}

// beforeBlanks is the text up to the blanks and joined lines in front of a place.
func (m *marker) beforeBlanks(at int) []byte { return bytes.TrimRight(m.text[:at], " \t\r\n\\") }

// list marks the parts of ranges that were written with blanks in them.
func (m *marker) list(l *List) {
	if l == nil {
		return
	}
	for i := range l.Elements {
		e := &l.Elements[i]
		if e.Kind != ElementRange || !m.canGlue(e) {
			continue
		}
		for at := e.Span.Start + 1; at < e.Span.End; at++ {
			if m.isTokenStart(at) {
				m.add(at, markGlue)
			}
		}
	}
}

// canGlue says whether a range would be read as one also without blanks.
func (m *marker) canGlue(e *Element) bool {
	lo := m.text[e.Span.Start:e.LoEnd]
	return dashIn(append(slices.Clone(lo), '-')) == len(lo)
}

// isTokenStart says whether a word, which is not the first of the file, begins at a place.
func (m *marker) isTokenStart(at int) bool {
	return isWordByte[m.text[at]] && strings.IndexByte(" \t\r\n", m.text[at-1]) >= 0
}

// firstBehind is the first of sorted spans that begins at a place or behind it.
func firstBehind(spans []Span, at int) (Span, bool) {
	i, _ := slices.BinarySearchFunc(spans, at, func(s Span, at int) int { return cmp.Compare(s.Start, at) })
	if i == len(spans) {
		return Span{}, false
	}
	return spans[i], true
}
