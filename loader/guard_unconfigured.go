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

// unconfigured is what stands for the addresses of an interface to come, one for
// each family.
func unconfigured(link net.HardwareAddr, family int, dynamic bool) localAddress {
	var own []localAddress
	for _, text := range standIns[family] {
		p := netip.MustParsePrefix(text)
		own = append(own, localAddress{address: p.Addr(), prefix: p, link: link, dynamic: dynamic, linkLocal: netip.MustParseAddr("fe80::2")})
	}
	meetAll(own, nil)
	own[0].instead = own[1:]
	return own[0]
}

// guardUnconfigured is guard for an interface without addresses.
func (a *attempt) guardUnconfigured(j *judge, link net.HardwareAddr) (locksOut *Error, failed error) {
	families := standIns
	if ipv6IsOff(a.device.name) {
		families = families[:1]
	}
	loose := &judge{rules: j.rules, object: j.object, runner: j.runner}
	if j.rules != nil {
		loose.rules = ofAnyAddress(j.rules)
	}
	var asked []question
	closed := 0 // families that are whatever the address
	for family := range families {
		found := questions(nil, "", []localAddress{unconfigured(link, family, false)})
		never, err := guard(loose, a.device, a.named, found)
		if err != nil {
			return nil, err
		}
		if never != nil {
			closed++
		}
		asked = append(asked, found...)
	}
	if closed < len(families) { // what gives it addresses is asked about as well
		asked = nil
		for family := range families {
			asked = append(asked, questions(nil, "", []localAddress{unconfigured(link, family, true)})...)
		}
	}
	lost, err := guard(j, a.device, a.named, asked)
	if err != nil || lost == nil || closed == len(families) {
		return lost, err
	}
	a.warn(strings.Replace(lost.Why, guardRefuses, "it has no address yet, and should it get one like these, the lockout guard warns: ", 1))
	return nil, nil
}

// ipv6IsOff says whether an interface takes no IPv6 addresses (ip-sysctl of the
// kernel, disable_ipv6).
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
// addresses: what they say about addresses is true in rules that pass, and never in
// others.
func ofAnyAddress(rs *rules.RuleSet) *rules.RuleSet {
	loose := *rs
	loose.Steps = slices.Clone(rs.Steps)
	for i := range loose.Steps {
		step := &loose.Steps[i]
		passes := rs.Rules[step.Rule].Verdict == rules.Pass
		step.Clauses = slices.Clone(step.Clauses)
		for n := range step.Clauses {
			if c := &step.Clauses[n]; isAddress(c.Subject) {
				*c = anyValue(*c)
				c.Not = !passes
			}
		}
	}
	return &loose
}

// isAddress says whether a field is one of a host's addresses, on the wire or
// above.
func isAddress(s rules.Subject) bool {
	switch s {
	case rules.Source, rules.Destination, rules.EtherSource, rules.EtherDestination,
		rules.ARPSenderMAC, rules.ARPSenderIP, rules.ARPTargetMAC, rules.ARPTargetIP,
		rules.IP4Source, rules.IP4Destination, rules.IP6Source, rules.IP6Destination:
		return true
	}
	return false
}

// anyValue is a clause that any value of the families accepts that it is about.
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
	return c
}
