package difftest

import (
	"encoding/binary"

	"xdpfw/rules"
)

// wishFor is header values that the rule accepts, most of them at the ends of
// its ranges, some just beyond.
func (p *pool) wishFor(r *rules.Rule) wish {
	w := p.wish()
	byField := map[rules.Subject][]rules.Clause{}
	for _, c := range r.Clauses {
		byField[c.Subject] = append(byField[c.Subject], c)
	}
	of4 := func(s rules.ValueSet) []rules.Range { return s.IP4 }
	of6 := func(s rules.ValueSet) []rules.Range { return s.IP6 }
	narrow := func(s rules.Subject, of func(rules.ValueSet) []rules.Range, have func() uint64, limit uint64) uint64 {
		number := func() rules.Value { return rules.Value{Lo: have()} }
		return p.meet(byField[s], of, number, rules.Value{Lo: limit}).Lo
	}
	address4 := func() uint64 { return uint64(pick(p, p.addresses4)) }
	w.src4 = uint32(narrow(rules.Source, of4, address4, 0xffffffff))
	w.dst4 = uint32(narrow(rules.Destination, of4, address4, 0xffffffff))

	wide := func(s rules.Subject) [16]byte {
		have := func() rules.Value { return value6(pick(p, p.addresses6)) }
		return bytes6(p.meet(byField[s], of6, have, rules.Value{Hi: ^uint64(0), Lo: ^uint64(0)}))
	}
	w.src6, w.dst6 = wide(rules.Source), wide(rules.Destination)

	protocol := func() uint64 { return uint64(pick(p, p.protocols)) }
	if len(byField[rules.SourcePort])+len(byField[rules.DestinationPort]) > 0 {
		protocol = func() uint64 { return pick(p, []uint64{protoTCP, protoUDP, protoSCTP}) }
	}
	w.proto4 = uint8(narrow(rules.Protocol, of4, protocol, 0xff))
	w.proto6 = uint8(narrow(rules.Protocol, of6, protocol, 0xff))
	port := func() uint64 { return uint64(pick(p, p.ports)) }
	w.sport = uint16(narrow(rules.SourcePort, of4, port, 0xffff))
	w.dport = uint16(narrow(rules.DestinationPort, of4, port, 0xffff))
	return w
}

func value6(a [16]byte) rules.Value {
	return rules.Value{Hi: binary.BigEndian.Uint64(a[:]), Lo: binary.BigEndian.Uint64(a[8:])}
}

func bytes6(v rules.Value) (a [16]byte) {
	binary.BigEndian.PutUint64(a[:], v.Hi)
	binary.BigEndian.PutUint64(a[8:], v.Lo)
	return a
}
