package loader

import (
	"fmt"
	"os"
	"slices"
	"strings"

	"xdpfw/codegen"
	"xdpfw/loader/frames"
	"xdpfw/rules"
)

// The lockout guard asks a judge, before anything is attached, what becomes of the packets without which whoever loads the rules would be
// cut off: those of the SSH session, and those by which neighbours, routers
// and address servers are found.

// A question is one such packet.
type question struct {
	packet string // what it is, for people
	of     string // of what, or "": " of the SSH session …"
	frame  frames.Frame
	or     []frames.Frame // others that stand for it: lost is what all of them are
	help   string         // a rule that would pass it
	detail bool           // not worth a word where another packet of the same is lost by the same rule
}

// guardAll refuses if the rules would drop one of the packets on one of the
// interfaces; if they are put on trial that is a warning. What it could not ask
// about becomes a warning, too.
func guardAll(attempts []*attempt, obj *codegen.Object, opts LoadOptions) error {
	j, err := newJudge(obj, opts.Rules)
	if err != nil {
		return err
	}
	defer j.Close()
	sessions, origin, unread := findSessions(os.Getenv, procFolder)
	for _, what := range unread {
		attempts[0].warn("the lockout guard cannot read " + what)
	}
	around, err := lookAround(sessions)
	if err != nil {
		return fmt.Errorf("look for what the rules could cut off: %w", err)
	}
	arrived := make(map[session]bool)
	for _, a := range attempts {
		var concerned []arrival
		for _, s := range sessions {
			if by, ok := around.arrives(s, a.device.index); ok {
				if opts.Mode == Generic || a.held != nil && a.device.mode == Generic {
					by.room = largestPacket // the network stack joins segments in front of the program
				}
				concerned = append(concerned, by)
				arrived[s] = true
			}
		}
		own := around.on(a.device.index)
		locksOut, err := guard(j, a.device, a.named, questions(concerned, origin, own))
		if isUnconfigured(own) && locksOut == nil && err == nil {
			locksOut, err = a.guardUnconfigured(j, around)
		}
		switch {
		case err != nil:
			return err
		case locksOut == nil:
		case opts.Confirm > 0:
			a.warn(strings.Replace(locksOut.Why, guardRefuses, "the lockout guard warns: ", 1))
		default:
			return locksOut
		}
	}
	for _, s := range sessions {
		if tunnel := around.tunnelOf(s); tunnel != "" && !arrived[s] {
			attempts[0].warn(fmt.Sprintf("the SSH session %v > %v comes through the tunnel %s: the lockout guard does not know the packets around its own", s.client, s.server, tunnel))
		}
	}
	if len(sessions) == 0 {
		attempts[0].warn("no SSH session was found (neither SSH_CONNECTION nor a connection of sshd): the lockout guard asked about ARP, neighbour discovery and address configuration only")
	}
	return nil
}

func (a *attempt) warn(warning string) { a.result.Warnings = append(a.result.Warnings, warning) }

// guard asks the questions of one interface, and names every packet that would
// be lost, under the rule that it is lost by. named is what the rules call the
// interface. It is nil if there is none.
func guard(j *judge, d device, named string, asked []question) (locksOut *Error, failed error) {
	lost := make(map[int][]question) // by the index of the rule
	var guilty []rules.Decision      // of those, in the order met
	var help []string
	shown := "" // the first packet that is lost, as explain takes it
	for _, q := range asked {
		packet, decision, err := j.answer(q, named)
		if err != nil {
			return nil, err
		}
		if decision.Verdict == rules.Pass {
			continue
		}
		if shown == "" {
			shown = rules.LiteralOf(packet, func(other rules.Packet) bool {
				d, err := j.decide(other)
				return err == nil && d == decision
			})
		}
		if lost[decision.Rule] == nil {
			guilty = append(guilty, decision)
		}
		said := slices.ContainsFunc(lost[decision.Rule], func(other question) bool { return other.of == q.of && (q.detail || other.packet == q.packet) })
		if n := len(lost[decision.Rule]); !said && n <= mostSaid { // one more is enough to know that there are
			lost[decision.Rule] = append(lost[decision.Rule], q)
		}
		if advice := "`" + q.help + "`"; len(help) <= mostSaid && !slices.Contains(help, advice) {
			help = append(help, advice)
		}
	}
	if guilty == nil {
		return nil, nil
	}
	if len(help) > mostSaid {
		help[mostSaid] = "and others like these"
	}
	var why []string
	for _, d := range guilty {
		why = append(why, fmt.Sprintf("%s would %s %s", j.name(d.Rule), losing[d.Verdict], inWords(lost[d.Rule])))
	}
	return &Error{
		Doing: "load on " + d.name,
		Why:   guardRefuses + strings.Join(why, "; "),
		Help: fmt.Sprintf("put %s in front of the other rules%s; --confirm 30s loads them on trial, --force without the guard",
			strings.Join(help, ", "), j.explain(shown)),
	}, nil
}

// mostSaid is how many packets of a rule, and how many rules that help, are named.
const mostSaid = 12

// inWords names packets; what several of them are of is said once.
func inWords(lost []question) string {
	var words []string
	for i, q := range lost {
		if i == mostSaid {
			words = append(words, "and others")
			break
		}
		of := q.of
		if i+1 < len(lost) && lost[i+1].of == of {
			of = ""
		}
		words = append(words, "the "+q.packet+of)
	}
	return strings.Join(words, ", ")
}

const guardRefuses = "the lockout guard refuses: "

// losing is what a verdict does to a packet that should go up the stack.
var losing = map[rules.Verdict]string{
	rules.Drop: "drop", rules.Abort: "drop", rules.TX: "send back", rules.Redirect: "send to another interface",
}

// ruleName is a rule for people: text and place.
func ruleName(rs *rules.RuleSet, index int) string {
	if index != rules.ByDefault {
		at := rs.Rules[index].Span.Position()
		return fmt.Sprintf("`%s` (%s:%d)", labelled(rs.Rules[index].Name, rs.Rules[index].Text()), at.File, at.Line)
	}
	if rs.DefaultSpan.IsZero() {
		return fmt.Sprintf("the default, %v, which the file does not state", rs.Default)
	}
	at := rs.DefaultSpan.Position()
	return fmt.Sprintf("`default %v` (%s:%d)", rs.Default, at.File, at.Line)
}

// labelled is the text of a rule with its name, if it has one.
func labelled(name, text string) string {
	if name == "" {
		return text
	}
	return name + ": " + text
}
