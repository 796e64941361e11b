package rules_test

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"xdpfw/rules"
)

// TestLint compares which warnings a file has, and where.
func TestLint(t *testing.T) {
	const quiet = "drop invalid\ndrop frag\n"
	tests := []struct{ name, text, want string }{
		{"the founding example", "default pass\ndrop udp\ndrop tcp to port 80", "no-invalid 2, no-frag 3"},
		{"malformed", "pass arp\ndrop udp\ndrop tcp", "no-invalid 2"},
		{"malformed, known", "drop invalid\ndrop udp", ""},
		{"malformed, too late", "drop udp\ndrop invalid", "no-invalid 1"},
		{"malformed, passed", "pass invalid\ndrop udp", "no-invalid 2"},
		{"malformed, not", "drop not invalid", "no-invalid 1"},
		{"malformed, some", "drop invalid ip\ndrop udp", "no-invalid 1"},
		{"malformed, dropped at last", "default drop\ndrop udp\ndrop tcp to port 80", ""},
		{"malformed, dropped by a rule at last", "drop udp\ndrop tcp to port 80\ndrop", ""},
		{"malformed, passed by a rule at last", "default drop\ndrop udp\npass\ndrop", "no-invalid 2, unreachable-rule 4"},
		{"no drop", "pass udp\npass tcp to port 80", ""},
		{"fragments", "drop invalid\npass to port 80\ndrop udp\ndrop to port 80\ndrop from port 80", "no-frag 4, shadowed-rule 4"},
		{"fragments, known", "drop invalid\ndrop frag\ndrop to port 80", ""},
		{"fragments, later ones known", "drop invalid\ndrop frag later\ndrop to port 80", ""},
		{"fragments, first ones known", "drop invalid\ndrop frag first\ndrop to port 80", "no-frag 3"},
		{"fragments, too late", "drop invalid\ndrop to port 80\ndrop frag", "no-frag 2"},
		{"fragments first", "drop frag\ndrop invalid\ndrop to port 80", ""},
		{"abort is a drop", "abort udp", "no-invalid 1"},
		{"count and return drop nothing", "chain c {\nreturn udp\n}\njump c\ncount tcp", ""},
		{"malformed, under a jump", "chain c {\ndrop invalid\n}\njump c tcp\ndrop udp", "no-invalid 2"},
		{"malformed, in a chain", "chain c {\ndrop invalid\n}\njump c\ndrop udp", ""},
		{"malformed, skipped by return", "chain c {\nreturn udp\ndrop invalid\n}\njump c\ndrop udp", "no-invalid 6"},
		{"malformed, by what all frames have", "drop len > 1500\ndrop on eth0 len < 60\ndrop not frag first\ndrop eth.src 02:00:00:00:00:01\ndrop not ip", ""},
		{"malformed, by a header besides", "drop len > 1500 ip", "no-invalid 1"},
		{"malformed, by bytes", "drop at eth+0 2 == 1\ndrop at net+0 2 == 1", "no-invalid 2"},
		{"fragments of all such packets", "drop invalid\ndrop udp\ncount udp to port 53\ndrop udp from port 53 # nolint: unreachable-rule", "unreachable-rule 3"},
		{"fragments of some such packets", "drop invalid\ndrop udp\ndrop to port 53", "no-frag 3"},
		{"fragments of other packets", "drop invalid\ndrop frag later udp\ndrop tcp to port 53", "no-frag 3"},
		{"fragments of one protocol", "drop invalid\ndrop frag later tcp\ndrop tcp to port 22\ndrop flags syn", ""},
		{"fragments of one family", "drop invalid\nip { drop frag; drop to port 22 }\nip6 { drop frag; drop flags syn }", ""},
		{"fragments of the other family", "drop invalid\nip { drop frag }\ndrop to port 22", "no-frag 3"},
		{"fragments of one family, skipped by return", "drop invalid\nchain c {\nreturn from 10.0.0.1\ndrop frag\n}\njump c\ndrop tcp to port 22", "no-frag 7"},
		{"fragments of some addresses", "drop invalid\ndrop frag from 10.0.0.0/8\ndrop from 10.1.0.0/16 to port 22\ndrop from 11.0.0.1 to port 22", "no-frag 4"},
		{"no later fragments", "drop invalid\ndrop frag first to port 22", ""},
		{"fragments have no flags", "drop invalid\ndrop flags syn", "no-frag 2"},
		{"fragments have no types", "drop invalid\ndrop icmp type 8", "no-frag 2"},
		{"fragments, in a block", "drop invalid\ntcp to port 80 {\ndrop from 10.0.0.0/8\n}", "no-frag 3"},
		{"ARP by its field", "default drop\npass from 10.0.0.0/8\npass arp.spa 10.0.0.0/8", ""},
		{"ARP by its type", "default drop\npass from 10.0.0.0/8\npass eth.type arp", ""},
		{"another type", "default drop\npass from 10.0.0.0/8\npass eth.type 0x88cc", "no-arp 1"},
		{"neighbours by type", "default drop\npass tcp from fd00::/8 from port 443\npass icmp6 type nd-neighbor-solicit", ""},
		{"other types", "default drop\npass tcp from fd00::/8 from port 443\npass icmp6 type echo-request", "no-nd 1"},
		{"answers by their flags", "default drop\npass arp\npass tcp to port 22\npass tcp flags ack", ""},
		{"only beginnings", "default drop\npass arp\npass tcp flags syn,!ack", "no-replies 1"},
		{"no ARP", "default drop\npass from 10.0.0.0/8", "no-arp 1"},
		{"no ARP, by a rule", "pass from 10.0.0.0/8\ndrop", "no-arp 2"},
		{"no ARP, by default without a line", "pass from fd00::/8\ndrop arp\ndrop", ""},
		{"ARP", "default drop\npass not invalid from 10.0.0.0/8\npass arp", ""},
		{"ARP among others", "default drop\npass not ip6", ""},
		{"ARP dropped on purpose", "default drop\ndrop arp\npass from 10.0.0.0/8", ""},
		{"ARP of no use", "default drop\npass from fd00::/8", ""},
		{"no neighbours", "default drop\npass tcp from fd00::/8 from port 443", "no-nd 1"},
		{"no neighbours, families mixed", "default drop\npass arp\npass tcp from { 10.0.0.0/8, fd00::/8 } from port 443", "no-nd 1"},
		{"neighbours", "default drop\npass tcp from fd00::/8 from port 443\npass icmp6", ""},
		{"neighbours among others", "default drop\npass from fd00::/8", ""},
		{"neighbours dropped on purpose", "default drop\npass tcp from fd00::/8 from port 443\ndrop icmp6", ""},
		{"IPv6 only by the way", "default drop\npass arp\npass tcp from port 443", ""},
		{"no answers", "default drop\npass arp\npass tcp to port 22", "no-replies 1"},
		{"answers by their port", "default drop\npass arp\npass tcp to port 22\npass udp from port 53", ""},
		{"answers to high ports", "default drop\npass arp\npass tcp to port { 22, 40000-50000 }", ""},
		{"answers from known addresses", "default drop\npass arp\npass tcp to port 22\npass from 10.0.0.0/8", ""},
		{"no connections", "default drop\npass arp\npass icmp", ""},
		{"all of it", "default drop\npass tcp to port 22\npass tcp from fd00::1 to port 80", "no-arp 1, no-nd 1, no-replies 1"},
		{"silenced by default", "default drop # nolint: no-arp, no-replies\npass tcp to port 22", ""},
		{"covered, same verdict", quiet + "drop udp\ndrop udp to port 53", "unreachable-rule 4"},
		{"covered, other verdict", quiet + "drop udp\npass udp to port 53", "shadowed-rule 4"},
		{"covered by a rule for all", quiet + "drop\npass udp to port 53", "unreachable-rule 4"},
		{"covered by two", quiet + "pass from 10.0.0.0/9\npass from 10.128.0.0/9\npass from 10.0.0.0/8", ""},
		{"not covered", quiet + "pass udp to port 53\ndrop udp", ""},
		{"covered by an empty set", quiet + "set a = { }\npass from @a\npass from @a to port 1", "empty-set 3"},
		{"covered by all but an empty set", quiet + "set a = { }\npass not from @a\npass to port 1", "empty-set 3, unreachable-rule 5"},
		{"covered in a block", quiet + "udp {\ndrop from 10.0.0.0/8\n}\npass udp from 10.1.0.0/16", "shadowed-rule 6"},
		{"covered in a chain", quiet + "chain c {\ndrop udp\ndrop udp to port 53\n}\njump c from 10.0.0.0/8\njump c to 10.0.0.0/8", "unreachable-rule 5"},
		{"covered under one jump only", quiet + "chain c {\ndrop to port 53\n}\ndrop udp\njump c udp\njump c tcp", ""},
		{"covered under each jump", quiet + "chain c {\npass to port 53\n}\ndrop udp\njump c udp\njump c udp from port 1", "shadowed-rule 4"},
		{"covered by return", quiet + "chain c {\nreturn udp\ndrop udp to port 53\n}\njump c", "shadowed-rule 5"},
		{"skipped by return", quiet + "chain c {\nreturn tcp\ndrop\n}\njump c\ndrop tcp to port 80\ndrop udp", ""},
		{"covered count", quiet + "drop udp\ncount udp to port 53", "unreachable-rule 4"},
		{"not covered by count", quiet + "count udp\ndrop udp to port 53", ""},
		{"covered flags", quiet + "drop flags syn\npass flags syn,!ack\npass flags == syn\npass flags ack", "shadowed-rule 4, shadowed-rule 5"},
		{"covered, silenced", quiet + "drop udp\ndrop udp to port 53 # nolint: unreachable-rule\npass udp to port 53 # nolint: shadowed-rule", ""},
		{"scope of flags and types", quiet + "drop not udp flags syn\ndrop not udp icmp.type 8", "not-scope 3, not-scope 4"},
		{"scope, and a contradiction", "drop not tcp flags syn", "not-scope 1, contradiction 1"},
		{"scope of others", quiet + "drop not udp len > 100\ndrop not udp ip.ttl 1", ""},
		{"sub-interface", quiet + "drop on { eth0, \"eth1.5\" }\nredirect \"eth1.5\" udp", "vlan-interface 3, vlan-interface 4"},
		{"no sub-interface", quiet + "drop on { eth0, br-1, a.b, \"c.1d\" }\nredirect \"e.th\" udp", ""},
		{"sub-interface, silenced", quiet + "drop on \"eth1.5\" # nolint: vlan-interface", ""},
		{"redundant", quiet + "drop udp udp\ndrop from 10.0.0.0/8 from 10.1.0.0/16 to port 80\ndrop ip tcp not arp", "redundant-clause 3, redundant-clause 4, redundant-clause 5"},
		{"redundant by another name", quiet + "drop to port { 24, 25 } tcp.dport 24\ndrop ip.src 10.0.0.1 from 10.0.0.0/8", "redundant-clause 3, redundant-clause 4"},
		{"not redundant", quiet + "drop to port 24 tcp.dport 24 # is TCP\ndrop udp from port 53 to port 53\ndrop to port > 1000 to port < 2000", "redundant-clause 3"},
		{"not redundant in a block", quiet + "udp { drop udp to port 53 }", ""},
		{"redundant, silenced", quiet + "drop udp udp # nolint: redundant-clause", ""},
		{"scope", quiet + "drop not tcp to port 80\ndrop not proto { tcp, 17 } from 10.0.0.0/8 from port 80", "not-scope 3, not-scope 4"},
		{"no scope", quiet + "drop to port 80 not tcp\ndrop tcp not to port 80\ndrop proto != tcp from port 80\ndrop not tcp from 10.0.0.0/8", ""},
		{"unused", quiet + "set a = { 80 }\nset b = { 80 }\nset c = { @b }\ndrop to port @a", "unused-set 5"},
		{"empty", quiet + "set a = { }\nset b = { @a }\ndrop from @b", "empty-set 3, empty-set 4"},
		{"none beside an error", "set a = { 80 }\ndrop udp\ndrop tpc", "unknown-word 3"},
		{"silenced", "drop udp # nolint: no-invalid", ""},
		{"silenced among others", "drop to port 80 #nolint:no-frag,vlan-interface no-invalid", ""},
		{"silenced in another line", "drop udp\npass # nolint: no-invalid", "no-invalid 1"},
		{"silenced by another code", "drop udp # nolint: no-frag", "no-invalid 1"},
		{"silenced by a word", "drop udp # nolint no-invalid", "no-invalid 1, bad-nolint 1"},
		{"silenced in a joined line", "drop udp \\\n to \\\n port 80 # nolint: no-invalid, no-frag", ""},
		{"silenced within braces", quiet + "set a = { # one\n80, # nolint: unused-set\n443 }", ""},
		{"silenced behind braces", quiet + "set a = {\n80\n}\n# nolint: unused-set", "unused-set 3"},
		{"errors are not silenced", "drop tpc # nolint: unknown-word", "unknown-word 1"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			_, ds := rules.ParseAndCheck(rules.NewFile("x", []byte(test.text)))
			var got []string
			for _, d := range ds {
				got = append(got, fmt.Sprint(d.Code, " ", d.Span.Position().Line))
			}
			if got := strings.Join(got, ", "); got != test.want {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}

// TestManyWarnings: they are counted beyond their limit, and hide no error.
func TestManyWarnings(t *testing.T) {
	var b strings.Builder
	for i := range 5000 {
		fmt.Fprintf(&b, "set s%d = { 80 }\n", i)
	}
	_, ds := rules.ParseAndCheck(rules.NewFile("x", []byte(b.String()+"drop invalid")))
	if last := ds[len(ds)-1]; len(ds) != rules.MaxWarnings+1 || last.Message != "and 4900 more warnings" || ds.Err() != nil {
		t.Errorf("%d diagnostics, the last %q", len(ds), last.Message)
	}
}

// TestWarningsAreExplained: the language page has a line for every code, and
// for no other.
func TestWarningsAreExplained(t *testing.T) {
	paths, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	codes := map[string]bool{}
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range regexp.MustCompile(`\.warning\("([a-z0-9-]+)"`).FindAllSubmatch(text, -1) {
			codes[string(m[1])] = true
		}
	}
	page, err := os.ReadFile("../docs/language.md")
	if err != nil {
		t.Fatal(err)
	}
	_, table, _ := strings.Cut(string(page), "| code | says |")
	table, _, _ = strings.Cut(table, "\n\n")
	explained := map[string]bool{}
	for _, line := range strings.Split(table, "\n") {
		cells := strings.Split(line, " | ")
		for _, m := range regexp.MustCompile("`([a-z0-9-]+)`").FindAllStringSubmatch(cells[0], -1) {
			explained[m[1]] = true
		}
	}
	if len(codes) < 15 || !maps.Equal(codes, explained) {
		t.Errorf("warnings: %v\nexplained: %v", slices.Sorted(maps.Keys(codes)), slices.Sorted(maps.Keys(explained)))
	}
}
