package main

import (
	"go/ast"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"xdpfw/rules"
)

func readDoc(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile("../../" + path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// firstCells are the words in `code` that begin the rows of all tables.
func firstCells(doc string) (cells []string) {
	row := regexp.MustCompile("(?m)^\\| `([a-z/]+)[^|]*\\|")
	for _, m := range row.FindAllStringSubmatch(doc, -1) {
		cells = append(cells, m[1])
	}
	return cells
}

// fenced are the blocks between lines of ```.
func fenced(doc string) (blocks []string) {
	for i, part := range strings.Split(doc, "```\n") {
		if i%2 == 1 {
			blocks = append(blocks, part)
		}
	}
	return blocks
}

func TestReadmeNamesVerbsAndPackages(t *testing.T) {
	readme := readDoc(t, "README.md")
	for _, verb := range newApp(io.Discard, io.Discard).VisibleCommands() {
		if !slices.Contains(firstCells(readme), verb.Name) {
			t.Errorf("README.md does not list the verb %s", verb.Name)
		}
	}
	for _, doc := range []string{"README.md", "docs/architecture.md"} {
		for _, pkg := range modulePackages(t) {
			if name := strings.TrimPrefix(pkg.ImportPath, "xdpfw/"); !strings.Contains(readDoc(t, doc), "`"+name+"`") {
				t.Errorf("%s does not name the package %s", doc, name)
			}
		}
	}
}

func TestReadmeRules(t *testing.T) {
	var files []string
	for _, block := range fenced(readDoc(t, "README.md")) {
		if strings.Contains(block, "default pass\n\n") {
			files = append(files, block)
		}
	}
	if len(files) != 2 || files[0] != string(demoRules) {
		t.Fatalf("README.md shows %d rule files, want demo.fw and another", len(files))
	}
	for _, text := range files {
		if err := parseDiagnostics(text); err != nil {
			t.Errorf("%v in:\n%s", err, text)
		}
	}
}

// TestLanguagePage reads every rule file of docs/language.md: there is nothing
// to warn of, its tests pass, and of a wrong one the message is what is shown.
func TestLanguagePage(t *testing.T) {
	doc := readDoc(t, "docs/language.md")
	good := blocksOf(doc, "fw")
	if len(good) < 5 {
		t.Errorf("docs/language.md has %d rule files only", len(good))
	}
	cases := 0
	for _, text := range good {
		set, diagnostics := rules.ParseAndCheck(rules.NewFile("rules.fw", []byte(text)))
		if len(diagnostics) > 0 {
			t.Errorf("%s in:\n%s", formatted(t, diagnostics), text)
			continue
		}
		for _, block := range set.Tests {
			for _, c := range block.Cases {
				cases++
				if d := set.Decide(c.Packet); d.Verdict != c.Expect {
					t.Errorf("%s: `%s` gets %v, wanted %v, in:\n%s", block.Name, c.Text, d.Verdict, c.Expect, text)
				}
			}
		}
	}
	if cases < 25 {
		t.Errorf("docs/language.md tests %d packets only", cases)
	}
	wrong, messages := blocksOf(doc, "fw wrong"), blocksOf(doc, "text")
	if len(wrong) != len(messages) || len(wrong) == 0 {
		t.Fatalf("docs/language.md has %d wrong files and %d messages", len(wrong), len(messages))
	}
	for i, text := range wrong {
		_, diagnostics := rules.ParseAndCheck(rules.NewFile("rules.fw", []byte(text)))
		if is := formatted(t, diagnostics); is != messages[i] {
			t.Errorf("docs/language.md shows\n%s\nbut the messages are\n%s", messages[i], is)
		}
	}
}

func formatted(t *testing.T, diagnostics rules.Diagnostics) string {
	var b strings.Builder
	if err := diagnostics.Format(&b, false); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// blocksOf are the blocks of a kind: "```fw".
func blocksOf(doc, kind string) (blocks []string) {
	for i, part := range strings.Split(doc, "\n```") {
		if head, body, _ := strings.Cut(part, "\n"); i%2 == 1 && head == kind {
			blocks = append(blocks, body+"\n")
		}
	}
	return blocks
}

func parseDiagnostics(text string) error {
	_, diagnostics := rules.ParseAndCheck(rules.NewFile("README.md", []byte(text)))
	return diagnostics.Err()
}

// What README.md shows of the demo is what the demo prints, the size and the
// id of its program apart.
func TestReadmeDemo(t *testing.T) {
	needBPF(t)
	var shown string
	for _, block := range fenced(readDoc(t, "README.md")) {
		if strings.Contains(block, "DECIDED BY") {
			shown = block
		}
	}
	printed := runDemoCommand(t)
	numbers := regexp.MustCompile(`(?m)^(demo\.fw: .*) \d+ (instructions.*) \d+\)$`)
	same := func(text string) string { return numbers.ReplaceAllString(text, "$1 N $2 N)") }
	if shown == "" || !strings.HasPrefix(same(printed), same(shown)) {
		t.Errorf("README.md shows\n%s\nbut the demo prints\n%s", shown, printed)
	}
}

func TestLimitsPage(t *testing.T) {
	limits := ruleLimits(t)
	row := regexp.MustCompile(`(?m)^\| (Max\w+) \| (\d+) \|`)
	for _, m := range row.FindAllStringSubmatch(readDoc(t, "docs/limits.md"), -1) {
		if m[2] != limits[m[1]] {
			t.Errorf("docs/limits.md says %s is %s, in rules/limits.go it is %q", m[1], m[2], limits[m[1]])
		}
		delete(limits, m[1])
	}
	for name := range limits {
		t.Errorf("docs/limits.md does not say what %s is", name)
	}
}

// ruleLimits are the exported constants of rules/limits.go.
func ruleLimits(t *testing.T) map[string]string {
	t.Helper()
	files := token.NewFileSet()
	file, err := parser.ParseFile(files, "limits.go", readDoc(t, "rules/limits.go"), 0)
	if err != nil {
		t.Fatal(err)
	}
	pkg, err := new(types.Config).Check("rules", files, []*ast.File{file}, nil)
	if err != nil {
		t.Fatal(err)
	}
	limits := map[string]string{}
	for _, name := range pkg.Scope().Names() {
		if c, ok := pkg.Scope().Lookup(name).(*types.Const); ok && c.Exported() {
			limits[name] = c.Val().ExactString()
		}
	}
	return limits
}
