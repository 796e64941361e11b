package rules_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"xdpfw/rules"
)

// covered are the lines of a file with a rule that an earlier one covers, and
// the lines of those.
func covered(t testing.TB, text string) map[int]int {
	t.Helper()
	_, ds := rules.ParseAndCheck(rules.NewFile("x.fw", []byte(text)))
	if ds.Err() != nil {
		t.Fatal(ds)
	}
	lines := map[int]int{}
	for _, d := range ds {
		if d.Code == "unreachable-rule" || d.Code == "shadowed-rule" {
			lines[d.Span.Position().Line] = d.Notes[0].Span.Position().Line
		}
	}
	return lines
}

// matchedFrames says of the frames which a rule matches; nil if it is refused.
func matchedFrames(clauses string, all [][]byte) []bool {
	rs, ds := rules.ParseAndCheck(rules.NewFile("one.fw", []byte("drop "+clauses)))
	if ds.Err() != nil {
		return nil
	}
	matched := make([]bool, len(all))
	for i, frame := range all {
		matched[i] = rs.Decide(rules.NewPacket(frame)).Rule == 0
	}
	return matched
}

// TestCoverIsSure: of two rules the second is called covered only if no frame
// matches it that does not match the first, asked of the evaluator; and of
// rules of one clause nearly always then.
func TestCoverIsSure(t *testing.T) {
	all := smallFrames(t)
	is := map[string][]bool{}
	for _, clause := range smallClauses {
		is[clause] = matchedFrames(clause, all)
	}
	within := func(inner, outer []string) bool {
	frame:
		for f := range all {
			for _, clause := range inner {
				if !is[clause][f] {
					continue frame
				}
			}
			for _, clause := range outer {
				if !is[clause][f] {
					return false
				}
			}
		}
		return true
	}
	refused := map[string]bool{}
	var found, missed, apart int
	try := func(first, second []string, single bool) {
		texts := [...]string{strings.Join(first, " "), strings.Join(second, " ")}
		for _, text := range texts {
			if _, known := refused[text]; !known {
				_, ds := rules.ParseAndCheck(rules.NewFile("one.fw", []byte("drop "+text)))
				refused[text] = ds.Err() != nil
			}
			if refused[text] {
				return
			}
		}
		text := "drop " + texts[0] + "\npass " + texts[1]
		_, says := covered(t, text)[2]
		switch holds := within(second, first); {
		case says && !holds:
			t.Errorf("%s\nthe second rule is called covered, and is not", text)
		case says:
			found++
		case !holds:
			apart++
		case single:
			missed++
			t.Logf("not seen:\n%s", text)
		}
	}
	for _, a := range smallClauses {
		for _, b := range smallClauses {
			try([]string{a}, []string{b}, true)
		}
	}
	t.Logf("single clauses: %d found, %d missed, %d not covered", found, missed, apart)
	if missed > found/10 {
		t.Errorf("%d of %d are not seen", missed, found+missed)
	}
	random := rand.New(rand.NewPCG(3, 4))
	some := func() (clauses []string) {
		for range 1 + random.IntN(3) {
			clauses = append(clauses, smallClauses[random.IntN(len(smallClauses))])
		}
		return clauses
	}
	before := found
	for range 20_000 {
		first, second := some(), some()
		if random.IntN(2) == 0 {
			second = append(second, first[random.IntN(len(first))])
		}
		try(first, second, false)
	}
	t.Logf("several clauses: %d found", found-before)
	if found-before < 100 {
		t.Errorf("only %d rules of several clauses were covered", found-before)
	}
}

// TestCoverFindsAll: in a file of many rules those are found that are found
// in files of two.
func TestCoverFindsAll(t *testing.T) {
	random := rand.New(rand.NewPCG(5, 6))
	var total int
	for range 100 {
		var lines []string
		for len(lines) < 40 {
			line := "drop"
			for range 1 + random.IntN(3) {
				line += " " + smallClauses[random.IntN(len(smallClauses))]
			}
			if _, ds := rules.ParseAndCheck(rules.NewFile("x.fw", []byte(line))); ds.Err() == nil {
				lines = append(lines, line)
			}
		}
		found := covered(t, strings.Join(lines, "\n"))
		total += len(found)
		for j := range lines {
			want := false
			for i := range j {
				_, is := covered(t, lines[i]+"\n"+lines[j])[2]
				want = want || is
			}
			if cover, got := found[j+1]; got != want {
				t.Fatalf("%s\nline %d: covered %v (by %d), want %v", strings.Join(lines, "\n"), j+1, got, cover, want)
			}
		}
	}
	if total < 200 {
		t.Errorf("only %d rules were covered", total)
	}
}

