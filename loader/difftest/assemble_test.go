package difftest

import (
	"bytes"
	"testing"

	"xdpfw/codegen"
	"xdpfw/rules"
)

// TestListingsAssemble: of 1,000 random rule sets, with any strategy and way of
// counting, the listing assembles to the same object.
func TestListingsAssemble(t *testing.T) {
	t.Parallel()
	g := NewGenerator(seed(t), 1)
	encoded := func(o *codegen.Object) []byte {
		var b bytes.Buffer
		if err := o.Encode(&b); err != nil {
			t.Fatal(err)
		}
		return b.Bytes()
	}
	tables := 0
	for n := range 1000 {
		set := g.RuleFile().Set
		o, err := codegen.Compile(set, codegen.Options{
			Strategy: codegen.Strategies[n%len(codegen.Strategies)],
			Counters: codegen.CounterModes[n/7%len(codegen.CounterModes)],
		})
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range o.Maps {
			tables += len(m.Contents())
		}
		var listing bytes.Buffer
		if err := o.Listing(&listing, true); err != nil {
			t.Fatal(err)
		}
		again, ds := codegen.Assemble(rules.NewText("set.lst", listing.Bytes()))
		if ds != nil {
			t.Fatalf("%v\n%s", ds, listing.Bytes())
		}
		if !bytes.Equal(encoded(o), encoded(again)) {
			t.Fatalf("set %d is another object behind its listing\n%s", n, listing.Bytes())
		}
	}
	if tables < 1<<20 {
		t.Errorf("all tables together have %d bytes only", tables)
	}
}
