package rules

import (
	"cmp"
	"fmt"
	"slices"
)

// A Severity says how bad a diagnostic is.
type Severity uint8

// The severities.
const (
	Error   Severity = iota + 1 // the file means nothing
	Warning                     // the file has a meaning, perhaps not the one that was meant
)

func (s Severity) String() string {
	if s == Warning {
		return "warning"
	}
	return "error"
}

// A Diagnostic is one error or warning.
type Diagnostic struct {
	Severity Severity
	Code     string // what kind of mistake, stable over versions: "unknown-word"
	Span     Span   // where; an empty span is the place where something is missing
	Message  string // what was found
	Help     string // what would be right, or ""
	Notes    []Note // other places that have to do with it

	statement Span // of a warning: where a `# nolint` comment silences it
	more      int  // how many others this one stands for, if it stands for others
}

// A Note points at another place.
type Note struct {
	Span    Span
	Message string
}

// Diagnostics are the errors and warnings of a run, sorted by position. As an
// error it is one line, about the first error.
type Diagnostics []Diagnostic

// Err is nil if there is no error among them (warnings do not count).
func (ds Diagnostics) Err() error {
	for _, d := range ds {
		if d.Severity == Error {
			return ds
		}
	}
	return nil
}

// Error is the first error in one line, and how many more there are.
func (ds Diagnostics) Error() string {
	first, more := "", 0
	for _, d := range ds {
		switch {
		case d.Severity != Error:
		case d.more > 0:
			more += d.more
		case first == "":
			first = d.line()
		default:
			more++
		}
	}
	switch more {
	case 0:
		return first
	case 1:
		return first + " (and 1 more error)"
	}
	return fmt.Sprintf("%s (and %d more errors)", first, more)
}

// line is the diagnostic without its source line, help and notes.
func (d *Diagnostic) line() string {
	return fmt.Sprintf("%s: %s: %s [%s]", printable(d.Span.Position().String()), d.Severity, d.Message, d.Code)
}

func (d *Diagnostic) help(format string, args ...any) *Diagnostic {
	d.Help = fmt.Sprintf(format, args...)
	return d
}

func (d *Diagnostic) note(span Span, format string, args ...any) *Diagnostic {
	if !span.IsZero() {
		d.Notes = append(d.Notes, Note{span, fmt.Sprintf(format, args...)})
	}
	return d
}

// in says which statement a warning is about.
func (d *Diagnostic) in(statement Span) *Diagnostic {
	d.statement = statement
	return d
}

// A report collects diagnostics. It keeps a bounded number and counts the rest.
type report struct {
	errors   collection
	warnings collection
	files    map[*File]int // in the order in which they were met
}

// met notes a file that diagnostics may be about.
func (r *report) met(f *File) {
	if r.files == nil {
		r.files = map[*File]int{}
	}
	if _, is := r.files[f]; !is {
		r.files[f] = len(r.files)
	}
}

// A collection is the diagnostics of one severity.
type collection struct {
	kept  []*Diagnostic
	total int
}

// kept is more than is ever shown, for diagnostics come only nearly in order
// of position, and warnings may be silenced.
const keptPerSeverity = 1000

func (c *collection) add(severity Severity, code string, span Span, format string, args []any) *Diagnostic {
	c.total++
	if len(c.kept) >= keptPerSeverity {
		return &Diagnostic{}
	}
	d := &Diagnostic{Severity: severity, Code: code, Span: span, Message: fmt.Sprintf(format, args...)}
	c.kept = append(c.kept, d)
	return d
}

// error reports an error; the caller may add help and notes to what it returns.
func (r *report) error(code string, span Span, format string, args ...any) *Diagnostic {
	return r.errors.add(Error, code, span, format, args)
}

func (r *report) warning(code string, span Span, format string, args ...any) *Diagnostic {
	return r.warnings.add(Warning, code, span, format, args)
}

// failed says that there was an error.
func (r *report) failed() bool { return r.errors.total > 0 }

// full says that further errors are only counted, so that looking for a good
// suggestion would be in vain.
func (r *report) full() bool { return len(r.errors.kept) >= keptPerSeverity }

// diagnostics are the first of all that was reported, in order of position.
func (r *report) diagnostics() Diagnostics {
	all := r.first(&r.errors, MaxErrors, "too-many-errors", "error")
	all = append(all, r.first(&r.warnings, MaxWarnings, "too-many-warnings", "warning")...)
	slices.SortStableFunc(all, func(a, b Diagnostic) int { return r.byPosition(&a, &b) })
	return all
}

// byPosition sorts by file and place, and those that say how many more there
// are behind all others.
func (r *report) byPosition(a, b *Diagnostic) int {
	return cmp.Or(
		cmp.Compare(min(a.more, 1), min(b.more, 1)),
		cmp.Compare(r.files[a.Span.File], r.files[b.Span.File]),
		cmp.Compare(a.Span.Start, b.Span.Start),
		cmp.Compare(a.Severity, b.Severity),
	)
}

// first is the first n, and one that counts the others, where the first of them is.
func (r *report) first(c *collection, n int, code, noun string) Diagnostics {
	slices.SortStableFunc(c.kept, r.byPosition)
	before := len(c.kept)
	c.kept = slices.CompactFunc(c.kept, sameDiagnostic)
	c.total -= before - len(c.kept)
	var all Diagnostics
	for i, d := range c.kept {
		if i == n {
			more := c.total - n
			if more > 1 {
				noun += "s"
			}
			all = append(all, Diagnostic{
				Severity: d.Severity, Code: code, Span: Span{d.Span.File, d.Span.Start, d.Span.Start},
				Message: fmt.Sprintf("and %d more %s", more, noun), more: more,
			})
			break
		}
		all = append(all, *d)
	}
	return all
}

// sameDiagnostic: what is wrong in a file is said once, however often it is
// included.
func sameDiagnostic(a, b *Diagnostic) bool {
	return a.Span == b.Span && a.Code == b.Code && a.Message == b.Message
}

// silence takes out the warnings that are silenced.
func (r *report) silence(silenced func(*Diagnostic) bool) {
	before := len(r.warnings.kept)
	r.warnings.kept = slices.DeleteFunc(r.warnings.kept, silenced)
	r.warnings.total -= before - len(r.warnings.kept)
}
