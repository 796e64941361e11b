// Package workload makes rule sets and traffic to measure and to test with:
//
//	ClassBench file, or a shape and a seed ──▶ rule text ──rules──▶ RuleSet ──▶ frames (Trace), and who decides them (Index)
//
// Everything is a pure function of its arguments: the same seed gives the same
// bytes on every machine. Frames are built with loader/frames and are checked
// with the reference evaluator, one rule at a time.
//
// It must not know how rules are compiled or run.
package workload
