package codegen

import (
	"fmt"

	"xdpfw/codegen/ir"
	"xdpfw/rules"
)

// A kind is a kind of frame that the parser tells apart. Where the rules say
// the same of several, they share one chain.
type kind struct {
	name   string
	left   *ir.Decision // with what is known of the kind folded away
	entry  label        // where its frames go once it is established
	shared bool         // entry is the chain of other kinds as well
	chain  *family      // the chain that stands at entry; nil if one verdict is sure, or the chain is another kind's

	plain   []*plainKind // of an IP kind with a chain of its own: those that are told apart by protocol; the last is all others
	general label        // where the packets go that are not plain; noLabel until some do
}

// kinds are all kinds of frames.
type kinds struct {
	short     *kind // fewer than 14 bytes
	badTags   *kind // a tag cut short, or a third one: no type
	badHeader *kind // a type of IP, and no well-formed header
	none      *kind // a type that is not looked into, other ARP
	arp       *kind
	ip4, ip6  *kind
}

func (c *chain) newKinds() kinds {
	network := func(n, invalid uint64) map[ir.Atom]uint64 {
		return map[ir.Atom]uint64{ir.Network: n, ir.Invalid: invalid}
	}
	var all []*kind
	add := func(name string, known map[ir.Atom]uint64, lacks func(ir.Atom) bool) *kind {
		k := &kind{name: name, left: c.decision.Under(known, lacks), general: noLabel}
		c.findEntry(k, all)
		all = append(all, k)
		return k
	}
	short := network(ir.NoNetwork, 1)
	short[ir.Tagged] = 0
	ks := kinds{
		none:      add("none", network(ir.NoNetwork, 0), nil),
		arp:       add("arp", network(ir.ARPNetwork, 0), nil),
		ip4:       add("ip4", map[ir.Atom]uint64{ir.Network: ir.IP4Network}, nil),
		ip6:       add("ip6", map[ir.Atom]uint64{ir.Network: ir.IP6Network}, nil),
		badHeader: add("malformed", network(ir.NoNetwork, 1), nil),
		badTags:   add("badtags", network(ir.NoNetwork, 1), lackedByBadTags),
		short:     add("short", short, lackedByShort),
	}
	for _, k := range []*kind{ks.ip4, ks.ip6} {
		if k.ownHeader() {
			c.enterPlain(k)
		}
	}
	return ks
}

// lackedByBadTags says what a frame lacks whose tags are malformed.
func lackedByBadTags(a ir.Atom) bool {
	return a.Layer == ir.NetHeader || a.Layer == ir.Meta && a.Offset == ir.EtherType.Offset
}

// lackedByShort says what a frame of fewer than 14 bytes lacks.
func lackedByShort(a ir.Atom) bool {
	if a.Layer != ir.Meta {
		return true
	}
	switch a.Offset {
	case ir.EtherType.Offset, ir.VLANID.Offset, ir.VLAN2ID.Offset:
		return true
	}
	return false
}

// findEntry finds out where frames of a kind go: to a verdict, to the chain of
// one of the kinds before it, or to a chain of its own.
func (c *chain) findEntry(k *kind, before []*kind) {
	if rule, sure := k.verdict(); sure {
		k.entry = c.verdictLabel(rule)
		return
	}
	for _, other := range before {
		if other.chain != nil && !other.chain.header && other.left.Equal(k.left) {
			k.entry, k.shared, other.shared = other.entry, true, true
			return
		}
	}
	k.entry = c.newLabel("%s", k.name)
	k.chain = newFamily(c, k)
}

// verdict is the rule that every frame of the kind meets (rules.ByDefault for
// the default); false if it depends on the frame.
func (k *kind) verdict() (rule int, sure bool) {
	switch {
	case len(k.left.Steps) == 0:
		return rules.ByDefault, true
	case k.left.Steps[0].Always() && k.left.Steps[0].Verdict.Decides():
		return k.left.Steps[0].Rule, true
	}
	return 0, false
}

// ownHeader says that the chain of an IP kind begins with the check of its header.
func (k *kind) ownHeader() bool { return k.chain != nil && !k.shared }

// alike says that kinds need not be told apart.
func alike(kinds ...*kind) bool {
	for _, k := range kinds {
		if k.entry != kinds[0].entry {
			return false
		}
	}
	return true
}

// verdictLabel is the place that ends with the verdict of a rule, or of the default.
func (c *chain) verdictLabel(rule int) label {
	if l, ok := c.verdicts[rule]; ok {
		return l
	}
	name := "default"
	if rule >= 0 {
		name = fmt.Sprintf("rule%d", rule+1)
	}
	c.verdicts[rule] = c.newLabel("%s", name)
	return c.verdicts[rule]
}
