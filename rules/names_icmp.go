package rules

// Types and codes of ICMP and ICMPv6 (IANA, "ICMP Parameters" and "ICMPv6
// Parameters"), by the names that nft gives them, or where it has none by
// those of the registry.
var (
	icmpTypes = namesOf(`echo-reply 0 destination-unreachable 3 source-quench 4 redirect 5 echo-request 8
		router-advertisement 9 router-solicitation 10 time-exceeded 11 parameter-problem 12 timestamp-request 13
		timestamp-reply 14 info-request 15 info-reply 16 address-mask-request 17 address-mask-reply 18 traceroute 30
		photuris 40 extended-echo-request 42 extended-echo-reply 43`)

	icmp6Types = namesOf(`destination-unreachable 1 packet-too-big 2 time-exceeded 3 parameter-problem 4
		echo-request 128 echo-reply 129 mld-listener-query 130 mld-listener-report 131 mld-listener-done 132
		mld-listener-reduction 132 nd-router-solicit 133 nd-router-advert 134 nd-neighbor-solicit 135
		nd-neighbor-advert 136 nd-redirect 137 router-renumbering 138 node-information-query 139
		node-information-response 140 ind-neighbor-solicit 141 ind-neighbor-advert 142 mld2-listener-report 143
		home-agent-discovery-request 144 home-agent-discovery-reply 145 mobile-prefix-solicitation 146
		mobile-prefix-advertisement 147 certification-path-solicitation 148 certification-path-advertisement 149
		multicast-router-advertisement 151 multicast-router-solicitation 152 multicast-router-termination 153
		rpl-control 155 duplicate-address-request 157 duplicate-address-confirmation 158
		extended-echo-request 160 extended-echo-reply 161`)

	// By the number of the type; a type that is not here has only code 0.
	icmpCodes = map[uint64]*names{
		3: namesOf(`net-unreachable 0 host-unreachable 1 prot-unreachable 2 protocol-unreachable 2 port-unreachable 3
			frag-needed 4 source-route-failed 5 net-unknown 6 host-unknown 7 source-host-isolated 8 net-prohibited 9
			host-prohibited 10 net-tos-unreachable 11 host-tos-unreachable 12 admin-prohibited 13
			host-precedence-violation 14 precedence-cutoff 15`),
		5:  namesOf("net-redirect 0 host-redirect 1 tos-net-redirect 2 tos-host-redirect 3"),
		9:  namesOf("normal 0 no-common-traffic 16"),
		11: namesOf("ttl-exceeded 0 reassembly-exceeded 1"),
		12: namesOf("pointer 0 required-option-missing 1 bad-length 2"),
		40: namesOf("bad-spi 0 authentication-failed 1 decompression-failed 2 decryption-failed 3 need-authentication 4 need-authorization 5"),
		43: namesOf("no-error 0 malformed-query 1 no-such-interface 2 no-such-entry 3 multiple-interfaces 4"),
	}
	icmp6Codes = map[uint64]*names{
		1: namesOf(`no-route 0 admin-prohibited 1 beyond-scope 2 addr-unreachable 3 port-unreachable 4 policy-fail 5
			reject-route 6 source-route-error 7`),
		3:   namesOf("hop-limit-exceeded 0 reassembly-exceeded 1"),
		4:   namesOf("bad-header 0 unknown-header 1 unknown-option 2 incomplete-header-chain 3"),
		138: namesOf("command 0 result 1 sequence-number-reset 255"),
		161: namesOf("no-error 0 malformed-query 1 no-such-interface 2 no-such-entry 3 multiple-interfaces 4"),
	}
)

// What others call types and codes that have another name here.
var (
	foreignTypes = map[string]string{
		"ping": "echo-request", "pong": "echo-reply", "unreachable": "destination-unreachable",
		"router-solicit": "router-solicitation", "router-advert": "router-advertisement", "ttl-exceeded": "time-exceeded",
		"required-option-missing": "parameter-problem", "port-unreachable": "destination-unreachable code port-unreachable",
		"host-unreachable": "destination-unreachable code host-unreachable", "frag-needed": "destination-unreachable code frag-needed",
		"fragmentation-needed": "destination-unreachable code frag-needed", "timestamp": "timestamp-request",
	}
	foreignTypes6 = map[string]string{
		"ping": "echo-request", "pong": "echo-reply", "unreachable": "destination-unreachable",
		"neighbor-solicitation": "nd-neighbor-solicit", "neighbour-solicitation": "nd-neighbor-solicit",
		"neighbor-solicit": "nd-neighbor-solicit", "neighbor-advertisement": "nd-neighbor-advert",
		"neighbour-advertisement": "nd-neighbor-advert", "neighbor-advert": "nd-neighbor-advert",
		"nd-neighbor-solicitation": "nd-neighbor-solicit", "nd-neighbor-advertisement": "nd-neighbor-advert",
		"router-solicitation": "nd-router-solicit", "router-solicit": "nd-router-solicit",
		"router-advertisement": "nd-router-advert", "router-advert": "nd-router-advert",
		"nd-router-solicitation": "nd-router-solicit", "nd-router-advertisement": "nd-router-advert",
		"redirect": "nd-redirect", "toobig": "packet-too-big", "no-route": "destination-unreachable code no-route",
		"port-unreachable": "destination-unreachable code port-unreachable",
	}
	foreignCodes = map[string]string{
		"network-unreachable": "net-unreachable", "fragmentation-needed": "frag-needed", "communication-prohibited": "admin-prohibited",
		"admin-filter": "admin-prohibited", "network-prohibited": "net-prohibited", "address-unreachable": "addr-unreachable",
		"network-unknown": "net-unknown", "host-admin-prohibited": "host-prohibited", "net-admin-prohibited": "net-prohibited",
	}
)
