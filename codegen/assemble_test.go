package codegen

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"xdpfw/rules"
)

// assembled is the Object of a listing, which must be one.
func assembled(t *testing.T, listing []byte) *Object {
	t.Helper()
	o, ds := Assemble(rules.NewText("listing.txt", listing))
	if ds != nil {
		t.Fatal(formatted(ds))
	}
	return o
}

func formatted(ds rules.Diagnostics) string {
	var b strings.Builder
	_ = ds.Format(&b, false)
	return b.String()
}

func objectBytes(t *testing.T, o *Object) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := o.Encode(&b); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// checkIdentity says that the listing of an Object assembles to the same bytes.
func checkIdentity(t *testing.T, o *Object) []byte {
	t.Helper()
	var listing bytes.Buffer
	if err := o.Listing(&listing, true); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(objectBytes(t, o), objectBytes(t, assembled(t, listing.Bytes()))) {
		t.Fatalf("another object is assembled of\n%s", listing.Bytes())
	}
	return listing.Bytes()
}

// TestAssembleIsTheInverse of Listing, for every golden listing and every
// strategy and way of counting.
func TestAssembleIsTheInverse(t *testing.T) {
	paths, err := filepath.Glob("../testdata/rules/*.fw")
	if err != nil || len(paths) < 2 {
		t.Fatalf("found %d rule files: %v", len(paths), err)
	}
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for _, strategy := range Strategies {
			for _, counting := range CounterModes {
				checkIdentity(t, compileWith(t, filepath.Base(path), text, Options{Strategy: strategy, Counters: counting}))
			}
		}
	}
}

// A wrongListing is a change of a listing, and what must be said of it.
type wrongListing struct {
	name, old, new string
	place, says    string
}

func TestAssembleSaysWhatIsWrong(t *testing.T) {
	listing := string(checkIdentity(t, compileText(t, "rules.fw", []byte("drop tcp to port { 22, 80 } from 10.0.0.0/8\ndefault pass\n"))))
	lineOf := func(text string) int { return 1 + strings.Count(listing[:strings.Index(listing, text)], "\n") }
	for _, c := range []wrongListing{
		{"another version", "; xdpfw listing 2", "; xdpfw listing 1", "1:1", "written by another xdpfw"},
		{"no listing", "; xdpfw listing 2", "drop udp", "1:1", "this is no listing"},
		{"bytes", "bf 19 00", "bf 18 00", "", `the bytes are not those of "r9 = r1"`},
		{"too few bytes", "bf 19 00 00", "bf 19 00", "", "7 raw bytes"},
		{"a register", "r9 = r1", "r11 = r1", "", `"r11" is no register`},
		{"a width", "r9 = r1", "r9 = w1", "", "w1 is of another width than r9"},
		{"a sign", "r9 = r1", "r9 =+ r1", "", `"=+" computes nothing`},
		{"a mnemonic", "r9 = r1", "mov r9 r1", "", `"mov" is no register`},
		{"a size", "*(u32 *)(r9 +4)", "*(u31 *)(r9 +4)", "", `"*(u31" is no size of memory`},
		{"an offset", "*(u32 *)(r9 +4)", "*(u32 *)(r9 +40000)", "", `"+40000)" is no offset`},
		{"a label", "goto ip4 ", "goto ip5 ", "", `there is no label and no map "ip5"`},
		{"a directive", ".origin", ".orign", "", `".orign" is no directive`},
		{"an argument", `.origin {"rule"`, `.origin {"role"`, "", "the directive's argument cannot be read"},
		{"a map", `"name":"counters"`, `"name":"counter"`, "", `there is no label and no map "counters"`},
		{"its end", listing[strings.LastIndex(listing, ".code"):], "", "", "no whole listing"},
		{"two labels", "ip4:\n", "ip4:\nip5:\n", "", "two labels for one instruction"},
		{"a label twice", "type:\n", "type:\nr0 = 1\nip4:\n", "", "the label ip4 is there already"},
		{"a label in front", ".program", "first:\n.program", "", "in front of .program"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if !strings.Contains(listing, c.old) {
				t.Fatalf("%q is not in\n%s", c.old, listing)
			}
			o, ds := Assemble(rules.NewText("l.txt", []byte(strings.Replace(listing, c.old, c.new, 1))))
			if o != nil || ds == nil {
				t.Fatal("it is taken for a listing")
			}
			said := formatted(ds)
			if !strings.Contains(said, c.says) {
				t.Errorf("it does not say %q:\n%s", c.says, said)
			}
			if c.place == "" && c.name != "a map" && c.name != "its end" && c.name != "two labels" && c.name != "a label twice" {
				if at := ds[0].Span.Position().Line; at != lineOf(c.old) {
					t.Errorf("line %d, want %d:\n%s", at, lineOf(c.old), said)
				}
			}
		})
	}
}

// TestAssembleByHand: lines without bytes, new lines and labels, and a digest
// that says so.
func TestAssembleByHand(t *testing.T) {
	o := compileText(t, "rules.fw", []byte("drop udp\n"))
	listing := string(checkIdentity(t, o))
	begin := strings.Index(listing, "     0  bf 19")
	if begin < 0 {
		t.Fatal(listing)
	}
	changed := assembled(t, []byte(listing[:begin]+"r0 = 5 ; mine\nif r0 != 5 goto mine\nmine:\n"+listing[begin:]))
	if !strings.HasPrefix(changed.Digest, EditedDigest+"sha256:") || len(changed.Programs[0].Code) != len(o.Programs[0].Code)+2 {
		t.Errorf("%s, %d instructions of %d", changed.Digest, len(changed.Programs[0].Code), len(o.Programs[0].Code))
	}
	bare := strings.NewReplacer("     0  bf 19 00 00 00 00 00 00  ", "").Replace(listing)
	if !bytes.Equal(objectBytes(t, o), objectBytes(t, assembled(t, []byte(bare)))) {
		t.Error("without bytes it is another object")
	}
	checkIdentity(t, changed)
}

// TestTablesAreMissing: a listing without what the tables hold is refused, and
// they are named.
func TestTablesAreMissing(t *testing.T) {
	o := compileFile(t, "../testdata/rules/founding.fw", Table)
	var b bytes.Buffer
	if err := o.Listing(&b, false); err != nil {
		t.Fatal(err)
	}
	if _, ds := Assemble(rules.NewText("l.txt", b.Bytes())); ds == nil || !strings.Contains(ds.Error(), tableMap+" (2416 bytes)") {
		t.Errorf("%v", ds)
	}
}

// FuzzAssemble: whatever a listing says, it is assembled or refused.
func FuzzAssemble(f *testing.F) {
	for _, text := range []string{"drop\n", "default pass\ndrop from { 10.0.0.1, 10.0.0.9, 10.1.0.0/16, 192.0.2.1 }\n"} {
		rs, ds := rules.ParseAndCheck(rules.NewFile("rules.fw", []byte(text)))
		if ds.Err() != nil {
			f.Fatal(ds)
		}
		o, err := Compile(rs, Options{})
		if err != nil {
			f.Fatal(err)
		}
		var b bytes.Buffer
		if err := o.Listing(&b, true); err != nil {
			f.Fatal(err)
		}
		f.Add(b.Bytes())
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		if len(text) > 1<<16 {
			return
		}
		o, ds := Assemble(rules.NewText("l.txt", text))
		if (o == nil) == (ds == nil) {
			t.Fatal("neither an object nor mistakes, or both")
		}
		if o != nil {
			_ = o.Listing(&bytes.Buffer{}, true)
		}
	})
}
