package codegen

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"

	"github.com/cilium/ebpf"

	"xdpfw/codegen/ir"
	"xdpfw/rules"
)

// formatVersion changes whenever the same rule file gives other bytes than
// before: it is part of the digest.
const formatVersion = 13

// maxInstructions is what the kernel takes in one program
// (BPF_COMPLEXITY_LIMIT_INSNS in kernel/bpf/syscall.c), in 8-byte slots.
const maxInstructions = 1_000_000

// Compile a rule set. The stages, with what holds behind each:
//
//	ir.Lower     RuleSet → Decision: no negation, no name; Verify holds
//	chain        Decision → instructions with labels: every jump has a target
//	finish       every jump reaches, every label is a symbol, the longest way is known
//	             → Object: nothing unresolved but maps by name
//
// The error is a *LimitError if the rule set is too large for the strategy.
func Compile(rs *rules.RuleSet, opts Options) (*Object, error) {
	opts, err := opts.withDefaults()
	if err != nil {
		return nil, err
	}
	decision := ir.Lower(rs)
	if err = decision.Verify(); err != nil {
		return nil, err
	}
	if decision.Exceeds > 0 {
		return nil, &LimitError{&rs.Rules[decision.Exceeds-1],
			fmt.Sprintf("the %d ranges that lists may have which are made of others", ir.MaxDerived),
			"negate fewer different sets, or put what several rules negate into one set"}
	}
	if opts.Counters != CountRules {
		decision = decision.WithoutCounts()
	}
	o := &Object{
		Source: rs.File.Name, Rules: len(rs.Rules), Target: opts.Target, Counting: opts.Counters, Interfaces: interfaces(rs),
	}
	c := newChain(decision, rs.Interfaces)
	c.strategy, c.counting, c.layout.slots = opts.Strategy, opts.Counters, counterSlots(rs, opts.Counters)
	c.memory, c.spreads = int(opts.TableMemory), opts.Target.SpreadsFrames()
	c.generate()
	if c.tooLong >= 0 {
		return nil, tooLong(&rs.Rules[c.tooLong])
	}
	program, err := c.finish(ProgramName)
	if err != nil {
		return nil, err
	}
	if err := c.checkLength(rs); err != nil {
		return nil, err
	}
	o.Programs = []Program{program}
	o.Digest, o.Origins = digest(rs, opts), origins(rs) // only now: of rules that are refused they would be in vain
	o.Counters = counters(rs, opts.Counters, o.Origins)
	o.Strategy, o.Choices = c.mainStrategy(), c.choices()
	o.Why, o.ReadsTags = whyAll(o.Choices), readsTags(rs)
	if len(o.Counters) > 0 {
		o.Maps = append(o.Maps, Map{Count, c.layout.mapSpec()})
	}
	if err := c.checkMemory(rs); err != nil {
		return nil, err
	}
	if spec := c.tables.mapSpec(); spec != nil {
		o.Maps = append(o.Maps, Map{Frozen, spec})
	}
	if n := len(rs.Interfaces); n > 0 {
		o.Maps = append(o.Maps, Map{Frozen, interfaceMapSpec(n)})
	}
	if c.scratchSize > 0 {
		o.Maps = append(o.Maps, Map{Scratch, &ebpf.MapSpec{
			Name: scratchMap, Type: ebpf.PerCPUArray, KeySize: 4, ValueSize: uint32(c.scratchSize), MaxEntries: 1,
		}})
	}
	return o, nil
}

// A LimitError is a rule set that a strategy cannot compile.
type LimitError struct {
	Rule  *rules.Rule // where the limit was met
	Limit string      // "the 1000000 instructions that the kernel takes in one program"
	Help  string
}

func (e *LimitError) Error() string {
	return fmt.Sprintf("%v: rule %q exceeds %s; %s", e.Rule.Span.Position(), e.Rule.Text(), e.Limit, e.Help)
}

// digest of all that the rules consist of. The names of the files are in the
// texts; where they are does not matter.
func digest(rs *rules.RuleSet, opts Options) string {
	h := sha256.New()
	fmt.Fprintf(h, "xdpfw %d\nkernel %s\nstrategy %s\ncounters %s\ntables %d\n",
		formatVersion, opts.Target.Kernel, opts.Strategy, opts.Counters, opts.TableMemory)
	if len(rs.Files) > 1 { // where each of them ends
		for _, f := range rs.Files {
			fmt.Fprintf(h, "file %d\n", len(f.Text))
		}
	}
	h.Write(rs.File.Text)
	for _, f := range rs.Files[min(1, len(rs.Files)):] {
		h.Write(f.Text)
	}
	return "sha256:" + hex.EncodeToString(h.Sum(nil))
}

// origins are the common code, the default, and the rules in their order.
func origins(rs *rules.RuleSet) []Origin {
	out := make([]Origin, ruleOrigin(0), ruleOrigin(len(rs.Rules)))
	out[0] = Origin{CommonCode, rules.Position{}, "the way to the rules"}
	out[defaultOrigin] = Origin{rules.ByDefault, rs.DefaultSpan.Position(), "default " + rs.Default.String()}
	for i := range rs.Rules {
		out = append(out, Origin{i, rs.Rules[i].Span.Position(), rs.Rules[i].Text()})
	}
	return out
}

func newChain(d *ir.Decision, interfaces []string) *chain {
	return &chain{builder: newBuilder(), decision: d, tables: newTableSet(), interfaces: interfaces,
		verdicts: map[int]label{}, checks: map[*kind]label{}, tooLong: -1}
}

// checkLength refuses a program that is longer than the kernel takes, at the
// rule where it outgrows that.
func (c *chain) checkLength(rs *rules.RuleSet) error {
	at := c.slots()
	if at[len(c.code)] <= maxInstructions {
		return nil
	}
	rule := 0
	for i := range c.code {
		if r := c.code[i].Origin - ruleOrigin(0); r >= 0 && at[i] <= maxInstructions {
			rule = r
		}
	}
	return tooLong(&rs.Rules[rule])
}

// checkMemory refuses tables that take more memory than they may, at the rule
// whose lists are the longest.
func (c *chain) checkMemory(rs *rules.RuleSet) error {
	if c.tables.size <= c.memory {
		return nil
	}
	var rule, longest int
	sizes := map[int]int{}
	for _, step := range c.decision.Steps {
		for _, term := range step.Terms {
			for _, test := range term {
				if sizes[step.Rule] += len(test.Ranges); sizes[step.Rule] > longest {
					rule, longest = step.Rule, sizes[step.Rule]
				}
			}
		}
	}
	return &LimitError{&rs.Rules[rule], fmt.Sprintf("the %d KiB that tables may take: %d KiB are needed, and its lists of %d ranges are the longest",
		c.memory>>10, (c.tables.size+1023)>>10, longest), "raise --table-memory, or put addresses of these lists together into shorter prefixes"}
}

func tooLong(r *rules.Rule) error {
	return &LimitError{r, fmt.Sprintf("the %d instructions that the kernel takes in one program", maxInstructions),
		"gather rules that differ in one field only into one rule with a list or a set"}
}

// Decisions is the text form of the IR that rules are compiled from: what they
// ask of which bits of a packet.
func Decisions(rs *rules.RuleSet) string { return ir.Lower(rs).String() }
