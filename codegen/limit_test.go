package codegen

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"xdpfw/rules"
)

// Rules that negate ever other pairs of large sets are refused before the
// lists fill the memory.
func TestDerivedRangesAreLimited(t *testing.T) {
	var b strings.Builder
	const sets, elements = 30, 20_000
	for n := range sets {
		fmt.Fprintf(&b, "set s%d = {\n", n)
		for i := range elements {
			fmt.Fprintf(&b, "10.%d.%d.%d,\n", i>>7, i<<1&255, n)
		}
		b.WriteString("}\n")
	}
	for i := range sets {
		for j := range i {
			fmt.Fprintf(&b, "drop not from @s%d not from @s%d\n", i, j)
		}
	}
	rs, diags := rules.ParseAndCheck(rules.NewFile("rules.fw", []byte(b.String())))
	if err := diags.Err(); err != nil {
		t.Fatal(err)
	}
	_, err := Compile(rs, Options{})
	var limit *LimitError
	if !errors.As(err, &limit) || !strings.Contains(limit.Limit, "8000000 ranges") || !strings.HasPrefix(limit.Rule.Text(), "drop not from @s") {
		t.Fatalf("%v, want a LimitError about ranges", err)
	}
}
