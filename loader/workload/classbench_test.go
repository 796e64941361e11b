package workload

import (
	"strings"
	"testing"
)

// TestClassBench: each line becomes one rule, of these clauses.
func TestClassBench(t *testing.T) {
	const filters = `@10.1.2.3/32	192.0.2.0/24	0 : 65535	80 : 80	0x06/0xFF	0x1000/0x1000	
@0.0.0.0/0	192.0.2.0/23	1024 : 65535	33434 : 33600	0x11/0xFF	0x0000/0x0000	
@0.0.0.0/0	0.0.0.0/0	53 : 53	0 : 65535	0x00/0x00	0x0000/0x0000	
@10.0.0.0/8	0.0.0.0/0	0 : 65535	0 : 65535	0x2f/0xFF	0x0000/0x0000	
@0.0.0.0/0	192.0.2.9/31	7 : 7	0 : 65535	0x01/0xFF	0x0000/0x0000	
@0.0.0.0/0	0.0.0.0/0	0 : 65535	0 : 65535	0x06/0xFF	0x0000/0x0200	
@0.0.0.0/0	0.0.0.0/0	0 : 65535	0 : 65535	0x00/0x00	0x0000/0x0000	
@10.0.0.0/9	0.0.0.0/0	0 : 65535	0 : 0	0x00/0x00	0x0000/0x0000	
`
	const want = `default pass
drop tcp from 10.1.2.3 to 192.0.2.0/24 port 80
drop udp from port 1024-65535 to 192.0.2.0/23 port 33434-33600
drop from port 53
drop proto 47 from 10.0.0.0/8
drop proto 1 to 192.0.2.8/31
drop tcp
pass ip
drop from 10.0.0.0/9 to port 0
`
	text, n, err := ClassBench(strings.NewReader(filters))
	if err != nil || n != 8 || string(text) != want {
		t.Errorf("%d rules, error %v:\n%s\nwant 8:\n%s", n, err, text, want)
	}
	read(t, text)
}

// A line that is no filter is named.
func TestClassBenchErrors(t *testing.T) {
	const good = "@0.0.0.0/0\t0.0.0.0/0\t0 : 65535\t0 : 65535\t0x06/0xFF\t0x0000/0x0000\n"
	for line, want := range map[string]string{
		"10.0.0.0/8\n": `line 2: "10.0.0.0/8" is no filter: it begins with @, and has at least 5 columns between tabs`,
		strings.Replace(good, "0.0.0.0/0", "x/0", 1):   `line 2: netip.ParsePrefix("x/0"): ParseAddr("x"): unable to parse IP`,
		strings.Replace(good, "0 : 65535", "0-1", 1):   `line 2: ports "0-1": they are two numbers with a colon between them`,
		strings.Replace(good, "0 : 65535", "2 : 1", 1): `line 2: ports "2 : 1": the first is the smaller one`,
		strings.Replace(good, "0xFF", "0x0F", 1):       `line 2: protocol "0x06/0x0F": the mask is 0xFF or 0x00`,
	} {
		if _, _, err := ClassBench(strings.NewReader(good + line)); err == nil || err.Error() != want {
			t.Errorf("%q: error %v, want %s", line, err, want)
		}
	}
}
