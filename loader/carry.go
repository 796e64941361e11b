package loader

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"slices"
	"time"

	"github.com/cilium/ebpf"

	"xdpfw/codegen"
	"xdpfw/rules"
)

// Counters are carried over when the link goes from one generation to another:
//
//	before    pinned in front of the update: which generation the link came
//	          from, and what this one's own counters stood at
//	carried   pinned behind it: what is to be added to this one's counters
//
// As long as before is there, what is to be added is worked out: the totals of
// the generation that the link came from, which stand still, less what before
// says. So a reader gets the same sum at any time, and a run that was killed
// is made up for by the next one. Readers take no lock: they read before, then
// carried, then the counters, against the order in which these are written. A rule is the same in both by its
// codegen.Counter.Key and its verdict.
//
// Before the link leaves a generation, that one's own counters have been carried
// over, so that there is never a second before to follow.
//
// Sums are modulo 2^64: what is added can be less than zero.
//
// Behind the totals of the slots are those, by verdict, of rules that are no
// more, and of defaults: what a verdict comes to, and all of them together, does
// not fall when rules go, and is not counted twice when they come back.

// decisions are the verdicts by rules that totals are kept of, in the order of the
// pins. Behind them is the total of the default, whatever that decides.
var decisions = [...]rules.Verdict{rules.Pass, rules.Drop, rules.Abort, rules.TX, rules.Redirect}

const defaultDecides = len(decisions)

// A total is what was counted for one slot, or by rules that are no more, and since when.
type total struct {
	codegen.CounterValue
	since   time.Time
	unknown bool // of rules that are no more: a version of xdpfw that keeps none was here
}

func (v total) add(w codegen.CounterValue) total {
	v.Packets += w.Packets
	v.Bytes += w.Bytes
	return v
}

func minus(v codegen.CounterValue) codegen.CounterValue {
	return codegen.CounterValue{Packets: -v.Packets, Bytes: -v.Bytes}
}

// totals of a generation by slot, and behind them those of rules that are no more.
func (d pinDir) totals(id ebpf.ProgramID) (*state, []total, error) {
	return d.sum(id, d.added)
}

// sum adds what is to be added to the counters of a generation.
func (d pinDir) sum(id ebpf.ProgramID, added func(pinnedGeneration, *state) ([]total, error)) (*state, []total, error) {
	g := d.generation(id)
	version, s, err := g.readState()
	if err != nil {
		return nil, nil, err
	}
	if s == nil {
		return nil, nil, &otherVersion{version}
	}
	sums, err := added(g, s)
	if err != nil {
		return nil, nil, err
	}
	live, err := g.readCounters(len(s.Counters))
	if err != nil {
		return nil, nil, err
	}
	for slot := range live {
		sums[slot] = sums[slot].add(live[slot])
	}
	return s, sums, nil
}

// added is what is to be added to the counters of a generation, by slot.
func (d pinDir) added(g pinnedGeneration, s *state) ([]total, error) {
	from, before, err := g.readBefore(len(s.Counters))
	if err != nil && !unknowable(err) {
		return nil, err
	}
	own, failed := g.readCarried(s)
	if failed != nil || err != nil {
		return own, failed
	}
	old, sums, err := d.sum(from, pinnedGeneration.readCarried)
	if unknowable(err) { // among others because it was removed, hence carried over
		return g.readCarried(s)
	}
	if err != nil {
		return nil, err
	}
	slots := make(map[string]int, len(old.Counters))
	for slot, c := range old.Counters {
		slots[c.identity()] = slot
	}
	for slot, c := range s.Counters {
		if was, ok := slots[c.identity()]; ok {
			own[slot] = sums[was].add(minus(before[slot]))
		}
	}
	copy(own[len(s.Counters):], gone(old, sums, s, own, before))
	return own, nil
}

// gone is, by decision, what rules counted that are no more: what all had come to,
// less what those that there are now stand at. If the old generation does not know
// that, it is what this one knew, and what rules of the old one counted that are
// no more.
func gone(old *state, sums []total, now *state, own []total, before []codegen.CounterValue) []total {
	all := slices.Clone(sums[len(old.Counters):])
	for v := range all {
		if all[v].unknown {
			all[v] = own[len(now.Counters)+v]
		}
	}
	unknown := func(v int) bool { return sums[len(old.Counters)+v].unknown }
	there := make(map[string]bool, len(now.Counters))
	for slot, c := range now.Counters {
		there[c.identity()] = true
		if v := c.decision(); v >= 0 && !unknown(v) {
			all[v] = all[v].add(minus(own[slot].CounterValue)).add(minus(before[slot]))
		}
	}
	for slot, c := range old.Counters {
		v := c.decision()
		if v < 0 || unknown(v) && there[c.identity()] {
			continue
		}
		all[v] = all[v].add(sums[slot].CounterValue)
		if since := sums[slot].since; all[v].since.IsZero() || since.Before(all[v].since) {
			all[v].since = since
		}
	}
	for v := range all {
		all[v].unknown = false
	}
	return all
}

// decision is the index among the decisions of what a counter counts; -1 if that
// is none.
func (c counterState) decision() int {
	if c.Rule == rules.ByDefault {
		return defaultDecides
	}
	verdict, _ := rules.VerdictNamed(c.Verdict)
	return slices.Index(decisions[:], verdict)
}

// unknowable says of an error that what is pinned will never say more.
func unknowable(err error) bool {
	var other *otherVersion
	var strange *strangePin
	return errors.Is(err, os.ErrNotExist) || errors.Is(err, errDamaged) || errors.As(err, &other) || errors.As(err, &strange)
}

