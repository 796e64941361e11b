package loader

import (
	"errors"
	"fmt"
	"os"
	"sort"
	"time"

	"github.com/cilium/ebpf"

	"xdpfw/codegen"
	"xdpfw/rules"
)

// ReadStats reads the counters of the rule set on an interface, with nothing
// but the pins at hand. Errors are *Error.
func ReadStats(iface string) (*Stats, error) {
	doing := "read the counters of " + iface
	for try := 1; ; try++ {
		stats, err := readStats(doing, iface)
		// A rule set replaced meanwhile takes its pins away.
		if err == nil || try == readTries || !errors.Is(err, os.ErrNotExist) {
			return stats, refusal(doing, err)
		}
		time.Sleep(readPause)
	}
}

// ResetStats lets every counter of an interface start at zero again, and returns
// what they had come to: each packet is in that or in what is counted from then
// on. Errors are *Error.
func ResetStats(iface string) (*Stats, error) {
	doing := "reset the counters of " + iface
	d, err := findDevice(doing, iface)
	if err != nil {
		return nil, err
	}
	root, err := findRoot()
	if err != nil {
		return nil, refusal(doing, err)
	}
	if root == nil {
		return nil, nothingOfOurs(doing, d)
	}
	defer root.Close()
	if err := root.takeBackExpired(); err != nil {
		return nil, refusal(doing, err)
	}
	if d, err = findDevice(doing, iface); err != nil { // as it is now
		return nil, err
	}
	held, err := findHolding(root.path, d)
	if err != nil {
		return nil, refusal(doing, err)
	}
	if held == nil {
		return nil, nothingOfOurs(doing, d)
	}
	defer held.Close()
	s, sums, err := held.reset()
	if err != nil {
		if info, failed := held.link.Info(); failed == nil && info.Program != held.program {
			return nil, &Error{
				Doing: doing, Why: "the rules were on trial, the time was over, and they were taken back meanwhile",
				Help: "see what is loaded where: xdpfw status",
			}
		}
		return nil, refusal(doing, explainVersion(doing, d, err))
	}
	return statsOf(d.name, s, sums), nil
}

// reset also what rules have counted that come back when a trial ends.
func (h *holding) reset() (*state, []total, error) {
	if err := h.settle(); err != nil {
		return nil, nil, err
	}
	s, sums, err := h.dir.totals(h.program)
	if err != nil {
		return nil, nil, err
	}
	t, err := h.dir.readTrial()
	if err != nil {
		return nil, nil, err
	}
	if t != nil && t.Previous != 0 && t.of(h.program) {
		previous := ebpf.ProgramID(t.Previous)
		was, stood, err := h.dir.sum(previous, pinnedGeneration.readCarried)
		if err == nil {
			err = h.dir.generation(previous).startAtZero(was, stood)
		}
		if err != nil && !unknowable(err) {
			return nil, nil, err
		}
	}
	return s, sums, h.generation().startAtZero(s, sums)
}

// startAtZero leaves the program's own counters alone, which it writes all the time:
// what they stand at is subtracted from then on.
func (g pinnedGeneration) startAtZero(s *state, sums []total) error {
	own, err := g.readCarried(s)
	if err != nil {
		return err
	}
	now := time.Now()
	for slot := range s.Counters {
		own[slot] = total{CounterValue: own[slot].add(minus(sums[slot].CounterValue)).CounterValue, since: now}
	}
	clear(own[len(s.Counters):])
	return g.carry(own)
}

// openOurs finds the rule set of ours on an interface, without the lock.
func openOurs(doing, iface string) (device, *holding, error) {
	d, err := findDevice(doing, iface)
	if isMissing(err) {
		if dead, _ := deadOf(iface); len(dead) > 0 {
			return d, nil, &Error{Doing: doing, Why: "the interface is gone, and what is left of the rules on it counts nothing any more", Help: "see what is left: " + command("status", iface)}
		}
	}
	if err != nil {
		return d, nil, err
	}
	path, found, err := existingRoot()
	if err != nil {
		return d, nil, err
	}
	if !found { // nothing was ever loaded here
		return d, nil, nothingOfOurs(doing, d)
	}
	held, d, err := findSettled(path, d)
	if err != nil {
		return d, nil, err
	}
	if held == nil {
		return d, nil, nothingOfOurs(doing, d)
	}
	return d, held, nil
}

func readStats(doing, iface string) (*Stats, error) {
	d, held, err := openOurs(doing, iface)
	if err != nil {
		return nil, err
	}
	defer held.Close()
	s, sums, err := held.dir.totals(held.program)
	if err != nil {
		return nil, explainVersion(doing, d, err)
	}
	return statsOf(d.name, s, sums), nil
}

// explainVersion makes an *Error of an otherVersion.
func explainVersion(doing string, d device, err error) error {
	var other *otherVersion
	if !errors.As(err, &other) {
		return err
	}
	return &Error{
		Doing: doing, Why: fmt.Sprintf("the rule set on %s was %v", d.name, other),
		Help: "ask the xdpfw that loaded it, or load the rules again with this one",
	}
}

// otherVersion is the error for a pinned state that a later xdpfw wrote.
type otherVersion struct{ version int }

func (e *otherVersion) Error() string {
	return fmt.Sprintf("loaded by another xdpfw: its state has version %d, this one knows %d", e.version, StateVersion)
}

// readCounters reads the pinned counters by slot; without slots there are none.
func (g pinnedGeneration) readCounters(slots int) ([]codegen.CounterValue, error) {
	if slots == 0 {
		return nil, nil
	}
	m, err := openMap(g.counters())
	if err != nil {
		return nil, err
	}
	defer m.Close()
	if !g.uses(m) {
		return nil, &strangePin{g.counters(), "map of the program beside it"}
	}
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

// statsOf joins the sums with what they count.
func statsOf(iface string, s *state, sums []total) *Stats {
	stats := &Stats{Interface: iface, Source: s.Source, Loaded: s.Loaded, Digest: s.Digest, Counting: s.counting()}
	if stats.Counting == codegen.CountNone {
		return stats
	}
	decided := map[rules.Verdict]VerdictStat{}
	for slot, c := range s.Counters {
		stat := CounterStat{Counter: c.counter(), CounterValue: sums[slot].CounterValue, Since: sums[slot].since}
		if stat.Rule == rules.ByDefault {
			stats.Default = stat
			continue
		}
		sum := decided[stat.Verdict]
		sum.Packets += stat.Packets
		sum.Bytes += stat.Bytes
		if sum.Since.IsZero() || stat.Since.Before(sum.Since) {
			sum.Since = stat.Since
		}
		decided[stat.Verdict] = sum
		if stat.Rule >= 0 {
			stats.Rules = append(stats.Rules, stat)
		}
	}
	for i, v := range decisions {
		sum, gone := decided[v], sums[len(s.Counters)+i]
		sum.Verdict = v
		sum.Packets += gone.Packets
		sum.Bytes += gone.Bytes
		if !gone.since.IsZero() && (sum.Since.IsZero() || gone.since.Before(sum.Since)) {
			sum.Since = gone.since
		}
		stats.Verdicts = append(stats.Verdicts, sum)
	}
	sort.SliceStable(stats.Rules, func(i, j int) bool { return stats.Rules[i].Rule < stats.Rules[j].Rule })
	return stats
}
