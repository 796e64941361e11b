package difftest

// A Form is a shape of headers that a frame can have: one row of Coverage.
// What all frames of a form have in common, and what none of them has, is
// written down beside it as traits, from docs/language.md and not from any
// engine, so that impossible cells can be told from neglected ones.
type Form uint8

// The forms.
const (
	Plain4  Form = iota // IPv4 without options, untagged
	Opt4                // IPv4 with options
	First4              // first fragment with a whole transport header
	Tiny4               // first fragment that ends within its transport header
	Later4              // later fragment whose payload may look like a header
	VLAN4               // one tag
	QinQ4               // two tags
	Short4              // transport header malformed, or cut by the end of frame and IP packet
	Padded4             // transport header cut by the IP length; Ethernet padding goes on with it
	Bad4                // version, IHL or total length wrong
	Plain6              // IPv6 without extension headers, untagged
	HopByHop6
	Routing6
	DestOpt6
	AH6
	Atomic6 // a fragment header with offset 0 and nothing to come
	First6
	Tiny6
	Later6
	Stack6 // 2 to 8 extension headers
	Jumbo6 // payload length 0 in front of a hop-by-hop header
	VLAN6
	QinQ6
	Short6
	Padded6
	Broken6   // more than 8 extension headers, or one that runs past the packet
	Overlong6 // payload length beyond the frame's end
	Bad6      // version wrong, or fewer than 40 bytes
	ARPFrame
	OtherARP  // other hardware or protocol, or short
	BadTags   // a third tag, or a cut one
	Other     // any other ethertype, 802.3 lengths, minimum frames
	Truncated // an IPv4 or IPv6 frame cut anywhere behind the Ethernet header
	Mutated   // any of the above with bytes changed, and random bytes: nothing is promised
	forms     = iota
)

// often says how many frames of a form have a trait.
type often uint8

const (
	never often = iota
	sometimes
	always
)

// traits is what is known of every frame of a form.
type traits struct {
	ip, ip6, arp  often
	first, later  often // fragments
	invalid       often
	address       often
	protocol      often // a protocol field
	ports         often // source and destination port
	familyIfKnown int   // 4 or 6 where addresses are of one family, else 0
}

func (t traits) frag() often {
	if t.first == always || t.later == always {
		return always
	}
	return max(t.first, t.later)
}

// A formSpec is a form's name, its traits and what builds its frames.
type formSpec struct {
	name   string
	traits traits
	build  func(*frameMaker, wish) []byte
}

var (
	noNetwork = traits{}
	noHeader  = traits{invalid: always}
	whole4    = traits{ip: always, address: always, protocol: always, ports: sometimes, familyIfKnown: 4}
	whole6    = traits{ip6: always, address: always, protocol: always, ports: sometimes, familyIfKnown: 6}
	noWalk6   = traits{ip6: always, address: always, invalid: always, familyIfKnown: 6}
)

// maybeFirst: a fragment header that was passed before the walk failed stands.
func (t traits) maybeFirst() traits { t.first = sometimes; return t }

func (t traits) asInvalid() traits { t.invalid = always; return t }
func (t traits) asFirst() traits   { t.first = always; return t }
func (t traits) asLater() traits   { t.later, t.ports = always, never; return t }

// formSpecs is filled by init, because builders call other forms' builders.
var formSpecs [forms]formSpec

