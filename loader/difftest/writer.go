package difftest

import (
	"fmt"
	"strings"
)

// A writer spells conditions as clauses, in every way that the language has.
type writer struct {
	*pool
	sets                             []string // statements
	addressSets, portSets, protoSets []string // names
}

// makeSets defines up to two sets of each kind.
func (w *writer) makeSets() {
	define := func(name, value string) string {
		w.sets = append(w.sets, "set "+name+" = "+value)
		return "@" + name
	}
	for i := range w.IntN(3) {
		element := w.mixed(0)
		if i > 0 && w.oneIn(2) {
			element = func() string { return w.addressSets[0] }
			element = w.sometimes(element, w.mixed(0))
		}
		w.addressSets = append(w.addressSets, define(fmt.Sprintf("addresses%d", i), w.list(w.listSize(), element)))
	}
	for i := range w.IntN(3) {
		w.portSets = append(w.portSets, define(fmt.Sprintf("ports-%d", i), w.list(w.listSize(), w.portElement)))
	}
	if w.oneIn(3) {
		number := func() string { return fmt.Sprint(pick(w.pool, w.protocols)) }
		w.protoSets = append(w.protoSets, define("protocols", w.list(1+w.IntN(4), number)))
	}
}

func (w *writer) head() string {
	if len(w.sets) == 0 {
		return ""
	}
	return strings.Join(w.sets, "\n") + "\n"
}

func (w *writer) sometimes(a, b func() string) func() string {
	return func() string {
		if w.oneIn(4) {
			return a()
		}
		return b()
	}
}

// mixed gives addresses of a family (0: either), now and then of the other.
func (w *writer) mixed(family int) func() string {
	return func() string {
		four := family == 4
		if family == 0 {
			four = w.oneIn(2)
		} else if w.oneIn(5) {
			four = !four
		}
		if four {
			return w.element4()
		}
		return w.element6()
	}
}

// clauses in one line, each with a blank before it. `from X` and `from port P`
// that both stand plain become `from X port P` now and then.
func (w *writer) clauses(cs []Condition, family int) string {
	var b strings.Builder
	joined := map[Kind]bool{}
	has := func(k Kind) bool {
		for _, c := range cs {
			if c == (Condition{Kind: k}) {
				return true
			}
		}
		return false
	}
	for _, side := range []Kind{KindFrom, KindTo} {
		port := side + KindFromPort - KindFrom
		if has(side) && has(port) && w.oneIn(2) {
			joined[side], joined[port] = true, true
			fmt.Fprintf(&b, " %s %s port %s", kindNames[side], w.address(family), w.port(false))
		}
	}
	ports := has(KindFromPort) || has(KindToPort)
	for _, c := range cs {
		if c.Not || !joined[c.Kind] {
			b.WriteString(" " + w.clause(c, family, ports))
		}
	}
	return b.String()
}

// clause with its `not`, where there is one.
func (w *writer) clause(c Condition, family int, ports bool) string {
	name := kindNames[c.Kind]
	not := ""
	if c.Not {
		not = "not "
	}
	var value string
	switch {
	case c.Kind.isAddress():
		if not == "" && w.oneIn(20) {
			return name + " any"
		}
		value = w.address(family)
	case c.Kind.isPort():
		value = w.port(c.Not)
	case c.Kind == KindProto:
		value = w.protocol(ports && !c.Not)
	default:
		return not + name
	}
	if strings.ContainsAny(value[:1], "<>=!i") { // it has an operator
		return not + name + " " + value
	}
	if c.Not && w.oneIn(2) {
		return name + " != " + value
	}
	return not + name + []string{" ", " ", " == ", " in "}[w.membership(value)] + value
}

// membership is which operator may stand before a value: `in` wants more than
// one.
func (w *writer) membership(value string) int {
	if strings.ContainsAny(value, "{@-/") {
		return w.IntN(4)
	}
	return w.IntN(3)
}

// address is a value for `from` and `to`.
func (w *writer) address(family int) string {
	if len(w.addressSets) > 0 && w.oneIn(4) {
		return pick(w.pool, w.addressSets)
	}
	element := w.mixed(family)
	if w.oneIn(2) {
		return element()
	}
	return w.list(w.listSize(), element)
}

// port is a value for ports, at times with an operator.
func (w *writer) port(not bool) string {
	switch w.IntN(5) {
	case 0:
		if len(w.portSets) > 0 {
			return pick(w.pool, w.portSets)
		}
	case 1:
		n := min(max(pick(w.pool, w.ports), 1), 0xfffe)
		return pick(w.pool, []string{"< ", "<= ", "> ", ">= "}) + fmt.Sprint(n)
	case 2:
		return w.list(w.listSize(), w.portElement)
	}
	if !not && w.oneIn(3) {
		return fmt.Sprintf("%d-65535", pick(w.pool, w.ports))
	}
	return w.portElement()
}

// protocol is a value for `proto`; with ports, of one that has them.
func (w *writer) protocol(ports bool) string {
	if ports {
		return pick(w.pool, []string{"6", "17", "132", "{ tcp, udp }", "{ 17, icmp, sctp }", "1-17", "< 18", "{ tcp, sctp, 47, }"})
	}
	switch w.IntN(6) {
	case 0:
		if len(w.protoSets) > 0 {
			return w.protoSets[0]
		}
	case 1:
		n := min(max(pick(w.pool, w.protocols), 1), 254)
		return pick(w.pool, []string{"< ", "<= ", "> ", ">= "}) + fmt.Sprint(n)
	case 2, 3:
		return w.list(1+w.IntN(5), w.protocolElement)
	}
	return fmt.Sprint(pick(w.pool, w.protocols))
}
