package difftest

import (
	"math/bits"
	"slices"
	"testing"

	"xdpfw/codegen"
	"xdpfw/rules"
)

// A ruleMutant is a defect as a compiler would have it that misreads rules: it
// compiles others than it is given. It says whether they differ.
type ruleMutant struct {
	name   string
	change func(*rules.RuleSet) bool
}

var ruleMutants = []ruleMutant{
	{"count decides", func(rs *rules.RuleSet) bool { return eachVerdict(rs, rules.Count, rules.Pass) }},
	{"tx is redirect", func(rs *rules.RuleSet) bool { return eachVerdict(rs, rules.TX, rules.Drop) }},
	{"return does not leave its chain", func(rs *rules.RuleSet) bool {
		return eachStep(rs, func(i int, s *rules.Step) bool {
			skips := s.Next > i+1
			s.Next = i + 1
			return skips
		})
	}},
	{"the clauses of a jump are forgotten", func(rs *rules.RuleSet) bool {
		return eachStep(rs, func(_ int, s *rules.Step) bool {
			own := rs.Rules[s.Rule].Clauses
			more := len(s.Clauses) > len(own)
			s.Clauses = own
			return more
		})
	}},
	{"the head of a block is forgotten", func(rs *rules.RuleSet) bool {
		return eachStep(rs, func(_ int, s *rules.Step) bool {
			several := len(s.Clauses) > 2
			if several {
				s.Clauses = s.Clauses[1:]
			}
			return several
		})
	}},
	{"`not` is not heard in front of `on`", func(rs *rules.RuleSet) bool {
		return eachClause(rs, func(c *rules.Clause) bool {
			was := c.Not && c.Subject == rules.Interface
			c.Not = c.Not && !was
			return was
		})
	}},
	{"a negated field is a plain complement", func(rs *rules.RuleSet) bool {
		return eachClause(rs, func(c *rules.Clause) bool {
			was := c.Not && c.Subject == rules.VLANID
			if was {
				*c = rules.Clause{Subject: rules.Tagged, Not: true}
			}
			return was
		})
	}},
	{"masks are not looked at", func(rs *rules.RuleSet) bool {
		return eachClause(rs, func(c *rules.Clause) bool {
			were := len(c.Set.Mask4) + len(c.Set.Mask6)
			c.Set.Mask4, c.Set.Mask6 = nil, nil
			return were > 0
		})
	}},
	{"a mask has its lowest bit only", func(rs *rules.RuleSet) bool {
		return eachClause(rs, func(c *rules.Clause) bool {
			c.Set.Mask4 = slices.Clone(c.Set.Mask4)
			for i, m := range c.Set.Mask4 {
				low := m.Mask.Lo & -m.Mask.Lo
				c.Set.Mask4[i] = rules.Masked{Value: rules.Value{Lo: m.Value.Lo & low}, Mask: rules.Value{Lo: low}}
			}
			return len(c.Set.Mask4) > 0
		})
	}},
	{"a MAC address in the wrong byte order", func(rs *rules.RuleSet) bool {
		return eachClause(rs, func(c *rules.Clause) bool {
			is := (c.Subject == rules.EtherSource || c.Subject == rules.EtherDestination) && len(c.Set.IP4) == 1
			if is {
				swapped := bits.ReverseBytes64(c.Set.IP4[0].Lo.Lo) >> 16
				c.Set.IP4 = ranges(swapped)
				c.Set.IP6 = c.Set.IP4
			}
			return is
		})
	}},
	{"`at` counts from the next byte", func(rs *rules.RuleSet) bool {
		return eachClause(rs, func(c *rules.Clause) bool { c.Bytes.Offset++; return c.Subject == rules.RawBytes })
	}},
	{"`at transport` reads from the network header", func(rs *rules.RuleSet) bool {
		return eachClause(rs, func(c *rules.Clause) bool {
			was := c.Bytes.Base == rules.TransportBase
			if was {
				c.Bytes.Base = rules.NetworkBase
			}
			return was
		})
	}},
	{"`icmp` is protocol 1 in IPv6 too", func(rs *rules.RuleSet) bool {
		return eachClause(rs, func(c *rules.Clause) bool {
			is := c.Subject == rules.Protocol && rules.Contains(c.Set.IP4, one64) && len(c.Set.IP6) == 0
			if is {
				c.Set.IP6 = ranges(1, 0x101)
			}
			return is
		})
	}},
	{"the code of ICMP is its type", func(rs *rules.RuleSet) bool { return eachSubject(rs, rules.ICMPCode, rules.ICMPType) }},
	{"hop limit and next header are mixed up", func(rs *rules.RuleSet) bool { return eachSubject(rs, rules.IP6HopLimit, rules.IP6Next) }},
	{"the inner tag is the outer", func(rs *rules.RuleSet) bool { return eachSubject(rs, rules.VLAN2ID, rules.VLANID) }},
	{"DF is MF", func(rs *rules.RuleSet) bool { return eachSubject(rs, rules.IP4DF, rules.IP4MF) }},
	{"DSCP is ECN", func(rs *rules.RuleSet) bool { return eachSubject(rs, rules.IP6ECN, rules.IP6DSCP) }},
	{"the target of ARP is its sender", func(rs *rules.RuleSet) bool { return eachSubject(rs, rules.ARPTargetIP, rules.ARPSenderIP) }},
	{"the ports of TCP are those of any protocol", func(rs *rules.RuleSet) bool {
		return eachSubject(rs, rules.TCPDestinationPort, rules.DestinationPort)
	}},
}

var one64 = rules.Value{Lo: 1}

func eachVerdict(rs *rules.RuleSet, from, to rules.Verdict) bool {
	found := false
	for i := range rs.Rules {
		if rs.Rules[i].Verdict == from {
			rs.Rules[i].Verdict, found = to, true
		}
	}
	return found
}

func eachStep(rs *rules.RuleSet, change func(i int, s *rules.Step) bool) bool {
	found := false
	for i := range rs.Steps {
		found = change(i, &rs.Steps[i]) || found
	}
	return found
}

func eachClause(rs *rules.RuleSet, change func(*rules.Clause) bool) bool {
	return eachStep(rs, func(_ int, s *rules.Step) bool {
		s.Clauses = slices.Clone(s.Clauses)
		found := false
		for i := range s.Clauses {
			found = change(&s.Clauses[i]) || found
		}
		return found
	})
}

func eachSubject(rs *rules.RuleSet, from, to rules.Subject) bool {
	return eachClause(rs, func(c *rules.Clause) bool {
		was := c.Subject == from
		if was {
			c.Subject = to
		}
		return was
	})
}

func TestMisreadRulesAreFound(t *testing.T) {
	requireBPF(t)
	t.Parallel()
	for _, m := range ruleMutants {
		t.Run(m.name, func(t *testing.T) {
			findDefect(t, func(rs *rules.RuleSet) ([]Engine, bool, error) {
				wrong := *rs
				wrong.Rules, wrong.Steps = slices.Clone(rs.Rules), slices.Clone(rs.Steps)
				here := m.change(&wrong)
				obj, err := codegen.Compile(&wrong, codegen.Options{})
				if err != nil {
					return nil, here, err
				}
				kernel, err := Kernel(obj)
				return []Engine{Reference(rs), kernel}, here, err
			})
		})
	}
}