func init() {
	formSpecs = [forms]formSpec{
		Plain4:    {"plain4", whole4, (*frameMaker).plain4},
		Opt4:      {"options4", whole4, (*frameMaker).options4},
		First4:    {"first4", whole4.asFirst(), (*frameMaker).first4},
		Tiny4:     {"tiny4", whole4.asFirst().asInvalid(), (*frameMaker).tiny4},
		Later4:    {"later4", whole4.asLater(), (*frameMaker).later4},
		VLAN4:     {"vlan4", whole4, (*frameMaker).vlan4},
		QinQ4:     {"qinq4", whole4, (*frameMaker).qinq4},
		Short4:    {"short4", whole4.asInvalid(), (*frameMaker).short4},
		Padded4:   {"padded4", whole4.asInvalid(), (*frameMaker).padded4},
		Bad4:      {"bad4", noHeader, (*frameMaker).bad4},
		Plain6:    {"plain6", whole6, (*frameMaker).plain6},
		HopByHop6: {"hop-by-hop6", whole6, (*frameMaker).hopByHop6},
		Routing6:  {"routing6", whole6, (*frameMaker).routing6},
		DestOpt6:  {"dest-opt6", whole6, (*frameMaker).destOpt6},
		AH6:       {"ah6", whole6, (*frameMaker).ah6},
		Atomic6:   {"atomic6", whole6, (*frameMaker).atomic6},
		First6:    {"first6", whole6.asFirst(), (*frameMaker).first6},
		Tiny6:     {"tiny6", whole6.asFirst().asInvalid(), (*frameMaker).tiny6},
		Later6:    {"later6", whole6.asLater(), (*frameMaker).later6},
		Stack6:    {"stack6", whole6, (*frameMaker).stack6},
		Jumbo6:    {"jumbo6", whole6, (*frameMaker).jumbo6},
		VLAN6:     {"vlan6", whole6, (*frameMaker).vlan6},
		QinQ6:     {"qinq6", whole6, (*frameMaker).qinq6},
		Short6:    {"short6", whole6.asInvalid(), (*frameMaker).short6},
		Padded6:   {"padded6", whole6.asInvalid(), (*frameMaker).padded6},
		Broken6:   {"broken6", noWalk6.maybeFirst(), (*frameMaker).broken6},
		Overlong6: {"overlong6", noWalk6, (*frameMaker).overlong6},
		Bad6:      {"bad6", noHeader, (*frameMaker).bad6},
		ARPFrame:  {"arp", traits{arp: always}, (*frameMaker).arp},
		OtherARP:  {"other-arp", noNetwork, (*frameMaker).otherARP},
		BadTags:   {"bad-tags", noHeader, (*frameMaker).badTags},
		Other:     {"other", noNetwork, (*frameMaker).other},
		Truncated: {"truncated", traits{invalid: always, ip6: sometimes, address: sometimes, familyIfKnown: 6}, (*frameMaker).truncated},
		Mutated: {"mutated", traits{ip: sometimes, ip6: sometimes, arp: sometimes, first: sometimes, later: sometimes,
			invalid: sometimes, address: sometimes, protocol: sometimes, ports: sometimes}, (*frameMaker).mutated},
	}
}

func (f Form) String() string { return formSpecs[f].name }

// Impossible is why no rule with this condition can decide a frame of this
// form, or "".
func (f Form) Impossible(c Condition) string {
	t := formSpecs[f].traits
	switch c.Kind {
	case KindIP:
		return impossibleProperty(t.ip, c)
	case KindIP6:
		return impossibleProperty(t.ip6, c)
	case KindARP:
		return impossibleProperty(t.arp, c)
	case KindFrag:
		return impossibleProperty(t.frag(), c)
	case KindFragFirst:
		return impossibleProperty(t.first, c)
	case KindFragLater:
		return impossibleProperty(t.later, c)
	case KindInvalid:
		return impossibleProperty(t.invalid, c)
	case KindFrom, KindTo:
		if t.address == never {
			return "no address"
		}
	case KindFromPort, KindToPort:
		if t.ports == never {
			return "no port"
		}
	default:
		return impossibleProtocol(t, c)
	}
	return ""
}

func impossibleProperty(o often, c Condition) string {
	switch {
	case o == never && !c.Not:
		return "never " + kindNames[c.Kind]
	case o == always && c.Not:
		return "always " + kindNames[c.Kind]
	}
	return ""
}

func impossibleProtocol(t traits, c Condition) string {
	switch {
	case t.protocol == never:
		return "no protocol"
	case c.Kind == KindICMP && !c.Not && t.familyIfKnown == 6:
		return "icmp is of IPv4"
	case c.Kind == KindICMP6 && !c.Not && t.familyIfKnown == 4:
		return "icmp6 is of IPv6"
	}
	return ""
}
