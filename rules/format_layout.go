package rules

import (
	"strings"
	"unicode/utf8"
)

// commentColumn is how wide a line may be for comments of its neighbours to be
// aligned with its own.
const commentColumn = 60

// A layout puts lines one below the other. It keeps back those of a run, which
// are lines of one depth without a blank line or a comment line between them:
// in a run the comments are aligned, and so are the `=` of sets.
type layout struct {
	text  []byte
	run   []outputLine
	blank bool // a blank line is due in front of the next one
	fresh bool // a file, a block or a list has just begun, where there is no blank line
}

type outputLine struct {
	indent  int
	code    string
	equals  int // where the `=` of a set is in code, else 0
	comment string
}

// line adds a line of code.
func (l *layout) line(indent int, code string, equals int) {
	if len(l.run) > 0 && (l.run[0].indent != indent || l.blank) {
		l.flush()
	}
	l.begin()
	l.run = append(l.run, outputLine{indent: indent, code: code, equals: equals})
}

// commentLine adds a comment on a line of its own. If it continues the one
// behind the line before, it stands under that.
func (l *layout) commentLine(indent int, comment string, continues bool) {
	if continues && len(l.run) > 0 && !l.blank {
		l.fresh = false
		l.run = append(l.run, outputLine{indent: l.run[0].indent, comment: comment})
		return
	}
	l.flush()
	l.begin()
	l.run = append(l.run, outputLine{indent: indent, code: comment})
	l.flush()
}

// behind puts a comment behind the last line.
func (l *layout) behind(comment string) { l.run[len(l.run)-1].comment = comment }

// lastLength is how long the code in the last line is, in bytes.
func (l *layout) lastLength() int { return len(l.run[len(l.run)-1].code) }

// takeLine takes back the last line.
func (l *layout) takeLine() string {
	last := len(l.run) - 1
	code := l.run[last].code
	l.run = l.run[:last]
	return code
}

// blankLine asks for a blank line in front of what follows.
func (l *layout) blankLine() { l.blank = !l.fresh }

// open says that something begins: a file, a block, a list.
func (l *layout) open() { l.fresh, l.blank = true, false }

// endBody says that it ends.
func (l *layout) endBody() { l.fresh, l.blank = false, false }

// closeBlock writes the brace that closes a block, in the line of the opening
// one if there is nothing between them.
func (l *layout) closeBlock(indent int) {
	if last := len(l.run) - 1; l.fresh && l.run[last].comment == "" {
		l.run[last].code += " }"
		l.endBody()
		return
	}
	l.endBody()
	l.line(indent, "}", 0)
}

// begin writes the blank line that is due.
func (l *layout) begin() {
	if l.blank {
		l.text = append(l.text, '\n')
	}
	l.fresh, l.blank = false, false
}

// flush writes the lines of the run.
func (l *layout) flush() {
	l.alignEquals()
	column := 0
	for i := range l.run {
		if n := l.run[i].width(); l.run[i].comment != "" && n <= commentColumn {
			column = max(column, n+2)
		}
	}
	behind := 0 // where the last comment is
	for i := range l.run {
		line := &l.run[i]
		l.text = append(l.text, strings.Repeat(" ", line.indent*formatIndent)...)
		l.text = append(l.text, line.code...)
		if line.comment != "" {
			n := line.width()
			if line.code != "" {
				behind = max(column, n+2)
			}
			l.text = append(l.text, strings.Repeat(" ", behind-n)...)
			l.text = append(l.text, line.comment...)
		}
		l.text = append(l.text, '\n')
	}
	l.run = l.run[:0]
}

func (line *outputLine) width() int { return utf8.RuneCountInString(line.code) }

// alignEquals aligns the `=` of neighbouring sets.
func (l *layout) alignEquals() {
	for first := 0; first < len(l.run); first++ {
		behind, column := first, 0
		for behind < len(l.run) && l.run[behind].equals > 0 {
			column = max(column, l.run[behind].equals)
			behind++
		}
		for i := first; i < behind; i++ {
			line := &l.run[i]
			line.code = line.code[:line.equals] + strings.Repeat(" ", column-line.equals) + line.code[line.equals:]
		}
		first = max(first, behind-1)
	}
}

// finish is the whole text.
func (l *layout) finish() []byte {
	l.flush()
	return l.text
}
