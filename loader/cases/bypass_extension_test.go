package cases_test

import (
	"fmt"
	"strings"

	"xdpfw/loader/frames"
)

var extensions = family{
	name: "ipv6-extension-headers",
	about: "A parser that takes the first next header for the protocol, or knows only some of the headers, " +
		"or walks too few, lets TCP behind the others by.",
	rules: `default pass
ssh: drop tcp to port 22
bad: drop invalid
`,
	packets: stacked("ssh", "bad", drop),
}

var extensionsDrop = family{
	name:  "ipv6-extension-headers-default-drop",
	about: "The same headers in front of what is allowed; a walk that fails leaves nothing for a rule to match.",
	rules: `default drop
ssh: pass tcp to port 22
`,
	packets: stacked("ssh", "default", pass),
}

// kinds of headers, with the names of the stacks below.
var kinds = []struct {
	name   string
	header frames.Extension
}{
	{"hop-by-hop", hop}, {"routing", routing}, {"destination", dest}, {"fragment (atomic)", atomic}, {"AH", auth},
}

// stacked is TCP to port 22 behind headers alone, in pairs and in stacks: one
// that is walked meets the decider ssh, one that is not is dropped by bad.
func stacked(walked, bad string, reached func(string, frames.Frame, string, ...any) expectation) []expectation {
	var all []expectation
	for _, k := range kinds {
		all = append(all, reached(walked, ip6(ssh, k.header), "%s", k.name),
			reached(walked, tagged(ip6(ssh, k.header), frames.STag, frames.CTag), "%s, QinQ", k.name))
		for _, inner := range kinds {
			all = append(all, reached(walked, ip6(ssh, k.header, inner.header), "%s, %s", k.name, inner.name))
		}
		for n := 3; n <= 10; n++ {
			stack := make([]frames.Extension, n)
			for i := range stack {
				stack[i] = k.header
			}
			if n <= 8 {
				all = append(all, reached(walked, ip6(ssh, stack...), "%d times %s", n, k.name))
			} else {
				all = append(all, drop(bad, ip6(ssh, stack...), "%d times %s", n, k.name))
			}
		}
		all = append(all, beyondEnd(bad, k.name, k.header)...)
	}
	for _, size := range []int{16, 24, 64, 256, 1024} {
		for _, e := range []frames.Extension{hop, routing, dest, auth} {
			e.Size = size
			all = append(all, reached(walked, ip6(ssh, e), "header %d of %d bytes", e.Kind, size))
		}
	}
	for _, size := range []int{8, 12, 20, 1028} {
		e := auth
		e.Size = size
		all = append(all, reached(walked, ip6(ssh, e), "AH of %d bytes", size))
	}
	order := []frames.Extension{hop, dest, routing, first, auth, dest, atomic, hop}
	for n := 3; n <= len(order); n++ {
		all = append(all, reached(walked, ip6(ssh, order[:n]...), "a stack of %d: %s", n, names(order[:n])))
	}
	return append(all, drop(bad, ip6(ssh, append(order, routing)...), "a stack of 9"))
}

// beyondEnd is the header with a length that runs past the packet, and cut
// within it, padding behind.
func beyondEnd(bad, name string, e frames.Extension) []expectation {
	var all []expectation
	for n := range 8 {
		f := ip6(ssh, e)
		p := f.Network.(frames.IPv6)
		p.Limit = &n
		f.Network, f.Padding = p, 64
		all = append(all, drop(bad, f, "%s, the packet ends %d bytes into it", name, n))
	}
	if e.Kind != frames.Fragment { // whose second byte is no length
		e.Length = new(uint8(30))
		f := ip6(ssh, e)
		f.Padding = 300
		all = append(all, drop(bad, f, "%s, its length runs into the padding", name))
	}
	return all
}

func names(stack []frames.Extension) string {
	var numbers []string
	for _, e := range stack {
		numbers = append(numbers, fmt.Sprint(e.Kind))
	}
	return strings.Join(numbers, " ")
}
