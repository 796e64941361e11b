package rules

// A Packet is a frame as it arrives on an interface.
type Packet struct {
	// Head is the bytes that can be read, from the Ethernet destination on:
	// the whole frame, or the first buffer of a frame in several, or what a
	// capture kept of it.
	Head []byte

	// Len is the frame's length in bytes, without FCS; at least len(Head).
	Len int

	// Interface is the name of the interface that the frame arrived on; ""
	// for one that no rule names.
	Interface string

	// Truncated: bytes behind Head are not there at all (a capture cut the
	// frame short), rather than in further buffers.
	Truncated bool
}

// NewPacket is a whole frame in one buffer.
func NewPacket(frame []byte) Packet { return Packet{Head: frame, Len: len(frame)} }

// A Decision is what the rules say of one packet.
type Decision struct {
	Verdict Verdict
	Rule    int // index in RuleSet.Rules, or ByDefault
}

// ByDefault is the Rule of a decision that no rule took.
const ByDefault = -1
