package rules_test

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"xdpfw/loader/frames"
	"xdpfw/rules"
)

// TestFlow compares rule sets with blocks and chains with what they come to
// when somebody writes them out.
func TestFlow(t *testing.T) {
	tests := []struct{ name, text, want string }{
		{"block", "tcp to port 22 {\n pass from 10.0.0.0/8\n drop\n}\ndrop udp",
			"pass tcp to port 22 from 10.0.0.0/8\ndrop tcp to port 22\ndrop udp"},
		{"block on a line", "tcp to port 22 { pass from 10.0.0.0/8; drop }; drop udp",
			"pass tcp to port 22 from 10.0.0.0/8\ndrop tcp to port 22\ndrop udp"},
		{"block within a block", "ip {\n  not frag { tcp { drop to port 80 }\n  drop udp }\n  pass arp-ok\n}",
			""},
		{"blocks within blocks", "ip {\n  not frag { tcp { drop to port 80 }\n  drop udp }\n  pass\n}\npass",
			"drop ip not frag tcp to port 80\ndrop ip not frag udp\npass ip\npass"},
		{"empty block", "tcp { }\nudp {\n# nothing\n}\ndrop", "drop"},
		{"brace on the next line", "drop tcp\nudp \\\n{ drop }", "drop tcp\ndrop udp"},
		{"not in front", "not ip { drop }\nnot tcp { drop }", "drop not ip\ndrop not tcp"},
		{"list in a head", "tcp to port { 80, 443 } { drop }\nproto { tcp, udp } {\ndrop\n}", "drop tcp to port { 80, 443 }\ndrop proto { tcp, udp }"},
		{"list behind a rule in a block", "tcp { drop to port { 80,\n443 } }", "drop tcp to port { 80, 443 }"},
		{"names", "tcp { ssh: drop to port 22; drop: pass }", "ssh: drop tcp to port 22\ndrop: pass tcp"},
		{"chain", "chain web { pass from 10.0.0.0/8; drop }\njump web tcp to port 80\njump web udp",
			"pass tcp to port 80 from 10.0.0.0/8\ndrop tcp to port 80\npass udp from 10.0.0.0/8\ndrop udp"},
		{"chain that nobody uses", "chain web { drop }\npass", "pass"},
		{"empty chain", "chain web { }\njump web\npass", "pass"},
		{"jump within a chain", "chain a { drop udp }\nchain b { jump a ip; pass tcp }\njump b\njump b not frag",
			"drop ip udp\npass tcp\ndrop not frag ip udp\npass not frag tcp"},
		{"jump within a block", "chain a { drop udp }\nip { not frag { jump a from 10.0.0.0/8 } }", "drop ip not frag from 10.0.0.0/8 udp"},
		{"block within a chain", "chain a { ip { drop udp } }\njump a not frag", "drop not frag ip udp"},
		{"names like words", "chain drop { pass }\nchain jump { drop }\njump drop tcp\njump jump\nset set = { 80 }\njump: drop to port @set",
			"pass tcp\ndrop\njump: drop to port 80"},
		{"verdicts", "abort tcp\ntx udp\ncount ip\npass", "abort tcp\ntx udp\ncount ip\npass"},
		{"default", "default abort\npass tcp", "default abort\npass tcp"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			rs, ds := rules.ParseAndCheck(rules.NewFile("x", []byte(test.text)))
			if test.want == "" {
				if rs != nil {
					t.Errorf("accepted as %v", rs)
				}
				return
			}
			if rs == nil {
				t.Fatal(ds)
			}
			if got, want := describeSteps(rs), describeSteps(mustCheck(t, test.want)); got != want {
				t.Errorf("got:\n%s\nwant:\n%s", got, want)
			}
			checkSpans(t, rules.NewFile("rules.fw", []byte(test.text)))
		})
	}
}

// describeSteps is what a rule set tries, one a line.
func describeSteps(rs *rules.RuleSet) string {
	var b strings.Builder
	fmt.Fprintf(&b, "default %v\n", rs.Default)
	for i, s := range rs.Steps {
		r := rs.Rules[s.Rule]
		r.Clauses = s.Clauses
		if r.Verdict.Decides() && s.Next != i+1 {
			fmt.Fprintf(&b, "(wrong next %d) ", s.Next)
		}
		b.WriteString(r.String() + "\n")
	}
	return b.String()
}

