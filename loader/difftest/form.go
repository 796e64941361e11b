package difftest

// A Form is a shape of headers that a frame can have: one row of Coverage.
// What all frames of a form have in common, and what none of them has, is
// written down beside it as traits, so that impossible cells can be told from
// neglected ones.
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
	ICMP4               // ICMP, some of it errors that quote a packet
	Tunnel4             // a packet in an IPv4 packet: not looked into
	Long4               // a payload of hundreds of bytes
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
	ICMPv6
	Long6
	Broken6   // more than 8 extension headers, or one that runs past the packet
	Overlong6 // payload length beyond the frame's end
	Bad6      // version wrong, or fewer than 40 bytes
	ARPFrame
	TaggedARP
	OtherARP  // other hardware or protocol, or short
	BadTags   // a third tag, or a cut one
	Other     // any other ethertype, 802.3 lengths, minimum frames
	Truncated // an IPv4 or IPv6 frame cut anywhere behind the Ethernet header
	Mutated   // any of the above with bytes changed, and random bytes; of this and the next ones nothing is promised
	Cut       // any of the above cut at any length, or with bytes behind its end
	Captured  // of a capture of real traffic, as it was, or with wishes written over it, or cut
	forms     = iota
)

// promised is the number of forms that have traits.
const promised = Mutated

// A formSpec is a form's name, its traits and what builds its frames.
type formSpec struct {
	name   string
	traits traits
	build  func(*frameMaker, wish) []byte
}

// formSpecs is filled by init, because builders call other forms' builders.
var formSpecs [forms]formSpec

func init() {
	formSpecs = [forms]formSpec{
		Plain4:    {"plain4", whole4.tags(0), (*frameMaker).plain4},
		Opt4:      {"options4", whole4, (*frameMaker).options4},
		First4:    {"first4", whole4.asFirst(), (*frameMaker).first4},
		Tiny4:     {"tiny4", whole4.asFirst().cut(), (*frameMaker).tiny4},
		Later4:    {"later4", whole4.asLater(), (*frameMaker).later4},
		VLAN4:     {"vlan4", whole4.tags(1), (*frameMaker).vlan4},
		QinQ4:     {"qinq4", whole4.tags(2), (*frameMaker).qinq4},
		Short4:    {"short4", whole4.malformed(), (*frameMaker).short4},
		Padded4:   {"padded4", whole4.cut(), (*frameMaker).padded4},
		Bad4:      {"bad4", noHeader, (*frameMaker).bad4},
		ICMP4:     {"icmp4", whole4.of(icmp), (*frameMaker).icmp4},
		Tunnel4:   {"tunnel4", whole4.of(ipip | gre | otherProtocol), (*frameMaker).tunnel4},
		Long4:     {"long4", whole4, (*frameMaker).long4},
		Plain6:    {"plain6", whole6.tags(0).withExtensions(never), (*frameMaker).plain6},
		HopByHop6: {"hop-by-hop6", whole6, (*frameMaker).hopByHop6},
		Routing6:  {"routing6", whole6, (*frameMaker).routing6},
		DestOpt6:  {"dest-opt6", whole6, (*frameMaker).destOpt6},
		AH6:       {"ah6", whole6.withAH(always), (*frameMaker).ah6},
		Atomic6:   {"atomic6", whole6, (*frameMaker).atomic6},
		First6:    {"first6", whole6.asFirst().withAH(sometimes), (*frameMaker).first6},
		Tiny6:     {"tiny6", whole6.asFirst().cut().withAH(sometimes), (*frameMaker).tiny6},
		Later6:    {"later6", whole6.asLater().withAH(sometimes), (*frameMaker).later6},
		Stack6:    {"stack6", whole6.withAH(sometimes), (*frameMaker).stack6},
		Jumbo6:    {"jumbo6", whole6.withAH(sometimes), (*frameMaker).jumbo6},
		VLAN6:     {"vlan6", whole6.tags(1).withExtensions(never), (*frameMaker).vlan6},
		QinQ6:     {"qinq6", whole6.tags(2).withExtensions(never), (*frameMaker).qinq6},
		Short6:    {"short6", whole6.malformed().withAH(sometimes).withExtensions(sometimes), (*frameMaker).short6},
		Padded6:   {"padded6", whole6.cut().withAH(sometimes).withExtensions(sometimes), (*frameMaker).padded6},
		ICMPv6:    {"icmp6", whole6.of(icmp6).withExtensions(sometimes).withAH(sometimes), (*frameMaker).icmpv6},
		Long6:     {"long6", whole6.withExtensions(sometimes).withAH(sometimes), (*frameMaker).long6},
		Broken6:   {"broken6", noWalk6.maybeFirst().elastic(), (*frameMaker).broken6},
		Overlong6: {"overlong6", noWalk6, (*frameMaker).overlong6},
		Bad6:      {"bad6", noHeader, (*frameMaker).bad6},
		ARPFrame:  {"arp", ofARP.tags(0), (*frameMaker).arp},
		TaggedARP: {"tagged-arp", ofARP.anyTags(), (*frameMaker).taggedARP},
		OtherARP:  {"other-arp", noNetwork.rigid(), (*frameMaker).otherARP},
		BadTags:   {"bad-tags", noHeader.behindBadTags(), (*frameMaker).badTags},
		Other:     {"other", noNetwork, (*frameMaker).other},
		Truncated: {"truncated", noHeader.cutAnywhere(), (*frameMaker).truncated},
		Mutated:   {"mutated", unpromised, (*frameMaker).mutated},
		Cut:       {"cut", unpromised, (*frameMaker).cutAnywhere},
		Captured:  {"captured", unpromised, (*frameMaker).captured},
	}
	for form := range Form(forms) {
		for column := range conditions {
			if form < promised {
				impossible[form][column] = formSpecs[form].traits.impossible(conditionAt(column))
			}
		}
	}
}

// anyTags is one tag or two.
func (t traits) anyTags() traits { t.has[outerTag] = always; return t }

// behindBadTags: nothing is read behind a third tag, or one that is cut short.
func (t traits) behindBadTags() traits { t.has[etherType] = never; return t }

// cutAnywhere may be within a tag, or behind IPv6's fixed header.
func (t traits) cutAnywhere() traits {
	t.networks |= ip6
	t.has[etherType] = sometimes
	return t
}

// unpromised frames can be anything.
var unpromised = traits{networks: anyNetwork, protocols: anything, first: sometimes, later: sometimes, invalid: sometimes,
	ah: sometimes, extensions: sometimes, has: [needs]often{sometimes, sometimes, sometimes, sometimes, sometimes, sometimes}}

func (f Form) String() string { return formSpecs[f].name }

// build a frame of the form; one that stretches gets the wished length, if
// that is longer.
func (m *frameMaker) build(f Form, w wish) []byte {
	b := formSpecs[f].build(m, w)
	if formSpecs[f].traits.stretches && w.length > len(b) {
		b = append(b, m.bytes(w.length-len(b))...)
	}
	return b
}

// family of the addresses, if the form has those of one only; else 0.
func (f Form) family() int {
	switch networks := formSpecs[f].traits.networks &^ none; networks {
	case ip4:
		return 4
	case ip6:
		return 6
	}
	return 0
}
