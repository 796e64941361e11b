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