// TestNext: `count` goes on behind itself, `return` behind its chain.
func TestNext(t *testing.T) {
	rs := mustCheck(t, "chain a { return udp; ip { return tcp }; drop }\nchain b { jump a; return; pass }\ncount\njump a ip\njump b\npass")
	var got []string
	for _, s := range rs.Steps {
		got = append(got, fmt.Sprintf("%v>%d", rs.Rules[s.Rule].Verdict, s.Next))
	}
	want := "count>1 return>4 return>4 drop>4 return>7 return>7 drop>7 return>9 pass>9 pass>10"
	if text := strings.Join(got, " "); text != want {
		t.Errorf("got  %s\nwant %s", text, want)
	}
	if len(rs.Rules) != 7 {
		t.Errorf("%d rules, want 7: each as often as it is written", len(rs.Rules))
	}
}

// TestRedirect: the interface is a word or a string, each name counted once.
func TestRedirect(t *testing.T) {
	rs := mustCheck(t, "redirect eth1 tcp\nredirect \"eth1\" udp\nredirect eth1.5\nredirect \"tcp\"")
	if !slices.Equal(rs.Interfaces, []string{"eth1", "eth1.5", "tcp"}) {
		t.Errorf("interfaces %q", rs.Interfaces)
	}
	for i, want := range []int{0, 0, 1, 2} {
		if r := rs.Rules[i]; r.Verdict != rules.Redirect || r.Interface != want {
			t.Errorf("rule %d: %v to %d, want %d", i, r.Verdict, r.Interface, want)
		}
	}
	if got := rs.Rules[0].Text(); got != "redirect eth1 tcp" {
		t.Errorf("text %q", got)
	}
	if got, want := rs.Rules[1].Key, "redirect eth1 udp"; got != want {
		t.Errorf("key %q, want %q", got, want)
	}
}

// TestFlowKeys: a counter's key has what is in front of the rule.
func TestFlowKeys(t *testing.T) {
	rs := mustCheck(t, "tcp { drop to port 22; count }\ndrop tcp to port 22\nchain a { drop to port 22 }\njump a\njump a tcp\ntcp { jump a }")
	var got []string
	for _, r := range rs.Rules {
		got = append(got, r.Key+" / "+r.Text())
	}
	want := []string{"drop tcp to port 22 / drop to port 22", "count tcp / count", "drop tcp to port 22#2 / drop tcp to port 22",
		"chain a: drop to port 22 / drop to port 22"}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

// A program is a rule file as random tests make it, which says itself what it
// means: nothing is expanded, a jump is a call.
type program struct {
	random  *rand.Rand
	text    strings.Builder
	chains  [][]node
	rules   int
	clauses []string // that never contradict each other
}

// A node is a statement: a rule if it has a verdict, a jump if it has a chain,
// else a block.
type node struct {
	clauses string
	verdict string
	name    string
	chain   int
	body    []node
}

func (p *program) list(depth int, chains int, inChain bool, indent string) (list []node) {
	for range 1 + p.random.IntN(4) {
		n := node{chain: -1}
		for range p.random.IntN(3) {
			n.clauses += " " + p.clauses[p.random.IntN(len(p.clauses))]
		}
		p.text.WriteString(indent)
		switch kind := p.random.IntN(10); {
		case kind < 3 && depth > 0:
			if n.clauses == "" {
				n.clauses = " ip"
			}
			p.text.WriteString(n.clauses + " {\n")
			n.body = p.list(depth-1, chains, inChain, indent+"  ")
			p.text.WriteString(indent + "}")
		case kind < 5 && chains > 0:
			n.chain = p.random.IntN(chains)
			fmt.Fprintf(&p.text, "jump c%d%s", n.chain, n.clauses)
		default:
			verdicts := []string{"pass", "drop", "count", "count", "return"}
			if !inChain {
				verdicts = verdicts[:4]
			}
			n.verdict = verdicts[p.random.IntN(len(verdicts))]
			n.name = fmt.Sprintf("r%d", p.rules)
			p.rules++
			p.text.WriteString(n.name + ": " + n.verdict + n.clauses)
		}
		p.text.WriteString("\n")
		list = append(list, n)
	}
	return list
}

// run says what becomes of a packet of which the clauses hold that holds says:
// the names of what counts it, with the verdict at the end.
func (p *program) run(list []node, holds func(clauses string) bool, counted *[]string) (outcome string) {
	for _, n := range list {
		if !holds(n.clauses) {
			continue
		}
		switch {
		case n.body != nil:
			outcome = p.run(n.body, holds, counted)
		case n.chain >= 0:
			if outcome = p.run(p.chains[n.chain], holds, counted); outcome == "return" {
				outcome = ""
			}
		default:
			*counted = append(*counted, n.name)
			if n.verdict != "count" {
				outcome = n.verdict
			}
		}
		if outcome != "" {
			return outcome
		}
	}
	return ""
}

// checkProgram compares what a random program says it means with what the rule
// set made of its text decides.
func checkProgram(t testing.TB, random *rand.Rand, packets []rules.Packet) {
	p := &program{random: random, clauses: []string{"tcp", "ip", "to port 80", "from 10.0.0.0/8", "not frag", "not invalid", "to port < 1000"}}
	for i := range random.IntN(4) {
		fmt.Fprintf(&p.text, "chain c%d {\n", i)
		p.chains = append(p.chains, p.list(2, i, true, "  "))
		p.text.WriteString("}\n")
	}
	main := p.list(3, len(p.chains), false, "")
	rs, ds := rules.ParseAndCheck(rules.NewFile("x", []byte(p.text.String())))
	if rs == nil {
		t.Fatalf("%v\n%s", ds, &p.text)
	}
	written := mustCheck(t, rs.String())
	for i, packet := range packets {
		if got, want := written.Decide(packet).Verdict, rs.Decide(packet).Verdict; got != want {
			t.Fatalf("packet %d: %v, %v as String writes it:\n%s\n%s", i, want, got, &p.text, rs)
		}
		holds := func(clauses string) bool {
			if clauses == "" {
				return true
			}
			one, _ := rules.ParseAndCheck(rules.NewFile("one", []byte("drop"+clauses)))
			return one.Decide(packet).Verdict == rules.Drop
		}
		var want, got []string
		outcome := p.run(main, holds, &want)
		d := rs.DecideCounting(packet, func(rule int) { got = append(got, rs.Rules[rule].Name) })
		if d.Rule != rules.ByDefault {
			got = append(got, rs.Rules[d.Rule].Name)
		}
		if outcome == "" {
			outcome = "pass"
		}
		if !slices.Equal(got, want) || d.Verdict.String() != outcome {
			t.Fatalf("packet %d: %v by %v, want %s by %v\n%s", i, d.Verdict, got, outcome, want, &p.text)
		}
	}
}

// flowPackets differ in which clauses of random programs hold.
func flowPackets() (packets []rules.Packet) {
	for _, network := range []frames.Network{
		frames.IP(netip.MustParseAddr("10.0.0.1"), netip.MustParseAddr("192.0.2.1"), frames.TCP{To: 80}),
		frames.IP(netip.MustParseAddr("198.51.100.7"), netip.MustParseAddr("192.0.2.1"), frames.TCP{To: 80}),
		frames.IP(netip.MustParseAddr("10.0.0.1"), netip.MustParseAddr("192.0.2.1"), frames.TCP{To: 8080}),
		frames.IP(netip.MustParseAddr("198.51.100.7"), netip.MustParseAddr("192.0.2.1"), frames.UDP{To: 80}),
		frames.IP(netip.MustParseAddr("fd00::1"), netip.MustParseAddr("fd00::2"), frames.TCP{To: 80}),
	} {
		b, err := frames.Frame{Network: network}.Bytes()
		if err != nil {
			panic(err)
		}
		packets = append(packets, rules.NewPacket(b))
	}
	return packets
}

func TestRandomFlow(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 1))
	for range 300 {
		checkProgram(t, random, flowPackets())
	}
}

