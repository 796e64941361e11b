package main

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/cilium/ebpf/asm"

	"xdpfw/codegen"
	"xdpfw/codegen/trace"
	"xdpfw/loader"
	"xdpfw/loader/workload"
	"xdpfw/rules"
)

// A ruleWay is the way of one packet that a rule decides through the program:
// of tables it says in which entry of each list the packet is, how those come
// together, and where they lead.
type ruleWay struct {
	Rule    int      `json:"rule"`   // index in the file's rules, -1 for the default
	Packet  string   `json:"packet"` // as `explain` takes it
	Numbers []string `json:"numbers"`
	Path    []int    `json:"path,omitempty"` // indexes of the instructions that are executed

	origin string
}

const (
	mostWays  = 20_000  // rules that ways are looked for
	mostPaths = 400_000 // instructions in all paths together: else a page is too large
)

// waysOf are ways of packets that show what a rule decides; a rule for which no
// packet is found by trying has none. With paths they have those, if they are
// not too many.
func waysOf(set *rules.RuleSet, object *codegen.Object, paths bool) (ways []ruleWay) {
	if set == nil || len(set.Steps) > mostWays || object.Counting != codegen.CountRules {
		return nil
	}
	origins := map[int]string{}
	for i := range object.Origins {
		origins[object.Origins[i].Rule] = object.Origins[i].String()
	}
	found, left, tried := map[int]bool{}, mostPaths, 0
	for frame := range workload.Witnesses(set, "", 4*len(set.Steps)+8, 1) {
		if tried++; len(found) > len(set.Rules) || tried > 2*len(set.Steps)+8 {
			break
		}
		packet := rules.NewPacket(frame)
		decided, t, err := follow(object, packet)
		if err != nil || found[decided.Rule] {
			continue // nothing is lost but an example
		}
		found[decided.Rule] = true
		alike := func(p rules.Packet) bool {
			d, _, err := follow(object, p)
			return err == nil && d == decided
		}
		way := ruleWay{Rule: decided.Rule, Packet: rules.LiteralOf(packet, alike), Numbers: numbersOf(t), origin: origins[decided.Rule]}
		if left -= len(t.Steps); paths && left > 0 {
			way.Path = executed(t)
		}
		ways = append(ways, way)
	}
	slices.SortFunc(ways, func(a, b ruleWay) int {
		last := func(w ruleWay) int { // the default stands behind all rules
			if w.Rule < 0 {
				return len(set.Rules)
			}
			return w.Rule
		}
		return last(a) - last(b)
	})
	return ways
}

// follow a packet through a program: how it is decided, as far as the program's
// counters say by which rule, and the way.
func follow(object *codegen.Object, p rules.Packet) (rules.Decision, *trace.Trace, error) {
	t, err := trace.Run(object, trace.Frame{Head: p.Head, Len: p.Len, Interface: p.Interface})
	if err != nil {
		return rules.Decision{}, nil, err
	}
	decision := rules.Decision{Verdict: t.Verdict(), Rule: loader.UnknownRule}
	if counter := t.Decision(object); counter != nil {
		decision.Rule = counter.Rule
	}
	return decision, t, nil
}

// executed are the instructions of a trace, each once.
func executed(t *trace.Trace) (path []int) {
	for _, s := range t.Steps {
		path = append(path, s.Instruction)
	}
	slices.Sort(path)
	return slices.Compact(path)
}

// numbersOf a trace are what tables make of the packet: n0, n1 and so on are
// entries of lists and of tables that join two of them.
func numbersOf(t *trace.Trace) (out []string) {
	out = []string{}
	for _, s := range t.Steps {
		ins := &t.Program.Code[s.Instruction]
		if ins.OpCode.Class() == asm.StXClass && isNumber(ins.Comment) {
			out = append(out, fmt.Sprintf("%s=%d", ins.Comment, s.Value))
		}
	}
	return out
}

// isNumber says that a comment is the name of what a table gives.
func isNumber(comment string) bool {
	digits, is := strings.CutPrefix(comment, "n")
	return is && digits != "" && strings.Trim(digits, "0123456789") == ""
}

// printWays as comments behind a listing.
func printWays(w io.Writer, ways []ruleWay) {
	fmt.Fprint(w, "\n; ways: a packet that each rule decides, and what the tables make of it\n")
	for i := range ways {
		fmt.Fprintf(w, ";   %s\n;     %s\n;     %s\n", ways[i].origin, ways[i].Packet, strings.Join(ways[i].Numbers, " "))
	}
}
