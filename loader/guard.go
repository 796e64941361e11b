package loader

import (
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
	packet string // what it is, for people
	of     string // of what, or "": " of the SSH session …"
	frame  frames.Frame
	help   string // a rule that would pass it
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
	around, err := lookAround(sessions)
	if err != nil {
		return fmt.Errorf("look for what the rules could cut off: %w", err)
	}
	arrived := make(map[session]bool)
	for _, a := range attempts {
		var concerned []arrival
		for _, s := range sessions {
			if tags, ok := around.arrives(s, a.device.index); ok {
				concerned = append(concerned, arrival{s, tags, around.towards[s.client.Addr()]})
				arrived[s] = true
			}
		}
		locksOut, err := guard(j, a.device, a.named, questions(concerned, origin, around.on(a.device.index)))
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
			shown = rules.LiteralOf(packet, func(other rules.Packet) bool {
				d, err := j.decide(other)
				return err == nil && d == decision
			})
		}
		if lost[decision.Rule] == nil {
			guilty = append(guilty, decision)
		}
		lost[decision.Rule] = append(lost[decision.Rule], q)
		if advice := "`" + q.help + "`"; !slices.Contains(help, advice) {
			help = append(help, advice)
		}
	}
	if guilty == nil {
		return nil, nil
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

// inWords names packets; what several of them are of is said once.
func inWords(lost []question) string {
	var words []string
	for i, q := range lost {
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
	from hop
}

// segments of a session that are asked about: what is typed, what acknowledges,
// and a connection to come.
var segments = []segment{
	{frames.ACK, "next TCP segment (ACK)", 0},
	{frames.PSH | frames.ACK, "next TCP data (PSH, ACK)", 36},
	{frames.SYN, "next TCP connection (SYN)", 0},
}

type segment struct {
	flags   uint8
	name    string
	payload int // bytes
}

// packet of a session: Linux and most others forbid to fragment TCP. A new
// connection comes from another port.
func (a arrival) packet(s segment) frames.Network {
	from := a.client.Port()
	if s.flags == frames.SYN {
		from ^= 1
	}
	tcp := frames.TCP{From: from, To: a.server.Port(), Flags: s.flags, Window: 512, Payload: make([]byte, s.payload)}
	if a.client.Addr().Is4() {
		return frames.IPv4{From: a.client.Addr(), To: a.server.Addr(), DF: true, TTL: a.from.limit, Transport: tcp}
	}
	return frames.IPv6{From: a.client.Addr(), To: a.server.Addr(), HopLimit: a.from.limit, Transport: tcp}
}

// questions are what the guard asks about an interface with those addresses.
func questions(sessions []arrival, origin string, own localAddresses) []question {
	var asked []question
	for _, s := range sessions {
		for _, next := range segments {
			asked = append(asked, question{
				packet: next.name,
				of:     fmt.Sprintf(" of the SSH session %v > %v (found in %s)", s.client, s.server, origin),
				frame:  frames.Frame{From: s.from.link, To: own.link, Tags: s.tags, Network: s.packet(next)},
				help:   fmt.Sprintf("pass tcp from %v to port %d", s.client.Addr(), s.server.Port()),
			})
		}
	}
	for _, p := range own.prefixes {
		for _, q := range p.questions(own.link) {
			q.frame.Tags = p.tags
			asked = append(asked, q)
		}
	}
	return asked
}

// A resolution is how addresses are found on the wire, in either direction.
type resolution struct {
	request, reply, help string
	ask                  func(link net.HardwareAddr, neighbor, own netip.Addr) frames.Frame
	answer               func(link net.HardwareAddr, neighbor netip.Addr, to net.HardwareAddr, own netip.Addr) frames.Frame
}

var (
	byARP       = resolution{"ARP request for ", "ARP reply to ", "pass arp", frames.ARPRequest, frames.ARPReply}
	byDiscovery = resolution{"neighbour solicitation for ", "neighbour advertisement to ", "pass icmp6", frames.NeighborSolicit, frames.NeighborAdvert}
)

// questions about an address of an interface with a link address: whether
// neighbours are found, and whether it is kept, should it be dynamic.
func (a localAddress) questions(link net.HardwareAddr) (asked []question) {
	by := byDiscovery
	if a.address.Is4() {
		by = byARP
	}
	for n, neighbor := range a.neighbors {
		of := a.address.String()
		if n > 0 { // the first stands for anybody
			of += " from " + neighbor.address.String()
		}
		asked = append(asked,
			question{by.request + of, "", by.ask(neighbor.link, neighbor.address, a.address), by.help},
			question{by.reply + of, "", by.answer(neighbor.link, neighbor.address, link, a.address), by.help})
	}
	switch {
	case !a.dynamic:
	case a.address.Is4():
		for _, to := range []netip.Addr{a.address, netip.AddrFrom4([4]byte{255, 255, 255, 255})} {
			asked = append(asked, question{
				packet: fmt.Sprintf("DHCP answer to %v, which keeps the dynamic address %v", to, a.address),
				frame:  frames.Frame{To: link, Network: frames.IP(a.neighbors[0].address, to, frames.UDP{From: 67, To: 68, Payload: make([]byte, 300)})},
				help:   "pass udp from port 67 to port 68",
			})
		}
	default:
		asked = append(asked, question{
			packet: "router advertisement, which keeps the dynamic address " + a.address.String(),
			frame:  routerAdvertisement(),
			help:   "pass icmp6",
		})
	}
	return asked
}

// routerAdvertisement is the least of them (RFC 4861, 4.2), to all nodes.
func routerAdvertisement() frames.Frame {
	const typeRouterAdvertisement, hopLimit64 = 134, 64 << 24
	return frames.Frame{
		From: frames.DefaultFrom, To: net.HardwareAddr{0x33, 0x33, 0, 0, 0, 1},
		Network: frames.IPv6{
			From: netip.MustParseAddr("fe80::1"), To: netip.MustParseAddr("ff02::1"), HopLimit: 255,
			Transport: frames.ICMPv6{Type: typeRouterAdvertisement, Rest: hopLimit64, Payload: make([]byte, 8)},
		},
	}
}
