package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// limitVariable makes TestLimitedChild run the command with that many bytes of
// memory; the arguments are in the variable behind it.
const (
	limitVariable     = "XDPFW_TEST_MEMORY"
	argumentsVariable = "XDPFW_TEST_ARGUMENTS"
)

// TestLimitedChild is the command itself, in a process that the kernel gives no
// more memory than a limit.
func TestLimitedChild(t *testing.T) {
	limit, err := strconv.ParseUint(os.Getenv(limitVariable), 10, 64)
	if err != nil {
		t.Skip("only as the child of TestHostileFiles")
	}
	if err := syscall.Setrlimit(syscall.RLIMIT_DATA, &syscall.Rlimit{Cur: limit, Max: limit}); err != nil {
		t.Fatal(err)
	}
	limitMemory()
	os.Exit(run(strings.Fields(os.Getenv(argumentsVariable)), os.Stdout, os.Stderr))
}

// A limitedRun is what became of the command.
type limitedRun struct {
	status int
	output string
	took   time.Duration // of a processor
	peak   int64         // bytes
}

func runLimited(t *testing.T, limit uint64, arguments ...string) limitedRun {
	t.Helper()
	child := exec.Command(os.Args[0], "-test.run=^TestLimitedChild$")
	child.Env = append(os.Environ(), fmt.Sprint(limitVariable, "=", limit), argumentsVariable+"="+strings.Join(arguments, " "))
	var out bytes.Buffer
	child.Stdout, child.Stderr = &out, &out
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	hang := time.AfterFunc(5*time.Minute, func() { child.Process.Kill() })
	child.Wait()
	hang.Stop()
	state := child.ProcessState
	return limitedRun{state.ExitCode(), out.String(), state.UserTime() + state.SystemTime(), state.SysUsage().(*syscall.Rusage).Maxrss << 10}
}

// gigabyte is what no input may take more memory than.
const gigabyte = 1 << 30

// repeat is a text of n lines.
func repeat(n int, line func(i int) string) string {
	var b strings.Builder
	for i := range n {
		b.WriteString(line(i))
		b.WriteByte('\n')
	}
	return b.String()
}

