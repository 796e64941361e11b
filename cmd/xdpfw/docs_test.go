package main

import (
	"bytes"
	"flag"
	"io"
	"os"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the results of the samples into docs/cli.md")

const (
	manual      = "../../docs/cli.md"
	sampleStart = "```console\n"
	fileStart   = "```fw "
	fenceEnd    = "```\n"
	prompt      = "$ "
)

// TestManual runs the samples of docs/cli.md: in a block of kind `console` each
// command prints what stands below it. Commands in other places, which need an
// interface or root, must at least be understood.
func TestManual(t *testing.T) {
	text, err := os.ReadFile(manual)
	if err != nil {
		t.Fatal(err)
	}
	path, _ := os.Getwd()
	t.Chdir(t.TempDir())
	capture, err := writeCapture(nil, manualFrames)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile("web.pcap", capture, 0o600); err != nil {
		t.Fatal(err)
	}
	rewritten := runManual(t, string(text))
	if rewritten == string(text) {
		return
	}
	if *update {
		t.Chdir(path)
		if err := os.WriteFile(manual, []byte(rewritten), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	was, is := strings.Split(string(text), "\n"), strings.Split(rewritten, "\n")
	for i := range min(len(was), len(is)) {
		if was[i] != is[i] {
			t.Fatalf("docs/cli.md:%d: the manual says\n\t%s\nthe command says\n\t%s", i+1, was[i], is[i])
		}
	}
	t.Fatal("docs/cli.md: results are missing at the end")
}

// manualFrames are in web.pcap: a SYN to port 443, UDP to port 53, a SYN to
// port 23, and a TCP header that the capture cut.
const manualFrames = `
020000000002 020000000001 0800 45000028000000004006 0000 c6336407 cb007101 15b3 01bb 00000000 00000000 5002 ffff 0000 0000
020000000002 020000000001 0800 4500001c000000004011 0000 c6336407 cb007101 15b3 0035 0008 0000
020000000002 020000000001 0800 45000028000000004006 0000 c6336407 cb007101 15b3 0017 00000000 00000000 5002 ffff 0000 0000
020000000002 020000000001 86dd 600000000014 0640 20010db8000000000000000000000001 20010db8000000000000000000000002 15b3 01bb /74
`

// runManual writes the files that the manual shows, runs the samples, and
// returns the manual with their results.
func runManual(t *testing.T, text string) string {
	var out, file strings.Builder
	name, inSample, commands := "", false, 0
	for line := range strings.Lines(text) {
		command, isCommand := strings.CutPrefix(strings.TrimPrefix(line, "    "), prompt)
		switch {
		case line == fenceEnd && name != "":
			if err := os.WriteFile(name, []byte(file.String()), 0o600); err != nil {
				t.Fatal(err)
			}
			file.Reset()
			name = ""
		case name != "":
			file.WriteString(line)
		case line == fenceEnd:
			inSample = false
		case strings.HasPrefix(line, fileStart):
			name = strings.TrimSpace(strings.TrimPrefix(line, fileStart))
		case line == sampleStart:
			inSample = true
		case isCommand:
			commands++
			command, _, _ = strings.Cut(command, " | ") // what reads it is another's
			words := shellWords(strings.TrimPrefix(command, "sudo "))[1:]
			if _, err := arrange(newApp(io.Discard, io.Discard), words); err != nil {
				t.Errorf("%s: %v", strings.TrimSpace(command), err)
			}
			if inSample {
				var printed bytes.Buffer
				run(words, &printed, &printed)
				line += printed.String()
			}
		case inSample:
			line = "" // an earlier result
		}
		out.WriteString(line)
	}
	if commands < 10 {
		t.Errorf("only %d commands found in the manual", commands)
	}
	return out.String()
}

// shellWords takes a command apart as a shell does: at blanks that are not
// between apostrophes.
func shellWords(command string) (words []string) {
	for i, part := range strings.Split(command, "'") {
		if i%2 == 0 {
			words = append(words, strings.Fields(part)...)
		} else {
			words = append(words, part)
		}
	}
	return words
}
