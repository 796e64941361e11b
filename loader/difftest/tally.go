package difftest

import (
	"fmt"
	"slices"

	"xdpfw/codegen"
	"xdpfw/loader"
	"xdpfw/rules"
)

// An Expected is a frame and what must become of it.
type Expected struct {
	Frame []byte
	rules.Decision
}

// A Tally holds an Object in the kernel against many frames, of rule sets whose
// counters take longer to read than a frame to run.
//
// The frames that one rule must decide run together. Each must have the rule's
// verdict, and behind them the rule's counter must have moved by their number
// and their bytes. At the end all counters are read, and none must have counted
// anything else. So no two wrong counts can make up for each other: a frame
// that the wrong rule counts is missing in its own group, where nothing else is
// counted that could stand for it but what a frame counts twice, which is one
// too many at the end.
type Tally struct {
	object *codegen.Object
	runner *loader.Runner
	slots  map[int]int // by rule
}

// NewTally loads the Object; Close unloads it. Its rules must all decide.
func NewTally(obj *codegen.Object) (*Tally, error) {
	runner, err := loader.NewRunner(obj)
	if err != nil {
		return nil, err
	}
	slots := make(map[int]int, len(obj.Counters))
	for slot := range obj.Counters {
		if c := &obj.Counters[slot]; !c.Verdict.Decides() {
			runner.Close()
			return nil, fmt.Errorf("%q decides nothing: only what decides is held against counters", c.Text)
		}
		slots[obj.Counters[slot].Rule] = slot
	}
	return &Tally{obj, runner, slots}, nil
}

// Close unloads the Object.
func (t *Tally) Close() { t.runner.Close() }

// Compare is nil if what becomes of every frame, and who counts it, is as
// expected. Frames that the kernel cannot run are left out.
func (t *Tally) Compare(all []Expected) (*Difference, error) {
	if _, err := t.runner.Counters(); err != nil { // from here on
		return nil, err
	}
	all = slices.DeleteFunc(slices.Clone(all), func(e Expected) bool { return !loader.CanRun(e.Frame) })
	slices.SortStableFunc(all, func(a, b Expected) int { return a.Rule - b.Rule })
	want := make([]codegen.CounterValue, len(t.object.Counters))
	for rest := all; len(rest) > 0; {
		n := 1
		for n < len(rest) && rest[n].Rule == rest[0].Rule {
			n++
		}
		group := rest[:n]
		rest = rest[n:]
		slot := t.slots[group[0].Rule]
		moved, asExpected, err := t.run(group, slot)
		if err != nil {
			return nil, err
		}
		for _, e := range group {
			want[slot].Packets++
			want[slot].Bytes += uint64(len(e.Frame))
		}
		if !asExpected || moved != want[slot] {
			return t.find(group)
		}
	}
	counted, err := t.runner.Counters()
	if err != nil || slices.Equal(counted, want) {
		return nil, err
	}
	return t.find(all)
}

// run a group; moved is what the slot counted of it, and asExpected whether
// each verdict was the one that it must be.
func (t *Tally) run(group []Expected, slot int) (moved codegen.CounterValue, asExpected bool, err error) {
	before, err := t.runner.Counter(slot)
	if err != nil {
		return moved, false, err
	}
	asExpected = true
	for _, e := range group {
		verdict, err := t.runner.Verdict(e.Frame)
		if err != nil {
			return moved, false, err
		}
		asExpected = asExpected && verdict == e.Verdict
	}
	after, err := t.runner.Counter(slot)
	return codegen.CounterValue{Packets: after.Packets - before.Packets, Bytes: after.Bytes - before.Bytes}, asExpected, err
}

// find the frame among those that are known to have one which differs.
func (t *Tally) find(among []Expected) (*Difference, error) {
	if _, err := t.runner.Counters(); err != nil { // RunCounting says what moved since
		return nil, err
	}
	for _, e := range among {
		got, counted, err := t.runner.RunCounting(rules.NewPacket(e.Frame))
		if err == nil && got == e.Decision && len(counted) == 0 {
			continue
		}
		d := &Difference{Frame: e.Frame, Answers: []string{"expected: " + Answer{Decision: e.Decision}.String()}}
		if err != nil {
			d.Answers = append(d.Answers, fmt.Sprintf("kernel: %v", err))
		} else {
			d.Answers = append(d.Answers, "kernel: "+Answer{got, counted}.String())
		}
		return d, nil
	}
	return nil, fmt.Errorf("of %d frames each is decided as expected alone, and not together", len(among))
}
