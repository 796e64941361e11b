package difftest

import (
	"math/rand/v2"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"

	"xdpfw/codegen"
	"xdpfw/rules"
)

// TestFormatKeepsPrograms: a random file and its canonical form compile to the
// same program, and however the canonical form is laid out otherwise, its
// canonical form is the same.
func TestFormatKeepsPrograms(t *testing.T) {
	t.Parallel()
	g := NewGenerator(11, 100)
	changed := 0
	for range 300 {
		file := g.RuleFile()
		formatted := canonical(t, file.Text)
		if formatted != file.Text {
			changed++
		}
		if was, is := programOf(t, file.Text), programOf(t, formatted); !reflect.DeepEqual(was, is) {
			t.Fatalf("other programs of\n%s\nand\n%s", file.Text, formatted)
		}
		if strings.Contains(formatted, `"`) {
			continue // what is a comment would need a closer look
		}
		bare := canonical(t, aComment.ReplaceAllString(formatted, ""))
		if disturbed := disturb(g.Rand, bare); canonical(t, disturbed) != bare {
			t.Fatalf("the canonical form of\n%s\nis\n%s\nnot\n%s", disturbed, canonical(t, disturbed), bare)
		}
	}
	if changed == 0 {
		t.Error("all random files were in canonical form already")
	}
}

func canonical(t *testing.T, text string) string {
	t.Helper()
	formatted, diagnostics := rules.Format(rules.NewFile("random.fw", []byte(text)))
	if diagnostics.Err() != nil {
		t.Fatalf("%v in\n%s", diagnostics, text)
	}
	return string(formatted)
}

// A program is what an Object has besides places in the source.
type program struct {
	instructions []instruction
	maps         []ebpf.MapSpec
	keys         []string
}

type instruction struct {
	opcode            asm.OpCode
	dst, src          asm.Register
	offset            int16
	constant          int64
	reference, symbol string
}

func programOf(t *testing.T, text string) (p program) {
	t.Helper()
	set, diagnostics := rules.ParseAndCheck(rules.NewFile("random.fw", []byte(text)))
	if diagnostics.Err() != nil {
		t.Fatalf("%v in\n%s", diagnostics, text)
	}
	object, err := codegen.Compile(set, codegen.Options{})
	if err != nil {
		t.Fatal(err)
	}
	for i := range object.Programs {
		for _, n := range object.Programs[i].Instructions() {
			p.instructions = append(p.instructions,
				instruction{n.OpCode, n.Dst, n.Src, n.Offset, n.Constant, n.Reference(), n.Symbol()})
		}
	}
	for _, m := range object.Maps {
		p.maps = append(p.maps, *m.Spec)
	}
	for _, c := range object.Counters {
		p.keys = append(p.keys, c.Key)
	}
	return p
}

// What can be written otherwise in a file without comments and strings.
var (
	aComment = regexp.MustCompile(` *#.*`)
	aBlank   = regexp.MustCompile(` +`)
	aComma   = regexp.MustCompile(`, *`)
	aRange   = regexp.MustCompile(`\b([0-9][0-9.]*)-([0-9])`)
	ruleLine = regexp.MustCompile(`^(?:[a-z_][a-z0-9_-]*: )?(?:set|pass|drop|abort|tx|count|return|redirect)\b`)
)

// disturb lays a canonical file out otherwise.
func disturb(r *rand.Rand, text string) string {
	choose := func(from ...string) string { return from[r.IntN(len(from))] }
	var b strings.Builder
	lines := strings.SplitAfter(text, "\n")
	for i, l := range lines {
		l = strings.TrimSuffix(l, "\n")
		plain := ruleLine.MatchString(l) && !strings.HasSuffix(l, "{") && !strings.HasSuffix(l, `\`)
		if plain {
			l = aRange.ReplaceAllStringFunc(l, func(s string) string { return strings.Replace(s, "-", choose("-", " -", "- ", " - "), 1) })
			l = aComma.ReplaceAllStringFunc(l, func(string) string { return choose(",", ", ", " ,", "\t, ") })
			l = strings.ReplaceAll(l, "{ ", choose("{", "{ ", "{\n", "{  \n\n"))
			l = strings.ReplaceAll(l, " }", choose("}", " }", ",}", "\n}", " ,\n }"))
		}
		l = aBlank.ReplaceAllStringFunc(l, func(s string) string { return choose(s, "\t", "    ", " \\\n ") })
		b.WriteString(l)
		switch {
		case i+1 == len(lines):
		case l == "":
			b.WriteString(choose("\n", "\n\n\n", " \n"))
		case plain && ruleLine.MatchString(lines[i+1]):
			b.WriteString(choose("\n", ";", " ; ", ";;\n"))
		case strings.HasSuffix(l, `\`):
			b.WriteString("\n")
		case strings.HasSuffix(l, "{"), strings.HasSuffix(l, ","):
			b.WriteString(choose("\n", " \n", "\n\n"))
		default:
			b.WriteString(choose("\n", " \n", ";\n"))
		}
	}
	if r.IntN(2) == 0 {
		return strings.ReplaceAll(b.String(), "\n", "\r\n")
	}
	return b.String()
}
