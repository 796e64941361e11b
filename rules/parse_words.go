package rules

import "strings"

// What a word means at the beginning of a clause.
type clauseWord uint8

const (
	wordProperty clauseWord = iota + 1 // ip ip6 arp invalid
	wordFrag                           // frag, frag first, frag later
	wordProtocol                       // tcp …
	wordField                          // proto VALUE, len VALUE, ip.ttl VALUE …
	wordFrom                           // from VALUE, from port VALUE
	wordTo
	wordPort  // an error on its own
	wordFlags // flags syn,!ack
	wordVLAN  // vlan, vlan VALUE
	wordOn    // on INTERFACE
	wordAt    // at BASE+OFFSET LENGTH VALUE
	wordNot
)

var clauseWords = func() map[string]clauseWord {
	words := map[string]clauseWord{
		"frag": wordFrag, "from": wordFrom, "to": wordTo, "port": wordPort, "flags": wordFlags, "vlan": wordVLAN,
		"on": wordOn, "at": wordAt, "not": wordNot,
	}
	for word := range properties {
		words[word] = wordProperty
	}
	for word := range protocols {
		words[word] = wordProtocol
	}
	for word := range fields {
		words[word] = wordField
	}
	return words
}()

var properties = map[string]Subject{"ip": IP, "ip6": IP6, "arp": ARP, "invalid": Invalid}

// fields are the words that a value follows. What `type` and `code` are about
// is known when the clauses around them are: see icmpClause.
var fields = func() map[string]Subject {
	words := map[string]Subject{"proto": Protocol, "len": Length, "type": ICMPType, "code": ICMPCode}
	for s := range Subject(subjectCount) {
		if name := subjects[s].name; strings.Contains(name, ".") {
			words[name] = s
		}
	}
	return words
}()

// protocols are the names of the language and their numbers (IANA, "Assigned
// Internet Protocol Numbers"). icmp and icmp6 imply a family besides.
var protocols = protocolNames.numbers

