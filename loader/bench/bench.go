// Package bench measures what a program costs a packet.
//
// A small driver program takes one different packet after the other out of a
// frozen map, writes it over the packet that BPF_PROG_RUN gave it and
// tail-calls the program under test, which is not changed for it. Programs that
// are compared run in turns, round by round, since the machine's speed changes
// by the second.
//
// It must not know how a program was made: any XDP program will do.
package bench

import (
	"fmt"
	"slices"
	"time"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"

	"xdpfw/loader"
)

// A Subject is a program to measure.
type Subject struct {
	Name    string
	Program *ebpf.Program // XDP, bound to no device; it may not change the packet
}

// A Result is what a subject took, through the driver: what the driver itself
// takes is in it, as in the result of an empty program.
type Result struct {
	Name    string
	Rounds  []float64 // ns a packet, in the order of the rounds
	Packets uint64    // that the program got, all rounds together
}

// Median of the rounds, in ns a packet.
func (r Result) Median() float64 { return median(r.Rounds) }

// Over is what the subject takes more than another of the same run, in ns a
// packet: the median of the differences of each round, since the machine may have
// been slower in some rounds than in others.
func (r Result) Over(other Result) float64 {
	differences := make([]float64, len(r.Rounds))
	for i := range differences {
		differences[i] = r.Rounds[i] - other.Rounds[i]
	}
	return median(differences)
}

func median(of []float64) float64 {
	sorted := slices.Sorted(slices.Values(of))
	return (sorted[len(sorted)/2] + sorted[(len(sorted)-1)/2]) / 2
}

// Min is the fastest round, in ns a packet.
func (r Result) Min() float64 { return slices.Min(r.Rounds) }

// Max is the slowest round, in ns a packet.
func (r Result) Max() float64 { return slices.Max(r.Rounds) }

// Run takes the trace through every subject, in turns, for a number of rounds,
// at least one. Results are in the order of the subjects. Errors of the kernel
// are *loader.Error.
func Run(t *Trace, subjects []Subject, rounds int) ([]Result, error) {
	return RunFor(t, subjects, 0, rounds, rounds)
}

// RunFor is Run for as many rounds as begin within the budget, but for so many
// at least and at most.
func RunFor(t *Trace, subjects []Subject, budget time.Duration, least, most int) ([]Result, error) {
	start := time.Now()
	results, err := run(t, driverCode(t), subjects, func(round int) bool {
		return round < least || round < most && time.Since(start) < budget
	})
	if err != nil {
		return nil, loader.Refusal("measure programs in the kernel", err)
	}
	return results, nil
}

func run(t *Trace, code asm.Instructions, subjects []Subject, more func(round int) bool) ([]Result, error) {
	trace, err := t.load()
	if err != nil {
		return nil, err
	}
	defer trace.Close()
	results := make([]Result, len(subjects))
	for i, s := range subjects {
		results[i].Name = s.Name
	}
	err = onOneCPU(func() error {
		for round := 0; more(round); round++ {
			for i := range subjects {
				if round%2 == 1 { // there and back: who comes first is not always the same
					i = len(subjects) - 1 - i
				}
				if err := results[i].addRound(t, code, trace, subjects[i].Program); err != nil {
					return fmt.Errorf("%s: %w", subjects[i].Name, err)
				}
			}
		}
		return nil
	})
	return results, err
}

// In a round the trace goes through a program once to warm it up, and then a
// few times, of which the fastest counts: all that disturbs it makes it slower.
// A program that takes more than slow is not disturbed much, and takes long
// enough as it is: it goes through once. The driver is loaded anew for each round: where
// in memory the kernel puts it, which is random, is worth a nanosecond or two.
const (
	passes = 3
	slow   = 2000 // ns a packet
)

func (r *Result) addRound(t *Trace, code asm.Instructions, trace traceMaps, program *ebpf.Program) error {
	warmUp, timed := 1, passes
	if len(r.Rounds) > 0 && r.Rounds[0] > slow {
		warmUp, timed = 0, 1
	} else if len(r.Rounds) == 0 {
		timed = 1 // it might be slow
	}
	d, err := newDriver(code, trace, program)
	if err != nil {
		return err
	}
	defer d.Close()
	ns, packets, err := d.run(t, warmUp, timed)
	if err != nil {
		return err
	}
	r.Rounds = append(r.Rounds, slices.Min(ns))
	r.Packets += packets
	return nil
}
