// Package oracle holds the language against programs that share nothing with
// it: tcpdump, which filters the frames itself, and nft, whose
// rules run at the ingress hook of an interface. Were the reference evaluator
// wrong, the compiler and every test of this project might be wrong with it;
// these two would not.
//
//	testdata/oracle/*/NAME.txtar ──▶ rules, and the same rules in the other language
//	rules + a corpus ──▶ frames ──▶ which frames each rule matches, here and there
//
// Where the two differ, the case file says for which frames, in which
// direction, and why: docs/oracles.md has the reasons. A difference that no
// line of the file explains fails the test, and so does a line that explains
// none.
//
// It has tests only.
package oracle
