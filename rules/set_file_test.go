package rules_test

import (
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"

	"xdpfw/rules"
)

// checkSetFile checks a rule with a set from a file.
func checkSetFile(rule, text string) (*rules.RuleSet, rules.Diagnostics) {
	main := "drop invalid\ndrop frag\nset a = file \"a.txt\"\n" + rule
	return rules.ParseAndCheckWith(inMemory(map[string]string{"a.txt": text}), rules.NewFile("x", []byte(main)))
}

// TestSetFile compares what a set from a file holds.
func TestSetFile(t *testing.T) {
	tests := []struct{ name, rule, text, want string }{
		{"a block list", "drop from @a", "; Spamhaus DROP List\n1.10.16.0/20 ; SBL256894\n1.19.0.0/16 ; SBL434604\n", "drop from { 1.10.16.0/20, 1.19.0.0/16 }"},
		{"blanks and line ends", "drop from @a", "\xef\xbb\xbf  10.0.0.1\t \r\n\r\n \t192.0.2.0/24#x\r\n;\n#\n::1", "drop from { 10.0.0.1, 192.0.2.0/24, ::1 }"},
		{"ranges", "drop from @a", "10.0.0.1-10.0.0.9\n10.1.0.1 - 10.1.0.9\nfd00::1-fd00::5", "drop from { 10.0.0.1-10.0.0.9, 10.1.0.1-10.1.0.9, fd00::1-fd00::5 }"},
		{"ports", "drop to port @a", "80\n443\n8000-8100", "drop to port { 80, 443, 8000-8100 }"},
		{"services", "drop tcp to port @a", "ssh\nhttps # TLS\n8080", "drop tcp to port { 22, 443, 8080 }"},
		{"MAC addresses", "drop eth.src @a", "02:00:5e:10:00:01\n02:00:5e:20:00:00/32", "drop eth.src { 02:00:5e:10:00:01, 02:00:5e:20:00:00/32 }"},
		{"masks", "drop from @a", "10.0.0.1/255.0.0.255\nfd00::1/ffff::ff", "drop from { 10.0.0.1/255.0.0.255, fd00::1/ffff::ff }"},
		{"merging, unsorted", "drop from @a", "10.0.0.128/25\n8.0.0.0/8\n10.0.0.0/25\n10.0.0.5", "drop from { 8.0.0.0/8, 10.0.0.0/24 }"},
		{"whole families", "drop from @a", "::/0\n0.0.0.0/0", "drop from { 0.0.0.0/0, ::/0 }"},
		{"IPv4 in IPv6", "drop from @a", "::ffff:192.0.2.1", "drop from ::ffff:192.0.2.1"},
		{"within a set", "set b = { @a, 80 }\ndrop to port @b", "81", "drop to port 80-81"},
		{"used twice", "set b = file \"a.txt\"\ndrop from @a to @b", "10.0.0.0/8", "drop from 10.0.0.0/8 to 10.0.0.0/8"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			rs, ds := checkSetFile(test.rule, test.text)
			if len(ds) > 0 {
				t.Fatal(format(t, ds))
			}
			if got := rs.Rules[2].String(); got != test.want {
				t.Errorf("got  %s\nwant %s", got, test.want)
			}
		})
	}
}

// TestHostBits: prefixes with bits behind their length are taken without
// those, which is said once, and can be silenced where the set is defined.
func TestHostBits(t *testing.T) {
	text := "10.0.0.0/8\n192.0.2.1/24\nfd00::1/8\n10.1.2.3/0\nfd00::ff/ff00::f\n"
	rs, ds := checkSetFile("drop from @a", text)
	if len(ds) != 1 || ds[0].Code != "host-bits" || !strings.HasPrefix(ds[0].Message, "4 prefixes") || ds[0].Span.Position().String() != "a.txt:2:1" {
		t.Error(format(t, ds))
	}
	if got, want := rs.Rules[2].String(), "drop from { 0.0.0.0/0, fd00::/8, fd00::f/ff00::f }"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	main := "drop invalid\ndrop frag\nset a = file \"a.txt\" # nolint: host-bits\ndrop from @a"
	_, ds = rules.ParseAndCheckWith(inMemory(map[string]string{"a.txt": text}), rules.NewFile("x", []byte(main)))
	if len(ds) > 0 {
		t.Error(format(t, ds))
	}
}

