package loader_test

import (
	"testing"

	"xdpfw/codegen"
	"xdpfw/loader"
	"xdpfw/rules"
)

func compileCounting(t *testing.T, text, counters string) *codegen.Object {
	t.Helper()
	rs, diags := rules.ParseAndCheck(rules.NewFile("rules.fw", []byte(text)))
	if err := diags.Err(); err != nil {
		t.Fatal(err)
	}
	obj, err := codegen.Compile(rs, codegen.Options{Counters: counters})
	if err != nil {
		t.Fatal(err)
	}
	return obj
}

// TestCountingVerifies: the kernel takes programs that count less.
func TestCountingVerifies(t *testing.T) {
	requireBPF(t)
	for _, counters := range codegen.CounterModes {
		for _, text := range []string{
			"default drop\n", "drop udp\n", "redirect eth0 udp\ncount tcp\ndrop arp\n",
			"chain c { return udp; return to port 80; drop }\njump c\npass tcp\n",
		} {
			if _, err := loader.Verify(compileCounting(t, text, counters)); err != nil {
				t.Errorf("%s, %q: %v", counters, text, err)
			}
		}
	}
}

// TestRunnerCountsLess: the program decides the same whatever it counts, and
// the Runner says no more than the program tells.
func TestRunnerCountsLess(t *testing.T) {
	requireBPF(t)
	const text = "default drop\nchain c { return to port 80; abort }\ncount udp\njump c udp to port 70-90\npass udp to port 1-100\nredirect eth0 udp to port 200\n"
	decide := func(counters string) (out []rules.Decision) {
		r, err := loader.NewRunner(compileCounting(t, text, counters))
		if err != nil {
			t.Fatal(err)
		}
		defer r.Close()
		for _, port := range []uint16{1, 75, 80, 99, 101, 200} {
			d, counted, err := r.RunCounting(rules.NewPacket(udpIP4([]byte{192, 0, 2, 1}, port)))
			if err != nil {
				t.Fatalf("%s, port %d: %v", counters, port, err)
			}
			if counters != codegen.CountRules && counted != nil {
				t.Errorf("%s, port %d: rules %v counted", counters, port, counted)
			}
			out = append(out, d)
		}
		return out
	}
	byRules := decide(codegen.CountRules)
	byVerdicts, byNothing := decide(codegen.CountVerdicts), decide(codegen.CountNone)
	for i, d := range byRules {
		want := rules.Decision{Verdict: d.Verdict, Rule: codegen.AnyRule}
		if d.Rule == rules.ByDefault {
			want = d
		}
		if byVerdicts[i] != want {
			t.Errorf("packet %d: %+v where verdicts are counted, want %+v", i, byVerdicts[i], want)
		}
		if want := (rules.Decision{Verdict: d.Verdict, Rule: loader.UnknownRule}); byNothing[i] != want {
			t.Errorf("packet %d: %+v where nothing is counted, want %+v", i, byNothing[i], want)
		}
	}
}
