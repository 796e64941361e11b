package oracle

import (
	"encoding/binary"
	"math/rand/v2"
	"net"
	"net/netip"
	"slices"

	"xdpfw/loader/frames"
	"xdpfw/rules"
)

// near is frames at the borders of what a rule matches: each clause holds by
// each of its border values, and fails by the values next to them or because
// the frame is of another kind, while the others hold.
func near(clauses []rules.Clause, random *rand.Rand) []sketch {
	var all []sketch
	for _, s := range matchingSketches(clauses, random, 8) {
		all = append(all, s)
		for i := range clauses {
			for _, v := range borders(&clauses[i], s.network) {
				changed := s
				if set(&changed, &clauses[i], v) {
					all = append(all, changed)
				}
			}
		}
	}
	for i := range clauses {
		others := slices.Delete(slices.Clone(clauses), i, i+1)
		all = append(all, matchingSketches(others, random, 8)...)
	}
	return all
}

// matchingSketches are up to n bases, changed so that every clause holds; at
// least one of each network that has one.
func matchingSketches(clauses []rules.Clause, random *rand.Rand, n int) []sketch {
	var all []sketch
	networks := map[string]bool{}
	candidates := bases()
	random.Shuffle(len(candidates), func(i, j int) { candidates[i], candidates[j] = candidates[j], candidates[i] })
	for _, s := range candidates {
		if (len(all) < n || !networks[s.network]) && satisfy(&s, clauses) {
			all = append(all, s)
			networks[s.network] = true
		}
	}
	return all
}

// satisfy changes the sketch so that each clause holds, if it can.
func satisfy(s *sketch, clauses []rules.Clause) bool {
	for i := range clauses {
		c := &clauses[i]
		if c.Subject.IsProperty() {
			if !setProperty(s, c.Subject, c.Not) {
				return false
			}
			continue
		}
		values := borders(c, s.network)
		at := slices.IndexFunc(values, func(v rules.Value) bool {
			changed := *s
			if !accepts(c, s.network, v) || !set(&changed, c, v) {
				return false
			}
			*s = changed
			return true
		})
		if at < 0 {
			return false
		}
	}
	return true
}

// accepts says whether a field of this value makes the clause hold.
func accepts(c *rules.Clause, network string, v rules.Value) bool {
	ranges, masks := c.Set.IP4, c.Set.Mask4
	if network == "ip6" {
		ranges, masks = c.Set.IP6, c.Set.Mask6
	}
	member := rules.Contains(ranges, v)
	for _, m := range masks {
		member = member || v.Hi&m.Mask.Hi == m.Value.Hi && v.Lo&m.Mask.Lo == m.Value.Lo
	}
	return member != c.Not
}

// borders are the ends of the ranges of a clause's set and the values next to
// them, and values that agree with its masks or fail by one bit.
func borders(c *rules.Clause, network string) []rules.Value {
	ranges, masks := c.Set.IP4, c.Set.Mask4
	if network == "ip6" {
		ranges, masks = c.Set.IP6, c.Set.Mask6
	}
	if len(ranges) > 6 {
		ranges = append(slices.Clone(ranges[:5]), ranges[len(ranges)-1])
	}
	var all []rules.Value
	for _, r := range ranges {
		all = append(all, r.Lo, r.Hi, plus(r.Lo, -1), plus(r.Hi, 1))
	}
	for _, m := range masks {
		all = append(all, m.Value, rules.Value{Hi: m.Value.Hi | ^m.Mask.Hi, Lo: m.Value.Lo | ^m.Mask.Lo})
		for bit := range uint(64) {
			if m.Mask.Lo>>bit&1 == 1 {
				all = append(all, rules.Value{Hi: m.Value.Hi, Lo: m.Value.Lo ^ 1<<bit})
			}
			if m.Mask.Hi>>bit&1 == 1 {
				all = append(all, rules.Value{Hi: m.Value.Hi ^ 1<<bit, Lo: m.Value.Lo})
			}
		}
	}
	return all
}

// plus is v + n, for n of 1 or -1; it wraps, and what is no value of a field
// is refused where the field is set.
func plus(v rules.Value, n int64) rules.Value {
	lo := v.Lo + uint64(n)
	switch {
	case n > 0 && lo < v.Lo:
		return rules.Value{Hi: v.Hi + 1, Lo: lo}
	case n < 0 && lo > v.Lo:
		return rules.Value{Hi: v.Hi - 1, Lo: lo}
	}
	return rules.Value{Hi: v.Hi, Lo: lo}
}

// setProperty gives the frame a property or, with not, leaves it without.
func setProperty(s *sketch, property rules.Subject, not bool) bool {
	is := map[rules.Subject]string{rules.IP: "ip", rules.IP6: "ip6", rules.ARP: "arp"}
	if network, ok := is[property]; ok {
		return (s.network == network) != not
	}
	if not {
		return true // bases have no tags and are no fragments
	}
	switch property {
	case rules.Frag, rules.FragFirst:
		return fragment(0, true)(s)
	case rules.FragLater:
		return fragment(9, true)(s)
	case rules.Tagged:
		return tagged(frames.Tag{VID: 100})(s)
	case rules.Invalid:
		return s.kind == "tcp" && short(10, 0)(s)
	}
	return false
}

// set gives a field a value; false if the frame has no such field, or the
// field no such value.
func set(s *sketch, c *rules.Clause, v rules.Value) bool {
	setters := map[string][]func(*sketch, rules.Subject, rules.Value) bool{
		"ip":    {setEthernet, setIP, setTransport},
		"ip6":   {setEthernet, setIP6, setTransport},
		"arp":   {setEthernet, setARP},
		"other": {setEthernet},
	}[s.network]
	if c.Subject == rules.RawBytes {
		return fits(v, 8*uint(c.Bytes.Length)) && s.put(c.Bytes, v.Lo)
	}
	for _, set := range setters {
		if set(s, c.Subject, v) {
			return true
		}
	}
	return false
}

// fits says whether a number has at most so many bits.
func fits(v rules.Value, bits uint) bool {
	return v.Hi == 0 && (bits == 64 || v.Lo>>bits == 0)
}

// field sets one that holds numbers of so many bits.
func field[T ~uint8 | ~uint16 | ~uint32](to *T, v rules.Value, bits uint) bool {
	*to = T(v.Lo)
	return fits(v, bits)
}

func macOf(v rules.Value) net.HardwareAddr {
	return binary.BigEndian.AppendUint64(nil, v.Lo)[2:]
}

func address4(v rules.Value) netip.Addr {
	return netip.AddrFrom4([4]byte(binary.BigEndian.AppendUint32(nil, uint32(v.Lo))))
}

func address6(v rules.Value) netip.Addr {
	return netip.AddrFrom16([16]byte(binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint64(nil, v.Hi), v.Lo)))
}
