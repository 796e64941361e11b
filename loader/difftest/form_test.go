package difftest

import (
	"math/rand/v2"
	"testing"

	"xdpfw/rules"
)

// The traits written beside each form against the reference evaluator: each
// holds for all frames of the form, for none, or for some.
func TestFramesHaveTheTraitsOfTheirForm(t *testing.T) {
	const frames = 3000
	all := []rules.Range{{Hi: rules.Value{Hi: ^uint64(0), Lo: ^uint64(0)}}}
	any := rules.ValueSet{IP4: all, IP6: all}
	r := rand.New(rand.NewPCG(1, 2))
	maker := &frameMaker{r}
	for form := range Mutated {
		traits := formSpecs[form].traits
		for _, c := range []struct {
			subject rules.Subject
			want    often
		}{
			{rules.IP, traits.ip}, {rules.IP6, traits.ip6}, {rules.ARP, traits.arp},
			{rules.Frag, traits.frag()}, {rules.FragFirst, traits.first}, {rules.FragLater, traits.later},
			{rules.Invalid, traits.invalid}, {rules.Source, traits.address}, {rules.Destination, traits.address},
			{rules.Protocol, traits.protocol}, {rules.SourcePort, traits.ports}, {rules.DestinationPort, traits.ports},
		} {
			rs := &rules.RuleSet{Default: rules.Pass}
			rs.Add(rules.Rule{Verdict: rules.Drop, Clauses: []rules.Clause{{Subject: c.subject, Set: any}}})
			held := 0
			for range frames {
				frame := formSpecs[form].build(maker, newPool(r, 6).wish())
				held += rs.Decide(rules.NewPacket(frame)).Rule + 1
			}
			got := sometimes
			if held == 0 {
				got = never
			} else if held == frames {
				got = always
			}
			if got != c.want {
				t.Errorf("form %v: `%v` holds for %d of %d frames", form, c.subject, held, frames)
			}
		}
	}
}

// Every length must occur in frames that the kernel can run: none is shorter
// than an Ethernet header but mutated ones.
func TestFramesHaveAnEthernetHeader(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	maker := &frameMaker{r}
	for form := range Mutated {
		for range 1000 {
			if n := len(formSpecs[form].build(maker, newPool(r, 6).wish())); n < 14 {
				t.Fatalf("form %v: a frame of %d bytes", form, n)
			}
		}
	}
}
