package reach

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"xdpfw/loader/workload"
	"xdpfw/rules"
)

func mustCheck(t testing.TB, name, text string) *rules.RuleSet {
	t.Helper()
	rs, ds := rules.ParseAndCheck(rules.NewFile(name, []byte(text)))
	if err := ds.Err(); err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	return rs
}

// reducedPackets are all packets that differ in what rules of reducedRules ask.
func reducedPackets(t testing.TB) (all []rules.Packet) {
	add := func(format string, args ...any) {
		p, ds := rules.ParseLiteral(fmt.Sprintf(format, args...))
		if ds.Err() != nil {
			t.Fatal(ds)
		}
		all = append(all, p)
	}
	for _, tag := range []string{"", "vlan 7 "} {
		for _, hosts := range [][2][]string{
			{{"10.0.0.1", "10.0.0.2", "10.0.1.1", "192.0.2.1"}, {"10.0.0.1", "192.0.2.9"}},
			{{"2001:db8::1", "2001:db8:1::1", "fd00::1"}, {"2001:db8::2", "fd00::2"}},
		} {
			for _, from := range hosts[0] {
				for _, to := range hosts[1] {
					for _, port := range []int{22, 80, 443, 8080} {
						for _, flags := range []string{"syn", "ack"} {
							add("%stcp %s > %s flags %s", tag, endpoint(from, 4000), endpoint(to, port), flags)
						}
						add("%sudp %s > %s", tag, endpoint(from, 4000), endpoint(to, port))
					}
					add("%sgre %s > %s", tag, from, to)
					add("%sfrag later udp %s > %s", tag, from, to)
				}
			}
		}
		add("%sarp who-has 10.0.0.1 tell 10.0.0.2", tag)
		add("%sicmp 10.0.0.1 > 10.0.0.2", tag)
	}
	return all
}

func endpoint(address string, port int) string {
	if strings.Contains(address, ":") {
		address = "[" + address + "]"
	}
	return fmt.Sprint(address, ":", port)
}

// reducedRules is a random rule set over few values.
type reducedRules struct{ *rand.Rand }

func (r reducedRules) one(of ...string) string { return of[r.IntN(len(of))] }

func (r reducedRules) clauses() string {
	var b strings.Builder
	add := func(one int, of ...string) {
		if r.IntN(one) == 0 {
			b.WriteString(" " + r.one(of...))
		}
	}
	port := false
	switch r.IntN(5) {
	case 0:
		b.WriteString(" tcp")
		if r.IntN(3) == 0 {
			b.WriteString(" flags " + r.one("syn", "ack", "syn/syn,ack"))
		}
		port = true
	case 1:
		b.WriteString(" udp")
		port = true
	case 2:
		b.WriteString(" " + r.one("ip", "ip6", "arp", "proto 47", "icmp"))
	case 3:
		port = true
	}
	if !strings.Contains(b.String(), "arp") {
		family := r.IntN(2)
		if strings.Contains(b.String(), "ip6") {
			family = 1
		} else if strings.Contains(b.String(), " ip") || strings.Contains(b.String(), "icmp") {
			family = 0
		}
		if family == 0 {
			add(2, "from 10.0.0.0/24", "from 10.0.0.1", "from { 10.0.0.2, 192.0.2.0/24 }", "not from 10.0.0.0/16")
			add(3, "to 10.0.0.1", "to 192.0.2.9", "to 10.0.0.0/8")
		} else {
			add(2, "from 2001:db8::/32", "from fd00::/8", "not from 2001:db8:1::/48")
			add(3, "to fd00::2", "to 2001:db8::/64")
		}
	}
	if port {
		add(2, "to port 22", "to port { 80, 443 }", "to port 1-1023", "not to port 80")
	}
	add(8, "vlan", "not vlan", "vlan 7")
	add(12, "len 60-1500", "frag later", "not frag", "on eth0", "not on eth1")
	return b.String()
}

func (r reducedRules) text() string {
	var b strings.Builder
	fmt.Fprintln(&b, "default", r.one("pass", "drop"))
	chain := r.IntN(6) == 0
	if chain {
		fmt.Fprintf(&b, "chain c { return%s; drop%s; pass%s }\n", r.clauses(), r.clauses(), r.clauses())
	}
	for range r.IntN(6) { // with none there is the default alone
		fmt.Fprintf(&b, "%s%s\n", r.one("drop", "pass", "drop", "pass", "abort", "count"), r.clauses())
	}
	if chain {
		fmt.Fprintf(&b, "jump c%s\n", r.clauses())
		fmt.Fprintf(&b, "drop%s\n", r.clauses())
	}
	return b.String()
}

// edited is the text with a line changed, added, taken away or moved.
func (r reducedRules) edited(text string) string {
	lines := strings.Split(strings.TrimSuffix(text, "\n"), "\n")
	at := r.IntN(len(lines))
	rule := fmt.Sprintf("%s%s", r.one("drop", "pass"), r.clauses())
	switch kind := r.IntN(4); {
	case kind == 0 || strings.HasPrefix(lines[at], "chain") || at == 0:
		lines = append(lines[:at+1], append([]string{rule}, lines[at+1:]...)...)
	case kind == 1:
		lines[at] = rule
	case kind == 2 && len(lines) > 2:
		lines = append(lines[:at], lines[at+1:]...)
	default:
		other := 1 + r.IntN(len(lines)-1)
		lines[at], lines[other] = lines[other], lines[at]
	}
	return strings.Join(lines, "\n") + "\n"
}

