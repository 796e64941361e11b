package difftest

import (
	"encoding/binary"

	"xdpfw/rules"
)

// A wish is the header values that a frame should carry where its form has
// room for them. What nothing is wished of, has a value of the pool.
type wish struct {
	*pool
	values []wishedValue
	bytes  []wishedBytes
	tags   int // -1: any number
	length int // of the frame, at least
}

// A wishedValue is of the field at a place: subjects that read the same bytes
// have the same place.
type wishedValue struct {
	place rules.Subject
	value rules.Value
}

// wishedBytes are raw bytes at an offset from a base.
type wishedBytes struct {
	base   rules.Base
	offset int
	bytes  []byte
}

// places of the fields that share bytes with others, in IPv4 or any frame.
// Protocol is that of IPv6; Source and Destination are not used.
var places = map[rules.Subject]rules.Subject{
	rules.Source: rules.IP4Source, rules.Destination: rules.IP4Destination, rules.Protocol: rules.IP4Protocol,
	rules.TCPSourcePort: rules.SourcePort, rules.UDPSourcePort: rules.SourcePort, rules.SCTPSourcePort: rules.SourcePort,
	rules.TCPDestinationPort: rules.DestinationPort, rules.UDPDestinationPort: rules.DestinationPort,
	rules.SCTPDestinationPort: rules.DestinationPort,
}

// places6 are those that are others in IPv6.
var places6 = map[rules.Subject]rules.Subject{
	rules.Source: rules.IP6Source, rules.Destination: rules.IP6Destination, rules.Protocol: rules.Protocol,
}

// placesOf a field in IPv4 or any frame, and in IPv6.
func placesOf(s rules.Subject) (place, place6 rules.Subject) {
	place = s
	if p, ok := places[s]; ok {
		place = p
	}
	place6 = place
	if p, ok := places6[s]; ok {
		place6 = p
	}
	return place, place6
}

// value wished of a place, or any of the pool.
func (w wish) value(place rules.Subject) rules.Value {
	if v, ok := w.wished(place); ok {
		return v
	}
	return w.anyValue(place)
}

func (w wish) wished(place rules.Subject) (rules.Value, bool) {
	for _, wished := range w.values {
		if wished.place == place {
			return wished.value, true
		}
	}
	return rules.Value{}, false
}

// number is value of a field of at most 64 bits.
func (w wish) number(place rules.Subject) uint64 { return w.value(place).Lo }

// with is the wish with one value changed.
func (w wish) with(place rules.Subject, n uint64) wish {
	values := []wishedValue{{place, rules.Value{Lo: n}}}
	w.values = append(values, w.values...)
	return w
}

// proto4 and proto6 are the wished protocols.
func (w wish) proto4() uint8 { return uint8(w.number(rules.IP4Protocol)) }
func (w wish) proto6() uint8 { return uint8(w.number(rules.Protocol)) }

// reach is how many bytes behind a base the wish is about.
func (w wish) reach(base rules.Base) int {
	n := 0
	for _, b := range w.bytes {
		if b.base == base {
			n = max(n, b.offset+len(b.bytes))
		}
	}
	return n
}

// write the wished bytes of a base over b, where they are free: not part of
// what makes the frame one of its form.
func (w wish) write(base rules.Base, b []byte, free func(i int) bool) {
	for _, wished := range w.bytes {
		if wished.base != base {
			continue
		}
		for i, c := range wished.bytes {
			if at := wished.offset + i; at < len(b) && free(at) {
				b[at] = c
			}
		}
	}
}

// A plan is what the clauses of a step ask of a frame.
type plan struct {
	values []wantedValue
	raw    []rules.Clause // of RawBytes
	tags   int            // at least so many; -1: it does not matter
	noTags bool
}

// A wantedValue is of a place, and all that the clauses say of it.
type wantedValue struct {
	place       rules.Subject
	constraints []constraint
}

func planFor(step *rules.Step) *plan {
	p := &plan{tags: -1}
	for i := range step.Clauses {
		c := &step.Clauses[i]
		switch {
		case c.Subject == rules.RawBytes:
			p.raw = append(p.raw, *c)
		case c.Subject == rules.Tagged && c.Not:
			p.noTags = true
		case c.Subject == rules.Tagged || c.Subject == rules.VLANID || c.Subject == rules.VLANPriority:
			p.tags = max(p.tags, 1)
		case c.Subject == rules.VLAN2ID:
			p.tags = 2
		}
		p.add(c)
	}
	return p
}

