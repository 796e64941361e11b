package rules_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"xdpfw/rules"
)

// TestTwentyMistakes: twenty mistakes all over the language, in files as people
// write them, give exactly twenty messages, one for each line.
func TestTwentyMistakes(t *testing.T) {
	paths, err := filepath.Glob("../testdata/errors/twenty*.fw")
	if err != nil || len(paths) < 4 {
		t.Fatalf("%d files: %v", len(paths), err)
	}
	for _, path := range paths {
		_, ds := rules.ParseAndCheckWith(readErrorFile, readTestFile(t, path))
		if len(ds) != 20 {
			t.Errorf("%s: %d messages, want 20", path, len(ds))
		}
		last := 0
		for _, d := range ds {
			if line := d.Span.Position().Line; line <= last || d.Severity != rules.Error || d.Code == "too-many-errors" {
				t.Errorf("%s: a %v in line %d behind one in line %d: %s", path, d.Severity, line, last, d.Message)
			} else {
				last = line
			}
		}
	}
}

// A mistake is some lines of a must-fail file, which may stand among others.
type mistake struct {
	text  string
	want  []string // the messages, without the number of the line in front
	lines []int    // which line of the text each is about
	words map[string]bool
}

// TestMistakesTogether: mistakes from must-fail files, twenty of them in a file
// in any order, are reported each as if it stood alone.
func TestMistakesTogether(t *testing.T) {
	all := mistakes(t)
	if len(all) < 300 {
		t.Fatalf("%d mistakes to choose from", len(all))
	}
	random := rand.New(rand.NewPCG(3, 20))
	for n := range 1000 {
		text, want := composed(random, all)
		_, ds := rules.ParseAndCheckWith(readErrorFile, rules.NewFile("x", []byte(text)))
		var got []string
		for _, d := range ds {
			if d.Severity == rules.Error {
				got = append(got, fmt.Sprintf("%d%s", d.Span.Position().Line, shortly(&d)))
			}
		}
		if len(want) != 20 || !slices.Equal(got, want) {
			t.Fatalf("file %d:\n%s\ngot:\n%s\nwant:\n%s", n, text, strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
	}
}

// composed is a text of twenty mistakes, and their messages.
func composed(random *rand.Rand, all []mistake) (text string, want []string) {
	used := map[string]bool{}
	for line := 0; len(want) < 20; {
		m := all[random.IntN(len(all))]
		if len(want)+len(m.want) > 20 || sharesName(m.words, used) {
			continue
		}
		for word := range m.words {
			used[word] = true
		}
		for i, message := range m.want {
			want = append(want, fmt.Sprintf("%d%s", line+m.lines[i], message))
		}
		text += m.text + "\n"
		line += strings.Count(m.text, "\n") + 1
	}
	return text, want
}

func sharesName(words, used map[string]bool) bool {
	for word := range words {
		if used[word] {
			return true
		}
	}
	return false
}

func shortly(d *rules.Diagnostic) string {
	return fmt.Sprintf(":%d: %s [%s]", d.Span.Position().Col, d.Message, d.Code)
}

// What is wrong with the shape of a file changes what stands behind it.
var shapeCodes = []string{"unclosed-brace", "no-rules", "bad-encoding", "limit", "too-many-errors", "unterminated-string"}

// mistakes are those of the must-fail files that can stand among others: each
// line that is one mistake for itself, and else the whole files.
func mistakes(t *testing.T) (all []mistake) {
	for _, path := range errorFiles(t) {
		text := strings.TrimRight(string(readTestFile(t, path).Text), "\n")
		if strings.ContainsAny(text, "\x00\r") || strings.Contains(text, "\\\n") || strings.HasSuffix(text, "\\") {
			continue
		}
		before := len(all)
		for line := range strings.Lines(text) {
			all = addMistake(all, strings.TrimRight(line, "\n"), 1)
		}
		if len(all) == before || strings.Contains(text, "}\n") {
			all = addMistake(all, text, 6)
		}
	}
	return all
}

// mustNotBegin: what may go on with the line in front of it, in the reading that
// is likely if that is wrong too.
var mustNotBegin = regexp.MustCompile(`^\s*([{}@,0-9]|$)`)

// addMistake adds a text that has at least one error, and no more than most.
func addMistake(all []mistake, text string, most int) []mistake {
	if strings.Contains(text, "#") || mustNotBegin.MatchString(text) {
		return all
	}
	// A rule besides, so that its lack is no mistake.
	_, ds := rules.ParseAndCheckWith(readErrorFile, rules.NewFile("x", []byte(text+"\npass\n")))
	m := mistake{text: text, words: names(text)}
	for _, d := range ds {
		switch {
		case slices.Contains(shapeCodes, d.Code) || d.Span.File.Name != "x" || strings.Contains(d.Message, "closes nothing"):
			return all
		case d.Severity == rules.Error:
			m.want, m.lines = append(m.want, shortly(&d)), append(m.lines, d.Span.Position().Line)
		}
	}
	if len(m.want) == 0 || len(m.want) > most {
		return all
	}
	return append(all, m)
}

var nameLike = regexp.MustCompile(`(?:@|\b(?:set|chain|jump|include|file|test) +@?)"?([\w./-]+)|^ *([\w-]+) ?:|\b(default) `)

// names are the words of a text that may be defined in it, or used: what is in
// one place defined changes what is said about it in another.
func names(text string) map[string]bool {
	words := map[string]bool{}
	for line := range strings.Lines(text) {
		for _, m := range nameLike.FindAllStringSubmatch(line, -1) {
			for _, name := range m[1:] {
				if name != "" {
					words[name] = true
				}
			}
		}
		for _, word := range strings.FieldsFunc(line, func(r rune) bool { return strings.ContainsRune(" {},@", r) }) {
			if strings.HasPrefix(word, `"`) {
				words[word] = true
			}
		}
	}
	return words
}

// TestHelpIsAccepted: what a message suggests in place of what it marks is no
// mistake in that place.
func TestHelpIsAccepted(t *testing.T) {
	suggestion := regexp.MustCompile("did you mean .*`\\?")
	quoted := regexp.MustCompile("`([^`]+)`")
	tried := 0
	for _, path := range errorFiles(t) {
		file := readTestFile(t, path)
		_, before := rules.ParseAndCheckWith(readErrorFile, file)
		for _, d := range before {
			if d.Severity != rules.Error || d.Span.File != file || isNoReplacement(&d) {
				continue
			}
			for _, m := range quoted.FindAllStringSubmatch(suggestion.FindString(d.Help), -1) {
				tried++
				text, at := applied(&d, m[1])
				_, after := rules.ParseAndCheckWith(readErrorFile, rules.NewFile(file.Name, []byte(text)))
				for _, other := range after {
					if other.Severity == rules.Error && other.Span.Start >= at && other.Span.Start < at+len(m[1]) && !slices.Contains(besides, other.Code) {
						t.Errorf("%s: with %q in place of %q: %s [%s]", d.Span.Position(), m[1], d.Span.Text(), other.Message, other.Code)
					}
				}
			}
		}
	}
	if t.Logf("%d suggestions", tried); tried < 150 {
		t.Errorf("%d suggestions tried", tried)
	}
}

// What may be wrong besides: with the word as it should be, only then it can
// be seen that it does not fit to others.
var besides = []string{"wrong-family", "unknown-set", "contradiction", "mixed-set", "no-icmp"}

// isNoReplacement: these suggest what stands elsewhere or around what is marked.
func isNoReplacement(d *rules.Diagnostic) bool {
	switch {
	case d.Code == "wrong-family" || d.Code == "wrong-kind" || d.Code == "mixed-families": // of the whole clause, or of the protocol
		return true
	case d.Code == "no-type": // in front of it
		return true
	}
	return false
}

// applied is the text with a suggestion in place of what is marked, and where
// that begins. What is wrong together with another clause is in place of both.
func applied(d *rules.Diagnostic, suggested string) (text string, at int) {
	source, start, end := string(d.Span.File.Text), d.Span.Start, d.Span.End
	text = source[:start] + suggested + source[end:]
	if d.Code == "contradiction" && len(d.Notes) == 1 {
		other := d.Notes[0].Span
		text = text[:other.Start] + strings.Repeat(" ", other.End-other.Start) + text[other.End:]
	}
	return text, start
}

// goodFiles are the texts of the project's rule files that have no mistake.
func goodFiles(t *testing.T) (texts []string) {
	for _, file := range rules.ProjectFiles(t) {
		if rs, _ := rules.ParseAndCheckWith(noFile, file); rs != nil && len(file.Text) < 4000 {
			texts = append(texts, string(file.Text))
		}
	}
	if len(texts) < 50 {
		t.Fatalf("%d rule files", len(texts))
	}
	return texts
}

func noFile(string, int) ([]byte, error) { return nil, os.ErrNotExist }

// TestOneTokenWrong: a rule file with one token too few, too many or in
// another's place gives few messages: hardly ever more than three. (What is no
// longer in the braces of a test gives one for each line.)
func TestOneTokenWrong(t *testing.T) {
	tokens := regexp.MustCompile(`#[^\n]*|"[^"\n]*"|[\w.:/+@*-]+|[=!<>]=|[^\s\w]|\n`)
	random := rand.New(rand.NewPCG(4, 1))
	const most = 3
	var counts [12]int // of files, by the number of messages
	good := goodFiles(t)
	for n := range 20000 {
		text := good[n%len(good)]
		at := tokens.FindAllStringIndex(text, -1)
		i, j := random.IntN(len(at)), random.IntN(len(at))
		a, b := text[at[i][0]:at[i][1]], text[at[j][0]:at[j][1]]
		if strings.HasPrefix(a, "#") || strings.HasPrefix(b, "#") {
			continue
		}
		insert := [...]string{"", a + " " + a, b}[random.IntN(3)]
		wrong := text[:at[i][0]] + insert + text[at[i][1]:]
		_, ds := rules.ParseAndCheckWith(noFile, rules.NewFile("x", []byte(wrong)))
		errors := slices.DeleteFunc(slices.Clone(ds), func(d rules.Diagnostic) bool { return d.Severity != rules.Error })
		counts[min(len(errors), len(counts)-1)]++
		if len(errors) > most {
			t.Logf("%q in place of %q gives %d messages:\n%s\n%s", insert, a, len(errors), wrong, format(t, errors))
		}
	}
	all, more, largest := 0, 0, 0
	for n, files := range counts {
		if all += files; n > most {
			more += files
		}
		if files > 0 {
			largest = n
		}
	}
	t.Logf("files by their number of messages: %v", counts)
	if more*500 > all || largest > 10 {
		t.Errorf("%d of %d files have more than %d messages, one has %d", more, all, most, largest)
	}
}
