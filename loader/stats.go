package loader

import (
	"errors"
	"fmt"
	"os"
	"sort"

	"github.com/cilium/ebpf"

	"xdpfw/codegen"
	"xdpfw/rules"
)

// ReadStats reads the counters of the rule set on an interface, with nothing
// but the pins at hand. Errors are *Error.
func ReadStats(iface string) (*Stats, error) {
	doing := "read the counters of " + iface
	for try := 0; ; try++ {
		stats, err := readStats(doing, iface)
		// A rule set replaced meanwhile takes its pins away.
		if err == nil || try == 3 || !errors.Is(err, os.ErrNotExist) {
			return stats, refusal(doing, err)
		}
	}
}

func readStats(doing, iface string) (*Stats, error) {
	d, err := findDevice(doing, iface)
	if err != nil {
		return nil, err
	}
	path, found, err := existingRoot()
	if err != nil {
		return nil, err
	}
	if !found { // nothing was ever loaded here
		return nil, nothingOfOurs(doing, d)
	}
	held, err := findHolding(path, d)
	if err != nil {
		return nil, err
	}
	if held == nil {
		return nil, nothingOfOurs(doing, d)
	}
	defer held.Close()
	version, s, err := held.generation().readState()
	if err != nil {
		return nil, err
	}
	if s == nil {
		return nil, otherVersion(doing, d, version)
	}
	values, err := held.generation().readCounters(len(s.Counters))
	if err != nil {
		return nil, err
	}
	return statsOf(iface, s, values), nil
}

func otherVersion(doing string, d device, version int) error {
	return &Error{
		Doing: doing,
		Why:   fmt.Sprintf("the rule set on %s was loaded by another xdpfw: its state has version %d, this one knows %d", d.name, version, StateVersion),
		Help:  "ask the xdpfw that loaded it, or load the rules again with this one",
	}
}

// readCounters reads the pinned counters by slot; without slots there are none.
func (g pinnedGeneration) readCounters(slots int) ([]codegen.CounterValue, error) {
	if slots == 0 {
		return nil, nil
	}
	m, err := ebpf.LoadPinnedMap(g.counters(), &ebpf.LoadPinOptions{ReadOnly: true})
	if err != nil {
		return nil, err
	}
	defer m.Close()
	reader, err := newCounterReader(m, slots)
	if err != nil {
		return nil, err
	}
	return reader.read()
}

// counting is of codegen.CounterModes; those before they existed counted rules.
func (s *state) counting() string {
	if s.Counting == "" {
		return codegen.CountRules
	}
	return s.Counting
}

// statsOf joins the values with what they count.
func statsOf(iface string, s *state, values []codegen.CounterValue) *Stats {
	stats := &Stats{Interface: iface, Counting: s.counting()}
	if stats.Counting == codegen.CountNone {
		return stats
	}
	decided := map[rules.Verdict]codegen.CounterValue{}
	for slot, c := range s.Counters {
		stat := CounterStat{Counter: c.counter(), CounterValue: values[slot]}
		if stat.Rule == rules.ByDefault {
			stats.Default = stat
			continue
		}
		sum := decided[stat.Verdict]
		decided[stat.Verdict] = codegen.CounterValue{Packets: sum.Packets + stat.Packets, Bytes: sum.Bytes + stat.Bytes}
		if stat.Rule >= 0 {
			stats.Rules = append(stats.Rules, stat)
		}
	}
	for v := rules.Pass; v.Decides(); v++ {
		stats.Verdicts = append(stats.Verdicts, VerdictStat{v, decided[v]})
	}
	sort.SliceStable(stats.Rules, func(i, j int) bool { return stats.Rules[i].Rule < stats.Rules[j].Rule })
	return stats
}
