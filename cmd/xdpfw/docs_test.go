package main

import (
	"bytes"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the results of the samples into the pages of docs, and testdata/sizes.txt")

const (
	sampleStart = "```console\n"
	fenceEnd    = "```\n"
	prompt      = "$ "
)

// fileStart is the fence of a file that a page shows, with its name.
var fileStart = regexp.MustCompile("^```(?:fw|text) (\\S+\\.\\w+)\n$")

// TestManual runs the samples of docs/cli.md: in a block of kind `console` each
// command prints what stands below it. Commands in other places, which need an
// interface or root, must at least be understood.
func TestManual(t *testing.T) {
	p := newPage(t, "docs/cli.md")
	capture, err := writeCapture(nil, manualFrames)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile("web.pcap", capture, 0o600); err != nil {
		t.Fatal(err)
	}
	p.check(10)
}

// TestTutorial does what docs/tutorial.md says, in a network namespace of its
// own with an interface eth0.
func TestTutorial(t *testing.T) {
	need(t, "bpf")
	need(t, "ip")
	t.Setenv("XDPFW_BPFFS", "") // the demo, in another test, has one of its own
	p := newPage(t, "docs/tutorial.md")
	p.netns = makeNamespace(t, "tutorial", "eth0")
	p.check(15)
}

// makeNamespace makes a network namespace with an interface that is up.
func makeNamespace(t *testing.T, name, iface string) string {
	name = fmt.Sprintf("xdpfw-%s-%d", name, os.Getpid())
	ip := func(words ...string) {
		if out, err := exec.Command("ip", words...).CombinedOutput(); err != nil {
			t.Fatalf("ip %s: %v: %s", strings.Join(words, " "), err, out)
		}
	}
	ip("netns", "add", name)
	t.Cleanup(func() { _ = exec.Command("ip", "netns", "delete", name).Run() })
	ip("-n", name, "link", "add", iface, "type", "veth", "peer", "name", "peer0")
	ip("-n", name, "link", "set", iface, "up")
	return name
}

// A docPage is a text of docs whose samples are run in a folder of their own.
type docPage struct {
	t        *testing.T
	path     string // of the page
	root     string // of the repository
	text     string
	netns    string // where samples with sudo find their interfaces; "": they are not run
	commands int
	varying  map[int]bool // lines of the rewritten page whose numbers differ from run to run
}

func newPage(t *testing.T, path string) *docPage {
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(root, path))
	if err != nil {
		t.Fatal(err)
	}
	t.Chdir(t.TempDir())
	return &docPage{t: t, path: path, root: root, text: string(text), varying: map[int]bool{}}
}

// check that the page shows what its samples print; there are so many of them
// at least.
func (p *docPage) check(commands int) {
	p.t.Helper()
	rewritten := p.rewrite()
	if p.commands < commands {
		p.t.Errorf("only %d commands found in %s", p.commands, p.path)
	}
	was, is := strings.SplitAfter(p.text, "\n"), strings.SplitAfter(rewritten, "\n")
	at := -1
	for i := range max(len(was), len(is)) {
		if i >= min(len(was), len(is)) || p.alike(i, was[i]) != p.alike(i, is[i]) {
			at = i
			break
		}
	}
	switch {
	case at < 0:
	case *update:
		if err := os.WriteFile(filepath.Join(p.root, p.path), []byte(rewritten), 0o644); err != nil {
			p.t.Fatal(err)
		}
	case at >= min(len(was), len(is)):
		p.t.Fatalf("%s: %d lines, with the results of the samples %d", p.path, len(was), len(is))
	default:
		p.t.Fatalf("%s:%d: the page says\n\t%sthe command says\n\t%s", p.path, at+1, was[at], is[at])
	}
}

var (
	numbers = regexp.MustCompile(`[0-9][0-9.:TZ-]*`)
	blanks  = regexp.MustCompile(` +`)
)

// alike is a line as it is compared: of a result that varies without its numbers.
func (p *docPage) alike(line int, text string) string {
	if !p.varying[line] {
		return text
	}
	return blanks.ReplaceAllString(numbers.ReplaceAllString(text, "N"), " ")
}

// rewrite writes the files that the page shows, runs the samples, and returns
// the page with their results.
func (p *docPage) rewrite() string {
	var out, file strings.Builder
	name, inSample := "", false
	for line := range strings.Lines(p.text) {
		command, isCommand := strings.CutPrefix(strings.TrimPrefix(line, "    "), prompt)
		switch {
		case line == fenceEnd && name != "":
			if err := os.WriteFile(name, []byte(file.String()), 0o600); err != nil {
				p.t.Fatal(err)
			}
			file.Reset()
			name = ""
		case name != "":
			file.WriteString(line)
		case line == fenceEnd:
			inSample = false
		case fileStart.MatchString(line):
			name = fileStart.FindStringSubmatch(line)[1]
		case line == sampleStart:
			inSample = true
		case isCommand:
			p.commands++
			command, _, _ = strings.Cut(command, " | ") // what reads it is another's
			result := p.sample(shellWords(command), inSample)
			if strings.HasPrefix(command, "sudo ") {
				first := strings.Count(out.String(), "\n") + 1
				for i := range strings.Count(result, "\n") {
					p.varying[first+i] = true
				}
			}
			line += result
		case inSample:
			line = "" // an earlier result
		}
		out.WriteString(line)
	}
	return out.String()
}

// sample runs a command, if it is to be run, and returns what it prints.
func (p *docPage) sample(words []string, runIt bool) string {
	if words[0] == "go" {
		build := exec.Command("go", append([]string{"build", "-o", filepath.Join(p.t.TempDir(), "xdpfw")}, words[len(words)-1])...)
		build.Dir = p.root
		printed, err := build.CombinedOutput()
		if err != nil {
			p.t.Error(err)
		}
		return string(printed)
	}
	sudo := words[0] == "sudo"
	if sudo {
		words = words[1:]
	}
	words = words[1:]
	if _, err := arrange(newApp(io.Discard, io.Discard), words); err != nil {
		p.t.Errorf("%s: %v", strings.Join(words, " "), err)
	}
	if !runIt || sudo && p.netns == "" {
		return ""
	}
	if slices.Contains(words, "-i") {
		words = append(words, "--netns", p.netns)
	}
	if words[0] == "load" { // else it asks about the session of whoever runs the test
		words = append(words, "--force")
	}
	var printed bytes.Buffer
	run(words, &printed, &printed)
	return printed.String()
}

// manualFrames are in web.pcap: a SYN to port 443, UDP to port 53, a SYN to
// port 23, and a TCP header that the capture cut.
const manualFrames = `
020000000002 020000000001 0800 45000028000000004006 0000 c6336407 cb007101 15b3 01bb 00000000 00000000 5002 ffff 0000 0000
020000000002 020000000001 0800 4500001c000000004011 0000 c6336407 cb007101 15b3 0035 0008 0000
020000000002 020000000001 0800 45000028000000004006 0000 c6336407 cb007101 15b3 0017 00000000 00000000 5002 ffff 0000 0000
020000000002 020000000001 86dd 600000000014 0640 20010db8000000000000000000000001 20010db8000000000000000000000002 15b3 01bb /74
`

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
