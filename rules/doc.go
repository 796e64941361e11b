// Package rules is the rule language: source text, tokens, tree, diagnostics,
// checker, the checked RuleSet, and the reference evaluator that is the
// meaning of the language.
//
//	ReadFile ──▶ File ──Parse──▶ Tree ──Check──▶ RuleSet ──Decide──▶ Decision
//
// It must not know how rules are compiled, loaded or run: it imports nothing
// of codegen or loader, no eBPF library, and makes no system call but reading
// the files that it is given and those that they name.
package rules
