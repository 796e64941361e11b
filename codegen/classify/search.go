package classify

import (
	"fmt"

	"xdpfw/rules"
)

// A Search finds the payload of the interval that a value lies in. One of Direct,
// Window, Members and Prefixes is set.
//
// Direct takes the value itself. The others take some of its words of 32 bits:
// neither those behind in which no bound has a bit, nor those in front that all
// bounds have in common, Prefix. A value that has not the Prefix is Outside,
// below all bounds or above them.
type Search struct {
	Bits     int // values are below 2^Bits
	Prefix   []uint32
	Outside  [2]uint64 // payloads
	Direct   *Direct
	Window   *Window
	Members  *Members
	Prefixes *Prefixes
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
	if bits <= maxDirect {
		s.Direct = newDirect(bits, starts, payload)
		return s
	}
	s.Outside = [2]uint64{payload[0], payload[len(payload)-1]}
	prefix, words := s.wordsOf(starts[1:])
	for i := range prefix {
		s.Prefix = append(s.Prefix, s.word(starts[1], i))
	}
	if prefix+words < s.words() || prefix > 0 {
		starts, payload = s.within(starts, payload, words)
	}
	s.Window = newWindow(min(bits, 32*words), words, starts, payload)
	if words == 1 && len(starts) > fewMembers {
		if m := NewMembers(min(bits, 32), starts, payload); m != nil && m.cost() < s.Window.cost() {
			s.Members, s.Window = m, nil
		}
	}
	if words > 1 && len(starts) > fewPrefixes {
		if p := NewPrefixes(words, starts, payload); p != nil && p.cost() < s.Window.cost() {
			s.Prefixes, s.Window = p, nil
		}
	}
	return s
}

// Up to how many intervals are found as fast by their bounds.
const (
	fewMembers  = 1 << 17
	fewPrefixes = 1 << 7
)

// words is how many a value has.
func (s *Search) words() int { return (s.Bits + 31) / 32 }

// word i of a value, the most significant one being 0.
func (s *Search) word(v rules.Value, i int) uint32 {
	return uint32(shiftRight(v, 32*(s.words()-1-i)).Lo)
}

// wordsOf is how many words all bounds have in common, and how many follow in
// which some bound has a bit; at least one.
func (s *Search) wordsOf(bounds []rules.Value) (prefix, words int) {
	if len(bounds) == 0 {
		return 0, 1
	}
	last := s.words() - 1
	for prefix < last && s.word(bounds[0], prefix) == s.word(bounds[len(bounds)-1], prefix) {
		prefix++
	}
	var all rules.Value
	for _, b := range bounds {
		all.Hi, all.Lo = all.Hi|b.Hi, all.Lo|b.Lo
	}
	for last > prefix && s.word(all, last) == 0 {
		last--
	}
	return prefix, last - prefix + 1
}

// cut is the words of a value that are searched.
func (s *Search) cut(v rules.Value, words int) rules.Value {
	v = shiftRight(v, 32*(s.words()-len(s.Prefix)-words))
	above := 128 - 32*words
	return shiftRight(shiftLeft(v, above), above)
}

// within is the intervals of the values with the prefix, by the words searched.
func (s *Search) within(starts []rules.Value, payload []uint64, words int) ([]rules.Value, []uint64) {
	cuts := make([]rules.Value, len(starts))
	for i, start := range starts[1:] {
		cuts[i+1] = s.cut(start, words)
	}
	if len(cuts) > 1 && cuts[1] == (rules.Value{}) { // all values with the prefix are above it
		cuts, payload = cuts[1:], payload[1:]
	}
	return cuts, payload
}

func shiftLeft(v rules.Value, n int) rules.Value {
	if n >= 64 {
		return rules.Value{Hi: v.Lo << (n - 64)}
	}
	return rules.Value{Hi: v.Hi<<n | v.Lo>>(64-n), Lo: v.Lo << n}
}

func shiftRight(v rules.Value, n int) rules.Value {
	if n >= 64 {
		return rules.Value{Lo: v.Hi >> (n - 64)}
	}
	return rules.Value{Hi: v.Hi >> n, Lo: v.Lo>>n | v.Hi<<(64-n)}
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
	for i, prefix := range s.Prefix {
		switch word := s.word(v, i); {
		case word < prefix:
			return s.Outside[0]
		case word > prefix:
			return s.Outside[1]
		}
	}
	switch {
	case s.Members != nil:
		return s.Members.find(s.cut(v, 1).Lo)
	case s.Prefixes != nil:
		return s.Prefixes.find(s.cut(v, s.Prefixes.Words))
	}
	return s.Window.find(s.cut(v, s.Window.Words))
}

// Bytes of all its tables.
func (s *Search) Bytes() int {
	if s.Direct != nil {
		return s.Direct.bytes()
	}
	switch {
	case s.Members != nil:
		return s.Members.bytes()
	case s.Prefixes != nil:
		return s.Prefixes.bytes()
	}
	return s.Window.bytes()
}

// Cost is about how many nanoseconds a look-up of a random value takes.
func (s *Search) Cost() float64 {
	if s.Direct != nil {
		return s.Direct.cost()
	}
	switch {
	case s.Members != nil:
		return s.Members.cost() + float64(len(s.Prefix))
	case s.Prefixes != nil:
		return s.Prefixes.cost() + float64(len(s.Prefix))
	}
	return s.Window.cost() + float64(len(s.Prefix))
}

// String is "index of 2048, 5 steps of 3000 bounds of 32 bits, 3001 × 2 byte payloads".
func (s *Search) String() string {
	if s.Direct != nil {
		return "direct " + s.Direct.String()
	}
	text := ""
	if n := len(s.Prefix); n > 0 {
		text = fmt.Sprintf("prefix of %d bits, ", 32*n)
	}
	switch {
	case s.Members != nil:
		return text + s.Members.String()
	case s.Prefixes != nil:
		return text + s.Prefixes.String()
	}
	return text + s.Window.String()
}
