// Package classify turns rules into tables.
//
// The values of each field fall into classes that no rule can tell apart; the
// classes of several fields are combined by cross products; what is left at the
// end is the first rule that matches. All of it is frozen numbers in arrays, so
// that what a packet costs depends on the fields that the rules read and not on
// how many rules there are:
//
//	value ──Search──▶ classes ──products──▶ cell ──▶ first matching rule
//
// Each structure has a Find, the model of the code that codegen emits for it:
// the same reads of the same tables in the same order.
//
// The package must not know instructions, packets or kernels: it sees numbers,
// sets of them, and boxes that they span.
package classify
