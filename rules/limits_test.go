package rules_test

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"xdpfw/rules"
)

// refusedBy runs a text that must be refused, and gives the first error.
func refusedBy(t *testing.T, text string) string {
	t.Helper()
	rs, ds := rules.ParseAndCheck(rules.NewFile("x", []byte(text)))
	if rs != nil || ds.Err() == nil {
		t.Fatal("accepted")
	}
	return ds.Error()
}

// skipIfShort leaves out what is about time and memory where the race detector,
// which changes both, looks at everything else.
func skipIfShort(t *testing.T) {
	if testing.Short() {
		t.Skip("time and memory are held without -short")
	}
}

// TestLimits: at each limit a file is good, one beyond it is refused, and the
// message says which limit and how much it is.
func TestLimits(t *testing.T) {
	skipIfShort(t)
	list := func(n int) string {
		return "drop udp\nset a = {\n" + strings.Repeat(strings.Repeat("1,", 1000)+"\n", n/1000) + strings.Repeat("1,", n%1000) + "\n} # nolint: unused-set"
	}
	depth := func(n int) string {
		var b strings.Builder
		b.WriteString("set s1 = { 80 }\n")
		for i := 2; i <= n; i++ {
			fmt.Fprintf(&b, "set s%d = { @s%d, @s%d }\n", i, i-1, i-1)
		}
		fmt.Fprintf(&b, "drop to port @s%d", n)
		return b.String()
	}
	tests := []struct {
		name  string
		limit int
		text  func(n int) string // that has n of what is limited
	}{
		{"file", rules.MaxFileSize, func(n int) string {
			line := "#" + strings.Repeat("x", 1<<19) + "\n"
			text := "drop udp\n" + strings.Repeat(line, n/len(line)-1)
			return text + strings.Repeat("#", n-len(text)-1<<19) + "\n" + strings.Repeat("#", 1<<19-1)
		}},
		{"lines", rules.MaxLines, func(n int) string { return "drop udp" + strings.Repeat("\n", n-1) }},
		{"line", rules.MaxLineLength, func(n int) string { return "drop udp\n#" + strings.Repeat("x", n-1) + "\r\n" }},
		{"clauses of a rule", rules.MaxRuleClauses, func(n int) string { return "drop" + strings.Repeat(" udp", n) }},
		{"clauses of a rule with ports", rules.MaxRuleClauses, func(n int) string {
			return "drop" + strings.Repeat(" udp", n%2) + strings.Repeat(" from any port 1", n/2)
		}},
		{"elements", rules.MaxElements, list},
		{"set depth", rules.MaxSetDepth, depth},
		{"blocks", rules.MaxBlockDepth, func(n int) string { return strings.Repeat("ip {\n", n) + "drop" + strings.Repeat("}", n) }},
		{"clauses of a rule with those of blocks", rules.MaxRuleClauses, func(n int) string {
			return "ip" + strings.Repeat(" udp", n/2-1) + " { drop" + strings.Repeat(" udp", n-n/2) + " }"
		}},
		{"jumps", rules.MaxJumpDepth, func(n int) string {
			var b strings.Builder
			b.WriteString("chain c1 { drop }\n")
			for i := 2; i <= n; i++ {
				fmt.Fprintf(&b, "chain c%d { jump c%d }\n", i, i-1)
			}
			fmt.Fprintf(&b, "jump c%d", n)
			return b.String()
		}},
		{"steps", rules.MaxSteps, func(n int) string {
			return "chain a {\n" + strings.Repeat("drop udp\n", 1000) + "}\nchain b {\n" + strings.Repeat("jump a ip\n", 1000) + "}\njump b\n" +
				strings.Repeat("pass\n", n-1_000_000)
		}},
		{"copied clauses", rules.MaxCopiedClauses, func(n int) string {
			const perJump = 1000 * 8
			jumps := n/perJump - 1
			rest := n - jumps*perJump
			return "chain a {\n" + strings.Repeat("drop udp\n", 1000) + "}\n" + strings.Repeat("jump a"+strings.Repeat(" ip", 7)+"\n", jumps) +
				"ip { drop" + strings.Repeat(" udp", 1+rest%2) + "\n" + strings.Repeat("drop udp\n", rest/2-1) + "}"
		}},
		{"bytes of packets", rules.MaxTestBytes, func(n int) string {
			const most = 1 << 16
			return "pass\ntest \"all\" {\n" + strings.Repeat(fmt.Sprintf("pass udp 192.0.2.1 > 192.0.2.2 len %d\n", most-8), n/(most-8)) +
				"pass hex \"" + strings.Repeat("00", n%(most-8)) + "\"\n}"
		}},
		{"name of a chain", rules.MaxNameLength, func(n int) string {
			name := strings.Repeat("n", n)
			return "chain " + name + " { drop }\njump " + name
		}},
		{"name", rules.MaxNameLength, func(n int) string { return strings.Repeat("n", n) + ": drop udp" }},
		{"name of a set", rules.MaxNameLength, func(n int) string {
			name := strings.Repeat("n", n)
			return "set " + name + " = { 80 }\ndrop to port @" + name
		}},
		{"masks of a rule", rules.MaxRuleMasks, func(n int) string { return maskSet(n-1) + "from 0.0.0.1/0.0.0.1 { drop to @a }" }},
		{"masks", rules.MaxMasks, func(n int) string {
			return maskSet(500) + "chain c { drop from @a to @a }\n" + strings.Repeat("jump c\n", n/1000) + strings.Repeat("drop from 0.0.0.1/0.0.0.1", n%1000)
		}},
		{"interfaces", rules.MaxInterfaces, func(n int) string {
			var b strings.Builder
			for i := range n {
				fmt.Fprintf(&b, "drop on { i%d, i0 }\n", i)
			}
			return b.String()
		}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			mustCheckQuietly(t, test.text(test.limit))
			got := refusedBy(t, test.text(test.limit+1))
			if want := fmt.Sprintf("(limit: %d)", test.limit); !strings.Contains(got, want) || !strings.Contains(got, "[limit]") {
				t.Errorf("got %q, want %q in it", got, want)
			}
		})
	}
}

