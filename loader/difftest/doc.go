// Package difftest holds the engines that decide packets against each other:
// random rule files, packets near their rules, and one question: do all
// engines name the same verdict, the same deciding rule and the same counts?
//
//	Generator ──▶ RuleFile ──rules──▶ RuleSet ──▶ frames ──▶ every Engine ──▶ Difference ──Shrink──▶ repro
//
// A clause is a Kind, negated or not (Condition); a Form is a shape of headers.
// A new field of the language is a line in kindSpecs, one in numberSpecs if its
// values are numbers, and the place in a frame builder that spells it.
//
// Rule files are made as text, so that the parser is in the loop; frames are
// made from bytes up, by code of this package alone, so that it shares no
// offset and no mistake with what it tests. Coverage counts which kind of
// clause decided which form of header, and steers the generator to the cells
// that are still short.
//
// It must not know how any engine works inside.
package difftest
