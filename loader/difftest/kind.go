package difftest

// A Kind is a clause of the language as coverage counts it: the word that it
// begins with.
type Kind uint8

// The kinds.
const (
	KindIP Kind = iota
	KindIP6
	KindARP
	KindFrag
	KindFragFirst
	KindFragLater
	KindInvalid
	KindTCP
	KindUDP
	KindICMP
	KindICMP6
	KindSCTP
	KindProto // `proto N` and `proto { … }`
	KindFrom
	KindTo
	KindFromPort
	KindToPort
	kinds = iota
)

var kindNames = [kinds]string{
	"ip", "ip6", "arp", "frag", "frag first", "frag later", "invalid",
	"tcp", "udp", "icmp", "icmp6", "sctp", "proto", "from", "to", "from port", "to port",
}

func (k Kind) isProtocol() bool { return k >= KindTCP && k <= KindProto }
func (k Kind) isAddress() bool  { return k == KindFrom || k == KindTo }
func (k Kind) isPort() bool     { return k == KindFromPort || k == KindToPort }

// A Condition is a clause kind, negated or not: one column of Coverage.
type Condition struct {
	Kind Kind
	Not  bool
}

func (c Condition) String() string {
	if c.Not {
		return "not " + kindNames[c.Kind]
	}
	return kindNames[c.Kind]
}

// conditions is the number of columns; column and conditionAt convert.
const conditions = 2 * kinds

func (c Condition) column() int {
	n := 2 * int(c.Kind)
	if c.Not {
		n++
	}
	return n
}

func conditionAt(column int) Condition { return Condition{Kind(column / 2), column%2 == 1} }
