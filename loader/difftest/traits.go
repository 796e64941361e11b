package difftest

// What is known of every frame of a form, written down from docs/language.md
// and not from any engine.

// networks is a set of network protocols that a frame can carry.
type networks uint8

const (
	none networks = 1 << iota // none that is known, or malformed
	arp
	ip4
	ip6
	anyNetwork = none | arp | ip4 | ip6
)

// protocols is a set of what the field protocol can say.
type protocols uint16

const (
	missing protocols = 1 << iota // there is no such field
	icmp
	igmp
	ipip
	tcp
	udp
	gre
	esp
	ahead // 51 in IPv4
	icmp6
	sctp
	otherProtocol
	anything    = protocols(1<<iota) - 1
	anyProtocol = anything &^ missing
)

// A need is what a field needs to be there, beyond network and protocol.
type need uint8

const (
	nothing   need = iota
	outerTag       // at least one whole VLAN tag
	innerTag       // two
	etherType      // parsing has got behind the tags
	transportHeader
	payload
	needs = iota
)

var needNames = [needs]string{"", "no tag", "no second tag", "nothing behind tags", "no transport header", "no payload"}

// often says how many frames of a form have a trait.
type often uint8

const (
	never often = iota
	sometimes
	always
)

// traits is what is known of every frame of a form.
type traits struct {
	networks   networks
	protocols  protocols
	first      often // fragments
	later      often
	invalid    often
	ah         often // `ah`
	extensions often // IPv6 extension headers, of a walk that was completed
	has        [needs]often

	stretches bool // stays what it is with more bytes behind it
}

func (t traits) frag() often {
	if t.first == always || t.later == always {
		return always
	}
	return max(t.first, t.later)
}

// behindTags are the traits of a frame in which parsing gets behind the tags,
// of which there may be some.
var behindTags = [needs]often{outerTag: sometimes, innerTag: sometimes, etherType: always}

var (
	noNetwork = traits{networks: none, protocols: missing, has: behindTags, stretches: true}
	noHeader  = traits{networks: none, protocols: missing, has: behindTags, invalid: always}
	ofARP     = traits{networks: arp, protocols: missing, has: behindTags, stretches: true}
	whole4    = traits{networks: ip4, protocols: anyProtocol, ah: sometimes, has: behindTags, stretches: true}.transport()
	whole6    = traits{networks: ip6, protocols: anyProtocol &^ ahead, has: behindTags, extensions: always, stretches: true}.transport()
	noWalk6   = traits{networks: ip6, protocols: missing, invalid: always, has: behindTags}
)

func (t traits) transport() traits {
	t.has[transportHeader], t.has[payload] = sometimes, sometimes
	return t
}

// maybeFirst: a fragment header that was passed before the walk failed stands.
func (t traits) maybeFirst() traits { t.first = sometimes; return t }

func (t traits) rigid() traits   { t.stretches = false; return t }
func (t traits) elastic() traits { t.stretches = true; return t }
func (t traits) asFirst() traits { t.first = always; return t }

func (t traits) asLater() traits {
	t.later, t.has[transportHeader], t.has[payload] = always, never, never
	if t.networks == ip6 {
		t.protocols |= ahead // the fragment header may name an extension header
	}
	return t
}

// malformed is a transport header that is not as it should be, so that its
// protocol has one.
func (t traits) malformed() traits {
	t.invalid = always
	t.protocols = tcp | udp | sctp | icmp6
	if t.networks == ip4 {
		t.protocols, t.ah = tcp|udp|sctp|icmp, never
	}
	return t
}

// cut ends within the fixed transport header.
func (t traits) cut() traits { t = t.malformed(); t.has[payload] = never; return t }

func (t traits) of(p protocols) traits { t.protocols = p; t.ah = never; return t }

func (t traits) tags(n int) traits {
	t.has[outerTag], t.has[innerTag] = never, never
	if n >= 1 {
		t.has[outerTag] = always
	}
	if n == 2 {
		t.has[innerTag] = always
	}
	return t
}

// withAH says how many frames an AH was passed in, or in IPv4 is the protocol.
func (t traits) withAH(o often) traits { t.ah = o; return t }

func (t traits) withExtensions(o often) traits { t.extensions = o; return t }

// Impossible is why no rule with this condition can decide a frame of this
// form, or "".
func (f Form) Impossible(c Condition) string { return impossible[f][c.column()] }

// impossible is reckoned once: steering asks often.
var impossible [forms][conditions]string

func (t traits) impossible(c Condition) string {
	if c.Kind.isProperty() {
		return impossibleProperty(t.property(c.Kind), c)
	}
	spec := c.Kind.spec()
	switch {
	case t.networks&spec.networks == 0:
		return "of another network protocol"
	case t.protocols&spec.protocols == 0 && t.protocols == missing:
		return "no protocol"
	case t.protocols&spec.protocols == 0:
		return "of another protocol"
	case t.has[spec.need] == never && spec.need != nothing:
		return needNames[spec.need]
	case c.Kind == kindExtensions && !c.Not && t.extensions == never:
		return "no extension header"
	case c.Kind == KindAH:
		return impossibleProperty(t.ah, c)
	}
	return t.impossibleWord(c)
}

// impossibleWord is about `tcp` and its like.
func (t traits) impossibleWord(c Condition) string {
	word, ok := wordProtocols[c.Kind]
	switch {
	case !ok:
		return ""
	case c.Kind == KindICMP && t.networks&ip4 == 0:
		return impossibleProperty(never, c)
	case c.Kind == KindICMP6 && t.networks&ip6 == 0:
		return impossibleProperty(never, c)
	case t.protocols&word == 0:
		return impossibleProperty(never, c)
	case t.protocols == word:
		return impossibleProperty(always, c)
	}
	return ""
}

// property is how many frames have it.
func (t traits) property(k Kind) often {
	switch k {
	case KindIP, KindIP6, KindARP:
		switch n := k.spec().networks; {
		case t.networks == n:
			return always
		case t.networks&n == 0:
			return never
		}
		return sometimes
	case KindFrag:
		return t.frag()
	case KindFragFirst:
		return t.first
	case KindFragLater:
		return t.later
	case KindInvalid:
		return t.invalid
	case KindTagged:
		return t.has[outerTag]
	}
	return sometimes // `on`: it depends on the names alone
}

func impossibleProperty(o often, c Condition) string {
	switch {
	case o == never && !c.Not:
		return "never " + c.Kind.String()
	case o == always && c.Not:
		return "always " + c.Kind.String()
	}
	return ""
}
