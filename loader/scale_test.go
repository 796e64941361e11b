package loader_test

import (
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"testing"

	"xdpfw/codegen"
	"xdpfw/loader"
	"xdpfw/rules"
)

func compileText(t *testing.T, text string) *codegen.Object {
	t.Helper()
	return compileWith(t, text, codegen.Auto)
}

func compileWith(t *testing.T, text, strategy string) *codegen.Object {
	t.Helper()
	rs, diags := rules.ParseAndCheck(rules.NewFile("rules.fw", []byte(text)))
	if err := diags.Err(); err != nil {
		t.Fatal(err)
	}
	obj, err := codegen.Compile(rs, codegen.Options{Strategy: strategy})
	if err != nil {
		t.Fatal(err)
	}
	return obj
}

// manyRules are n rules of the given form: {a} is an address of 10.0.0.0/8,
// {b} one of 172.16.0.0/12, {six} one of fd00::/64, {mac} a MAC address, {p} a
// port, {l} a list of ports, {id} the number of a VLAN, {n} one of 8 bits, all
// different from rule to rule as far as they go.
func manyRules(n int, form string) string {
	var b strings.Builder
	for i := range n {
		b.WriteString(strings.NewReplacer(
			"{a}", fmt.Sprintf("10.%d.%d.%d", i>>16, i>>8&255, i&255),
			"{b}", fmt.Sprintf("172.16.%d.%d", i>>8&255, i&255),
			"{six}", fmt.Sprintf("fd00::%x:%x", i>>16, i&0xffff),
			"{mac}", fmt.Sprintf("02:00:00:00:%02x:%02x", i>>8, i&255),
			"{p}", fmt.Sprint(i%65000+1),
			"{id}", fmt.Sprint(i%4095+1),
			"{n}", fmt.Sprint(i%200+1),
			"{l}", fmt.Sprintf("{ %d, %d, %d }", i%65000+1, i%65000+3, i%65000+5),
		).Replace(form))
		b.WriteByte('\n')
	}
	return b.String()
}

// TestVerifierWork holds the number of instructions that the verifier
// processes against the length of the program: it must stay linear in the
// rules, and 5,000 rules of any form must load.
func TestVerifierWork(t *testing.T) {
	requireBPF(t)
	for _, form := range []string{
		"drop to port {p}",
		"drop from {a} to port {p}",
		"drop tcp from {a} to port {p}",
		"drop tcp from {a} port {p} to {b} port {p}",
		"drop from {a}-10.255.255.255 to {b}",
		"drop from {six} to port {p}",
		"drop udp from {six} to {six} port {p}",
		"drop to port {l}",
		"drop udp from {a} to port {l}",
		"drop from {six}-fd00::ffff:ffff to port {p}",
		"drop from {six} to port != {p}",
		"drop not from {six}",
		"drop not tcp not from {a} not to {b} to port != {p}",
		"drop from { {a}, {six} } to { {b}, {six} } from port {l} to port {l}",
		"drop from {a} frag",
		"drop invalid from {a}",
		"drop eth.src {mac}",
		"drop eth.src { {mac}, 06:00:00:00:00:00 } eth.dst {mac} to port {p}",
		"drop vlan {id} vlan2.id {id} to port {p}",
		"drop tcp flags syn,!ack to port {p}",
		"drop icmp type {n} code {n} from {a}",
		"drop len > {p} eth.type {p}",
		"drop not on { eth0, eth1, eth2 } to port {p}",
		"drop at net+{n} 8 == {p}",
		"drop at eth+{n} 4 == {p} at transport+{n} 4 == {p} at payload+{n} 2 == {p}",
		"drop arp.spa {a} arp.sha {mac}",
		"drop ip.ttl {n} from {a}/255.0.255.255",
		"drop ip6.ext { routing } ip6.hoplimit {n} from {six}/ffff::ffff:ffff:ffff",
		"drop ah from {six}",
		"drop tcp.seq {p} tcp.window {p}",
		"count from {a} to port {p}",
		"redirect eth0 from {a} to port {p}",
		"jump c from {a}",
	} {
		t.Run(form, func(t *testing.T) {
			verifierWork(t, form, codegen.Chain, 5000)
			verifierWork(t, form, codegen.Tree, 120) // some rules are two terms
		})
	}
}

