package workload

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net/netip"
	"strconv"
	"strings"
)

// ClassBench translates a filter set of ClassBench (Taylor and Turner, 2005)
// into a rule file of n rules, one a line, in their order:
//
//	@src/len  dst/len  sport_lo : sport_hi  dport_lo : dport_hi  proto/mask  flags/mask
//
// The set has no verdicts. Its rules drop, every seventh passes, and so does
// the default, so that a wrong rule is often a wrong verdict as well.
//
//   - 0.0.0.0/0, the ports 0 : 65535 and a protocol mask of zero are no clause;
//     where none is left at all, the clause is `ip`.
//   - Ports without a protocol are those of any protocol that has ports.
//   - Ports of a protocol that has none would match nothing, and the checker
//     refuses that: they are left out, so that the rule stays.
//   - The last column is ClassBench's own notation of TCP flags, and ignored,
//     as published comparisons do.
func ClassBench(r io.Reader) (text []byte, n int, err error) {
	out := newRuleText()
	lines := bufio.NewScanner(r)
	for line := 1; lines.Scan(); line++ {
		if strings.TrimSpace(lines.Text()) == "" {
			continue
		}
		f, err := readFilter(lines.Text())
		if err != nil {
			return nil, 0, fmt.Errorf("line %d: %w", line, err)
		}
		out.rule(f)
	}
	return out.Bytes(), out.n, lines.Err()
}

// A filter is a rule over the five fields of ClassBench. The zero value of a
// field is any.
type filter struct {
	from, to         netip.Prefix
	fromPort, toPort ports
	protocol         int // 0: any
}

// ports are lo to end - 1; zero is any.
type ports struct{ lo, end int }

// portRange is the ports from lo to hi, both included.
func portRange(lo, hi int) ports { return ports{lo, hi + 1} }

func (p ports) isAny() bool { return p == ports{} || p == portRange(0, 65535) }

func (p ports) String() string {
	if p.lo == p.end-1 {
		return strconv.Itoa(p.lo)
	}
	return fmt.Sprintf("%d-%d", p.lo, p.end-1)
}

func readFilter(line string) (f filter, err error) {
	columns := strings.Split(strings.TrimSpace(line), "\t")
	if len(columns) < 5 || !strings.HasPrefix(line, "@") {
		return f, fmt.Errorf("%q is no filter: it begins with @, and has at least 5 columns between tabs", line)
	}
	for i, to := range []*netip.Prefix{&f.from, &f.to} {
		if *to, err = netip.ParsePrefix(strings.TrimSpace(strings.TrimPrefix(columns[i], "@"))); err != nil {
			return f, err
		}
		*to = to.Masked()
	}
	for i, to := range []*ports{&f.fromPort, &f.toPort} {
		if *to, err = readPorts(columns[2+i]); err != nil {
			return f, err
		}
	}
	f.protocol, err = readProtocol(columns[4])
	return f, err
}

func readPorts(column string) (ports, error) {
	first, last, ok := strings.Cut(column, ":")
	if !ok {
		return ports{}, fmt.Errorf("ports %q: they are two numbers with a colon between them", column)
	}
	lo, err := strconv.ParseUint(strings.TrimSpace(first), 10, 16)
	if err != nil {
		return ports{}, fmt.Errorf("ports %q: %w", column, err)
	}
	hi, err := strconv.ParseUint(strings.TrimSpace(last), 10, 16)
	if err != nil {
		return ports{}, fmt.Errorf("ports %q: %w", column, err)
	}
	if lo > hi {
		return ports{}, fmt.Errorf("ports %q: the first is the smaller one", column)
	}
	return portRange(int(lo), int(hi)), nil
}

// readProtocol reads NUMBER/MASK, where the mask is all ones or zero.
func readProtocol(column string) (int, error) {
	number, mask, _ := strings.Cut(strings.TrimSpace(column), "/")
	n, err := strconv.ParseUint(number, 0, 8)
	if err != nil {
		return 0, fmt.Errorf("protocol %q: %w", column, err)
	}
	switch strings.ToLower(mask) {
	case "0xff":
		return int(n), nil
	case "0x00":
		return 0, nil
	}
	return 0, fmt.Errorf("protocol %q: the mask is 0xFF or 0x00", column)
}

// A ruleText is a rule file that is being written.
type ruleText struct {
	bytes.Buffer
	n int // rules
}

func newRuleText() *ruleText {
	t := &ruleText{}
	t.WriteString("default pass\n")
	return t
}

// verdict of the next rule, by its number alone: mostly drop.
func (t *ruleText) verdict() string {
	t.n++
	if t.n%7 == 0 {
		return "pass"
	}
	return "drop"
}

// add a rule of these clauses.
func (t *ruleText) add(clauses string) {
	t.WriteString(t.verdict())
	t.WriteByte(' ')
	t.WriteString(clauses)
	t.WriteByte('\n')
}

// rule adds one for a filter.
func (t *ruleText) rule(f filter) { t.add(f.String()) }

// String is the clauses.
func (f filter) String() string {
	var b strings.Builder
	word, hasPorts := protocolWord(f.protocol)
	b.WriteString(word)
	side := func(word string, p netip.Prefix, of ports) {
		address, port := p.IsValid() && p.Bits() > 0, hasPorts && !of.isAny()
		if address || port {
			fmt.Fprintf(&b, " %s", word)
		}
		switch {
		case address && p.IsSingleIP():
			fmt.Fprintf(&b, " %v", p.Addr())
		case address:
			fmt.Fprintf(&b, " %v", p)
		}
		if port {
			fmt.Fprintf(&b, " port %v", of)
		}
	}
	side("from", f.from, f.fromPort)
	side("to", f.to, f.toPort)
	if b.Len() == 0 {
		if f.from.Addr().Is6() {
			return "ip6"
		}
		return "ip"
	}
	return strings.TrimSpace(b.String())
}

// protocolWord is the clause for a protocol, none for 0, and whether packets
// of it can have ports. ICMP has another number in each address family, so
// that it is written as the number.
func protocolWord(n int) (word string, hasPorts bool) {
	switch n {
	case 0:
		return "", true
	case 6:
		return "tcp", true
	case 17:
		return "udp", true
	case 132:
		return "sctp", true
	}
	return "proto " + strconv.Itoa(n), false
}
