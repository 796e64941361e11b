package rules_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"xdpfw/rules"
)

// mustCheck is the rule set of a text that has no errors.
func mustCheck(t testing.TB, text string) *rules.RuleSet {
	t.Helper()
	rs, ds := rules.ParseAndCheck(rules.NewFile("rules.fw", []byte(text)))
	if err := ds.Err(); err != nil {
		t.Fatalf("%v in\n%s", err, text)
	}
	return rs
}

// TestRules compares what rules mean, written in the language without sets and
// operators, one rule in each line.
func TestRules(t *testing.T) {
	tests := []struct{ name, text, want string }{
		{"verdicts", "pass\ndrop", "pass\ndrop"},
		{"properties", "drop ip\ndrop ip6\ndrop arp\ndrop frag\ndrop frag first\ndrop frag later\ndrop invalid",
			"drop ip\ndrop ip6\ndrop arp\ndrop frag\ndrop frag first\ndrop frag later\ndrop invalid"},
		{"not properties", "drop not ip not frag later\npass not invalid", "drop not ip not frag later\npass not invalid"},
		{"protocols", "drop tcp\ndrop udp\ndrop icmp\ndrop icmp6\ndrop sctp\ndrop gre\ndrop esp\ndrop igmp\ndrop ipip",
			"drop tcp\ndrop udp\ndrop icmp\ndrop icmp6\ndrop sctp\ndrop gre\ndrop esp\ndrop igmp\ndrop ipip"},
		{"protocol numbers", "drop proto 6\ndrop proto 89\ndrop proto 1\ndrop proto 0x11", "drop tcp\ndrop proto 89\ndrop proto 1\ndrop udp"},
		{"icmp in lists", "drop proto { icmp, icmp6 }\ndrop proto { tcp, icmp }\ndrop proto { 1, icmp }\ndrop proto { 0, icmp, igmp }\ndrop proto { 0-3, icmp6 }",
			"drop proto { icmp, icmp6 }\ndrop proto { icmp, tcp }\ndrop proto 1\ndrop proto { icmp, 0, igmp }\ndrop proto { 0-3, icmp6 }"},
		{"addresses", "drop from 192.0.2.1\ndrop to 2001:DB8:0::1\ndrop from ::ffff:192.0.2.1",
			"drop from 192.0.2.1\ndrop to 2001:db8::1\ndrop from ::ffff:192.0.2.1"},
		{"prefixes", "drop from 10.0.0.0/8\ndrop from 192.0.2.1/32\ndrop from 0.0.0.0/0\ndrop to fd00::/8\ndrop to ::/0",
			"drop from 10.0.0.0/8\ndrop from 192.0.2.1\ndrop from 0.0.0.0/0\ndrop to fd00::/8\ndrop to ::/0"},
		{"ranges", "drop from 192.0.2.1-192.0.2.9\ndrop from 10.0.0.0 - 10.255.255.255\ndrop from fd00::1- fd00::9\ndrop to port 80 -90\ndrop proto 2-4",
			"drop from 192.0.2.1-192.0.2.9\ndrop from 10.0.0.0/8\ndrop from fd00::1-fd00::9\ndrop to port 80-90\ndrop proto 2-4"},
		{"any", "drop from any\ndrop to any to port 80", "drop from { 0.0.0.0/0, ::/0 }\ndrop to { 0.0.0.0/0, ::/0 } to port 80"},
		{"ports", "drop from port 0\ndrop to port 65535\ndrop to port { 80, 443, }", "drop from port 0\ndrop to port 65535\ndrop to port { 80, 443 }"},
		{"merging", "drop to port { 82, 80-81, 100, 90-100, 443, 80 }\ndrop from { 10.0.0.128/25, 10.0.0.0/25, fd00::1, fd00:: }",
			"drop to port { 80-82, 90-100, 443 }\ndrop from { 10.0.0.0/24, fd00::/127 }"},
		{"at the ends", "drop to port { 65535, 0 }\ndrop from { 255.255.255.255, ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff, :: }\ndrop from { ::1:0:0:0:0, ::ffff:ffff:ffff:ffff }",
			"drop to port { 0, 65535 }\ndrop from { 255.255.255.255, ::, ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff }\ndrop from ::ffff:ffff:ffff:ffff-0:0:0:1::"},
		{"both", "drop from 10.0.0.0/8 port 53\ndrop to { 192.0.2.1, fd00::1 } port { 80, 443 }\ndrop from 10.0.0.0/8 from port 53",
			"drop from 10.0.0.0/8 from port 53\ndrop to { 192.0.2.1, fd00::1 } to port { 80, 443 }\ndrop from 10.0.0.0/8 from port 53"},
		{"operators", "drop to port == 80\ndrop to port in { 1, 2 }\ndrop to port != 80\ndrop to port != { 80, 90 }\ndrop from != 10.0.0.0/8\ndrop proto != tcp",
			"drop to port 80\ndrop to port 1-2\ndrop not to port 80\ndrop not to port { 80, 90 }\ndrop not from 10.0.0.0/8\ndrop not tcp"},
		{"ordered", "drop to port < 1024\ndrop to port <= 1024\ndrop to port > 1024\ndrop to port >= 1024\ndrop proto < 6\ndrop to port <= 65535",
			"drop to port 0-1023\ndrop to port 0-1024\ndrop to port 1025-65535\ndrop to port 1024-65535\ndrop proto 0-5\ndrop to port 0-65535"},
		{"not", "drop not tcp\ndrop not from 10.0.0.0/8\ndrop not to port != 22\ndrop not to port < 1024\npass tcp not to port 22",
			"drop not tcp\ndrop not from 10.0.0.0/8\ndrop to port 22\ndrop not to port 0-1023\npass tcp not to port 22"},
		{"not both", "drop not from 10.0.0.0/8 from port 80", "drop not from 10.0.0.0/8 from port 80"},
		{"names", "no-telnet: drop tcp to port 23\ndrop: pass udp\n_9: drop arp", "no-telnet: drop tcp to port 23\ndrop: pass udp\n_9: drop arp"},
		{"set of sets", "set a = { 10.0.0.0/8 }\nset b = { @a, fd00::/8, 11.0.0.0/8 }\nset c = { 80, 443 }\nset d = { @c, 81, }\nset e-f = { 6, 17 }\n" +
			"drop from @b to port @d\ndrop proto @e-f\ndrop from { @a, 192.0.2.1 }\ndrop proto { @e-f, icmp }\ndrop to port != @c",
			"drop from { 10.0.0.0/7, fd00::/8 } to port { 80-81, 443 }\ndrop proto { tcp, udp }\ndrop from { 10.0.0.0/8, 192.0.2.1 }\ndrop proto { icmp, tcp, udp }\ndrop not to port { 80, 443 }"},
		{"an empty set", "set a = { }\ndrop from @a", "drop from { }"},
		{"statements", "drop udp;drop tcp ; ; drop arp # comment ; drop ip\r\n\r\ndrop ip \\\n  to port \\\r\n 80\n\tdrop ip6", "drop udp\ndrop tcp\ndrop arp\ndrop ip to port 80\ndrop ip6"},
		{"lines in braces", "drop to port { # web\n 80, # plain\n\n 443\n} tcp", "drop to port { 80, 443 } tcp"},
		{"few blanks", "set a={1,2}\ndrop to port{80,443}tcp to port==443;drop to port!=@a", "drop to port { 80, 443 } tcp to port 443\ndrop not to port 1-2"},
		{"byte order mark", "\uFEFFdrop udp", "drop udp"},
		{"ends without a line end", "drop udp # ü", "drop udp"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			rs := mustCheck(t, test.text)
			if got, want := rs.String(), "default pass\n"+test.want+"\n"; got != want {
				t.Errorf("got:\n%s\nwant:\n%s", got, want)
			}
			if !strings.Contains(test.want, "{ }") { // which cannot be written
				if again := mustCheck(t, rs.String()); !sameMeaning(rs, again) {
					t.Errorf("what String writes is read as\n%s\ninstead of\n%s", again, rs)
				}
			}
			checkValueSets(t, rs)
			checkSpans(t, rules.NewFile("rules.fw", []byte(test.text)))
		})
	}
}

