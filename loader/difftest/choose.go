package difftest

// What to write next: the likelier the more it would help cells that are short.

// shortForm is a form in which all conditions around can hold, the likelier
// the more its cells fall short; any if there is none.
func (g *Generator) shortForm(around []Condition) Form {
	var weights [promised]int
	any := false
	for form := range promised {
		if !form.allows(around) {
			continue
		}
		weights[form], any = 1, true
		for column := range conditions {
			weights[form] += g.Coverage.short(form, conditionAt(column))
		}
	}
	if !any {
		return Form(g.IntN(int(promised)))
	}
	return Form(g.weighted(weights[:]))
}

// allows says whether each condition can hold for the form.
func (f Form) allows(cs []Condition) bool {
	for _, c := range cs {
		if f.Impossible(c) != "" {
			return false
		}
	}
	return true
}

// weighted is an index, as likely as its weight.
func (g *Generator) weighted(weights []int) int {
	sum := 0
	for _, n := range weights {
		sum += n
	}
	pick := g.IntN(sum)
	for i, n := range weights {
		if pick -= n; pick < 0 {
			return i
		}
	}
	panic("difftest: no weight")
}

// conditionsFor is up to n conditions that can hold together, and with those
// around, for a form.
func (g *Generator) conditionsFor(form Form, n int, around []Condition) []Condition {
	var own []Condition
	for range n {
		var weights [conditions]int
		any := false
		all := newClash(around, own)
		for column := range conditions {
			d := conditionAt(column)
			if form.Impossible(d) == "" && all.allows(d) {
				weights[column], any = 1+g.Coverage.Enough/50+g.Coverage.short(form, d), true
			}
		}
		if !any {
			break
		}
		own = withICMP(around, append(own, conditionAt(g.weighted(weights[:]))))
	}
	return own
}

// A clash is what conditions leave possible for others beside them.
type clash struct {
	networks  networks
	protocols protocols
	kinds     [kinds]bool
	untagged  bool // `not vlan`
	tagged    bool
	later     bool // `frag later`
	transport bool
}

func newClash(lists ...[]Condition) *clash {
	all := &clash{networks: anyNetwork, protocols: anything}
	for _, cs := range lists {
		for _, c := range cs {
			networks, protocols := c.holdsIn()
			all.networks &= networks
			all.protocols &= protocols
			all.kinds[c.Kind] = true
			all.untagged = all.untagged || c == Condition{KindTagged, true}
			all.tagged = all.tagged || c.needsTag()
			all.later = all.later || c == Condition{Kind: KindFragLater}
			all.transport = all.transport || c.needsTransport()
		}
	}
	return all
}

// allows says whether a condition can, and need, stand beside the others.
func (a *clash) allows(c Condition) bool {
	networks, protocols := c.holdsIn()
	switch {
	case a.kinds[c.Kind]:
		return false
	case a.networks&networks == 0 || a.protocols&protocols == 0:
		return false
	case a.untagged && c.needsTag() || a.tagged && c == Condition{KindTagged, true}:
		return false
	case a.later && c.needsTransport() || a.transport && c == Condition{Kind: KindFragLater}:
		return false
	}
	return true
}

func (c Condition) needsTag() bool {
	need := c.Kind.spec().need
	return need == outerTag || need == innerTag || c == Condition{Kind: KindTagged}
}

func (c Condition) needsTransport() bool {
	need := c.Kind.spec().need
	return need == transportHeader || need == payload
}
