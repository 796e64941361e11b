package codegen

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"xdpfw/rules"
)

func treeObject(t *testing.T, text string) *Object {
	t.Helper()
	rs, diags := rules.ParseAndCheck(rules.NewFile("rules.fw", []byte(text)))
	if err := diags.Err(); err != nil {
		t.Fatal(err)
	}
	o, err := Compile(rs, Options{Strategy: Tree})
	if err != nil {
		t.Fatal(err)
	}
	return o
}

// TestPlainPackets: of plain packets only that is checked which rules ask for,
// and what is known of them is folded away.
func TestPlainPackets(t *testing.T) {
	for _, c := range []struct {
		text string
		has  map[string]bool // words of the part of plain packets
	}{
		{"drop udp\n", map[string]bool{"fragment": false, "header cut short": false, "; udp": true, "; tcp": false}},
		{"drop frag\ndrop udp\n", map[string]bool{"fragment": true, "header cut short": false}},
		{"drop to port 80\n", map[string]bool{"fragment": true, "header cut short": true, "tcp.off": false}},
		{"drop invalid\n", map[string]bool{"header cut short": true, "tcp.off": true, "udp.len": true}},
		// Nobody knows here where the payload is, or what stands behind the header.
		{"drop tcp at payload+0 4 == 1\n", map[string]bool{"ip4.tcp:": false, "tcp": true}},
		{"drop udp at transport+8 1 == 1\n", map[string]bool{"ip4.udp:": false}},
		{"drop udp at transport+7 1 == 1\n", map[string]bool{"ip4.udp:": true}},
	} {
		_, plain, _ := strings.Cut(listedCode(t, treeObject(t, c.text)), "\nip4:\n")
		plain, _, _ = strings.Cut(plain, "\nip4.general:\n")
		for word, want := range c.has {
			if got := strings.Contains(plain, word); got != want {
				t.Errorf("%q: has %q: %v, want %v\n%s", c.text, word, got, want, plain)
			}
		}
	}
}

// TestTreesAreBounded: rules that cut each other into ever more pieces make a
// tree that ends in chains, soon, and with more rules none at all.
func TestTreesAreBounded(t *testing.T) {
	text := func(n int) string {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, "drop tcp from 10.%d.0.0-10.%d.255.255 to 10.%d.0.0-10.%d.255.255 from port %d-%d to port %d-%d ip.ttl %d-%d ip.id %d-%d\n",
				i%100, 250-i%90, i%80, 249-i%70, i, 60000-i*3, 2*i, 61000-i*5, i%40, 255-i%50, 3*i, 62000-i*7)
		}
		return b.String()
	}
	start := time.Now()
	slots := treeObject(t, text(maxTreeTerms/2)).Programs[0].Slots()
	if took := time.Since(start); took > 5*time.Second {
		t.Errorf("it took %v", took)
	}
	if slots > 150*maxTreeTerms {
		t.Errorf("%d instructions", slots)
	}
	o := treeObject(t, text(maxTreeTerms+1))
	if o.Strategy != Chain {
		t.Errorf("strategy %s for %d terms", o.Strategy, maxTreeTerms+1)
	}
}

// TestTreeTestsFieldsOnce: a number that many rules ask for is loaded once.
func TestTreeTestsFieldsOnce(t *testing.T) {
	var text strings.Builder
	for i := range 100 {
		fmt.Fprintf(&text, "%s tcp to port %d\n", []string{"drop", "pass"}[i%2], 3*i)
	}
	_, plain, _ := strings.Cut(listedCode(t, treeObject(t, text.String())), "\nip4.tcp:\n")
	plain, _, _ = strings.Cut(plain, "\nip4.general:\n")
	if n := strings.Count(plain, "*(u16 *)(r6 +22)"); n != 1 {
		t.Errorf("the port is loaded %d times\n%s", n, plain)
	}
}