// sameMeaning compares all but places and keys.
func sameMeaning(a, b *rules.RuleSet) bool {
	return a.Default == b.Default && slices.EqualFunc(a.Rules, b.Rules, func(a, b rules.Rule) bool {
		return a.Verdict == b.Verdict && a.Name == b.Name && slices.EqualFunc(a.Clauses, b.Clauses, func(a, b rules.Clause) bool {
			return a.Subject == b.Subject && a.Not == b.Not &&
				a.Bytes == b.Bytes && slices.Equal(a.Set.IP4, b.Set.IP4) && slices.Equal(a.Set.IP6, b.Set.IP6) &&
				slices.Equal(a.Set.Mask4, b.Set.Mask4) && slices.Equal(a.Set.Mask6, b.Set.Mask6)
		})
	})
}

// checkValueSets holds what ruleset.go says of ValueSets: sorted, neither
// overlapping nor touching, within the field; properties without, but for `on`.
func checkValueSets(t testing.TB, rs *rules.RuleSet) {
	t.Helper()
	for _, r := range rs.Rules {
		for _, c := range r.Clauses {
			all4, all6 := rules.Domains(c)
			checkRanges(t, c, c.Set.IP4, all4)
			checkRanges(t, c, c.Set.IP6, all6)
		}
	}
}

func checkRanges(t testing.TB, c rules.Clause, rs, all []rules.Range) {
	t.Helper()
	for i, r := range rs {
		if len(all) == 0 || r.Lo.Compare(r.Hi) > 0 || r.Hi.Compare(all[0].Hi) > 0 {
			t.Errorf("%v: range %v", c, r)
		}
		if i == 0 {
			continue
		}
		behind := rules.Value{Hi: rs[i-1].Hi.Hi, Lo: rs[i-1].Hi.Lo + 1}
		if behind.Lo == 0 {
			behind.Hi++
		}
		if r.Lo.Compare(behind) <= 0 {
			t.Errorf("%v: %v and %v overlap or touch", c, rs[i-1], r)
		}
	}
}

