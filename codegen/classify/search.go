package classify

import (
	"fmt"

	"xdpfw/rules"
)

// A Search finds the payload of the interval that a value lies in. One of its
// forms is set; which one is chosen by size and expected cost.
type Search struct {
	Bits   int // values are below 2^Bits
	Direct *Direct
	Window *Window
}

// NewSearch makes the search over intervals of the values below 2^bits, at most
// 128 bits. Interval i is starts[i] … starts[i+1]-1, the last one reaches to the
// greatest value; starts[0] is zero and starts ascend strictly. Any payload may
// stand for several intervals.
func NewSearch(bits int, starts []rules.Value, payload []uint64) *Search {
	if len(starts) == 0 || len(starts) != len(payload) || starts[0] != (rules.Value{}) {
		panic(fmt.Sprintf("classify: %d intervals from %v on with %d payloads", len(starts), starts[:min(1, len(starts))], len(payload)))
	}
	starts, payload = joinEqual(starts, payload)
	s := &Search{Bits: bits}
	switch {
	case bits <= maxDirect:
		s.Direct = newDirect(bits, starts, payload)
	default:
		s.Window = newWindow(bits, starts, payload)
	}
	return s
}

// joinEqual leaves out the starts that change nothing.
func joinEqual(starts []rules.Value, payload []uint64) ([]rules.Value, []uint64) {
	same := 0
	for i := 1; i < len(payload); i++ {
		if payload[i] == payload[i-1] {
			same++
		}
	}
	if same == 0 {
		return starts, payload
	}
	lessStarts, lessPayload := make([]rules.Value, 0, len(starts)-same), make([]uint64, 0, len(starts)-same)
	for i := range starts {
		if i == 0 || payload[i] != payload[i-1] {
			lessStarts, lessPayload = append(lessStarts, starts[i]), append(lessPayload, payload[i])
		}
	}
	return lessStarts, lessPayload
}

// Find the payload of a value below 2^Bits.
func (s *Search) Find(v rules.Value) uint64 {
	if s.Direct != nil {
		return s.Direct.find(uint32(v.Lo))
	}
	return s.Window.find(uint32(v.Lo))
}

// Bytes of all its tables.
func (s *Search) Bytes() int {
	if s.Direct != nil {
		return s.Direct.Payload.bytes()
	}
	return s.Window.bytes()
}

// Cost is about how many nanoseconds a look-up of a random value takes.
func (s *Search) Cost() float64 {
	if s.Direct != nil {
		return s.Direct.Payload.cost() + 1
	}
	return s.Window.cost()
}

// String is "16-bit index, 5 steps of 4 bytes, 2-byte payloads".
func (s *Search) String() string {
	if s.Direct != nil {
		return "direct " + s.Direct.Payload.String()
	}
	return s.Window.String()
}