func TestHostBitsOfMACs(t *testing.T) {
	rs, ds := checkSetFile("drop eth.src @a", "02:00:5e:10:00:01/24\n02:00:00:00:00:01/ff:00:00:00:00:00\n")
	if len(ds) != 1 || !strings.HasPrefix(ds[0].Message, "2 prefixes") {
		t.Error(format(t, ds))
	}
	if got, want := rs.Rules[2].String(), "drop eth.src 02:00:00:00:00:00/8"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// TestEmptySetFile: a file without elements is an empty set, with its warning.
func TestEmptySetFile(t *testing.T) {
	_, ds := checkSetFile("drop from @a", "# nothing\n\n")
	if len(ds) != 1 || ds[0].Code != "empty-set" {
		t.Error(format(t, ds))
	}
}

// TestLargeSetFile: a million prefixes, of each family and in no order, within
// 2 s and 1 GB, all that is ever allocated counted.
func TestLargeSetFile(t *testing.T) {
	skipIfShort(t)
	const n = 1_000_000
	v4 := func(b *strings.Builder, i int) { fmt.Fprintf(b, "%d.%d.%d.0/24\n", 1+i*7919%220, i/7%256, i%256) }
	v6 := func(b *strings.Builder, i int) { fmt.Fprintf(b, "2001:db8:%x:%x::/64\n", i*7919%65536, i/16) }
	for name, write := range map[string]func(*strings.Builder, int){"IPv4": v4, "IPv6": v6} {
		t.Run(name, func(t *testing.T) {
			var b strings.Builder
			for i := range n {
				write(&b, i)
			}
			text := b.String()
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			start := time.Now()
			_, ds := checkSetFile("drop from @a", text)
			took := time.Since(start)
			runtime.ReadMemStats(&after)
			if len(ds) > 0 {
				t.Fatal(format(t, ds))
			}
			allocated := after.TotalAlloc - before.TotalAlloc
			t.Logf("%d prefixes, %d MiB of text: %v, %d MiB allocated", n, len(text)>>20, took, allocated>>20)
			if allocated > 1<<30 || took > 10*time.Second { // 0.5 s on a quiet machine
				t.Errorf("%v, %d bytes allocated", took, allocated)
			}
		})
	}
}

// FuzzSetFile holds for every file of a set: no panic, an end, the same answer
// twice, and what is read fast is read as in braces.
func FuzzSetFile(f *testing.F) {
	for _, seed := range []string{"10.0.0.0/8\n::1/64 ; x\r\n80", "1.2.3.4-1.2.3.5\n@a\n\"", "\xff\xfe", "\xef\xbb\xbf1.2.3.4/33\n01.2.3.4\n1.2.3.4/08", "::ffff:1.2.3.4\n1::%eth0\nssh\n00:11:22:33:44:55"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		rs, ds := checkSetFile("drop from @a", string(text))
		if (rs == nil) != (ds.Err() != nil) {
			t.Fatalf("RuleSet %v, error %v", rs, ds.Err())
		}
		checkDiagnostics(t, ds)
		if _, again := checkSetFile("drop from @a", string(text)); format(t, again) != format(t, ds) {
			t.Error("two runs, two answers")
		}
		if rs == nil || strings.Contains(format(t, ds), "host-bits") || strings.ContainsAny(string(text), "#;\uFEFF") {
			return
		}
		lines := strings.FieldsFunc(string(text), func(r rune) bool { return r == '\n' || r == '\r' })
		for i, line := range lines {
			lines[i] = strings.TrimSpace(line)
		}
		lines = slicesWithout(lines, "")
		if len(lines) == 0 {
			return
		}
		braces, ds := rules.ParseAndCheck(rules.NewFile("x", []byte("drop from { "+strings.Join(lines, ", ")+" }")))
		if braces == nil {
			t.Fatalf("in braces: %v", ds)
		}
		if got, want := rs.Rules[2].String(), braces.Rules[0].String(); got != want {
			t.Errorf("a file is read as %s, braces as %s", got, want)
		}
	})
}

func slicesWithout(words []string, word string) (rest []string) {
	for _, w := range words {
		if w != word {
			rest = append(rest, w)
		}
	}
	return rest
}
