package rules

import (
	"encoding/binary"
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

// A fault is what is wrong with a word that should be a value.
type fault struct{ code, message, help string }

// readNumber reads a decimal number, or a hexadecimal one behind 0x.
func readNumber(word string) (uint64, *fault) {
	digits, base := word, 10
	if hex, is := strings.CutPrefix(word, "0x"); is {
		digits, base = hex, 16
	}
	n, err := strconv.ParseUint(digits, base, 64)
	switch {
	case err != nil && strings.Trim(word, "0123456789") == "" && word != "":
		return 0, &fault{"bad-number", quote(word) + " is too large", ""}
	case err != nil:
		return 0, &fault{"bad-number", quote(word) + " is not a number", ""}
	case base == 10 && len(word) > 1 && word[0] == '0':
		return 0, &fault{"leading-zero", quote(word) + " begins with 0, which other programs read as octal",
			"write " + quote(strconv.FormatUint(n, 10))}
	}
	return n, nil
}

// isIP4Like: digits and dots.
func isIP4Like(word string) bool {
	return strings.Contains(word, ".") && strings.Trim(word, "0123456789.") == ""
}

// readAddress reads an address of either family, and says of which.
func readAddress(word string) (v Value, is4 bool, f *fault) {
	if strings.Contains(word, ":") {
		v, f = readIP6(word)
		return v, false, f
	}
	v, f = readIP4(word)
	return v, true, f
}

func readIP4(word string) (Value, *fault) {
	parts := strings.Split(word, ".")
	if strings.Contains(word, "*") {
		return Value{}, &fault{"bad-address", quote(word) + " is not an address", wildcardHelp(parts)}
	}
	var n uint64
	for _, part := range parts {
		octet, err := strconv.ParseUint(part, 10, 64)
		switch {
		case part == "" || strings.Trim(part, "0123456789") != "":
			return Value{}, &fault{"bad-address", quote(word) + " is not an address", ""}
		case err != nil || octet > 255:
			return Value{}, &fault{"bad-address", quote(word) + " is not an address: " + quote(part) + " is more than 255", ""}
		case len(part) > 1 && part[0] == '0':
			return Value{}, &fault{"leading-zero", quote(part) + " in " + quote(word) + " begins with 0, which other programs read as octal",
				"write " + quote(strconv.FormatUint(octet, 10))}
		}
		n = n<<8 | octet
	}
	if len(parts) != 4 {
		help := ""
		if len(parts) < 4 {
			help = "did you mean " + quote(word+strings.Repeat(".0", 4-len(parts))) + "?"
		}
		return Value{}, &fault{"bad-address", quote(word) + " is not an address: IPv4 has 4 numbers, this " + strconv.Itoa(len(parts)), help}
	}
	return number(n), nil
}

// wildcardHelp suggests the prefix in place of `10.0.*` or `10.0.*.*`.
func wildcardHelp(parts []string) string {
	known := slices.Index(parts, "*")
	if known == 0 && len(parts) == 1 {
		return "did you mean `any`?"
	}
	if known < 1 || len(parts) > 4 || strings.Trim(strings.Join(parts[known:], ""), "*") != "" {
		return "addresses that begin alike are written as a prefix: `10.0.0.0/24`"
	}
	prefix := strings.Join(parts[:known], ".") + strings.Repeat(".0", 4-known)
	if _, f := readIP4(prefix); f != nil {
		return ""
	}
	return "did you mean " + quote(prefix+"/"+strconv.Itoa(8*known)) + "?"
}

func readIP6(word string) (Value, *fault) {
	addr, err := netip.ParseAddr(word)
	switch {
	case strings.Contains(word, "%"):
		bare, _, _ := strings.Cut(word, "%")
		return Value{}, &fault{"bad-address", quote(word) + " names a zone, which packets do not carry", "write " + quote(bare)}
	case err != nil:
		f := &fault{"bad-address", quote(word) + " is not an IPv6 address", ip6Help(word)}
		if host, port, is := strings.Cut(word, ":"); is && isIP4Like(host) {
			f.message = quote(word) + " is not an address"
			f.help = "write the port behind it: " + quote(host+" port "+port)
		}
		return Value{}, f
	}
	b := addr.As16()
	return Value{binary.BigEndian.Uint64(b[:8]), binary.BigEndian.Uint64(b[8:])}, nil
}

// ip6Help says what is wrong with an IPv6 address.
func ip6Help(word string) string {
	groups := strings.Split(word, ":")
	last := groups[len(groups)-1]
	switch {
	case strings.Contains(word, ":::"):
		fixed := strings.ReplaceAll(word, ":::", "::")
		if _, err := netip.ParseAddr(fixed); err == nil {
			return "did you mean " + quote(fixed) + "?"
		}
	case strings.Count(word, "::") > 1:
		return "`::` stands once in an address: it is as many zeros as fit"
	case strings.Contains(last, "."):
		if _, f := readIP4(last); f != nil {
			return "the part behind its last `:` is no IPv4 address"
		}
	}
	for _, g := range groups {
		switch {
		case strings.Contains(g, "."):
		case strings.Trim(strings.ToLower(g), "0123456789abcdef") != "":
			return quote(g) + " is no hexadecimal number"
		case len(g) > 4:
			return quote(g) + " has more than four digits"
		}
	}
	if !strings.Contains(word, "::") && len(groups) < 8 {
		return "an address has 8 groups; `::` stands for those that are zero"
	}
	if len(groups) > 8 {
		return "an address has 8 groups"
	}
	return ""
}

// isMAC: six groups of two hexadecimal digits.
func isMAC(word string) bool {
	groups := strings.Split(word, ":")
	for _, g := range groups {
		if len(g) != 2 || strings.Trim(strings.ToLower(g), "0123456789abcdef") != "" {
			return false
		}
	}
	return len(groups) == 6
}

// readPrefix reads ADDRESS/LENGTH.
func readPrefix(word string) (r Range, is4 bool, f *fault) {
	text, length, _ := strings.Cut(word, "/")
	v, is4, f := readAddress(text)
	if f != nil {
		if strings.HasPrefix(f.help, "did you mean") { // an address with zeros left out
			f.help = strings.TrimSuffix(f.help, "`?") + "/" + length + "`?"
		}
		return r, is4, f
	}
	bits := uint64(128)
	if is4 {
		bits = 32
	}
	n, f := readNumber(length)
	switch {
	case length == "":
		return r, is4, &fault{"bad-prefix", quote(word) + " lacks the length of the prefix", "did you mean " + quote(text) + "?"}
	case f != nil && f.code == "leading-zero":
		return r, is4, f
	case f != nil || n > bits || strings.HasPrefix(length, "0x"):
		return r, is4, &fault{"bad-prefix", quote("/"+length) + " is not the length of " + familyPrefix(is4),
			"lengths are 0 to " + strconv.FormatUint(bits, 10)}
	}
	r = prefixRange(v, int(n), is4)
	if r.Lo != v {
		prefix := addressText(r.Lo, is4) + "/" + length
		return r, is4, &fault{"host-bits", quote(word) + " has bits set behind the length of its prefix",
			"did you mean " + quote(prefix) + " or " + quote(text) + "?"}
	}
	return r, is4, nil
}

func familyPrefix(is4 bool) string {
	if is4 {
		return "an IPv4 prefix"
	}
	return "an IPv6 prefix"
}

// prefixRange is the addresses that agree with v in the first length bits.
func prefixRange(v Value, length int, is4 bool) Range {
	if is4 {
		host := uint64(1)<<(32-length) - 1
		return Range{number(v.Lo &^ host), number(v.Lo | host)}
	}
	host := hostBits(length)
	return Range{Value{v.Hi &^ host.Hi, v.Lo &^ host.Lo}, Value{v.Hi | host.Hi, v.Lo | host.Lo}}
}

// hostBits are the bits behind the first length of 128.
func hostBits(length int) Value {
	if length >= 64 {
		return Value{0, 1<<(128-length) - 1}
	}
	return Value{1<<(64-length) - 1, 1<<64 - 1}
}