// maskSet defines a set of so many values with a mask.
func maskSet(n int) string {
	var b strings.Builder
	b.WriteString("set a = {\n")
	for i := range n {
		fmt.Fprintf(&b, "10.0.%d.%d/255.0.255.255,\n", i>>8, i&255)
	}
	return b.String() + "}\n"
}

func mustCheckQuietly(t *testing.T, text string) {
	t.Helper()
	if _, ds := rules.ParseAndCheck(rules.NewFile("x", []byte(text))); ds.Err() != nil {
		t.Fatal(ds)
	}
}

// TestHostile: files made to take long or to fill the memory are answered in
// the time that reading them takes.
func TestHostile(t *testing.T) {
	skipIfShort(t)
	copies := func() string {
		var b strings.Builder
		b.WriteString("set a = {")
		for i := range 60_000 {
			fmt.Fprintf(&b, "10.%d.%d.1,\n", i>>8, i&255)
		}
		return b.String() + "}\n" + strings.Repeat("drop from { @a, 192.0.2.1 }\n", 100)
	}
	tests := []struct{ name, text, want string }{
		{"a line of 32 MiB", strings.Repeat("{", rules.MaxFileSize), "limit"},
		{"ten million elements", "set a = {\n" + strings.Repeat(strings.Repeat("1,", 100_000)+"\n", 100) + "}", "limit"},
		{"too many rules", strings.Repeat("drop\n", rules.MaxRules+1), "limit"},
		{"too many clauses", strings.Repeat("drop"+strings.Repeat(" ip", 63)+"\n", rules.MaxClauses/63+1), "limit"},
		{"copies of a set", copies(), "limit"},
		{"nested braces", "drop from " + strings.Repeat("{", 500_000), "unclosed-brace"},
		{"NUL bytes", strings.Repeat("\x00", 1<<20), "bad-character"},
		{"mistakes", strings.Repeat("drop to port 70000\n", 200_000), "bad-port"},
		{"unknown sets", strings.Repeat("drop to port @x\nset a = { 80 }\n", 100_000), "unknown-set"},
		{"copied clauses", "chain a {\n" + strings.Repeat("drop udp\n", 1000) + "}\n" + strings.Repeat("jump a"+strings.Repeat(" ip", 63)+"\n", 100), "limit"},
		{"clauses in front of rules", "ip" + strings.Repeat(" udp", 60) + "{\n" + strings.Repeat("drop udp\n", 100_000) + "}", "limit"},
		{"many blocks", strings.Repeat("ip{}\n", rules.MaxRules+1), "limit"},
		{"blocks in blocks", strings.Repeat("ip{", 300_000), "limit"},
		{"blocks that are not closed", strings.Repeat("ip{drop\nset a = { }\n", 100_000), "unclosed-brace"},
		{"jumps to nowhere", strings.Repeat("chain a { jump b }\n", 100_000), "unknown-chain"},
		{"a set without a brace", "set a =" + strings.Repeat("\n", 1_000_000) + "80", "bad-set"},
		{"tests without a name", strings.Repeat("test"+strings.Repeat("\n", 1000)+"{ }", 1000), "bad-test"},
		{"blocks without a brace", strings.Repeat("tcp\n"+strings.Repeat(strings.Repeat(" ", 1000)+"\n", 99), 200), "no-verdict"},
		{"lists in lists", "drop from {" + strings.Repeat(" { 1 }"+strings.Repeat("\n", 100), 10_000), "unexpected"},
		{"joined lines", "drop udp " + strings.Repeat("\\\n", 500_000) + "tcp", "contradiction"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			start := processorTime()
			rs, ds := rules.ParseAndCheck(rules.NewFile("x", []byte(test.text)))
			if rs != nil || ds.Err() == nil || len(ds) > rules.MaxErrors+1+rules.MaxWarnings+1 {
				t.Fatalf("%d diagnostics", len(ds))
			}
			if !strings.Contains(ds.Error(), "["+test.want+"]") {
				t.Errorf("got %v, want %s", ds, test.want)
			}
			if out := format(t, ds); len(out) > 100_000 {
				t.Errorf("%d bytes of messages", len(out))
			}
			if took := processorTime() - start; took > 10*time.Second {
				t.Errorf("took %v", took)
			}
		})
	}
}