// TestCoverOfManyRules: what is covered is found among 100,000 other rules, but
// not if very many of them have to be compared: that ends at a limit.
func TestCoverOfManyRules(t *testing.T) {
	skipIfShort(t)
	const n = 100_000
	forms := map[string]func(i int) string{
		"addresses":      func(i int) string { return fmt.Sprintf("drop from 10.%d.%d.%d", i>>16, i>>8&255, i&255) },
		"one address":    func(i int) string { return fmt.Sprintf("drop tcp from 10.0.0.1 from port %d to port %d", i>>8, i&255) },
		"ranges":         func(i int) string { return fmt.Sprintf("drop from 10.0.0.0-10.%d.%d.%d", i>>16, i>>8&255, i&255) },
		"negations":      func(i int) string { return fmt.Sprintf("drop not from 10.%d.%d.%d", i>>16, i>>8&255, i&255) },
		"lists":          func(i int) string { return fmt.Sprintf("drop tcp to port { %d, %d, %d }", i>>8, i&255, 65535-i>>8) },
		"large sets":     func(i int) string { return fmt.Sprintf("drop from @large from port %d to port %d", i>>8, i&255) },
		"large sets not": func(i int) string { return "drop not from @large to 10.0.0.1 " + strings.Repeat("frag ", i%8) },
	}
	var set strings.Builder
	set.WriteString("set large = {")
	for i := range 10_000 {
		fmt.Fprintf(&set, "192.168.%d.%d,", i>>7, i&127<<1)
	}
	set.WriteString("}\nset other = { @large, 172.16.0.1 }\n")
	for name, form := range forms {
		t.Run(name, func(t *testing.T) {
			var b strings.Builder
			b.WriteString(set.String())
			b.WriteString("drop from 192.0.2.0/24 to { 10.9.8.7, @other }\n")
			for i := range n {
				b.WriteString(form(i) + "\n")
			}
			b.WriteString("pass tcp from 192.0.2.1 to 10.9.8.7 port 80")
			text := []byte(b.String())
			start := time.Now()
			rs, ds := rules.ParseAndCheck(rules.NewFile("x", text))
			if rs == nil {
				t.Fatal(ds)
			}
			took := time.Since(start)
			by, work := rules.Covered(rs)
			t.Logf("%v, %.2f of the work that may be done", took, work)
			switch cover := by[n+1]; {
			case work > 1.1:
				t.Errorf("%.2f times the work", work)
			case name == "addresses" && work > 0.1:
				t.Errorf("%.2f of the work for rules that have nothing to do with each other", work)
			case cover < 0 && work < 1:
				t.Error("the last rule is not found")
			}
		})
	}
}

// TestFieldPairs: of two clauses about any fields one is called covered by the
// other only if no packet matches it alone.
func TestFieldPairs(t *testing.T) {
	clauses := append(allFieldClauses(), "from 10.0.0.2", "from 10.0.0.0/255.0.0.252", "not eth.dst 02:00:00:00:00:01", "ip.id { 4, 0 }")
	packets := fieldFrames(t, rand.New(rand.NewPCG(9, 10)), 20_000)
	matches := clauseMatches(t, clauses, packets)
	found, missed := 0, 0
	for i := range clauses {
		for j := range clauses {
			within := true
			for w := range matches[i] {
				within = within && matches[j][w]&^matches[i][w] == 0
			}
			text := "drop " + clauses[i] + "\npass " + clauses[j]
			switch by, _ := rules.Covered(mustCheck(t, text)); {
			case by[1] >= 0 && !within:
				t.Errorf("%s\nthe second rule is called covered, and is not", text)
			case by[1] >= 0:
				found++
			case within:
				missed++
			}
		}
	}
	t.Logf("%d clauses: %d pairs found, %d not seen, though no packet told them apart", len(clauses), found, missed)
	if found < 1500 || missed > found/2 {
		t.Errorf("%d pairs found, %d not seen", found, missed)
	}
}

