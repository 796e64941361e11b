package rules

import (
	"cmp"
	"math/bits"
	"slices"
	"strconv"
	"strings"
)

// readPrefixOrMask reads ADDRESS/LENGTH or ADDRESS/MASK.
func readPrefixOrMask(word string) (a address, f *fault) {
	text, behind, _ := strings.Cut(word, "/")
	if !isIP4Like(behind) && !strings.Contains(behind, ":") {
		a.r, a.is4, f = readPrefix(word)
		return a, f
	}
	v, mask, is4, f := readMask(word)
	if f != nil {
		return a, f
	}
	if rest := v.and(mask); rest != v {
		repaired := addressText(rest, is4) + "/" + behind
		f := &fault{"host-bits", quote(word) + " has bits set that its mask does not have",
			"did you mean " + quote(repaired) + " or " + quote(text) + "?"}
		if host := bits.Len64(mask.Lo); is4 && mask.isLowBits() && v.and(mask) == (Value{}) { // as routers write it
			f.help = "a mask has ones where bits must agree: did you mean " + quote(text+"/"+strconv.Itoa(32-host)) + ", " +
				quote(repaired) + " or " + quote(text) + "?"
		}
		return a, f
	}
	return maskedAddress(v, mask, greatestAddress(is4), is4), nil
}

// readMask reads ADDRESS/MASK.
func readMask(word string) (v, mask Value, is4 bool, f *fault) {
	text, behind, _ := strings.Cut(word, "/")
	if v, is4, f = readAddress(text); f != nil {
		return v, mask, is4, f
	}
	mask, maskIs4, f := readAddress(behind)
	if f != nil || maskIs4 != is4 {
		f = &fault{"bad-mask", quote("/"+behind) + " is not " + familyMask(is4), "a mask is written like an address: `/255.0.0.255`, `/ffff::ff`"}
	}
	return v, mask, is4, f
}

func greatestAddress(is4 bool) Value {
	if is4 {
		return allIP4[0].Hi
	}
	return allIP6[0].Hi
}

func familyMask(is4 bool) string {
	if is4 {
		return "an IPv4 mask"
	}
	return "an IPv6 mask"
}

// maskedAddress are the values that agree with a mask: a range, if the mask is
// that of a prefix. All is the greatest value.
func maskedAddress(v, mask, all Value, is4 bool) address {
	if host := all.without(mask); host.isLowBits() {
		return address{r: Range{v, Value{v.Hi | host.Hi, v.Lo | host.Lo}}, is4: is4}
	}
	return address{mask: Masked{v, mask}, masked: true, is4: is4}
}

// mergeMasks sorts a list, in place, and leaves each mask once.
func mergeMasks(ms []Masked) []Masked {
	slices.SortFunc(ms, func(a, b Masked) int { return cmp.Or(a.Value.Compare(b.Value), a.Mask.Compare(b.Mask)) })
	return slices.Compact(ms)
}

func (v Value) and(w Value) Value { return Value{v.Hi & w.Hi, v.Lo & w.Lo} }

func (v Value) without(w Value) Value { return Value{v.Hi &^ w.Hi, v.Lo &^ w.Lo} }

// isLowBits says whether v is some number of ones at the lower end.
func (v Value) isLowBits() bool {
	if v.Hi == 0 {
		return v.Lo&(v.Lo+1) == 0
	}
	return v.Lo == 1<<64-1 && v.Hi&(v.Hi+1) == 0
}

const macBits = 48

// readMAC reads a MAC address, also with /LENGTH or /MASK behind it.
func readMAC(word string) (a address, f *fault) {
	v, mask, f := readMACMask(word)
	if f != nil {
		return a, f
	}
	if rest := v.and(mask); rest != v {
		text, behind, _ := strings.Cut(word, "/")
		return a, &fault{"host-bits", quote(word) + " has bits set behind its prefix or mask",
			"did you mean " + quote(macText(rest.Lo)+"/"+behind) + " or " + quote(text) + "?"}
	}
	return maskedAddress(v, mask, greatestMAC, true), nil
}

var greatestMAC = wholeRange[macBits][0].Hi

// readMACMask reads a MAC address and what is behind its slash as a mask.
func readMACMask(word string) (v, mask Value, f *fault) {
	text, behind, slash := strings.Cut(word, "/")
	v, f = readOneMAC(text)
	switch {
	case f != nil:
		return v, mask, f
	case !slash:
		return v, greatestMAC, nil
	case strings.Contains(behind, ":"):
		if mask, f = readOneMAC(behind); f != nil {
			f = &fault{"bad-mask", quote("/"+behind) + " is not the mask of a MAC address", "write it like `/ff:ff:ff:00:00:00`"}
		}
		return v, mask, f
	}
	length, f := readNumber(behind)
	if f != nil && f.code == "leading-zero" {
		return v, mask, f
	}
	if f != nil || length > macBits || strings.HasPrefix(behind, "0x") {
		return v, mask, &fault{"bad-prefix", quote("/"+behind) + " is not the length of a prefix of MAC addresses", "lengths are 0 to " + strconv.Itoa(macBits)}
	}
	return v, greatestMAC.without(number(greatestMAC.Lo >> length)), nil
}

// readOneMAC reads six groups of two hexadecimal digits.
func readOneMAC(word string) (Value, *fault) {
	if !isMAC(word) {
		help := "MAC addresses are written like `02:00:5e:10:00:01`"
		if colons := asMAC(word); isMAC(colons) {
			help = "did you mean " + quote(colons) + "?"
		}
		return Value{}, &fault{"bad-mac", quote(word) + " is not a MAC address", help}
	}
	n, _ := strconv.ParseUint(strings.ReplaceAll(word, ":", ""), 16, 64) // twelve digits, as isMAC has seen
	return number(n), nil
}

// asMAC is a MAC address with its groups as the language has them: others
// write them with dashes, as three groups, or without leading zeros.
func asMAC(word string) string {
	groups := strings.FieldsFunc(word, func(r rune) bool { return strings.ContainsRune("-:.", r) })
	if digits := strings.Join(groups, ""); len(groups) <= 3 && len(digits) == macBits/4 {
		groups = groups[:0]
		for i := 0; i < len(digits); i += 2 {
			groups = append(groups, digits[i:i+2])
		}
	}
	for i, g := range groups {
		if len(g) == 1 {
			groups[i] = "0" + g
		}
	}
	return strings.Join(groups, ":")
}

// macRangeText writes a range as address, prefix or range, the shortest that it is.
func macRangeText(r Range) string {
	if r.Lo == r.Hi {
		return macText(r.Lo.Lo)
	}
	host := r.Hi.Lo - r.Lo.Lo
	if r.Lo.Lo&host == 0 && number(host).isLowBits() {
		return macText(r.Lo.Lo) + "/" + strconv.Itoa(macBits-bits.Len64(host))
	}
	return macText(r.Lo.Lo) + "-" + macText(r.Hi.Lo)
}
