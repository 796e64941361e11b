package rules

// SKELETON: signatures that other packages are written against while the real
// files are being built. Delete each as the real one lands.

// A Tree is the syntax tree of a file.
type Tree struct{}

// Diagnostics is every error and warning of a run.
type Diagnostics []Diagnostic

// Diagnostic is one error or warning.
type Diagnostic struct{}

// Err is nil if there is no error among them (warnings do not count).
func (d Diagnostics) Err() error { return nil }

// ReadFile reads a rule file; a missing or too large one is an error.
func ReadFile(path string) (*File, error) { panic("x") }

// Parse a file.
func Parse(f *File) (*Tree, Diagnostics) { panic("x") }

// Check a tree.
func Check(t *Tree) (*RuleSet, Diagnostics) { panic("x") }

// Compute is ReadFile, Parse and Check in one; the RuleSet is nil if there is an error.
func ParseAndCheck(f *File) (*RuleSet, Diagnostics) { panic("x") }

func ruleText(r *Rule) string { return r.Span.Text() }
