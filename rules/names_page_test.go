package rules

import (
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
)

var updateNames = flag.Bool("update-names", false, "write docs/names.md")

// TestNamesPage: docs/names.md lists every name that the language has for a
// value. It is written from the tables: go test ./rules -run TestNamesPage -update-names
func TestNamesPage(t *testing.T) {
	const path = "../docs/names.md"
	page := namesPage()
	if *updateNames {
		if err := os.WriteFile(path, []byte(page), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	shown, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if string(shown) != page {
		t.Error("docs/names.md is not what the tables say: run the test with -update-names and read the difference")
	}
}

func namesPage() string {
	var b strings.Builder
	b.WriteString("# Names of values\n\nNames belong to the language and never to the host, so that a file means the same everywhere. Each can also be written as its number;\n" +
		"where two names have one number, both mean it. Where [language.md](language.md) says that a value may have a name, these are all there are.\n")
	section := func(title, where string, n *names) {
		fmt.Fprintf(&b, "\n## %s\n\n%s\n\n", title, where)
		writeNames(&b, n)
	}
	section("Ports", "`from port`, `to port`, `tcp.sport` and the like, and sets of ports.", services)
	section("Protocols", "`proto`, `ip.proto`; alone as a clause. `icmp` and `icmp6` also imply the family, but not in `ip.proto`.", protocolNames)
	section("Next headers", "`ip6.next`.", nextNames)
	section("Extension headers", "`ip6.ext`.", extensionNames)
	section("Ethernet types", "`eth.type`.", etherTypeNames)
	section("ARP operations", "`arp.op`.", arpOperationNames)
	section("TCP flags", "`flags`, `tcp.flags`; the numbers are bits.", flagNames)
	section("DSCP", "`ip.dscp`, `ip6.dscp`.", dscpNames)
	section("ECN", "`ip.ecn`, `ip6.ecn`.", ecnNames)
	section("ICMP types", "`icmp type`, `icmp.type`.", icmpTypes)
	section("ICMPv6 types", "`icmp6 type`, `icmp6.type`.", icmp6Types)
	codes(&b, "ICMP codes", icmpTypes, icmpCodes)
	codes(&b, "ICMPv6 codes", icmp6Types, icmp6Codes)
	return b.String()
}

// codes of those types that have names for them.
func codes(b *strings.Builder, title string, types *names, codes map[uint64]*names) {
	fmt.Fprintf(b, "\n## %s\n\n`code`, with one type to its left. A type that is not here has no names.\n", title)
	var numbers []uint64
	for number := range codes {
		numbers = append(numbers, number)
	}
	slices.Sort(numbers)
	for _, number := range numbers {
		fmt.Fprintf(b, "\n**%s**: ", types.name(number))
		writeNames(b, codes[number])
	}
}

func writeNames(b *strings.Builder, n *names) {
	words := slices.Clone(n.inOrder)
	slices.SortStableFunc(words, func(v, w string) int { return int(n.numbers[v]) - int(n.numbers[w]) })
	for i, word := range words {
		words[i] = fmt.Sprintf("`%s` %d", word, n.numbers[word])
	}
	b.WriteString(strings.Join(words, ", ") + "\n")
}
