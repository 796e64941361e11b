// Package cases reads the case files under testdata/cases: a rule file, frames,
// and for each frame the verdict and the rule that must decide it. The
// reference evaluator and the kernel are both held against them.
//
// A case file is a txtar archive of two files. rules.fw is the rule file;
// packets has one frame a line, '#' beginning a comment:
//
//	VERDICT DECIDER HEX # what it is
//
// VERDICT is pass or drop; DECIDER is the label of the deciding rule, or its
// line in rules.fw, or "default"; HEX is the frame from the Ethernet
// destination on, without FCS.
//
// It must not know how a decision is made.
package cases

import (
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/rogpeppe/go-internal/txtar"

	"xdpfw/rules"
)

// A Case is one case file.
type Case struct {
	Name    string      // of the file, without ".txtar"
	Rules   *rules.File // rules.fw
	Packets []Packet    // never empty
}

// A Packet is a frame and the decision that it must meet.
type Packet struct {
	Verdict rules.Verdict
	Decider string // label, line number, or "default"
	Frame   []byte
	What    string // for people
}

// Names of the files in a case file, and the decider when no rule decides.
const (
	rulesName   = "rules.fw"
	packetsName = "packets"
	byDefault   = "default"
)

// Read reads every case file (*.txtar) of a folder, in the order of their
// names. It is an error if there is none.
func Read(dir string) ([]Case, error) {
	paths, err := filepath.Glob(filepath.Join(dir, "*.txtar"))
	if err != nil {
		return nil, err
	}
	if len(paths) == 0 {
		return nil, fmt.Errorf("%s: no case files (*.txtar)", dir)
	}
	all := make([]Case, 0, len(paths))
	for _, path := range paths {
		data, err := os.ReadFile(path)
		if err != nil {
			return nil, err
		}
		c, err := Parse(strings.TrimSuffix(filepath.Base(path), ".txtar"), data)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		all = append(all, c)
	}
	return all, nil
}

// Parse reads one case file.
func Parse(name string, data []byte) (Case, error) {
	c := Case{Name: name}
	for _, file := range txtar.Parse(data).Files {
		switch {
		case file.Name == rulesName && c.Rules == nil:
			c.Rules = rules.NewFile(name+"/"+rulesName, file.Data)
		case file.Name == packetsName && c.Packets == nil:
			packets, err := parsePackets(string(file.Data))
			if err != nil {
				return c, err
			}
			c.Packets = packets
		default:
			return c, fmt.Errorf("file %q: expected one %q and one %q", file.Name, rulesName, packetsName)
		}
	}
	if c.Rules == nil || len(c.Packets) == 0 {
		return c, fmt.Errorf("expected a file %q and a file %q with at least one packet", rulesName, packetsName)
	}
	return c, nil
}

func parsePackets(text string) ([]Packet, error) {
	var packets []Packet
	for i, line := range strings.Split(text, "\n") {
		statement, what, _ := strings.Cut(line, "#")
		fields := strings.Fields(statement)
		if len(fields) == 0 {
			continue
		}
		if len(fields) != 3 {
			return nil, fmt.Errorf("packets, line %d: found %d words, expected VERDICT DECIDER HEX", i+1, len(fields))
		}
		p := Packet{Decider: fields[1], What: strings.TrimSpace(what)}
		switch fields[0] {
		case rules.Pass.String():
			p.Verdict = rules.Pass
		case rules.Drop.String():
			p.Verdict = rules.Drop
		default:
			return nil, fmt.Errorf("packets, line %d: verdict %q is neither pass nor drop", i+1, fields[0])
		}
		var err error
		if p.Frame, err = hex.DecodeString(fields[2]); err != nil {
			return nil, fmt.Errorf("packets, line %d: %w", i+1, err)
		}
		packets = append(packets, p)
	}
	return packets, nil
}

// Check compares a decision with the one expected. rs is the case's rule file,
// checked.
func (p Packet) Check(rs *rules.RuleSet, d rules.Decision) error {
	if d.Verdict == p.Verdict && isDecider(rs, d.Rule, p.Decider) {
		return nil
	}
	return fmt.Errorf("%s: got %v by %s, want %v by %s\n%x", p.What, d.Verdict, name(rs, d.Rule), p.Verdict, p.Decider, p.Frame)
}

// isDecider says whether a rule is the one meant.
func isDecider(rs *rules.RuleSet, rule int, decider string) bool {
	if decider == byDefault || rule == rules.ByDefault {
		return decider == byDefault && rule == rules.ByDefault
	}
	r := &rs.Rules[rule]
	if line, err := strconv.Atoi(decider); err == nil {
		return r.Span.Position().Line == line
	}
	return r.Name == decider
}

// name is how a case file would call a rule.
func name(rs *rules.RuleSet, rule int) string {
	if rule == rules.ByDefault {
		return byDefault
	}
	if r := &rs.Rules[rule]; r.Name == "" {
		return strconv.Itoa(r.Span.Position().Line)
	}
	return rs.Rules[rule].Name
}
