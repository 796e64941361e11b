package oracle

import (
	"bufio"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"testing"

	"xdpfw/rules"
)

// TestNamesOfNft: a name that both languages have for a value stands for the
// same number. Those that only nft has are printed.
func TestNamesOfNft(t *testing.T) {
	if _, err := exec.LookPath("nft"); err != nil {
		needs(t, fmt.Errorf("nft is needed (Debian package nftables): %w", err))
	}
	tests := []struct {
		theirs, ours string // ours: a rule up to the name
		least        int    // names in common
	}{
		{"icmp type", "drop icmp type", 15},
		{"icmpv6 type", "drop icmp6 type", 19},
		{"icmp code", "drop icmp type destination-unreachable code", 8},
		{"icmpv6 code", "drop icmp6 type destination-unreachable code", 6},
		{"ip dscp", "drop ip.dscp", 24},
		{"ip ecn", "drop ip.ecn", 4},
		{"arp operation", "drop arp.op", 2},
		{"tcp flags", "drop tcp.flags", 7},
		{"ether type", "drop eth.type", 3},
	}
	for _, test := range tests {
		theirs := describe(t, test.theirs)
		common, others := sameNames(t, test.ours, theirs)
		t.Logf("%s: %d names in common, nft alone has %q", test.theirs, common, others)
		if common < test.least {
			t.Errorf("%s: want at least %d", test.theirs, test.least)
		}
	}
}

// describe is nft's table of names.
func describe(t *testing.T, what string) map[string]uint64 {
	t.Helper()
	out, err := exec.Command("nft", append([]string{"describe"}, strings.Fields(what)...)...).Output()
	if err != nil {
		t.Fatalf("nft describe %s: %v", what, err)
	}
	table := map[string]uint64{}
	for line := range strings.Lines(string(out)) {
		f := strings.Fields(line)
		if len(f) != 2 {
			continue
		}
		if n, err := strconv.ParseUint(f[1], 0, 64); err == nil {
			table[f[0]] = n
		}
	}
	return table
}

// TestNamesOfServices: a service that has a name in the language has the port
// that Debian's table gives it.
func TestNamesOfServices(t *testing.T) {
	file, err := os.Open("/etc/services")
	needs(t, err) // Debian package netbase
	defer file.Close()
	theirs := map[string]uint64{}
	for lines := bufio.NewScanner(file); lines.Scan(); {
		text, _, _ := strings.Cut(lines.Text(), "#")
		f := strings.Fields(text)
		if len(f) < 2 {
			continue
		}
		port, protocol, _ := strings.Cut(f[1], "/")
		if n, err := strconv.ParseUint(port, 10, 16); err == nil && (protocol == "tcp" || protocol == "udp") {
			for _, name := range append(f[2:], f[0]) {
				theirs[name] = n
			}
		}
	}
	common, _ := sameNames(t, "drop to port", theirs)
	if common < 50 {
		t.Errorf("%d services in common", common)
	}
}

// sameNames holds names against the language: how many it has too, with the
// same number, and the others.
func sameNames(t *testing.T, rule string, theirs map[string]uint64) (common int, others []string) {
	t.Helper()
	for _, name := range slices.Sorted(maps.Keys(theirs)) {
		rs, diagnostics := rules.ParseAndCheck(rules.NewFile("rules.fw", []byte(rule+" "+name+"\n")))
		if diagnostics.Err() != nil {
			others = append(others, name)
			continue
		}
		common++
		clauses := rs.Rules[0].Clauses
		set := clauses[len(clauses)-1].Set
		want := []rules.Range{{Lo: rules.Value{Lo: theirs[name]}, Hi: rules.Value{Lo: theirs[name]}}}
		if !slices.Equal(set.IP4, want) && !slices.Equal(set.IP6, want) {
			t.Errorf("%s %s: %d, want %d", rule, name, set.IP4, theirs[name])
		}
	}
	return common, others
}
