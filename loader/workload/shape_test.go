package workload

import (
	"bytes"
	"net/netip"
	"testing"

	"xdpfw/rules"
)

// Every shape is accepted, has the rules it should have, is the same for the
// same seed, and packets can be made for it.
func TestShapes(t *testing.T) {
	for _, s := range append(Shapes(), HostileShapes()...) {
		t.Run(s.Name, func(t *testing.T) {
			const n = 300
			text := s.Text(n, 1)
			rs := read(t, text)
			if have := max(len(rs.Rules), ranges(rs)); have < n*9/10 || len(rs.Rules) > n {
				t.Errorf("%d rules and %d ranges of the first, of %d", len(rs.Rules), ranges(rs), n)
			}
			if !bytes.Equal(text, s.Text(n, 1)) || bytes.Equal(text, s.Text(n, 2)) {
				t.Error("not a function of the seed")
			}
			sameAsReference(t, s.Name, rs, 300)
		})
	}
}

// ranges of addresses in the first rule.
func ranges(rs *rules.RuleSet) int {
	if len(rs.Rules[0].Clauses) == 0 {
		return 0
	}
	return len(rs.Rules[0].Clauses[0].Set.IP4) + len(rs.Rules[0].Clauses[0].Set.IP6)
}

// The small ones.
func TestSmall(t *testing.T) {
	if rs := read(t, []byte(Founding)); len(rs.Rules) != 2 {
		t.Errorf("the founding example has %d rules", len(rs.Rules))
	}
	rs := read(t, []byte(Mixed16))
	if len(rs.Rules) != 16 {
		t.Errorf("the sixteen mixed rules are %d", len(rs.Rules))
	}
	sameAsReference(t, "mixed", rs, 2000)
	index, decided := NewIndex(rs), map[int]bool{}
	frames, err := Trace(rs, Uniform, 2000, 1)
	if err != nil {
		t.Fatal(err)
	}
	for _, frame := range frames {
		decided[index.Decide(frame).Rule] = true
	}
	if len(decided) < 16 {
		t.Errorf("of the sixteen mixed rules %d decide", len(decided))
	}
}

// Block lists have as many different prefixes as were asked for, and few of
// them lie in others.
func TestBlockList(t *testing.T) {
	for name, prefixes := range map[string][]netip.Prefix{
		"IPv4": Prefixes4(50_000, 1), "IPv6": Prefixes6(20_000, 1), "IPv4 hosts": Hosts4(50_000, 1), "IPv6 hosts": Hosts6(20_000, 1),
	} {
		rs := read(t, BlockList(prefixes))
		if have := ranges(rs); have < len(prefixes)*8/10 {
			t.Errorf("%s: %d ranges are left of %d", name, have, len(prefixes))
		}
		sameAsReference(t, name, rs, 1000)
	}
}

// BenchmarkTrace makes traces of the usual size, of which the many rules that
// there are must not make a difference.
func BenchmarkTrace(b *testing.B) {
	for _, set := range []struct {
		name string
		text []byte
	}{
		{"acl4-10k", ACL(10_000, 4, 1)}, {"firewall6-10k", Firewall(10_000, 6, 1)}, {"block-list-1M", BlockList(Prefixes4(1_000_000, 1))},
	} {
		rs := read(b, set.text)
		for _, kind := range Kinds() {
			b.Run(set.name+"/"+kind.String(), func(b *testing.B) {
				for b.Loop() {
					if _, err := Trace(rs, kind, 1<<16, 1); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}
