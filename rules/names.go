package rules

import (
	"fmt"
	"strconv"
	"strings"
)

// names are the words that the language knows for values of a field. Of a value
// with several the first is written.
type names struct {
	numbers map[string]uint64
	inOrder []string // to choose suggestions from
}

// namesOf reads a table: names, each with its number behind it.
func namesOf(table string) *names {
	words := strings.Fields(table)
	n := &names{numbers: make(map[string]uint64, len(words)/2)}
	for i := 0; i < len(words); i += 2 {
		number, err := strconv.ParseUint(words[i+1], 0, 64)
		if err != nil {
			panic(fmt.Sprintf("rules: the number of %s: %v", words[i], err))
		}
		n.numbers[words[i]] = number
		n.inOrder = append(n.inOrder, words[i])
	}
	return n
}

// number is what a word stands for.
func (n *names) number(word string) (number uint64, is bool) {
	if n == nil {
		return 0, false
	}
	number, is = n.numbers[word]
	return number, is
}

// has says whether a word is one of the names.
func (n *names) has(word string) bool {
	_, is := n.number(word)
	return is
}

// name of a number, or "".
func (n *names) name(number uint64) string {
	for _, name := range n.inOrder {
		if n.numbers[name] == number {
			return name
		}
	}
	return ""
}

// The names of values, other than those of ICMP and of services. Numbers are
// those of IANA; the flags are the bits of RFC 9293, section 3.1, and the
// classes of traffic those of RFC 2474, 2597, 3246, 5865 and 8622.
var (
	flagNames      = namesOf("fin 0x01 syn 0x02 rst 0x04 psh 0x08 ack 0x10 urg 0x20 ece 0x40 cwr 0x80")
	extensionNames = namesOf("hop-by-hop 0 routing 43 fragment 44 ah 51 destination 60")
	etherTypeNames = namesOf("ip 0x0800 arp 0x0806 wol 0x0842 rarp 0x8035 vlan 0x8100 ip6 0x86dd pause 0x8808 mpls 0x8847 " +
		"pppoe-discovery 0x8863 pppoe 0x8864 eapol 0x888e qinq 0x88a8 macsec 0x88e5 lldp 0x88cc ptp 0x88f7 profinet 0x8892")
	arpOperationNames = namesOf("request 1 reply 2")
	dscpNames         = namesOf("cs0 0 be 0 df 0 le 1 cs1 8 af11 10 af12 12 af13 14 cs2 16 af21 18 af22 20 af23 22 cs3 24 af31 26 " +
		"af32 28 af33 30 cs4 32 af41 34 af42 36 af43 38 cs5 40 va 44 ef 46 cs6 48 cs7 56")
	ecnNames      = namesOf("not-ect 0 ect1 1 ect0 2 ce 3")
	protocolNames = namesOf("tcp 6 udp 17 icmp 1 icmp6 58 sctp 132 gre 47 esp 50 ah 51 igmp 2 ipip 4")
	nextNames     = namesOf("hop-by-hop 0 icmp 1 igmp 2 ipip 4 tcp 6 udp 17 routing 43 fragment 44 gre 47 esp 50 ah 51 " +
		"icmp6 58 no-next 59 destination 60 sctp 132")
)

// fieldNames are the names of values by field.
var fieldNames = [subjectCount]*names{
	Protocol: protocolNames, IP4Protocol: protocolNames, IP6Next: nextNames,
	IP6Extensions: extensionNames, TCPFlags: flagNames, EtherType: etherTypeNames, ARPOperation: arpOperationNames,
	IP4DSCP: dscpNames, IP6DSCP: dscpNames, IP4ECN: ecnNames, IP6ECN: ecnNames,
	ICMPType: icmpTypes, ICMP6Type: icmp6Types,
	SourcePort: services, DestinationPort: services, TCPSourcePort: services, TCPDestinationPort: services,
	UDPSourcePort: services, UDPDestinationPort: services, SCTPSourcePort: services, SCTPDestinationPort: services,
}