// allFieldClauses are fieldClauses one by one, each with its negation.
func allFieldClauses() (all []string) {
	for _, c := range strings.FieldsFunc(fieldClauses, func(r rune) bool { return r == ';' || r == '\n' }) {
		all = append(all, c, "not "+c)
	}
	return all
}

// TestFieldCoverIsSure: in files over all fields, with blocks, chains, jumps
// and returns, a rule that is called covered neither decides nor counts.
func TestFieldCoverIsSure(t *testing.T) {
	random := rand.New(rand.NewPCG(7, 8))
	packets := fieldFrames(t, random, 400)
	w := &fileWriter{random: random, clauses: allFieldClauses()}
	var files, total int
	forms := map[string]int{}
	for range 4000 {
		text := w.file()
		rs, _ := rules.ParseAndCheck(rules.NewFile("x.fw", []byte(text)))
		if rs == nil { // some clauses contradict each other
			continue
		}
		files++
		by, _ := rules.Covered(rs)
		check := func(rule int) {
			if rule >= 0 && by[rule] >= 0 {
				t.Fatalf("%s\n%q matches, and is called covered by %q", text, rs.Rules[rule].Text(), rs.Rules[by[rule]].Text())
			}
		}
		for _, p := range packets {
			check(rs.DecideCounting(p, check).Rule)
		}
		for rule, cover := range by {
			if cover >= 0 {
				total++
				forms[rs.Rules[cover].Verdict.String()+" covers "+rs.Rules[rule].Verdict.String()]++
			}
		}
	}
	t.Logf("%d files, %d rules covered, %v", files, total, forms)
	for _, form := range []string{"drop covers drop", "return covers pass", "pass covers count", "drop covers return"} {
		if forms[form] < 5 {
			t.Errorf("%s only %d times", form, forms[form])
		}
	}
}

// A fileWriter writes random files of few clauses, so that rules have to do
// with each other.
type fileWriter struct {
	random  *rand.Rand
	clauses []string
	text    strings.Builder
	few     []string // clauses of this file
}

func (w *fileWriter) file() string {
	w.text.Reset()
	w.few = w.few[:0]
	for range 4 {
		w.few = append(w.few, w.clauses[w.random.IntN(len(w.clauses))])
	}
	chains := w.random.IntN(3)
	for i := range chains {
		fmt.Fprintf(&w.text, "chain c%d {\n", i)
		w.statements(4, i, true)
		w.text.WriteString("}\n")
	}
	w.statements(6, chains, false)
	return w.text.String()
}

// statements writes n statements, which may jump to the first chains.
func (w *fileWriter) statements(n, chains int, inChain bool) {
	for range n {
		kind := w.random.IntN(10)
		switch {
		case kind < 2 && chains > 0:
			fmt.Fprintf(&w.text, "jump c%d %s\n", w.random.IntN(chains), w.some(2))
		case kind == 2:
			fmt.Fprintf(&w.text, "%s {\n", w.few[w.random.IntN(len(w.few))])
			w.statements(2, chains, inChain)
			w.text.WriteString("}\n")
		case kind == 3 && inChain:
			fmt.Fprintf(&w.text, "return %s\n", w.some(2))
		case kind == 4:
			fmt.Fprintf(&w.text, "count %s\n", w.some(3))
		case kind < 7:
			fmt.Fprintf(&w.text, "drop %s\n", w.some(3))
		default:
			fmt.Fprintf(&w.text, "pass %s\n", w.some(3))
		}
	}
}

// some are fewer than most of the file's clauses.
func (w *fileWriter) some(most int) string {
	var clauses []string
	for range w.random.IntN(most) {
		clauses = append(clauses, w.few[w.random.IntN(len(w.few))])
	}
	return strings.Join(clauses, " ")
}
