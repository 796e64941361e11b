// Package loader takes an Object to the kernel: verifies it, runs frames
// through it, attaches, replaces and detaches it, keeps its state in bpffs and
// reads its counters. It is the only package that makes system calls.
//
// It must not know how an Object was made: it never looks at the instructions
// but to name the rule behind one that the verifier refused.
package loader
