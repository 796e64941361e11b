package loader

import (
	"fmt"
	"strings"
	"testing"

	"xdpfw/codegen"
	"xdpfw/rules"
)

// TestLargeProgram loads and replaces a program of more instructions than the
// kernel tells when it is asked about a program: 524,288.
func TestLargeProgram(t *testing.T) {
	ownMachine(t)
	vethPair(t, "in0", "out0")
	var text strings.Builder
	for i := range 5000 {
		fmt.Fprintf(&text, "drop not from 2001:db8:%x::1 not to 2001:db8:%[1]x::1\n", i)
	}
	rs, diags := rules.ParseAndCheck(rules.NewFile("large.fw", []byte(text.String())))
	if err := diags.Err(); err != nil {
		t.Fatal(err)
	}
	obj, err := codegen.Compile(rs, codegen.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if n := obj.Programs[0].Slots(); n <= 524288 {
		t.Fatalf("%d instructions are not large", n)
	}
	for range 2 {
		if _, err := Load(obj, LoadOptions{Interfaces: []string{"in0"}, Force: true}); err != nil {
			t.Fatal(err)
		}
	}
	stats, err := ReadStats("in0")
	if err != nil || len(stats.Rules) != 5000 {
		t.Errorf("stats: %v", err)
	}
	if err := Unload("in0"); err != nil {
		t.Error(err)
	}
}
