package rules

// A Tree is the syntax of a file: what was written, with every place, and
// nothing of what it means.
type Tree struct {
	File       *File
	Statements []Statement
	Comments   []Span // from the `#` to the end of the line, in order

	broken bool // there were errors, so that it must not become a RuleSet
}

// A Statement is one of the types below.
type Statement interface{ span() Span }

// A DefaultStatement is `default pass`.
type DefaultStatement struct {
	Span    Span
	Verdict Verdict
}

// A SetStatement is `set web = { 80, 443 }` or `set spam = file "drop.txt"`.
type SetStatement struct {
	Span  Span
	Name  Span
	Value *List // nil if it could not be read, or there is Path
	Path  Span  // of the file, with its quotes; zero if there is none
}

// A RuleStatement is `no-telnet: drop tcp to port 23`; any verdict, count and
// return included.
type RuleStatement struct {
	Span    Span
	Label   Span // without the colon; zero if there is none
	Verdict Verdict
	Target  Span // of redirect: the interface, with its quotes if it has any
	Clauses []ClauseNode

	broken bool // parts of it could not be read
}

// A BlockStatement is `tcp to port 22 { … }`.
type BlockStatement struct {
	Span    Span // up to the closing brace
	Clauses []ClauseNode
	Open    Span // the brace
	Body    []Statement

	broken bool
	read   func() // hands the body over while it is read; nil if it is in Body
}

// A ChainStatement is `chain web { … }`.
type ChainStatement struct {
	Span Span
	Name Span
	Open Span
	Body []Statement

	broken bool   // it has no braces
	read   func() // as of a block
}

// A JumpStatement is `jump web tcp to port 80`.
type JumpStatement struct {
	Span    Span
	Name    Span
	Clauses []ClauseNode

	broken bool
}

// An IncludeStatement is `include "common.fw"`.
type IncludeStatement struct {
	Span Span
	Path Span // with its quotes
}

// A TestStatement is `test "name" { … }`.
type TestStatement struct {
	Span  Span
	Name  Span // with its quotes
	Open  Span
	Cases []CaseNode
}

// A CaseNode is a line of a test: `drop udp 198.51.100.7:5555 > 203.0.113.1:53`.
type CaseNode struct {
	Span   Span
	Expect Verdict
	Target Span // of redirect: the interface, zero if there is none
	Packet Span // what stands behind
}

func (s *DefaultStatement) span() Span { return s.Span }
func (s *SetStatement) span() Span     { return s.Span }
func (s *RuleStatement) span() Span    { return s.Span }
func (s *BlockStatement) span() Span   { return s.Span }
func (s *ChainStatement) span() Span   { return s.Span }
func (s *JumpStatement) span() Span    { return s.Span }
func (s *IncludeStatement) span() Span { return s.Span }
func (s *TestStatement) span() Span    { return s.Span }

// A ClauseNode is one clause as written. `from X port P` is two, the second
// with Head `port`.
type ClauseNode struct {
	Span     Span // with the `not`
	Head     Span // the words that say what is looked at: `tcp`, `to port`, `frag first`
	Subject  Subject
	Bytes    Bytes    // of RawBytes
	Not      bool     // `not` stands in front
	Operator Operator // of clauses with a value
	Value    *List    // nil for properties but `on`; of `tcp` the word itself

	names *names // that values can have, where they depend on other clauses
}

// A List is a value: one element, or several in braces.
type List struct {
	Span     Span
	Braces   bool
	Elements []Element
}

// An Element is a @set, a word (number, address, prefix, name) or a range.
type Element struct {
	Span Span
	Kind ElementKind

	// Of a range: the first value is the bytes Span.Start to LoEnd, the last
	// HiStart to Span.End.
	LoEnd, HiStart int
}

// An ElementKind says what an Element is.
type ElementKind uint8

// The kinds of elements.
const (
	ElementWord ElementKind = iota + 1
	ElementRange
	ElementSet // Span includes the @
)

// An Operator stands between head and value.
type Operator uint8

// The operators. OpNone is none written and means the same as `==` and `in`.
const (
	OpNone Operator = iota
	OpEqual
	OpIn
	OpNotEqual
	OpLess
	OpLessEqual
	OpGreater
	OpGreaterEqual
)

var operatorText = map[Operator]string{
	OpEqual: "==", OpIn: "in", OpNotEqual: "!=", OpLess: "<", OpLessEqual: "<=", OpGreater: ">", OpGreaterEqual: ">=",
}

func (o Operator) String() string { return operatorText[o] }

// isOrdered says whether the operator takes one number only.
func (o Operator) isOrdered() bool { return o >= OpLess }