// identity of a counter over edits of the rules. What a name dropped before is
// not what it passes now: the totals by verdict would be wrong.
func (c counterState) identity() string {
	if c.Rule == rules.ByDefault { // a rule may have this name, too
		return "\x00" + c.Verdict
	}
	return c.Key + "\x00" + c.Verdict
}

// switchTo makes the link run another generation, which is pinned, instead of
// the one that it runs. Rules that are the same in both go on counting, whether
// the other one is new or has run before: to go back is to switch again. Behind
// an error the link runs what it ran. Behind success the generation it came from
// is needed until settle was called.
func (h *holding) switchTo(id ebpf.ProgramID, program *ebpf.Program) error {
	if err := h.settle(); err != nil {
		return err
	}
	to := h.dir.generation(id)
	_, s, err := to.readState()
	if err == nil && s != nil {
		err = to.announce(h.program, len(s.Counters))
	}
	if err != nil && !unknowable(err) {
		return fmt.Errorf("pin what is counted: %w", err)
	}
	if err := h.link.Update(program); err != nil {
		return err
	}
	h.program = id
	return nil
}

// switchBack makes the link run a generation that it ran before. It is not for
// the counters to keep rules from coming back.
func (h *holding) switchBack(id ebpf.ProgramID, program *ebpf.Program) error {
	err := h.switchTo(id, program)
	if err != nil {
		if refused := h.link.Update(program); refused != nil {
			return errors.Join(err, refused)
		}
		h.program = id
	}
	return errors.Join(err, h.settle())
}

// settle makes up for what is still to be done about the counters of what the
// link runs, so that other generations can be removed.
func (h *holding) settle() error {
	if err := h.dir.settle(h.generation()); err != nil {
		return fmt.Errorf("carry over counters: %w", err)
	}
	return nil
}

// announce says in a generation, in front of the update, where the link comes
// from.
func (g pinnedGeneration) announce(from ebpf.ProgramID, slots int) error {
	live, err := g.readCounters(slots)
	if err != nil {
		return err
	}
	value := binary.NativeEndian.AppendUint64(nil, uint64(from))
	for _, v := range live {
		value = binary.NativeEndian.AppendUint64(binary.NativeEndian.AppendUint64(value, v.Packets), v.Bytes)
	}
	return replacePin(g.before(), "xdpfw_before", value)
}

// readBefore reads what announce said.
func (g pinnedGeneration) readBefore(slots int) (from ebpf.ProgramID, before []codegen.CounterValue, err error) {
	value, err := readPin(g.before())
	if err != nil {
		return 0, nil, err
	}
	if len(value) < 8+slots*counterSize {
		return 0, nil, fmt.Errorf("%s %w: it has %d bytes", g.before(), errDamaged, len(value))
	}
	before = make([]codegen.CounterValue, slots)
	for i := range before {
		at := value[8+i*counterSize:]
		before[i] = codegen.CounterValue{Packets: binary.NativeEndian.Uint64(at), Bytes: binary.NativeEndian.Uint64(at[8:])}
	}
	return ebpf.ProgramID(binary.NativeEndian.Uint64(value)), before, nil
}

// settle makes up, behind the update, for what before says is to be done.
func (d pinDir) settle(g pinnedGeneration) error {
	if _, err := os.Stat(g.before()); errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err := waitForPrograms(); err != nil {
		return fmt.Errorf("wait for the program that was replaced: %w", err)
	}
	_, s, err := g.readState()
	if err == nil && s != nil {
		var sums []total
		if sums, err = d.added(g, s); err == nil {
			err = g.carry(sums)
		}
	}
	if err != nil && !unknowable(err) {
		return err
	}
	return os.Remove(g.before())
}

// carriedSize is the bytes of a total in carried: packets, bytes, and since when
// in nanoseconds of Unix time; of no time 0.
const carriedSize = 24

// carry pins what is to be added from now on to the counters.
func (g pinnedGeneration) carry(sums []total) error {
	var value []byte
	for _, v := range sums {
		since := uint64(0)
		if !v.since.IsZero() {
			since = uint64(v.since.UnixNano())
		}
		for _, n := range []uint64{v.Packets, v.Bytes, since} {
			value = binary.NativeEndian.AppendUint64(value, n)
		}
	}
	return replacePin(g.carried(), "xdpfw_carried", value)
}

// readCarried is what was carried over, by slot and behind that by decision:
// nothing since the load, if there was nothing. The versions before there were
// totals by decision pinned none.
func (g pinnedGeneration) readCarried(s *state) ([]total, error) {
	slots := len(s.Counters)
	sums := make([]total, slots+len(decisions)+1)
	value, err := readPin(g.carried())
	if errors.Is(err, os.ErrNotExist) {
		loaded, _ := time.Parse(time.RFC3339, s.Loaded)
		for i := range slots {
			sums[i].since = loaded
		}
		return sums, nil
	}
	if err != nil {
		return nil, err
	}
	if len(value) < slots*carriedSize {
		return nil, fmt.Errorf("%s %w: it has %d bytes", g.carried(), errDamaged, len(value))
	}
	for i := range min(len(sums), len(value)/carriedSize) {
		word := func(n int) uint64 { return binary.NativeEndian.Uint64(value[i*carriedSize+8*n:]) }
		sums[i] = total{CounterValue: codegen.CounterValue{Packets: word(0), Bytes: word(1)}}
		if since := word(2); since != 0 {
			sums[i].since = time.Unix(0, int64(since))
		}
	}
	for i := len(value) / carriedSize; i < len(sums); i++ {
		sums[i].unknown = true
	}
	return sums, nil
}
