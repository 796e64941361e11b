package loader

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"
	"golang.org/x/sys/unix"

	"xdpfw/codegen"
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
// is made up for by the next one. A rule is the same in both by its
// codegen.Counter.Key and, since rules of one key may decide otherwise, for the
// default also by its verdict.
//
// Before the link leaves a generation, that one's own counters have been carried
// over, so that there is never a second before to follow.
//
// Sums are modulo 2^64: what is added can be less than zero.

// A total is what was counted for one slot, and since when.
type total struct {
	codegen.CounterValue
	since time.Time
}

func (v total) add(w codegen.CounterValue) total {
	v.Packets += w.Packets
	v.Bytes += w.Bytes
	return v
}

func minus(v codegen.CounterValue) codegen.CounterValue {
	return codegen.CounterValue{Packets: -v.Packets, Bytes: -v.Bytes}
}

// totals of a generation by slot.
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
	live, err := g.readCounters(len(s.Counters))
	if err != nil {
		return nil, nil, err
	}
	sums, err := added(g, s)
	if err != nil {
		return nil, nil, err
	}
	for slot := range sums {
		sums[slot] = sums[slot].add(live[slot])
	}
	return s, sums, nil
}

// added is what is to be added to the counters of a generation, by slot.
func (d pinDir) added(g pinnedGeneration, s *state) ([]total, error) {
	own, err := g.readCarried(s)
	if err != nil {
		return nil, err
	}
	from, before, err := g.readBefore(len(s.Counters))
	if errors.Is(err, os.ErrNotExist) {
		return own, nil
	}
	if err != nil {
		return nil, err
	}
	old, sums, err := d.sum(from, pinnedGeneration.readCarried)
	var other *otherVersion
	if errors.Is(err, os.ErrNotExist) || errors.As(err, &other) { // removed, hence carried over; or nothing to be known of it
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
	return own, nil
}

// identity of a counter over edits of the rules.
func (c counterState) identity() string {
	if c.Name != "" {
		return c.Key
	}
	return c.Key + "\x00" + c.Verdict
}

// announce says in a generation, in front of the update, where the link comes
// from.
func (g pinnedGeneration) announce(from ebpf.ProgramID, slots int) error {
	if slots == 0 {
		return nil
	}
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

func (g pinnedGeneration) readBefore(slots int) (from ebpf.ProgramID, before []codegen.CounterValue, err error) {
	value, err := readPin(g.before())
	if err != nil {
		return 0, nil, err
	}
	if len(value) != 8+slots*counterSize {
		return 0, nil, fmt.Errorf("%s is of %d bytes", g.before(), len(value))
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
	if err != nil {
		return err
	}
	return os.Remove(g.before())
}

// switchBack gives the link back to a generation that had it before, whose
// counters go on from what both have counted.
func (d pinDir) switchBack(l link.Link, from, to ebpf.ProgramID, program *ebpf.Program) error {
	old := d.generation(to)
	err := d.settle(d.generation(from)) // in full first: what it counted goes back with the link
	if err == nil {
		var s *state
		if _, s, err = old.readState(); err == nil && s != nil {
			err = old.announce(from, len(s.Counters))
		}
	}
	if refused := l.Update(program); refused != nil {
		return errors.Join(err, refused)
	}
	return errors.Join(err, d.settle(old))
}

// carriedSize is the bytes of a slot in carried: packets, bytes, and since when
// in nanoseconds of Unix time.
const carriedSize = 24

func (g pinnedGeneration) carry(sums []total) error {
	var value []byte
	for _, v := range sums {
		for _, n := range []uint64{v.Packets, v.Bytes, uint64(v.since.UnixNano())} {
			value = binary.NativeEndian.AppendUint64(value, n)
		}
	}
	return replacePin(g.carried(), "xdpfw_carried", value)
}

// readCarried is what was carried over, by slot: nothing since the load, if
// there was nothing.
func (g pinnedGeneration) readCarried(s *state) ([]total, error) {
	sums := make([]total, len(s.Counters))
	value, err := readPin(g.carried())
	if errors.Is(err, os.ErrNotExist) {
		loaded, _ := time.Parse(time.RFC3339, s.Loaded)
		for i := range sums {
			sums[i].since = loaded
		}
		return sums, nil
	}
	if err != nil {
		return nil, err
	}
	if len(value) != len(sums)*carriedSize {
		return nil, fmt.Errorf("%s is of %d bytes", g.carried(), len(value))
	}
	for i := range sums {
		word := func(n int) uint64 { return binary.NativeEndian.Uint64(value[i*carriedSize+8*n:]) }
		sums[i] = total{codegen.CounterValue{Packets: word(0), Bytes: word(1)}, time.Unix(0, int64(word(2)))}
	}
	return sums, nil
}

// replacePin pins a value, at any time the old one or the new one.
func replacePin(path, name string, value []byte) error {
	m, err := newValueMap(name, value)
	if err != nil {
		return err
	}
	defer m.Close()
	next := path + "-next" // bpffs takes no dots
	if err := os.Remove(next); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	if err := m.Pin(next); err != nil {
		return err
	}
	return os.Rename(next, path)
}

func readPin(path string) ([]byte, error) {
	m, err := ebpf.LoadPinnedMap(path, &ebpf.LoadPinOptions{ReadOnly: true})
	if err != nil {
		return nil, err
	}
	defer m.Close()
	return m.LookupBytes(uint32(0))
}

// waitForPrograms returns when every program that ran when it was called has
// ended. The kernel waits for them before it returns from an update of a map
// of maps (kernel/bpf/syscall.c, maybe_wait_bpf_programs).
func waitForPrograms() error {
	inner := &ebpf.MapSpec{Type: ebpf.Array, KeySize: 4, ValueSize: 4, MaxEntries: 1}
	one, err := ebpf.NewMap(inner)
	if err != nil {
		return err
	}
	defer one.Close()
	maps, err := ebpf.NewMap(&ebpf.MapSpec{Name: "xdpfw_wait", Type: ebpf.ArrayOfMaps, KeySize: 4, ValueSize: 4, MaxEntries: 1, InnerMap: inner})
	if err != nil {
		return err
	}
	defer maps.Close()
	return maps.Put(uint32(0), one)
}

// newValueMap makes a frozen map that holds one value.
func newValueMap(name string, value []byte) (*ebpf.Map, error) {
	m, err := ebpf.NewMap(&ebpf.MapSpec{
		Name: name, Type: ebpf.Array, KeySize: 4, ValueSize: uint32(len(value)), MaxEntries: 1,
		Flags:    unix.BPF_F_RDONLY_PROG,
		Contents: []ebpf.MapKV{{Key: uint32(0), Value: value}},
	})
	if err != nil {
		return nil, fmt.Errorf("create the map %s: %w", name, err)
	}
	if err := m.Freeze(); err != nil {
		m.Close()
		return nil, fmt.Errorf("freeze the map %s: %w", name, err)
	}
	return m, nil
}