func verifierWork(t *testing.T, form, strategy string, n int) {
	t.Helper()
	obj := compileWith(t, "chain c { return to port 80; return udp; drop }\n"+manyRules(n, form), strategy)
	length := obj.Programs[0].Slots()
	stats, err := loader.Verify(obj)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%d rules as a %s: %d instructions, %d processed, %d states at the peak", n, strategy, length, stats.Processed, stats.PeakStates)
	// A little more than the length, since the verifier does not keep
	// a state at every rule; the walk over IPv6 extension headers is
	// processed once a turn. A quadratic layout processes a thousand
	// times more, two states in front of a chain twice as much.
	limit := length*13/10 + 5000
	if length < 12*n {
		// Behind so short a rule the verifier may keep no state where the
		// packet is counted, but only behind the look-up.
		limit += 2 * 8 * n
	}
	if !strings.HasPrefix(form, "drop") {
		// Where a packet goes on whether or not it matches, the verifier
		// comes to the next rule twice, and may keep no state there.
		limit += length
	}
	if strategy == codegen.Tree {
		// Its rules are shorter still, since they read the packet right there.
		limit = length*3 + 5000
	}
	if stats.Processed > limit {
		t.Errorf("%d instructions processed for a program of %d: more than linear", stats.Processed, length)
	}
}

// TestFarJumps decides packets by rules that lie too far apart for one jump,
// in both families, and by the rule behind all of them.
func TestFarJumps(t *testing.T) {
	requireBPF(t)
	const n = 8000
	text := manyRules(n, "drop udp from {a} to port {p}") + manyRules(n, "drop udp from {six} to port {p}") + "drop udp to port 65535\n"
	obj := compileWith(t, text, codegen.Chain)
	if length := obj.Programs[0].Slots(); length < 4*32767 {
		t.Fatalf("a program of %d instructions has no far jumps", length)
	}
	r, err := loader.NewRunner(obj)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	for _, i := range []int{0, 1, 2000, 4999, 6553, n - 1} {
		source := []byte{10, byte(i >> 16), byte(i >> 8), byte(i)}
		expectRule(t, r, udpIP4(source, uint16(i%65000+1)), i)
		expectRule(t, r, udpIP4(source, 65535), 2*n)
		expectRule(t, r, udpIP4(source, 65000), rules.ByDefault)
		six := append(append([]byte{0xfd}, make([]byte, 11)...), byte(i>>24), byte(i>>16), byte(i>>8), byte(i))
		expectRule(t, r, udpIP6(six, uint16(i%65000+1)), n+i)
		expectRule(t, r, udpIP6(six, 65535), 2*n)
	}
}

func expectRule(t *testing.T, r *loader.Runner, frame []byte, want int) {
	t.Helper()
	d, err := r.Run(frame)
	if err != nil {
		t.Fatal(err)
	}
	if d.Rule != want {
		t.Errorf("%x: rule %d decides, want %d", frame, d.Rule, want)
	}
}

func udpIP4(source []byte, port uint16) []byte {
	frame := append(make([]byte, 12), 8, 0, 0x45, 0, 0, 28, 0, 0, 0, 0, 64, 17, 0, 0)
	frame = append(append(frame, source...), 192, 0, 2, 1, 0, 9)
	return append(binary.BigEndian.AppendUint16(frame, port), 0, 8, 0, 0)
}

func udpIP6(source []byte, port uint16) []byte {
	frame := append(make([]byte, 12), 0x86, 0xdd, 0x60, 0, 0, 0, 0, 8, 17, 64)
	frame = append(append(frame, source...), make([]byte, 16)...)
	return append(binary.BigEndian.AppendUint16(append(frame, 0, 9), port), 0, 8, 0, 0)
}

// TestLimits: what the kernel cannot take is refused before it is asked,
// naming the rule and the limit.
func TestLimits(t *testing.T) {
	rs, diags := rules.ParseAndCheck(rules.NewFile("rules.fw", []byte(manyRules(60000, "drop tcp from {a} port {p} to {b} port {p}"))))
	if err := diags.Err(); err != nil {
		t.Fatal(err)
	}
	_, err := codegen.Compile(rs, codegen.Options{Strategy: codegen.Chain})
	var limit *codegen.LimitError
	if !errors.As(err, &limit) || !strings.Contains(limit.Limit, "1000000 instructions") || limit.Rule == nil {
		t.Fatalf("%v, want a LimitError about instructions", err)
	}
	if line := limit.Rule.Span.Position().Line; line < 10000 || line > 60000 {
		t.Errorf("the limit is met at line %d", line)
	}
}

// TestOneListInManyRules: a set that many rules read, negated too, is kept once.
func TestOneListInManyRules(t *testing.T) {
	requireBPF(t)
	var b strings.Builder
	b.WriteString("set s = {\n")
	for i := range 50000 {
		fmt.Fprintf(&b, "10.%d.%d.1,\n", i>>8, i&255)
	}
	b.WriteString("}\n" + strings.Repeat("drop udp not from @s to @s\n", 3000))
	obj := compileText(t, b.String())
	if size := obj.Maps[1].Spec.ValueSize; size > 2<<20 {
		t.Errorf("the tables take %d bytes", size)
	}
	if _, err := loader.Verify(obj); err != nil {
		t.Error(err)
	}
}
