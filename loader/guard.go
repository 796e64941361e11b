package loader

import (
	"encoding/hex"
	"fmt"
	"net"
	"net/netip"
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
	packet  string // what it is, for people
	literal string // as tests and `explain` take it; "" is its bytes
	frame   frames.Frame
	help    string // a rule that would pass it
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
	if unread != "" {
		attempts[0].warn("the lockout guard cannot read " + unread)
	}
	around, err := lookAround()
	if err != nil {
		return fmt.Errorf("look for what the rules could cut off: %w", err)
	}
	for _, a := range attempts {
		var concerned []arrival
		for _, s := range sessions {
			if tags, ok := around.arrives(s, a.device.index); ok {
				concerned = append(concerned, arrival{s, tags})
			}
		}
		locksOut, err := guard(j, a.device, a.named, questions(concerned, origin, around.on(a.device.index)))
		switch {
		case err != nil:
			return err
		case locksOut == nil:
		case opts.Confirm > 0:
			a.warn(locksOut.Why)
		default:
			return locksOut
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
	lost := make(map[int][]string) // packets by the index of the rule
	var guilty []rules.Decision    // of those, in the order met
	var help []string
	shown := "" // the first packet that is lost, as explain takes it
	for _, q := range asked {
		frame, err := q.frame.Bytes()
		if err != nil {
			return nil, fmt.Errorf("build the %s: %w", q.packet, err)
		}
		packet := rules.NewPacket(frame)
		packet.Interface = named
		decision, err := j.decide(packet)
		if err != nil {
			return nil, err
		}
		if decision.Verdict == rules.Pass {
			continue
		}
		if shown == "" {
			if shown = q.literal; shown == "" {
				shown = fmt.Sprintf("hex %q", hex.EncodeToString(frame))
			}
			if named != "" {
				shown += fmt.Sprintf(" on %q", named)
			}
		}
		if lost[decision.Rule] == nil {
			guilty = append(guilty, decision)
		}
		lost[decision.Rule] = append(lost[decision.Rule], q.packet)
		if advice := "`" + q.help + "`"; !slices.Contains(help, advice) {
			help = append(help, advice)
		}
	}
	if guilty == nil {
		return nil, nil
	}
	var why []string
	for _, d := range guilty {
		why = append(why, fmt.Sprintf("%s would %s the %s", j.name(d.Rule), losing[d.Verdict], strings.Join(lost[d.Rule], ", the ")))
	}
	return &Error{
		Doing: "load on " + d.name,
		Why:   "the lockout guard refuses: " + strings.Join(why, "; "),
		Help: fmt.Sprintf("put %s in front of the other rules%s; --confirm 30s loads them on trial, --force without the guard",
			strings.Join(help, ", "), j.explain(shown)),
	}, nil
}

// losing is what a verdict does to a packet that should go up the stack.
var losing = map[rules.Verdict]string{
	rules.Drop: "drop", rules.Abort: "drop", rules.TX: "send back", rules.Redirect: "send to another interface",
}

// ruleName is a rule for people: text and place.
func ruleName(rs *rules.RuleSet, index int) string {
	if index != rules.ByDefault {
		at := rs.Rules[index].Span.Position()
		return fmt.Sprintf("`%s` (%s:%d)", rs.Rules[index].Text(), at.File, at.Line)
	}
	if rs.DefaultSpan.IsZero() {
		return fmt.Sprintf("the default, %v, which the file does not state", rs.Default)
	}
	at := rs.DefaultSpan.Position()
	return fmt.Sprintf("`default %v` (%s:%d)", rs.Default, at.File, at.Line)
}

// An arrival is a session whose frames come in on an interface with those VLAN
// tags, the outermost first.
type arrival struct {
	session
	tags []frames.Tag
}

// questions are what the guard asks about an interface with those addresses.
func questions(sessions []arrival, origin string, own localAddresses) []question {
	var asked []question
	for _, s := range sessions {
		for _, segment := range []struct {
			flags         uint8
			literal, name string
		}{{frames.ACK, "ack", "next TCP segment (ACK)"}, {frames.SYN, "syn", "next TCP connection (SYN)"}} {
			asked = append(asked, question{
				packet:  fmt.Sprintf("%s of the SSH session %v > %v (found in %s)", segment.name, s.client, s.server, origin),
				literal: literalOf(s, segment.literal),
				frame: frames.Frame{
					To: own.link, Tags: s.tags,
					Network: frames.IP(s.client.Addr(), s.server.Addr(),
						frames.TCP{From: s.client.Port(), To: s.server.Port(), Flags: segment.flags, Window: 512}),
				},
				help: fmt.Sprintf("pass tcp from %v to port %d", s.client.Addr(), s.server.Port()),
			})
		}
	}
	for _, p := range own.prefixes {
		about := aboutNeighbors
		if p.address.Is4() {
			about = aboutARP
		}
		for _, q := range about(own.link, p) {
			q.frame.Tags = p.tags
			asked = append(asked, q)
		}
	}
	return asked
}

// literalOf a segment of a session; "" if there is none with such tags.
func literalOf(a arrival, flags string) string {
	text := fmt.Sprintf("tcp %v > %v flags %s", a.client, a.server, flags)
	switch {
	case len(a.tags) == 0:
		return text
	case len(a.tags) == 1 && a.tags[0].Type == 0:
		return fmt.Sprintf("vlan %d %s", a.tags[0].VID, text)
	}
	return ""
}

// neighborLink stands for whoever is on the same wire.
var neighborLink = frames.DefaultFrom

func aboutARP(link net.HardwareAddr, own localAddress) []question {
	neighbor := own.neighbor()
	asked := []question{
		{"ARP request for " + own.address.String(), "", frames.ARPRequest(neighborLink, neighbor, own.address), "pass arp"},
		{"ARP reply to " + own.address.String(), "", frames.ARPReply(neighborLink, neighbor, link, own.address), "pass arp"},
	}
	if !own.dynamic {
		return asked
	}
	for _, to := range []netip.Addr{own.address, netip.AddrFrom4([4]byte{255, 255, 255, 255})} {
		asked = append(asked, question{
			packet: fmt.Sprintf("DHCP answer to %v, which keeps the dynamic address %v", to, own.address),
			frame:  frames.Frame{To: link, Network: frames.IP(neighbor, to, frames.UDP{From: 67, To: 68, Payload: make([]byte, 300)})},
			help:   "pass udp from port 67 to port 68",
		})
	}
	return asked
}

func aboutNeighbors(link net.HardwareAddr, own localAddress) []question {
	neighbor := own.neighbor()
	asked := []question{
		{"neighbour solicitation for " + own.address.String(), "", frames.NeighborSolicit(neighborLink, neighbor, own.address), "pass icmp6"},
		{"neighbour advertisement to " + own.address.String(), "", frames.NeighborAdvert(neighborLink, neighbor, link, own.address), "pass icmp6"},
	}
	if !own.dynamic {
		return asked
	}
	return append(asked, question{
		packet: "router advertisement, which keeps the dynamic address " + own.address.String(),
		frame:  routerAdvertisement(),
		help:   "pass icmp6",
	})
}

// routerAdvertisement is the least of them (RFC 4861, 4.2), to all nodes.
func routerAdvertisement() frames.Frame {
	const typeRouterAdvertisement, hopLimit64 = 134, 64 << 24
	return frames.Frame{
		From: neighborLink, To: net.HardwareAddr{0x33, 0x33, 0, 0, 0, 1},
		Network: frames.IPv6{
			From: netip.MustParseAddr("fe80::1"), To: netip.MustParseAddr("ff02::1"), HopLimit: 255,
			Transport: frames.ICMPv6{Type: typeRouterAdvertisement, Rest: hopLimit64, Payload: make([]byte, 8)},
		},
	}
}
