package codegen

import (
	"fmt"
	"slices"
	"strings"
)

// The strategies: how the rules of a kind of frame become instructions.
const (
	Auto  = "auto"  // for each kind the one that is expected to be the fastest
	Chain = "chain" // one rule after another
	Tree  = "tree"  // each field tested once, by what the rules that are left say of it
)

// Strategies are all of them.
var Strategies = []string{Auto, Chain, Tree}

// choose the strategy of a kind; it is made for this kind alone, others may
// have other ones.
func (f *family) choose() string {
	switch {
	case f.plain != nil:
		return Tree
	case f.chain.strategy == Tree && !f.kind.fitsTree():
		return Chain
	case f.chain.strategy != Auto:
		return f.chain.strategy
	}
	return Chain
}

// emitRules emits what decides packets by the rules of the kind, behind the
// checks of its header.
func (f *family) emitRules() {
	if f.tree != nil {
		f.emitTree()
		return
	}
	f.emitChain()
}

// strategies names those that some kind has; the chain, if none needs any.
func (c *chain) strategies() string {
	var out []string
	for _, f := range c.families {
		if !slices.Contains(out, f.strategy) {
			out = append(out, f.strategy)
		}
	}
	if len(out) == 0 {
		return Chain
	}
	return strings.Join(out, ", ")
}

// why says for people why the strategies are what they are; n is how many
// rules there are.
func (c *chain) why(n int) string {
	text := fmt.Sprintf("%d rules, tried one after another", n)
	if c.isJoined {
		text += ", the compares of a rule joined into one branch to stay within the verifier's pending branches"
	}
	return text
}
