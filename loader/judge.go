package loader

import (
	"fmt"

	"xdpfw/codegen"
	"xdpfw/loader/frames"
	"xdpfw/rules"
)

// A judge is whom the lockout guard asks: the reference evaluator where the
// rules are known, and where there is only an object, its program itself.
type judge struct {
	rules  *rules.RuleSet // or nil
	object *codegen.Object
	runner *Runner // of object, if there are no rules
}

func newJudge(obj *codegen.Object, rs *rules.RuleSet) (*judge, error) {
	j := &judge{rules: rs, object: obj}
	if rs != nil {
		return j, nil
	}
	var err error
	j.runner, err = NewRunner(obj)
	return j, err
}

func (j *judge) Close() {
	if j.runner != nil {
		j.runner.Close()
	}
}

// decide one packet. The Decision's rule may be codegen.AnyRule or UnknownRule.
func (j *judge) decide(p rules.Packet) (rules.Decision, error) {
	if j.rules != nil {
		return j.rules.Decide(p), nil
	}
	d, _, err := j.runner.RunCounting(p)
	if err != nil {
		return d, fmt.Errorf("run a packet through the program of %s: %w", j.object.Source, err)
	}
	return d, nil
}

// answer a question: the packet of the frame that passes, else of the first one,
// and what becomes of it.
func (j *judge) answer(q question, named string) (asked rules.Packet, decision rules.Decision, err error) {
	for i, frame := range append([]frames.Frame{q.frame}, q.or...) {
		b, err := frame.Bytes()
		if err != nil {
			return asked, decision, fmt.Errorf("build the %s: %w", q.packet, err)
		}
		p := rules.NewPacket(b)
		p.Interface = named
		d, err := j.decide(p)
		if err != nil {
			return asked, decision, err
		}
		if i == 0 || d.Verdict == rules.Pass {
			asked, decision = p, d
		}
	}
	return asked, decision, nil
}

// name is a rule for people: text and place, as far as it can be told.
func (j *judge) name(rule int) string {
	if j.rules != nil {
		return ruleName(j.rules, rule)
	}
	for _, c := range j.object.Counters {
		if c.Rule == rule && c.Line > 0 {
			return fmt.Sprintf("`%s` (%s:%d)", labelled(c.Name, c.Text), c.Source, c.Line)
		}
	}
	if rule == rules.ByDefault {
		return "the default of " + j.object.Source
	}
	return "a rule of " + j.object.Source + ", whose program does not tell rules apart,"
}

// explain is how to see why a packet is lost; an object has no rules to show.
func (j *judge) explain(packet string) string {
	if j.rules == nil {
		return ""
	}
	return fmt.Sprintf("; see xdpfw explain %s %s", shellWord(j.rules.File.Name), shellWord(packet))
}