// TestDoublingSets: sets that name the one before twice cost nothing, for they
// come to the same values.
func TestDoublingSets(t *testing.T) {
	var b strings.Builder
	b.WriteString("set s0 = { 80 }\n")
	for i := 1; i < rules.MaxSetDepth; i++ {
		fmt.Fprintf(&b, "set s%d = { @s%d, @s%d }\n", i, i-1, i-1)
	}
	fmt.Fprintf(&b, "drop to port @s%d", rules.MaxSetDepth-1)
	start := processorTime()
	rs := mustCheck(t, b.String())
	if got := rs.Rules[0].String(); got != "drop to port 80" {
		t.Error(got)
	}
	if took := processorTime() - start; took > 100*time.Millisecond {
		t.Errorf("took %v", took)
	}
}

// TestManyRules: 100,000 rules stay within a second or two and 1 GB, all that
// is ever allocated counted.
func TestManyRules(t *testing.T) {
	skipIfShort(t)
	const n = 100_000
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "r-%d: drop tcp from %d.%d.%d.0/24 to { 192.0.2.%d, 2001:db8:%x::/48 } port { %d, %d-%d }\n",
			i, 1+i%200, i/200%256, i*7%256, i%256, i%65536, i%60000, i%60000+5, i%60000+500)
	}
	text := []byte(b.String())
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	start := processorTime()
	rs, ds := rules.ParseAndCheck(rules.NewFile("x", text))
	took := processorTime() - start
	runtime.ReadMemStats(&after)
	if ds.Err() != nil || len(rs.Rules) != n {
		t.Fatal(ds)
	}
	allocated := after.TotalAlloc - before.TotalAlloc
	t.Logf("%d rules, %d MiB of text: %v, %d MiB allocated", n, len(text)>>20, took, allocated>>20)
	if allocated > 1<<30 || took > 10*time.Second { // 0.5 s on a quiet machine
		t.Errorf("%v, %d bytes allocated", took, allocated)
	}
}

func TestReadFile(t *testing.T) {
	dir := t.TempDir()
	write := func(name string, size int64) string {
		path := filepath.Join(dir, name)
		f, err := os.Create(path)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		if err := f.Truncate(size); err != nil {
			t.Fatal(err)
		}
		return path
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	_, err := rules.ReadFile(write("large.fw", 100_000_000))
	runtime.ReadMemStats(&after)
	if err == nil || !strings.Contains(err.Error(), "limit") {
		t.Errorf("100 MB: %v", err)
	}
	if read := after.TotalAlloc - before.TotalAlloc; read > 1<<20 {
		t.Errorf("100 MB: %d bytes allocated before it was refused", read)
	}
	if _, err := rules.ReadFile(dir); err == nil || !strings.Contains(err.Error(), "is a directory") {
		t.Errorf("directory: %v", err)
	}
	if _, err := rules.ReadFile(filepath.Join(dir, "none.fw")); !os.IsNotExist(err) {
		t.Errorf("missing: %v", err)
	}
	if f, err := rules.ReadFile(write("small.fw", 10)); err != nil || len(f.Text) != 10 || filepath.Base(f.Name) != "small.fw" {
		t.Errorf("ten bytes: %v, %v", f, err)
	}
	if _, err := os.Stat("/dev/zero"); err == nil {
		if _, err := rules.ReadFile("/dev/zero"); err == nil || !strings.Contains(err.Error(), "limit") {
			t.Errorf("a device without an end: %v", err)
		}
	}
}
