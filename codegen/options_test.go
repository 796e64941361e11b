package codegen

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"xdpfw/rules"
)

func TestParseTarget(t *testing.T) {
	for _, good := range []string{"5.10", "5.15", "6.1", "7.0", "10.0"} {
		if target, err := ParseTarget(good); err != nil || target.Kernel != good {
			t.Errorf("%q: %v, %v", good, target, err)
		}
	}
	for text, want := range map[string]string{
		"":       `"" is not a kernel version such as 5.10 or 6.1`,
		"6":      `"6" is not a kernel version such as 5.10 or 6.1`,
		"6.1.25": `"6.1.25" is not a kernel version such as 5.10 or 6.1`,
		"6.01":   `"6.01" is not a kernel version such as 5.10 or 6.1`,
		"v6.1":   `"v6.1" is not a kernel version such as 5.10 or 6.1`,
		"6.-1":   `"6.-1" is not a kernel version such as 5.10 or 6.1`,
		"5.9":    `kernel 5.9 is too old: 5.10 is the oldest kernel that programs are made for`,
		"4.19":   `kernel 4.19 is too old: 5.10 is the oldest kernel that programs are made for`,
	} {
		if _, err := ParseTarget(text); err == nil || err.Error() != want {
			t.Errorf("%q: %v, want %s", text, err, want)
		}
	}
	target := Target{"6.1"}
	if target.Includes(6, 0) || target.Includes(5, 15) || !target.Includes(6, 1) || !target.Includes(6, 18) || !target.Includes(7, 0) {
		t.Error("6.1 takes a kernel for another")
	}
}

// TestOptionsAreInTheDigest: another option, another program.
func TestOptionsAreInTheDigest(t *testing.T) {
	rs, diags := rules.ParseAndCheck(rules.NewFile("rules.fw", []byte("drop udp\n")))
	if err := diags.Err(); err != nil {
		t.Fatal(err)
	}
	digest := func(opts Options) string {
		t.Helper()
		o, err := Compile(rs, opts)
		if err != nil {
			t.Fatal(err)
		}
		return o.Digest
	}
	plain := digest(Options{})
	if same := digest(Options{Target: Baseline, Strategy: Auto, Counters: CountRules, TableMemory: DefaultTableMemory}); same != plain {
		t.Error("the zero options are not the default ones")
	}
	seen := map[string]bool{plain: true}
	for _, opts := range []Options{
		{Target: Target{"6.1"}}, {Strategy: Chain}, {Counters: CountVerdicts}, {Counters: CountNone}, {TableMemory: 1 << 20},
	} {
		if d := digest(opts); seen[d] {
			t.Errorf("%+v has the digest of other options", opts)
		} else {
			seen[d] = true
		}
	}
}

func TestWrongOptions(t *testing.T) {
	rs, _ := rules.ParseAndCheck(rules.NewFile("rules.fw", []byte("drop udp\n")))
	for want, opts := range map[string]Options{
		`unknown strategy "guess": this version has `:             {Strategy: "guess"},
		`unknown counters "some": they are rules, verdicts, none`: {Counters: "some"},
		`a table memory of -1 bytes`:                              {TableMemory: -1},
		`"six" is not a kernel version such as 5.10 or 6.1`:       {Target: Target{"six"}},
	} {
		if _, err := Compile(rs, opts); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%+v: %v, want %s", opts, err, want)
		}
	}
}

// TestCountingShape: what is not asked for is not counted.
func TestCountingShape(t *testing.T) {
	const text = "chain c { return udp; return to port 80; drop }\ncount icmp\njump c\nredirect eth0 tcp\ndrop udp\n"
	rs, diags := rules.ParseAndCheck(rules.NewFile("rules.fw", []byte(text)))
	if err := diags.Err(); err != nil {
		t.Fatal(err)
	}
	for mode, want := range map[string]map[string]bool{
		CountRules:    {"map       counters": true, "call count": true, "icmp": true, "packets + 1": true},
		CountVerdicts: {"map       counters: counters, PerCPUArray, 6 × 16 bytes": true, "call count": false, "count icmp": false, "packets + 1": true},
		CountNone:     {"map       counters": false, "call count": false, "count icmp": false, "packets + 1": false, "counter slot": false},
	} {
		o, err := Compile(rs, Options{Counters: mode})
		if err != nil {
			t.Fatal(err)
		}
		code := listedCode(t, o)
		for word, has := range want {
			if strings.Contains(code, word) != has {
				t.Errorf("%s: has %q: %v, want %v\n%s", mode, word, !has, has, code)
			}
		}
	}
}

// TestTableMemory: where tables do not fit, rules become code;
// where not even their lists fit, it is said which rule asks for the most.
func TestTableMemory(t *testing.T) {
	var many, list strings.Builder
	for i := range 300 {
		fmt.Fprintf(&many, "drop tcp from 10.%d.%d.0/24 to port %d\n", i>>4, i&15<<4, 1000+i)
	}
	for i := range 1000 {
		fmt.Fprintf(&list, "%s10.%d.%d.1", map[bool]string{false: ", "}[i == 0], i>>8, i&255)
	}
	compile := func(text string, memory int64) (*Object, error) {
		t.Helper()
		rs, diags := rules.ParseAndCheck(rules.NewFile("rules.fw", []byte(text)))
		if err := diags.Err(); err != nil {
			t.Fatal(err)
		}
		return Compile(rs, Options{TableMemory: memory})
	}
	strategyOf := func(memory int64) string {
		t.Helper()
		o, err := compile(many.String(), memory)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range o.Maps {
			if m.Lifetime == Frozen && int64(m.Spec.ValueSize) > memory {
				t.Errorf("%d bytes of tables, %d are allowed", m.Spec.ValueSize, memory)
			}
		}
		return o.Strategy
	}
	if got := strategyOf(DefaultTableMemory); got != Table {
		t.Errorf("with the default memory: %s", got)
	}
	if got := strategyOf(1 << 10); got != Chain {
		t.Errorf("with 1 KiB: %s", got)
	}
	text := "drop udp\ndrop from { " + list.String() + " }\n"
	if _, err := compile(text, 16<<10); err != nil {
		t.Error(err)
	}
	_, err := compile(text, 1<<10)
	var limit *LimitError
	if !errors.As(err, &limit) || limit.Rule.Span.Position().Line != 2 || !strings.HasPrefix(limit.Limit, "the 1 KiB that tables may take: ") {
		t.Errorf("%v, want a LimitError about line 2", err)
	}
}
