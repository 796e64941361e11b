package rules

import (
	"fmt"
	"io"
	"strings"
)

var tokenKinds = [...]string{
	tokenEnd: "end", tokenLine: "line", tokenSemicolon: "semicolon", tokenWord: "word", tokenSetName: "set", tokenString: "string",
	tokenOpen: "open", tokenClose: "close", tokenComma: "comma", tokenOperator: "operator", tokenNot: "not", tokenBad: "bad",
}

// WriteTokens writes what the scanner makes of a file, a token a line: its
// place, its kind and, but for line ends, its text.
func WriteTokens(w io.Writer, f *File) error {
	s := newScanner(f, nil)
	for {
		t := s.next()
		at := s.span(t.start, t.end)
		line := fmt.Sprintf("%4d:%-3d  %-9s", at.Position().Line, at.Position().Col, tokenKinds[t.kind])
		if t.kind != tokenLine && t.kind != tokenEnd {
			line += "  " + at.Text()
		}
		if _, err := fmt.Fprintln(w, strings.TrimRight(line, " ")); err != nil || t.kind == tokenEnd {
			return err
		}
	}
}

// Write the tree: a line a node, indented below the one that it is part of,
// with its place and what it is.
func (t *Tree) Write(w io.Writer) error {
	out := treeWriter{w: w}
	for _, s := range t.Statements {
		out.statement(s, 0)
	}
	return out.err
}

type treeWriter struct {
	w   io.Writer
	err error
}

func (t *treeWriter) line(at Span, depth int, format string, args ...any) {
	if t.err != nil {
		return
	}
	p := at.Position()
	_, t.err = fmt.Fprintf(t.w, "%4d:%-3d  %s%s\n", p.Line, p.Col, strings.Repeat("  ", depth), fmt.Sprintf(format, args...))
}

func (t *treeWriter) statement(s Statement, depth int) {
	switch s := s.(type) {
	case *DefaultStatement:
		t.line(s.Span, depth, "default %v", s.Verdict)
	case *SetStatement:
		t.line(s.Span, depth, "set %s", s.Name.Text())
		if s.Value != nil {
			t.list(s.Value, depth+1)
		} else {
			t.line(s.Path, depth+1, "file %s", s.Path.Text())
		}
	case *RuleStatement:
		text := s.Verdict.String()
		if !s.Target.IsZero() {
			text += " " + s.Target.Text()
		}
		if !s.Label.IsZero() {
			text += ", named " + s.Label.Text()
		}
		t.line(s.Span, depth, "rule %s", text)
		t.clauses(s.Clauses, depth+1)
	case *BlockStatement:
		t.line(s.Span, depth, "block")
		t.clauses(s.Clauses, depth+1)
		t.body(s.Body, depth+1)
	case *ChainStatement:
		t.line(s.Span, depth, "chain %s", s.Name.Text())
		t.body(s.Body, depth+1)
	case *JumpStatement:
		t.line(s.Span, depth, "jump %s", s.Name.Text())
		t.clauses(s.Clauses, depth+1)
	case *IncludeStatement:
		t.line(s.Span, depth, "include %s", s.Path.Text())
	case *TestStatement:
		t.line(s.Span, depth, "test %s", s.Name.Text())
		for i := range s.Cases {
			t.line(s.Cases[i].Span, depth+1, "expect %v of %s", s.Cases[i].Expect, s.Cases[i].Packet.Text())
		}
	}
}

func (t *treeWriter) body(all []Statement, depth int) {
	for _, s := range all {
		t.statement(s, depth)
	}
}

func (t *treeWriter) clauses(all []ClauseNode, depth int) {
	for i := range all {
		c := &all[i]
		text := "clause " + c.Head.Text()
		if c.Not {
			text = "clause not " + c.Head.Text()
		}
		if c.Operator != OpNone {
			text += fmt.Sprintf(" %v", c.Operator)
		}
		t.line(c.Span, depth, "%s", text)
		if c.Value != nil {
			t.list(c.Value, depth+1)
		}
	}
}

var elementKinds = map[ElementKind]string{ElementWord: "value", ElementSet: "set", ElementRange: "range"}

func (t *treeWriter) list(l *List, depth int) {
	for i := range l.Elements {
		e := &l.Elements[i]
		t.line(e.Span, depth, "%s %s", elementKinds[e.Kind], e.Span.Text())
	}
}
