package rules

import "strings"

// What a word means at the beginning of a clause.
type clauseWord uint8

const (
	wordProperty clauseWord = iota + 1 // ip ip6 arp invalid
	wordFrag                           // frag, frag first, frag later
	wordProtocol                       // tcp …
	wordProto                          // proto VALUE
	wordFrom                           // from VALUE, from port VALUE
	wordTo
	wordPort // an error on its own
	wordNot
)

var clauseWords = map[string]clauseWord{
	"ip": wordProperty, "ip6": wordProperty, "arp": wordProperty, "invalid": wordProperty, "frag": wordFrag,
	"tcp": wordProtocol, "udp": wordProtocol, "icmp": wordProtocol, "icmp6": wordProtocol, "sctp": wordProtocol,
	"gre": wordProtocol, "esp": wordProtocol, "igmp": wordProtocol, "ipip": wordProtocol,
	"proto": wordProto, "from": wordFrom, "to": wordTo, "port": wordPort, "not": wordNot,
}

var properties = map[string]Subject{"ip": IP, "ip6": IP6, "arp": ARP, "invalid": Invalid}

// protocols are the names of the language and their numbers (IANA, "Assigned
// Internet Protocol Numbers"). icmp and icmp6 imply a family besides.
var protocols = map[string]uint8{
	"icmp": 1, "igmp": 2, "ipip": 4, "tcp": 6, "udp": 17, "gre": 47, "esp": 50, "icmp6": 58, "sctp": 132,
}

// Words to choose a suggestion from, the likelier first.
var (
	statementNames = []string{"drop", "pass", "default", "set", "chain", "jump", "return", "count", "include", "redirect", "abort", "test", "tx"}
	clauseNames    = []string{"tcp", "udp", "from", "to", "ip", "ip6", "not", "arp", "icmp", "icmp6", "proto", "frag",
		"invalid", "sctp", "gre", "esp", "igmp", "ipip"}
	protocolNames = []string{"tcp", "udp", "icmp", "icmp6", "sctp", "gre", "esp", "igmp", "ipip"}
	verdictNames  = []string{"drop", "pass", "abort"}
	expectNames   = []string{"drop", "pass", "redirect", "abort", "tx"}
)

// verdicts of the language, and what stands in their place.
var verdicts = map[string]Verdict{
	"pass": Pass, "drop": Drop, "abort": Abort, "tx": TX, "redirect": Redirect, "count": Count, "return": Return,
}

// topLevelWords begin statements that stand in no block.
var topLevelWords = map[string]bool{"default": true, "set": true, "chain": true, "test": true}

// isVerdictWord says whether a word begins a rule.
func isVerdictWord(word string) bool { return verdicts[word] != 0 }

// isStatementWord says whether a word begins a statement of this version, other
// than a block.
func isStatementWord(word string) bool {
	return topLevelWords[word] || isVerdictWord(word) || word == "jump" || word == "include"
}

// isClauseWord says whether a word begins a clause.
func isClauseWord(word string) bool { return clauseWords[word] != 0 || isLaterClause(word) }

// Words that the language has, but not this version of xdpfw: a clear no is
// better than a suggestion of something else.
var (
	laterStatements = map[string]bool{
		"option": true, "dynamic": true, "log": true, "sample": true, "add": true, "reject": true, "mirror": true, "map": true, "quota": true,
	}
	laterClauses = map[string]bool{
		"flags": true, "type": true, "code": true, "vlan": true, "len": true, "on": true, "at": true, "ah": true,
	}
	laterFields = map[string]string{ // by the word in front of the dot
		"eth":  "src dst type",
		"vlan": "id pcp", "vlan2": "id",
		"arp":  "op spa tpa sha tha",
		"ip":   "src dst proto ttl dscp ecn len id df mf offset hdrlen",
		"ip6":  "src dst next hoplimit dscp ecn flow len ext",
		"tcp":  "sport dport flags window seq ack off",
		"udp":  "sport dport len",
		"sctp": "sport dport",
		"icmp": "type code", "icmp6": "type code",
	}
)

// isLaterClause says whether a word will begin a clause in a later version.
func isLaterClause(word string) bool {
	base, field, dotted := strings.Cut(word, ".")
	if !dotted {
		return laterClauses[word]
	}
	for _, known := range strings.Fields(laterFields[base]) {
		if field == known {
			return true
		}
	}
	return false
}

// What other firewalls call what is called otherwise here.
var (
	foreignStatements = map[string]string{
		"accept": "pass", "allow": "pass", "permit": "pass",
		"deny": "drop", "block": "drop", "discard": "drop",
		"policy": "default", "define": "set", "goto": "jump", "call": "jump", "counter": "count", "bounce": "tx", "source": "include",
	}
	foreignClauses = map[string]string{
		"src": "from", "source": "from", "saddr": "from", "dst": "to", "dest": "to", "destination": "to", "daddr": "to",
		"sport": "from port", "dport": "to port", "protocol": "proto", "port": "to port",
		"ipv4": "ip", "inet": "ip", "ip4": "ip", "ipv6": "ip6", "inet6": "ip6",
		"icmpv6": "icmp6", "ipv6-icmp": "icmp6", "fragment": "frag", "fragments": "frag", "malformed": "invalid",
	}
)
