package rules

import (
	"encoding/json"
	"fmt"
	"os"
	"regexp"
	"strconv"
	"strings"
)

// A textMate is a TextMate grammar, and as much of the engine that editors have
// for it as ours needs: match, begin and end, captures, include, repository.
type textMate struct {
	Scope      string              `json:"scopeName"`
	Patterns   []*textRule         `json:"patterns"`
	Repository map[string]textRule `json:"repository"`
}

type textRule struct {
	Include       string              `json:"include"`
	Name          string              `json:"name"`
	Match         *textExpr           `json:"match"`
	Captures      map[string]textRule `json:"captures"`
	Begin         *textExpr           `json:"begin"`
	BeginCaptures map[string]textRule `json:"beginCaptures"`
	End           *textExpr           `json:"end"`
	EndCaptures   map[string]textRule `json:"endCaptures"`
	Patterns      []*textRule         `json:"patterns"`
}

// A textExpr is a regular expression that can be searched for from the middle
// of a line without taking that for the line's beginning.
type textExpr struct{ first, later *regexp.Regexp }

func (e *textExpr) UnmarshalJSON(data []byte) (err error) {
	var text string
	if err = json.Unmarshal(data, &text); err != nil {
		return err
	}
	if e.first, err = regexp.Compile(`^(?s:.*?)(` + text + `)`); err != nil {
		return err
	}
	e.later, err = regexp.Compile(`^.(?s:.*?)(` + text + `)`) // the byte in front is there for \b
	return err
}

// find is where the first match in line from a place on begins, with its
// captures, nil if there is none.
func (e *textExpr) find(line string, from int) []int {
	expr, offset := e.first, 0
	if from > 0 {
		expr, offset = e.later, from-1
		for offset > 0 && line[offset]&0xc0 == 0x80 {
			offset-- // to the beginning of a character
		}
	}
	found := expr.FindStringSubmatchIndex(line[offset:])
	if found == nil {
		return nil
	}
	found = found[2:]
	for i := range found {
		if found[i] >= 0 {
			found[i] += offset
		}
	}
	return found
}

func readTextMate(path string) (*textMate, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	g := &textMate{}
	return g, json.Unmarshal(data, g)
}

// scopes gives the scope of each byte of a text: the names of all rules that
// hold there, outermost first.
func (g *textMate) scopes(text string) ([]string, error) {
	t := &textScan{grammar: g, scopes: make([]string, len(text)), rules: []*textRule{{Patterns: g.Patterns}}}
	for i := range t.scopes {
		t.scopes[i] = g.Scope
	}
	start := 0
	for line := range strings.Lines(text) {
		if err := t.line(strings.TrimRight(line, "\r\n"), start); err != nil {
			return nil, err
		}
		start += len(line)
	}
	return t.scopes, nil
}

type textScan struct {
	grammar *textMate
	scopes  []string
	rules   []*textRule // those that have begun and not ended
}

func (t *textScan) line(line string, start int) error {
	for at, steps := 0, 0; ; steps++ {
		if steps > 2*len(line)+2 {
			return fmt.Errorf("no way forward in %q at %d", line, at)
		}
		open := t.rules[len(t.rules)-1]
		rule, found, err := t.first(open.Patterns, line, at)
		if err != nil {
			return err
		}
		if open.End != nil {
			if end := open.End.find(line, at); end != nil && (found == nil || end[0] <= found[0]) {
				t.capture(open.EndCaptures, end, start)
				t.rules = t.rules[:len(t.rules)-1]
				at = end[1]
				continue
			}
		}
		if found == nil {
			return nil
		}
		t.add(rule.Name, start+found[0], start+found[1])
		if rule.Begin != nil {
			t.capture(rule.BeginCaptures, found, start)
			t.rules = append(t.rules, rule)
		} else {
			t.capture(rule.Captures, found, start)
		}
		at = found[1]
	}
}

// first is the rule that matches first in the line, of several at one place the
// one that stands first in the grammar.
func (t *textScan) first(patterns []*textRule, line string, at int) (best *textRule, found []int, err error) {
	for _, rule := range patterns {
		var match []int
		candidate := rule
		switch {
		case rule.Include != "":
			included, ok := t.grammar.Repository[strings.TrimPrefix(rule.Include, "#")]
			if !ok {
				return nil, nil, fmt.Errorf("the repository has no %s", rule.Include)
			}
			candidate, match, err = t.first([]*textRule{&included}, line, at)
		case rule.Match != nil:
			match = rule.Match.find(line, at)
		case rule.Begin != nil:
			match = rule.Begin.find(line, at)
		default:
			candidate, match, err = t.first(rule.Patterns, line, at)
		}
		if err != nil {
			return nil, nil, err
		}
		if match != nil && match[1] > match[0] && (found == nil || match[0] < found[0]) {
			best, found = candidate, match
		}
	}
	return best, found, nil
}

// capture adds the scopes of what the groups of an expression found.
func (t *textScan) capture(captures map[string]textRule, found []int, start int) {
	for group := range len(found) / 2 {
		if rule, ok := captures[strconv.Itoa(group)]; ok && found[2*group] >= 0 {
			t.add(rule.Name, start+found[2*group], start+found[2*group+1])
		}
	}
}

func (t *textScan) add(name string, from, to int) {
	for i := from; name != "" && i < to; i++ {
		t.scopes[i] += " " + name
	}
}
