package difftest

import (
	"fmt"
	"strings"

	"xdpfw/rules"
)

// A writer spells conditions as clauses, in every way that the language has.
type writer struct {
	*pool
	sets  []string            // statements
	named map[string][]string // names of sets, by what they are of
}

func newWriter(p *pool) *writer { return &writer{pool: p, named: map[string][]string{}} }

func (w *writer) head() string {
	if len(w.sets) == 0 {
		return ""
	}
	return strings.Join(w.sets, "\n") + "\n"
}

// set is the name of a set of such elements: one that there is, or a new one,
// which may contain another.
func (w *writer) set(of string, n int, element func() string) string {
	have := w.named[of]
	if len(have) > 0 && (len(have) > 2 || !w.oneIn(4)) {
		return pick(w.pool, have)
	}
	if len(have) > 0 && w.oneIn(2) {
		plain := element
		element = func() string {
			if w.oneIn(4) {
				return have[0]
			}
			return plain()
		}
	}
	name := fmt.Sprintf("%s-%d", of, len(have))
	w.sets = append(w.sets, "set "+name+" = "+w.list(n, element))
	w.named[of] = append(have, "@"+name)
	return "@" + name
}

// A value is what stands behind a clause's head.
type value struct {
	text    string
	ordered bool // text begins with an operator
	many    bool // so that `in` can stand in front
}

func one(text string) value  { return value{text: text} }
func many(text string) value { return value{text: text, many: true} }

// clauses in one line, each with a blank before it. `from X` and `from port P`
// that both stand plain become `from X port P` now and then, and a type and a
// code words for both.
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
			fmt.Fprintf(&b, " %v %s port %s", side, w.address(family).text, w.port().text)
		}
	}
	for _, kind := range []Kind{KindType4, KindType6} {
		code := kind + KindCode4 - KindType4
		if has(kind) && has(code) && w.oneIn(2) {
			joined[kind], joined[code] = true, true
			b.WriteString(" " + pick(w.pool, codeWords[kind]))
		}
	}
	for _, c := range cs {
		if c.Not || !joined[c.Kind] {
			b.WriteString(" " + w.clause(c, family))
		}
	}
	return b.String()
}

// codeWords are codes that have names, with the type that they are of.
var codeWords = map[Kind][]string{
	KindType4: {"type destination-unreachable code port-unreachable", "type 3 code { host-unreachable, frag-needed, 0 }",
		"type == time-exceeded code != ttl-exceeded", "type redirect code host-redirect"},
	KindType6: {"type destination-unreachable code no-route", "type time-exceeded code hop-limit-exceeded",
		"type 4 code in { bad-header, unknown-option }", "type 1 code != { port-unreachable, admin-prohibited }"},
}

// clause with its `not`, where there is one.
func (w *writer) clause(c Condition, family int) string {
	head, v := w.headOf(c.Kind), value{}
	if _, raw := bases[c.Kind]; raw {
		head, v = w.raw(c.Kind)
	} else {
		v = w.valueOf(c, family)
	}
	if v.text == "" {
		if c.Not {
			return "not " + head
		}
		return head
	}
	if c.Not {
		if !v.ordered && c.Kind != KindFlags && w.oneIn(2) {
			return head + " != " + v.text
		}
		head = "not " + head
	}
	operators := []string{"", "", "== ", "in "}
	switch {
	case c.Kind == KindFlagsExactly:
		operators = []string{"== "}
	case c.Kind == KindFlags:
		operators = []string{""}
	case v.ordered:
		operators = operators[:1]
	case !v.many:
		operators = operators[:3]
	}
	return head + " " + pick(w.pool, operators) + v.text
}

// headOf is the words in front of the value.
func (w *writer) headOf(k Kind) string {
	switch k {
	case KindType4, KindType6:
		return "type"
	case KindCode4, KindCode6:
		return "code"
	case KindVLAN:
		return "vlan"
	case KindFlagsExactly:
		return "flags"
	}
	return k.String()
}

func (w *writer) valueOf(c Condition, family int) value {
	spec := c.Kind.spec()
	switch spec.class {
	case mixedAddress:
		if !c.Not && w.oneIn(20) {
			return one("any")
		}
		return w.address(family)
	case address4:
		return w.addressOf("addresses4", w.element4)
	case address6:
		return w.addressOf("addresses6", w.element6)
	case macAddress:
		return w.mac()
	case portNumber:
		return w.port()
	case protocolNumber:
		return w.protocol()
	case plainNumber:
		return w.number(spec.subject)
	case flagWords:
		return one(w.flags(true))
	case exactFlagWords:
		return one(w.exactFlags())
	case extensionWords:
		return w.extensions()
	case interfaceNames:
		return w.interfaces(c.Not)
	}
	return value{}
}

// address is a value for `from` and `to`.
func (w *writer) address(family int) value {
	return w.addressOf("addresses", w.mixed(family))
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

func (w *writer) addressOf(of string, element func() string) value {
	switch w.IntN(4) {
	case 0:
		return many(w.set(of, w.listSize(), element))
	case 1:
		return many(w.list(w.listSize(), element))
	}
	return one(element())
}

// port is a value for ports, at times with an operator.
func (w *writer) port() value {
	switch w.IntN(6) {
	case 0:
		return many(w.set("ports", w.listSize(), w.portElement))
	case 1:
		return w.ordered(uint64(pick(w.pool, w.ports)), 0xffff)
	case 2:
		return many(w.list(w.listSize(), w.portElement))
	case 3:
		return one(fmt.Sprintf("%d-65535", pick(w.pool, w.ports)))
	}
	return one(w.portElement())
}

// ordered compares with n, or its neighbour where that leaves something.
func (w *writer) ordered(n, limit uint64) value {
	n = min(max(n, 1), limit-1)
	return value{text: pick(w.pool, []string{"< ", "<= ", "> ", ">= "}) + w.spelled(n), ordered: true}
}

func (w *writer) spelled(n uint64) string {
	if w.oneIn(3) {
		return fmt.Sprintf("0x%x", n)
	}
	return fmt.Sprint(n)
}

// protocol is a value for `proto`.
func (w *writer) protocol() value {
	switch w.IntN(6) {
	case 0:
		number := func() string { return fmt.Sprint(pick(w.pool, w.protocols)) }
		return many(w.set("protocols", 1+w.IntN(4), number))
	case 1:
		return w.ordered(uint64(pick(w.pool, w.protocols)), 0xff)
	case 2, 3:
		return many(w.list(1+w.IntN(5), w.protocolElement))
	}
	return one(w.protocolElement())
}

func (w *writer) mac() value {
	switch w.IntN(5) {
	case 0:
		return many(w.set("macs", w.listSize(), w.macElement))
	case 1:
		return many(w.list(w.listSize(), w.macElement))
	}
	return one(w.macElement())
}

// number is a value of a field that is no address, port or protocol word.
func (w *writer) number(s rules.Subject) value {
	spec := numberSpecs[s]
	element := func() string { return w.numberElement(s) }
	switch w.IntN(8) {
	case 0, 1:
		if spec.bits > 1 {
			return w.ordered(w.anyValue(s).Lo, spec.max())
		}
	case 2, 3:
		return many(w.list(w.listSize(), element))
	case 4:
		if spec.bits > 1 {
			plain := func() string { return fmt.Sprint(w.anyValue(s).Lo) }
			return many(w.set(fmt.Sprintf("numbers%d", spec.bits), w.listSize(), plain))
		}
	}
	return one(element())
}
