package rules

// states are sets of the states that a packet can be in: the network protocol,
// which part of a datagram it is, whether it is malformed and whether it is
// tagged, 48 in all, one bit each. A rule of which no state is left matches
// nothing.
type states uint64

func stateOf(n network, f fragment, invalid, tagged bool) states {
	bit := int(n)*12 + int(f)*4
	if invalid {
		bit += 2
	}
	if tagged {
		bit++
	}
	return 1 << bit
}

// statesWhere are the states that can be and for which something holds.
func statesWhere(holds func(n network, f fragment, invalid, tagged bool) bool) (all states) {
	for n := networkNone; n <= networkIP6; n++ {
		for f := notFragment; f <= laterFragment; f++ {
			for both := range 4 {
				invalid, tagged := both&1 != 0, both&2 != 0
				isIP := n == networkIP || n == networkIP6
				if f != notFragment && !isIP || n == networkARP && invalid {
					continue // no packet is like that
				}
				if holds(n, f, invalid, tagged) {
					all |= stateOf(n, f, invalid, tagged)
				}
			}
		}
	}
	return all
}

func statesOfNetwork(want network) states {
	return statesWhere(func(n network, _ fragment, _, _ bool) bool { return n == want })
}

func statesOfFragment(want fragment) states {
	return statesWhere(func(_ network, f fragment, _, _ bool) bool { return f == want })
}

var (
	anyState       = statesWhere(func(network, fragment, bool, bool) bool { return true })
	arpStates      = statesOfNetwork(networkARP)
	ip4States      = statesOfNetwork(networkIP)
	ip6States      = statesOfNetwork(networkIP6)
	firstStates    = statesOfFragment(firstFragment)
	laterStates    = statesOfFragment(laterFragment)
	taggedStates   = statesWhere(func(_ network, _ fragment, _, tagged bool) bool { return tagged })
	propertyStates = [subjectCount]states{
		IP: ip4States, IP6: ip6States, ARP: arpStates, Frag: firstStates | laterStates, FragFirst: firstStates, FragLater: laterStates,
		Invalid: statesWhere(func(_ network, _ fragment, invalid, _ bool) bool { return invalid }), Tagged: taggedStates,
	}
)

// fieldStates are the states of packets that can have a field.
var fieldStates = func() (all [subjectCount]states) {
	ip := ip4States | ip6States
	for s := range Subject(subjectCount) {
		switch {
		case s >= ARPOperation && s <= ARPTargetIP:
			all[s] = arpStates
		case s >= IP4Source && s <= IP4HeaderLength:
			all[s] = ip4States
		case s >= IP6Source && s <= IP6Extensions:
			all[s] = ip6States
		case s == Protocol || s == Source || s == Destination:
			all[s] = ip
		case s == VLANID || s == VLANPriority || s == VLAN2ID:
			all[s] = taggedStates
		case s == ICMPType || s == ICMPCode:
			all[s] = ip4States &^ laterStates
		case s == ICMP6Type || s == ICMP6Code:
			all[s] = ip6States &^ laterStates
		case hasPorts(s) || s >= TCPSourcePort && s <= SCTPDestinationPort:
			all[s] = ip &^ laterStates
		default:
			all[s] = anyState
		}
	}
	return all
}()

// isTransport says whether a field is of a transport header.
func isTransport(s Subject) bool { return hasPorts(s) || s >= TCPSourcePort }

func hasPorts(s Subject) bool { return s == SourcePort || s == DestinationPort }

// states in which a clause alone can hold.
func (c *Clause) states() states {
	switch {
	case c.Subject == Interface:
		return anyState
	case c.Subject.IsProperty() && c.Not:
		return anyState &^ propertyStates[c.Subject]
	case c.Subject.IsProperty():
		return propertyStates[c.Subject]
	}
	in := fieldStates[c.Subject]
	if c.Subject == RawBytes && c.Bytes.Base >= TransportBase {
		in = (ip4States | ip6States) &^ laterStates
	}
	if c.isEmpty() {
		return in
	}
	for _, f := range [...]family{ip4Family, ip6Family} {
		if values := c.accepted(f); !values.isLeft() {
			in &^= f.states()
		}
	}
	return in &^ c.otherStates()
}

// otherStates are states in which a field has other values than the clause
// wants: some fields say in part what the state says.
func (c *Clause) otherStates() (out states) {
	takes := func(n network, v uint64) bool { return c.Set.holds(n, number(v)) != c.Not }
	switch c.Subject {
	case EtherType:
		for n, etherType := range map[network]uint64{networkARP: typeARP, networkIP: typeIP, networkIP6: typeIP6} {
			if !takes(n, etherType) {
				out |= statesOfNetwork(n)
			}
		}
	case IP4MF:
		if !takes(networkIP, 0) {
			out |= anyState &^ (firstStates | laterStates)
		}
		if !takes(networkIP, 1) {
			out |= firstStates
		}
	case IP4Offset:
		if !takes(networkIP, 0) {
			out |= anyState &^ laterStates
		}
		mine := c.accepted(ip4Family)
		behind := accepted{ranges: []Range{{number(1), mine.domain[0].Hi}}, domain: mine.domain}
		if !mine.meets(&behind) {
			out |= laterStates
		}
	case IP4HeaderLength:
		if !c.mayReach(5) {
			out |= ip4States
		}
	case IP4Length:
		if !c.mayReach(20) {
			out |= ip4States
		}
	case Length:
		for _, frames := range leastLengths {
			if !c.mayReach(frames.least) {
				out |= frames.in
			}
		}
	case IP6Extensions:
		for v := range uint64(1) << subjects[IP6Extensions].bits {
			if v&hasFragment != 0 && takes(networkIP6, v) {
				return out
			}
		}
		out |= firstStates | laterStates
	}
	return out
}

// mayReach says whether a clause about a number accepts one that is not below
// the least.
func (c *Clause) mayReach(least uint64) bool {
	mine := c.accepted(ip4Family)
	above := accepted{ranges: []Range{{number(least), mine.domain[0].Hi}}, domain: mine.domain}
	return mine.meets(&above)
}

// leastLengths are how many bytes a frame has at least that holds a whole tag
// and the fixed part of a header.
var leastLengths = func() (all []struct {
	in    states
	least uint64
}) {
	for n, header := range map[network]uint64{networkARP: 28, networkIP: 20, networkIP6: 40, networkNone: 0} {
		for _, tag := range []uint64{0, 4} {
			in := statesWhere(func(m network, _ fragment, _, tagged bool) bool { return m == n && tagged == (tag > 0) })
			if least := 14 + tag + header; least > 14 {
				all = append(all, struct {
					in    states
					least uint64
				}{in, least})
			}
		}
	}
	return all
}()

// isEmpty: the values of an empty set. That has a warning of its own and is no
// contradiction.
func (c *Clause) isEmpty() bool { return c.Set.size() == 0 }

// size is the number of ranges and masks in both families.
func (s ValueSet) size() int { return len(s.IP4) + len(s.IP6) + len(s.Mask4) + len(s.Mask6) }
