package main

import (
	"io"
	"slices"
	"strings"
	"testing"
)

// Every verb takes its options before, behind and among its arguments.
func TestArrange(t *testing.T) {
	for _, test := range []struct{ words, want string }{
		{"", ""},
		{"--version", "--version"},
		{"help", "--help"},
		{"help check", "check --help"},
		{"check a.fw", "check -- a.fw"},
		{"check --json a.fw b.fw", "check --json -- a.fw b.fw"},
		{"check a.fw --json b.fw", "check --json -- a.fw b.fw"},
		{"check a.fw b.fw --color=never", "check --color=never -- a.fw b.fw"},
		{"check -- --json", "check -- --json"},
		{"check a.fw -- -b.fw", "check -- a.fw -b.fw"},
		{"check -", "check -- -"},
		{"check -h", "check --help"},
		{"check a.fw --help", "check --help"},
		{"compile --verify never a.fw", "compile --verify=never -- a.fw"},
		{"compile a.fw --verify=never --json", "compile --verify=never --json -- a.fw"},
		{"dump a.fw --format json", "dump --format=json -- a.fw"},
		{"dump --format json a.fw", "dump --format=json -- a.fw"},
		{"test a.fw --pcap b,c --pcap d", "test --pcap=b,c --pcap=d -- a.fw"},
		{"test --pcap b --engine reference a.fw", "test --pcap=b --engine=reference -- a.fw"},
		{"load -i eth0 a.fw", "load --i=eth0 -- a.fw"},
		{"load a.fw -i eth0 --mode=native", "load --i=eth0 --mode=native -- a.fw"},
		{"load -i=eth0,eth1 a.fw --force --dry-run", "load --i=eth0,eth1 --force --dry-run -- a.fw"},
		{"unload -i eth0 --netns x", "unload --i=eth0 --netns=x --"},
		{"status --json -i eth0", "status --json --i=eth0 --"},
		{"stats -i eth0 --json", "stats --i=eth0 --json --"},
		{"demo --color never", "demo --color=never --"},
	} {
		line, err := arrange(newApp(io.Discard, io.Discard), strings.Fields(test.words))
		if err != nil {
			t.Errorf("%q: %v", test.words, err)
			continue
		}
		if got := strings.Join(line.words()[1:], " "); got != test.want {
			t.Errorf("%q is arranged as %q, want %q", test.words, got, test.want)
		}
	}
}

func TestArrangeErrors(t *testing.T) {
	for _, test := range []struct{ words, want string }{
		{"chek a.fw", "unknown verb \"chek\"; did you mean `xdpfw check`?"},
		{"frobnicate", "unknown verb \"frobnicate\""},
		{"--json check a.fw", "unknown option --json"},
		{"--version check", "options of a verb stand behind it: xdpfw check [options]"},
		{"check --jsn a.fw", "unknown option --jsn; did you mean --json?"},
		{"check -json a.fw", "unknown option -json; did you mean --json?"},
		{"check a.fw --bogus", "unknown option --bogus"},
		{"check -x a.fw", "unknown option -x"},
		{"check ---json a.fw", "unknown option ---json; did you mean --json?"},
		{"check --json=yes a.fw", "option --json takes no value"},
		{"check --color", "option --color needs a value"},
		{"check --color --json", "option --color needs a value"},
		{"check --color= a.fw", "option --color needs a value that is not empty"},
		{"load -ieth0 a.fw", "unknown option -ieth0; did you mean -i eth0?"},
		{"load --i eth0 a.fw", "unknown option --i; did you mean -i?"},
		{"load -i", "option -i needs a value"},
		{"load -i eth0 -i eth1 a.fw", "option -i is given twice"},
		{"check --json a.fw --json", "option --json is given twice"},
		{"load --confirm 30 -i eth0 a.fw", "option --confirm 30: must be a duration, a number with its unit, as 30s or 2m"},
		{"load -hf a.fw", "unknown option -hf; short options are not joined: write each apart"},
		{"load --mod native a.fw", "unknown option --mod; did you mean --mode?"},
	} {
		line, err := arrange(newApp(io.Discard, io.Discard), strings.Fields(test.words))
		if err == nil {
			t.Errorf("%q is arranged as %q, want an error", test.words, line.words())
			continue
		}
		if _, usage := err.(*usageError); !usage || err.Error() != test.want {
			t.Errorf("%q: %q, want %q", test.words, err, test.want)
		}
	}
}

// Whatever the words are: no panic, and the arguments are words given, in their order.
func FuzzArrange(f *testing.F) {
	f.Add("load\x00-i\x00eth0\x00--\x00-x\x00=\x00-")
	f.Add("check\x00--\x00--=\x00-=")
	f.Fuzz(func(t *testing.T, text string) {
		words := strings.Split(text, "\x00")
		line, err := arrange(newApp(io.Discard, io.Discard), words)
		if err != nil {
			return
		}
		rest := words
		for _, arg := range line.args {
			at := slices.Index(rest, arg)
			if at < 0 {
				t.Fatalf("%q became the arguments %q", words, line.args)
			}
			rest = rest[at+1:]
		}
	})
}