// hostile are files made to take long or to fill the memory: rules.fw of each
// is checked. What is said has want in it; "ok" is that the file is good.
var hostile = []struct {
	name, want string
	heavy      bool
	files      func() map[string]string
}{
	{"a line of 32 MiB", "limit", false, only(func() string { return strings.Repeat("{", 32<<20) })},
	{"ten million elements", "limit", false, only(func() string {
		return "set a = {\n" + strings.Repeat(strings.Repeat("1,", 100_000)+"\n", 100) + "}"
	})},
	{"a million elements", "ok", true, only(func() string {
		return "set a = {\n" + repeat(999_999, func(i int) string { return fmt.Sprintf("%d.%d.%d.1,", i>>16, i>>8&255, i&255) }) + "}\ndrop from @a"
	})},
	{"comments", "limit", false, only(func() string { return "drop\n" + strings.Repeat("#\n", 4_000_000) })},
	{"almost as many comments", "ok", false, only(func() string { return "default pass\n" + strings.Repeat("#\n", 3_999_998) })},
	{"nolint comments", "ok", true, only(func() string { return "default pass\n" + strings.Repeat("# nolint: a,b,c,d\n", 1_700_000) })},
	{"rules", "limit", true, only(func() string { return strings.Repeat("drop\n", 1_000_001) })},
	{"almost as many rules", "ok", true, only(func() string {
		return repeat(999_999, func(i int) string { return fmt.Sprintf("drop tcp to port %d", i&0xffff) })
	})},
	{"labels", "ok", true, only(func() string { return repeat(999_000, func(i int) string { return fmt.Sprintf("n%x: drop udp", i) }) })},
	{"clauses", "limit", true, only(func() string { return strings.Repeat("drop"+strings.Repeat(" ip", 64)+"\n", 50_000) })},
	{"almost as many clauses", "ok", true, only(func() string { return strings.Repeat("drop"+strings.Repeat(" udp", 64)+"\n", 46_000) })},
	{"clauses about one field", "ok", true, only(func() string {
		return "default pass\n" + repeat(40_000, func(i int) string {
			return "drop" + strings.ReplaceAll(repeat(60, func(j int) string { return fmt.Sprintf(" not len %d", 2*j+i%900+10) }), "\n", "")
		})
	})},
	{"a clause again and again", "limit", false, only(func() string { return "drop" + strings.Repeat(" ip", 300_000) })},
	{"sets", "ok", true, only(func() string {
		return "default pass\n" + repeat(900_000, func(i int) string { return fmt.Sprintf("set a%x = {1}", i) })
	})},
	{"sets of sets", "limit", false, only(func() string {
		return "set a0 = { " + repeat(30_000, func(i int) string { return fmt.Sprintf("10.%d.%d.1,", i>>8, i&255) }) + "}\n" +
			repeat(300, func(i int) string { return fmt.Sprintf("set a%d = { @a0, 192.168.0.1 }", i+1) })
	})},
	{"mistakes", "bad-port", true, only(func() string { return strings.Repeat("drop to port 70000\n", 1_000_000) })},
	{"unknown words", "unknown-word", true, only(func() string { return strings.Repeat("drop tpc\n", 1_000_000) })},
	{"unknown sets", "unknown-set", true, only(func() string {
		return repeat(700_000, func(i int) string { return fmt.Sprintf("drop from @a%x", i) })
	})},
	{"contradictions", "contradiction", true, only(func() string { return strings.Repeat("drop tcp udp\n", 1_000_000) })},
	{"braces", "unclosed-brace", false, only(func() string { return "drop from " + strings.Repeat("{", 1_000_000) })},
	{"a long string", "limit", false, only(func() string { return `drop on "` + strings.Repeat("x", 2<<20) + `"` })},
	{"a long word", "bad-address", false, only(func() string { return "drop from " + strings.Repeat("1.", 500_000) })},
	{"long lines in messages", "bad-address", false, only(func() string { return strings.Repeat("drop from "+strings.Repeat("1.", 500_000)+"\n", 32) })},
	{"blocks in blocks", "limit", false, only(func() string { return strings.Repeat("ip {", 500_000) })},
	{"blocks that are not closed", "unclosed-brace", false, only(func() string { return strings.Repeat("ip {\ndrop\nset a = { }\n", 100_000) })},
	{"rules of one block", "ok", true, only(func() string {
		return "ip {\n" + repeat(999_000, func(i int) string { return fmt.Sprintf("drop tcp to port %d", i&0xffff) }) + "}"
	})},
	{"long text in front of rules", "ok", true, only(func() string { return longBlock(63) + strings.Repeat("drop\n", 500_000) + "}" })},
	{"long text in front of rules with clauses", "ok", true, only(func() string { return longBlock(3) + strings.Repeat("drop udp\n", 500_000) + "}" })},
	{"chains that double", "limit", false, only(func() string {
		return "chain c0 {\ndrop udp\n}\n" + repeat(63, func(i int) string { return fmt.Sprintf("chain c%d {\njump c%d\njump c%d\n}", i+1, i, i) }) + "jump c63"
	})},
	{"chains that double, of nothing", "ok", false, only(func() string {
		return "default pass\nchain c0 {\n}\n" + repeat(63, func(i int) string { return fmt.Sprintf("chain c%d {\njump c%d\njump c%d\n}", i+1, i, i) }) + "jump c63"
	})},
	{"a chain of a million steps", "ok", true, only(func() string {
		return "chain c {\n" + strings.Repeat("drop udp\n", 1000) + "}\n" + strings.Repeat("jump c tcp\n", 999)
	})},
	{"rules that are hard to tell apart", "ok", true, only(func() string {
		return repeat(150_000, func(i int) string {
			return fmt.Sprintf("drop tcp from port %d-%d to port %d-%d ip.ttl > %d ip.id %d-65535", i*7919%30000, 30000+i*104729%30000, i*31%30000, 30000+i*37%30000, i%200, i*41%60000)
		})
	})},
	{"ports with masks", "ok", false, only(func() string {
		return repeat(19_999, func(i int) string { return fmt.Sprintf("drop udp to port %d/%#x", i*7919&0xffff&(i|1), i|1) })
	})},
	{"bytes at every place", "ok", false, only(func() string {
		return repeat(20_000, func(i int) string {
			return fmt.Sprintf("drop at eth+%d 2 == %d at net+%d 4 == %d", i%250, i, i*7%250, i)
		})
	})},
	{"long rules", "ok", true, only(func() string {
		clauses := repeat(60, func(i int) string { return fmt.Sprintf(" at eth+%d 1 != %%d", i) })
		return repeat(9_900, func(i int) string {
			return "drop" + strings.ReplaceAll(strings.ReplaceAll(clauses, "\n", ""), "%d", fmt.Sprint(i%250))
		})
	})},
	{"interfaces", "limit", false, only(func() string { return repeat(900_000, func(i int) string { return fmt.Sprintf("drop on i%x", i) }) })},
	{"masks", "limit", false, only(func() string {
		return "set a = {\n" + repeat(900_000, func(i int) string { return fmt.Sprintf("10.%d.%d.0/255.%d.%d.0,", i>>8&255, i&255, i>>8&255, i&255) }) + "}\ndrop from @a"
	})},
	{"long test packets", "limit", false, only(func() string {
		return "drop udp\ntest \"a\" {\n" + strings.Repeat("drop udp 192.0.2.1:1 > 192.0.2.2:2 len 65000\n", 600_000) + "}"
	})},
	{"test packets in hexadecimal", "ok", true, only(func() string {
		return "drop udp\ntest \"a\" {\n" + strings.Repeat("drop hex \""+strings.Repeat("00", 60_000)+"\"\n", 250) + "}"
	})},
	{"include bomb", "limit", false, func() map[string]string {
		files := map[string]string{"rules.fw": strings.Repeat("include \"0.fw\"\n", 1000), "9.fw": "drop udp\n"}
		for i := range 9 {
			files[fmt.Sprint(i, ".fw")] = strings.Repeat(fmt.Sprintf("include \"%d.fw\"\n", i+1), 1000)
		}
		return files
	}},
	{"includes of a large file", "limit", false, func() map[string]string {
		return map[string]string{"rules.fw": strings.Repeat("include \"a.fw\"\n", 900), "a.fw": strings.Repeat("drop udp\n", 100_000)}
	}},
	{"includes in a circle", "include-cycle", false, func() map[string]string {
		return map[string]string{"rules.fw": "include \"a.fw\"\n", "a.fw": strings.Repeat("include \"rules.fw\"\n", 500_000)}
	}},
	{"devices", "unreadable", false, only(func() string { return "include \"/dev/zero\"\nset a = file \"/dev/zero\"\ndrop from @a" })},
	{"a million prefixes in a set's file", "ok", false, func() map[string]string {
		return map[string]string{"rules.fw": "set a = file \"a.txt\"\ndrop from @a",
			"a.txt": repeat(1_000_000, func(i int) string { return fmt.Sprintf("%d.%d.%d.0/24", 1+i*7919%220, i/7%256, i%256) })}
	}},
	{"files of sets", "limit", true, func() map[string]string {
		files := map[string]string{"rules.fw": repeat(900, func(i int) string { return fmt.Sprintf("set a%d = file \"%d.txt\"", i, i%3) })}
		for i := range 3 {
			files[fmt.Sprint(i, ".txt")] = repeat(900_000, func(i int) string { return fmt.Sprintf("2001:db8:%x:%x::/64", i*7919%65536, i/16) })
		}
		return files
	}},
	{"NUL bytes", "bad-character", false, only(func() string { return strings.Repeat("\x00", 1<<20) })},
}

