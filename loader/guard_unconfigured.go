package loader

import (
	"errors"
	"net"
	"net/netip"
	"os"
	"slices"
	"strings"

	"xdpfw/rules"
)

// Where an interface has no address yet, as at boot, nobody is cut off from it.
// The guard refuses there what would keep it from being reached whatever address
// it gets, by ARP and by neighbour discovery. All else that it finds is a warning:
// rules that are about the addresses to come are not to be kept from a machine
// that boots.

// standIns of each family: the examples of RFC 5737 and RFC 3849. These are in
// lists of addresses that nobody has, so others stand for them: private ones, those
// of links, and public ones.
var standIns = [][]string{
	{"192.0.2.1/24", "192.168.0.1/24", "9.0.0.1/24"},
	{"2001:db8::1/64", "fe80::1/64", "2600::1/64"},
}

// unconfigured is what stands for the addresses of an interface to come, of a
// family; dynamic ones are of any kind.
func unconfigured(link net.HardwareAddr, family int, dynamic bool) localAddress {
	var own []localAddress
	for _, text := range standIns[family] {
		p := netip.MustParsePrefix(text)
		own = append(own, localAddress{address: p.Addr(), prefix: p, link: link, dynamic: dynamic, linkLocal: netip.MustParseAddr("fe80::2")})
	}
	meetAll(own, nil)
	for i := range own {
		if a := &own[i]; dynamic && a.address.Is6() {
			a.prefix = netip.PrefixFrom(a.address, 128) // as DHCPv6 gives
		}
	}
	own[0].instead = own[1:]
	return own[0]
}

// isUnconfigured says whether none of these addresses is for more than the wire.
func isUnconfigured(own []localAddress) bool {
	return !slices.ContainsFunc(own, func(a localAddress) bool { return !a.address.IsLinkLocalUnicast() })
}

// guardUnconfigured is guard for an interface without addresses.
func (a *attempt) guardUnconfigured(j *judge, around *surroundings) (locksOut *Error, failed error) {
	link := around.linkOf(a.device.index)
	families := standIns
	if !around.takesIPv6(a.device.index) {
		families = families[:1]
	}
	loose := j.ofAnyAddress()
	var asked []question
	closed := 0 // families that are whatever the address
	for family := range families {
		never, err := a.neverPass(loose, questions(nil, "", []localAddress{unconfigured(link, family, false)}))
		if err != nil {
			return nil, err
		}
		if never {
			closed++
		}
		asked = append(asked, questions(nil, "", []localAddress{unconfigured(link, family, true)})...) // also what gives it addresses
	}
	lost, err := guard(j, a.device, a.named, asked)
	if err != nil || lost == nil || closed == len(families) {
		return lost, err
	}
	a.warn(strings.Replace(lost.Why, guardRefuses, "it has no address yet, and should it get one like these, the lockout guard warns: ", 1))
	return nil, nil
}

// neverPass says whether each of the judges lets one of the packets be lost.
func (a *attempt) neverPass(loose []*judge, asked []question) (bool, error) {
	for _, j := range loose {
		lost, err := guard(j, a.device, a.named, asked)
		if err != nil || lost == nil {
			return false, err
		}
	}
	return true, nil
}

// ofAnyAddress are judges of which one passes what could pass with some address. Of
// an object only that is known which it does itself.
func (j *judge) ofAnyAddress() []*judge {
	if j.rules == nil {
		return []*judge{j}
	}
	return []*judge{{rules: ofAnyAddress(j.rules, false)}, {rules: ofAnyAddress(j.rules, true)}}
}

// takesIPv6 says whether an interface, or one that it carries, may get IPv6
// addresses (ip-sysctl of the kernel, disable_ipv6).
func (s *surroundings) takesIPv6(device int) bool {
	for index, l := range s.links {
		if _, carried := s.carries(device, index); carried && !ipv6IsOff(l.Attrs().Name) {
			return true
		}
	}
	return false
}

func ipv6IsOff(name string) bool {
	const folder = "/proc/sys/net/ipv6/conf/"
	text, err := os.ReadFile(folder + name + "/disable_ipv6")
	if errors.Is(err, os.ErrNotExist) {
		_, err = os.Stat(folder) // the kernel has no IPv6
		return errors.Is(err, os.ErrNotExist)
	}
	return strings.TrimSpace(string(text)) == "1"
}

// ofAnyAddress is rules by which each packet passes that could pass if it had other
// addresses and tags: what they say about these is true in rules that pass, and
// never in others; in those that only go on elsewhere it is what returns says.
func ofAnyAddress(rs *rules.RuleSet, returns bool) *rules.RuleSet {
	loose := *rs
	loose.Steps = slices.Clone(rs.Steps)
	for i := range loose.Steps {
		step := &loose.Steps[i]
		verdict := rs.Rules[step.Rule].Verdict
		holds := verdict == rules.Pass || returns && verdict == rules.Return
		var clauses []rules.Clause
		for _, c := range step.Clauses {
			switch {
			case !isAddress(c.Subject) && !c.Subject.IsOfTags():
				clauses = append(clauses, c)
			case !holds:
				clauses = append(clauses, never...)
			case isAddress(c.Subject):
				clauses = append(clauses, anyValue(c))
			}
		}
		step.Clauses = clauses
	}
	return &loose
}

// never are clauses of which not all hold.
var never = []rules.Clause{{Subject: rules.ARP}, {Subject: rules.ARP, Not: true}}

// isAddress says whether a field is an address that is not known yet: what the
// frames are for on the wire is.
func isAddress(s rules.Subject) bool {
	switch s {
	case rules.Source, rules.Destination, rules.EtherSource,
		rules.ARPSenderMAC, rules.ARPSenderIP, rules.ARPTargetIP,
		rules.IP4Source, rules.IP4Destination, rules.IP6Source, rules.IP6Destination:
		return true
	}
	return false
}

// anyValue is a clause that accepts any value of the families that it is about.
func anyValue(c rules.Clause) rules.Clause {
	all := []rules.Range{{Hi: rules.Value{Hi: ^uint64(0), Lo: ^uint64(0)}}}
	of := c.Set
	c.Set = rules.ValueSet{}
	if c.Not || len(of.IP4) > 0 || len(of.Mask4) > 0 {
		c.Set.IP4 = all
	}
	if c.Not || len(of.IP6) > 0 || len(of.Mask6) > 0 {
		c.Set.IP6 = all
	}
	c.Not = false
	return c
}