// TestDefault: the default stands anywhere, and is pass if it stands nowhere.
func TestDefault(t *testing.T) {
	for text, want := range map[string]rules.Verdict{
		"default drop": rules.Drop, "drop udp\ndefault drop": rules.Drop, "default pass\ndrop udp": rules.Pass, "drop udp": rules.Pass,
	} {
		rs := mustCheck(t, text)
		wantSpan := ""
		if strings.Contains(text, "default") {
			wantSpan = "default " + want.String()
		}
		if rs.Default != want || rs.DefaultSpan.Text() != wantSpan {
			t.Errorf("%q: default %v, span %q", text, rs.Default, rs.DefaultSpan.Text())
		}
	}
}

// TestKeys: a key outlives other formatting, other rules and other elements of
// a set, and belongs to one rule only.
func TestKeys(t *testing.T) {
	many := "1, 3, 5, 7, 9, 11, 13, 15, 17, 19, 21, 23, 25, 27, 29, 31, 33"
	text := "set web = { 80, 443 }\n" +
		"drop udp\n  drop   proto 17 # again\ndrop proto { udp }\nno-telnet: drop tcp to port 23\n" +
		"drop tcp to port @web\ndrop to port { 81, @web, 80 }\ndrop not to port < 1024\ndrop to port { " + many + " }\n" +
		"drop: pass arp\ndrop\nfrom: drop from 10.0.0.0/8 port 53\ndrop from 10.0.0.0/8 port 53"
	rs := mustCheck(t, text)
	want := []string{
		"drop udp", "drop udp#2", "drop udp#3", "no-telnet", "drop tcp to port @web", "drop to port { @web, 80-81 }",
		"drop not to port 0-1023", "drop to port 17 values, sha256 ", "drop", "drop#2", "from", "drop from 10.0.0.0/8 from port 53",
	}
	var got []string
	for _, r := range rs.Rules {
		got = append(got, r.Key)
	}
	if i := strings.Index(got[7], "sha256 "); i >= 0 {
		if digest := got[7][i+len("sha256 "):]; len(digest) != 16 {
			t.Errorf("digest %q", digest)
		}
		got[7] = got[7][:i+len("sha256 ")]
	}
	if !slices.Equal(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
	other := mustCheck(t, strings.Replace(text, "33 }", "35 }", 1))
	if other.Rules[7].Key == rs.Rules[7].Key {
		t.Errorf("other ports, the same key %q", other.Rules[7].Key)
	}
}

// TestText: the statement without label, comments, line joins and line ends.
func TestText(t *testing.T) {
	rs := mustCheck(t, "no-telnet:   drop\ttcp  to port {23,  # telnet\n  2323 } # gone\npass \\\n udp;drop arp ; drop to port!=80\nx: \\\n drop ip")
	want := []string{"drop tcp to port {23, 2323 }", "pass udp", "drop arp", "drop to port!=80", "drop ip"}
	for i := range rs.Rules {
		if got := rs.Rules[i].Text(); got != want[i] {
			t.Errorf("got %q, want %q", got, want[i])
		}
	}
	if got, want := rs.Rules[0].Span.Text(), "no-telnet:   drop\ttcp  to port {23,  # telnet\n  2323 }"; got != want {
		t.Errorf("span %q, want %q", got, want)
	}
}

// TestGoodFiles: what ships as an example has no errors, and the one that
// `demo` may use no warnings either.
func TestGoodFiles(t *testing.T) {
	paths, err := filepath.Glob("../testdata/rules/*.fw")
	if err != nil || len(paths) < 2 {
		t.Fatal(paths, err)
	}
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		rs, ds := rules.ParseAndCheck(rules.NewFile(filepath.Base(path), text))
		if rs == nil {
			t.Fatalf("%s: %v", path, ds)
		}
		if filepath.Base(path) == "example.fw" && len(ds) > 0 {
			t.Errorf("warnings:\n%s", format(t, ds))
		}
		if !sameMeaning(rs, mustCheck(t, rs.String())) {
			t.Errorf("%s: what String writes is read otherwise", path)
		}
		checkSpans(t, rs.File)
	}
}

// TestSharedSets: a rule that names a set copies nothing.
func TestSharedSets(t *testing.T) {
	rs := mustCheck(t, "set a = { 10.0.0.1, 10.0.0.3, fd00::1 }\ndrop from @a\npass to @a")
	a, b := rs.Rules[0].Clauses[0].Set, rs.Rules[1].Clauses[0].Set
	if &a.IP4[0] != &b.IP4[0] || &a.IP6[0] != &b.IP6[0] {
		t.Error("the same set, twice in memory")
	}
}