// Words to choose a suggestion from, the likelier first.
var (
	statementNames = []string{"drop", "pass", "default", "set", "chain", "jump", "return", "count", "include", "redirect", "abort", "test", "tx"}
	clauseNames    = []string{"tcp", "udp", "from", "to", "ip", "ip6", "not", "arp", "icmp", "icmp6", "proto", "flags", "type",
		"code", "frag", "invalid", "len", "vlan", "on", "at", "sctp", "gre", "esp", "ah", "igmp", "ipip"}
	verdictNames = []string{"drop", "pass", "abort"}
	expectNames  = []string{"drop", "pass", "redirect", "abort", "tx"}
	fieldWords   = func() (words []string) { // with a dot
		for s := range Subject(subjectCount) {
			if name := subjects[s].name; strings.Contains(name, ".") {
				words = append(words, name)
			}
		}
		return words
	}()
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
func isClauseWord(word string) bool { return clauseWords[word] != 0 || laterClauses[word] }

// Words that the language will have: a clear no is better than a suggestion of
// something else.
var (
	laterStatements = map[string]bool{
		"option": true, "dynamic": true, "log": true, "sample": true, "add": true, "reject": true, "mirror": true, "map": true, "quota": true,
	}
	laterClauses = map[string]bool{
		"over": true, "under": true, "log": true, "sample": true, "add": true, "state": true, "socket": true, "time": true,
		"inner": true, "quota": true, "map": true, "multicast": true, "broadcast": true, "self": true,
	}
	laterAddresses = map[string]bool{"self": true, "multicast": true, "broadcast": true}
)

// What other firewalls call what is called otherwise here.
var (
	foreignStatements = map[string]string{
		"accept": "pass", "allow": "pass", "permit": "pass",
		"deny": "drop", "block": "drop", "discard": "drop",
		"policy": "default", "define": "set", "goto": "jump", "call": "jump", "counter": "count", "bounce": "tx", "exit": "return", "forward": "redirect", "source": "include", "import": "include",
	}
	foreignClauses = map[string]string{
		"src": "from", "source": "from", "saddr": "from", "dst": "to", "dest": "to", "destination": "to", "daddr": "to",
		"sport": "from port", "dport": "to port", "protocol": "proto", "port": "to port",
		"ipv4": "ip", "inet": "ip", "ip4": "ip", "ipv6": "ip6", "inet6": "ip6",
		"icmpv6": "icmp6", "ipv6-icmp": "icmp6", "fragment": "frag", "fragments": "frag", "malformed": "invalid",
		"iif": "on", "iifname": "on", "interface": "on", "dev": "on", "length": "len", "greater": "len >", "less": "len <",
		"icmp-type": "type", "icmptype": "type", "icmp6-type": "type", "vid": "vlan", "ttl": "ip.ttl", "dscp": "ip.dscp",
		"hoplimit": "ip6.hoplimit", "tos": "ip.dscp", "mac": "eth.src", "tcp-flags": "flags", "tcpflags": "flags",
		"v4": "ip", "v6": "ip6",
	}
	// Words that begin lines of the files and commands of other firewalls.
	foreignCommands = map[string]bool{
		"table": true, "iptables": true, "ip6tables": true, "nft": true, "ipset": true, "ufw": true, "firewall-cmd": true, "ipfw": true, "tc": true,
		"access-list": true, "anchor": true, "scrub": true, "flush": true, "filter": true,
	}
	// What to do about words of other languages that have no like here.
	foreignHelp = map[string]string{
		"in":         "leave it out: all packets that are looked at come in",
		"out":        "packets that go out are not looked at: XDP sees those that come in",
		"quick":      "leave it out: the first rule that matches decides",
		"keep":       "leave it out: there is no state, and each packet is looked at alone",
		"ct":         "there is no state, and each packet is looked at alone: match ports and `flags`",
		"host":       "say whose address: `from 192.0.2.1` or `to 192.0.2.1`",
		"net":        "say whose address: `from 10.0.0.0/8` or `to 10.0.0.0/8`",
		"portrange":  "say whose port: `to port 8000-8100` or `from port 8000-8100`",
		"ports":      "say whose ports: `to port { 80, 443 }` or `from port { 80, 443 }`",
		"mask":       "a mask stands right behind the address and its `/`: `10.0.0.0/255.0.0.0`",
		"netmask":    "a mask stands right behind the address and its `/`: `10.0.0.0/255.0.0.0`",
		"eq":         "write `==`, or nothing, behind what is compared: `to port 80`",
		"neq":        "write `!=` behind what is compared: `to port != 80`",
		"gt":         "write `>` behind what is compared: `to port > 1024`",
		"lt":         "write `<` behind what is compared: `to port < 1024`",
		"ether":      "MAC addresses are `eth.src` and `eth.dst`, the ethertype is `eth.type`",
		"bytes":      "leave it out: lengths are in bytes",
		"everything": "leave it out: a rule without clauses matches every packet",
		"packets":    "leave it out: all rules are about packets",
		"traffic":    "leave it out: all rules are about packets",
		"where":      "leave it out: clauses stand right behind the verdict",
		"when":       "leave it out: clauses stand right behind the verdict",
		"with":       "leave it out: clauses stand side by side",
		"counter":    "leave it out: every rule counts its packets",
		"then":       "leave it out: the verdict stands in front",
		"if":         "leave it out: clauses stand right behind the verdict",
	}
	// The part behind the dot of a field, where that of a port is meant.
	foreignPorts = map[string]string{"src": "sport", "dst": "dport", "source": "sport", "destination": "dport"}
	// The part behind the dot of a field.
	foreignFields = map[string]string{
		"saddr": "src", "daddr": "dst", "protocol": "proto", "length": "len", "hlim": "hoplimit", "ttl": "hoplimit",
		"hop_limit": "hoplimit", "nexthdr": "next", "nxt": "next", "flow_label": "flow", "flowlabel": "flow", "frag-off": "offset",
		"frag_off": "offset", "hdrlength": "hdrlen", "ihl": "hdrlen", "tos": "dscp", "tclass": "dscp",
		"doff": "off", "dataofs": "off", "ack_seq": "ack", "ackseq": "ack", "sequence": "seq", "win": "window", "opcode": "op",
		"operation": "op", "sip": "spa", "smac": "sha", "tip": "tpa", "tmac": "tha", "prio": "pcp", "priority": "pcp", "vid": "id",
		"proto": "type", "flags": "df", "frag": "offset", "source": "src", "destination": "dst", "src_port": "sport", "dst_port": "dport", "srcport": "sport", "dstport": "dport", "srcip": "src", "dstip": "dst",
	}
)
