package ir_test

import (
	"flag"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/tools/txtar"

	"xdpfw/codegen/ir"
	"xdpfw/rules"
)

var update = flag.Bool("update", false, "write the IR that Lower gives into testdata/ir; read the diff")

// TestLower holds the text form of the decision of each file in testdata/ir
// against what is written there: section rules.fw, section ir.
func TestLower(t *testing.T) {
	paths, err := filepath.Glob("../../testdata/ir/*.txtar")
	if err != nil || len(paths) < 5 {
		t.Fatalf("found %d cases: %v", len(paths), err)
	}
	for _, path := range paths {
		t.Run(filepath.Base(path), func(t *testing.T) {
			archive, err := txtar.ParseFile(path)
			if err != nil || len(archive.Files) != 2 {
				t.Fatalf("want the sections rules.fw and ir: %v", err)
			}
			rs, diags := rules.ParseAndCheck(rules.NewFile("rules.fw", archive.Files[0].Data))
			if err := diags.Err(); err != nil {
				t.Fatal(err)
			}
			d := ir.Lower(rs)
			if err := d.Verify(); err != nil {
				t.Error(err)
			}
			got := d.String()
			if *update {
				archive.Files[1].Data = []byte(got)
				if err := os.WriteFile(path, txtar.Format(archive), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			if want := string(archive.Files[1].Data); got != want {
				t.Errorf("lowered to\n%s\nwant\n%s", got, want)
			}
		})
	}
}

// TestVerify breaks each invariant of a Decision in turn.
func TestVerify(t *testing.T) {
	port := func(lo, hi uint64) []rules.Range {
		return []rules.Range{{Lo: rules.Value{Lo: lo}, Hi: rules.Value{Lo: hi}}}
	}
	one := func(tests ...ir.Test) *ir.Decision {
		return &ir.Decision{Default: rules.Pass, Steps: []ir.Step{{Verdict: rules.Drop, Terms: []ir.Term{tests}}}}
	}
	for _, c := range []struct {
		name string
		d    *ir.Decision
		want string // "" for a Decision that holds
	}{
		{"sound", one(ir.Test{Atom: ir.Network, Ranges: port(2, 2)}, ir.Test{Atom: ir.IP4Source, Ranges: port(1, 2)}), ""},
		{"no default", &ir.Decision{}, "ir: no default verdict"},
		{"no term", &ir.Decision{Default: rules.Pass, Steps: []ir.Step{{Verdict: rules.Drop}}}, "ir: step 0 has no term"},
		{"no verdict", &ir.Decision{Default: rules.Pass, Steps: []ir.Step{{Terms: []ir.Term{nil}}}}, "ir: step 0 has no verdict"},
		{"no value", one(ir.Test{Atom: ir.Protocol}), "ir: step 0, term 0: protocol: no value accepted"},
		{"out of domain", one(ir.Test{Atom: ir.DestinationPort, Ranges: port(1, 65536)}),
			"ir: step 0, term 0: dport: range {{0 1} {0 65536}} out of order or domain"},
		{"reversed", one(ir.Test{Atom: ir.DestinationPort, Ranges: port(2, 1)}),
			"ir: step 0, term 0: dport: range {{0 2} {0 1}} out of order or domain"},
		{"touching", one(ir.Test{Atom: ir.DestinationPort, Ranges: append(port(1, 2), port(3, 4)...)}),
			"ir: step 0, term 0: dport: range {{0 3} {0 4}} touches the one before"},
		{"unsorted", one(ir.Test{Atom: ir.Invalid, Ranges: port(1, 1)}, ir.Test{Atom: ir.Protocol, Ranges: port(1, 1)}),
			"ir: step 0, term 0: protocol stands behind invalid"},
		{"twice", one(ir.Test{Atom: ir.Protocol, Ranges: port(1, 1)}, ir.Test{Atom: ir.Protocol, Ranges: port(1, 1)}),
			"ir: step 0, term 0: protocol stands behind protocol"},
		{"address of no family", one(ir.Test{Atom: ir.IP4Source, Ranges: port(1, 1)}),
			"ir: step 0, term 0: ip.src without its network"},
		{"overlapping terms", &ir.Decision{Default: rules.Pass, Steps: []ir.Step{{Verdict: rules.Drop, Terms: []ir.Term{nil, nil}}}},
			"ir: step 0: terms 0 and 1 overlap"},
		{"goes on backwards", &ir.Decision{Default: rules.Pass, Steps: []ir.Step{
			{Verdict: rules.Return, Terms: []ir.Term{nil}, Next: 3}, {Verdict: rules.Count, Terms: []ir.Term{nil}, Next: 1}}},
			"ir: step 0 goes on at 3"},
	} {
		got := ""
		if err := c.d.Verify(); err != nil {
			got = err.Error()
		}
		if got != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
}
