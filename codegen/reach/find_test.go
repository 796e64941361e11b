package reach

import (
	"fmt"
	"strings"
	"testing"

	"xdpfw/rules"
)

// lines of a file that are not reached, and of the rules that cover each:
// "3: 1 2"; "?4" for one that it was not found out of.
func lines(t *testing.T, text string) string {
	t.Helper()
	rs, ds := rules.ParseAndCheck(rules.NewFile("x.fw", []byte(text)))
	if err := ds.Err(); err != nil {
		t.Fatalf("%s\n%v", text, err)
	}
	line := func(rule int) int { return rs.Rules[rule].Span.Position().Line }
	var out []string
	found := Find(rs)
	for _, u := range found.Unreached {
		words := fmt.Sprint(line(u.Rule), ":")
		for _, by := range u.By {
			words += fmt.Sprint(" ", line(by))
		}
		out = append(out, words)
	}
	for _, rule := range found.Unknown {
		out = append(out, fmt.Sprint("?", line(rule)))
	}
	return strings.Join(out, ", ")
}

func TestFind(t *testing.T) {
	for _, c := range []struct{ name, text, want string }{
		{"none", "drop tcp\npass udp", ""},
		{"one", "drop tcp\npass tcp to port 80", "2: 1"},
		{"two halves", "drop from 10.0.0.0/9\ndrop from 10.128.0.0/9\npass from 10.0.0.0/8", "3: 1 2"},
		{"all but one", "drop from 10.0.0.0/9\ndrop from 10.128.0.0/10\ndrop from 10.192.0.1-10.255.255.255\npass from 10.0.0.0/8", ""},
		{"no more than needed", "drop from 10.1.0.0/16\ndrop from 10.0.0.0/9\ndrop udp\ndrop from 10.128.0.0/9\npass from 10.0.0.0/8", "5: 2 4"},
		{"two dimensions", "drop tcp to port 0-99\ndrop tcp to port 100-65535 from port 0-99\ndrop tcp from port 100-65535\npass tcp to port 7 from port 5-200",
			"4: 1"},
		{"corners", "drop tcp from port 0-99 to port 0-199\ndrop tcp from port 100-299 to port 0-99\ndrop tcp from port 200-299 to port 100-299\n" +
			"drop tcp from port 0-199 to port 200-299\npass tcp from port 0-299 to port 0-299", ""},
		{"corners and middle", "drop tcp from port 0-99 to port 0-199\ndrop tcp from port 100-299 to port 0-99\ndrop tcp from port 200-299 to port 100-299\n" +
			"drop tcp from port 0-199 to port 200-299\ndrop from port 150 to port 150\ndrop from port 100-199 to port 100-199\npass tcp from port 0-299 to port 0-299", "7: 1 2 3 4 6"},
		{"after all", "drop tcp\ndrop\npass udp", "3: 2"},
		{"count takes nothing", "count tcp\npass tcp", ""},
		{"counted", "drop from 10.0.0.0/9\ndrop from 10.128.0.0/9\ncount from 10.0.0.0/8", "3: 1 2"},
		{"both families", "drop ip\ndrop ip6\npass to port 80", "3: 1 2"},
		{"all kinds", "drop ip\ndrop ip6\ndrop arp\npass from 10.0.0.1\npass", "4: 1"},
		{"not whole", "drop tcp\npass not tcp\ndrop ip", "3: 1 2"},
		{"later fragments have no ports", "drop tcp to port 0-1000\ndrop tcp to port 1001-65535\npass tcp", ""},
		{"whole packets have ports", "drop invalid\ndrop frag later\ndrop tcp to port 0-1000\ndrop tcp to port 1001-65535\npass tcp", "5: 1 2 3 4"},
		{"interfaces", "drop on eth0\ndrop not on eth0\npass udp", "3: 1 2"},
		{"flags", "drop tcp flags syn\ndrop tcp flags !syn\npass tcp flags ack", "3: 1 2"},
		{"masks", "drop from 10.0.0.1/255.0.0.255\npass from 10.0.0.1/255.0.0.255 to port 3", "2: 1"},
		{"tags", "drop vlan\ndrop not vlan\npass vlan 7", "3: 1"},
		{"same bits", "drop tcp to port 22\npass tcp at transport+2 2 == 22", "2: 1"},
		{"words", "drop invalid\ndrop not invalid\npass arp", "3: 2"},
		{"whole headers of UDP", "drop invalid\ndrop frag later\ndrop udp at transport+7 1 < 128\ndrop udp at transport+7 1 > 127\npass udp", "5: 1 2 3 4"},
		{"and no more", "drop invalid\ndrop frag later\ndrop udp at transport+8 1 < 128\ndrop udp at transport+8 1 > 127\npass udp", ""},
		{"length", "drop len > 59\npass at eth+59 1 == 1", "2: 1"},
		{"and what is read of it", "drop len > 60\npass at eth+59 1 == 1", ""},
		{"jump that excludes", "chain c {\ndrop udp\n}\njump c tcp", "2:"},
		{"under each jump", "chain c {\npass udp\n}\ndrop from 10.0.0.0/8\njump c from 10.0.0.1\njump c to 10.0.0.1\ndrop udp", ""},
		{"under both", "chain c {\npass udp to port 5\n}\ndrop from 10.0.0.0/8\ndrop to 10.0.0.0/8\njump c from 10.0.0.1\njump c to 10.0.0.1\ndrop udp", "2: 4 5"},
		{"returned", "chain c {\nreturn from 10.0.0.0/8\ndrop tcp\npass from 10.1.0.0/16\n}\njump c\npass tcp", "4: 2"},
		{"back from a chain", "chain c {\nreturn from 10.0.0.0/8\ndrop tcp\n}\njump c\npass tcp to port 7\npass tcp not from 10.0.0.0/8", "7: 3"},
		{"not back", "chain c {\nreturn from 10.0.0.0/8\ndrop tcp\n}\njump c\npass tcp from 11.0.0.0/8 to port 7", "6: 3"},
		{"extensions are walked over", "drop frag later\npass ip6 proto 43", "2: 1"},
		{"ARP beyond the first buffer", "pass invalid eth.type 0x0806", ""},
		{"fragments", "drop frag first\ndrop ip.offset > 0\npass frag later ip", "3: 2"},
	} {
		if got := lines(t, c.text); got != c.want {
			t.Errorf("%s: %q, want %q\n%s", c.name, got, c.want, c.text)
		}
	}
}