// TestCompareBruteForce: of random pairs of rule sets, edited or made anew,
// every packet of a small header space that is decided otherwise is decided by
// rules between which a change was found, and each change has a packet.
func TestCompareBruteForce(t *testing.T) {
	packets := reducedPackets(t)
	r := reducedRules{rand.New(rand.NewPCG(5, 6))}
	var pairs, changes, equal, unconfirmed, unseen int
	for pairs = range share(10_000) {
		one := r.text()
		for {
			if _, ds := rules.ParseAndCheck(rules.NewFile("one.fw", []byte(one))); ds.Err() == nil {
				break
			}
			one = r.text()
		}
		var two string
		for {
			two = r.edited(one)
			if r.IntN(3) == 0 {
				two = r.text()
			}
			if _, ds := rules.ParseAndCheck(rules.NewFile("two.fw", []byte(two))); ds.Err() == nil {
				break
			}
		}
		old, new := mustCheck(t, "one.fw", one), mustCheck(t, "two.fw", two)
		byRule := r.IntN(2) == 0
		var same Same
		if byRule {
			same = func(o, n int) bool { return keyOf(old, o) == keyOf(new, n) }
		}
		c := Compare(old, new, same)
		if c.Unknown > 0 {
			t.Fatalf("pair %d: unknown\n%s\n%s", pairs, one, two)
		}
		found := map[[2]rules.Decision]bool{}
		for _, change := range c.Changes {
			found[[2]rules.Decision{change.Old, change.New}] = true
			if !change.Confirmed {
				unconfirmed++
				if unconfirmed < 6 {
					t.Logf("%+v is not confirmed, % x\n%s\n%s", change, change.Packet.Head, one, two)
				}
			}
		}
		seen := map[[2]rules.Decision]bool{}
		for _, p := range packets {
			for _, p.Interface = range []string{"eth0", "eth1"} {
				was, is := old.Decide(p), new.Decide(p)
				if was.Verdict == is.Verdict && (!byRule || keyOf(old, was.Rule) == keyOf(new, is.Rule)) {
					continue
				}
				seen[[2]rules.Decision{was, is}] = true
				if !found[[2]rules.Decision{was, is}] {
					t.Fatalf("pair %d: the change from %v to %v is not found, of % x\n%s\n%s", pairs, was, is, p.Head, one, two)
				}
			}
		}
		unseen += len(found) - len(seen)
		changes += len(c.Changes)
		if len(c.Changes) == 0 {
			equal++
		}
	}
	t.Logf("%d pairs, %d equal; %d changes, %d of which are not among these packets, %d without a packet", pairs+1, equal, changes, unseen, unconfirmed)
	if unconfirmed > 0 || equal < share(500) {
		t.Errorf("%d changes have no packet, %d pairs are equal", unconfirmed, equal)
	}
}

func keyOf(rs *rules.RuleSet, rule int) string {
	if rule == rules.ByDefault {
		return "default " + rs.Default.String()
	}
	return rs.Rules[rule].Key
}

// TestComparePlanted: in a set of 1,000 rules another verdict for one pair of
// addresses and one port is found, and is all that is found.
func TestComparePlanted(t *testing.T) {
	text := string(workload.Shapes()[0].Text(1_000, 3))
	old := mustCheck(t, "old.fw", text)
	lines := strings.SplitAfter(text, "\n")
	random := rand.New(rand.NewPCG(3, 4))
	planted := 0
	for planted < share(1_000) {
		rule := &old.Rules[random.IntN(len(old.Rules))]
		from, to, port := address(t, rule, rules.Source, random), address(t, rule, rules.Destination, random), 1+random.IntN(65535)
		if from == "" || to == "" {
			continue
		}
		p, ds := rules.ParseLiteral(fmt.Sprintf("tcp %s:1 > %s:%d", from, to, port))
		if ds.Err() != nil {
			t.Fatal(ds)
		}
		was := old.Decide(p)
		verdict := map[rules.Verdict]string{rules.Pass: "drop", rules.Drop: "pass"}[was.Verdict]
		at := len(lines)
		if was.Rule != rules.ByDefault {
			at = old.Rules[was.Rule].Span.Position().Line - 1
		}
		at = random.IntN(at + 1)
		line := fmt.Sprintf("%s tcp from %s to %s port %d\n", verdict, from, to, port)
		new := mustCheck(t, "new.fw", strings.Join(lines[:at], "")+line+strings.Join(lines[at:], ""))
		c := Compare(old, new, nil)
		if len(c.Changes) == 0 || c.Unknown > 0 || len(c.Classes) != 1 {
			t.Fatalf("%q in line %d: %d changes, %d classes, %d unknown", line, at+1, len(c.Changes), len(c.Classes), c.Unknown)
		}
		h := c.Changes[0]
		got := new.Decide(h.Packet)
		if !h.Confirmed || got.Rule < 0 || new.Rules[got.Rule].Span.Position().Line != at+1 {
			t.Fatalf("%q in line %d: %+v", line, at+1, h)
		}
		planted++
	}
}

// address is one that a rule names in IPv4; "" if it names none.
func address(t *testing.T, r *rules.Rule, s rules.Subject, random *rand.Rand) string {
	t.Helper()
	for i := range r.Clauses {
		if c := &r.Clauses[i]; c.Subject == s && !c.Not && len(c.Set.IP4) > 0 {
			in := c.Set.IP4[random.IntN(len(c.Set.IP4))]
			v := in.Lo.Lo + random.Uint64N(in.Hi.Lo-in.Lo.Lo+1)
			return fmt.Sprintf("%d.%d.%d.%d", v>>24, v>>16&255, v>>8&255, v&255)
		}
	}
	return ""
}