// wishFor is header values that a step accepts, most of them at the ends of
// ranges, some just beyond.
func (p *pool) wishFor(plan *plan) wish {
	w := wish{pool: p, tags: plan.tags}
	switch {
	case plan.noTags:
		w.tags = 0
	case w.tags == 1:
		w.tags += p.IntN(2)
	}
	for i := range plan.raw {
		w.bytes = append(w.bytes, p.bytesFor(&plan.raw[i]))
	}
	for _, wanted := range plan.values {
		v := p.meet(wanted)
		w.values = append(w.values, wishedValue{wanted.place, v})
		if wanted.place == rules.Length {
			w.length = int(min(v.Lo, longestFrame))
		}
	}
	return w.withProtocols()
}

// wish is any values of the pool.
func (p *pool) wish() wish { return wish{pool: p, tags: -1}.withProtocols() }

// withProtocols settles what builders ask more than once.
func (w wish) withProtocols() wish {
	for _, place := range []rules.Subject{rules.IP4Protocol, rules.Protocol} {
		if _, ok := w.wished(place); !ok {
			w.values = append(w.values, wishedValue{place, w.anyValue(place)})
		}
	}
	return w
}

// longestFrame that is made: the kernel's test runs take a little more.
const longestFrame = 3500

// A constraint is a clause's set for one place.
type constraint struct {
	ranges []rules.Range
	masks  []rules.Masked
	not    bool
}

func (p *plan) put(place rules.Subject, c constraint) {
	for i := range p.values {
		if p.values[i].place == place {
			p.values[i].constraints = append(p.values[i].constraints, c)
			return
		}
	}
	p.values = append(p.values, wantedValue{place, []constraint{c}})
}

// add what a clause says, and which protocols its field is of.
func (p *plan) add(c *rules.Clause) {
	implied := impliedProtocols[c.Subject]
	if c.Subject == rules.RawBytes && c.Bytes.Base == rules.PayloadBase {
		implied = ranges(protoICMP, protoTCP, protoUDP, protoICMP6, protoSCTP)
	}
	if implied != nil {
		p.put(rules.IP4Protocol, constraint{ranges: implied})
		p.put(rules.Protocol, constraint{ranges: implied})
	}
	if c.Subject.IsProperty() || c.Subject == rules.RawBytes {
		return
	}
	place, place6 := placesOf(c.Subject)
	p.put(place, constraint{c.Set.IP4, c.Set.Mask4, c.Not})
	if place6 != place {
		p.put(place6, constraint{c.Set.IP6, c.Set.Mask6, c.Not})
	}
}

// impliedProtocols of the fields that only some protocols have.
var impliedProtocols = func() map[rules.Subject][]rules.Range {
	byProtocols := map[protocols][]rules.Range{
		tcp: ranges(protoTCP), udp: ranges(protoUDP), sctp: ranges(protoSCTP), icmp: ranges(protoICMP),
		icmp6: ranges(protoICMP6), tcp | udp | sctp: ranges(protoTCP, protoUDP, protoSCTP),
	}
	implied := map[rules.Subject][]rules.Range{}
	for _, spec := range kindSpecs {
		if spec.need == transportHeader && spec.subject != rules.RawBytes {
			implied[spec.subject] = byProtocols[spec.protocols]
		}
	}
	return implied
}()

func ranges(ns ...uint64) (out []rules.Range) {
	for _, n := range ns {
		out = append(out, rules.Range{Lo: rules.Value{Lo: n}, Hi: rules.Value{Lo: n}})
	}
	return out
}

// bytesFor is raw bytes that a clause accepts.
func (p *pool) bytesFor(c *rules.Clause) wishedBytes {
	length := int(c.Bytes.Length)
	limit := rules.Value{Lo: ^uint64(0) >> (64 - 8*length)}
	have := func() rules.Value { return rules.Value{Lo: p.Uint64() & limit.Lo} }
	v := p.meetWithin([]constraint{{c.Set.IP4, c.Set.Mask4, c.Not}}, have, limit)
	all := binary.BigEndian.AppendUint64(nil, v.Lo)
	return wishedBytes{c.Bytes.Base, int(c.Bytes.Offset), all[8-length:]}
}