// longBlock is the head of a block whose text is as long as that of so many
// clauses can be.
func longBlock(clauses int) string {
	list := strings.TrimSuffix(repeat(16, func(i int) string {
		return fmt.Sprintf("2001:db8:%x:1:2:3:4:%x-2001:db8:%x:5:6:7:8:9,", 4096+2*i, i+1, 4096+2*i)
	}), "\n")
	return strings.Repeat("from {"+strings.ReplaceAll(list, "\n", " ")+"} ", clauses) + "{\n"
}

// only is a rule file and nothing beside it.
func only(text func() string) func() map[string]string {
	return func() map[string]string { return map[string]string{"rules.fw": text()} }
}

// TestHostileFiles: each is answered within seconds and within a gigabyte,
// which the kernel enforces.
func TestHostileFiles(t *testing.T) {
	if testing.Short() { // the race detector has too much memory of its own
		t.Skip("counts memory")
	}
	for _, h := range hostile {
		t.Run(h.name, func(t *testing.T) {
			if h.heavy && os.Getenv("XDPFW_HOSTILE") == "" {
				t.Skip("fills most of a gigabyte; XDPFW_HOSTILE=1 runs it")
			}
			dir := t.TempDir()
			for name, text := range h.files() {
				if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			r := runLimited(t, gigabyte, "check", filepath.Join(dir, "rules.fw"))
			t.Logf("%.1f s, %d MiB", r.took.Seconds(), r.peak>>20)
			want, status := "["+h.want+"]", statusInput
			if h.want == "ok" {
				want, status = ", ok\n", statusDone
			}
			if r.status != status || !strings.Contains(r.output, want) {
				t.Errorf("exit status %d, want %d; no %q in:\n%.1000s", r.status, status, want, r.output)
			}
			if len(r.output) > 200_000 {
				t.Errorf("%d bytes of messages", len(r.output))
			}
			if r.took > 30*time.Second {
				t.Errorf("took %v", r.took)
			}
		})
	}
}

// TestHostileCompile: what takes most to compile is compiled, or refused, within
// a gigabyte and a half.
func TestHostileCompile(t *testing.T) {
	if os.Getenv("XDPFW_HOSTILE") == "" && os.Getenv("XDPFW_REQUIRE_BPF") != "1" {
		t.Skip("takes a minute and more than a gigabyte; XDPFW_HOSTILE=1 runs it")
	}
	for _, h := range []struct{ name, strategy, want, text string }{
		{"a million lengths, tables", "auto", `"strategy":"table"`, lengthRules(999_000)},
		{"a million lengths, one after another", "chain", "exceeds the 1000000 instructions", lengthRules(999_000)},
		{"lists that are negated", "auto", `"strategy":"table"`, negatedRules(500_000)},
	} {
		t.Run(h.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "rules.fw")
			if err := os.WriteFile(path, []byte(h.text), 0o600); err != nil {
				t.Fatal(err)
			}
			r := runLimited(t, gigabyte*3/2, "compile", "--verify", "never", "--json", "--strategy", h.strategy, path)
			t.Logf("%.1f s, %d MiB", r.took.Seconds(), r.peak>>20)
			if !strings.Contains(r.output, h.want) {
				t.Errorf("exit status %d, no %q in:\n%s", r.status, h.want, r.output[max(0, len(r.output)-1000):])
			}
			if r.took > time.Minute {
				t.Errorf("took %v", r.took)
			}
		})
	}
}

func lengthRules(n int) string {
	return "default pass\n" + repeat(n, func(i int) string { return fmt.Sprintf("l%d: drop len %d", i, i) })
}

// negatedRules read a list of 30,000 numbers and, twice, what is not in it.
func negatedRules(n int) string {
	list := repeat(30_000, func(i int) string { return fmt.Sprint(2*i, ",") })
	return "default pass\nset a = {\n" + list + "}\n" + strings.Repeat("drop to port @a from port != @a len != @a\n", n)
}

// TestSparseGigabyte: files that are larger than they may be are not read.
func TestSparseGigabyte(t *testing.T) {
	if testing.Short() {
		t.Skip("counts memory")
	}
	path := filepath.Join(t.TempDir(), "rules.fw")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := f.Truncate(10 * gigabyte); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{path, "/dev/zero"} {
		// The peak is no measure of so little: a child begins with its parent's.
		r := runLimited(t, gigabyte/4, "check", path)
		if r.status != statusInput || !strings.Contains(r.output, "limit: ") {
			t.Errorf("%s: exit status %d, %d MiB, %s", path, r.status, r.peak>>20, r.output)
		}
	}
}