// FuzzChains is TestRandomFlow, with programs that the fuzzer chooses.
func FuzzChains(f *testing.F) {
	f.Add(uint64(1), uint64(2))
	f.Add(uint64(1<<40), uint64(77))
	f.Fuzz(func(t *testing.T, a, b uint64) { checkProgram(t, rand.New(rand.NewPCG(a, b)), flowPackets()) })
}

// doubling is chains that each jump twice to the one before.
func doubling(chains int) string {
	var b strings.Builder
	b.WriteString("chain c0 { drop udp }\n")
	for i := 1; i < chains; i++ {
		fmt.Fprintf(&b, "chain c%d { jump c%d; jump c%d }\n", i, i-1, i-1)
	}
	fmt.Fprintf(&b, "jump c%d\n", chains-1)
	return b.String()
}

// TestDoublingChains: the limit is met without expanding anything, and said
// once, with the jumps that lead there.
func TestDoublingChains(t *testing.T) {
	start := processorTime()
	_, ds := rules.ParseAndCheck(rules.NewFile("x", []byte(doubling(64))))
	if took := processorTime() - start; took > 200*time.Millisecond {
		t.Errorf("took %v", took)
	}
	if len(ds) != 1 || ds[0].Code != "limit" || !strings.Contains(ds[0].Message, "(limit: 1000000)") {
		t.Fatal(format(t, ds))
	}
	if len(ds[0].Notes) < 8 || ds[0].Notes[0].Message != "this jump comes to 524288 rules" {
		t.Errorf("notes %v", ds[0].Notes)
	}
	// Chains without rules come to none, however often they are jumped to.
	empty := strings.Replace(doubling(64), "drop udp", "", 1) + "pass"
	if rs := mustCheck(t, empty); len(rs.Steps) != 1 {
		t.Errorf("%d steps of empty chains", len(rs.Steps))
	}
}
