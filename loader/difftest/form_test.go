package difftest

import (
	"math/rand/v2"
	"testing"

	"xdpfw/rules"
)

// What is written down as impossible for each form against the reference
// evaluator, with every condition of any value: what is called impossible never
// holds, and all else holds for some of the frames.
func TestFormsAllowWhatTheySay(t *testing.T) {
	const frames = 2000
	r := rand.New(rand.NewPCG(1, 2))
	maker := &frameMaker{r}
	rs := &rules.RuleSet{Default: rules.Pass}
	for column := range conditions {
		rs.Add(rules.Rule{Verdict: rules.Count, Clauses: []rules.Clause{anyOf(conditionAt(column))}})
	}
	for form := range promised {
		var held [conditions]int
		for range frames {
			frame := maker.build(form, newPool(r, 6).wish())
			rs.DecideCounting(packet(frame), func(column int) { held[column]++ })
		}
		for column, n := range held {
			c := conditionAt(column)
			why := form.Impossible(c)
			if why != "" && n > 0 {
				t.Errorf("form %v: `%v` holds for %d of %d frames, which is impossible: %s", form, c, n, frames, why)
			}
			if why == "" && n == 0 {
				t.Errorf("form %v: `%v` holds for no frame", form, c)
			}
		}
	}
}

// anyOf is a condition with the value that makes it hold as often as it can.
func anyOf(c Condition) rules.Clause {
	all := []rules.Range{{Hi: rules.Value{Hi: ^uint64(0), Lo: ^uint64(0)}}}
	clause := rules.Clause{Subject: c.Kind.spec().subject, Not: c.Not, Set: rules.ValueSet{IP4: all, IP6: all}}
	only := func(ns ...uint64) []rules.Range { return ranges(ns...) }
	switch number, isWord := wordNumbers[c.Kind]; {
	case c.Kind == KindICMP:
		clause.Set = rules.ValueSet{IP4: only(1)}
	case c.Kind == KindICMP6:
		clause.Set = rules.ValueSet{IP6: only(58, 0x100+58)}
	case isWord:
		clause.Set = rules.ValueSet{IP4: only(number), IP6: only(number, 0x100+number)}
	case c.Kind == KindAH:
		clause.Set = rules.ValueSet{IP4: only(51), IP6: append(only(51), rules.Range{Lo: rules.Value{Lo: 0x100}, Hi: rules.Value{Lo: 0x1ff}})}
	case c.Kind == kindExtensions && !c.Not:
		clause.Set.IP6 = []rules.Range{{Lo: rules.Value{Lo: 1}, Hi: rules.Value{Lo: 31}}}
	case c.Not && !c.Kind.isProperty():
		clause.Set = rules.ValueSet{}
	case c.Not && c.Kind == KindOn:
		clause.Set = rules.ValueSet{}
	}
	if base, ok := bases[c.Kind]; ok {
		clause.Bytes = rules.Bytes{Base: base, Length: 1}
	}
	return clause
}

var wordNumbers = map[Kind]uint64{
	KindTCP: 6, KindUDP: 17, KindSCTP: 132, KindGRE: 47, KindESP: 50, KindIGMP: 2, KindIPIP: 4,
}

// Every length must occur in frames that the kernel can run: none is shorter
// than an Ethernet header but those that nothing is promised of.
func TestFramesHaveAnEthernetHeader(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	maker := &frameMaker{r}
	for form := range promised {
		for range 1000 {
			if n := len(maker.build(form, newPool(r, 6).wish())); n < 14 {
				t.Fatalf("form %v: a frame of %d bytes", form, n)
			}
		}
	}
}

// Every property and field that the language has is a column of coverage.
func TestEverySubjectIsAKind(t *testing.T) {
	have := map[rules.Subject]bool{}
	for k, spec := range kindSpecs {
		if spec.name == "" {
			t.Errorf("kind %d has no name: it has no line in kindSpecs", k)
		}
		have[spec.subject] = true
	}
	if kindExtensions.String() != "ip6.ext" {
		t.Errorf("the kind of ip6.ext is that of %v", kindExtensions)
	}
	for s := rules.IP; s.String() != rules.Subject(255).String(); s++ {
		if !have[s] {
			t.Errorf("no kind of clauses is about %v", s)
		}
	}
}
