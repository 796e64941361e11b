package rules_test

import (
	"os"
	"strings"
	"testing"

	"xdpfw/rules"
)

// TestNamesAreDocumented: the language page has every name with its number,
// and each stands for it in a rule.
func TestNamesAreDocumented(t *testing.T) {
	page, err := os.ReadFile("../docs/language.md")
	if err != nil {
		t.Fatal(err)
	}
	_, names, _ := strings.Cut(string(page), "\n## Names\n")
	names, _, _ = strings.Cut(names, "\n## ")
	rows := map[string]string{}
	for line := range strings.Lines(names) {
		if cells := strings.Split(line, "|"); len(cells) == 4 {
			rows[strings.TrimSpace(cells[1])] = strings.TrimSpace(cells[2])
		}
	}
	for head, want := range rules.NameTables() {
		if rows[head] != want {
			t.Errorf("%s: the page has\n%s\nwant\n%s", head, rows[head], want)
		}
	}
	for _, pair := range strings.Split(rows["ports"], ", ") {
		name, number, _ := strings.Cut(pair, " ")
		if got := mustCheck(t, "drop to port "+name).Rules[0].String(); got != "drop to port "+number {
			t.Errorf("%s is %s, want %s", name, got, number)
		}
	}
}
