package rules

import (
	"encoding/binary"
	"fmt"
	"math/bits"
	"net/netip"
	"strconv"
	"strings"
)

// addressText writes an address as the language reads it.
func addressText(v Value, is4 bool) string {
	if is4 {
		var b [4]byte
		binary.BigEndian.PutUint32(b[:], uint32(v.Lo))
		return netip.AddrFrom4(b).String()
	}
	var b [16]byte
	binary.BigEndian.PutUint64(b[:8], v.Hi)
	binary.BigEndian.PutUint64(b[8:], v.Lo)
	return netip.AddrFrom16(b).String()
}

// addressRangeText writes a range as address, prefix or range, the shortest that it is.
func addressRangeText(r Range, is4 bool) string {
	lo := addressText(r.Lo, is4)
	if r.Lo == r.Hi {
		return lo
	}
	if length, is := prefixLength(r, is4); is {
		return lo + "/" + strconv.Itoa(length)
	}
	return lo + "-" + addressText(r.Hi, is4)
}

// prefixLength is the length of the prefix that a range is, if it is one.
func prefixLength(r Range, is4 bool) (length int, is bool) {
	width := 128
	if is4 {
		width = 32
	}
	host := bits.Len64(r.Lo.Lo ^ r.Hi.Lo)
	if high := bits.Len64(r.Lo.Hi ^ r.Hi.Hi); high > 0 {
		host = 64 + high
	}
	length = width - host
	return length, prefixRange(r.Lo, length, is4) == r
}

func macText(n uint64) string {
	return fmt.Sprintf("%02x:%02x:%02x:%02x:%02x:%02x", byte(n>>40), byte(n>>32), byte(n>>24), byte(n>>16), byte(n>>8), byte(n))
}

func numberRangeText(r Range) string {
	lo := strconv.FormatUint(r.Lo.Lo, 10)
	if r.Lo == r.Hi {
		return lo
	}
	return lo + "-" + strconv.FormatUint(r.Hi.Lo, 10)
}

// protocolByNumber are the names of protocols that are the same in both families.
var protocolByNumber = func() map[uint64]string {
	names := map[uint64]string{}
	for name, n := range protocols {
		if name != "icmp" && name != "icmp6" && name != "ah" {
			names[n] = name
		}
	}
	return names
}()

// elements are the members of a set of values, as the language reads them. Of
// names of interfaces it knows nothing.
func (s ValueSet) elements(subject Subject) []string {
	var texts []string
	switch info := subjects[subject]; {
	case subject == Protocol:
		return s.protocolElements()
	case subject == IP6Extensions:
		return s.extensionElements()
	case info.kind == addressKind:
		for _, r := range s.IP4 {
			texts = append(texts, addressRangeText(r, true))
		}
		for _, m := range s.Mask4 {
			texts = append(texts, addressText(m.Value, true)+"/"+addressText(m.Mask, true))
		}
		for _, r := range s.IP6 {
			texts = append(texts, addressRangeText(r, false))
		}
		for _, m := range s.Mask6 {
			texts = append(texts, addressText(m.Value, false)+"/"+addressText(m.Mask, false))
		}
	case info.kind == macKind:
		for _, r := range s.IP4 {
			texts = append(texts, macRangeText(r))
		}
		for _, m := range s.Mask4 {
			texts = append(texts, macText(m.Value.Lo)+"/"+macText(m.Mask.Lo))
		}
	default:
		ranges, masks := s.IP4, s.Mask4
		if info.family == 6 {
			ranges, masks = s.IP6, s.Mask6
		}
		for _, r := range ranges {
			texts = append(texts, numberRangeText(r))
		}
		for _, m := range masks {
			texts = append(texts, fmt.Sprintf("%#x/%#x", m.Value.Lo, m.Mask.Lo))
		}
	}
	return texts
}

// extensionElements: a header is one of them if the set of it alone is.
func (s ValueSet) extensionElements() []string {
	var texts []string
	for _, name := range extensionNames.inOrder {
		if bit := extensionBits[uint8(extensionNames.numbers[name])]; Contains(s.IP6, number(bit)) {
			texts = append(texts, name)
		}
	}
	return texts
}

// protocolElements: numbers hold for both families, icmp and icmp6 for one, and
// `ah` in IPv6 for every protocol behind an AH.
func (s ValueSet) protocolElements() []string {
	var texts []string
	icmp, icmp6, ah := protocols["icmp"], protocols["icmp6"], protocols["ah"]
	only4 := Contains(s.IP4, number(icmp)) && !Contains(s.IP6, number(icmp))
	only6 := Contains(s.IP6, number(icmp6)) && !Contains(s.IP4, number(icmp6))
	all := []Range{{number(0), number(withAH - 1)}}
	behindAH := covers(s.IP6, []Range{{number(withAH), number(2*withAH - 1)}}) && !covers(s.IP6, all)
	if only4 {
		texts = append(texts, "icmp")
	}
	if behindAH {
		texts = append(texts, "ah")
	}
	// Apart from these the families agree, so that what both have in common is
	// what is left of either without its own.
	for _, r := range s.IP4 {
		for _, r := range without(r, icmp, only4) {
			for _, r := range without(r, ah, behindAH && !Contains(s.IP6, number(ah))) {
				if name := protocolByNumber[r.Lo.Lo]; r.Lo == r.Hi && name != "" {
					texts = append(texts, name)
				} else {
					texts = append(texts, numberRangeText(r))
				}
			}
		}
	}
	if only6 {
		texts = append(texts, "icmp6")
	}
	return texts
}

// without takes a number out of a range.
func without(r Range, n uint64, take bool) []Range {
	if !take || n < r.Lo.Lo || n > r.Hi.Lo {
		return []Range{r}
	}
	var rest []Range
	if n > r.Lo.Lo {
		rest = append(rest, Range{r.Lo, number(n - 1)})
	}
	if n < r.Hi.Lo {
		rest = append(rest, Range{number(n + 1), r.Hi})
	}
	return rest
}

// text writes a clause about elements in the shortest form.
func (c *Clause) text(elements []string) string {
	text := c.Subject.String()
	if c.Subject == RawBytes {
		text = fmt.Sprintf("at %v+%d %d", c.Bytes.Base, c.Bytes.Offset, c.Bytes.Length)
	}
	if !c.Subject.IsProperty() || c.Subject == Interface {
		switch {
		case len(elements) != 1:
			text += " " + braced(elements)
		case c.Subject == Protocol && clauseWords[elements[0]] == wordProtocol:
			text = elements[0]
		default:
			text += " " + elements[0]
		}
	}
	if c.Not {
		return "not " + text
	}
	return text
}

func braced(elements []string) string {
	if len(elements) == 0 {
		return "{ }"
	}
	return "{ " + strings.Join(elements, ", ") + " }"
}

// String is the clause in the language, with its values instead of the names
// of sets. What interfaces are called is only known where the clause stands.
func (c Clause) String() string {
	if c.Subject == Interface {
		return sourceText(c.Span)
	}
	return c.text(c.Set.elements(c.Subject))
}
