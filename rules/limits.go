package rules

// Limits. A file beyond one of them is refused with code "limit", so that no
// file, however hostile, takes unbounded time or memory.
const (
	// MaxFileSize of a rule file, in bytes.
	MaxFileSize = 32 << 20

	// MaxLines in a file.
	MaxLines = 4_000_000

	// MaxLineLength in bytes, without the line end.
	MaxLineLength = 1 << 20

	// MaxRules in a file.
	MaxRules = 1_000_000

	// MaxRuleClauses of one rule, and MaxClauses of all rules of a file;
	// `from X port P` is two.
	MaxRuleClauses = 64
	MaxClauses     = 3_000_000

	// MaxElements in all the braces of a file together.
	MaxElements = 1_000_000

	// MaxSetDepth is how deep sets may contain sets: a set without @sets in it
	// has depth 1, any other is one deeper than the deepest that it contains.
	MaxSetDepth = 32

	// MaxExpanded is how many values the lists of a file may copy out of the
	// sets that they contain, together. A clause whose value is one @set alone
	// copies nothing.
	MaxExpanded = 4_000_000

	// MaxNameLength of labels and sets, in bytes.
	MaxNameLength = 63

	// MaxErrors and MaxWarnings that a run shows. What is beyond is counted.
	MaxErrors   = 20
	MaxWarnings = 100
)
