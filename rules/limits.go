package rules

// Limits. A file beyond one of them is refused with code "limit", so that no
// file, however hostile, takes unbounded time or memory.
const (
	// MaxFileSize of a rule file in bytes, and MaxLines in it, with the files
	// that it includes.
	MaxFileSize = 32 << 20
	MaxLines    = 4_000_000

	// MaxLineLength in bytes, without the line end.
	MaxLineLength = 1 << 20

	// MaxRules in a file; every other statement, and every packet of a test,
	// counts as one.
	MaxRules = 1_000_000

	// MaxSteps is how many rules there may be with all chains expanded: those
	// of a chain count for each jump that leads to it.
	MaxSteps = 1_000_000

	// MaxJumpDepth is how many jumps may lead to a rule, one from the chain of
	// the next.
	MaxJumpDepth = 100

	// MaxBlockDepth is how deep blocks may stand in blocks.
	MaxBlockDepth = 32

	// MaxFiles that a rule file may consist of, itself and those of sets
	// included, each as often as it is named, and MaxIncludeDepth of files that include files.
	MaxFiles        = 1000
	MaxIncludeDepth = 32

	// MaxRuleClauses of one rule, and MaxClauses of all rules of a file;
	// `from X port P` is two.
	MaxRuleClauses = 64
	MaxClauses     = 3_000_000

	// MaxCopiedClauses is how many clauses the rules and jumps come to that
	// have both clauses of their own and, in front, those of blocks or jumps.
	MaxCopiedClauses = 4_000_000

	// MaxElements in all the braces of a file together.
	MaxElements = 1_000_000

	// MaxSetFileSize is how many bytes the files of sets may have, together, and
	// MaxFileElements how many elements. Each may have MaxLines.
	MaxSetFileSize  = 128 << 20
	MaxFileElements = 2_000_000

	// MaxSetDepth is how deep sets may contain sets: a set without @sets in it
	// has depth 1, any other is one deeper than the deepest that it contains.
	MaxSetDepth = 32

	// MaxExpanded is how many values the lists of a file may copy out of the
	// sets that they contain, together. A clause whose value is one @set alone
	// copies nothing.
	MaxExpanded = 4_000_000

	// MaxTestBytes is how many bytes the packets of all tests may have, together.
	MaxTestBytes = 64 << 20

	// MaxNameLength of labels, sets and chains, in bytes.
	MaxNameLength = 63

	// MaxRuleMasks is how many values with a mask that is not a prefix's the
	// clauses of one step may name, and MaxMasks those of all; a set's count for
	// each clause.
	MaxRuleMasks = 1_000
	MaxMasks     = 20_000

	// MaxInterfaces that the rules of a file name.
	MaxInterfaces = 254

	// MaxErrors and MaxWarnings that a run shows. What is beyond is counted.
	MaxErrors   = 20
	MaxWarnings = 100
)
